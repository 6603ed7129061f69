"""Asking an index: credentials, certificates, proxies, the cache, and each way to fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_pkgmgr.model.errors import PkgError, UnreachableError
from testbed.index import Fault, Server, serve
from tests.catalog.conftest import MakeCatalog
from tests.catalog.raw_server import Page, RawServer, raw_server

LISTING = b'<html><a href="thing-1.0.tar.gz">thing-1.0.tar.gz</a></html>'


def failure(catalog_url: str, make_catalog: MakeCatalog, **settings: object) -> PkgError:
    with pytest.raises(UnreachableError) as caught:
        make_catalog(catalog_url, **settings).versions("thing")
    return caught.value


@pytest.mark.parametrize(
    ("fault", "reference", "message"),
    [
        ("401", "index-unauthorized", "wants a user name and a password"),
        ("403", "index-forbidden", "refuses to answer this user"),
        ("429", "index-error", "answered 429 Too Many Requests"),
        ("500", "index-error", "answered 500 Internal Server Error"),
        ("503", "index-error", "answered 503 Service Unavailable"),
        ("garbage", "index-garbage", "answered something that is no package list"),
        ("truncated", "index-down", "can't be reached"),
        ("reset", "index-down", "can't be reached"),
        ("hang", "index-timeout", "did not answer within 0.5 seconds"),
        ("stall", "index-timeout", "did not answer within 0.5 seconds"),
    ],
)
def test_each_fault_is_explained(
    fault: Fault, reference: str, message: str, shop: Server, make_catalog: MakeCatalog
) -> None:
    shop.fail("/simple/*", fault)
    error = failure(shop.index_url, make_catalog, timeout=0.5, source="/home/me/pip.conf")
    assert error.reference == reference
    assert message in error.message
    assert error.hint
    assert "127.0.0.1" in error.message
    assert error.note


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/vnd.pypi.simple.v1+json"),
        (b"[]", "application/vnd.pypi.simple.v1+json"),
        (b"null", "application/json"),
        (b'{"meta": {"api-version": "1.0"}, "files": [{"filename": 5, "url": "x"}]}', "application/json"),
        (b"\xff\xfe", "application/vnd.pypi.simple.v1+json"),
        (b"plainly not html", "text/html"),
        (b"<html><body><form action=login>user:</form></body></html>", "text/html"),
        (b"<html></html>", "application/octet-stream"),
        (b"", ""),
    ],
)
def test_garbage_of_every_kind(body: bytes, content_type: str, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = Page(body, content_type=content_type)
    assert failure(raw.url, make_catalog).reference == "index-garbage"


@pytest.mark.parametrize(
    "page",
    [
        Page(b'{"meta": {"api-version": "2.0"}, "files": []}', content_type="application/vnd.pypi.simple.v1+json"),
        Page(b'<html><head><meta name="pypi:repository-version" content="2.0"></head></html>'),
    ],
)
def test_a_new_major_version_of_the_api_is_refused(page: Page, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = page
    error = failure(raw.url, make_catalog)
    assert error.reference == "index-version"
    assert error.hint == "update jupyter_pkgmgr"


def test_nobody_listens(make_catalog: MakeCatalog) -> None:
    with raw_server() as server:
        url = server.url
    error = failure(url, make_catalog)
    assert error.reference == "index-down"
    assert error.note == "it is the default index"


@pytest.mark.parametrize("url", ["https:///simple", "ftp://127.0.0.1/simple", "http://[::1/simple", "nonsense"])
def test_a_url_that_is_none(url: str, make_catalog: MakeCatalog) -> None:
    assert failure(url, make_catalog).reference == "index-url"


def test_a_passing_fault_is_tried_again(shop: Server, make_catalog: MakeCatalog) -> None:
    shop.fail("/simple/*", "503", times=1)
    assert make_catalog(shop.index_url).exists("shop-lib")


def test_credentials_in_the_url(shop_folder: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder, auth=("me", "p@ss/w:rd")) as server:
        url = server.index_url.replace("//", "//me:p%40ss%2Fw%3Ard@", 1)
        catalog = make_catalog(url)
        found = catalog.versions("shop-lib")
        assert catalog.metadata("shop-lib").summary == "ten", "files on the same host get them too"
        for text in (repr(found), *(file.url for item in found.versions for file in item.files)):
            assert "p@ss" not in text
            assert "p%40" not in text
            assert "me:" not in text


def test_wrong_credentials_are_not_shown(shop_folder: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder, auth=("me", "right")) as server:
        error = failure(server.index_url.replace("//", "//me:wr0ng@", 1), make_catalog)
    assert error.reference == "index-unauthorized"
    assert "wr0ng" not in str(error.to_json())


@pytest.mark.parametrize("status", [403, 404, 500])
def test_no_error_shows_credentials(status: int, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = Page(b"", status=status)
    with pytest.raises(PkgError) as caught:
        make_catalog(raw.url.replace("//", "//user:s3cret@", 1)).versions("thing")
    assert "s3cret" not in str(caught.value.to_json())
    assert "user" not in str(caught.value.context)
    with raw_server() as server:
        gone = server.url.replace("//", "//user:s3cret@", 1)
    assert "s3cret" not in str(failure(gone, make_catalog).to_json())


def test_credentials_of_netrc(shop_folder: Path, make_catalog: MakeCatalog, clean_settings: Path) -> None:
    netrc = clean_settings / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password right\n")
    netrc.chmod(0o600)
    with serve(shop_folder, auth=("me", "right")) as server:
        assert make_catalog(server.index_url).exists("shop-lib")


def test_credentials_of_the_keyring(
    shop_folder: Path, tmp_path: Path, make_catalog: MakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring is any module of that name with ``get_credential``: here one that keeps a log of its questions."""
    log = tmp_path / "log"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "keyring.py").write_text(
        "from types import SimpleNamespace\n"
        "def get_credential(service, user):\n"
        f"    with open({str(log)!r}, 'a') as file: print(service, user, file=file)\n"
        "    if '/simple' in service: return None\n"
        "    return SimpleNamespace(username='me', password='right')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    with serve(shop_folder, auth=("me", "right")) as server:
        catalog = make_catalog(server.index_url)
        assert catalog.exists("shop-lib")
        assert catalog.exists("workshop")
        host = server.url.removeprefix("http://")
        assert log.read_text().splitlines() == [f"{server.index_url} None", f"{host} None"], "asked once"


def test_credentials_go_to_their_own_host_only(shop: Server, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = Page(b"", status=302, headers={"Location": f"{shop.index_url}shop-lib/"})
    make_catalog(raw.url.replace("//", "//user:s3cret@", 1)).exists("thing")
    assert all("Authorization" not in request.headers for request in shop.requests)


def test_the_cache_is_revalidated(shop: Server, make_catalog: MakeCatalog) -> None:
    first = make_catalog(shop.index_url).versions("shop-lib")
    again = make_catalog(shop.index_url).versions("shop-lib")
    assert [request.status for request in shop.requests] == [200, 304]
    assert (first.freshness.from_cache, again.freshness.from_cache) == (False, True)
    assert not again.freshness.stale
    assert again.versions == first.versions


def test_last_modified_is_a_validator_too(raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = Page(LISTING, headers={"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"})
    for _ in range(2):
        make_catalog(raw.url).versions("thing")
    assert raw.requests[1][1]["if-modified-since"] == "Sat, 01 Jan 2022 00:00:00 GMT"


@pytest.mark.parametrize(
    ("control", "requests"),
    [
        ("max-age=600", 1),
        ("public, max-age=600", 1),
        ("max-age=0", 2),
        ("no-cache, max-age=600", 2),
        ("no-store", 2),
        ("", 2),
    ],
)
def test_cache_control_is_honoured(control: str, requests: int, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/thing/"] = Page(LISTING, headers={"Cache-Control": control, "ETag": '"1"'})
    for _ in range(2):
        assert make_catalog(raw.url).exists("thing")
    assert raw.asked("/thing/") == requests


def test_what_changed_is_fetched_and_what_went_is_forgotten(raw: RawServer, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(raw.url)
    raw.pages["/thing/"] = Page(LISTING, headers={"ETag": '"1"'})
    assert [item.version for item in catalog.versions("thing").versions] == ["1.0"]
    raw.pages["/thing/"] = Page(LISTING.replace(b"1.0", b"2.0"), headers={"ETag": '"2"'})
    assert [item.version for item in catalog.versions("thing").versions] == ["2.0"]
    del raw.pages["/thing/"]
    assert not catalog.exists("thing")
    with pytest.raises(UnreachableError):
        make_catalog(raw.url, offline=True).versions("thing")


def test_offline_answers_from_the_cache_and_says_so(shop: Server, make_catalog: MakeCatalog) -> None:
    online = make_catalog(shop.index_url)
    online.versions("shop-lib")
    online.metadata("shop-lib")
    asked = len(shop.requests)
    offline = make_catalog(shop.index_url, offline=True)
    found = offline.versions("shop-lib")
    assert (found.freshness.from_cache, found.freshness.stale) == (True, True)
    assert found.freshness.date is not None
    assert found.freshness.note == "offline: what the index said then"
    metadata = offline.metadata("shop-lib")
    assert metadata.summary == "ten"
    assert metadata.freshness.stale
    with pytest.raises(UnreachableError) as caught:
        offline.versions("workshop")
    assert caught.value.reference == "offline"
    assert len(shop.requests) == asked, "nothing was asked"


def test_an_unreachable_index_is_answered_from_the_cache(shop_folder: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder) as server:
        make_catalog(server.index_url).versions("shop-lib")
        make_catalog(server.index_url).search("shop")
        server.fail("*", "500")
        broken = make_catalog(server.index_url).versions("shop-lib")
    gone = make_catalog(server.index_url).versions("shop-lib")
    assert broken.freshness.note == f"{server.url[7:]} answered 500 Internal Server Error: what the index said then"
    assert gone.freshness.note == f"{server.url[7:]} can't be reached: what the index said then"
    assert broken.freshness.stale
    assert gone.freshness.stale
    assert gone.versions == broken.versions
    search = make_catalog(server.index_url).search("shop")
    assert search.complete
    assert search.freshness.stale


def test_rights_that_were_taken_away_are_not_answered_from_the_cache(shop: Server, make_catalog: MakeCatalog) -> None:
    make_catalog(shop.index_url).versions("shop-lib")
    shop.fail("*", "403")
    with pytest.raises(UnreachableError):
        make_catalog(shop.index_url).versions("shop-lib")


def test_another_user_does_not_read_the_cached_answer(shop_folder: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder, auth=("me", "right")) as server:
        assert make_catalog(server.index_url.replace("//", "//me:right@", 1)).exists("shop-lib")
        with pytest.raises(UnreachableError):
            make_catalog(server.index_url, offline=True).versions("shop-lib")


def test_the_cache_holds_no_credentials(shop_folder: Path, tmp_path: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder, auth=("me", "s3cret")) as server:
        make_catalog(server.index_url.replace("//", "//me:s3cret@", 1)).metadata("shop-lib")
    stored = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if b"s3cret" in path.read_bytes()]


def test_a_cache_that_cannot_be_written_is_no_error(shop: Server, tmp_path: Path, make_catalog: MakeCatalog) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert make_catalog(shop.index_url).exists("shop-lib")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed but itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run(argv, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return both


def test_certificates(certificate: Path, make_catalog: MakeCatalog, tmp_path: Path) -> None:
    with raw_server(certificate) as server:
        server.pages["/thing/"] = Page(LISTING)
        error = failure(server.url, make_catalog)
        assert error.reference == "index-tls"
        assert "isn't trusted" in error.message
        assert make_catalog(server.url, cert=str(certificate.with_name("cert"))).exists("thing")
        assert make_catalog(server.url, trusted_hosts=("127.0.0.1",)).exists("thing")
        host_and_port = server.url.removeprefix("https://")
        assert make_catalog(server.url, trusted_hosts=(host_and_port,)).exists("thing")
        assert failure(server.url, make_catalog, trusted_hosts=("other.example",), cold=True).reference == "index-tls"
        missing = str(tmp_path / "missing.pem")
        assert failure(server.url, make_catalog, cert=missing, cold=True).reference == "index-tls"


def test_the_systems_certificates_are_trusted(
    certificate: Path, make_catalog: MakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSL_CERT_FILE`` is how OpenSSL is told where the system keeps them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert")))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with raw_server(certificate) as server:
        server.pages["/thing/"] = Page(LISTING)
        assert make_catalog(server.url).exists("thing")


def test_a_proxy_is_used(raw: RawServer, make_catalog: MakeCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    raw.pages["http://index.invalid/thing/"] = Page(LISTING)
    assert make_catalog("http://index.invalid", proxy=raw.url).exists("thing")
    assert raw.asked("http://index.invalid/thing/") == 1
    with raw_server() as server:
        gone = server.url
    assert failure("http://index.invalid", make_catalog, proxy=gone, cold=True).reference == "proxy"
    monkeypatch.setenv("HTTP_PROXY", gone)
    assert failure("http://index.invalid", make_catalog, cold=True).reference == "proxy"
    assert make_catalog("http://index.invalid", proxy=raw.url, cold=True).exists("thing"), "ours goes first"
    monkeypatch.setenv("HTTP_PROXY", raw.url)
    assert make_catalog("http://index.invalid", cold=True).exists("thing")

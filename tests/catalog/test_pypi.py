"""What a PyPI-style index has: versions, metadata, search, over real wheels on a loopback index."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from packaging.tags import platform_tags

from jupyter_pkgmgr.catalog import FileKind, PackageMetadata, VersionList
from jupyter_pkgmgr.environments import default_index
from jupyter_pkgmgr.model import Ecosystem, Environment, EnvironmentKind, PythonInfo
from jupyter_pkgmgr.model.errors import (
    CatalogError,
    InvalidSpecError,
    PackageNotFoundError,
    UnreachableError,
    VersionNotFoundError,
)
from testbed.index import Server, serve
from testbed.wheels import WheelSource, make_sdist, write_wheel
from tests.catalog.conftest import MakeCatalog
from tests.catalog.raw_server import Page, RawServer


def environment(version: str = "3.11.7", implementation: str = "cpython") -> Environment:
    here = Path(sys.prefix)
    python = PythonInfo(
        executable=here / "bin" / "python",
        version=version,
        implementation=implementation,
        prefix=here,
        base_prefix=here,
        purelib=here,
        platlib=here,
        scripts=here,
        stdlib=here,
    )
    return Environment(prefix=here, kind=EnvironmentKind.VENV, owner="venv", name="x", python=python)


def html_page(folder: Path, project: str, files_url: str) -> bytes:
    lines = []
    for path in sorted(folder.glob(f"{project.replace('-', '_')}-*")):
        if path.suffix == ".yanked":
            continue
        note = path.with_name(f"{path.name}.yanked")
        yanked = f' data-yanked="{note.read_text()}"' if note.exists() else ""
        lines.append(
            f'<a href="{files_url}/{path.name}#sha256=abc"{yanked} data-requires-python="&gt;=3.8">{path.name}</a>'
        )
    return f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>".encode()


def test_versions_come_newest_first_with_what_matters(shop: Server, make_catalog: MakeCatalog) -> None:
    found = make_catalog(shop.index_url).versions("shop_lib")
    assert found.name == "shop-lib"
    assert [item.version for item in found.versions] == ["2.0rc1", "1.11", "1.10", "1.9", "1.0"]
    assert [item.version for item in found.versions if item.prerelease] == ["2.0rc1"]
    assert [(item.version, item.yanked_reason) for item in found.versions if item.yanked] == [("1.11", "eats files")]
    assert found.newest is not None
    assert found.newest.version == "1.10"
    file = found.newest.files[0]
    assert file.kind is FileKind.WHEEL
    assert file.filename == "shop_lib-1.10-py3-none-any.whl"
    assert file.has_metadata
    assert file.size
    assert len(file.sha256) == 64
    assert file.uploaded is not None
    assert file.origin == shop.index_url
    assert found.newest.fits is None


def test_html_says_the_same_as_json(shop_folder: Path, shop: Server, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/simple/shop-lib/"] = Page(html_page(shop_folder, "shop-lib", f"{shop.url}/files"))
    from_json = make_catalog(shop.index_url).versions("shop-lib")
    from_html = make_catalog(f"{raw.url}/simple").versions("shop-lib")

    def facts(found: VersionList) -> list[tuple[object, ...]]:
        return [
            (item.version, item.yanked, item.yanked_reason, [(file.filename, file.url) for file in item.files])
            for item in found.versions
        ]

    assert facts(from_html) == facts(from_json)
    assert from_html.versions[0].requires_python == ">=3.8"


def test_a_folder_of_pages_is_an_index(shop_folder: Path, tmp_path: Path, make_catalog: MakeCatalog) -> None:
    page = tmp_path / "simple" / "shop-lib" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(html_page(shop_folder, "shop-lib", shop_folder.as_uri()))
    catalog = make_catalog((tmp_path / "simple").as_uri())
    assert len(catalog.versions("shop-lib").versions) == 5
    assert catalog.metadata("shop-lib").summary == "ten"
    with pytest.raises(PackageNotFoundError):
        catalog.versions("nothing")


@pytest.mark.parametrize("as_url", [True, False])
def test_find_links_may_be_a_folder(shop_folder: Path, make_catalog: MakeCatalog, *, as_url: bool) -> None:
    place = shop_folder.as_uri() if as_url else str(shop_folder)
    catalog = make_catalog("http://127.0.0.1:9/simple", no_index=True, find_links=(place,))
    found = catalog.versions("Shop.Lib")
    assert [item.version for item in found.versions] == ["2.0rc1", "1.11", "1.10", "1.9", "1.0"]
    assert found.versions[0].origins == (str(shop_folder),)
    assert catalog.metadata("shop-lib", "1.9").summary == "nine"


def test_find_links_may_be_a_page(shop_folder: Path, shop: Server, raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/links.html"] = Page(html_page(shop_folder, "workshop", f"{shop.url}/files"))
    catalog = make_catalog(shop.index_url, no_index=True, find_links=(f"{raw.url}/links.html",))
    assert [item.version for item in catalog.versions("workshop").versions] == ["0.1"]
    assert not catalog.exists("shop-lib")
    with pytest.raises(UnreachableError, match="there is nothing at the find-links place"):
        make_catalog(shop.index_url, no_index=True, find_links=(f"{raw.url}/none.html",)).versions("workshop")


def test_several_indexes_are_merged_and_named(shop: Server, tmp_path: Path, make_catalog: MakeCatalog) -> None:
    write_wheel(tmp_path, WheelSource(name="shop-lib", version="7.0"))
    write_wheel(tmp_path, WheelSource(name="shop-lib", version="1.0"))
    with serve(tmp_path) as other:
        found = make_catalog(shop.index_url, extra_index_urls=(other.index_url,)).versions("shop-lib")
    assert [item.version for item in found.versions][:2] == ["7.0", "2.0rc1"]
    assert {item.version: item.origins for item in found.versions}["1.0"] == (shop.index_url, other.index_url)


def test_one_of_several_indexes_down_is_a_note(shop: Server, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog("http://127.0.0.1:9/simple", extra_index_urls=(shop.index_url,))
    found = catalog.versions("shop-lib")
    assert len(found.versions) == 5
    assert found.notes == ("127.0.0.1:9 can't be reached",)
    with pytest.raises(UnreachableError):
        catalog.versions("nothing-like-it")


@pytest.mark.parametrize(
    ("name", "python", "fits", "why"),
    [
        ("shop-lib", "3.11.7", True, ""),
        ("shop-lib", "3.8.1", True, ""),
        ("future-python", "3.11.7", False, "needs Python >=3.99, the environment has 3.11.7"),
        ("future-python", "3.99.0", True, ""),
        ("elsewhere", "3.11.7", False, "no wheel for this platform and Python, and no source to build one from"),
        ("only-source", "3.11.7", True, ""),
    ],
)
def test_fit(name: str, python: str, why: str, shop: Server, make_catalog: MakeCatalog, *, fits: bool) -> None:
    newest = make_catalog(shop.index_url).versions(name, environment=environment(python)).versions[0]
    assert (newest.fits, newest.why_not) == (fits, why)
    assert newest.needs_build is (name == "only-source")


@pytest.mark.parametrize(
    ("tag", "python", "implementation", "fits"),
    [
        ("cp39-cp39-{platform}", "3.9.18", "cpython", True),
        ("cp39-abi3-{platform}", "3.12.1", "cpython", True),
        ("cp312-abi3-{platform}", "3.9.18", "cpython", False),
        ("cp39-cp39-{platform}", "3.12.1", "cpython", False),
        ("cp312-cp312-{platform}", "3.12.1", "cpython", True),
        ("cp313-cp313t-{platform}", "3.13.0", "cpython", False),
        ("cp39-cp39-{platform}", "3.9.18", "pypy", False),
        ("py3-none-{platform}", "3.9.18", "pypy", True),
        ("py2-none-any", "3.12.1", "cpython", False),
        ("py2.py3-none-any", "3.12.1", "pypy", True),
    ],
)
def test_tags_are_those_of_the_target_not_ours(
    tag: str, python: str, implementation: str, tmp_path: Path, make_catalog: MakeCatalog, *, fits: bool
) -> None:
    platform = next(iter(platform_tags()))
    write_wheel(tmp_path, WheelSource(name="tagged", version="1.0", tag=tag.format(platform=platform)))
    catalog = make_catalog("http://127.0.0.1:9", no_index=True, find_links=(str(tmp_path),))
    found = catalog.versions("tagged", environment=environment(python, implementation))
    assert found.versions[0].fits is fits


@pytest.mark.parametrize(
    ("specifier", "pre", "version"),
    [
        ("", False, "1.10"),
        ("", True, "2.0rc1"),
        ("<1.10", False, "1.9"),
        ("==1.11", False, "1.11"),
        (">=1.9,<2", False, "1.10"),
        (">=2.0rc1", False, "2.0rc1"),
        ("==1.*", False, "1.11"),
    ],
)
def test_select(specifier: str, version: str, shop: Server, make_catalog: MakeCatalog, *, pre: bool) -> None:
    chosen = make_catalog(shop.index_url).select("shop-lib", specifier, pre=pre)
    assert chosen.version == version


@pytest.mark.parametrize(
    ("name", "specifier", "note"),
    [
        ("shop-lib", "==99", None),
        ("shop-lib", ">1.10,<2", "1.11 is yanked: eats files"),
        ("future-python", ">=1.0", "1.0 needs Python >=3.99, the environment has 3.11.7"),
    ],
)
def test_an_impossible_version_shows_which_exist(
    name: str, specifier: str, note: str | None, shop: Server, make_catalog: MakeCatalog
) -> None:
    with pytest.raises(VersionNotFoundError) as caught:
        make_catalog(shop.index_url).select(name, specifier, environment=environment())
    assert caught.value.context[0].startswith("available: ")
    assert caught.value.note == note
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"%pkg install {name}==")


def test_a_constraint_that_is_none_is_refused(shop: Server, make_catalog: MakeCatalog) -> None:
    with pytest.raises(InvalidSpecError, match="is no version constraint"):
        make_catalog(shop.index_url).select("shop-lib", "about 1")
    with pytest.raises(InvalidSpecError, match="is no version"):
        make_catalog(shop.index_url).metadata("shop-lib", "new")
    with pytest.raises(VersionNotFoundError, match="no version of shop-lib satisfies ==9"):
        make_catalog(shop.index_url).metadata("shop-lib", "9")


def test_an_unknown_package_has_near_names_of_the_index(shop: Server, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(shop.index_url)
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("shoplib")
    assert caught.value.hint == "%pkg install shop-lib"
    assert caught.value.context == ("similar names: shop-lib",)
    assert caught.value.note == f"asked: {shop.index_url}"
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("pands")
    assert caught.value.context == (), "this index has no pandas"
    assert caught.value.hint == "%pkg search pands"
    assert not catalog.exists("pands")
    assert catalog.exists("Shop_Lib")


def test_an_unknown_package_has_well_known_near_names(raw: RawServer, make_catalog: MakeCatalog) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        make_catalog(raw.url).versions("pands")
    assert caught.value.hint == "%pkg install pandas"


@pytest.mark.parametrize("name", ["../files", "a/b", "a b", "", "-x", "a?b", "ü", "a\nb"])
def test_a_name_that_is_none_is_refused(name: str, shop: Server, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(shop.index_url)
    with pytest.raises(InvalidSpecError, match="is no package name"):
        catalog.versions(name)
    assert shop.requests == []


def test_metadata_beside_the_wheel(shop: Server, make_catalog: MakeCatalog) -> None:
    found = make_catalog(shop.index_url).metadata("shop-lib")
    assert found == PackageMetadata(
        name="Shop-Lib",
        version="1.10",
        ecosystem=Ecosystem.PYPI,
        source="index",
        summary="ten",
        license="BSD-3-Clause",
        depends=("six>=1", "extra-thing; extra == 'x'"),
        extras=("x",),
        freshness=found.freshness,
    )
    assert not shop.paths("*.whl"), "the wheel itself wasn't downloaded"


def test_metadata_from_a_small_wheel(shop_folder: Path, make_catalog: MakeCatalog) -> None:
    with serve(shop_folder, metadata=False) as server:
        found = make_catalog(server.index_url).metadata("shop-lib", "1.0")
    assert (found.source, found.summary, found.depends) == ("wheel", "first", ("six",))


def test_metadata_from_the_end_of_a_large_wheel(tmp_path: Path, raw: RawServer, make_catalog: MakeCatalog) -> None:
    noise = bytes(range(256)) * 4096 * 6
    wheel = write_wheel(
        tmp_path, WheelSource(name="huge", version="1.0", summary="large", files={"huge.bin": noise, "huge.py": ""})
    )
    stored = _stored_wheel(tmp_path / "stored", wheel)
    raw.pages["/huge/"] = Page(f'<html><body><a href="/files/{wheel.name}">x</a></body></html>'.encode())
    raw.pages[f"/files/{wheel.name}"] = Page(stored, content_type="application/zip", ranges=True)
    assert len(stored) > 4 * 1024 * 1024, "more than may be downloaded as a whole"
    found = make_catalog(raw.url).metadata("huge")
    assert (found.source, found.summary) == ("wheel", "large")
    ranges = [headers["range"] for path, headers in raw.requests if path.endswith(".whl")]
    assert 1 <= len(ranges) <= 4, "the end, and what the end points at"


def _stored_wheel(folder: Path, wheel: Path) -> bytes:
    """The same wheel, uncompressed and with its metadata first: the reader must go back for it."""
    folder.mkdir()
    target = folder / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w") as archive:
        for name in sorted(source.namelist(), key=lambda name: "dist-info" not in name):
            archive.writestr(name, source.read(name))
    return target.read_bytes()


def test_metadata_of_a_source_only_package(shop: Server, raw: RawServer, make_catalog: MakeCatalog) -> None:
    with pytest.raises(CatalogError, match="can't be read without building") as caught:
        make_catalog(shop.index_url).metadata("only-source")
    assert caught.value.reference == "metadata-unknown"
    raw.pages["/pypi/only-source/3.0/json"] = Page(
        b'{"info": {"name": "only-source", "version": "3.0", "summary": "a\\nb", "requires_dist": ["six"],'
        b' "project_urls": {"Homepage": "https://example.org"}, "requires_python": null}}',
        content_type="application/json",
    )
    found = make_catalog(shop.index_url, json_api=f"{raw.url}/pypi").metadata("only-source")
    assert (found.source, found.summary, found.depends) == ("json-api", "a b", ("six",))
    assert (found.home, found.requires_python) == ("https://example.org", "")
    raw.pages["/pypi/only-source/3.0/json"] = Page(b"[1]", content_type="application/json")
    with pytest.raises(UnreachableError, match="answered something else"):
        make_catalog(shop.index_url, json_api=f"{raw.url}/pypi").metadata("only-source")


def test_a_wheel_that_is_none(tmp_path: Path, make_catalog: MakeCatalog) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(UnreachableError, match=r"broken-1.0-py3-none-any.whl is no wheel"):
        make_catalog("http://127.0.0.1:9", no_index=True, find_links=(str(tmp_path),)).metadata("broken")


def test_search_goes_through_a_small_index(shop: Server, make_catalog: MakeCatalog) -> None:
    found = make_catalog(shop.index_url).search("shop")
    assert [package.name for package in found.packages] == ["shop-lib", "shop-lib-tools", "workshop"]
    assert found.complete
    assert found.note == ""
    assert [package.name for package in make_catalog(shop.index_url).search("*shop").packages] == ["workshop"]
    assert [package.name for package in make_catalog(shop.index_url).search("lib tools").packages] == ["shop-lib-tools"]
    assert make_catalog(shop.index_url).search("").packages == ()
    assert len(make_catalog(shop.index_url).search("shop", limit=1).packages) == 1


def test_search_shows_summaries_that_are_known(shop: Server, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(shop.index_url)
    assert catalog.search("shop-lib").packages[0].summary == ""
    catalog.metadata("shop-lib")
    assert catalog.search("shop-lib").packages[0].summary == "ten"


def test_search_in_html_lists(raw: RawServer, make_catalog: MakeCatalog) -> None:
    raw.pages["/simple/"] = Page(b'<html><body><a href="a/">Alpha_One</a><a href="b/">beta</a></body></html>')
    found = make_catalog(f"{raw.url}/simple").search("alpha")
    assert [package.name for package in found.packages] == ["alpha-one"]


@pytest.mark.parametrize("chunked", [True, False])
def test_search_leaves_a_huge_index_alone_and_says_so(
    raw: RawServer, make_catalog: MakeCatalog, *, chunked: bool
) -> None:
    body = b"<html>" + b'<a href="x/">x</a>' * 600_000
    headers = {"Transfer-Encoding": "identity"} if chunked else {}
    raw.pages["/simple/"] = Page(body, headers=headers)
    raw.pages["/simple/zz-private-thing/"] = Page(b'<html><a href="zz_private_thing-1.0.tar.gz">f</a></html>')
    catalog = make_catalog(f"{raw.url}/simple")
    found = catalog.search("zz-private-thing")
    assert [package.name for package in found.packages] == ["zz-private-thing"], "the very name was looked up"
    assert not found.complete
    assert "well-known names" in found.note
    assert "pandas" in [package.name for package in catalog.search("panda").packages]
    assert raw.asked("/simple/") == 1, "it isn't tried again"


def test_a_search_says_why_an_index_was_not_asked(shop: Server, make_catalog: MakeCatalog) -> None:
    shop.fail("*", "401")
    found = make_catalog(shop.index_url).search("shop-lib")
    assert (found.packages, found.complete) == ((), False)
    assert found.note.startswith("127.0.0.1"), found.note
    assert "wants a user name and a password" in found.note


def test_many_names_side_by_side(raw: RawServer, make_catalog: MakeCatalog) -> None:
    wanted = [f"name-{number}" for number in range(8)]
    for name in wanted:
        raw.pages[f"/{name}/"] = Page(f'<html><a href="{name}-1.0.tar.gz">f</a></html>'.encode())
    raw.together = threading.Barrier(len(wanted))
    found = make_catalog(raw.url).versions_many([*wanted, wanted[0]])
    assert list(found) == wanted
    assert all(isinstance(answer, VersionList) for answer in found.values())
    assert not raw.together.broken, "all of them were under way at the same time"


def test_what_went_wrong_stands_where_the_answer_would(shop: Server, make_catalog: MakeCatalog) -> None:
    found = make_catalog(shop.index_url).versions_many(["shop-lib", "missing-one", "a b"])
    assert isinstance(found["shop-lib"], VersionList)
    assert isinstance(found["missing-one"], PackageNotFoundError)
    assert isinstance(found["a b"], InvalidSpecError)


def test_metadata_of_many(shop: Server, make_catalog: MakeCatalog) -> None:
    found = make_catalog(shop.index_url).metadata_many(
        ["workshop", ("shop-lib", "1.9"), ("shop-lib", "x y"), "missing-one"]
    )
    first, second = found["workshop"], found["shop-lib", "1.9"]
    assert isinstance(first, PackageMetadata)
    assert isinstance(second, PackageMetadata)
    assert second.summary == "nine"
    assert isinstance(found["shop-lib", "x y"], InvalidSpecError)
    assert isinstance(found["missing-one"], PackageNotFoundError)


def test_one_connection_serves_many_look_ups(raw: RawServer, make_catalog: MakeCatalog) -> None:
    catalog = make_catalog(raw.url)
    for name in ("a", "b", "c"):
        raw.pages[f"/{name}/"] = Page(f'<html><a href="{name}-1.0.tar.gz">f</a></html>'.encode())
        catalog.versions(name)
    assert len({headers["x-port"] for _, headers in raw.requests}) == 1


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, jupyter_pkgmgr.catalog as c; from jupyter_pkgmgr.environments.index_settings import IndexSettings;"
        "c.PyPICatalog(IndexSettings(index_url='https://example.invalid/simple'));"
        "print([m for m in ('requests', 'urllib3', 'pypi_simple', 'pydantic', 'bs4', 'keyring') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_source_and_a_wheel_are_one_version(tmp_path: Path, make_catalog: MakeCatalog) -> None:
    write_wheel(tmp_path, WheelSource(name="both", version="1.0"))
    make_sdist(tmp_path, "both", "1.0")
    catalog = make_catalog("http://127.0.0.1:9", no_index=True, find_links=(str(tmp_path),))
    (only,) = catalog.versions("both", environment=environment()).versions
    assert {file.kind for file in only.files} == {FileKind.WHEEL, FileKind.SDIST}
    assert only.fits is True
    assert not only.needs_build


def test_the_default_index_has_a_json_api_and_is_never_listed(make_catalog: MakeCatalog) -> None:
    """Offline, so that nothing is asked: what it would list isn't even looked for in the cache."""
    catalog = make_catalog(f"{default_index().rstrip('/')}/", offline=True)
    found = catalog.search("scikit-lear")
    assert found.packages[0].name == "scikit-learn"
    assert not found.complete
    assert catalog._json_api == f"{default_index().rstrip('/').removesuffix('/simple')}/pypi"  # noqa: SLF001  only the real one would show it

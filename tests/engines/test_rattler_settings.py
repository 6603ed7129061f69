"""conda's settings as the embedded engine takes them, and those that send a request elsewhere."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.rattler_settings import (
    UNHONOURED,
    adds_pip,
    canonical_channel,
    channel_setup,
    eager_packages,
    localise,
    unhonoured,
    without_credentials,
)
from jupyter_pkgmgr.environments.conda_settings import Setting
from jupyter_pkgmgr.model import Options
from jupyter_pkgmgr.model.errors import PolicyError, UsageError
from tests.engines.rattler_bench import conda_settings

FORGE = "https://conda.anaconda.org/conda-forge"


def said(name: str, value: object, source: str = "/etc/conda/.condarc") -> tuple[Setting, ...]:
    return (Setting(name=name, value=value, source=source),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("always_copy", True),
        ("always_copy", "true"),
        ("always_softlink", True),
        ("channel_settings", [{"channel": "https://host/*", "auth": "plugin"}]),
        ("deps_modifier", "no_deps"),
        ("disallowed_packages", ["x"]),
        ("extra_safety_checks", True),
        ("path_conflict", "prevent"),
        ("pip_interop_enabled", True),
        ("solver", "classic"),
        ("track_features", ["mkl"]),
        ("update_modifier", "update_deps"),
    ],
)
def test_what_can_not_be_honoured_is_told(name: str, value: object) -> None:
    settings = conda_settings(FORGE, settings=said(name, value))
    assert [(setting.name, setting.source) for setting in unhonoured(settings)] == [(name, "/etc/conda/.condarc")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("always_copy", False),
        ("always_copy", "false"),
        ("channel_priority", "strict"),
        ("deps_modifier", "not_set"),
        ("path_conflict", "clobber"),
        ("solver", "libmamba"),
        ("solver", "rattler"),
        ("safety_checks", "disabled"),
        ("track_features", []),
        ("always_yes", True),
    ],
)
def test_what_is_honoured_or_makes_no_difference(name: str, value: object) -> None:
    assert not unhonoured(conda_settings(FORGE, settings=said(name, value)))


def test_defaults_never_send_a_request_elsewhere() -> None:
    assert not unhonoured(conda_settings(FORGE, settings=said("always_copy", value=True, source="default")))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"use_only_tar_bz2": True}, "use_only_tar_bz2"),
        ({"client_cert": "/cert.pem"}, "client_ssl_cert"),
        ({"repodata_fns": ("special.json",)}, "repodata_fns"),
        ({"proxy_servers": (("https://one.host", "http://proxy:1"),)}, "proxy_servers"),
    ],
)
def test_fields_that_can_not_be_honoured(changes: dict[str, object], name: str) -> None:
    assert [setting.name for setting in unhonoured(conda_settings(FORGE, **changes))] == [name]


def test_each_reason_is_a_sentence() -> None:
    assert all(reason and not reason.endswith(".") for _, reason in UNHONOURED.values())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:secret@host/channel/", "https://host/channel"),
        ("https://host/t/to-ken/channel", "https://host/channel"),
        ("https://user@host:8443/t/to-ken", "https://host:8443"),
        ("file:///data/channel/", "file:///data/channel"),
        ("https://host/t-shirts/channel", "https://host/t-shirts/channel"),
    ],
)
def test_without_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


def test_credentials_are_apart_from_the_channels() -> None:
    setup = channel_setup(conda_settings("https://u:p@host/one", "https://host/t/tok/two", FORGE), Options())
    assert setup.document["urls"] == ["https://host/one/", "https://host/two/", f"{FORGE}/"]
    toml = tomllib.loads(str(setup.document["toml"]))
    assert toml["mirrors"] == {"https://host/two": ["https://host/t/tok/two"]}
    assert setup.document["logins"] == {"host": ["u", "p"]}


def test_channels_of_the_request_come_first_and_of_specs_last() -> None:
    settings = conda_settings(FORGE)
    setup = channel_setup(settings, Options(channels=("bioconda",)), specs=["special::x", "y"])
    alias = "https://conda.anaconda.org"
    assert setup.document["urls"] == [f"{alias}/bioconda/", f"{FORGE}/", f"{alias}/special/"]
    setup = channel_setup(settings, Options(channels=("bioconda",), override_channels=True))
    assert setup.document["urls"] == [f"{alias}/bioconda/"]


@pytest.mark.parametrize(
    "lists", [{"denylist_channels": (FORGE,)}, {"allowlist_channels": ("https://conda.anaconda.org/bioconda",)}]
)
def test_channels_that_are_not_allowed(lists: dict[str, object]) -> None:
    with pytest.raises(PolicyError):
        channel_setup(conda_settings(FORGE, **lists), Options())


def test_a_channel_in_a_spec_must_be_allowed_too() -> None:
    settings = conda_settings(FORGE, denylist_channels=("https://conda.anaconda.org/evil",))
    with pytest.raises(PolicyError):
        channel_setup(settings, Options(), specs=["evil::x"])


def test_no_channel_at_all() -> None:
    with pytest.raises(UsageError) as caught:
        channel_setup(conda_settings(), Options())
    assert caught.value.reference == "no-channels"


def test_offline_tls_and_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    plain = conda_settings(FORGE)
    assert channel_setup(plain, Options(offline=True)).document["offline"]
    assert channel_setup(replace(plain, offline=True), Options()).document["offline"]

    def toml(**changes: object) -> dict[str, object]:
        return tomllib.loads(str(channel_setup(conda_settings(FORGE, **changes), Options()).document["toml"]))

    assert toml() == {"tls-root-certs": "webpki"}
    assert toml(ssl_verify=False) == {"tls-no-verify": True}
    assert toml(ssl_verify="/ca.pem") == {"tls-root-certs": "system"}
    assert channel_setup(replace(plain, ssl_verify="/ca.pem"), Options()).environment == (("SSL_CERT_FILE", "/ca.pem"),)
    assert toml(proxy_servers=(("https", "http://p:1"),))["proxy-config"] == {"https": "http://p:1"}
    assert toml(proxy_servers=(("all", "http://p:1"),))["proxy-config"] == {
        "https": "http://p:1",
        "http": "http://p:1",
    }
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/corporate.pem")
    assert toml() == {"tls-root-certs": "system"}
    assert channel_setup(plain, Options()).environment == (("SSL_CERT_FILE", "/corporate.pem"),)


def test_the_package_cache_lies_beside_conda_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    there, missing = tmp_path / "pkgs", tmp_path / "new" / "pkgs"
    there.mkdir()
    settings = conda_settings(FORGE, pkgs_dirs=(missing, there))
    assert channel_setup(settings, Options()).document["pkgs_dir"] == str(there / ".rattler")
    settings = conda_settings(FORGE, pkgs_dirs=(missing,), settings=said("pkgs_dirs", [str(missing)]))
    assert channel_setup(settings, Options()).document["pkgs_dir"] == str(missing / ".rattler")
    settings = conda_settings(FORGE, pkgs_dirs=(missing,))
    assert channel_setup(settings, Options()).document["pkgs_dir"] == str(tmp_path / "xdg/jupyter_pkgmgr/pkgs")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("x >=1", "x >=1"),
        ("conda-forge::x", f"{FORGE}::x"),
        ("conda-forge/linux-64::x=1", f"{FORGE}::x=1"),
        ("https://u:p@host/c::x", "https://host/c::x"),
        ("special::x", "https://mine.example/special::x"),
    ],
)
def test_channels_in_specs_become_urls(spec: str, expected: str) -> None:
    settings = conda_settings(FORGE, settings=said("custom_channels", {"special": "https://mine.example"}))
    assert localise(settings, spec) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (FORGE, "conda-forge"),
        ("https://conda.anaconda.org/t/tok/private", "private"),
        ("https://repo.anaconda.com/pkgs/main/", "defaults"),
        ("https://mine.example/special", "special"),
        ("https://elsewhere.example/a/b", "https://elsewhere.example/a/b"),
        ("file:///data/channel/", "file:///data/channel"),
    ],
)
def test_names_of_channels_in_the_history(url: str, expected: str) -> None:
    settings = conda_settings(FORGE, settings=said("custom_channels", {"special": "https://mine.example"}))
    assert canonical_channel(settings, url) == expected


def test_single_settings() -> None:
    assert adds_pip(conda_settings(FORGE))
    assert not adds_pip(conda_settings(FORGE, settings=said("add_pip_as_python_dependency", value=False)))
    assert eager_packages(conda_settings(FORGE)) == ()
    assert eager_packages(conda_settings(FORGE, settings=said("aggressive_update_packages", ["openssl"]))) == (
        "openssl",
    )
    assert eager_packages(conda_settings(FORGE, settings=said("aggressive_update_packages", "a,b"))) == ("a", "b")

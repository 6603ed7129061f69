from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pypi_simple
import pytest

from jupyter_pkgmgr.environments import IndexSettings, default_index, from_prefix, read_index_settings
from jupyter_pkgmgr.model.errors import EnvironmentProblem

MakeConda = Callable[..., Path]
PIP = "pip/pip.conf"
UV = "uv/uv.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def user(environ: dict[str, str], name: str, text: str) -> Path:
    return write(Path(environ["HOME"]) / ".config" / name, text)


@pytest.fixture
def quiet(environ: dict[str, str]) -> dict[str, str]:
    """No pip configuration file at all."""
    return environ | {"PIP_CONFIG_FILE": os.devnull}


def test_the_default(quiet: dict[str, str]) -> None:
    assert read_index_settings(None, environ=quiet) == IndexSettings(index_url=pypi_simple.PYPI_SIMPLE_ENDPOINT)


def test_the_default_is_known_without_importing_an_http_client() -> None:
    code = "import sys; from jupyter_pkgmgr.environments import default_index; print(default_index(), *sys.modules)"
    url, *loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert url == default_index() == pypi_simple.PYPI_SIMPLE_ENDPOINT
    assert not {"pypi_simple", "requests"} & set(loaded)


def test_pips_files_in_their_order(make_conda: MakeConda, environ: dict[str, str], tmp_path: Path) -> None:
    prefix, home = make_conda(), Path(environ["HOME"])
    environment = from_prefix(prefix, environ=environ)
    named = tmp_path / "named.conf"
    files = [
        home / "etc" / PIP,
        home / ".pip" / "pip.conf",
        home / ".config" / PIP,
        prefix / "pip.conf",
        named,
    ]
    environ["PIP_CONFIG_FILE"] = str(named)
    for number, path in enumerate(files):
        write(path, f"[global]\nindex-url = https://i{number}.example/simple\n")
        settings = read_index_settings(environment, environ=environ)
        assert (settings.index_url, settings.source) == (f"https://i{number}.example/simple", str(path))
    user_only = "[global]\nproxy = http://user-only\n"
    write(files[2], user_only)
    assert read_index_settings(environment, environ=environ).proxy == ""  # a named file switches the user's off
    assert read_index_settings(environment, environ=environ | {"PIP_CONFIG_FILE": "/gone"}).proxy == "http://user-only"


def test_everything_pip_can_say(environ: dict[str, str]) -> None:
    path = user(
        environ,
        PIP,
        """
        [global]
        index_url = https://global.example
        timeout = 60
        trusted-host = a.example
            b.example:8080
        [install]
        index-url = https://me:s3cr%t@install.example/simple
        extra-index-url =
            https://one.example/simple
            https://two.example/simple
        find-links = /wheels https://links.example
        no-index = false
        pre = yes
        only-binary = numpy,pandas
        no-binary = :all:
        constraint = /c.txt
        cert = ~/ca.pem
        client-cert = /client.pem
        proxy = http://proxy:3128
        [list]
        format = columns
        """.replace("        ", "")
        .replace("\nb.ex", "\n b.ex")
        .replace("\nhttps", "\n https"),
    )
    settings = read_index_settings(None, environ=environ)
    assert settings == IndexSettings(
        index_url="https://me:s3cr%t@install.example/simple",
        extra_index_urls=("https://one.example/simple", "https://two.example/simple"),
        find_links=("/wheels", "https://links.example"),
        no_index=False,
        trusted_hosts=("a.example", "b.example:8080"),
        cert=str(Path(environ["HOME"], "ca.pem")),
        client_cert="/client.pem",
        proxy="http://proxy:3128",
        timeout=60.0,
        pre=True,
        only_binary=("numpy", "pandas"),
        no_binary=(":all:",),
        constraints=("/c.txt",),
        source=str(path),
        sources=settings.sources,
    )
    assert {origin for _, origin in settings.sources} == {str(path)}


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("PIP_INDEX_URL", "https://v.example", "index_url", "https://v.example"),
        ("PIP_PYPI_URL", "https://v.example", "index_url", "https://v.example"),
        ("PIP_EXTRA_INDEX_URL", "https://a https://b", "extra_index_urls", ("https://a", "https://b")),
        ("PIP_FIND_LINKS", "/w /x", "find_links", ("/w", "/x")),
        ("PIP_NO_INDEX", "1", "no_index", True),
        ("PIP_DEFAULT_TIMEOUT", "180", "timeout", 180.0),
        ("PIP_TRUSTED_HOST", "h", "trusted_hosts", ("h",)),
        ("PIP_CONSTRAINT", "c.txt d.txt", "constraints", ("c.txt", "d.txt")),
        ("UV_INDEX_URL", "https://u.example", "index_url", "https://u.example"),
        ("UV_DEFAULT_INDEX", "https://u.example", "index_url", "https://u.example"),
        ("UV_DEFAULT_INDEX", "corp=https://u.example", "index_url", "https://u.example"),
        ("UV_INDEX", "a=https://a.example https://b.example?x=y", "extra_index_urls",
         ("https://a.example", "https://b.example?x=y")),
        ("UV_EXTRA_INDEX_URL", "https://a https://b", "extra_index_urls", ("https://a", "https://b")),
        ("UV_FIND_LINKS", "/w,/x", "find_links", ("/w", "/x")),
        ("UV_OFFLINE", "true", "offline", True),
        ("UV_NO_INDEX", "1", "no_index", True),
        ("UV_INSECURE_HOST", "h i", "trusted_hosts", ("h", "i")),
        ("UV_HTTP_TIMEOUT", "9", "timeout", 9.0),
        ("UV_PRERELEASE", "allow", "pre", True),
        ("UV_PRERELEASE", "if-necessary", "pre", False),
        ("SSL_CERT_FILE", "/ca.pem", "cert", "/ca.pem"),
    ],
)  # fmt: skip
def test_variables(quiet: dict[str, str], variable: str, text: str, field: str, value: object) -> None:
    settings = read_index_settings(None, environ=quiet | {variable: text})
    assert getattr(settings, field) == value
    sources = dict(settings.sources) | {"index_url": settings.source}
    assert sources[field] == f"environment variable {variable}"


def test_variables_stand_above_files(environ: dict[str, str]) -> None:
    user(environ, PIP, "[install]\nindex-url = https://file.example\n")
    settings = read_index_settings(None, environ=environ | {"PIP_INDEX_URL": "https://variable.example"})
    assert settings.index_url == "https://variable.example"


def test_uv_wins_where_it_is_configured_and_indexes_are_never_mixed(environ: dict[str, str]) -> None:
    user(environ, PIP, "[global]\nindex-url=https://p\nextra-index-url=https://px\nproxy=http://p\ntimeout=5\n")
    path = user(environ, UV, 'offline = true\n[[index]]\nname = "corp"\nurl = "https://u"\ndefault = true\n')
    settings = read_index_settings(None, environ=environ)
    assert (settings.index_url, settings.extra_index_urls, settings.source) == ("https://u", (), str(path))
    assert (settings.proxy, settings.timeout, settings.offline) == ("http://p", 5.0, True)
    user(environ, UV, 'extra-index-url = ["https://ux"]\n')
    settings = read_index_settings(None, environ=environ)
    assert (settings.index_url, settings.extra_index_urls) == (default_index(), ("https://ux",))
    user(environ, UV, "offline = false\n")
    settings = read_index_settings(None, environ=environ)
    assert (settings.index_url, settings.extra_index_urls) == ("https://p", ("https://px",))


UV_FILE = """
index-url = "https://old"
find-links = ["/wheels"]
allow-insecure-host = ["h"]
[[index]]
name = "first-one"
url = "https://first.example/simple"
[[index]]
name = "torch"
url = "https://torch.example"
explicit = true
[[index]]
name = "corp"
url = "https://corp.example/simple"
default = true
[pip]
no-binary = ["x"]
extra-index-url = ["https://extra"]
prerelease = "allow"
"""


def test_everything_uv_can_say(quiet: dict[str, str]) -> None:
    path = user(quiet, UV, UV_FILE)
    logins = {
        "UV_INDEX_CORP_USERNAME": "me@corp",
        "UV_INDEX_CORP_PASSWORD": "p/w",
        "UV_INDEX_FIRST_ONE_USERNAME": "token",
    }
    settings = read_index_settings(None, environ=quiet | logins)
    assert settings.index_url == "https://me%40corp:p%2Fw@corp.example/simple"
    assert settings.extra_index_urls == ("https://token@first.example/simple", "https://extra")
    assert (settings.find_links, settings.trusted_hosts, settings.no_binary) == (("/wheels",), ("h",), ("x",))
    assert settings.pre is True
    assert settings.source == str(path)


def test_uvs_files_in_their_order(quiet: dict[str, str], tmp_path: Path) -> None:
    system = write(Path(quiet["HOME"]) / "etc" / UV, '[[index]]\nurl = "https://s"\n')
    user(quiet, UV, '[[index]]\nurl = "https://u"\n')
    settings = read_index_settings(None, environ=quiet)
    assert settings.extra_index_urls == ("https://u", "https://s")
    assert str(system) in dict(settings.sources)["extra_index_urls"]
    named = write(tmp_path / "uv.toml", '[[index]]\nurl = "https://n"\n')
    assert read_index_settings(None, environ=quiet | {"UV_CONFIG_FILE": str(named)}).extra_index_urls == ("https://n",)
    assert read_index_settings(None, environ=quiet | {"UV_NO_CONFIG": "1"}).extra_index_urls == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (PIP, "index-url = https://no-section\n"),
        (PIP, "[global]\n[global]\n"),
        (PIP, "[global]\ntimeout = soon\n"),
        (PIP, "[install]\nno-index = perhaps\n"),
        (UV, "index = [\n"),
        (UV, 'find-links = "/one"\n'),
        (UV, "offline = 1\n"),
        (UV, '[[index]]\nname = "x"\n'),
    ],
)
def test_a_broken_file_is_named(environ: dict[str, str], name: str, text: str) -> None:
    path = user(environ, name, text)
    with pytest.raises(EnvironmentProblem) as caught:
        read_index_settings(None, environ=environ)
    assert caught.value.reference == "broken-index-settings"
    assert str(path) in caught.value.message
    assert caught.value.note


@pytest.mark.parametrize("variable", ["PIP_TIMEOUT", "UV_OFFLINE", "UV_HTTP_TIMEOUT", "PIP_NO_INDEX"])
def test_a_broken_variable_is_named(quiet: dict[str, str], variable: str) -> None:
    with pytest.raises(EnvironmentProblem, match=variable):
        read_index_settings(None, environ=quiet | {variable: "soon"})

"""What only the pip engine has: which pip it takes, its report's format, its configuration file."""

from __future__ import annotations

import configparser
import json
import subprocess
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines import pip
from jupyter_pkgmgr.engines.pip_failures import failure
from jupyter_pkgmgr.environments.detect import from_interpreter
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import Environment, EnvironmentKind, Options, Verb
from jupyter_pkgmgr.model.errors import (
    DiskFullError,
    EngineError,
    EngineNotFoundError,
    PkgError,
    PolicyError,
    UnknownFormatError,
)
from testbed.environments import make_venv
from testbed.index import serve
from testbed.wheels import make_wheel
from tests.engines.pypi import bench

ENVIRONMENT = Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="env")


def old_pip(python: Path, version: str) -> None:
    """Leave a pip of this version's name in an environment; it is refused before it is run."""
    info = from_interpreter(python).python
    assert info is not None
    (info.purelib / "pip").mkdir()
    (info.purelib / "pip" / "__main__.py").write_text("raise SystemExit('must not be run')\n")
    folder = info.purelib / f"pip-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pip\nVersion: {version}\n")


@pytest.mark.parametrize("version", ["9.0.3", "22.1.2", "22.3.1"])
def test_old_pip_is_refused_with_a_way_out(tmp_path: Path, version: str) -> None:
    python = make_venv(tmp_path / "env")
    old_pip(python, version)
    with serve(tmp_path) as server:
        here = bench("pip", python, server, tmp_path)
        with pytest.raises(EngineNotFoundError, match=f"pip {version} is too old") as caught:
            here.plan(here.request(Verb.INSTALL, "foo"))
    assert "uv needs no pip" in (caught.value.hint or "")


def test_broken_pip_is_told(tmp_path: Path) -> None:
    python = make_venv(tmp_path / "env")
    old_pip(python, "24.0")
    with serve(tmp_path) as server:
        here = bench("pip", python, server, tmp_path)
        with pytest.raises(EngineError, match="must not be run"):
            here.plan(here.request(Verb.INSTALL, "foo"))


def test_own_pip_comes_first(tmp_path: Path) -> None:
    own, none = make_venv(tmp_path / "own", pip=True), make_venv(tmp_path / "none")
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "foo")
    argv = [str(own), "-I", "-c", "import importlib.metadata as m; print(m.version('pip'))"]
    version = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    with serve(folder) as server:
        plans = [
            (here := bench("pip", python, server, folder)).plan(here.request(Verb.REMOVE)) for python in (own, none)
        ]
    assert [plan.engine_version for plan in plans] == [version, pip.PipEngine().info().version]


def item(**changes: object) -> dict[str, object]:
    return {"metadata": {"name": "x", "version": "1"}, "download_info": {"url": "https://h/x.whl"}} | changes


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"version": "0", "install": []},
        {"version": "2", "install": []},
        {"version": "1"},
        {"version": "1", "install": [item(metadata={"name": "x"})]},
        {"version": "1", "install": [item(download_info={})]},
    ],
)
def test_unknown_report(tmp_path: Path, document: object) -> None:
    report = tmp_path / "report.json"
    if document is not None:
        report.write_text(json.dumps(document))
    with pytest.raises(UnknownFormatError):
        pip._report(report)  # noqa: SLF001  only another pip writes this


def test_configuration(tmp_path: Path) -> None:
    indexes = IndexSettings(
        index_url="https://u:p%40w@host/simple/",
        extra_index_urls=("https://a/", "https://b/"),
        find_links=(str(tmp_path / "with space"), "https://links/"),
        trusted_hosts=("a", "b"),
        only_binary=("x", "y"),
        timeout=2.5,
    )
    parser = configparser.RawConfigParser()
    parser.read_string(pip._config(indexes, Options(pre=True)))  # noqa: SLF001  what pip reads
    values = dict(parser["global"])
    assert values["index-url"] == indexes.index_url
    assert values["extra-index-url"].split() == ["https://a/", "https://b/"]
    assert values["find-links"].split() == [(tmp_path / "with space").as_uri(), "https://links/"]
    assert (values["only-binary"], values["pre"], values["timeout"]) == ("x,y", "true", "2.5")


@pytest.mark.parametrize(
    ("stderr", "kind", "reference"),
    [
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device\n",
            DiskFullError,
            "disk-full",
        ),
        (
            (
                "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/env/lib/x'\n"
                "Consider using the `--user` option or check the permissions.\n"
            ),
            PolicyError,
            "no-permission",
        ),
        ("error: externally-managed-environment\n", PolicyError, "externally-managed"),
        (
            "This version of pip does not support python 3.8\n",
            EngineNotFoundError,
            "engine-not-found",
        ),
        ("/env/bin/python: No module named pip\n", EngineNotFoundError, "engine-not-found"),
        ("ERROR: something new\n", EngineError, "engine-failed"),
        ("", EngineError, "engine-failed"),
    ],
)
def test_failures(stderr: str, kind: type[PkgError], reference: str) -> None:
    error = failure(stderr, "", ENVIRONMENT)
    assert (type(error), error.reference) == (kind, reference)

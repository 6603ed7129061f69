"""What is published: an sdist with the built front end, and a wheel that is made from it without Node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

import jupyter_pkgmgr
from testbed.environments import make_venv

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jupyter_pkgmgr"
EXTENSION = "share/jupyter/labextensions/jupyter-pkgmgr"


def run(command: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def without_node() -> dict[str, str]:
    """The process environment with a PATH on which there is no Node: the running interpreter's folder alone."""
    return dict(os.environ, PATH=str(Path(sys.executable).parent))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (PACKAGE / "labextension" / "package.json").is_file():
        pytest.skip("the front end isn't built: make front")
    folder = tmp_path_factory.mktemp("sdist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder], cwd=ROOT, environ=without_node())
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = next(path for path in folder.iterdir() if path.is_dir())
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=source, environ=without_node())
    return next(folder.glob("*.whl"))


def test_one_version() -> None:
    labextension = ROOT / "labextension"
    for name in ("package.json", "package-lock.json"):
        assert json.loads((labextension / name).read_text(encoding="utf-8"))["version"] == jupyter_pkgmgr.__version__


def test_the_sdist_has_sources_and_what_was_built(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"jupyter_pkgmgr/labextension/package.json", "labextension/src/lab/index.ts", "LICENSE"} <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(("tests", "labextension/lib"))]


def test_the_wheel_has_the_front_end_where_jupyter_looks_for_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    shared = [name.partition(".data/data/")[2] for name in names if ".data/data/" in name]
    assert {f"{EXTENSION}/package.json", f"{EXTENSION}/install.json", f"{EXTENSION}/static/style.js"} <= set(shared)
    assert not [name for name in names if name.startswith(("jupyter_pkgmgr/labextension", "labextension", "tests"))]
    assert "jupyter_pkgmgr/widget/static/panel.js" in names


@pytest.mark.slow
def test_jupyter_finds_what_the_wheel_brings(wheel: Path, tmp_path: Path) -> None:
    """In a new environment, with JupyterLab from the configured package index."""
    python = make_venv(tmp_path / "venv")
    run([find_uv_bin(), "pip", "install", "--quiet", "--python", python, wheel, "jupyterlab>=4.4,<5"], cwd=tmp_path)
    environ = without_node() | {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    lab = run([python, "-m", "jupyterlab.labextensions", "list"], cwd=tmp_path, environ=environ)
    assert f"jupyter-pkgmgr v{jupyter_pkgmgr.__version__} enabled OK (python, jupyter_pkgmgr)" in plain(lab)
    if (PACKAGE / "server").is_dir():
        server = run([python, "-m", "jupyter_server.extension.serverextension", "list"], cwd=tmp_path, environ=environ)
        assert f"jupyter_pkgmgr {jupyter_pkgmgr.__version__} OK" in plain(server)


def plain(text: str) -> str:
    """Text of a terminal without colours and runs of spaces."""
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"):
        text = text.replace(code, "")
    return " ".join(text.split())

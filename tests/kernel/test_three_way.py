"""Three interpreters, and only one is right: the kernel's, not the server's, not the first one on PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import read_index_settings
from jupyter_pkgmgr.kernel import attach
from testbed.environments import make_venv, uv_install
from testbed.index import Server
from tests.kernel.conftest import VERSIONS, StartKernel


def contents(prefix: Path) -> set[str]:
    """Every path in an environment, compiled modules aside."""
    return {str(path.relative_to(prefix)) for path in prefix.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def first_on_path(tmp_path: Path) -> Path:
    """An environment with ``python`` and ``pip``, whose ``bin`` comes first on the kernel's PATH, and is active."""
    return make_venv(tmp_path / "first", pip=True).parent.parent


@pytest.fixture
def misleading(first_on_path: Path, index_server: Server, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": f"{first_on_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(first_on_path),
        "CONDA_PREFIX": str(first_on_path),
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "UV_PROJECT_ENVIRONMENT": str(first_on_path),
        "UV_PYTHON": str(first_on_path / "bin" / "python"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index_server.index_url,
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_package_lands_where_the_kernel_lives(
    version: str,
    kernel_python: Callable[[str], str],
    start_kernel: StartKernel,
    misleading: dict[str, str],
    first_on_path: Path,
    tmp_path: Path,
) -> None:
    python = kernel_python(version)
    assert len({os.path.realpath(python), sys.prefix, str(first_on_path)}) == 3
    server, first = contents(Path(sys.prefix)), contents(first_on_path)
    kernel = start_kernel(python, **misleading)
    assert kernel.run(attach.source(sys.executable), silent=True, history=False).status == "ok"
    installed = kernel.run("%pkg install tb-pure\nimport tb_pure")
    assert installed.status == "ok", installed.error
    assert kernel.value("tb_pure.__file__").startswith(str(Path(python).parent.parent))
    assert contents(first_on_path) == first
    assert contents(Path(sys.prefix)) == server
    assert not (tmp_path / "elsewhere").exists()
    assert kernel.run("%pkg remove tb-pure").status == "ok"


def test_a_kernel_in_a_conda_environment(
    conda_prefix: Path,
    channel_server: Server,
    start_kernel: StartKernel,
    misleading: dict[str, str],
    first_on_path: Path,
    testbed: Path,
) -> None:
    python = conda_prefix / "bin" / "python"
    uv_install(python, "ipykernel", index_url=default_index())
    first = contents(first_on_path)
    settings = {"CONDA_CHANNELS": channel_server.url, "CONDA_PKGS_DIRS": str(testbed / "cache")}
    kernel = start_kernel(str(python), **misleading, **settings)
    assert kernel.run(attach.source(sys.executable), silent=True, history=False).status == "ok"
    installed = kernel.run("%pkg install six tb-mixed\nimport six, tb_mixed, tb_alpha")
    assert installed.status == "ok", installed.error
    assert list(conda_prefix.glob("conda-meta/six-*.json"))
    assert list(conda_prefix.glob("conda-meta/tb-alpha-*.json"))
    assert not list(conda_prefix.glob("conda-meta/tb-mixed-*.json"))
    assert contents(first_on_path) == first
    blocked = kernel.run("%pkg install tb-native\n%pkg install tb-clobber")
    assert blocked.status == "error"
    assert "--force" in "".join(blocked.error["traceback"])


def default_index() -> str:
    """Where this machine gets its packages from: its own configuration, else the usual place."""
    return read_index_settings(None).index_url

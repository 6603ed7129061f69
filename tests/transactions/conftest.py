"""Environments with an index and a channel of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from testbed.index import serve, serve_files
from tests.transactions.demo import Demo, World


@pytest.fixture
def world(clean_settings: Path, testbed: Path, index_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An index, a channel and caches of this test's own."""
    with ExitStack() as servers:
        index = servers.enter_context(serve(index_folder))
        channel = servers.enter_context(serve_files(testbed / "channel"))
        monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
        monkeypatch.setenv("CONDA_CHANNELS", channel.url)
        caches = clean_settings / "caches"
        for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME", "CONDA_PKGS_DIRS", "PIP_CACHE_DIR"):
            monkeypatch.setenv(name, str(caches / name))
        yield World(servers, caches, [index, channel])


@pytest.fixture
def venv(world: World, venv_python: Path, tmp_path: Path) -> Demo:
    return Demo(from_interpreter(venv_python), tmp_path, world)


@pytest.fixture
def conda(world: World, conda_prefix: Path, tmp_path: Path) -> Demo:
    return Demo(from_prefix(conda_prefix), tmp_path, world)

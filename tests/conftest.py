"""What tests share: a real channel, a real index, environments. Append only; one section for each concern."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

from testbed.channel import Channel
from testbed.content import fill_channel, fill_index
from testbed.environments import conda_environment, make_venv
from testbed.index import Server, serve, serve_files
from testbed.python_package import python_channel

# A run that nohup or a shell's & started ignores Ctrl-C, and so would all that tests start: they send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# --- testbed: built once for all workers of a run ------------------------------------------------------------------


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this run share: ``channel``, ``index``, ``cache``. Read only for tests."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "testbed"
    root.mkdir(exist_ok=True)
    with FileLock(root / "lock"):
        if not (root / "ready").exists():
            fill_channel(Channel(root / "channel").include(python_channel(root / "python")))
            fill_index(root / "index")
            (root / "ready").touch()
    return root


@pytest.fixture(scope="session")
def conda_channel(testbed: Path) -> Channel:
    """The channel of :mod:`testbed.content` with ``python``, on disk (``conda_channel.url`` is a file URL)."""
    return Channel(testbed / "channel")


@pytest.fixture(scope="session")
def channel_server(testbed: Path) -> Iterator[Server]:
    """The same channel over HTTP at ``channel_server.url``. Don't change its faults: start your own for that."""
    with serve_files(testbed / "channel") as server:
        yield server


@pytest.fixture(scope="session")
def index_folder(testbed: Path) -> Path:
    """The wheels and sdists of :mod:`testbed.content`."""
    return testbed / "index"


@pytest.fixture(scope="session")
def index_server(index_folder: Path) -> Iterator[Server]:
    """They as an index at ``index_server.index_url``. Don't change its faults: start your own for that."""
    with serve(index_folder) as server:
        yield server


@pytest.fixture
def conda_prefix(testbed: Path, conda_channel: Channel, tmp_path: Path) -> Path:
    """A new conda environment with ``python`` of the running minor from the local channel."""
    return conda_environment(tmp_path / "conda-env", channels=[conda_channel.url], cache=testbed / "cache")


@pytest.fixture
def venv_python(tmp_path: Path) -> Path:
    """The interpreter of a new venv without pip, made by uv from the running interpreter."""
    return make_venv(tmp_path / "venv")


@pytest.fixture
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of the machine's configuration of pip, uv or conda reaches the test; returns the new home.

    ``/etc/pip.conf`` and the like can't be moved: ``PIP_CONFIG_FILE`` is the null device, which turns all files off.
    """
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "CONDA", "MAMBA", "XDG_", "JUPYTER", "IPYTHON")) or name == "CONDARC":
            monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(home / "etc"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return home


# --- executables: tests of real tools are skipped by name where PATH has none -------------------------------------


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``executable("NAME")`` unless PATH has a program of that name."""
    for mark in item.iter_markers("executable"):
        if shutil.which(mark.args[0]) is None:
            pytest.skip(f"there is no {mark.args[0]} on PATH")


# --- browser tests: `make browser` installs what they need --------------------------------------------------------

_MISSING = [name for name in ("jupyterlab", "notebook", "playwright") if find_spec(name) is None]
collect_ignore = ["browser"] if _MISSING else []


def pytest_report_header() -> str:
    """Say what isn't run, and why."""
    return f"tests/browser: not run without {', '.join(_MISSING)} (make browser)" if _MISSING else ""

"""What goes wrong outside of us: channels, disks, rights, killed tools. One clear error each, nothing half told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import PolicyKind
from jupyter_pkgmgr.model.errors import (
    DiskFullError,
    EngineKilledError,
    PackageNotFoundError,
    PkgError,
    PlanBlockedError,
    UnreachableError,
)
from jupyter_pkgmgr.service import PackageService
from testbed.environments import make_venv
from testbed.index import Fault, Server, serve, serve_files
from testbed.wheels import WheelSource, write_wheel

from .conftest import User


@pytest.mark.parametrize("fault", ["401", "403", "404", "500", "garbage", "reset"])
def test_a_channel_in_trouble_is_no_reason_to_turn_to_pypi(
    fault: Fault, conda_user: User, testbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_files(testbed / "channel") as server:
        server.fail("*", fault)
        monkeypatch.setenv("CONDA_CHANNELS", server.url.replace("://", "://me:secret@"))
        with pytest.raises(UnreachableError) as caught:
            conda_user.type("install tb-alpha")
    assert "secret" not in str(caught.value.to_json())
    assert caught.value.hint
    assert conda_user.version("tb-alpha") is None


def test_a_channel_that_is_down(conda_user: User, testbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_files(testbed / "channel") as server:
        monkeypatch.setenv("CONDA_CHANNELS", server.url)
    with pytest.raises(UnreachableError):
        conda_user.type("install tb-alpha")


def test_a_channel_without_repodata(conda_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    with serve_files(tmp_path / "empty") as server:
        monkeypatch.setenv("CONDA_CHANNELS", server.url)
        with pytest.raises(PkgError) as caught:
            conda_user.type("install conda::tb-alpha")
    assert isinstance(caught.value, UnreachableError | PackageNotFoundError)


def test_a_truncated_record_is_a_finding_and_not_a_crash(conda_user: User) -> None:
    conda_user.type("install tb-alpha")
    (record,) = conda_user.environment.conda_meta.glob("tb-alpha-*.json")
    record.write_bytes(record.read_bytes()[:100])
    report = conda_user.type("doctor")
    assert report.exit == 1
    assert record.name in conda_user.screen or "tb-alpha" in conda_user.screen
    conda_user.type("list")
    assert "python" in conda_user.screen


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB that is really full when it is full."""
    place = tmp_path / "small"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs the right to mount a tmpfs")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path, service: PackageService, tmp_path: Path) -> None:
    files = {f"tb_large/part{number}.bin": os.urandom(4_000_000) for number in range(8)}
    write_wheel(tmp_path / "wheels", WheelSource(name="tb-large", version="1.0", files=files))
    user = User(service, from_interpreter(make_venv(small_disk / "venv")), tmp_path)
    before = user.tree()
    with pytest.raises(DiskFullError) as caught:
        user.type(f"install -f {tmp_path / 'wheels'} tb-large")
    assert caught.value.hint
    assert user.version("tb-large") is None
    assert user.tree() == before


def test_no_right_to_write(service: PackageService, venv_python: Path, tmp_path: Path) -> None:
    prefix = venv_python.parent.parent
    folders = [prefix, *(path for path in prefix.rglob("*") if path.is_dir() and not path.is_symlink())]
    with unwritable(folders):
        user = User(service, from_interpreter(venv_python), tmp_path)
        assert user.environment.policy(PolicyKind.READ_ONLY) is not None
        with pytest.raises(PlanBlockedError) as caught:
            user.type("install tb-alpha")
    assert caught.value.reference == "read-only"
    assert caught.value.hint


@contextmanager
def unwritable(folders: list[Path]) -> Iterator[None]:
    """Nobody may write here, not even root (who is stopped by the immutable attribute only)."""
    root = os.geteuid() == 0
    if root and subprocess.run(["chattr", "+i", *folders], capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere here")
    try:
        for folder in [] if root else folders:
            folder.chmod(0o555)
        yield
    finally:
        if root:
            subprocess.run(["chattr", "-i", *folders], check=True)
        for folder in folders:
            folder.chmod(0o755)


def test_a_tool_that_is_killed(venv_user: User, index_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = venv_user.tree()
    with serve(index_folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        monkeypatch.setenv("UV_CACHE_DIR", str(venv_user.base / "empty-cache"))
        server.fail("*.whl", "hang")
        killer = threading.Thread(target=kill_when_it_downloads, args=(server, "uv"), daemon=True)
        killer.start()
        with pytest.raises(EngineKilledError, match="SIGKILL"):
            venv_user.type("install tb-pure")
        killer.join(10)
    assert venv_user.tree() == before


def test_an_embedded_worker_that_is_killed(
    conda_user: User, testbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_files(testbed / "channel") as server:
        monkeypatch.setenv("CONDA_CHANNELS", server.url)
        monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "empty-cache"))
        server.fail("*tb-data*", "hang")
        killer = threading.Thread(target=kill_when_it_downloads, args=(server, "rattler_worker"), daemon=True)
        killer.start()
        with pytest.raises(EngineKilledError):
            conda_user.type("install tb-data")
        killer.join(10)
        server.heal()
        conda_user.type("install tb-data")  # another worker takes over
    assert conda_user.service.inventory(conda_user.environment).conda("tb-data") is not None


def kill_when_it_downloads(server: Server, name: str) -> None:
    """Kill our own child of this name as soon as it asks for a package file."""
    deadline = time.monotonic() + 60
    while not [path for path in server.paths() if path.endswith((".whl", ".conda"))] and time.monotonic() < deadline:
        time.sleep(0.01)
    for child in psutil.Process().children(recursive=True):
        if any(name in word for word in child.cmdline()):
            child.send_signal(signal.SIGKILL)


def test_a_spec_for_ten_thousand_packages(venv_user: User) -> None:
    with pytest.raises(PackageNotFoundError):
        venv_user.type("install " + " ".join(f"tb-many-{number}" for number in range(10_000)))


def test_a_prefix_that_vanished(conda_user: User) -> None:
    shutil.rmtree(conda_user.environment.prefix)
    with pytest.raises(PkgError):
        from_prefix(conda_user.environment.prefix)

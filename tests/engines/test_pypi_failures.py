"""What goes wrong has one meaning, whichever of uv and pip it goes wrong with, and can be stopped."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr import process
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import Options, Verb
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    ConflictError,
    DependencyNotFoundError,
    EngineError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    UnreachableError,
    VersionNotFoundError,
)
from testbed.index import Fault
from tests.engines import pypi
from tests.engines.pypi import Bench, bench, for_both, project

engine, on, own_settings = pypi.engine, pypi.on, pypi.own_settings
server, wheels = pypi.server, pypi.wheels
BROKEN_BACKEND = """
import sys
def build_wheel(folder, settings=None, metadata=None):
    print("foo.c:1: fatal error: foo.h: No such file", file=sys.stderr)
    sys.exit(1)
"""
HOUR = 3600.0
"""Seconds; much more than a test may take."""
SLOW_BACKEND = """
import os, pathlib, subprocess, sys
def build_wheel(folder, settings=None, metadata=None):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path({marker!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
    child.wait()
"""


FAILURES: dict[str, tuple[tuple[str, ...], type[PkgError], str, str]] = {
    "unknown": (("nosuch",), PackageNotFoundError, "package-not-found", "nosuch"),
    "unknown dependency": (("needy",), DependencyNotFoundError, "dependency-not-found", "gone"),
    "version": (("foo==9",), VersionNotFoundError, "version-not-found", "there is no foo==9"),
    "range": (("foo>=2.5,<3",), VersionNotFoundError, "version-not-found", "foo"),
    "platform": (("winonly",), VersionNotFoundError, "no-matching-wheel", "platform"),
    "platform of a file": (
        ("{wheels}/winonly-1.0-cp311-cp311-win_amd64.whl",),
        VersionNotFoundError,
        "no-matching-wheel",
        "platform",
    ),
    "python": (("future",), VersionNotFoundError, "requires-python", "future"),
    "conflict": (("oldbar", "bar>=2"), ConflictError, "conflict", "contradict"),
    "no such file": (("{url}/files/nope-1.0-py3-none-any.whl",), UnreachableError, "url-not-found", "nope"),
}


PIP_FAILURES = FAILURES.keys() - {"range", "unknown dependency"}


@pytest.mark.parametrize(("engine", "case"), for_both(FAILURES, pip=PIP_FAILURES), indirect=["engine"])
def test_failures_have_one_meaning(on: Bench, case: str) -> None:
    specs, kind, reference, words = FAILURES[case]
    specs = tuple(spec.format(wheels=on.wheels, url=on.server.url) for spec in specs)
    with pytest.raises(kind) as caught:
        on.plan(on.request(Verb.INSTALL, *specs))
    error = caught.value
    assert (type(error), error.reference) == (kind, reference)
    assert words in error.message
    assert "\n" not in error.message + "".join(error.context)
    assert error.detail


FAULTS: dict[str, tuple[Fault, str]] = {
    **{f"{fault} page": (fault, "/simple/oldbar/") for fault in ("401", "403", "500", "garbage", "truncated", "reset")},
    **{f"{fault} file": (fault, "/files/oldbar*") for fault in ("401", "garbage", "truncated", "reset")},
}
PIP_FAULTS = {"403 page", "500 page", "garbage page", "reset file"}


@pytest.mark.parametrize(("engine", "case"), for_both(FAULTS, pip=PIP_FAULTS), indirect=["engine"])
def test_index_faults(on: Bench, case: str) -> None:
    fault, path = FAULTS[case]
    on.server.fail(path, fault)
    with pytest.raises(UnreachableError) as caught:
        on.plan(on.request(Verb.INSTALL, "oldbar", options=Options(upgrade=True)))
    refused = "unauthorized" if fault in ("401", "403") else "unreachable"
    assert caught.value.reference == ("damaged-download" if case == "garbage file" else refused)


def test_index_down(on: Bench) -> None:
    with pytest.raises(UnreachableError):
        on.plan(on.request(Verb.INSTALL, "needy", indexes=IndexSettings(index_url="http://127.0.0.1:1/simple/")))


def test_build_failure_shows_the_last_lines(on: Bench, tmp_path: Path) -> None:
    source = project(tmp_path / "proj", BROKEN_BACKEND, static=False)
    with pytest.raises(EngineError) as caught:
        on.install(str(source))
    assert caught.value.reference == "build-failed"
    assert caught.value.context[-1] == "foo.c:1: fatal error: foo.h: No such file"


def test_removing_what_is_not_there(on: Bench) -> None:
    with pytest.raises(PackageNotFoundError, match="foo is not installed"):
        on.plan(on.request(Verb.REMOVE, "foo"))


def test_externally_managed(on: Bench) -> None:
    assert on.environment.python is not None
    before = on.installed()
    outer = bench(on.engine.name, Path(on.environment.python.base_prefix, "bin", "python3"), on.server, on.wheels)
    assert outer.environment.python is not None
    marker = outer.environment.python.stdlib / "EXTERNALLY-MANAGED"
    if not marker.exists():
        pytest.skip("this machine's Python is not externally managed")
    with pytest.raises(PolicyError) as caught:
        outer.install("foo")
    assert caught.value.reference == "externally-managed"
    assert on.installed() == before


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_cancel_ends_the_build_and_its_children(on: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    source = project(tmp_path / "proj", SLOW_BACKEND.format(marker=str(marker)), static=False)
    deadline = time.monotonic() + 120

    def cancel_when_building() -> None:
        while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        on.cancel.cancel()

    watcher = threading.Thread(target=cancel_when_building)
    watcher.start()
    with pytest.raises(CancelledError):
        on.plan(on.request(Verb.INSTALL, str(source)))
    watcher.join()
    pids = [int(pid) for pid in marker.read_text().split()]
    assert pids
    # a signal is sent, and takes effect a moment later
    while alive := [pid for pid in pids if _is_running(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def test_cancel_while_the_index_is_silent(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool ends as it was asked to: nobody kills it, and it gives the index an hour."""
    monkeypatch.setattr(process, "TERMINATE_GRACE", HOUR)
    on.server.fail("/simple/needy/", "hang")

    def cancel_when_asked() -> None:
        while "/simple/needy/" not in on.server.paths():
            time.sleep(0.02)
        on.cancel.cancel()

    watcher = threading.Thread(target=cancel_when_asked, daemon=True)
    watcher.start()
    with pytest.raises(CancelledError):
        on.plan(on.request(Verb.INSTALL, "needy", indexes=IndexSettings(index_url=on.server.index_url, timeout=HOUR)))


def test_cancelled_before_it_began(on: Bench) -> None:
    on.cancel.cancel()
    with pytest.raises(CancelledError):
        on.plan(on.request(Verb.INSTALL, "foo"))

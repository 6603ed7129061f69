"""The service as a child process: every way in which it can fail to answer has its own short error."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_pkgmgr.kernel import child as child_module
from jupyter_pkgmgr.kernel.child import Service
from jupyter_pkgmgr.kernel.errors import PkgError


@pytest.fixture
def service(peer: Path) -> Iterator[Service]:
    service = Service(str(peer))
    yield service
    service.close()


@pytest.fixture
def run(service: Service) -> Callable[[str], dict[str, Any]]:
    """Run a command of the peer; what it displayed is in the result, under ``shown``."""

    def run(line: str) -> dict[str, Any]:
        shown: list[Any] = []
        result, interrupted = service.run(
            {"argv_line": line, "cell": None}, lambda key, data: shown.append((key, data["text/plain"]))
        )
        assert not interrupted
        return result | {"shown": shown}

    return run


def test_displays_come_in_order_and_the_result_last(run: Callable[[str], dict[str, Any]]) -> None:
    result = run("steps")
    assert result["exit"] == 0
    assert [key for key, _ in result["shown"]] == ["plan", "progress", "progress", "progress", "done"]


@pytest.mark.parametrize(
    ("line", "reference", "message"),
    [
        ("fail", "package-not-found", "no package is called nmupy"),
        ("crash", "service-ended", "the package service ended unexpectedly (SIGKILL)"),
        ("exit", "service-ended", "the package service ended unexpectedly (exit code 3)"),
        (
            "garbage",
            "service-garbage",
            "the package service said something that isn't its protocol: '{ this is not JSON'",
        ),
        ("unknown", "service-garbage", "the package service said something that isn't its protocol: "),
    ],
)
def test_a_failure_is_one_error_and_the_next_command_works(
    line: str, reference: str, message: str, run: Callable[[str], dict[str, Any]]
) -> None:
    with pytest.raises(PkgError) as caught:
        run(line)
    assert caught.value.reference == reference
    assert caught.value.message.startswith(message)
    assert run("steps")["exit"] == 0


@pytest.mark.parametrize(
    ("how", "reference", "message"),
    [
        ("die", "service-start", "the package service can't be started"),
        ("garbage", "service-garbage", "the package service said something that isn't its protocol"),
        ("protocol", "service-protocol", "the package service speaks protocol 99, this kernel 1"),
    ],
)
def test_a_service_that_starts_wrong(
    how: str, reference: str, message: str, run: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_START", how)
    with pytest.raises(PkgError) as caught:
        run("steps")
    assert caught.value.reference == reference
    assert caught.value.message.startswith(message)
    monkeypatch.delenv("PEER_START")
    assert run("steps")["exit"] == 0


def test_a_service_that_never_says_hello(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_START", "silent")
    monkeypatch.setattr(child_module, "START_TIMEOUT", 0.5)
    assert service.hint({"module": "cv2"}, 0.1) is None
    with pytest.raises(PkgError, match="didn't start within"):
        service.run({"argv_line": "steps"}, lambda *_: None)


def test_a_service_that_does_not_stop_in_time_is_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "CANCEL_TIMEOUT", 0.2)
    pids: list[int] = []

    def interrupt_once(_: str, data: dict[str, str]) -> None:
        if not pids:
            pids.append(int(data["text/plain"]))
            raise KeyboardInterrupt

    with pytest.raises(PkgError) as caught:
        service.run({"argv_line": "stubborn"}, interrupt_once)
    assert caught.value.message == "the service didn't stop in time and was ended"
    assert not psutil.pid_exists(pids[0])


def test_an_interpreter_that_is_too_old_or_lacks_the_package_is_said(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'Unknown option: -P' >&2\nexit 2\n")
    script.chmod(0o755)
    with pytest.raises(PkgError) as caught:
        Service(str(script)).run({"argv_line": "list"}, lambda *_: None)
    assert caught.value.note == "Unknown option: -P"
    assert str(script) in (caught.value.hint or "")
    script.write_text("#!/nonexistent/interpreter\n")
    with pytest.raises(PkgError, match="can't be run: No such file or directory"):
        Service(str(script)).run({"argv_line": "list"}, lambda *_: None)


def test_a_line_larger_than_any_pipe_arrives_whole(run: Callable[[str], dict[str, Any]]) -> None:
    specs = " ".join(f"package-{number}" for number in range(10_000))
    [(_, text)] = run(f"params install {specs}")["shown"]
    assert specs in text


def test_unencodable_names_survive(run: Callable[[str], dict[str, Any]]) -> None:
    line = "params \udcff ü 🐍 \u2028 \n"
    [(_, text)] = run(line)["shown"]
    assert r"\udcff" in text


def test_hints_are_none_for_what_nobody_knows(service: Service) -> None:
    known = service.hint({"module": "cv2"}, 30)
    assert known is not None
    assert known["package"] == "opencv-python"
    assert service.hint({"module": "nobody"}, 30) is None


def test_an_idle_child_ends_when_closed_and_none_is_left_to_a_fork(peer: Path) -> None:
    service = Service(str(peer))
    shown: list[str] = []
    service.run({"argv_line": "where"}, lambda _, data: shown.append(data["text/plain"]))
    pids = [process.pid for process in psutil.Process().children() if str(peer) in process.cmdline()]
    assert len(pids) == 1
    forked = os.fork()
    if forked == 0:  # what a worker process of the user does at its end
        service.close()
        os._exit(0)
    os.waitpid(forked, 0)
    assert psutil.Process(pids[0]).status() != psutil.STATUS_ZOMBIE
    service.close()
    assert not psutil.pid_exists(pids[0])


def test_a_busy_child_is_left_to_finish_at_the_end_of_the_kernel(peer: Path) -> None:
    """The kernel ends while a command runs in another of its threads: the service isn't killed, it sees the end."""
    code = (
        "import os, sys, threading, time\n"
        "from jupyter_pkgmgr.kernel.child import Service\n"
        "service, begun = Service(sys.argv[1]), threading.Event()\n"
        "def show(key, data): print(data['text/plain'], flush=True); begun.set()\n"
        "run = lambda: service.run({'argv_line': 'stubborn'}, show)\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "begun.wait(30)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(peer)], capture_output=True, text=True, check=True, timeout=60
    )
    child = psutil.Process(int(done.stdout))
    try:
        assert child.is_running()
    finally:
        child.kill()
    assert done.stderr == ""
    _wait_gone(child)


def _wait_gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_child_at_a_panels_job_is_left_to_finish_at_the_end_of_the_kernel(
    peer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "EXIT_TIMEOUT", 0.1)
    service = Service(str(peer))
    gate = tmp_path / "gate"
    assert service.api({"method": "POST", "path": str(gate)})["status"] == 202
    process = service._child._process  # type: ignore[union-attr]  # noqa: SLF001  nobody else knows it
    service.close()
    while not gate.exists():
        assert process.poll() is None, "it was ended in the middle"
        time.sleep(0.01)
    gate.write_text("7")
    assert process.wait(60) == 7

"""Real processes: how they end, what of their output arrives, and that nothing of them stays."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr.model import Cancellation
from jupyter_pkgmgr.model.errors import CancelledError, EngineError, EngineKilledError, EngineNotFoundError
from jupyter_pkgmgr.process import clean_environment, run, start, terminate

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups as POSIX has them")

FAMILY = """
import os, pathlib, signal, subprocess, sys, time
{prelude}
deaf = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
path = pathlib.Path({pids!r})
path.with_suffix(".part").write_text(f"{{os.getpid()}} {{child.pid}}")
path.with_suffix(".part").rename(path)
child.wait()
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *arguments]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def when_there(path: Path, act: Callable[[], None]) -> None:
    wait_for(path)
    act()


def alive(pids: Path) -> list[int]:
    numbers = [int(number) for number in pids.read_text().split()]
    return [pid for pid in numbers if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_output_and_exit_code() -> None:
    done = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_arguments_arrive_as_they_are() -> None:
    words = ["a b", "$HOME", "'quoted'", '"', "x>=1;rm", "*", "ünï", "-x", ""]
    done = run(python("import sys; print(ascii(sys.argv[1:]))", *words))
    assert done.stdout.strip() == ascii(words)


def test_no_input() -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))"), timeout=30).stdout == "''\n"


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (rb"a\nb\n", ["a", "b"]),
        (rb"a\r\nb\r\n", ["a", "b"]),
        (rb"10%\r20%\r\ndone", ["10%", "20%", "done"]),
        (rb"{1}\n\0{2}\n\0", ["{1}", "{2}"]),
        (rb"bad \xff byte\n", ["bad \ufffd byte"]),
        (rb"\n\n", []),
    ],
)
def test_lines(written: bytes, lines: list[str]) -> None:
    seen: list[str] = []
    run(python(f"import sys; sys.stdout.buffer.write(b'{written.decode()}')"), on_stdout=seen.append)
    assert seen == lines


def test_lines_and_characters_cut_by_a_pause_arrive_whole() -> None:
    code = """
import sys, time
for part in (b"f\\xc3", b"\\xbcr\\r", b"\\nzwei", b" drei\\n"):
    sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()
    time.sleep(0.05)
"""
    seen: list[str] = []
    assert run(python(code), on_stdout=seen.append).stdout == "für\r\nzwei drei\n"
    assert seen == ["für", "zwei drei"]


def test_lines_come_while_it_runs(tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"import os, time; print('ready', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    assert run(python(code), on_stdout=lambda _line: go.touch(), timeout=30).returncode == 0


def test_much_output_on_both_pipes_and_one_endless_line() -> None:
    code = "import sys; sys.stderr.write('e' * 20_000_000); sys.stdout.write('line of output\\n' * 1_000_000)"
    seen: list[str] = []
    done = run(python(code), on_stdout=seen.append, on_stderr=seen.append, timeout=60)
    assert (len(done.stdout), len(done.stderr), len(seen)) == (15_000_000, 20_000_000, 1_000_001)


def test_slow_receiver_gets_everything() -> None:
    seen: list[str] = []

    def receive(line: str) -> None:
        time.sleep(0.4)
        seen.append(line)

    run(python("print(1); print(2); print(3); print(4)"), on_stdout=receive)
    assert seen == ["1", "2", "3", "4"]


def test_failing_receiver_blocks_nothing_and_is_told() -> None:
    def receive(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="first"):
        run(python("print('first'); print('x' * 1_000_000)"), on_stdout=receive, timeout=30)


def test_daemon_that_keeps_the_pipe_open(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"""
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
pathlib.Path({str(pid)!r}).write_text(str(child.pid))
print("done")
"""
    try:
        assert run(python(code)).stdout == "done\n"
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_cancel_ends_the_family_even_where_a_child_is_deaf(tmp_path: Path) -> None:
    pids, cancel = tmp_path / "pids", Cancellation()
    watcher = threading.Thread(target=when_there, args=(pids, cancel.cancel))
    watcher.start()
    with pytest.raises(CancelledError):
        run(python(FAMILY.format(prelude="", pids=str(pids))), cancel=cancel)
    watcher.join()
    assert alive(pids) == []


def test_interrupt_is_asked_first(tmp_path: Path) -> None:
    """What a tool does to clean up on SIGINT is done and waited for."""
    pids, cleaned, cancel = tmp_path / "pids", tmp_path / "cleaned", Cancellation()
    prelude = f"""
def clean(*_):
    time.sleep(0.3)
    pathlib.Path({str(cleaned)!r}).touch()
    sys.exit(1)
signal.signal(signal.SIGINT, clean)
"""
    watcher = threading.Thread(target=when_there, args=(pids, cancel.cancel))
    watcher.start()
    with pytest.raises(CancelledError):
        run(python(FAMILY.format(prelude=prelude, pids=str(pids))), cancel=cancel)
    watcher.join()
    assert cleaned.exists()
    assert alive(pids) == []


def test_terminate_kills_what_does_not_listen(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = start(python(FAMILY.format(prelude="signal.signal(signal.SIGINT, signal.SIG_IGN)", pids=str(pids))))
    with process:
        wait_for(pids)
        terminate(process, grace=0.2)
    assert process.returncode == -signal.SIGKILL
    assert alive(pids) == []


def test_terminate_in_the_background(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = start(python(FAMILY.format(prelude="", pids=str(pids))))
    with process:
        wait_for(pids)
        terminate(process, wait=False)
        process.wait(120)
    deadline = time.monotonic() + 120
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive(pids) == []


def test_terminate_after_the_end_does_nothing() -> None:
    with start(python("")) as process:
        process.wait()
        terminate(process)
    assert process.returncode == 0


def test_cancelled_before_it_starts(tmp_path: Path) -> None:
    cancel, marker = Cancellation(), tmp_path / "started"
    cancel.cancel()
    with pytest.raises(CancelledError):
        run(python(f"open({str(marker)!r}, 'w')"), cancel=cancel)
    assert not marker.exists()


def test_cancel_after_the_end_reaches_nobody() -> None:
    cancel = Cancellation()
    assert run(python(""), cancel=cancel).returncode == 0
    cancel.cancel()


def test_timeout(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(EngineError, match=r"did not end within 3 seconds") as caught:
        run(python(FAMILY.format(prelude="", pids=str(pids))), timeout=3)
    assert caught.value.reference == "timeout"
    assert alive(pids) == []


def test_keyboard_interrupt_in_our_thread_ends_the_family(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    watcher = threading.Thread(target=when_there, args=(pids, _thread.interrupt_main))
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        run(python(FAMILY.format(prelude="", pids=str(pids))), timeout=60)
    watcher.join()
    assert alive(pids) == []


def test_killed_by_somebody_else() -> None:
    code = "import os, sys; print('https://u:secret@host/', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)"
    with pytest.raises(EngineKilledError, match="SIGKILL") as caught:
        run(python(code))
    assert caught.value.detail == "https://***@host/\n"


@pytest.mark.parametrize("name", ["missing", "folder", "text"])
def test_what_can_not_be_run(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a program")
    with pytest.raises(EngineNotFoundError, match="can't be run"):
        run([tmp_path / name])


def test_nothing_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    redirecting = [
        "PIP_TARGET",
        "PIP_USER",
        "UV_PYTHON",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "CONDA_PREFIX_1",
        "PYTHONPATH",
        "FORCE_COLOR",
    ]
    for name in [*redirecting, "PIP_INDEX_URL", "HTTPS_PROXY", "CONDARC"]:
        monkeypatch.setenv(name, "set")
    environment = clean_environment({"ADDED": "1", "CONDARC": None})
    assert not environment.keys() & {*redirecting, "CONDARC"}
    assert {"PIP_INDEX_URL", "HTTPS_PROXY", "ADDED"} <= environment.keys()
    assert "PIP_TARGET" in os.environ


def test_no_thread_and_no_process_stays() -> None:
    before = threading.active_count()
    run(python("print('x')"), on_stdout=lambda _line: None, cancel=Cancellation())
    assert threading.active_count() == before
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]

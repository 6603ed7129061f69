"""The one place that starts processes: an argv list, no shell, no stdin, its own process group.

Environment variables that would send a tool to another environment are taken out first, output is decoded
as UTF-8 whatever comes, and cancelling signals the whole process group, so that a tool's children end too.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .model.errors import CancelledError, EngineError, EngineKilledError, EngineNotFoundError
from .model.events import Cancellation
from .model.redact import redact

__all__ = [
    "PIPE",
    "STARTED_BY",
    "TERMINATE_GRACE",
    "Completed",
    "clean_environment",
    "inherit",
    "run",
    "start",
    "terminate",
]

OUTPUT_GRACE = 1.0
"""Seconds to wait for the end of the output after the process has ended: a daemon it left may keep the pipe open."""

KEPT_OUTPUT = 128 * 1024**2
"""Bytes of a tool's output that are kept; a plan as JSON is a few megabytes, a build that went mad has no end."""
PIPE = subprocess.PIPE
"""For ``start(…, stdin=PIPE)``: a worker of ours that is spoken to."""
TERMINATE_GRACE = 10.0
"""Seconds between asking a process group to stop and killing it: mamba rolls back in that time."""
STARTED_BY = "_JUPYTER_PKGMGR_STARTED_BY"
"""Variable of a tool that inherits a lock: the process that started it, so that it's known whose it was."""

_REDIRECTING = frozenset(
    {
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "CONDA_PROMPT_MODIFIER",
        "CONDA_PYTHON_EXE",
        "CONDA_SHLVL",
        "MAMBA_TARGET_PREFIX",
        "PIP_BREAK_SYSTEM_PACKAGES",
        "PIP_PREFIX",
        "PIP_PYTHON",
        "PIP_REPORT",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "PIXI_IN_SHELL",
        "PYTHONEXECUTABLE",
        "PYTHONHOME",
        "PYTHONINSPECT",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "UV_BREAK_SYSTEM_PACKAGES",
        "UV_PREFIX",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_TARGET",
        "UV_WORKING_DIR",
        "UV_WORKING_DIRECTORY",
        "VIRTUAL_ENV",
        "_CE_CONDA",
        "_CE_M",
        "__PYVENV_LAUNCHER__",
    }
)
_REDIRECTING_PREFIXES = ("CONDA_PREFIX_",)


_inherited: contextvars.ContextVar[tuple[int, ...]] = contextvars.ContextVar("inherited", default=())


@contextlib.contextmanager
def inherit(descriptor: int) -> Iterator[None]:
    """Hand a descriptor on to every tool that is started in this block and thread.

    That is how a lock outlives us as long as a tool does whose work it protects. A worker of ours doesn't get it:
    workers live longer than the block, and end by themselves when we do.
    """
    token = _inherited.set((*_inherited.get(), descriptor))
    try:
        yield
    finally:
        _inherited.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A process that ended: exit code (negative: the signal that ended it) and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def clean_environment(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The process environment for a tool: ours, without what could redirect it, changed by ``extra``.

    User settings that don't redirect (indexes, proxies, certificates, caches) stay. In ``extra``, ``None``
    takes a variable out.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _REDIRECTING and not name.startswith(_REDIRECTING_PREFIXES)
    }
    environment |= {
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        "PIP_NO_INPUT": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }
    environment.pop("FORCE_COLOR", None)
    environment.pop("CLICOLOR_FORCE", None)
    for name, value in (extra or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return environment


def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own group with pipes for its output.

    ``env`` changes what :func:`clean_environment` gives. ``stdin`` is for our own workers, which are spoken to
    through a pipe; every other tool gets none, so that it can't wait for an answer.

    Raises
    ------
    EngineNotFoundError
        If the executable isn't there or can't be run.
    """
    command = [os.fspath(part) for part in argv]
    inherited = _inherited.get() if stdin == subprocess.DEVNULL else ()
    options: dict[str, object] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
        if sys.platform == "win32"
        else {"start_new_session": True, "pass_fds": inherited}
    )
    try:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603  argv list, validated by the engines
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(env) | ({STARTED_BY: str(os.getpid())} if inherited else {}),
            cwd=cwd,
            **options,
        )
    except OSError as error:
        msg = f"{command[0]} can't be run: {error.strerror}"
        raise EngineNotFoundError(msg) from error


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    on_stdout: Callable[[str], None] | None = None,
    on_stderr: Callable[[str], None] | None = None,
    cancel: Cancellation | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a process to its end.

    Parameters
    ----------
    argv
        Command and arguments.
    env
        Variables to add to the cleaned environment, or with ``None`` to take out of it.
    on_stdout, on_stderr
        Called with each line that isn't empty as it comes (ended by a newline, a carriage return or NUL, which
        is stripped), from a thread of its own, and not after this function returned; credentials are still in
        it. What it raises is raised here once the process has ended.
    cancel
        Stops the whole process group when asked to.
    timeout
        Seconds after which the process group is ended.

    Returns
    -------
    Completed
        Whatever the exit code is: what it means is for the caller to say.

    Raises
    ------
    CancelledError
        If it was cancelled (the group has ended by then).
    EngineKilledError
        If a signal that we didn't send ended it.
    EngineNotFoundError
        If it can't be started.
    EngineError
        If it took longer than ``timeout``.
    """
    if cancel is not None:
        cancel.check()
    process = start(argv, env=env, cwd=cwd)
    readers: list[_Reader] = []
    try:
        readers = [_Reader(pipe, on_line) for pipe, on_line in _pipes(process, on_stdout, on_stderr)]
        in_time = _wait(process, cancel, timeout)
    finally:
        if process.poll() is None:  # a timeout, or an exception (KeyboardInterrupt) on our side
            terminate(process)
        for reader in readers:
            reader.finish()
    stdout, stderr = readers
    command = tuple(os.fspath(part) for part in argv)
    result = Completed(argv=command, returncode=process.returncode, stdout=stdout.text, stderr=stderr.text)
    _raise_if_stopped(result, cancelled=cancel is not None and cancel.requested, timeout=None if in_time else timeout)
    for reader in readers:
        reader.raise_failure()
    return result


def _wait(process: subprocess.Popen[bytes], cancel: Cancellation | None, timeout: float | None) -> bool:
    """Wait for a process to end, if need be because it is cancelled; returns whether it ended in time."""
    killers: list[threading.Thread] = []
    forget: Callable[[], None] = _nothing
    try:
        if cancel is not None:
            forget = cancel.on_cancel(lambda: killers.append(_terminate_later(process, TERMINATE_GRACE)))
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    finally:
        forget()
        for killer in killers:
            killer.join()
    return True


def _nothing() -> None:
    """There is no callback to take back."""


def _pipes(
    process: subprocess.Popen[bytes],
    on_stdout: Callable[[str], None] | None,
    on_stderr: Callable[[str], None] | None,
) -> tuple[tuple[IO[bytes], Callable[[str], None] | None], ...]:
    assert process.stdout is not None  # noqa: S101  start() asks for pipes
    assert process.stderr is not None  # noqa: S101
    return (process.stdout, on_stdout), (process.stderr, on_stderr)


def _raise_if_stopped(result: Completed, *, cancelled: bool, timeout: float | None) -> None:
    """Raise if the process didn't end by itself: cancelled, too slow, or killed by somebody else."""
    tool = Path(result.argv[0]).name
    if cancelled:
        msg = f"{tool} was stopped"
        raise CancelledError(msg)
    if timeout is not None:
        msg = f"{tool} did not end within {timeout:g} seconds"
        raise EngineError(msg, reference="timeout", detail=redact(result.stderr))
    if result.returncode < 0:
        msg = f"{tool} was ended by {_signal_name(-result.returncode)}"
        raise EngineKilledError(
            msg, detail=redact(result.stderr), hint="try again; if it repeats, look for a memory limit"
        )


def terminate(process: subprocess.Popen[bytes], *, wait: bool = True, grace: float = TERMINATE_GRACE) -> None:
    """End a process and its children: ask the group first, kill what is left after ``grace`` seconds.

    With ``wait=False`` the killing is left to a background thread and the call returns at once.
    """
    if wait:
        _ask_group(process)
        _kill_after(process, grace)
    else:
        _terminate_later(process, grace)


def _terminate_later(process: subprocess.Popen[bytes], grace: float) -> threading.Thread:
    _ask_group(process)
    thread = threading.Thread(target=_kill_after, args=(process, grace), name="terminate", daemon=True)
    thread.start()
    return thread


def _kill_after(process: subprocess.Popen[bytes], grace: float) -> None:
    """Wait for the process to end by itself, then kill its group: children may have outlived it."""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    finally:  # a second Ctrl-C ends the waiting, never the killing
        _kill_group(process)
        process.wait()
    _await_group(process.pid, seconds=1.0)


def _ask_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop, as Ctrl-C in a terminal would."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended meanwhile: what was wanted
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            # A server started in the background ignores SIGINT, and what it starts inherits that
            deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.killpg(process.pid, signal.SIGTERM if deaf else signal.SIGINT)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            taskkill = Path(os.environ["SYSTEMROOT"], "System32", "taskkill.exe")
            subprocess.run([taskkill, "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)  # noqa: S603
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _await_group(group: int, *, seconds: float) -> None:
    """Wait until the killed children are gone; where nobody reaps them (a container) they stay as zombies."""
    deadline = time.monotonic() + seconds
    while sys.platform != "win32" and time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.005)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Reader:
    """Reads one pipe in a thread: keeps the whole text and hands on each line as it comes."""

    def __init__(self, pipe: IO[bytes], on_line: Callable[[str], None] | None) -> None:
        self._pipe = pipe
        self._on_line = on_line
        self._failure: Exception | None = None
        self._waiting = False
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._size = self._taken = 0
        """Bytes that are kept, and chunks that came."""
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        pending: list[bytes] = []  # a list: a line of many megabytes must not be copied with every chunk
        with self._pipe:
            while chunk := self._next_chunk():
                self._keep(chunk)
                first, *others = chunk.translate(_LINE_ENDS).split(b"\n")
                pending.append(first)
                if others:
                    self._emit([b"".join(pending), *others[:-1]])
                    pending = [others[-1]]
        self._emit([b"".join(pending)])

    def _keep(self, chunk: bytes) -> None:
        """Keep what came, but of a tool that never ends only the latest."""
        self._chunks.append(chunk)
        self._taken += 1
        self._size += len(chunk)
        while self._size > KEPT_OUTPUT:
            self._size -= len(self._chunks.popleft())

    def _next_chunk(self) -> bytes:
        self._waiting = True
        try:
            return os.read(self._pipe.fileno(), 65536)
        finally:
            self._waiting = False

    def _emit(self, lines: list[bytes]) -> None:
        with self._lock:
            for line in lines:
                if line and self._on_line is not None:
                    try:
                        self._on_line(line.decode("utf-8", errors="replace"))
                    except Exception as error:  # noqa: BLE001  kept for run(): the pipe must be drained, or the tool stops
                        self._failure, self._on_line = error, None

    def finish(self) -> None:
        """Wait for the end of the pipe, or until nothing comes any more; nothing is handed on afterwards."""
        seen = -1
        while self._thread.is_alive() and not (self._waiting and self._taken == seen):
            seen = self._taken
            self._thread.join(timeout=OUTPUT_GRACE)
        with self._lock:
            self._on_line = None

    def raise_failure(self) -> None:
        """Raise what the receiver of the lines raised, if it did."""
        if self._failure is not None:
            raise self._failure

    @property
    def text(self) -> str:
        return b"".join(self._chunks).decode("utf-8", errors="replace")


_LINE_ENDS = bytes.maketrans(b"\r\0", b"\n\n")

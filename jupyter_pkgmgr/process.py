"""The one place that starts processes: an argv list, no shell, no stdin, its own process group.

Environment variables that would send a tool to another environment are taken out first, output is decoded
as UTF-8 whatever comes, and cancelling signals the whole process group, so that a tool's children end too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .model.errors import CancelledError, EngineError, EngineKilledError, EngineNotFoundError
from .model.events import Cancellation
from .model.redact import redact

__all__ = ["Completed", "clean_environment", "run", "start", "terminate"]

TERMINATE_GRACE = 10.0
"""Seconds between asking a process group to stop and killing it: mamba rolls back in that time."""

_REDIRECTING = frozenset(
    {
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "CONDA_PROMPT_MODIFIER",
        "CONDA_PYTHON_EXE",
        "CONDA_SHLVL",
        "MAMBA_TARGET_PREFIX",
        "PIP_PREFIX",
        "PIP_PYTHON",
        "PIP_REPORT",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "PIXI_IN_SHELL",
        "PYTHONHOME",
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
        "__PYVENV_LAUNCHER__",
    }
)
_REDIRECTING_PREFIXES = ("CONDA_PREFIX_",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A process that ended: exit code (negative: the signal that ended it) and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process environment for a tool: ours, without what could redirect it, plus ``extra``.

    User settings that don't redirect (indexes, proxies, certificates, caches) stay.
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
    return environment | dict(extra or {})


def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in its own group with pipes for its output.

    ``env`` is added to :func:`clean_environment`. ``stdin`` is for our own workers, which are spoken to
    through a pipe; every other tool gets none, so that it can't wait for an answer.

    Raises
    ------
    EngineNotFoundError
        If the executable isn't there or can't be run.
    """
    command = [os.fspath(part) for part in argv]
    options: dict[str, object] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    try:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603  argv list, validated by the engines
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(env),
            cwd=cwd,
            **options,
        )
    except OSError as error:
        msg = f"{command[0]} can't be run: {error.strerror}"
        raise EngineNotFoundError(msg) from error


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
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
        Variables added to the cleaned environment.
    on_stdout, on_stderr
        Called with each line as it comes (ended by a newline, a carriage return or NUL, which is
        stripped), from a thread of its own; credentials are still in it.
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
    assert process.stdout is not None  # noqa: S101  start() asks for pipes
    assert process.stderr is not None  # noqa: S101
    stdout, stderr = _Reader(process.stdout, on_stdout), _Reader(process.stderr, on_stderr)
    forget = cancel.on_cancel(lambda: terminate(process, wait=False)) if cancel else (lambda: None)
    timed_out = False
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        forget()
        if process.poll() is None:  # a timeout, or an exception (KeyboardInterrupt) on our side
            terminate(process)
        stdout.finish()
        stderr.finish()
    command = tuple(os.fspath(part) for part in argv)
    result = Completed(argv=command, returncode=process.returncode, stdout=stdout.text, stderr=stderr.text)
    if cancel is not None and cancel.requested:
        msg = f"{Path(command[0]).name} was stopped"
        raise CancelledError(msg)
    tool = Path(command[0]).name
    if timed_out:
        msg = f"{tool} did not end within {timeout:.0f} seconds"
        raise EngineError(msg, reference="timeout", detail=redact(result.stderr))
    if process.returncode < 0:
        msg = f"{tool} was ended by {_signal_name(-process.returncode)}"
        raise EngineKilledError(
            msg, detail=redact(result.stderr), hint="try again; if it repeats, look for a memory limit"
        )
    return result


def terminate(process: subprocess.Popen[bytes], *, wait: bool = True, grace: float = TERMINATE_GRACE) -> None:
    """End a process and its children: ask the group first, kill it after ``grace`` seconds.

    With ``wait=False`` the killing is left to a background thread and the call returns at once.
    """
    _signal_group(process, signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)

    def kill_later() -> None:
        deadline = time.monotonic() + grace
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        _signal_group(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()

    if wait:
        kill_later()
    else:
        threading.Thread(target=kill_later, name="terminate", daemon=True).start()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended meanwhile: what was wanted
        if sys.platform == "win32":
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)


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
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        pending = b""
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), 65536):
                self._chunks.append(chunk)
                if self._on_line is not None:
                    *lines, pending = (pending + chunk).replace(b"\r", b"\n").replace(b"\0", b"\n").split(b"\n")
                    self._emit(lines)
        if self._on_line is not None:
            self._emit([pending])

    def _emit(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if line and self._on_line is not None:
                self._on_line(line.decode("utf-8", errors="replace"))

    def finish(self) -> None:
        """Wait for the end of the pipe; a grandchild that keeps it open can't hold us for ever."""
        self._thread.join(timeout=5)

    @property
    def text(self) -> str:
        return b"".join(self._chunks).decode("utf-8", errors="replace")

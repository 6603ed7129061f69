"""The package service as a child process of the kernel, spoken to in JSON lines.

The child starts when it is first needed and stays. It runs on its own interpreter, in its own session (an
interrupt of the kernel doesn't reach it), in the root folder and with a Python of its own making (nothing of
the kernel's ``PYTHONPATH`` or of the notebook's folder can shadow its modules). It ends when its input closes,
thus also when the kernel is killed.

Protocol 1. The child's first line is ``{"protocol": 1, "version": …}``. Then, any number of times::

    → {"id": 1, "method": "run", "params": {…}}         ← {"id": 1, "display": {"key": …, "data": {…}}} …
    → {"id": 1, "method": "cancel"}                     ← {"id": 1, "result": {…}} or {"id": 1, "error": {…}}
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, Callable, Iterator, NoReturn

from .errors import PkgError
from .interpreter import find_python

__all__ = ["Service"]

PROTOCOL = 1
START_TIMEOUT = 60.0
"""Seconds for the first line; a cold disk or a network folder can take many."""
CANCEL_TIMEOUT = 15.0
"""Seconds after an interrupt in which the child can put the environment back in order."""
EXIT_TIMEOUT = 1.0
"""Seconds that an idle child gets to end, at the kernel's own end."""
STDERR_LINES = 40
LIMITS = "_JUPYTER_PKGMGR_LIMITS"
"""The child's variable with what came beside the connection; other users can't read it, unlike arguments."""


class Service:
    """The service behind ``%pkg``: starts the child, sends requests, and starts it again if it died."""

    def __init__(self, python: str | None = None) -> None:
        self.python = python
        self.limits: dict[str, Any] | None = None
        """What a server's administrator allows, and where that server lives: ``{"policy", "server"}``."""
        self._child: _Child | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def run(
        self, params: dict[str, Any], on_display: Callable[[str, dict[str, Any]], None]
    ) -> tuple[dict[str, Any], bool]:
        """Run one command, showing what comes meanwhile.

        An interrupt asks the child to stop and waits for its answer; another one kills it.

        Returns
        -------
        tuple
            The result, and whether it was interrupted too late to be stopped.

        Raises
        ------
        PkgError
            What the service reported, or that it can't be reached.
        """
        interrupted = False
        try:
            child = self._start()
            child.wait_for_hello(START_TIMEOUT)
        except KeyboardInterrupt:
            self.kill()
            raise PkgError("stopped; nothing was changed", reference="cancelled") from None
        with child.request("run", params) as request:
            deadline = None
            while True:
                try:
                    message = request.receive(deadline)
                    if message is None:
                        self._give_up("the service didn't stop in time and was ended")
                    elif "display" in message:
                        on_display(str(message["display"]["key"]), message["display"]["data"])
                    elif "error" in message:
                        raise PkgError.from_json(message["error"])
                    else:
                        return message["result"], interrupted
                except KeyboardInterrupt:
                    if interrupted:
                        self._give_up("the service was ended before it could put things in order")
                    interrupted, deadline = True, time.monotonic() + CANCEL_TIMEOUT
                    request.cancel()

    def hint(self, params: dict[str, Any], timeout: float) -> dict[str, Any] | None:
        """Which package a module is in; None if that isn't known, or not within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        child = self._start()
        if not child.wait_for_hello(timeout, patient=True):
            return None
        with child.request("hint", params) as request:
            message = request.receive(deadline)
        result = message.get("result") if message else None
        return result if isinstance(result, dict) else None

    def report(self, transaction: str, verdict: dict[str, Any], facts: dict[str, Any]) -> None:
        """Tell what a change asks of this kernel, for the history; the child has heard it before anything else."""
        child = self._child
        if child is not None and child.usable:
            told = {"level": verdict["level"], "modules": verdict["modules"]}
            child.tell("verdict", {"transaction": transaction, "facts": facts, **told})

    def api(self, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the REST API, which the child carries: ``{"status", "body", "headers", "changed"}``."""
        child = self._start()
        child.wait_for_hello(START_TIMEOUT)
        child.serves_panel = True
        with child.request("api", params) as request:
            message = request.receive() or {}
        if "error" in message:
            raise PkgError.from_json(message["error"])
        answer: dict[str, Any] = message["result"]
        return answer

    def close(self) -> None:
        """Let the child end: at once when it is idle, after its work when it isn't."""
        atexit.unregister(self.close)
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def kill(self) -> None:
        """End the child and what it started in its session, now."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _start(self) -> _Child:
        with self._lock:
            if self._child is None or not self._child.usable:
                self._child = _Child(find_python(self.python), self.limits)
            return self._child

    def _give_up(self, message: str) -> NoReturn:
        self.kill()
        raise PkgError(
            message, reference="service-killed", hint="%pkg doctor tells whether the environment is whole"
        ) from None


class _Request:
    """One request that waits for messages."""

    def __init__(self, child: _Child, number: int) -> None:
        self._child = child
        self._number = number
        self.messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def cancel(self) -> None:
        self._child.send({"id": self._number, "method": "cancel"})

    def receive(self, deadline: float | None = None) -> dict[str, Any] | None:
        """The next message; None after the deadline. In short waits: Windows can't interrupt a long one."""
        while True:
            left = 0.5 if deadline is None else deadline - time.monotonic()
            try:
                message = self.messages.get(timeout=max(0.0, min(left, 0.5)))
            except queue.Empty:
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                if not self._child.reading:  # it ended before this request was registered
                    raise self._child.ended_error() from None
            else:
                if message is None:
                    raise self._child.ended_error()
                return message


class _Child:
    """One child process, with a thread for each of its outputs."""

    def __init__(self, python: str, limits: dict[str, Any] | None = None) -> None:
        self._python = python
        self._owner = os.getpid()
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._hello: dict[str, Any] | None = None
        self._said_hello = threading.Event()
        self._problem: str | None = None
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self.serves_panel = False
        """Whether it may be at work though nobody waits for an answer: a panel's jobs go on by themselves."""
        self.waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._process = _popen([python, "-P", "-X", "utf8", "-m", "jupyter_pkgmgr.stdio"], limits)
        self._readers = [
            threading.Thread(target=target, name="jupyter_pkgmgr", daemon=True)
            for target in (self._read_stdout, self._read_stderr)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def usable(self) -> bool:
        """Whether it can take a request: it lives, and is ours (not that of the process we were forked from)."""
        return self._process.poll() is None and self._problem is None and self._owner == os.getpid()

    @property
    def reading(self) -> bool:
        """Whether messages can still come."""
        return self._readers[0].is_alive()

    def wait_for_hello(self, timeout: float, *, patient: bool = False) -> bool:
        """Wait for the child's first line; ``patient``: later calls may wait for it again."""
        deadline = time.monotonic() + timeout
        while not self._said_hello.wait(max(0.0, min(0.5, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                if patient:
                    return False
                self.kill()
                raise PkgError(
                    f"the package service didn't start within {timeout:.0f} seconds", reference="service-start"
                )
        if self._hello is None:
            raise self.ended_error()
        if self._hello["protocol"] != PROTOCOL:
            self.kill()
            raise PkgError(
                f"the package service speaks protocol {self._hello['protocol']}, this kernel {PROTOCOL}",
                reference="service-protocol",
                hint="restart the kernel; if it stays, install one version of jupyter_pkgmgr in both places",
            )
        return True

    @contextlib.contextmanager
    def request(self, method: str, params: dict[str, Any]) -> Iterator[_Request]:
        """Send a request; its messages are received until the block ends."""
        number = next(self._numbers)
        request = _Request(self, number)
        self.waiting[number] = request.messages
        try:
            self.send({"id": number, "method": method, "params": params})
            yield request
        finally:
            del self.waiting[number]

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send a message whose answer nobody waits for."""
        with contextlib.suppress(PkgError):  # the child has just ended: the next request says so
            self.send({"id": next(self._numbers), "method": method, "params": params})

    def send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode("ascii") + b"\n"
        assert self._process.stdin is not None  # noqa: S101  _popen asks for pipes
        with self._sending:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except KeyboardInterrupt:  # half a line may be on its way: the child can't be understood any more
                self.kill()
                raise PkgError("stopped; nothing was changed", reference="cancelled") from None
            except (OSError, ValueError):
                raise self.ended_error() from None

    def close(self) -> None:
        """Close its input. An idle child ends by that; one that may work finishes or rolls back by itself."""
        if self._owner != os.getpid():
            return
        self._close_input()
        if not self.waiting and not self.serves_panel:
            try:
                self._process.wait(EXIT_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End its whole process group: ask, and kill what is left a moment later."""
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with contextlib.suppress(OSError):  # it has ended meanwhile: what was wanted
                if sys.platform == "win32":
                    self._process.terminate()
                else:
                    os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # an interrupt hurries it
                self._process.wait(2)
                break
        self._close_input()  # not before: a thread that writes to it holds its lock until the child is gone

    def ended_error(self) -> PkgError:
        """Why it can't answer any more."""
        self._close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        for reader in self._readers:
            reader.join(1)
        said = "\n".join(self._stderr)
        last = self._stderr[-1].strip() if self._stderr else None
        if self._problem:
            return PkgError(self._problem, reference="service-garbage", note=last, detail=said)
        if self._hello is None:
            return PkgError(
                "the package service can't be started",
                reference="service-start",
                note=last,
                hint=f"install jupyter_pkgmgr for {self._python}, or set JUPYTER_PKGMGR_PYTHON to a Python that has it",
                detail=said,
            )
        return PkgError(
            f"the package service ended unexpectedly ({_how_it_ended(self._process.returncode)})",
            reference="service-ended",
            note=last,
            hint="run the command again; %pkg doctor tells whether the environment is whole",
            detail=said,
        )

    def _close_input(self) -> None:
        with contextlib.suppress(OSError):  # what couldn't be written to a child that has ended
            self._process.stdin.close()  # type: ignore[union-attr]  # _popen asks for pipes

    def _read_stdout(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  _popen asks for pipes
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._take(json.loads(line.decode("utf-8")))
                except (ValueError, KeyError, TypeError, AttributeError):
                    shown = line[:80].decode("utf-8", errors="replace").strip()
                    self._problem = f"the package service said something that isn't its protocol: {shown!r}"
                    self.kill()
                    break
        self._said_hello.set()
        for messages in list(self.waiting.values()):
            messages.put(None)

    def _take(self, message: dict[str, Any]) -> None:
        if self._hello is None:
            _ = message["protocol"]
            self._hello = message
            self._said_hello.set()
            return
        messages = self.waiting.get(message["id"])
        if not {"display", "error", "result"} & set(message):
            raise ValueError(message)
        if messages is not None:  # else nobody waits any more: a hint that came too late
            messages.put(message)

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  _popen asks for pipes
        with self._process.stderr as lines:
            self._stderr.extend(line.decode("utf-8", errors="replace").rstrip() for line in lines)


def _popen(argv: list[str], limits: dict[str, Any] | None) -> subprocess.Popen[bytes]:
    """Start it, without anything of this kernel's Python in its process environment."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
    }
    if limits:
        environment[LIMITS] = json.dumps(limits)
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(  # noqa: S603  an argv list without user text
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=os.path.abspath(os.sep),
            **options,
        )
    except OSError as error:
        raise PkgError(
            f"{argv[0]} can't be run: {error.strerror}",
            reference="service-start",
            hint="set JUPYTER_PKGMGR_PYTHON to a Python that has jupyter_pkgmgr",
        ) from None


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "it closed its output"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"

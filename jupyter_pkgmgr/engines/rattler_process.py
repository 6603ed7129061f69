"""The embedded engine's side of the pipe: starts workers, keeps idle ones, asks them."""

from __future__ import annotations

import collections
import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import jupyter_pkgmgr
from jupyter_pkgmgr import process
from jupyter_pkgmgr.model import Cancellation, errors, obeyed, redact
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    EngineError,
    EngineKilledError,
    PkgError,
    UnknownFormatError,
)

__all__ = ["Workers"]

PROTOCOL = 1
IDLE_WORKERS = 2
"""Idle workers kept for the next request; more are started while more requests run at once."""
_STDERR_BYTES = 16_384

OnEvent = Callable[[Mapping[str, Any]], None]


class Workers:
    """A pool of worker processes. Thread-safe: each request has a worker for itself while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        # closing stdin ends a worker; at interpreter exit too
        self._finalizer = weakref.finalize(self, _close_all, self._idle, self._lock)

    def close(self) -> None:
        """End the idle workers. The pool can be used again."""
        _close_all(self._idle, self._lock)

    def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        environment: tuple[tuple[str, str], ...] = (),
        on_event: OnEvent | None = None,
        cancel: Cancellation | None = None,
    ) -> Any:
        """Ask one thing and wait for the answer.

        Parameters
        ----------
        method, params
            What :mod:`.rattler_worker` understands.
        environment
            Variables that the worker must have been started with.
        on_event
            Called with each event, in this thread.
        cancel
            Kills the worker's process group when asked to; by default what is obeyed around the call.

        Raises
        ------
        PkgError
            What the worker answered, or what became of it.
        """
        cancel = cancel or obeyed()
        while True:
            if cancel is not None:
                cancel.check()
            worker, fresh = self._take(environment)
            try:
                answer = worker.ask(method, params, on_event=on_event or _ignore, cancel=cancel)
            except _GoneBeforeStart:
                # an idle worker may end at any time; nothing has begun, so another one can do it
                worker.close()
                if fresh:
                    raise worker.epitaph() from None
                continue
            except BaseException:
                if worker.is_busy:
                    worker.kill()
                else:
                    self._give_back(worker)
                raise
            self._give_back(worker)
            return answer

    def _take(self, environment: tuple[tuple[str, str], ...]) -> tuple[_Worker, bool]:
        with self._lock:
            for worker in reversed(self._idle):
                if worker.environment == environment:
                    self._idle.remove(worker)
                    return worker, False
        return _Worker(environment), True

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)
            surplus = [self._idle.pop(0)] if len(self._idle) > IDLE_WORKERS else []
        for old in surplus:
            old.close()


def _close_all(idle: list[_Worker], lock: threading.Lock) -> None:
    with lock:
        workers, idle[:] = list(idle), []
    for worker in workers:
        worker.close()


class _GoneBeforeStart(Exception):  # noqa: N818  internal, and no error
    """The worker ended before it accepted the request."""


class _Worker:
    """One worker process; one thread at a time speaks to it."""

    def __init__(self, environment: tuple[tuple[str, str], ...]) -> None:
        self.environment = environment
        self.is_busy = False
        self._number = 0
        root = str(Path(jupyter_pkgmgr.__file__).parents[1])
        self._process = process.start(
            [sys.executable, "-m", "jupyter_pkgmgr.engines.rattler_worker"],
            # the package may run from a checkout that only our own sys.path knows
            env={**dict(environment), "PYTHONPATH": root},
            stdin=process.PIPE,
        )
        assert self._process.stdin is not None  # noqa: S101  asked for above
        assert self._process.stdout is not None  # noqa: S101  start() asks for pipes
        assert self._process.stderr is not None  # noqa: S101
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        self._stderr: collections.deque[bytes] = collections.deque()
        self._listener = threading.Thread(
            target=_drain, args=(self._process.stderr, self._stderr), name="rattler-stderr", daemon=True
        )
        self._listener.start()
        self._greeted = False

    def ask(self, method: str, params: Mapping[str, Any], *, on_event: OnEvent, cancel: Cancellation | None) -> Any:
        """One request and its answer. Raises :class:`_GoneBeforeStart` if the worker never accepted it."""
        self._number += 1
        self.is_busy = True
        forget = cancel.on_cancel(self._interrupt) if cancel else (lambda: None)
        try:
            answer = self._exchange({"id": self._number, "method": method, "params": params}, on_event)
        except (_GoneBeforeStart, _Gone) as gone:
            if cancel is not None and cancel.requested:
                msg = "the embedded conda engine was stopped"
                raise CancelledError(msg) from None
            if isinstance(gone, _Gone):
                raise self.epitaph() from None
            raise
        finally:
            forget()
        self.is_busy = False
        if "error" in answer:
            raise _error(answer["error"])
        return answer["result"]

    def _exchange(self, request: Mapping[str, Any], on_event: OnEvent) -> Mapping[str, Any]:
        try:
            self._stdin.write(json.dumps(request).encode() + b"\n")
            self._stdin.flush()
            if not self._greeted:
                self._greet(self._read())
            if not self._read().get("accepted"):
                msg = "the embedded conda engine's worker speaks another protocol"
                raise UnknownFormatError(msg)
        except (_Gone, BrokenPipeError) as error:
            raise _GoneBeforeStart from error
        while True:
            answer = self._read()
            if "event" not in answer:
                return answer
            on_event(answer["event"])

    def _greet(self, greeting: Mapping[str, Any]) -> None:
        if greeting.get("protocol") != PROTOCOL:
            msg = f"the embedded conda engine's worker speaks protocol {greeting.get('protocol')}, not {PROTOCOL}"
            raise UnknownFormatError(
                msg, note="jupyter_pkgmgr was updated while it ran", hint="restart the Jupyter server"
            )
        self._greeted = True

    def _read(self) -> dict[str, Any]:
        line = self._stdout.readline()
        if not line.endswith(b"\n"):
            raise _Gone
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            msg = "the embedded conda engine's worker answered something that is no JSON"
            raise UnknownFormatError(msg, detail=redact(line[:500].decode(errors="replace"))) from error
        return answer

    def _interrupt(self) -> None:
        process.terminate(self._process, wait=False)

    def kill(self) -> None:
        """End the process group at once, whatever it does."""
        process.terminate(self._process)
        self.close()

    def close(self) -> None:
        """End the worker by closing its stdin, and wait until it is gone."""
        for pipe in (self._stdin, self._stdout):
            try:
                pipe.close()
            except OSError:  # what was in its buffer can't be written any more: the reader is gone
                continue
        deadline = time.monotonic() + process.TERMINATE_GRACE
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._process.returncode is None:
            process.terminate(self._process, grace=0)
        self._listener.join(timeout=1)

    def epitaph(self) -> PkgError:
        """What became of a worker that ended in the middle of its work."""
        self._process.wait()
        self._listener.join(timeout=1)
        detail = redact(b"".join(self._stderr).decode("utf-8", errors="replace"))
        code = self._process.returncode
        if code < 0:
            msg = f"the embedded conda engine was ended by signal {-code}"
            return EngineKilledError(msg, detail=detail, hint="try again; if it repeats, look for a memory limit")
        msg = f"the embedded conda engine ended unexpectedly with code {code}"
        last = detail.strip().splitlines()[-1:]
        hint = "try again, or with another engine: --engine conda"
        return EngineError(msg, note=last[0] if last else None, detail=detail, hint=hint)


def _ignore(_event: Mapping[str, Any]) -> None:
    """For requests that have no progress."""


class _Gone(Exception):  # noqa: N818  internal, and no error
    """The worker's output ended."""


def _drain(pipe: IO[bytes], kept: collections.deque[bytes]) -> None:
    """Read stderr so that it can't fill up, and keep its end."""
    with pipe:
        while chunk := os.read(pipe.fileno(), 65536):
            kept.append(chunk)
            while sum(map(len, kept)) > _STDERR_BYTES and len(kept) > 1:
                kept.popleft()


def _error(document: Mapping[str, Any]) -> PkgError:
    """The worker's error, as itself."""
    kind = getattr(errors, str(document.get("type")), EngineError)
    if not (isinstance(kind, type) and issubclass(kind, PkgError)):
        kind = EngineError
    return kind(
        redact(document["message"]),
        reference=document["reference"],
        context=tuple(redact(line) for line in document["context"]),
        note=redact(document["note"]) if document["note"] else None,
        hint=document["hint"],
        detail=redact(document["detail"]) if document["detail"] else None,
    )

"""The service over JSON lines on stdin and stdout, for a kernel that has no server of ours to ask.

Protocol 1. The child's first line is ``{"protocol": 1, "version": "…"}``. Then, one JSON object a line:

- kernel: ``{"id": 1, "method": "run", "params": {"argv_line", "cell", "cwd", "facts", "width"}}``
- kernel: ``{"id": 1, "method": "cancel"}``
- kernel: ``{"id": 2, "method": "hint", "params": {"module", "facts"}}``
- kernel: ``{"id": 3, "method": "verdict", "params": {"transaction", "level", "modules", "facts"}}``: what the kernel
  found about its restart after a result with a ``transaction``; answered before the next message is read
- kernel: ``{"id": 4, "method": "api", "params": {"method", "path", "query", "body", "headers", "facts"}}``: a request
  to the REST API, for a panel inside the notebook. ``facts`` tell which environment is meant; they can be left out
  of all but the first
- child: ``{"id": 1, "display": {"key": "plan", "data": {"text/plain": …, "text/html": …}}}``; the same key again
  replaces what was shown
- child: ``{"id": 1, "result": {…}}`` or ``{"id": 1, "error": {…}}``, once, last; of ``api`` the result is
  ``{"status", "body", "headers", "changed"}``, whatever the status; ``changed`` lists what was done since the last
  answer: ``{"changed_files", "changed_packages", "transaction", "undoes", "job"}`` each, for the kernel's verdict

``_JUPYTER_PKGMGR_LIMITS``, where it is set, is a JSON object ``{"policy": fields of AdminPolicy, "server": prefix of
the server's environment or null}``: what came with a server's attachment binds its kernels here, too.

It ends when stdin does, which is when the kernel ends, or on SIGTERM; what runs then is cancelled and waited for.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from jupyter_pkgmgr import __version__
from jupyter_pkgmgr.environments import KernelFacts, from_kernel
from jupyter_pkgmgr.model import AdminPolicy, Cancellation, Environment, obey, to_json
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render import Rendered, render_error
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.typed import Typed, hint_document, is_verbose, run_typed
from jupyter_pkgmgr.verbs import defect

if TYPE_CHECKING:
    from jupyter_pkgmgr.api import Tunnel

__all__ = ["main"]

PROTOCOL = 1
LAST_WORDS = 15.0
"""Seconds that cancelled work gets at the end to leave the environment in order."""


class _Peer:
    """One kernel on the other end of the pipes."""

    def __init__(self, service: PackageService, output: TextIO, *, server: Path | None = None) -> None:
        self._service = service
        self._server = server
        self._output = output
        self._lock = threading.Lock()
        self._running: dict[int, tuple[Cancellation, threading.Thread]] = {}
        self._opening = threading.Lock()
        self._tunnel: Tunnel | None = None
        self._answers = {"run": self._run, "hint": self._hint, "verdict": self._verdict, "api": self._api}

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message; a kernel that is gone is noticed by the reader."""
        line = json.dumps(message, ensure_ascii=True, separators=(",", ":"))
        with self._lock, contextlib.suppress(BrokenPipeError):  # nobody listens any more: stdin's end tells us next
            self._output.write(line + "\n")
            self._output.flush()

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take one message: start what it asks for in a thread of its own, or stop what runs."""
        number, method = int(message["id"]), str(message["method"])
        if method == "cancel":
            running = self._running.get(number)  # it may end at this very moment
            if running is not None:
                running[0].cancel()
            return
        if method not in self._answers:
            raise ValueError(f"there is no method {method!r}")
        cancel = Cancellation()
        params = dict(message.get("params") or {})
        arguments = (number, method, params, cancel)
        if method == "verdict":  # a kernel doesn't wait for the answer: what it asks for next must know of it
            self._answer(*arguments)
            return
        thread = threading.Thread(target=self._answer, args=arguments, name=f"{method}-{number}", daemon=True)
        self._running[number] = (cancel, thread)
        thread.start()

    def _answer(self, number: int, method: str, params: Mapping[str, Any], cancel: Cancellation) -> None:
        verbose = is_verbose(str(params.get("argv_line", "")))
        try:
            with obey(cancel):
                result = self._answers[method](number, params, cancel)
            self.send({"id": number, "result": result})
        except PkgError as error:
            self._fail(number, error, verbose=verbose)
        except Exception as error:  # noqa: BLE001  a defect of ours must reach the user as one sentence, not as silence
            self._fail(number, defect(error), verbose=verbose)
        finally:
            self._running.pop(number, None)

    def _fail(self, number: int, error: PkgError, *, verbose: bool) -> None:
        rendered = render_error(error, verbose=verbose)
        self.send({"id": number, "error": {**error.to_json(), "text": rendered.text, "html": rendered.html}})

    def stop_all(self) -> None:
        """Cancel everything that runs, and wait until it has stopped, but not for ever."""
        deadline = time.monotonic() + LAST_WORDS
        running = list(self._running.values())
        for cancel, _ in running:
            cancel.cancel()
        if self._tunnel is not None:
            self._tunnel.close(LAST_WORDS)
        for _, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, number: int, params: Mapping[str, Any], cancel: Cancellation) -> dict[str, Any]:
        cell = params.get("cell")
        typed = Typed(
            line=str(params.get("argv_line") or ""),
            cell=None if cell is None else str(cell),
            cwd=str(params.get("cwd") or ""),
        )
        command = typed.parse()

        def show(key: str, rendered: Rendered) -> None:
            show_data(key, rendered.data)

        def show_data(key: str, data: dict[str, Any]) -> None:
            self.send({"id": number, "display": {"key": key, "data": data}})

        environment = self._environment(params)
        result, _ = run_typed(self._service, environment, command, show=show, show_json=show_data, cancel=cancel)
        document: dict[str, Any] = to_json(result)
        return document

    def _hint(self, _number: int, params: Mapping[str, Any], _cancel: Cancellation) -> dict[str, Any] | None:
        environment = self._environment(params)
        return hint_document(self._service, environment, str(params["module"]))

    def _verdict(self, _number: int, params: Mapping[str, Any], _cancel: Cancellation) -> dict[str, Any]:
        environment = self._environment(params)
        modules = [str(name) for name in params.get("modules") or ()]
        self._service.record_verdict(
            environment, str(params["transaction"]), level=str(params["level"]), modules=modules
        )
        return {}

    def _api(self, _number: int, params: Mapping[str, Any], _cancel: Cancellation) -> dict[str, Any]:
        with self._opening:
            if self._tunnel is None:
                from jupyter_pkgmgr.api import Tunnel  # noqa: PLC0415  few notebooks open a panel, many use %pkg

                self._tunnel = Tunnel(self._service, server=self._server)
        return self._tunnel.ask(params)

    def _environment(self, params: Mapping[str, Any]) -> Environment:
        return from_kernel(KernelFacts.from_json(params["facts"]), server=self._server)


def _take(peer: _Peer, line: bytes) -> None:
    """Hand on one line; what is no message of the protocol is told on stderr, and the others go on."""
    try:
        peer.receive(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"not understood: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201  kept by the kernel


class _Limits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What came with the attachment."""

    policy: AdminPolicy = AdminPolicy()
    server: str | None = None


def main() -> None:
    """Speak the protocol until stdin ends."""
    # What a library prints must not get between the messages: stdout becomes stderr for everybody else.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    limits = msgspec.json.decode(os.environ.pop("_JUPYTER_PKGMGR_LIMITS", "{}"), type=_Limits)
    with PackageService(face="%pkg", policy=limits.policy) as service:
        peer = _Peer(service, output, server=Path(limits.server) if limits.server else None)
        peer.send({"protocol": PROTOCOL, "version": __version__})
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            for line in sys.stdin.buffer:
                if line.strip():
                    _take(peer, line)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what asks again mustn't break off what puts things in order
            peer.stop_all()


if __name__ == "__main__":
    main()

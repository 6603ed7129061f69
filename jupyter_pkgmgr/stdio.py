"""The service over JSON lines on stdin and stdout, for a kernel that has no server of ours to ask.

Protocol 1. The child's first line is ``{"protocol": 1, "version": "…"}``. Then, one JSON object a line:

- kernel: ``{"id": 1, "method": "run", "params": {"argv_line", "cell", "cwd", "facts", "width"}}``
- kernel: ``{"id": 1, "method": "cancel"}``
- kernel: ``{"id": 2, "method": "hint", "params": {"module", "facts"}}``
- child: ``{"id": 1, "display": {"key": "plan", "data": {"text/plain": …, "text/html": …}}}``; the same key again
  replaces what was shown
- child: ``{"id": 1, "result": {…}}`` or ``{"id": 1, "error": {…}}``, once, last

It ends when stdin does, which is when the kernel ends, or on SIGTERM; what runs then is cancelled and waited for.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from packaging.utils import canonicalize_name

from jupyter_pkgmgr import __version__
from jupyter_pkgmgr.commands import parse_cell, parse_line
from jupyter_pkgmgr.environments import KernelFacts, from_kernel
from jupyter_pkgmgr.model import Action, Cancellation, Outcome
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render import Rendered, render_error
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.verbs import Report, Runner, defect

__all__ = ["main"]

PROTOCOL = 1
_VERBOSE = re.compile(r"--verbose|-[qyU]*v[qyUv]*")
LAST_WORDS = 15.0
"""Seconds that cancelled work gets at the end to leave the environment in order."""


class _Peer:
    """One kernel on the other end of the pipes."""

    def __init__(self, service: PackageService, output: TextIO) -> None:
        self._service = service
        self._output = output
        self._lock = threading.Lock()
        self._running: dict[int, tuple[Cancellation, threading.Thread]] = {}
        self._answers = {"run": self._run, "hint": self._hint}

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
        thread = threading.Thread(target=self._answer, args=arguments, name=f"{method}-{number}", daemon=True)
        self._running[number] = (cancel, thread)
        thread.start()

    def _answer(self, number: int, method: str, params: Mapping[str, Any], cancel: Cancellation) -> None:
        verbose = any(_VERBOSE.fullmatch(word) for word in str(params.get("argv_line", "")).split())
        try:
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
        running = list(self._running.values())
        for cancel, _ in running:
            cancel.cancel()
        deadline = time.monotonic() + LAST_WORDS
        for _, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, number: int, params: Mapping[str, Any], cancel: Cancellation) -> dict[str, Any]:
        base = Path(str(params.get("cwd") or Path.home()))
        line, cell = str(params.get("argv_line") or ""), params.get("cell")
        command = parse_line(line, base=base) if cell is None else parse_cell(line, str(cell), base=base)

        def show(key: str, rendered: Rendered) -> None:
            self.send({"id": number, "display": {"key": key, "data": rendered.data}})

        def show_json(key: str, rendered: Rendered) -> None:
            """With ``--json`` only the final document is shown."""

        environment = from_kernel(KernelFacts.from_json(params["facts"]))
        report = Runner(self._service, environment, show_json if command.json else show, cancel=cancel).run(command)
        if command.json:
            text = json.dumps(report.json, indent=2)
            self.send({"id": number, "display": {"key": "json", "data": {"text/plain": text}}})
        return _result(report)

    def _hint(self, _number: int, params: Mapping[str, Any], _cancel: Cancellation) -> dict[str, Any] | None:
        environment = from_kernel(KernelFacts.from_json(params["facts"]))
        hint = self._service.missing_import(environment, str(params["module"]))
        if hint is None:
            return None
        return {"package": hint.package, "command": hint.command, "text": hint.text}


def _result(report: Report) -> dict[str, Any]:
    outcome = report.outcome
    return {
        "exit": report.exit,
        "changed_files": [str(path) for path in outcome.changed_files] if outcome else [],
        "changed_packages": _changed_packages(outcome) if outcome else [],
        "added_paths": any(change.action is not Action.REMOVE for change in outcome.changes) if outcome else False,
        "verdict_wanted": outcome is not None,
    }


def _changed_packages(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "name": change.package.name,
            "action": change.action.value,
            "distributions": sorted(
                {
                    *(name for package in (change.before, change.after) if package for name, _ in package.provides),
                    canonicalize_name(change.package.name),
                }
            ),
        }
        for change in outcome.changes
    ]


def _take(peer: _Peer, line: bytes) -> None:
    """Hand on one line; what is no message of the protocol is told on stderr, and the others go on."""
    try:
        peer.receive(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"not understood: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201  kept by the kernel


def main() -> None:
    """Speak the protocol until stdin ends."""
    # What a library prints must not get between the messages: stdout becomes stderr for everybody else.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with PackageService(face="%pkg") as service:
        peer = _Peer(service, output)
        peer.send({"protocol": PROTOCOL, "version": __version__})
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            for line in sys.stdin.buffer:
                if line.strip():
                    _take(peer, line)
        finally:
            peer.stop_all()


if __name__ == "__main__":
    main()

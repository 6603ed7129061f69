"""The package service as a job of the Jupyter server that attached this kernel, followed over HTTP.

The interface is that of ``child.Service``. Requests are made in a thread: so an interrupt reaches the cell at
once, on every system, and never a request that is under way. Where the server can't be reached, or doesn't know
this kernel any more, the work is done in a child of this kernel, and a line says so.

Nothing is ever done twice. A command is sent with a key that this kernel has made up, and is sent again with the same
key where there is no answer: the server takes it once. Where it stays unknown what became of it, that is an error.
"""

from __future__ import annotations

import contextlib
import html
import os
import queue
import secrets
import threading
import time
from typing import Any, Callable, Dict, NoReturn, Tuple
from urllib.parse import urlencode

from . import child
from .display import MIME
from .errors import PkgError
from .interpreter import find_python
from .transport import Client, ShuttingDownError, UnansweredError, UnknownKernelError, UnreachableError

__all__ = ["Service"]

WAIT = 25.0
"""Seconds that the server waits for the next event before it answers that there is none."""
PATIENCE = 10.0
"""Seconds in which a server that went away may come back."""
PAUSE = 0.25
BEGIN = 60.0
"""Seconds in which a command is sent again, as long as nobody says that it was taken."""
HARMLESS = frozenset({"doctor", "env", "export", "help", "history", "list", "plan", "search", "show", "why"})
"""Verbs that may be carried out twice."""
Show = Callable[[str, Dict[str, Any]], None]


class Service:
    """The service behind ``%pkg``: the server's, or where there is none, the child's."""

    def __init__(self, connection: Dict[str, Any], local: child.Service) -> None:
        self.connection = connection
        self.kernel = str(connection["kernel"])
        self._local = local
        self._lost = False
        """Whether the server said that it doesn't know us: asking again would give the same answer."""

    def run(self, params: Dict[str, Any], on_display: Show) -> Tuple[Dict[str, Any], bool]:
        """Run one command, showing what comes meanwhile.

        An interrupt asks the server to stop the job and waits for its end; another one waits no longer.

        Returns
        -------
        tuple
            The result, and whether it was interrupted too late to be stopped.

        Raises
        ------
        PkgError
            What the service reported, or that it can't be reached.
        """
        if self._lost:
            return self._local.run(params, on_display)
        job = _Job(self.connection, params)
        try:
            return job.follow(on_display)
        except UnansweredError as error:
            if HARMLESS.intersection(params["argv_line"].split()[:1]):
                return self._run_locally(error, params, on_display)
            raise _unknown(error) from None
        except UnreachableError as error:
            return self._run_locally(error, params, on_display)

    def hint(self, params: Dict[str, Any], timeout: float) -> Dict[str, Any] | None:
        """Which package a module is in; None if that isn't known, or not within ``timeout`` seconds."""
        if self._lost:
            return self._local.hint(params, timeout)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def ask() -> None:
            with contextlib.closing(Client(self.connection)) as client, contextlib.suppress(UnreachableError, PkgError):
                answers.put(client.call("POST", f"kernels/{self.kernel}/hint", params)["hint"])
                return
            answers.put(None)  # a hint that can't be had isn't worth a word

        _start(ask)
        try:
            answer = answers.get(timeout=timeout)
        except queue.Empty:
            return None
        return answer if isinstance(answer, dict) else None

    def report(self, transaction: str, verdict: Dict[str, Any], facts: Dict[str, Any]) -> None:
        """Tell who did the work what a change asks of this kernel, and wait for nothing."""
        if self._lost:
            self._local.report(transaction, verdict, facts)
            return
        body = {
            "transaction": transaction,
            "verdict": {"level": verdict["level"], "modules": verdict["modules"], "text": verdict["text"]},
        }

        def tell() -> None:
            # The user has read it already; a server that is gone has nobody else to show it to.
            with contextlib.closing(Client(self.connection)) as client, contextlib.suppress(UnreachableError, PkgError):
                client.call("POST", f"kernels/{self.kernel}/verdict", body)

        _start(tell)

    def reaches(self) -> bool:
        """Whether the server knows this kernel, and answers."""
        with contextlib.closing(Client(self.connection)) as client:
            try:
                client.call("GET", f"kernels/{self.kernel}")
            except (UnreachableError, PkgError):
                return False
        return True

    def api(self, params: Dict[str, Any]) -> Dict[str, Any]:
        """Ask the REST API in this kernel's name: ``{"status", "body", "headers"}``, whatever the status."""
        query = params.get("query") or {}
        path = f"{params['path']}?{urlencode(query)}" if query else params["path"]
        kept = {name: text for name, text in (params.get("headers") or {}).items() if name.lower() == "if-none-match"}
        wait = float(query.get("wait") or 0)
        with contextlib.closing(Client(self.connection)) as client:
            try:
                status, body, headers = client.ask(params["method"], path, params.get("body"), headers=kept, wait=wait)
            except UnreachableError as error:
                raise PkgError(
                    str(error), reference="server-unreachable", hint="%pkg panel shows a new panel when it is back"
                ) from None
        return {"status": status, "body": body, "headers": headers}

    def close(self) -> None:
        """Let the child end, if there was need of one. A job belongs to the server and goes on."""
        self._local.close()

    def kill(self) -> None:
        """End the child now."""
        self._local.kill()

    def _run_locally(
        self, error: UnreachableError, params: Dict[str, Any], on_display: Show
    ) -> Tuple[Dict[str, Any], bool]:
        self._lost = isinstance(error, UnknownKernelError)
        try:
            find_python(self._local.python)
        except PkgError as missing:
            raise PkgError(
                str(error), reference="server-unreachable", note=missing.message, hint=missing.hint
            ) from None
        text = f"{error}: this kernel does the work itself"
        part = {"schema": 1, "part": "message", "kernel": self.kernel, "job": None, "level": "warning", "text": text}
        on_display("server", {"text/plain": text, "text/html": f"<div>{html.escape(text)}</div>", MIME: part})
        return self._local.run(params, on_display)


class _Job:
    """One job: a thread that starts and follows it, and the cell that shows what the thread brings."""

    def __init__(self, connection: Dict[str, Any], params: Dict[str, Any]) -> None:
        self._connection = connection
        self._kernel = str(connection["kernel"])
        self._params = params
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        """Nobody waits any more."""
        self._cancel = threading.Event()
        """The user wants it stopped; before there is a job, its thread has to remember that."""
        self._lock = threading.Lock()
        self._id: str | None = None

    def follow(self, on_display: Show) -> Tuple[Dict[str, Any], bool]:
        """Start it, show its displays, and return its result."""
        begun = interrupted = False
        try:
            while True:
                try:
                    if not begun:  # in here, where an interrupt is expected at any moment
                        begun = True
                        _start(self._work)
                    message = self._next()
                    if isinstance(message, BaseException):
                        raise message
                    if message["type"] == "display":
                        on_display(str(message["key"]), self._stamped(message["data"]))
                    elif message["type"] == "error":
                        raise PkgError.from_json(message["error"])
                    elif message["type"] == "result":
                        return {**(message["result"] or {}), "job": self._id}, interrupted
                except KeyboardInterrupt:
                    if interrupted:
                        self._leave()
                    interrupted = True
                    self._ask_to_stop()
        finally:
            self._stop.set()

    def _next(self) -> Any:
        """The next message. In short waits: Windows can't interrupt a long one."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._messages.get(timeout=0.5)

    def _stamped(self, data: Dict[str, Any]) -> Dict[str, Any]:
        part = data.get(MIME)
        return data if part is None else {**data, MIME: {**part, "kernel": self._kernel, "job": self._id}}

    def _leave(self) -> NoReturn:
        raise PkgError(
            "not waiting any longer: the Jupyter server goes on with it",
            reference="still-running",
            note="it was asked to stop, and puts everything back before it does",
            hint="%pkg history shows how it ended, and so does the package panel",
        ) from None

    def _ask_to_stop(self) -> None:
        with self._lock:
            self._cancel.set()
            known = self._id is not None
        if known:
            _start(self._send_cancel)

    def _send_cancel(self) -> None:
        # A server that can't be reached is noticed by the thread that follows, which says so.
        with contextlib.closing(Client(self._connection)) as client, contextlib.suppress(UnreachableError, PkgError):
            client.call("POST", f"jobs/{self._id}/cancel", {})

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        with contextlib.closing(Client(self._connection)) as client:
            try:
                self._submit(client)
                self._read(client)
            except BaseException as error:  # noqa: BLE001  whatever it is, the cell waits for it
                self._messages.put(error)

    def _submit(self, client: Client) -> None:
        if self._cancel.is_set():
            raise PkgError("stopped; nothing was changed", reference="cancelled")
        job = self._begin(client)
        with self._lock:
            self._id = str(job["id"])
            cancelled = self._cancel.is_set()
        if cancelled:
            self._send_cancel()

    def _begin(self, client: Client) -> Any:
        """Have the server take the command, once. Whatever it says after a first silence, that may have begun it."""
        body = {**self._params, "key": secrets.token_hex(16), "variables": {}}
        silence: UnansweredError | None = None
        deadline = time.monotonic() + BEGIN
        while True:
            try:
                return client.call("POST", f"kernels/{self._kernel}/run", body)
            except PkgError as error:
                if error.reference != "variable-wanted" or error.context[0] in body["variables"]:
                    raise
                body["variables"][error.context[0]] = os.environ.get(error.context[0])
                continue
            except UnansweredError as error:
                silence = error
            except UnreachableError as error:
                if silence is None:
                    raise
                silence = UnansweredError(str(error))
                if isinstance(error, (ShuttingDownError, UnknownKernelError)):
                    raise silence from None
            if self._stop.wait(PAUSE) or time.monotonic() > deadline:
                raise silence

    def _read(self, client: Client) -> None:
        """Hand on event after event, until the job has ended or nobody waits."""
        after, last_heard = 0, time.monotonic()
        while not self._stop.is_set():
            try:
                page = client.call("GET", f"jobs/{self._id}/events?after={after}&wait={WAIT:.0f}", wait=WAIT)
            except UnreachableError as error:
                if (
                    isinstance(error, (ShuttingDownError, UnknownKernelError))
                    or time.monotonic() - last_heard > PATIENCE
                ):
                    raise _gone(error) from None
                self._stop.wait(PAUSE)
                continue
            last_heard = time.monotonic()
            # A display that was replaced meanwhile still belongs where it came first.
            for event in sorted(page["events"], key=lambda event: event.get("since", event["number"])):
                self._messages.put(event)
                after = max(after, event["number"])
            if page["job"]["ended"] and not page["events"]:
                self._messages.put(_last_word(page["job"]))
                return


def _last_word(job: Dict[str, Any]) -> Any:
    """What the job says of its end, should the event of it be lost; after that event nobody reads this any more."""
    if job["error"]:
        return {"type": "error", "error": job["error"]}
    return {"type": "result", "result": job["result"]}


def _unknown(error: UnansweredError) -> PkgError:
    return PkgError(
        f"the Jupyter server may have begun this, or not: {error}",
        reference="server-silent",
        note="the command was sent and never answered; it isn't run here, as it could be done twice then",
        hint="%pkg history shows whether it was done; if not, run it again",
    )


def _gone(error: UnreachableError) -> PkgError:
    again = isinstance(error, UnknownKernelError)
    return PkgError(
        "the Jupyter server went away while it worked on this",
        reference="server-gone",
        note=f"{'it was stopped or restarted' if again else error}; what it had not finished is rolled back before "
        "anything else is done to the environment",
        hint="%pkg history shows what was done; then run the command again",
    )


def _start(target: Callable[[], None]) -> None:
    threading.Thread(target=target, name="jupyter_pkgmgr", daemon=True).start()

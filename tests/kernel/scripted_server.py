"""A server on loopback that answers a kernel as a test wants: one job, whose events the test hands out."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["ScriptedServer"]

Answer = tuple[int, Any]


class ScriptedServer:
    """Speaks the part of the API that a kernel uses.

    ``events`` is the job's log; ``wait`` of a request is kept short. ``answers`` has, by method and path, functions
    that take the place of the usual answer; one that returns ``None`` closes the connection without an answer.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None, sock: Path | None = None) -> None:
        self.token = "t" * 43
        self.events: list[dict[str, Any]] = []
        self.ended = False
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], Callable[[], Answer | None]] = {}
        self.changed = threading.Condition()
        self._closed = False
        kind, address = (_UnixServer, str(sock)) if sock else (_Server, ("127.0.0.1", 0))
        server = self._server = kind(address, _Handler)  # type: ignore[arg-type]  # typeshed knows TCP only
        server.script = self
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https" if context is not None else "http"
        port = 80 if sock else server.server_address[1]
        self.connection = {"url": f"{scheme}://127.0.0.1:{port}/base/pkgmgr/", "token": self.token, "kernel": "k1"}
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def tell(self, type: str, **fields: Any) -> None:  # noqa: A002  the document's word
        """Add an event to the job."""
        with self.changed:
            self.events.append({"number": len(self.events) + 1, "type": type, **fields})
            self.ended = self.ended or type in ("result", "error")
            self.changed.notify_all()

    def display(self, text: str, key: str = "progress", **more: Any) -> None:
        self.tell("display", key=key, data={"text/plain": text, **more})

    def wait_for(self, method: str, path: str) -> None:
        """Wait until something was asked."""
        with self.changed:
            assert self.changed.wait_for(lambda: any(item[:2] == (method, path) for item in self.asked), 30)

    def close(self) -> None:
        """Stop answering, on open connections too: the port is free from now on."""
        self._closed = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any, token: str) -> Answer | None:
        """The answer to one request."""
        if self._closed:
            return None
        with self.changed:
            self.asked.append((method, path, body))
            self.changed.notify_all()
        if (method, path) in self.answers:
            return self.answers[method, path]()
        if token != self.token:
            return 401, {"schema": 1, "error": {"reference": "invalid-token", "message": "no"}}
        if path == "kernels/k1/run":
            return 202, {"schema": 1, "id": "j1", "state": "queued"}
        if path == "jobs/j1/events":
            return 200, self.page(int(query["after"][0]))
        return 202, {"schema": 1}

    def page(self, after: int) -> dict[str, Any]:
        """The job's events after a number, as soon as there are any."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.events) > after or self.ended, 0.5)
            events = [event for event in self.events if event["number"] > after]
            job = {"id": "j1", "ended": "now" if self.ended else None, "result": None, "error": None}
            return {"schema": 1, "job": job, "events": events, "next": len(self.events), "first": 1}


class _Server(ThreadingHTTPServer):
    script: ScriptedServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)  # HTTPServer's wants a host name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        assert parts.path.startswith("/base/pkgmgr/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        token = self.headers.get("X-Pkgmgr-Kernel-Token", "")
        path = parts.path.removeprefix("/base/pkgmgr/")
        answer = self.server.script.answer(self.command, path, parse_qs(parts.query), body, token)
        self.close_connection = answer is None
        if answer is None:
            return
        status, document = answer
        content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815  http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

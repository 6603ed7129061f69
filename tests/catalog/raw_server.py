"""A loopback server that says exactly what a test tells it to, headers included."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(slots=True)
class Page:
    body: bytes
    content_type: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = False
    """Whether parts of it may be asked for."""


@dataclass(slots=True)
class RawServer:
    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    together: threading.Barrier | None = None
    """Answers wait until this many requests are under way."""

    def asked(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.requests)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    state: RawServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that doesn't trust us goes away: its own business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        state = self.server.state
        sent = {name.lower(): value for name, value in self.headers.items()}
        state.requests.append((self.path, sent | {"x-port": str(self.client_address[1])}))
        if state.together is not None:
            with suppress(threading.BrokenBarrierError):
                state.together.wait(timeout=20)
        page = state.pages.get(self.path, Page(b"not here", status=404))
        status, body, headers = page.status, page.body, dict(page.headers)
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if page.ranges and asked:
            first, _, last = asked.rpartition("-") if not asked.startswith("-") else ("", "", asked[1:])
            start = int(first) if first else max(len(body) - int(last), 0)
            end = int(last) + 1 if first else len(body)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            status, body = 206, body[start:end]
        elif "ETag" in headers and self.headers.get("If-None-Match") == headers["ETag"]:
            status, body = 304, b""
        self.send_response(status)
        self.close_connection |= "Transfer-Encoding" in headers
        for name, value in {"Content-Type": page.content_type, "Content-Length": str(len(body)), **headers}.items():
            if name != "Content-Length" or "Transfer-Encoding" not in headers:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Silent: the requests are kept instead."""


@contextmanager
def raw_server(certificate: Path | None = None) -> Iterator[RawServer]:
    """Run a server; with a certificate (and its key in the same file) it speaks TLS."""
    http = _Http(("127.0.0.1", 0), _Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    http.state = RawServer(url=f"{scheme}://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield http.state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

"""A package index and a conda channel over loopback HTTP, with the faults that real ones have.

Index protocol: PEP 503 (HTML), PEP 691 (JSON), PEP 658/714 (metadata files), PEP 700 (versions, size,
upload time), PEP 592 (yanked). One server serves either an index made from a folder of wheels and sdists
(``serve``) or the folder's files as they are (``serve_files``: a channel).
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import html
import json
import mimetypes
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, cast
from urllib.parse import unquote, urlsplit

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

__all__ = ["Fault", "Request", "Server", "serve", "serve_files"]

Fault = Literal["401", "403", "404", "429", "500", "503", "garbage", "truncated", "stall", "hang", "reset", "hold"]
"""A status code, or: ``garbage`` instead of the content; ``truncated`` and ``stall`` send half of it and
close, or wait; ``hang`` answers nothing and waits; ``reset`` breaks the connection. Waiting ends with the server.
``hold`` waits until the faults are healed, and then answers as if nothing had been."""

JSON = "application/vnd.pypi.simple.v1+json"
UPLOADED = "2025-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was answered."""

    method: str
    path: str
    status: int
    """0 where the connection was broken instead."""
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    content_type: str


_Route = Callable[[str, dict[str, str]], _Answer | None]


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that runs in a thread. Everything can be changed while it does."""

    url: str
    """Its root, without a final slash."""
    latency: float = 0.0
    """Milliseconds before each answer."""
    auth: tuple[str, str] | None = None
    """User and password that every request must bring."""
    rate: int = 0
    """Bytes a second for files, 0 for no limit."""
    max_age: int = 0
    """Seconds that a client may take an answer for fresh without asking again."""
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[str, Fault, int]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)

    @property
    def index_url(self) -> str:
        """The simple API's root."""
        return f"{self.url}/simple/"

    @property
    def auth_url(self) -> str:
        """The root with the credentials in it."""
        user, password = self.auth or ("", "")
        return self.url.replace("//", f"//{user}:{password}@", 1) if self.auth else self.url

    def fail(self, pattern: str, fault: Fault, *, times: int = -1) -> None:
        """Answer requests whose path matches the shell pattern with a fault, ``times`` times or for ever."""
        self.healed.clear()
        self.faults.append((pattern, fault, times))

    def heal(self) -> None:
        """Forget all faults, and answer what was held."""
        self.faults.clear()
        self.healed.set()

    def paths(self, pattern: str = "*") -> list[str]:
        """The paths asked for so far that match."""
        return [request.path for request in list(self.requests) if fnmatch.fnmatch(request.path, pattern)]

    def fault(self, path: str) -> Fault | None:
        """The fault for a path, counted down."""
        for number, (pattern, fault, times) in enumerate(self.faults):
            if times and fnmatch.fnmatch(path, pattern):
                self.faults[number] = (pattern, fault, times - 1)
                return fault
        return None


@contextmanager
def serve(
    folder: Path,
    *,
    latency: float = 0.0,
    auth: tuple[str, str] | None = None,
    metadata: bool = True,
    listed: Sequence[str] = (),
) -> Iterator[Server]:
    """Serve a folder of wheels and sdists as a package index at ``server.index_url``.

    Files may be added while it runs. ``metadata=False`` leaves PEP 658 out, as older indexes do. ``listed`` are
    names of projects without files.
    """
    with _running(_Index(folder, metadata=metadata, listed=listed), latency, auth) as server:
        yield server


@contextmanager
def serve_files(folder: Path, *, latency: float = 0.0, auth: tuple[str, str] | None = None) -> Iterator[Server]:
    """Serve a folder's files as they are at ``server.url``: a conda channel, for example."""
    root = folder.resolve()

    def route(path: str, _headers: dict[str, str]) -> _Answer | None:
        target = (root / unquote(path).lstrip("/")).resolve()
        if not target.is_relative_to(root) or not target.is_file():
            return None
        return _Answer(target.read_bytes(), mimetypes.guess_type(target.name)[0] or "application/octet-stream")

    with _running(route, latency, auth) as server:
        yield server


@contextmanager
def _running(route: _Route, latency: float, auth: tuple[str, str] | None) -> Iterator[Server]:
    http = _Http(("127.0.0.1", 0), _Handler)
    http.route = route
    http.state = Server(url=f"http://127.0.0.1:{http.server_port}", latency=latency, auth=auth)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, name="testbed", daemon=True)
    thread.start()
    try:
        yield http.state
    finally:
        http.state.closing.set()
        http.state.heal()
        http.shutdown()
        http.close_connections()
        http.server_close()
        thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    route: _Route
    state: Server

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        self._open.add(cast("socket.socket", request))
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        self._open.discard(cast("socket.socket", request))
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End kept-alive connections, whose threads server_close() would wait for."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is its own business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: apart, the client's delayed acknowledgement would cost 40 ms an answer.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        state = self.server.state
        path = urlsplit(self.path).path
        if state.latency:
            time.sleep(state.latency / 1000)
        fault = state.fault(path)
        if fault == "hold":
            state.healed.wait()
            fault = None
        if fault is not None:
            self._fail(fault, path)
        elif state.auth is not None and not self._authorized(state.auth):
            self._send(HTTPStatus.UNAUTHORIZED, b"who are you?", **{"WWW-Authenticate": 'Basic realm="testbed"'})
        else:
            self._answer(path)

    do_HEAD = do_GET  # noqa: N815  http.server's naming

    def _authorized(self, auth: tuple[str, str]) -> bool:
        expected = base64.b64encode(":".join(auth).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _answer(self, path: str) -> None:
        answer = self.server.route(path, dict(self.headers))
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, b"not here")
            return
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        headers = {
            "ETag": etag,
            "Content-Type": answer.content_type,
            "Cache-Control": f"max-age={self.server.state.max_age}",
        }
        if self.headers.get("If-None-Match") == etag:
            self._send(HTTPStatus.NOT_MODIFIED, b"", **headers)
        else:
            self._send(HTTPStatus.OK, answer.body, **headers)

    def _fail(self, fault: Fault, path: str) -> None:
        if fault.isdigit():
            self._send(HTTPStatus(int(fault)), b"testbed: " + fault.encode(), **{"Retry-After": "0"})
            return
        if fault == "garbage":
            self._send(HTTPStatus.OK, b"\x00\xffnot what you expect{]<\n" * 8)
            return
        self.close_connection = True
        self._log(0)
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)  # RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        if fault in ("truncated", "stall"):
            answer = self.server.route(path, dict(self.headers))
            body = answer.body if answer else b"half of something"
            self._head(HTTPStatus.OK, len(body), {"Content-Type": "application/octet-stream"})
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
        if fault != "truncated":
            self.server.state.closing.wait()

    def _send(self, status: HTTPStatus, body: bytes, **headers: str) -> None:
        self._log(int(status))
        self._head(status, len(body), headers)
        if self.command == "HEAD" or status == HTTPStatus.NOT_MODIFIED:
            return
        rate = self.server.state.rate
        if not rate:
            self.wfile.write(body)
            return
        step = max(rate // 20, 1)
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            if self.server.state.closing.wait(step / rate):
                return

    def _head(self, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _log(self, status: int) -> None:
        self.server.state.requests.append(Request(self.command, urlsplit(self.path).path, status, dict(self.headers)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Silent: the requests are kept instead."""


class _Index:
    """Answers ``/simple/``, ``/simple/NAME/``, ``/files/FILE`` and ``/files/FILE.metadata``."""

    def __init__(self, folder: Path, *, metadata: bool, listed: Sequence[str]) -> None:
        self.folder = folder
        self.metadata = metadata
        self.listed = listed

    def __call__(self, path: str, headers: dict[str, str]) -> _Answer | None:
        accept = {name.lower(): value for name, value in headers.items()}.get("accept", "")
        parts = unquote(path).strip("/").split("/")
        match parts:
            case ["simple"]:
                names = sorted({*self.listed, *(_project(file) for file in self._files())})
                return _projects_json(names) if JSON in accept else _projects_html(names)
            case ["simple", name]:
                files = [file for file in self._files() if _project(file) == canonicalize_name(name)]
                if not files:
                    return None
                return self._json(name, files) if JSON in accept else self._html(files)
            case ["files", name]:
                return self._file(name)
        return None

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.iterdir() if file.name.endswith((".whl", ".tar.gz", ".zip")))

    def _file(self, name: str) -> _Answer | None:
        if name.endswith(".whl.metadata") and self.metadata:
            wheel = self.folder / name.removesuffix(".metadata")
            return _Answer(_facts(wheel).metadata, "text/plain") if wheel.is_file() else None
        target = self.folder / name
        return _Answer(target.read_bytes(), "application/octet-stream") if target.is_file() else None

    def _json(self, name: str, files: list[Path]) -> _Answer:
        entries = []
        for file in files:
            facts = _facts(file)
            entry: dict[str, object] = {
                "filename": file.name,
                "url": f"../../files/{file.name}",
                "hashes": {"sha256": facts.sha256},
                "size": file.stat().st_size,
                "upload-time": UPLOADED,
                "yanked": _yanked(file) or False,
            }
            if facts.requires_python:
                entry["requires-python"] = facts.requires_python
            if facts.metadata and self.metadata:
                entry["core-metadata"] = {"sha256": hashlib.sha256(facts.metadata).hexdigest()}
            entries.append(entry)
        document = {
            "meta": {"api-version": "1.1"},
            "name": canonicalize_name(name),
            "versions": sorted({_version(file) for file in files}),
            "files": entries,
        }
        return _Answer(json.dumps(document).encode(), JSON)

    def _html(self, files: list[Path]) -> _Answer:
        lines = []
        for file in files:
            facts = _facts(file)
            attributes = ""
            if facts.requires_python:
                attributes += f' data-requires-python="{html.escape(facts.requires_python)}"'
            if facts.metadata and self.metadata:
                digest = hashlib.sha256(facts.metadata).hexdigest()
                attributes += f' data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
            if yanked := _yanked(file):
                attributes += f' data-yanked="{html.escape(yanked)}"'
            lines.append(f'<a href="../../files/{file.name}#sha256={facts.sha256}"{attributes}>{file.name}</a><br>')
        return _page(lines)


@dataclass(frozen=True, slots=True)
class _Facts:
    sha256: str
    metadata: bytes
    """Empty for an sdist."""
    requires_python: str


def _facts(file: Path) -> _Facts:
    return _facts_of(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4096)
def _facts_of(file: Path, _changed: int) -> _Facts:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if file.suffix != ".whl":
        return _Facts(digest, b"", "")
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = archive.read(name)
    except (zipfile.BadZipFile, StopIteration):  # a broken wheel is served as it is: that is what it is for
        return _Facts(digest, b"", "")
    return _Facts(digest, metadata, parse_email(metadata)[0].get("requires_python", ""))


def _yanked(file: Path) -> str:
    """The reason in ``FILE.yanked`` beside it, where there is one."""
    note = file.with_name(file.name + ".yanked")
    return note.read_text(encoding="utf-8").strip() or "yanked" if note.is_file() else ""


def _project(file: Path) -> str:
    return parse_wheel_filename(file.name)[0] if file.suffix == ".whl" else parse_sdist_filename(file.name)[0]


def _version(file: Path) -> str:
    parse = parse_wheel_filename if file.suffix == ".whl" else parse_sdist_filename
    return str(parse(file.name)[1])


def _projects_json(names: list[str]) -> _Answer:
    document = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
    return _Answer(json.dumps(document).encode(), JSON)


def _projects_html(names: list[str]) -> _Answer:
    return _page([f'<a href="{name}/">{name}</a><br>' for name in names])


def _page(lines: list[str]) -> _Answer:
    head = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"></head><body>'
    return _Answer("\n".join([head, *lines, "</body></html>"]).encode(), "text/html; charset=utf-8")

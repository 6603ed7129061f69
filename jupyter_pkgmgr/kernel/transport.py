"""Requests to the server, over TCP, TLS or a Unix socket. No proxy ever: it is the server that started us.

A connection is what the server handed over when it attached us::

    {"url": "http://127.0.0.1:8888/base/pkgmgr/", "token": …, "kernel": "<id>",
     "certificate": SHA-256 of the server's own certificate in hex, where it speaks TLS,
     "sock": path of its socket, where it listens on one}
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Dict, Mapping, Tuple
from urllib.parse import urlsplit

from .errors import PkgError

__all__ = ["Client", "ShuttingDownError", "UnansweredError", "UnknownKernelError", "UnreachableError"]

TIMEOUT = 10.0
"""Seconds for an answer that needs no work; what waits for something says how long."""
MAX_ANSWER = 32 * 1024**2


REFUSALS = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405})
"""Statuses by which it is certain that nothing was done, whoever answers: no route of ours redirects."""


class UnreachableError(Exception):
    """The server has not done what was asked: nothing could be sent, or it was refused."""


class UnansweredError(UnreachableError):
    """It was sent, and nobody says what became of it: the server may have done it, or may do it yet."""


class ShuttingDownError(UnreachableError):
    """The server answers, but ends."""


class UnknownKernelError(UnreachableError):
    """The server answers, but doesn't know this kernel (any more)."""


class Client:
    """One connection, which is made when it is needed and kept as long as it works. For one thread at a time."""

    def __init__(self, connection: Dict[str, Any]) -> None:
        self._where = connection
        self._base = urlsplit(connection["url"]).path
        self._headers = {"X-Pkgmgr-Kernel-Token": connection["token"], "Content-Type": "application/json"}
        self._open: HTTPConnection | None = None

    def call(self, method: str, path: str, body: Any = None, *, wait: float = 0.0) -> Any:
        """Ask, and return the document of the answer.

        Parameters
        ----------
        wait
            Seconds that the server may take because it waits for something itself.

        Raises
        ------
        UnreachableError
            If nothing could be sent, or nobody there does such things.
        UnansweredError
            If there is no answer, or not one of ours.
        PkgError
            What the server reported.
        """
        status, document, _ = self.ask(method, path, body, wait=wait)
        if status == 503:  # noqa: PLR2004  unavailable
            raise ShuttingDownError("the Jupyter server is shutting down")
        if status >= 400:  # noqa: PLR2004  HTTP's errors
            raise PkgError.from_json(document.get("error") or {})
        return document

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, wait: float = 0.0
    ) -> Tuple[int, Any, Dict[str, str]]:
        """Ask, and return the answer whatever it is, as long as it is one of ours: status, document and headers.

        Raises
        ------
        UnreachableError, UnansweredError
            As :meth:`call`.
        """
        sent = None if body is None else json.dumps(body)
        status, answer, told = self._exchange(method, path, sent, {**(headers or {}), **self._headers}, wait)
        if status == 304:  # noqa: PLR2004  not modified: who asked has the document
            return status, None, told
        try:
            document = json.loads(answer)
            schema = document.get("schema")
        except (ValueError, AttributeError):
            schema = None
        if status == 401:  # noqa: PLR2004  unauthorized: no such token, since the kernel or the server was restarted
            raise UnknownKernelError("the Jupyter server doesn't know this kernel any more")
        if schema != 1 and status in REFUSALS:
            raise UnknownKernelError("the Jupyter server has no package service (any more)")
        if schema != 1:
            raise UnansweredError(f"the Jupyter server gave no answer that makes sense (status {status})")
        return status, document, told

    def close(self) -> None:
        """Give the connection back."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _exchange(
        self, method: str, path: str, body: str | None, headers: Dict[str, str], wait: float
    ) -> Tuple[int, bytes, Dict[str, str]]:
        fresh = self._open is None
        try:
            connection = self._open = self._open or self._connect()
        except (HTTPException, OSError) as error:
            raise UnreachableError(f"the Jupyter server can't be reached: {_reason(error)}") from None
        try:
            if connection.sock is not None:
                connection.sock.settimeout(TIMEOUT + wait)
            connection.request(method, self._base + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(MAX_ANSWER), dict(response.getheaders())
        except (HTTPException, OSError) as error:
            self.close()
            if method == "GET" and not fresh:  # it was closed while nobody used it
                return self._exchange(method, path, body, headers, wait)
            raise UnansweredError(f"the Jupyter server doesn't answer: {_reason(error)}") from None
        except BaseException:  # an interrupt in the middle: what comes next on this connection is anybody's guess
            self.close()
            raise

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._where["url"])
        host, port = parts.hostname or "127.0.0.1", parts.port
        if self._where.get("sock"):
            connection: HTTPConnection = _UnixConnection(self._where["sock"])
        elif parts.scheme == "https":
            connection = HTTPSConnection(host, port, timeout=TIMEOUT, context=_no_authority())
        else:
            connection = HTTPConnection(host, port, timeout=TIMEOUT)
        connection.connect()
        if parts.scheme == "https":
            self._check(connection)
        return connection

    def _check(self, connection: HTTPConnection) -> None:
        """The server's own certificate, or nobody: whoever else has one, even a valid one, is not our server."""
        assert isinstance(connection.sock, ssl.SSLSocket)  # noqa: S101  made by HTTPSConnection
        shown = connection.sock.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), str(self._where.get("certificate"))):
            connection.close()
            raise ssl.SSLError("another server answers there")


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        with contextlib.ExitStack() as stack:
            stack.callback(self.sock.close)
            self.sock.connect(self._path)
            stack.pop_all()


def _no_authority() -> ssl.SSLContext:
    """A context that trusts no authority and no name: the certificate itself is compared, see ``_check``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

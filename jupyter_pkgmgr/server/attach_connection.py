"""How a kernel on this machine reaches this server: what it is told when it is attached."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

__all__ = ["Reachable"]

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_ANY_ADDRESS = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound


class Reachable:
    """The server's address for its kernels.

    The certificate is read now and not later: the file may be renewed while the server goes on with the old one.
    """

    def __init__(self, serverapp: ServerApp) -> None:
        self._app = serverapp
        options = serverapp.ssl_options or {}
        file = serverapp.certfile or options.get("certfile")
        self._certificate = _fingerprint(Path(file)) if file else ""
        self._wants_certificate = bool(serverapp.client_ca) or options.get("cert_reqs", ssl.CERT_NONE) != ssl.CERT_NONE

    def connection(self, kernel: str, token: str) -> dict[str, Any] | None:
        """What ``kernel/transport.py`` wants to know; ``None`` where a kernel can't be let in.

        A server that asks its clients for certificates would have to give one to the kernel.
        """
        if self._certificate and self._wants_certificate:
            return None
        host = _ANY_ADDRESS.get(self._app.ip, self._app.ip)
        address = f"[{host}]" if ":" in host else host
        scheme = "https" if self._certificate else "http"
        connection: dict[str, Any] = {
            "url": url_path_join(f"{scheme}://{address}:{self._app.port}", self._app.base_url, "pkgmgr/"),
            "token": token,
            "kernel": kernel,
        }
        if self._certificate:
            connection["certificate"] = self._certificate
        if self._app.sock:
            connection["sock"] = str(Path(self._app.sock).absolute())
        return connection


def _fingerprint(file: Path) -> str:
    """SHA-256 of the first certificate in a PEM file: the server's own, those that vouch for it follow."""
    found = _CERTIFICATE.search(file.read_text(encoding="ascii", errors="replace"))
    if found is None:
        raise ValueError(f"{file} holds no certificate")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest()

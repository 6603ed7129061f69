"""Tokens of kernels: each opens its own kernel's environment and nothing else, and dies with the kernel.

A token is handed to its kernel once and not kept: what is in memory here is its digest. So nothing of it can end
in a log, a ``repr`` or an event.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, replace

__all__ = ["Grant", "Tokens"]

BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token opens."""

    kernel: str
    prefix: str | None = None
    """``sys.prefix`` of the kernel, as it told when it was attached; ``None`` until then: the token opens nothing."""


class Tokens:
    """The tokens in force. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._grants: dict[bytes, Grant] = {}
        """By the token's digest."""

    def make(self, kernel: str) -> str:
        """A new token for a kernel; the one it had before is worth nothing from now on."""
        token = secrets.token_urlsafe(BYTES)
        with self._lock:
            self._drop(kernel)
            self._grants[_digest(token)] = Grant(kernel=kernel)
        return token

    def bind(self, kernel: str, prefix: str) -> None:
        """Say which environment the kernel's token opens; nothing where it was revoked meanwhile."""
        with self._lock:
            for digest, grant in self._grants.items():
                if grant.kernel == kernel:
                    self._grants[digest] = replace(grant, prefix=prefix)

    def check(self, token: str) -> Grant | None:
        """What a token opens, or ``None``. Takes the same time whichever it is, if any."""
        digest = _digest(token)
        found = None
        with self._lock:
            for known, grant in self._grants.items():
                if hmac.compare_digest(known, digest):
                    found = grant
        return found

    def revoke(self, kernel: str) -> None:
        """End a kernel's token, if it has one."""
        with self._lock:
            self._drop(kernel)

    def clear(self) -> None:
        """End all of them."""
        with self._lock:
            self._grants.clear()

    def _drop(self, kernel: str) -> None:
        self._grants = {digest: grant for digest, grant in self._grants.items() if grant.kernel != kernel}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()

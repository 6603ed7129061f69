"""A request and its answer, whatever carries them: a server's HTTP, or the messages of a kernel's child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jupyter_pkgmgr.model import SCHEMA
from jupyter_pkgmgr.model.errors import PkgError

from .errors import BadRequestError, MethodNotAllowedError, TooLargeError, status_of

__all__ = ["MAX_BODY", "ApiRequest", "ApiResponse", "Caller", "error_response", "read_body"]

MAX_BODY = 1024**2
"""Bytes of a request's body; a cell with thousands of specs is a tenth of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. Authenticated and authorized by whoever carries the request; nothing here is taken from its body."""

    user: str = ""
    face: str = ""
    """How they talk to us: ``panel``, ``%pkg``, …"""
    kernel: str | None = None
    """Set for the holder of a kernel's token: then only this kernel and its environment are open."""
    environment: str | None = None
    """The id of that kernel's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request."""

    method: str
    path: str
    """Below ``pkgmgr/``, without a slash in front, still percent-encoded: ``environments/0123/packages/six``."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """The JSON document, or ``None`` where there was no body. :func:`read_body` makes it from bytes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = Caller()

    def header(self, name: str) -> str:
        """A header's value, however its name is spelt; empty if it isn't there."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """One answer."""

    status: int = 200
    body: Any = None
    """A JSON document; ``None`` for no body; text where the headers have a ``Content-Type``."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """``Location`` is below ``pkgmgr/``, as a request's path: whoever carries the answer knows what stands before."""


def read_body(data: bytes) -> Any:
    """The JSON document in a request's body; ``None`` if it is empty.

    Raises
    ------
    BadRequestError
        If it is too large, or no JSON.
    """
    if len(data) > MAX_BODY:
        raise TooLargeError(f"the body has {len(data)} bytes, and {MAX_BODY} are the most that is read")
    if not data.strip():
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError("the body is no JSON", note=str(error)) from error


def error_response(error: PkgError) -> ApiResponse:
    """An error as an answer; ``message`` and ``reason`` stand where Jupyter's front ends look for them."""
    document = error.to_json()
    body = {"schema": SCHEMA, "error": document, "message": document["message"], "reason": document["reference"]}
    headers = {"Allow": ", ".join(error.context)} if isinstance(error, MethodNotAllowedError) else {}
    return ApiResponse(status=int(status_of(error)), body=body, headers=headers)

"""Whether one URL lies below another: the question behind lists of allowed channels and indexes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["is_location", "is_within"]

_PORTS = {"http": 80, "https": 443, "file": None}
_STRANGE = re.compile(r"[\x00-\x20\x7f\\]")
"""What clients and servers read differently, or drop before they read: never part of an honest URL."""
_ANY = "*"
"""One whole segment of an allowed location that may be anything: conda's token in ``/t/*/channel``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Location:
    """A URL in the one form in which it can be compared."""

    scheme: str
    host: str
    port: int | None
    segments: tuple[str, ...]


def is_within(url: str, allowed: str) -> bool:
    """Whether a URL is an allowed location or lies below it.

    Scheme, host and port must be the same; the path must begin with the same whole segments. User names, passwords
    and fragments don't count, since they don't say where something is. Compared is what the URL means (case of
    scheme and host, default ports, percent-encoding, a final slash), and whatever could mean two things to two
    programs lies nowhere: ``.`` and ``..``, empty or doubly encoded segments, encoded slashes, backslashes, control
    characters, a query.

    Source: RFC 3986, section 6 (normalisation and comparison).
    """
    one, other = _read(url), _read(allowed)
    if one is None or other is None:
        return False
    if (one.scheme, one.host, one.port) != (other.scheme, other.host, other.port):
        return False
    if len(one.segments) < len(other.segments):
        return False
    return all(wanted in (_ANY, found) for found, wanted in zip(one.segments, other.segments, strict=False))


def is_location(url: str) -> bool:
    """Whether a URL can be compared at all."""
    return _read(url) is not None


def _read(url: str) -> _Location | None:
    if _STRANGE.search(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = _host(parts), parts.port
    except (ValueError, UnicodeError):  # brackets, a port that is none, a name that is none
        return None
    segments = _segments(parts.path)
    if parts.scheme not in _PORTS or parts.query or host is None or segments is None:
        return None
    if (parts.scheme == "file") != (host == ""):
        return None
    return _Location(
        scheme=parts.scheme, host=host, port=_PORTS[parts.scheme] if port is None else port, segments=segments
    )


def _host(parts: SplitResult) -> str | None:
    """The host in lower case and in ASCII (RFC 3490); ``file://localhost`` is this machine, as no host is."""
    name = (parts.hostname or "").removesuffix(".")
    if not name.isascii():
        name = name.encode("idna").decode("ascii")
    if "%" in name:
        return None
    return "" if parts.scheme == "file" and name == "localhost" else name.lower()


def _segments(path: str) -> tuple[str, ...] | None:
    """The decoded segments of a path, without the empty one after a final slash; ``None`` if it is ambiguous."""
    raw = path.removeprefix("/").removesuffix("/")
    if not raw:
        return () if path in ("", "/") else None
    segments = tuple(unquote(segment, errors="strict") if _decodes(segment) else "" for segment in raw.split("/"))
    strange = any(
        segment in ("", ".", "..") or "/" in segment or "%" in segment or _STRANGE.search(segment)
        for segment in segments
    )
    return None if strange else segments


def _decodes(segment: str) -> bool:
    try:
        unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return False
    return True

"""One installed or available package, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

__all__ = ["Ecosystem", "Origin", "OriginKind", "Package", "short_location"]


class Ecosystem(StrEnum):
    """The two worlds a package can come from."""

    CONDA = "conda"
    PYPI = "pypi"


class OriginKind(StrEnum):
    """What kind of place a package came from."""

    CHANNEL = "channel"
    INDEX = "index"
    PATH = "path"
    EDITABLE = "editable"
    VCS = "vcs"
    URL = "url"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a package came from; ``location`` is a channel name, an index or other URL, or a path.

    A location never holds credentials: whoever makes an Origin redacts it first.
    """

    kind: OriginKind = OriginKind.UNKNOWN
    location: str = ""

    def __str__(self) -> str:
        """In a word or two: a channel's or an index's name or ``host/path``, or where the thing lies."""
        if self.kind in (OriginKind.CHANNEL, OriginKind.INDEX):
            return short_location(self.location)
        return self.location or self.kind.value


def short_location(location: str) -> str:
    """A channel or an index without what every URL has: ``host/path``; of a local folder its name only."""
    parts = urlsplit(location)
    if not parts.scheme:
        return location
    path = unquote(parts.path).strip("/")
    if parts.scheme == "file":
        return path.rpartition("/")[2] or location
    host = parts.netloc.rpartition("@")[2]
    return f"{host}/{path.removesuffix('simple')}".rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package in one ecosystem; fields that a source doesn't tell keep their defaults."""

    name: str
    """As its ecosystem spells it. Compare PyPI names by :attr:`key`."""
    version: str
    ecosystem: Ecosystem
    build: str = ""
    """conda build string; empty on PyPI."""
    origin: Origin = Origin()
    requested: bool | None = None
    """Whether the user asked for it by name; ``None`` where nothing recorded that."""
    installer: str = ""
    """The tool that put it there (``INSTALLER`` file, or ``conda``)."""
    location: Path | None = None
    """Its ``.dist-info`` folder or its ``conda-meta`` record."""
    depends: tuple[str, ...] = ()
    """Dependencies in its own ecosystem's grammar: requirements (PEP 508) or MatchSpecs."""
    summary: str = ""
    license: str = ""
    size: int | None = None
    """Bytes to download (available) or on disk (installed)."""
    url: str = ""
    """The file it would be, or was, fetched from; without credentials."""
    provides: tuple[tuple[str, str], ...] = ()
    """For conda packages: (canonical PyPI name, version) of each Python distribution among their files."""

    @property
    def source(self) -> str:
        """Where it comes from, in a word or two; the ecosystem's name where nothing tells more."""
        if not self.origin.location and self.origin.kind in (OriginKind.INDEX, OriginKind.UNKNOWN):
            return "PyPI" if self.ecosystem is Ecosystem.PYPI else "conda"
        return str(self.origin)

    @property
    def key(self) -> tuple[Ecosystem, str]:
        """What identifies it in one environment: conda names as they are (lower case), PyPI names by PEP 503."""
        if self.ecosystem is Ecosystem.PYPI:
            return (self.ecosystem, canonicalize_name(self.name))
        return (self.ecosystem, self.name.lower())

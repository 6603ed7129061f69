"""The answers: plain documents that a face shows or sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_pkgmgr.model import Ecosystem, Package

__all__ = [
    "Details",
    "Hint",
    "Names",
    "NewerVersion",
    "Outdated",
    "PackageVersions",
    "Reasons",
    "SearchAnswer",
    "SearchHit",
    "SettingsInForce",
    "VersionRow",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One package that a search found."""

    name: str
    version: str
    ecosystem: Ecosystem
    origin: str
    summary: str = ""
    installed: str = ""
    """The version that is installed, if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """What a search found, best match first, and what has to be said about it."""

    query: str
    hits: tuple[SearchHit, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Everything about one package. What packages say of themselves is untrusted text: a face escapes it."""

    name: str
    installed: tuple[Package, ...] = ()
    source: str = ""
    """Where it would be taken from."""
    versions: tuple[str, ...] = ()
    """Available ones there, newest first."""
    summary: str = ""
    license: str = ""
    home: str = ""
    """Its web page: an ``http`` or ``https`` URL, or empty."""
    imports: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    files: int = 0
    size: int | None = None
    """Bytes on disk where it is installed, bytes to download where it isn't; ``None`` where nobody tells."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One available version."""

    version: str
    origins: tuple[str, ...]
    """The indexes or channels that have it, first the one that is asked first."""
    yanked: bool = False
    """Withdrawn by its publisher: installed only where asked for by number."""
    requires_python: str = ""
    prerelease: bool = False
    fits: bool | None = None
    """Whether it can go into this environment; ``None`` where nobody can tell before it is solved for."""
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVersions:
    """Every version of one package in one ecosystem, newest first."""

    name: str
    ecosystem: Ecosystem
    source: str
    """Where the newest one that fits would come from."""
    versions: tuple[VersionRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerVersion:
    """An installed package of which there is a newer version that fits."""

    ecosystem: Ecosystem
    installed: str
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """The installed packages of which there are newer versions, by name, and what couldn't be looked up."""

    outdated: Mapping[str, NewerVersion]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Every name that can be completed, sorted; ``fingerprint`` changes when they do."""

    conda: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = field(default="", metadata={"private": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Who needs a package: chains of names, each from something nobody needs down to the package."""

    package: Package
    chains: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInForce:
    """Settings as (name, value and source) lines; secrets redacted."""

    summary: tuple[tuple[str, str], ...]
    everything: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What to type so that a missing import works."""

    package: str
    command: str
    text: str

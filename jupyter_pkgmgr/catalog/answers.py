"""What a catalog answers, with how fresh the answer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jupyter_pkgmgr.model import Ecosystem, Package

__all__ = [
    "AvailableFile",
    "AvailableVersion",
    "FileKind",
    "Freshness",
    "Newest",
    "PackageMetadata",
    "SearchResult",
    "VersionList",
    "oldest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Where an answer came from, and whether it could be checked."""

    from_cache: bool = False
    stale: bool = False
    """The index couldn't be asked (offline, down), so this is what it said at ``date``."""
    date: datetime | None = None
    """When the index gave this answer, in UTC."""
    note: str = ""
    """Why it is stale, in words for the user."""


class FileKind(StrEnum):
    """What an available file is."""

    WHEEL = "wheel"
    SDIST = "sdist"
    CONDA = "conda"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableFile:
    """One file that could be installed. Its URL never holds credentials."""

    filename: str
    kind: FileKind
    url: str
    version: str
    origin: str
    """The index, folder or channel that lists it, redacted."""
    size: int | None = None
    requires_python: str = ""
    yanked: bool = False
    yanked_reason: str = ""
    has_metadata: bool = False
    """Whether the index serves its metadata beside it (PEP 658)."""
    sha256: str = ""
    uploaded: datetime | None = None
    build: str = ""
    """conda build string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableVersion:
    """One version, its files, and whether it can go into the environment that was asked about."""

    version: str
    ecosystem: Ecosystem
    files: tuple[AvailableFile, ...]
    origins: tuple[str, ...]
    """Indexes or channels that have it, first the one that is asked first."""
    requires_python: str = ""
    prerelease: bool = False
    yanked: bool = False
    """Every file of it is yanked (PEP 592): it is installed only if asked for by number."""
    yanked_reason: str = ""
    fits: bool | None = None
    """``None`` where no environment was given, or nobody can tell."""
    why_not: str = ""
    needs_build: bool = False
    """It fits, but only by building it from source, which runs its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionList:
    """Every version of one package, newest first."""

    name: str
    ecosystem: Ecosystem
    versions: tuple[AvailableVersion, ...]
    freshness: Freshness = Freshness()
    notes: tuple[str, ...] = ()
    """What is missing from it, and why: an index of several that didn't answer."""

    @property
    def newest(self) -> AvailableVersion | None:
        """What an installer would take if nothing else is said: no pre-release, not yanked, fitting."""
        usable = [version for version in self.versions if version.fits is not False and not version.yanked]
        stable = [version for version in usable if not version.prerelease]
        return next(iter(stable or usable), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The version that an installer would take."""

    version: str
    """Empty where none fits."""
    note: str = ""
    """Why this is no answer of today, in words for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMetadata:
    """What a package says of itself. Untrusted text: a face escapes it."""

    name: str
    version: str
    ecosystem: Ecosystem
    source: str
    """Where it was read: ``index`` (PEP 658), ``wheel``, ``json-api`` or ``channel``."""
    summary: str = ""
    license: str = ""
    author: str = ""
    home: str = ""
    urls: tuple[tuple[str, str], ...] = ()
    requires_python: str = ""
    depends: tuple[str, ...] = ()
    """Requirements (PEP 508) or MatchSpecs."""
    extras: tuple[str, ...] = ()
    freshness: Freshness = Freshness()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Packages whose names match, best match first; ``version`` and ``summary`` only where they cost nothing."""

    packages: tuple[Package, ...]
    complete: bool
    """Whether every name was searched; if not, ``note`` says which were."""
    note: str = ""
    freshness: Freshness = Freshness()


def oldest(answers: list[Freshness]) -> Freshness:
    """How fresh something is that was put together from several answers: as fresh as the oldest of them."""
    if not answers:
        return Freshness()
    dates = [answer.date for answer in answers if answer.date is not None]
    notes = dict.fromkeys(answer.note for answer in answers if answer.note)
    return Freshness(
        from_cache=any(answer.from_cache for answer in answers),
        stale=any(answer.stale for answer in answers),
        date=min(dates, default=None),
        note="; ".join(notes),
    )

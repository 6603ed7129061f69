"""Conda channels, through whoever can read them: search, versions, metadata."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from jupyter_pkgmgr import names
from jupyter_pkgmgr.environments.conda_settings import CondaSettings
from jupyter_pkgmgr.model import Ecosystem, Package, redact
from jupyter_pkgmgr.model.errors import PackageNotFoundError, PkgError, VersionNotFoundError

from .answers import AvailableFile, AvailableVersion, FileKind, PackageMetadata, SearchResult, VersionList
from .parallel import side_by_side
from .protocol import ChannelReader
from .ranking import matching

__all__ = ["CondaCatalog"]

_PRERELEASE = ("dev", "alpha", "beta", "rc")
_SHOWN_VERSIONS = 8


class CondaCatalog:
    """What the configured channels have for this platform; they are read once, so it is for one question.

    Parameters
    ----------
    settings
        Channels and how to reach them.
    reader
        Reads the channels; it decides about caches and says so in its errors.
    """

    def __init__(self, settings: CondaSettings, reader: ChannelReader) -> None:
        self.settings = settings
        self._reader = reader
        self._reading = uuid.uuid4().hex

    def search(self, query: str, *, limit: int = 20) -> SearchResult:
        """Packages whose names match, best match first; ``*`` and ``?`` are wildcards as in ``conda search``."""
        known = self._names()
        found = matching(query, known, limit=limit, favourites=names.popular(Ecosystem.CONDA))
        packages = tuple(Package(name=name, version="", ecosystem=Ecosystem.CONDA) for name in found)
        return SearchResult(packages=packages, complete=True, note=self._note())

    def versions(self, name: str) -> VersionList:
        """Every version of a package, newest first, with its builds and the channels that have it.

        Raises
        ------
        PackageNotFoundError
            If no channel has it.
        """
        records = self._records(name)
        by_version: dict[str, list[Package]] = {}
        for record in records:
            by_version.setdefault(record.version, []).append(record)
        return VersionList(
            name=records[0].name,
            ecosystem=Ecosystem.CONDA,
            versions=tuple(self._version(version, builds) for version, builds in by_version.items()),
            notes=(self._note(),) if self._note() else (),
        )

    def versions_many(self, wanted: Iterable[str]) -> dict[str, VersionList | PkgError]:
        """:meth:`versions` of many packages; what went wrong stands where the answer would."""
        return side_by_side(self.versions, wanted)

    def exists(self, name: str) -> bool:
        """Whether a channel has a package of this name."""
        try:
            return bool(self._records(name))
        except PackageNotFoundError:
            return False

    def select(self, match_spec: str) -> AvailableVersion:
        """The newest version that a MatchSpec selects.

        Raises
        ------
        PackageNotFoundError
            If no channel has a package of its name.
        VersionNotFoundError
            If there is the package but nothing that matches; the context has the versions that exist.
        """
        name = _name_of(match_spec)
        try:
            records = self._reader.query(self.settings, [match_spec], reading=self._reading)
        except PackageNotFoundError:
            records = ()
        if not records:
            raise self._no_version(self.versions(name), match_spec)
        newest = records[0].version
        return self._version(newest, [record for record in records if record.version == newest])

    def metadata(self, name: str, version: str = "") -> PackageMetadata:
        """What the newest build of a version (of the newest version by default) says of itself."""
        records = self._records(name)
        chosen = [record for record in records if version in ("", record.version)]
        if not chosen:
            raise self._no_version(self.versions(name), f"{name} =={version}")
        record = chosen[0]
        return PackageMetadata(
            name=record.name,
            version=record.version,
            ecosystem=Ecosystem.CONDA,
            source="channel",
            summary=record.summary,
            license=record.license,
            requires_python=_python_constraint(record.depends),
            depends=record.depends,
        )

    def metadata_many(
        self, wanted: Iterable[str | tuple[str, str]]
    ) -> dict[str | tuple[str, str], PackageMetadata | PkgError]:
        """:meth:`metadata` of many names, or pairs of name and version."""
        return side_by_side(lambda item: self.metadata(*((item,) if isinstance(item, str) else item)), wanted)

    def _names(self) -> tuple[str, ...]:
        return self._reader.names(self.settings, reading=self._reading) if self.settings.channels else ()

    def _records(self, name: str) -> Sequence[Package]:
        name = name.lower()
        records: Sequence[Package] = ()
        if self.settings.channels:
            with contextlib.suppress(PackageNotFoundError):
                records = self._reader.query(self.settings, [name], reading=self._reading)
        if not records:
            raise self._not_found(name)
        return records

    def _version(self, version: str, builds: Sequence[Package]) -> AvailableVersion:
        origins = sorted({build.origin.location for build in builds}, key=self._priority)
        constraints = dict.fromkeys(filter(None, (_python_constraint(build.depends) for build in builds)))
        return AvailableVersion(
            version=version,
            ecosystem=Ecosystem.CONDA,
            files=tuple(_file(build) for build in builds),
            origins=tuple(origins),
            requires_python=" | ".join(constraints),
            prerelease=any(mark in version.lower() for mark in _PRERELEASE),
        )

    def _priority(self, channel: str) -> tuple[int, str]:
        """Where a channel stands in the configured order; readers name it by URL or by name."""
        # One name can stand for several URLs (defaults), so names and URLs are two lists in the same order.
        for known in (self.settings.channel_names, [redact(url).rstrip("/") for url in self.settings.channels]):
            if channel.rstrip("/") in known:
                return known.index(channel.rstrip("/")), channel
        return len(self.settings.channels), channel

    def _not_found(self, name: str) -> PackageNotFoundError:
        known = set(self._names())
        near = [other for other in names.near(name, ecosystem=Ecosystem.CONDA, limit=12) if other in known]
        own = [other for other in names.nearest(name, frozenset(known)) if other not in near]
        near = [*near, *own][:3]
        return PackageNotFoundError(
            f"no channel has a package {name!r} for {self.settings.subdir}",
            context=(f"similar names: {', '.join(near)}",) if near else (),
            note=f"channels: {', '.join(map(redact, self.settings.channel_names)) or 'none'}{self._note(', ')}",
            hint=f"%pkg install {near[0]}" if near else f"%pkg search {name}",
        )

    def _no_version(self, found: VersionList, match_spec: str) -> VersionNotFoundError:
        shown = [item.version for item in found.versions[:_SHOWN_VERSIONS]]
        more = len(found.versions) - len(shown)
        return VersionNotFoundError(
            f"no build matches {match_spec}",
            context=(f"available: {', '.join(shown)}" + (f" and {more} more" if more > 0 else ""),),
            note=self._note() or None,
            hint=f"%pkg install {found.name}={shown[0]}",
        )

    def _note(self, before: str = "") -> str:
        return f"{before}offline: what the channels said when they were last read" if self.settings.offline else ""


def _name_of(match_spec: str) -> str:
    """The package name at the start of a MatchSpec."""
    rest = match_spec.rpartition("::")[2].strip()
    end = next((place for place, char in enumerate(rest) if char in " =<>!~[|,"), len(rest))
    return rest[:end]


def _file(build: Package) -> AvailableFile:
    filename = (
        PurePosixPath(urlsplit(build.url).path).name if build.url else f"{build.name}-{build.version}-{build.build}"
    )
    return AvailableFile(
        filename=filename,
        kind=FileKind.CONDA,
        url=redact(build.url),
        version=build.version,
        origin=build.origin.location,
        size=build.size,
        requires_python=_python_constraint(build.depends),
        build=build.build,
    )


def _python_constraint(depends: Sequence[str]) -> str:
    """The version part of a dependency on ``python``: ``>=3.11,<3.12.0a0``."""
    parts = next((item.split() for item in depends if item.split()[:1] == ["python"]), [])
    return parts[1] if len(parts) > 1 else ""

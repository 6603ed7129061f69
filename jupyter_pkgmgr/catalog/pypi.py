"""Package indexes that speak the simple repository API: the user's own, with the user's settings."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version
from platformdirs import user_cache_path

from jupyter_pkgmgr import names
from jupyter_pkgmgr.environments import default_index
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import Cancellation, Ecosystem, Environment, Package, redact
from jupyter_pkgmgr.model.errors import (
    CatalogError,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    UnreachableError,
    VersionNotFoundError,
)

from .answers import (
    AvailableFile,
    AvailableVersion,
    FileKind,
    Freshness,
    Newest,
    PackageMetadata,
    SearchResult,
    VersionList,
    oldest,
)
from .cache import HttpCache
from .fit import Target, judge, target_of
from .http import Client, TooLargeError, path_of, without_credentials
from .metadata import from_core_metadata, from_json_api, metadata_in_wheel, read_remote_wheel
from .parallel import side_by_side
from .ranking import matching
from .simple import ACCEPT, files_in_folder, files_of, names_of

__all__ = ["PyPICatalog"]

_LARGEST_LISTING = 8 * 1024 * 1024
"""Bytes of a project list that a search may download: PyPI's own has tens of millions."""
_LARGEST_WHEEL = 4 * 1024 * 1024
"""Bytes of a wheel that may be downloaded only to read its metadata."""
_SHOWN_VERSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What all indexes together have of one project."""

    name: str
    files: list[AvailableFile]
    freshness: Freshness
    problems: tuple[PkgError, ...]
    """What the indexes that couldn't be asked said."""


class PyPICatalog:
    """What the user's indexes have. Safe to use from several threads; close it when done.

    Several indexes are merged, as pip merges them, and each version says where it was found; which of them an
    engine may take it from is that engine's rule.

    Parameters
    ----------
    settings
        The user's indexes and how to reach them.
    cache_dir
        Where answers are kept; the user's cache folder by default.
    json_api
        Where PyPI's JSON API is, if the main index has one. Known for the default index.
    patience
        How many requests to one host may fail before it isn't asked any more; without end by default.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        cache_dir: Path | None = None,
        json_api: str | None = None,
        patience: int | None = None,
    ) -> None:
        self.settings = settings
        folder = cache_dir or user_cache_path("jupyter_pkgmgr", appauthor=False)
        self._client = Client(settings, HttpCache(folder / "indexes"), patience=patience)
        self._json_api = json_api or _json_api(settings.index_url)
        self._too_large: set[str] = set()
        self._summaries: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def versions(self, name: str, *, environment: Environment | None = None) -> VersionList:
        """Every version of a project, newest first, and whether it fits the environment.

        Raises
        ------
        PackageNotFoundError
            If no index has it.
        UnreachableError
            If no index has it and one of them couldn't be asked.
        """
        found = self._files(name)
        target = target_of(environment)
        by_version: dict[str, list[AvailableFile]] = {}
        for file in found.files:
            by_version.setdefault(file.version, []).append(file)
        ordered = sorted(by_version, key=Version, reverse=True)
        return VersionList(
            name=found.name,
            ecosystem=Ecosystem.PYPI,
            versions=tuple(_version(version, by_version[version], target) for version in ordered),
            freshness=found.freshness,
            notes=tuple(problem.message for problem in found.problems),
        )

    def versions_many(
        self, wanted: Iterable[str], *, environment: Environment | None = None
    ) -> dict[str, VersionList | PkgError]:
        """:meth:`versions` of many projects side by side; what went wrong stands where the answer would."""
        return side_by_side(lambda name: self.versions(name, environment=environment), wanted)

    def newest(self, name: str, *, environment: Environment | None = None) -> Newest:
        """The version that an installer would take if nothing else is said.

        The same as ``versions(…).newest``, without judging the versions that are older and, where there is no such
        project, without looking for similar names: it is asked for each of thousands of installed packages.
        """
        found = self._gather(name)
        if not found.files:
            raise next(iter(found.problems), PackageNotFoundError(f"no index has a package {name!r}"))
        target = target_of(environment)
        by_version: dict[str, list[AvailableFile]] = {}
        for file in found.files:
            if not file.yanked:
                by_version.setdefault(file.version, []).append(file)
        ordered = sorted(by_version, key=Version, reverse=True)
        if not self.settings.pre:
            ordered.sort(key=lambda version: Version(version).is_prerelease)  # only where there is nothing else
        version = next((item for item in ordered if judge(by_version[item], target).fits is not False), "")
        return Newest(version=version, note=found.freshness.note)

    def newest_many(
        self, wanted: Iterable[str], *, environment: Environment | None = None, cancel: Cancellation | None = None
    ) -> dict[str, Newest | PkgError]:
        """:meth:`newest` of many projects side by side; what went wrong stands where the answer would."""
        return side_by_side(lambda name: self.newest(name, environment=environment), wanted, cancel=cancel)

    def names(self) -> tuple[frozenset[str], str]:
        """Every name that is known without asking for it, and what has to be said about that.

        Those of the indexes whose list is small or in the cache; where one has no such list, those shipped with
        jupyter_pkgmgr as well.
        """
        known, complete, freshness = self._listed()
        if complete:
            return frozenset(known), freshness.note
        return frozenset(known | set(names.all_names(Ecosystem.PYPI))), _well_known()

    def exists(self, name: str) -> bool:
        """Whether an index has the project."""
        try:
            return bool(self._files(name).files)
        except PackageNotFoundError:
            return False

    def select(
        self, name: str, specifier: str = "", *, environment: Environment | None = None, pre: bool = False
    ) -> AvailableVersion:
        """The newest version that satisfies a constraint (PEP 440) and fits the environment.

        Raises
        ------
        VersionNotFoundError
            If none does; its context has the versions that exist.
        """
        try:
            wanted = SpecifierSet(specifier)
        except InvalidSpecifier as error:
            raise InvalidSpecError(f"{specifier!r} is no version constraint", hint="write ==1.2 or >=1,<2") from error
        found = self.versions(name, environment=environment)
        numbers = list(wanted.filter((item.version for item in found.versions), prereleases=pre or None))
        allowed = [item for item in found.versions if item.version in numbers]
        pinned = any(part.operator in ("==", "===") for part in wanted)
        usable = [item for item in allowed if item.fits is not False and (pinned or not item.yanked)]
        if usable:
            return usable[0]
        raise _no_version(found, specifier, allowed)

    def metadata(self, name: str, version: str = "", *, environment: Environment | None = None) -> PackageMetadata:
        """What one version says of itself; of the newest usable one by default.

        Read from the file beside the wheel (PEP 658), from the wheel's own end, from a small wheel as a whole, or
        from PyPI's JSON API: whichever the index offers, in this order.
        """
        found = self.versions(name, environment=environment)
        chosen = found.newest or found.versions[0] if not version else _exactly(found, version)
        wheels = [file for file in chosen.files if file.kind is FileKind.WHEEL]
        wheels.sort(key=lambda file: (not file.has_metadata, not file.filename.endswith("-none-any.whl")))
        read = self._read_wheel(wheels[0]) if wheels else None
        if read is None and self._json_api is not None:
            read = self._ask_json_api(found.name, chosen.version)
        if read is not None:
            self._summaries[found.name] = read.summary
            return read
        raise CatalogError(
            f"the metadata of {found.name} {chosen.version} can't be read without building or downloading it",
            reference="metadata-unknown",
            note="it is only there as source" if not wheels else f"its wheel has {wheels[0].size or 'many'} bytes",
        )

    def metadata_many(
        self, wanted: Iterable[str | tuple[str, str]], *, environment: Environment | None = None
    ) -> dict[str | tuple[str, str], PackageMetadata | PkgError]:
        """:meth:`metadata` of many names, or pairs of name and version, side by side."""

        def one(item: str | tuple[str, str]) -> PackageMetadata:
            name, version = (item, "") if isinstance(item, str) else item
            return self.metadata(name, version, environment=environment)

        return side_by_side(one, wanted)

    def search(self, query: str, *, limit: int = 20) -> SearchResult:
        """Projects whose names match, best match first.

        An index has no search of its own. Where its list of projects is small or already in the cache, all of it
        is searched; otherwise the names shipped with jupyter_pkgmgr are, and the exact name is looked up.
        """
        known, complete, freshness = self._listed()
        note = ""
        if not complete:
            exact, why_not = self._exact(query)
            known |= set(names.all_names(Ecosystem.PYPI)) | exact
            note = f"{why_not}; {_well_known()}" if why_not else f"{_well_known()} and the exact one"
        found = matching(query, known, limit=limit, favourites=names.popular(Ecosystem.PYPI))
        packages = tuple(
            Package(name=name, version="", ecosystem=Ecosystem.PYPI, summary=self._summaries.get(name, ""))
            for name in found
        )
        return SearchResult(packages=packages, complete=complete, note=note, freshness=freshness)

    def _listed(self) -> tuple[set[str], bool, Freshness]:
        """The names on all indexes that can be listed, whether those are all of them, and how fresh that is."""
        listings = [self._listing(index) for index in self._indexes()]
        known = {name for listing in listings if listing for name in listing[0]}
        complete = not self.settings.find_links and all(listing is not None for listing in listings)
        return known, complete, oldest([listing[1] for listing in listings if listing])

    def _exact(self, query: str) -> tuple[set[str], str]:
        """The very name that was typed, if it is one and an index has it; or why no index could be asked."""
        try:
            name = _canonical(query.strip())
            return ({name} if names.known_pypi(name) or self.exists(name) else set()), ""
        except UnreachableError as error:
            return set(), error.message
        except PkgError:
            return set(), ""

    def _indexes(self) -> tuple[str, ...]:
        if self.settings.no_index:
            return ()
        return tuple(dict.fromkeys((self.settings.index_url, *self.settings.extra_index_urls)))

    def _files(self, name: str) -> _Files:
        """What there is of one project; an error that says what there is instead where there is nothing."""
        found = self._gather(name)
        if not found.files:
            raise found.problems[0] if found.problems else self._not_found(name)
        return found

    def _gather(self, name: str) -> _Files:
        """Ask every index and every ``find-links`` place for one project."""
        project = _canonical(name)
        sources: list[Callable[[], tuple[list[AvailableFile], Freshness]]] = [
            *(lambda index=index: self._on_index(index, project) for index in self._indexes()),
            *(lambda place=place: self._on_links(place, project) for place in self.settings.find_links),
        ]
        answers = _all(sources)
        good = [answer for answer in answers if not isinstance(answer, PkgError)]
        return _Files(
            name=project,
            files=[file for found, _ in good for file in found],
            freshness=oldest([fresh for found, fresh in good if found]),
            problems=tuple(answer for answer in answers if isinstance(answer, PkgError)),
        )

    def _on_index(self, index: str, project: str) -> tuple[list[AvailableFile], Freshness]:
        answer = self._client.get(f"{index.rstrip('/')}/{project}/", accept=ACCEPT)
        if answer is None:
            return [], Freshness()
        return files_of(answer, project, origin=redact(without_credentials(index))), answer.freshness

    def _on_links(self, place: str, project: str) -> tuple[list[AvailableFile], Freshness]:
        """A folder, or a page of links (pip's ``--find-links``)."""
        folder = path_of(place) if place.startswith("file:") else Path(place)
        if folder.is_dir():
            return files_in_folder(folder, project), Freshness()
        answer = self._client.get(place if "://" in place else folder.absolute().as_uri())
        if answer is None:
            where = redact(without_credentials(place))
            raise UnreachableError(f"there is nothing at the find-links place {where}", reference="find-links")
        return files_of(answer, project, origin=redact(without_credentials(place))), answer.freshness

    def _not_found(self, name: str) -> PackageNotFoundError:
        where = [redact(without_credentials(place)) for place in (*self._indexes(), *self.settings.find_links)]
        near = self._near(name)
        return PackageNotFoundError(
            f"no index has a package {name!r}",
            context=(f"similar names: {', '.join(near)}",) if near else (),
            note=f"asked: {', '.join(where)}" if where else "no-index is set, and there are no find-links",
            hint=f"%pkg install {near[0]}" if near else f"%pkg search {name}",
        )

    def _near(self, name: str) -> tuple[str, ...]:
        """Near names: what is imported under this name, well-known ones, then those of the index itself."""
        known, complete, _ = self._listed()
        own = names.nearest(canonicalize_name(name), known)
        well_known = names.near(name, ecosystem=Ecosystem.PYPI)
        # What is imported under this name comes first: PIL is no slip of some four-letter project.
        imported = names.for_import(name)
        meant = (*(imported.pypi if imported else ()), *well_known)
        found = (*(other for other in meant if other != name and (not complete or other in known)), *own)
        return tuple(dict.fromkeys(found))[:3]

    def _read_wheel(self, wheel: AvailableFile) -> PackageMetadata | None:
        if wheel.has_metadata and (answer := self._client.get(f"{wheel.url}.metadata")) is not None:
            return from_core_metadata(answer.body, source="index", freshness=answer.freshness)
        if wheel.url.startswith("file:"):
            return from_core_metadata(
                metadata_in_wheel(path_of(wheel.url), wheel.filename), source="wheel", freshness=Freshness()
            )
        if not self.settings.offline:
            content = read_remote_wheel(wheel.url, self._client.get_range)
            if content is not None:
                return from_core_metadata(content, source="wheel", freshness=Freshness())
        return self._download_wheel(wheel)

    def _download_wheel(self, wheel: AvailableFile) -> PackageMetadata | None:
        try:
            answer = self._client.get(wheel.url, limit=_LARGEST_WHEEL)
        except TooLargeError:
            return None
        if answer is None:
            return None
        content = metadata_in_wheel(io.BytesIO(answer.body), wheel.filename)
        return from_core_metadata(content, source="wheel", freshness=answer.freshness)

    def _ask_json_api(self, name: str, version: str) -> PackageMetadata | None:
        url = f"{self._json_api}/{name}/{version}/json"
        answer = self._client.get(url, accept="application/json")
        if answer is None:
            return None
        try:
            return from_json_api(json.loads(answer.body)["info"], freshness=answer.freshness)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreachableError(f"{url} answered something else", reference="index-garbage") from error

    def _listing(self, index: str) -> tuple[list[str], Freshness] | None:
        """Every name on an index; ``None`` where that would be too much, or can't be had."""
        if _is_default(index) or index in self._too_large:
            return None
        try:
            answer = self._client.get(f"{index.rstrip('/')}/", accept=ACCEPT, limit=_LARGEST_LISTING)
            return None if answer is None else (names_of(answer), answer.freshness)
        except TooLargeError:
            self._too_large.add(index)
        except UnreachableError:  # the caller searches what it has, and says so
            pass
        return None


def _well_known() -> str:
    return f"the index can't be searched; these are well-known names (of {names.provenance()[0].date})"


def _is_default(index: str) -> bool:
    return index.rstrip("/") == default_index().rstrip("/")


def _json_api(index: str) -> str | None:
    """Beside the default index's ``/simple`` is its JSON API, at ``/pypi``; others have none to rely on."""
    return f"{index.rstrip('/').removesuffix('/simple')}/pypi" if _is_default(index) else None


def _canonical(name: str) -> str:
    """The name as indexes have it in their URLs, which nothing else may get into."""
    try:
        return canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise InvalidSpecError(
            f"{name!r} is no package name", note="a name has letters, digits, '.', '_' and '-'"
        ) from error


def _version(version: str, files: Sequence[AvailableFile], target: Target | None) -> AvailableVersion:
    fit = judge(files, target)
    yanked = all(file.yanked for file in files)
    return AvailableVersion(
        version=version,
        ecosystem=Ecosystem.PYPI,
        files=tuple(files),
        origins=tuple(dict.fromkeys(file.origin for file in files)),
        requires_python=next((file.requires_python for file in files if file.requires_python), ""),
        prerelease=Version(version).is_prerelease,
        yanked=yanked,
        yanked_reason=next((file.yanked_reason for file in files if file.yanked_reason), "") if yanked else "",
        fits=fit.fits,
        why_not=fit.why_not,
        needs_build=fit.needs_build,
    )


def _exactly(found: VersionList, version: str) -> AvailableVersion:
    try:
        wanted = Version(version)
    except InvalidVersion as error:
        raise InvalidSpecError(f"{version!r} is no version", hint=f"{found.name}==1.2") from error
    for item in found.versions:
        if Version(item.version) == wanted:
            return item
    raise _no_version(found, f"=={version}", [])


def _no_version(found: VersionList, specifier: str, allowed: list[AvailableVersion]) -> VersionNotFoundError:
    """Say which versions exist, and why those that were asked for can't be taken."""
    usable = [item for item in found.versions if item.fits is not False and not item.prerelease and not item.yanked]
    listed = usable or found.versions
    shown = [item.version for item in listed[:_SHOWN_VERSIONS]]
    more = len(listed) - len(shown)
    newest = found.newest
    reason = next((f"{item.version} {item.why_not}" for item in allowed if item.why_not), None)
    if reason is None and allowed and all(item.yanked for item in allowed):
        reason = f"{allowed[0].version} is yanked: {allowed[0].yanked_reason or 'no reason given'}"
    return VersionNotFoundError(
        f"no version of {found.name} satisfies {specifier}"
        if specifier
        else f"no version of {found.name} can be taken",
        context=(f"available: {', '.join(shown)}" + (f" and {more} more" if more > 0 else ""),),
        note=reason or (found.freshness.note or None),
        hint=f"%pkg install {found.name}=={newest.version}" if newest else f"%pkg show {found.name}",
    )


def _all(
    tasks: Sequence[Callable[[], tuple[list[AvailableFile], Freshness]]],
) -> list[tuple[list[AvailableFile], Freshness] | PkgError]:
    """Run the tasks, side by side if there are several."""
    done = side_by_side(lambda number: tasks[number](), range(len(tasks)))
    return list(done.values())

"""Merges conda's records and Python's distributions into one list of packages, by file ownership."""

# ruff: noqa: PTH119
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.environments import History, read_history
from jupyter_pkgmgr.model import Ecosystem, Environment, Origin, OriginKind, Package

from . import _problems as problems
from ._distributions import DistributionEntry, name_of_folder
from ._records import CondaEntry, channel_origin, replaced_file
from ._scan import Folder, Scan
from .inventory import Distribution, Inventory, PackageState, Problem

__all__ = ["merge"]


@dataclass(slots=True, kw_only=True)
class _Found:
    """One distribution in one folder, and what was worked out about it."""

    name: str
    entry: DistributionEntry
    folder: int
    relative: str
    """Its path from the prefix with forward slashes, as conda's records give it; empty outside the prefix."""
    mtime_ns: int
    states: set[PackageState] = field(default_factory=set)
    owner: CondaEntry | None = None


def merge(
    environment: Environment,
    seen: Scan,
    *,
    records: Sequence[CondaEntry],
    distributions: Mapping[str, DistributionEntry],
    fingerprint: str,
) -> Inventory:
    """Make the inventory out of what was seen and read."""
    noted: list[Problem] = [*problems.of_scan(environment, seen), *problems.of_records(environment, records)]
    history = read_history(environment.conda_meta / "history") if environment.is_conda else History()
    noted += problems.of_history(environment, seen, history)
    found = list(_find(environment, seen, distributions))
    noted += [problem for item in found for problem in problems.of_distribution(item.entry)]
    found = [item for item in found if item.entry.has_metadata or item.entry.origin == OriginKind.EDITABLE.value]
    found = _without_twins(found)
    clobbered = list(_own(environment, seen, records, found))
    noted += [problem for _, problem in clobbered]
    active = _order(environment, seen, found)
    noted += problems.of_places(
        [
            (item.entry, item.states, active[item.name].entry)
            for item in found
            # one of conda's beside one of pip's is the clobbering that was noted already
            if PackageState.DUPLICATE not in item.states or (item.owner is None) == (active[item.name].owner is None)
        ]
    )
    conda = _conda_packages(environment, records, history, found)
    owners: dict[int, Package] = {id(item): conda[item.owner.name] for item in found if item.owner is not None}
    owners |= {id(item): _pypi_package(item.entry) for item in found if item.owner is None}
    packages = {id(package): package for package in (*conda.values(), *owners.values())}
    return Inventory(
        environment=environment,
        packages=tuple(sorted(packages.values(), key=lambda package: (package.name.lower(), package.ecosystem))),
        problems=tuple(noted),
        fingerprint=fingerprint,
        distributions=MappingProxyType(_visible(active, owners)),
        marks=MappingProxyType(_marks(found, owners, conda, clobbered)),
    )


def _visible(active: Mapping[str, _Found], owners: Mapping[int, Package]) -> dict[str, Distribution]:
    """What Python finds, by canonical name."""
    return {
        name: Distribution(
            name=name,
            version=item.entry.version,
            location=item.entry.location,
            requires=item.entry.requires,
            owner=owners[id(item)],
        )
        for name, item in sorted(active.items())
    }


def _marks(
    found: Sequence[_Found],
    owners: Mapping[int, Package],
    conda: Mapping[str, Package],
    clobbered: Sequence[tuple[str, Problem]],
) -> dict[Path, frozenset[PackageState]]:
    """The states of the packages that have any, by location."""
    marks: dict[Path, set[PackageState]] = defaultdict(set)
    for item in found:
        if item.states and (location := owners[id(item)].location):
            marks[location] |= item.states
    for name, problem in clobbered:
        if problem.reference == PackageState.CLOBBERED.value and (location := conda[name].location):
            marks[location].add(PackageState.CLOBBERED)
    return {location: frozenset(states) for location, states in marks.items()}


def _find(environment: Environment, seen: Scan, distributions: Mapping[str, DistributionEntry]) -> Iterator[_Found]:
    """Each distribution once: what an egg-link leads to can also lie in a folder on the path."""
    root = os.path.realpath(environment.prefix)
    links = {entry.location for key, entry in distributions.items() if key.endswith(".egg-link")}
    for index, folder in enumerate(seen.folders):
        relative = _relative(folder.path, root)
        for item in folder.entries:
            entry = distributions[f"{folder.path}{os.sep}{item.name}"]
            if not item.name.endswith(".egg-link") and entry.location in links:
                continue
            yield _Found(
                name=canonicalize_name(entry.name),
                entry=entry,
                folder=index,
                relative=_fold(f"{relative}/{item.name}") if relative else "",
                mtime_ns=item.mtime_ns,
            )


def _relative(folder: str, root: str) -> str:
    """A folder's path from the prefix with forward slashes; empty if it lies elsewhere."""
    real = os.path.realpath(folder)
    if not real.startswith(root.rstrip(os.sep) + os.sep):
        return ""
    return real[len(root.rstrip(os.sep)) + 1 :].replace(os.sep, "/")


def _fold(path: str) -> str:
    """The spelling to compare paths in: conda's ``Lib/site-packages`` is ``lib`` elsewhere on Windows."""
    return path.lower() if os.name == "nt" else path


def _without_twins(found: list[_Found]) -> list[_Found]:
    """Leave out each ``.egg-info`` that is only another face of a distribution that is there anyway.

    setuptools keeps one in an editable project's own folder, and Debian ships some beside a ``.dist-info``.
    """
    editable = {item.name for item in found if item.entry.origin == OriginKind.EDITABLE.value}
    modern = {(item.folder, item.name, item.entry.version) for item in found if _is_modern(item)}
    return [
        item
        for item in found
        if _is_modern(item)
        or item.entry.origin == OriginKind.EDITABLE.value
        or not (item.name in editable or (item.folder, item.name, item.entry.version) in modern)
    ]


def _is_modern(item: _Found) -> bool:
    return item.entry.location.endswith(".dist-info")


def _own(
    environment: Environment, seen: Scan, records: Sequence[CondaEntry], found: Sequence[_Found]
) -> Iterator[tuple[str, Problem]]:
    """Give each distribution its conda package; yields those whose distribution was replaced or is gone."""
    root = os.path.realpath(environment.prefix)
    folders = {
        relative: index for index, folder in enumerate(seen.folders) if (relative := _relative(folder.path, root))
    }
    by_path = {item.relative: item for item in found if item.relative}
    by_name: dict[tuple[int, str], list[_Found]] = defaultdict(list)
    for item in found:
        by_name[item.folder, item.name].append(item)
    claims = [
        (record, path, folders[parent])
        for record in records
        for path in record.distributions
        if (parent := _fold(path.rpartition("/")[0])) in folders
    ]
    for record, path, _ in claims:
        mine = by_path.get(_fold(path))
        if mine is not None and mine.owner is None and not _is_replaced(environment, record, path, mine):
            mine.owner = record
    for record, path, index in claims:
        mine = by_path.get(_fold(path))
        name = mine.name if mine is not None else name_of_folder(path.rpartition("/")[2])[0]
        there = by_name.get((index, name), [])
        strangers = [item for item in there if item.owner is None]
        if strangers:
            yield record.name, problems.clobbered(record, strangers[-1].entry)
        elif not there:
            yield record.name, problems.gone(environment, record, path)


def _is_replaced(environment: Environment, record: CondaEntry, path: str, item: _Found) -> bool:
    """Whether another tool wrote this distribution anew in conda's place.

    Builds for conda say ``conda`` in ``INSTALLER``. Where something else stands there the hashes in the record decide.
    """
    if item.entry.installer in ("", "conda"):
        return False
    return replaced_file(environment.conda_meta / record.file, environment.prefix, path) is not None


def _order(environment: Environment, seen: Scan, found: Sequence[_Found]) -> dict[str, _Found]:
    """Mark what is hidden, and tell for each name the distribution that Python uses.

    Python takes the first folder. Within one folder its choice depends on the order of the listing, so ours
    is the one installed last, whose files are there.
    """
    groups: dict[str, list[_Found]] = defaultdict(list)
    places = [_place(environment, folder) for folder in seen.folders]
    for item in found:
        item.states |= places[item.folder]
        groups[item.name].append(item)
    active: dict[str, _Found] = {}
    for name, items in groups.items():
        first = min(items, key=lambda item: (item.folder, -item.mtime_ns)) if len(items) > 1 else items[0]
        active[name] = first
        for item in items:
            if item is not first:
                same = item.folder == first.folder
                item.states.add(PackageState.DUPLICATE if same else PackageState.SHADOWED)
    return active


def _place(environment: Environment, folder: Folder) -> set[PackageState]:
    python = environment.python
    if python is None or any(os.fspath(site) == folder.path for site in python.site_packages):
        return set()
    if python.user_site is not None and os.fspath(python.user_site) == folder.path:
        return {PackageState.USER_SITE}
    root = os.path.realpath(environment.prefix)
    # a folder that a .pth file of this environment adds (a project under development) belongs to it
    return {PackageState.OUTSIDE} if not _relative(folder.path, root) and _is_site(folder.path) else set()


def _is_site(path: str) -> bool:
    return os.path.basename(path) in ("site-packages", "dist-packages")


def _conda_packages(
    environment: Environment,
    records: Sequence[CondaEntry],
    history: History,
    found: Sequence[_Found],
) -> dict[str, Package]:
    provides: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for item in found:
        if item.owner is not None:
            provides[item.owner.name].append((item.name, item.entry.version))
    specs = history.requested_specs()
    meta = environment.conda_meta
    origins: dict[tuple[str, str], Origin] = {}
    packages: dict[str, Package] = {}
    for record in records:
        known = record.requested
        requested = True if known or record.name.lower() in specs else False if history.revisions else known
        base = (record.channel, "" if record.channel else record.url.rpartition("/")[0])
        if base not in origins:
            origins[base] = channel_origin(record.channel, record.url)
        packages[record.name] = Package(
            name=record.name,
            version=record.version,
            ecosystem=Ecosystem.CONDA,
            build=record.build,
            origin=origins[base],
            requested=requested,
            installer="conda",
            location=meta / record.file,
            depends=record.depends,
            license=record.license,
            url=record.url,
            provides=tuple(provides.get(record.name, ())),
        )
    return packages


def _pypi_package(entry: DistributionEntry) -> Package:
    return Package(
        name=entry.name,
        version=entry.version,
        ecosystem=Ecosystem.PYPI,
        origin=_INDEX if entry.origin == "index" else Origin(kind=OriginKind(entry.origin), location=entry.place),
        requested=entry.requested,
        installer=entry.installer,
        location=Path(entry.location),
        depends=entry.requires,
        summary=entry.summary,
        license=entry.license,
    )


_INDEX = Origin(kind=OriginKind.INDEX)

"""Newer versions of what is installed, in both ecosystems side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.catalog import Newest, PyPICatalog
from jupyter_pkgmgr.inventory import Inventory, PackageState
from jupyter_pkgmgr.model import Cancellation, Ecosystem, OriginKind, Package, obeying
from jupyter_pkgmgr.model.errors import CancelledError, PackageNotFoundError, PkgError

from .documents import NewerVersion, Outdated
from .sources import Sources

__all__ = ["find_outdated"]

_FRESH_SECONDS = 300.0
"""How long a newest version is taken as it is: a panel asks again after each change."""
_PATIENCE = 8
"""Failed requests after which an index isn't asked any more: there may be thousands of packages to ask for."""
_FEW = 5
"""Names that a note can take."""
_ELSEWHERE = {PackageState.USER_SITE, PackageState.OUTSIDE, PackageState.SHADOWED, PackageState.DUPLICATE}
"""What an update of this environment doesn't touch."""
_BY_HAND = {OriginKind.EDITABLE, OriginKind.VCS, OriginKind.URL, OriginKind.PATH}
"""What no index is asked for: it was put there from somewhere else."""

_Found = tuple[dict[str, str], list[str]]
"""From name to newest version, and notes."""


def find_outdated(sources: Sources, inventory: Inventory, *, cancel: Cancellation) -> Outdated:
    """The installed packages of which a newer version fits this Python and this machine.

    A channel or an index that can't be asked is a note; the others still answer.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    mine = [package for package in inventory.packages if _ELSEWHERE.isdisjoint(inventory.states(package))]
    conda = [package for package in mine if package.ecosystem is Ecosystem.CONDA]
    pypi = [item for item in mine if item.ecosystem is Ecosystem.PYPI and item.origin.kind not in _BY_HAND]
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = (
            pool.submit(obeying(_ask_channels), sources, inventory, conda, cancel),
            pool.submit(obeying(_ask_indexes), sources, inventory, pypi, cancel),
        )
        (in_channels, channel_notes), (on_indexes, index_notes) = (answer.result() for answer in answers)
    found = dict(_newer(conda, in_channels))
    found |= dict(_newer(pypi, on_indexes))  # of a name in both, Python finds PyPI's
    return Outdated(outdated=dict(sorted(found.items())), notes=(*channel_notes, *index_notes))


def _newer(packages: Iterable[Package], newest: Mapping[str, str]) -> Iterator[tuple[str, NewerVersion]]:
    for package in packages:
        version = newest.get(_key(package), "")
        if version and _is_newer(package, version):
            newer = NewerVersion(ecosystem=package.ecosystem, installed=package.version, newest=version)
            yield package.name, newer


def _key(package: Package) -> str:
    return package.key[1]


def _is_newer(package: Package, version: str) -> bool:
    if package.ecosystem is Ecosystem.CONDA:
        return version != package.version  # the channels' reader compared them, by conda's rules
    try:
        return Version(version) > Version(package.version)
    except InvalidVersion:  # an old installation: any version of today is newer
        return version != package.version


def _ask_channels(sources: Sources, inventory: Inventory, packages: Sequence[Package], cancel: Cancellation) -> _Found:
    if not packages:
        return {}, []
    environment = inventory.environment
    settings = sources.conda_settings(environment)
    scope = (
        settings.channels,
        settings.channel_priority,
        settings.pinned_packages,
        settings.subdir,
        _python(inventory),
    )
    keys = {_key(package): ("newest", scope, _key(package), package.version) for package in packages}
    known = {name: answer for name, key in keys.items() if (answer := sources.memory.recall(key)) is not None}
    wanted = {_key(package): package.version for package in packages if _key(package) not in known}
    if wanted:
        try:
            found = sources.reader.newest(environment, settings, wanted, cancel=cancel)
        except CancelledError:
            raise
        except PkgError as error:
            return known, [error.message]
        for name in wanted:
            sources.memory.remember(keys[name], found.get(name, ""), seconds=_FRESH_SECONDS)
        known |= {name: found.get(name, "") for name in wanted}
    missing = [name for name, version in known.items() if not version]
    return known, [f"no channel has a build that fits of {_listed(missing)}"] if missing else []


def _python(inventory: Inventory) -> str:
    python = inventory.environment.python
    return f"{python.implementation} {python.version}" if python else ""


def _ask_indexes(sources: Sources, inventory: Inventory, packages: Sequence[Package], cancel: Cancellation) -> _Found:
    if not packages or inventory.environment.python is None:
        return {}, []
    settings = sources.index_settings(inventory.environment)
    names = list(dict.fromkeys(map(_key, packages)))
    keys = {name: ("newest", settings, _python(inventory), name) for name in names}
    known: dict[str, str] = {
        name: answer for name, key in keys.items() if (answer := sources.memory.recall(key)) is not None
    }
    wanted = [name for name in names if name not in known]
    with PyPICatalog(settings, patience=_PATIENCE) as catalog:
        found = catalog.newest_many(wanted, environment=inventory.environment, cancel=cancel)
    cancel.check()
    good = {name: answer for name, answer in found.items() if isinstance(answer, Newest)}
    for name, answer in good.items():
        if not answer.note:
            sources.memory.remember(keys[name], answer.version, seconds=_FRESH_SECONDS)
    versions = known | {name: answer.version for name, answer in good.items()}
    stale = dict.fromkeys(answer.note for answer in good.values() if answer.note)
    problems = {name: answer for name, answer in found.items() if isinstance(answer, PkgError)}
    return versions, [*stale, *_notes(problems)]


def _notes(problems: Mapping[str, PkgError]) -> list[str]:
    """A note for each kind of trouble, with the packages that had it."""
    groups: dict[str, list[str]] = {}
    for name, error in problems.items():
        what = "no index has" if isinstance(error, PackageNotFoundError) else f"{error.message}:"
        groups.setdefault(what, []).append(name)
    return [f"{what} {_listed(names)}" for what, names in groups.items()]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{', '.join(sorted(names)[:_FEW])}{more}"

"""What a file has to name that is to bring an environment about again elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.inventory import Inventory, PackageState, seeds
from jupyter_pkgmgr.model import Ecosystem, Package

__all__ = ["Contents", "Extent", "Listed", "contents", "few"]

_NOT_OF_HERE = frozenset({PackageState.USER_SITE, PackageState.OUTSIDE})
_UNSEEN = frozenset({PackageState.SHADOWED, PackageState.DUPLICATE})
_NAMED = 5
"""How many names a line takes."""


class Extent(StrEnum):
    """How much a file says."""

    REQUESTED = "requested"
    """What was asked for, at its installed versions; dependencies are left to the resolver."""
    HISTORY = "history"
    """What was asked for, as it was asked for: versions only where they were said (conda's ``--from-history``)."""
    ALL = "all"
    """Everything, exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One package that the file names."""

    package: Package
    why: str = ""
    """Where nobody asked for it."""
    is_guess: bool = False
    """Where nothing tells whether somebody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the file names of each ecosystem, by name; and what has to be said about it."""

    conda: tuple[Listed, ...]
    pypi: tuple[Listed, ...]
    notes: tuple[str, ...] = ()


def contents(inventory: Inventory, extent: Extent) -> Contents:
    """Choose what to name.

    What PyPI packages need of conda's is named among conda's, so that every tool makes the same of the file: those
    that don't know of two ecosystems install conda's part first.
    """
    groups = {
        ecosystem: [package for package in inventory.packages if package.ecosystem is ecosystem]
        for ecosystem in Ecosystem
    }
    here = {ecosystem: [item for item in group if _counts(inventory, item)] for ecosystem, group in groups.items()}
    listed = {
        ecosystem: tuple(map(_alone, group) if extent is Extent.ALL else _roots(inventory, group))
        for ecosystem, group in here.items()
    }
    notes = list(_left_out(inventory))
    if extent is not Extent.ALL:
        guessed = (ecosystem for ecosystem, found in listed.items() if any(item.is_guess for item in found))
        notes += map(_guessed, guessed)
    return Contents(conda=listed[Ecosystem.CONDA], pypi=listed[Ecosystem.PYPI], notes=tuple(notes))


def _alone(package: Package) -> Listed:
    return Listed(package=package)


def _counts(inventory: Inventory, package: Package) -> bool:
    """Whether a package is one of this environment, and the one of its name that Python finds."""
    return not inventory.states(package) & {*_NOT_OF_HERE, *_UNSEEN, PackageState.CLOBBERED}


def _left_out(inventory: Inventory) -> Iterator[str]:
    elsewhere = [item for item in inventory.packages if inventory.states(item) & _NOT_OF_HERE]
    if elsewhere:
        yield f"left out, as they lie outside the environment: {few(elsewhere)}"
    for package in inventory.packages:
        if PackageState.CLOBBERED in inventory.states(package):
            yield f"left out: conda's {package.name} {package.version}, which a package of PyPI has overwritten"


def few(packages: Sequence[Package]) -> str:
    """Some names, and how many more."""
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return ", ".join(item.name for item in packages[:_NAMED]) + more


def _is_known(inventory: Inventory, packages: Sequence[Package]) -> bool:
    """Whether it was recorded what was asked for: of the seeds alone it says nothing."""
    seeded = seeds(inventory.environment)
    return any(item.requested for item in packages if canonicalize_name(item.name) not in seeded)


def _guessed(ecosystem: Ecosystem) -> str:
    whose = "conda's" if ecosystem is Ecosystem.CONDA else "PyPI's"
    return f"nothing recorded which of {whose} packages were asked for: those are listed that no other needs"


def _roots(inventory: Inventory, packages: Sequence[Package]) -> Iterator[Listed]:
    """What was asked for, and what these don't bring along: together they need every one of these packages."""
    conda = bool(packages) and packages[0].ecosystem is Ecosystem.CONDA
    known, seeded = _is_known(inventory, packages), seeds(inventory.environment)
    first = [item for item in packages if _goes_without_saying(item, seeded)]
    covered = set(inventory.closure(first)) if conda else {item.key for item in first}
    here = {item.key for item in packages}
    needed = {need.key for item in packages for need in inventory.requirements(item)} & here
    chosen: list[Listed] = []
    for package in sorted(packages, key=lambda item: (not _is_wanted(item), item.key in needed)):
        if _is_wanted(package) and package not in first:
            chosen.append(Listed(package=package))
        elif package.key not in covered:
            told = known and package.requested is not None
            why = _why(inventory, package) if told else ""
            chosen.append(Listed(package=package, why=why, is_guess=not told))
        else:
            continue
        covered |= inventory.closure([package]).keys()
    yield from sorted(chosen, key=lambda item: item.package.name.lower())


def _goes_without_saying(package: Package, seeded: frozenset[str]) -> bool:
    """Seeds. In a conda environment only pip is one, unless somebody asked for it."""
    if package.ecosystem is Ecosystem.CONDA:
        return package.name == "pip" and not package.requested
    return canonicalize_name(package.name) in seeded


def _is_wanted(package: Package) -> bool:
    """Python decides which builds of everything else there are."""
    return bool(package.requested) or package.key == (Ecosystem.CONDA, "python")


def _why(inventory: Inventory, package: Package) -> str:
    needing = [item for item in inventory.dependents(package) if item.ecosystem is not package.ecosystem]
    return f"{few(needing)} {'needs' if len(needing) == 1 else 'need'} it" if needing else "nothing needs it"

"""Hold the environment, after a plan was applied, against what the plan said."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Action, Change, Ecosystem, Package, Plan
from jupyter_pkgmgr.model.errors import VerificationError

__all__ = ["installed", "same_version", "verify"]


def verify(plan: Plan, before: Inventory, after: Inventory) -> None:
    """Hold the plan against the inventory that was read after it.

    Raises
    ------
    VerificationError
        If a package isn't what the plan said, landed outside the environment, or a dependency is broken
        that was whole before.
    """
    wrong = [*_unmet(plan, after), *_strays(plan, after), *_broken(plan, before, after)]
    if wrong:
        raise VerificationError(
            "the environment is not what the plan said",
            context=tuple(wrong),
            hint="%pkg doctor looks at the whole environment",
        )


def _unmet(plan: Plan, after: Inventory) -> Iterator[str]:
    last: dict[tuple[Ecosystem, str], Change] = {change.package.key: change for change in plan.changes}
    for change in last.values():
        wanted = change.package
        found = installed(after, wanted)
        if change.action is Action.REMOVE:
            if found is not None and change.before is not None and same_version(found.version, change.before.version):
                yield f"{wanted.name} {found.version} is still there"
        elif found is None:
            yield f"{wanted.name} {wanted.version} is not there"
        elif wanted.version and not same_version(found.version, wanted.version):
            yield f"{wanted.name} is {found.version}, the plan said {wanted.version}"


def installed(inventory: Inventory, package: Package) -> Package | None:
    """The package of this name and ecosystem as it is there."""
    if package.ecosystem is Ecosystem.CONDA:
        return inventory.conda(package.name)
    return inventory.pypi(package.name)


def same_version(one: str, other: str) -> bool:
    """Whether two spellings mean one version: PEP 440 where both follow it, else letter by letter."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _strays(plan: Plan, after: Inventory) -> Iterator[str]:
    """Packages whose files lie outside the environment: pip turns to the user site when it may not write."""
    python = after.environment.python
    if python is None:
        return
    inside = (after.environment.prefix, python.purelib, python.platlib)
    for change in plan.changes:
        if change.action is Action.REMOVE or change.package.ecosystem is Ecosystem.CONDA:
            continue
        found = after.pypi(change.package.name)
        if found and found.location and not any(found.location.is_relative_to(folder) for folder in inside):
            yield f"{found.name} landed in {found.location.parent}, outside the environment"


def _broken(plan: Plan, before: Inventory, after: Inventory) -> Iterator[str]:
    changed = {canonicalize_name(change.package.name) for change in plan.changes}
    conda = any(change.package.ecosystem is Ecosystem.CONDA for change in plan.changes)
    # A conda package's name needn't be its distribution's: then everything is looked at.
    problems = after.broken_dependencies(None if conda else changed)
    # Who needs whom, not the message: that has versions in it, and what was broken may be broken differently now.
    known = {problem.packages for problem in before.broken_dependencies()} if problems else set()
    accepted = {notice.message for notice in plan.warnings}
    solved = _held_together_by_conda(plan, after)
    for problem in problems:
        own = {canonicalize_name(name) for name in problem.packages} & changed
        if problem.packages in known or problem.message in accepted or problem.path in solved:
            continue
        if not plan.request.options.force and not _asked_for(plan, own):
            yield problem.message


def _held_together_by_conda(plan: Plan, after: Inventory) -> set[Path]:
    """Metadata of distributions whose own requirements don't count: conda's depends do, and its solver saw to those.

    Many packages of conda-forge carry ``Requires-Dist`` lines that conda meets in another way, or on purpose not.
    """
    moved = {change.package.key for change in plan.changes if change.package.ecosystem is Ecosystem.CONDA}
    if not moved:
        return set()
    return {item.path for item in after.distributions.values() if item.owner.ecosystem is Ecosystem.CONDA}


def _asked_for(plan: Plan, packages: AbstractSet[str]) -> bool:
    """Whether a broken dependency is what the user asked for: ``--no-deps``, or the removal of what others need."""
    removed = {canonicalize_name(change.package.name) for change in plan.changes if change.action is Action.REMOVE}
    return plan.request.options.no_deps or bool(packages & removed)

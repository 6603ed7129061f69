"""What a set of changes would break: dependencies that hold now and wouldn't after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.environments import spec_name
from jupyter_pkgmgr.inventory import needed
from jupyter_pkgmgr.model import Action, Change, Ecosystem, Package, Spec, SpecKind

from .context import Context
from .shadow import distributions_after, distributions_of

__all__ = ["Break", "breaks", "conda_pins", "find_wanting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One dependency that would no longer hold."""

    dependent: Package
    requirement: str
    found: str
    """The version there would be, or empty where there would be none."""

    def __str__(self) -> str:
        found = f"{self.found} would be there" if self.found else "it would be gone"
        return f"{self.dependent.name} {self.dependent.version} needs {self.requirement}, but {found}"


def breaks(context: Context, changes: Sequence[Change]) -> tuple[Break, ...]:
    """Requirements of PyPI packages that hold today and that these changes would break.

    conda's solvers keep conda packages consistent among themselves; nobody does it for the PyPI packages
    beside them, nor for those already installed when uv or pip move a dependency under them.
    """
    after = _versions_after(context, changes)
    moving = {name for name in after if _version_now(context, name)}
    if not moving:
        return ()  # what only comes can't break what holds without it
    touched = {change.package.key for change in changes if change.package.ecosystem is Ecosystem.PYPI}
    found = []
    for package in context.inventory.packages:
        if package.ecosystem is not Ecosystem.PYPI or package.key in touched:
            continue
        for requirement in needed(package.depends, context.markers, about=moving):
            name = canonicalize_name(requirement.name)
            if _holds(requirement, _version_now(context, name)) and not _holds(requirement, after[name]):
                found.append(
                    Break(
                        dependent=package, requirement=f"{requirement.name}{requirement.specifier}", found=after[name]
                    )
                )
    return tuple(found)


def conda_pins(context: Context) -> tuple[str, ...]:
    """MatchSpecs that keep conda from breaking PyPI packages: their requirements on what conda owns."""
    pins = set()
    for package in context.inventory.packages:
        if package.ecosystem is not Ecosystem.PYPI:
            continue
        for requirement in needed(package.depends, context.markers, about=context.conda_owned.keys()):
            owner = context.conda_owned.get(canonicalize_name(requirement.name))
            version = _version_now(context, canonicalize_name(requirement.name))
            if owner is not None and requirement.specifier and _holds(requirement, version):
                spec = Spec(text="", kind=SpecKind.NAME, name=owner.name, version=str(requirement.specifier))
                pins.add(spec.match_spec())
    return tuple(sorted(pins))


def find_wanting(context: Context, package: Package, changes: Sequence[Change]) -> list[str]:
    """Which of the packages that come, or that stay as they are, need this one."""
    coming = [change.after for change in changes if change.after is not None]
    if package.ecosystem is Ecosystem.CONDA:
        name, about = package.name.lower(), set(distributions_of(package))
        found = {item.name for item in coming if name in map(spec_name, item.depends)}
    else:
        found, about = set(), {canonicalize_name(package.name)}
    asked = {item.name: item.version for item in coming if item.ecosystem is Ecosystem.PYPI and item.version}
    lines = context.index_metadata(asked) if asked else {}
    found |= {name for name, depends in lines.items() if any(needed(depends, context.markers, about=about))}
    here = context.inventory.find(package.name)
    changing = {change.package.key for change in changes}
    staying = (item for known in here for item in context.inventory.dependents(known) if item.key not in changing)
    found |= {item.name for item in staying}
    return sorted(found - {package.name})


def _versions_after(context: Context, changes: Sequence[Change]) -> dict[str, str]:
    """Versions of the distributions that change; an empty string for those that go away."""
    conda = [change for change in changes if change.package.ecosystem is Ecosystem.CONDA]
    after: dict[str, str] = {}
    if conda:
        there = distributions_after(context.inventory, conda)
        after = {name: there.get(name, "") for name in {*context.conda_owned, *there}}
    for change in changes:
        if change.package.ecosystem is Ecosystem.PYPI:
            name = canonicalize_name(change.package.name)
            gone = change.action is Action.REMOVE or change.after is None
            if gone and after.get(name):
                continue  # PyPI's copy goes, conda's comes
            after[name] = "" if gone or change.after is None else change.after.version
    return after


def _version_now(context: Context, name: str) -> str:
    found = context.inventory.distribution(name)
    return found[1] if found else ""


def _holds(requirement: Requirement, version: str) -> bool:
    return bool(version) and requirement.specifier.contains(version, prereleases=True)

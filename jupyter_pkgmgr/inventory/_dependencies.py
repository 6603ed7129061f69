"""Who needs whom, and which needs aren't met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from jupyter_pkgmgr.environments import spec_name
from jupyter_pkgmgr.model import Ecosystem, Environment, Package

from .inventory import Distribution, Inventory, Problem
from .requirements import applies, needed, parse_requirement, required_name

__all__ = ["broken_dependencies", "closure", "dependents", "requirements"]


def broken_dependencies(inventory: Inventory, about: AbstractSet[str] | None = None) -> tuple[Problem, ...]:
    """Requirements of Python distributions and conda's depends that what is installed doesn't meet.

    ``about`` limits it to what the distributions of these canonical names need, and to who needs them.
    """
    markers = _markers(inventory.environment)
    problems: list[Problem] = []
    for distribution in inventory.distributions.values():
        for text in distribution.requires:
            if about is None or distribution.name in about or required_name(text) in about:
                problems += _check(distribution, text, inventory, markers)
    return (*problems, *_missing_conda(inventory))


def dependents(inventory: Inventory, package: Package) -> tuple[Package, ...]:
    """The packages that need this one by name."""
    markers = _markers(inventory.environment)
    provided = {name for name, _ in package.provides}
    if package.ecosystem is Ecosystem.PYPI:
        provided.add(canonicalize_name(package.name))
    found: dict[tuple[Ecosystem, str], Package] = {}
    for distribution in inventory.distributions.values():
        owner = distribution.owner
        # what conda installed is held together by conda's depends, which are looked at below
        if package.ecosystem is Ecosystem.CONDA is owner.ecosystem or owner.key == package.key:
            continue
        if any(needed(distribution.requires, markers, about=provided)):
            found[owner.key] = owner
    if package.ecosystem is Ecosystem.CONDA:
        name = package.name.lower()
        for other in inventory.packages:
            if other.ecosystem is Ecosystem.CONDA and any(spec_name(spec) == name for spec in other.depends):
                found[other.key] = other
    return tuple(sorted(found.values(), key=lambda each: each.name.lower()))


def requirements(inventory: Inventory, package: Package) -> tuple[Package, ...]:
    """The installed packages that this one needs by name."""
    found = _needs(inventory, package, "", _markers(inventory.environment))
    return tuple(other for other, extra in found if not extra)


def closure(inventory: Inventory, roots: Iterable[Package]) -> dict[tuple[Ecosystem, str], Package]:
    """Some installed packages and all that they need, the extras of their requirements included; by key."""
    markers = _markers(inventory.environment)
    found: dict[tuple[Ecosystem, str], Package] = {}
    followed: set[tuple[tuple[Ecosystem, str], str]] = set()
    pending = [(package, "") for package in roots]
    while pending:
        package, extra = pending.pop()
        if (package.key, extra) not in followed:
            followed.add((package.key, extra))
            found[package.key] = package
            pending += _needs(inventory, package, extra, markers)
    return found


def _needs(
    inventory: Inventory, package: Package, extra: str, markers: Mapping[str, str]
) -> Iterator[tuple[Package, str]]:
    """The installed packages that this one needs with an extra, and each with the extras of them that it needs."""
    if package.ecosystem is Ecosystem.CONDA:
        for spec in package.depends:
            if there := inventory.conda(spec_name(spec)):
                yield there, ""
        return
    for requirement in needed(package.depends, markers, extras=(extra,) if extra else ()):
        if owner := inventory.distribution(canonicalize_name(requirement.name)):
            yield from ((owner[0], wanted) for wanted in ("", *requirement.extras))


def _check(distribution: Distribution, text: str, inventory: Inventory, markers: dict[str, str]) -> Iterator[Problem]:
    """What is wrong with one requirement. Extras aren't followed: nothing records which were asked for."""
    who = f"{distribution.name} {distribution.version}"
    requirement = parse_requirement(text)
    if requirement is None:
        yield Problem(
            reference="unreadable-requirement",
            message=f"{who} has a requirement that can't be read: {text}",
            packages=(distribution.name,),
            path=distribution.path,
        )
        return
    if not applies(requirement, markers):
        return
    name = canonicalize_name(requirement.name)
    installed = inventory.distributions.get(name)
    wanted = f"{requirement.name}{requirement.specifier}"
    if installed is None:
        yield Problem(
            reference="missing-dependency",
            message=f"{who} needs {wanted}, which isn't installed",
            packages=(distribution.name, name),
            path=distribution.path,
            hint=f"%pkg install {_quoted(wanted)}",
        )
    elif not _satisfies(requirement, installed.version):
        yield Problem(
            reference="version-conflict",
            message=f"{who} needs {wanted}, but {name} {installed.version} is installed",
            packages=(distribution.name, name),
            path=distribution.path,
            hint=f"%pkg install {_quoted(wanted)}",
        )


def _missing_conda(inventory: Inventory) -> Iterator[Problem]:
    for package in inventory.packages:
        if package.ecosystem is not Ecosystem.CONDA:
            continue
        for spec in package.depends:
            name = spec_name(spec)
            # names with two underscores are virtual packages: the machine's own abilities
            if name and not name.startswith("__") and inventory.conda(name) is None:
                yield Problem(
                    reference="missing-dependency",
                    message=f"{package.name} {package.version} needs conda package {spec}, which isn't installed",
                    packages=(package.name, name),
                    path=package.location,
                    hint=f"%pkg install {_quoted(f'conda::{spec}')}",
                )


def _satisfies(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return not requirement.specifier


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


def _markers(environment: Environment) -> dict[str, str]:
    """The environment's own marker values; where it told none, ours with its Python version."""
    markers = {key: str(value) for key, value in default_environment().items()}
    if environment.python is not None:
        markers |= {
            "python_version": environment.python.minor,
            "python_full_version": environment.python.version,
            "implementation_name": environment.python.implementation,
        }
        markers |= dict(environment.python.markers)
    return markers | {"extra": ""}

"""Mixed plans: dependencies of PyPI packages that a conda channel has are taken from conda first (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.parser import BytesParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.catalog.metadata import metadata_in_wheel
from jupyter_pkgmgr.inventory import needed
from jupyter_pkgmgr.model import Action, Change, EnginePlan, OriginKind, Package, Spec, SpecKind, Verb
from jupyter_pkgmgr.model.errors import CatalogError, ConflictError, DependencyNotFoundError

from .assign import Assignment, available_in_channels, conda_candidates
from .conda_step import ask_conda
from .context import Context
from .pypi_step import PyPIStep, plan_pypi

__all__ = ["plan_both"]

MAX_ROUNDS = 5
"""How often a mixed plan is refined: each round can move one more layer of dependencies to conda."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dependency:
    """A dependency that a channel has: its conda name, its MatchSpec, and the PyPI package that needs it."""

    name: str
    spec: str
    needed_by: str


def plan_both(
    context: Context,
    conda: Sequence[Assignment],
    pypi: Sequence[Assignment],
    conda_plan: EnginePlan | None,
    gone: Sequence[Change],
) -> tuple[EnginePlan | None, PyPIStep]:
    """Plan the PyPI step and refine the conda step until the channels have nothing more to give.

    Before both go the PyPI packages that are removed.
    """
    conda_plan, step, taken = _with_what_no_index_has(context, conda, pypi, conda_plan, gone)
    refused = {item.name for item in conda if item.verb is Verb.REMOVE}
    for _ in range(MAX_ROUNDS):
        if step.blockers or not context.environment.is_conda:
            break
        wanted = _wanted(context, pypi, step.plan, known={*taken, *refused})
        if not wanted:
            break
        # Where they don't fit together, one by one: those that the channels can't give come from PyPI
        for group in (wanted, *((item,) for item in wanted)):
            if all(item.name in taken for item in group):
                continue
            found = _with_dependencies(context, conda, pypi, gone, [*taken.values(), *group])
            if found is not None:
                conda_plan, step = found
                taken |= {item.name: item for item in group}
        refused |= {item.name for item in wanted} - taken.keys()
    return (_explain(conda_plan, taken) if conda_plan else None), step


def _with_what_no_index_has(
    context: Context,
    conda: Sequence[Assignment],
    pypi: Sequence[Assignment],
    conda_plan: EnginePlan | None,
    gone: Sequence[Change],
) -> tuple[EnginePlan | None, PyPIStep, dict[str, _Dependency]]:
    """Both steps, the PyPI step with the dependencies that only a channel has: its engine names one at a time."""
    taken: dict[str, _Dependency] = {}
    while True:
        try:
            step = plan_pypi(context, pypi, (*gone, *(conda_plan.changes if conda_plan else ())))
        except DependencyNotFoundError as missing:
            dependency = _from_channel(context, missing) if context.environment.is_conda else None
            if dependency is None or dependency.name in taken:
                raise
            taken[dependency.name] = dependency
            conda_plan = ask_conda(context, conda, extra=[item.spec for item in taken.values()])
        else:
            return conda_plan, step, taken


def _from_channel(context: Context, missing: DependencyNotFoundError) -> _Dependency:
    """What a channel has of a dependency that no index has.

    Raises
    ------
    DependencyNotFoundError
        If no channel has it either.
    """
    requirement = Requirement(missing.requirement)
    candidates = conda_candidates(requirement.name)
    there = available_in_channels(context, candidates)
    name = next((name for name in candidates if name in there), None)
    if name is None:
        missing.message = f"neither a channel nor an index has {missing.requirement}, which {missing.needed_by} needs"
        raise missing
    return _Dependency(name=name, spec=_match_spec(name, [str(requirement.specifier)]), needed_by=missing.needed_by)


def _with_dependencies(
    context: Context,
    conda: Sequence[Assignment],
    pypi: Sequence[Assignment],
    gone: Sequence[Change],
    dependencies: Sequence[_Dependency],
) -> tuple[EnginePlan, PyPIStep] | None:
    """Both steps with some dependencies from conda; ``None`` where the channels' builds don't fit."""
    try:
        plan = ask_conda(context, conda, extra=[item.spec for item in dependencies])
        step = plan_pypi(context, pypi, (*gone, *plan.changes))
    except (ConflictError, CatalogError):
        return None
    return None if step.blockers else (plan, step)


def _explain(plan: EnginePlan, taken: Mapping[str, _Dependency]) -> EnginePlan:
    changes = []
    for change in plan.changes:
        item = taken.get(change.package.name)
        if item is not None:
            reason = f"dependency of {item.needed_by}; {change.package.source} has it"
            changes.append(replace(change, requested=False, reason=reason))
        else:
            changes.append(change)
    return replace(plan, changes=tuple(changes))


def _wanted(
    context: Context, pypi: Sequence[Assignment], plan: EnginePlan, known: Iterable[str]
) -> tuple[_Dependency, ...]:
    """Dependencies that the PyPI step would install and that a channel has too.

    Only what the packages that must come from PyPI need directly: conda brings their own dependencies along.
    """
    files = _wheels(pypi)
    requested: dict[str, Spec] = {canonicalize_name(item.name): item.spec for item in pypi if item.name}
    requested |= {name: spec for name, (spec, _) in files.items()}
    wheels = {name: lines for name, (_, lines) in files.items()}
    missing = {
        canonicalize_name(change.package.name): change
        for change in plan.changes
        if change.action is Action.INSTALL and canonicalize_name(change.package.name) not in requested
    }
    candidates: dict[str, tuple[str, ...]] = {
        name: conda_candidates(change.package.name) for name, change in missing.items()
    }
    there = available_in_channels(context, [name for names in candidates.values() for name in names])
    mapped = {name: next((item for item in names if item in there), None) for name, names in candidates.items()}
    staying = [change for change in plan.changes if not mapped.get(canonicalize_name(change.package.name))]
    skip = set(known)
    needed_by: dict[str, str] = {}
    versions: dict[str, list[str]] = {}
    for dependent, name, version in _needs(context, staying, requested, wheels):
        conda_name = mapped.get(name)
        if conda_name is not None and conda_name not in skip:
            needed_by.setdefault(conda_name, dependent)
            versions.setdefault(conda_name, []).extend([version] if version else [])
    return tuple(
        _Dependency(name=name, spec=_match_spec(name, versions[name]), needed_by=dependent)
        for name, dependent in needed_by.items()
    )


def _wheels(pypi: Sequence[Assignment]) -> dict[str, tuple[Spec, tuple[str, ...]]]:
    """The requested wheels that lie on this disk: canonical name to spec and ``Requires-Dist`` lines."""
    found: dict[str, tuple[Spec, tuple[str, ...]]] = {}
    for item in pypi:
        path = Path(item.spec.location)
        if item.spec.kind is SpecKind.PATH and path.suffix == ".whl":
            with path.open("rb") as file:
                text = metadata_in_wheel(file, path.name)
            lines = BytesParser().parsebytes(text, headersonly=True).get_all("Requires-Dist", [])
            found[canonicalize_name(path.name.partition("-")[0])] = (item.spec, tuple(map(str, lines)))
    return found


def _match_spec(conda_name: str, versions: Sequence[str]) -> str:
    version = ",".join(dict.fromkeys(versions))
    return Spec(text=conda_name, kind=SpecKind.NAME, name=conda_name, version=version).match_spec()


def _needs(
    context: Context,
    staying: Sequence[Change],
    requested: Mapping[str, Spec],
    wheels: Mapping[str, tuple[str, ...]],
) -> Iterable[tuple[str, str, str]]:
    """(dependent, canonical name needed, version constraint) for every direct need of the staying packages.

    A package whose metadata can't be read before it is built (a folder, a repository) tells nothing: its
    dependencies come from PyPI with it.
    """
    packages: list[Package] = [change.after for change in staying if change.after is not None]
    indexed = [item for item in packages if item.origin.kind in (OriginKind.INDEX, OriginKind.UNKNOWN)]
    context.tell(f"reading from {context.index} what the packages need")
    metadata = context.index_metadata({package.name: package.version for package in indexed})
    by_name: dict[str, tuple[str, ...]] = {canonicalize_name(name): lines for name, lines in metadata.items()}
    by_name |= wheels
    for package in packages:
        key = canonicalize_name(package.name)
        spec = requested.get(key)
        lines = by_name.get(key)
        if lines is None:
            continue
        for requirement in needed(lines, context.markers, extras=spec.extras if spec else ()):
            yield package.name, canonicalize_name(requirement.name), str(requirement.specifier)

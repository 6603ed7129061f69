"""Mixed plans: dependencies of PyPI packages that a conda channel has are taken from conda first (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.inventory import needed
from jupyter_pkgmgr.model import Action, Change, EnginePlan, Package, Spec, SpecKind
from jupyter_pkgmgr.model.errors import CatalogError, ConflictError

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
) -> tuple[EnginePlan | None, PyPIStep]:
    """Plan the PyPI step and refine the conda step until the channels have nothing more to give."""
    step = plan_pypi(context, pypi, conda_plan.changes if conda_plan else ())
    taken: dict[str, _Dependency] = {}
    refused: set[str] = set()
    for _ in range(MAX_ROUNDS):
        if step.blockers or not context.environment.is_conda:
            break
        wanted = _wanted(context, pypi, step.plan, known={*taken, *refused})
        if not wanted:
            break
        try:
            specs = [item.spec for item in (*taken.values(), *wanted)]
            new_conda = ask_conda(context, conda, extra=specs)
            new_step = plan_pypi(context, pypi, new_conda.changes)
        except (ConflictError, CatalogError):
            new_step = replace(step, blockers=())
            new_conda = None
        if new_conda is None or new_step.blockers:
            refused |= {item.name for item in wanted}  # the channels' builds don't fit: PyPI's do
        else:
            conda_plan, step = new_conda, new_step
            taken |= {item.name: item for item in wanted}
    return (_explain(conda_plan, taken) if conda_plan else None), step


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
    requested: dict[str, Spec] = {canonicalize_name(item.name): item.spec for item in pypi}
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
    found: dict[str, _Dependency] = {}
    for needed_by, name, version in _needs(context, staying, requested):
        conda_name = mapped.get(name)
        if conda_name is None or conda_name in skip:
            continue
        earlier = found.get(conda_name)
        spec = Spec(text=name, kind=SpecKind.NAME, name=conda_name, version=version).match_spec()
        if earlier is not None and version:
            spec = f"{earlier.spec},{version}" if " " in earlier.spec else spec
        found[conda_name] = _Dependency(
            name=conda_name, spec=spec, needed_by=earlier.needed_by if earlier else needed_by
        )
    return tuple(found.values())


def _needs(
    context: Context, staying: Sequence[Change], requested: Mapping[str, Spec]
) -> Iterable[tuple[str, str, str]]:
    """(dependent, canonical name needed, version constraint) for every direct need of the staying packages.

    A package whose metadata can't be read before it is built (a path, a repository) tells nothing: its
    dependencies come from PyPI with it.
    """
    packages: list[Package] = [change.after for change in staying if change.after is not None]
    metadata = context.index_metadata({package.name: package.version for package in packages})
    by_name = {canonicalize_name(name): lines for name, lines in metadata.items()}
    for package in packages:
        key = canonicalize_name(package.name)
        spec = requested.get(key)
        lines = by_name.get(key)
        if lines is None:
            continue
        for requirement in needed(lines, context.markers, extras=spec.extras if spec else ()):
            yield package.name, canonicalize_name(requirement.name), str(requirement.specifier)

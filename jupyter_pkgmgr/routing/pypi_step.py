"""The PyPI step of a plan: asked in the environment as the conda step will leave it, with conda's packages held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.model import Action, Change, Ecosystem, EnginePlan, Environment, Notice, Package, SpecKind, Verb
from jupyter_pkgmgr.model.errors import CatalogError, ConflictError, PkgError

from .assign import Assignment
from .conda_step import explain, held_of, owned_by
from .context import Context
from .effects import Break, breaks
from .guards import clobber
from .shadow import distributions_after, shadow

__all__ = ["PyPIStep", "plan_pypi", "remove_from_pypi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PyPIStep:
    """What the PyPI engine would do, and what forbids it."""

    plan: EnginePlan
    blockers: tuple[Notice, ...] = ()


def plan_pypi(context: Context, assignments: Sequence[Assignment], earlier: Sequence[Change]) -> PyPIStep:
    """Plan the PyPI step after the changes of earlier steps: conda's, and removals.

    Where the resolver finds no way around a held package, the plan without the hold tells which one stands
    in the way: that becomes a blocker with a name, instead of a resolver's monologue.
    """
    held = _held(context, assignments, earlier)
    with _as_they_leave_it(context, earlier) as environment:
        ask = partial(_ask, context, environment, assignments, _installed(context, earlier))
        try:
            plan = ask(held=held)
        except ConflictError as conflict:
            if not held:
                raise
            try:
                plan = ask(held=())
            except PkgError:
                raise conflict from None  # it isn't the hold
            overwritten = [change.package for change in plan.changes if _owner(context, change.package.name)]
            servers = [change for change in plan.changes if change.package.key in context.held_by_server]
            if not overwritten and not servers:
                raise conflict from None
            return PyPIStep(plan=plan, blockers=tuple(_clobbers(context, overwritten)))
        plan = _keep_whole(context, partial(ask, held=held), plan, earlier)
        return PyPIStep(plan=_over_conda(context, plan) if context.request.options.force else plan)


def remove_from_pypi(context: Context, packages: Sequence[Package]) -> EnginePlan:
    """Plan the removal of PyPI packages that nobody typed."""
    choice = context.choose_engine(context, Ecosystem.PYPI)
    request = EngineRequest(
        verb=Verb.REMOVE,
        specs=tuple(package.name for package in packages),
        installed=owned_by(context, Ecosystem.PYPI),
        options=context.request.options,
        indexes=context.index_settings,
    )
    return choice.engine.plan(context.environment, request, events=context.events, cancel=context.cancel)


@contextmanager
def _as_they_leave_it(context: Context, earlier: Sequence[Change]) -> Iterator[Environment]:
    if earlier:
        with shadow(context.environment, context.inventory, earlier) as environment:
            yield environment
    else:
        yield context.environment


def _installed(context: Context, earlier: Sequence[Change]) -> tuple[Package, ...]:
    """The PyPI packages that earlier steps leave."""
    gone = {change.package.key for change in earlier if change.action is Action.REMOVE}
    return tuple(package for package in owned_by(context, Ecosystem.PYPI) if package.key not in gone)


def _ask(
    context: Context,
    environment: Environment,
    assignments: Sequence[Assignment],
    installed: tuple[Package, ...],
    *,
    held: tuple[Package, ...],
    extra: Sequence[str] = (),
) -> EnginePlan:
    choice = context.choose_engine(context, Ecosystem.PYPI)
    updating = context.request.updates_all or all(item.verb is Verb.UPDATE for item in assignments)
    plain = [item for item in assignments if not item.spec.editable]
    request = EngineRequest(
        verb=Verb.UPDATE if updating else Verb.INSTALL,
        specs=(*(item.text for item in plain), *extra),
        updates=() if updating else tuple(item.name for item in plain if item.verb is Verb.UPDATE),
        editables=tuple(item.text for item in assignments if item.spec.editable),
        installed=installed,
        held=held,
        options=context.request.options,
        indexes=context.index_settings,
    )
    context.tell(f"{choice.engine.name} asks {context.index}")
    plan = choice.engine.plan(environment, request, events=context.events, cancel=context.cancel)
    return explain(plan, {item.name: item.reason for item in assignments if item.name})


def _held(context: Context, assignments: Sequence[Assignment], earlier: Sequence[Change]) -> tuple[Package, ...]:
    """Every distribution that conda owns, at its version, and what the running server needs.

    Not those that the user forces PyPI to overwrite.
    """
    servers = held_of(context, Ecosystem.PYPI)
    if not context.environment.is_conda:
        return servers
    forced = (
        {canonicalize_name(item.name) for item in assignments if item.spec.kind is SpecKind.NAME}
        if context.request.options.force
        else set()
    )
    condas = (
        Package(name=name, version=version, ecosystem=Ecosystem.CONDA)
        for name, version in sorted(distributions_after(context.inventory, earlier).items())
        if name not in forced
    )
    return (*condas, *servers)


def _owner(context: Context, name: str) -> Package | None:
    return context.conda_owned.get(canonicalize_name(name))


def _clobbers(context: Context, packages: Sequence[Package]) -> Iterator[Notice]:
    for package in packages:
        owner = _owner(context, package.name)
        if owner is not None:
            yield clobber(context, package.name, owner, f"={package.version}")


def _over_conda(context: Context, plan: EnginePlan) -> EnginePlan:
    """Say of a forced change what it is: not something new, but conda's package being overwritten."""
    changes = []
    for change in plan.changes:
        owner = _owner(context, change.package.name)
        if change.action is Action.INSTALL and change.before is None and owner is not None:
            version = next(
                version for name, version in owner.provides if name == canonicalize_name(change.package.name)
            )
            changes.append(replace(change, before=owner, action=_direction(version, change.package.version)))
        else:
            changes.append(change)
    return replace(plan, changes=tuple(changes))


def _direction(before: str, after: str) -> Action:
    try:
        old, new = Version(before), Version(after)
    except InvalidVersion:
        return Action.REINSTALL
    return Action.UPGRADE if new > old else Action.DOWNGRADE if new < old else Action.REINSTALL


def _keep_whole(
    context: Context, ask: Callable[..., EnginePlan], plan: EnginePlan, earlier: Sequence[Change]
) -> EnginePlan:
    """Let the resolver move packages that the plan would break, where it can; what stays broken becomes a blocker.

    Neither uv nor pip looks at who depends on what they move.
    """
    said = [change for change in earlier if change.requested and change.action is Action.REMOVE]
    wanted = set(breaks(context, said))  # no other version mends what is broken on purpose
    broken = [item for item in breaks(context, (*earlier, *plan.changes)) if item not in wanted]
    dependents = sorted({item.dependent.name for item in broken})
    if not dependents:
        return plan
    try:
        mended = ask(extra=dependents)
    except (CatalogError, ConflictError):
        return plan  # no way: the breaks become blockers
    if set(breaks(context, (*earlier, *mended.changes))) - wanted:
        return plan
    held_back = _held_back(plan, mended, broken)
    return replace(_not_asked_for(mended, broken_by=dependents), warnings=(*mended.warnings, *held_back))


def _held_back(plan: EnginePlan, mended: EnginePlan, broken: Sequence[Break]) -> Iterator[Notice]:
    """A word for each package that was asked for and stays behind because of others."""
    moving = {change.package.key: change.package.version for change in mended.changes}
    for change in plan.changes:
        now = change.before.version if change.before else ""
        version = moving.get(change.package.key, now)
        if change.requested and version != change.package.version:
            why = "; ".join(str(item) for item in broken)
            message = f"{change.package.name} goes no further than {version}: {why}"
            yield Notice(reference="held-back", message=message, packages=(change.package.name,))


def _not_asked_for(plan: EnginePlan, *, broken_by: Sequence[str]) -> EnginePlan:
    moved = {canonicalize_name(name) for name in broken_by}
    changes = [
        replace(change, requested=False, reason="moves along: it wouldn't work with the other changes")
        if canonicalize_name(change.package.name) in moved
        else change
        for change in plan.changes
    ]
    return replace(plan, changes=tuple(changes))

"""The conda step of a plan: what the conda engine is asked, and what becomes of specs it has no solution for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name

from jupyter_pkgmgr import names
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.model import Ecosystem, EnginePlan, Package, Verb
from jupyter_pkgmgr.model.errors import ConflictError, PkgError

from .assign import Assignment
from .context import Context
from .effects import conda_pins

__all__ = ["CondaStep", "ask_conda", "explain", "held_of", "owned_by", "plan_conda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaStep:
    """What the conda engine would do, and what is left for PyPI."""

    plan: EnginePlan | None
    moved: tuple[Assignment, ...] = ()
    """Specs that conda turned out to have no solution for."""
    conflict: ConflictError | None = None
    """Why they moved."""


def plan_conda(context: Context, assignments: Sequence[Assignment]) -> CondaStep:
    """Plan the conda step; specs that conda turns out to have no solution for, and that may, move to PyPI."""
    try:
        return CondaStep(plan=ask_conda(context, assignments))
    except ConflictError as error:
        conflict = error
    stubborn = _stubborn(context, [item for item in assignments if _may_move(context, item)])
    if not stubborn:
        return CondaStep(plan=_without_hold(context, assignments, conflict))
    moved = tuple(
        replace(
            item,
            ecosystem=Ecosystem.PYPI,
            name=item.spec.name,
            negotiable=False,
            reason="requested; the channels' builds don't fit this environment",
        )
        for item in stubborn
    )
    rest = [item for item in assignments if item not in stubborn]
    return CondaStep(plan=ask_conda(context, rest) if rest else None, moved=moved, conflict=conflict)


def _may_move(context: Context, item: Assignment) -> bool:
    """Whether PyPI may take a spec instead. Where the server's packages may be the reason, only what it surely has."""
    return item.negotiable and (not context.held_by_server or names.known_pypi(item.spec.name))


def _without_hold(context: Context, assignments: Sequence[Assignment], conflict: ConflictError) -> EnginePlan:
    """The plan that the server's packages stand in the way of: they become blockers with a name."""
    if not context.held_by_server:
        raise conflict
    try:
        return ask_conda(context, assignments, hold=False)
    except PkgError:
        raise conflict from None  # it isn't the hold


def _stubborn(context: Context, items: Sequence[Assignment]) -> list[Assignment]:
    """The specs that have no solution even alone: found by halves, because a long file has few of them."""
    if not items:
        return []
    try:
        ask_conda(context, items)
    except ConflictError:
        half = len(items) // 2
        return [*_stubborn(context, items[:half]), *_stubborn(context, items[half:])] if half else list(items)
    return []


def ask_conda(
    context: Context, assignments: Sequence[Assignment], extra: Sequence[str] = (), *, hold: bool = True
) -> EnginePlan:
    """Ask the conda engine for a plan: the assigned specs and ``extra`` MatchSpecs that nobody typed.

    With ``hold``, what the running server needs stays as it is.
    """
    choice = context.choose_engine(context, Ecosystem.CONDA)
    going = tuple(item.name for item in assignments if item.verb is Verb.REMOVE)
    staying = [item for item in assignments if item.verb is not Verb.REMOVE]
    verb = _verb(context, staying, extra)
    removing = verb is Verb.REMOVE
    request = EngineRequest(
        verb=verb,
        specs=going if removing else (*(item.text for item in staying), *extra),
        updates=tuple(item.name for item in staying if item.verb is Verb.UPDATE) if verb is Verb.INSTALL else (),
        removals=() if removing else going,
        installed=owned_by(context, Ecosystem.CONDA),
        held=(*context.settled, *(() if removing or not hold else held_of(context, Ecosystem.CONDA))),
        pins=() if removing else _pins(context),
        options=context.request.options,
        conda=context.conda_settings,
        reading=context.reading,
        indexes=context.index_settings,
    )
    context.tell(f"{choice.engine.name} solves with {context.channels}")
    plan = choice.engine.plan(context.environment, request, events=context.events, cancel=context.cancel)
    return explain(plan, {item.name: item.reason for item in assignments})


def _verb(context: Context, staying: Sequence[Assignment], extra: Sequence[str]) -> Verb:
    """What the engine is asked for: the request's other kinds of change may all be the other ecosystem's."""
    if context.request.updates_all or (staying and not extra and all(item.verb is Verb.UPDATE for item in staying)):
        return Verb.UPDATE
    return Verb.INSTALL if staying or extra else Verb.REMOVE


def _pins(context: Context) -> tuple[str, ...]:
    """The kernel's Python minor, and what PyPI packages need of conda's; a mere removal moves nothing it could pin."""
    if context.environment.python is None:
        return ()
    return (f"python {context.environment.python.minor}.*", *conda_pins(context))


def held_of(context: Context, ecosystem: Ecosystem) -> tuple[Package, ...]:
    """The packages of one ecosystem that the running server needs as they are."""
    return tuple(package for package in context.held_by_server.values() if package.ecosystem is ecosystem)


def owned_by(context: Context, ecosystem: Ecosystem) -> tuple[Package, ...]:
    """The installed packages of one ecosystem."""
    return tuple(package for package in context.inventory.packages if package.ecosystem is ecosystem)


def explain(plan: EnginePlan, reasons: Mapping[str, str]) -> EnginePlan:
    """Put the router's reason beside the changes that were asked for; the others keep their engine's."""
    known = {canonicalize_name(name): reason for name, reason in reasons.items()}
    changes = []
    for change in plan.changes:
        reason = known.get(canonicalize_name(change.package.name))
        changes.append(replace(change, requested=True, reason=reason) if reason else change)
    return replace(plan, changes=tuple(changes))

"""Apply a plan as a transaction: hold the environment, check that nothing changed since, run the steps, verify."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.environments import read_conda_settings
from jupyter_pkgmgr.inventory import Inventory, fingerprint, read_inventory
from jupyter_pkgmgr.model import Action, Cancellation, Environment, Event, EventKind, EventSink, Outcome, Phase, Plan
from jupyter_pkgmgr.model.errors import PlanBlockedError, PlanOutdatedError

from .incoming import look_into, numbered
from .kernel_stack import check_kernel_stack, stack_at_risk
from .limits import read_limits
from .locks import Owner, cache_lock
from .overwritten import at_risk, check_overwritten
from .touched import changed_in_place, going_away
from .transaction import hold, transaction
from .verify import verify

__all__ = ["apply_plan", "refuse_blocked"]

REPLANS = 3
"""How often a plan is made again under the lock, where only tools that know nothing of it can interfere."""
WITHOUT_CACHE_LOCK = frozenset({"conda", "mamba", "micromamba"})
"""Engines that may spoil their package cache when two of them fill it at the same time."""


def apply_plan(
    plan: Plan,
    engines: dict[str, Engine],
    before: Inventory,
    *,
    owner: Owner,
    events: EventSink,
    cancel: Cancellation,
    replan: Callable[[Plan], Plan] | None = None,
) -> Outcome:
    """Do what the plan says, all of it or nothing.

    Parameters
    ----------
    engines
        The engines that the steps name.
    before
        The inventory that the plan was made from.
    owner
        Who does it, for the history and for those who wait.
    replan
        Makes an outdated plan again. It is called while the environment is held, so that however many users
        change it at the same time, everybody's turn comes once, and none plans in vain.

    Raises
    ------
    PlanBlockedError
        If the plan has blockers.
    UsageError
        If the settings make no sense.
    PlanOutdatedError
        If the environment changed since the plan was made, and can't be made again.
    PkgError
        If anything goes wrong, the result not being what the plan said included; then everything is as it
        was before, and the message says so.
    """
    refuse_blocked(plan)
    read_limits()  # a setting that makes no sense is to be told now, not when all is done
    with hold(plan.environment, owner, events=events, cancel=cancel):
        plan, before = _current(plan, before, replan)
        if plan.is_empty:  # by now; somebody else has done it
            return Outcome(plan=plan, seconds=0.0, fingerprint=before.fingerprint)
        return _carry_out(plan, engines, before, owner=owner, events=events, cancel=cancel)


def _carry_out(
    plan: Plan,
    engines: dict[str, Engine],
    before: Inventory,
    *,
    owner: Owner,
    events: EventSink,
    cancel: Cancellation,
) -> Outcome:
    """The transaction itself, in an environment that is held and looks as it did when the plan was made."""
    started = time.monotonic()
    going = _files_that_go(plan, before)
    stands = stack_at_risk(plan, before, cancel)
    incoming = look_into(plan, before, engines, events=events, cancel=cancel)
    linked = (*going_away(plan, before), *at_risk(plan, before.environment, known=incoming.known), *incoming.files)
    with transaction(plan, owner, linked=linked, copied=changed_in_place(plan, before.environment)) as work:
        incoming.check()
        _run(plan, engines, owner, events, cancel)
        events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
        after = read_inventory(plan.environment)
        overwritten = check_overwritten(plan, before, after, work)
        verify(plan, before, after)
        if stands:
            check_kernel_stack(plan, after, cancel)
        work.fingerprint = after.fingerprint
    return Outcome(
        plan=plan,
        seconds=time.monotonic() - started,
        fingerprint=after.fingerprint,
        changed_files=(
            *(path for path, digest in going.items() if digest is None or digest != _digest(path)),
            *overwritten.files,
        ),
        transaction=work.id,
        warnings=(*overwritten.warnings, *work.warnings),
    )


def refuse_blocked(plan: Plan) -> None:
    """Raise what stands in the way of a plan, if anything does."""
    if plan.blockers:
        first, *rest = plan.blockers
        raise PlanBlockedError(
            first.message,
            reference=first.reference,
            context=tuple(notice.message for notice in rest),
            note=first.note,
            hint=first.hint,
        )


def _current(plan: Plan, before: Inventory, replan: Callable[[Plan], Plan] | None) -> tuple[Plan, Inventory]:
    """A plan for what is installed now, and that."""
    for attempt in range(REPLANS + 1):
        if fingerprint(plan.environment) == plan.fingerprint == before.fingerprint:
            return plan, before
        if replan is None or attempt == REPLANS:
            break
        plan = replan(plan)
        refuse_blocked(plan)
        before = read_inventory(plan.environment)
    raise PlanOutdatedError("the environment changed since the plan was made", hint="make the plan again")


def _run(plan: Plan, engines: dict[str, Engine], owner: Owner, events: EventSink, cancel: Cancellation) -> None:
    """Have the engines do their steps."""
    for number, step in enumerate(plan.steps):
        cancel.check()
        name = step.plan.engine
        events(Event(kind=EventKind.STEP, step=number, state="started", message=name))
        with _cache_held(name, plan.environment, owner, events, cancel):
            engines[name].apply(plan.environment, step.plan, events=numbered(events, number), cancel=cancel)
        events(Event(kind=EventKind.STEP, step=number, state="finished", message=name))


@contextlib.contextmanager
def _cache_held(
    engine: str, environment: Environment, owner: Owner, events: EventSink, cancel: Cancellation
) -> Iterator[None]:
    """Hold the package cache for an engine that doesn't do so itself; always after the environment, never before."""
    folders = read_conda_settings(environment).pkgs_dirs[:1] if engine in WITHOUT_CACHE_LOCK else ()
    with contextlib.ExitStack() as stack:
        for folder in folders:
            stack.enter_context(cache_lock(folder, owner, events=events, cancel=cancel))
        yield


def _files_that_go(plan: Plan, before: Inventory) -> dict[Path, bytes | None]:
    """Files that will be removed or replaced, with their digest where they may well come back as they were.

    Only a reinstallation is likely to: after it a kernel that has the package loaded needs no restart.
    """
    files: dict[Path, bytes | None] = {}
    for change in plan.changes:
        if change.before is not None and change.action is not Action.INSTALL:
            same = change.action is Action.REINSTALL
            files |= {path: _digest(path) if same else None for path in before.files(change.before)}
    return files


def _digest(path: Path) -> bytes | None:
    """The file's digest; ``None`` if it isn't there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None

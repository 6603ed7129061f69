"""Apply a plan: check that nothing changed since, run its steps in order, verify the result."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.inventory import Inventory, fingerprint, read_inventory
from jupyter_pkgmgr.model import Action, Cancellation, Event, EventKind, EventSink, Outcome, Phase, Plan
from jupyter_pkgmgr.model.errors import PlanBlockedError, PlanOutdatedError

from .verify import verify

__all__ = ["apply_plan"]


def apply_plan(
    plan: Plan,
    engines: dict[str, Engine],
    before: Inventory,
    *,
    events: EventSink,
    cancel: Cancellation,
) -> Outcome:
    """Do what the plan says.

    Parameters
    ----------
    engines
        The engines that the steps name.
    before
        The inventory that the plan was made from.

    Raises
    ------
    PlanBlockedError
        If the plan has blockers.
    PlanOutdatedError
        If the environment changed since the plan was made.
    VerificationError
        If the result isn't what the plan said.
    """
    if plan.blockers:
        raise PlanBlockedError(
            plan.blockers[0].message,
            reference=plan.blockers[0].reference,
            context=tuple(notice.message for notice in plan.blockers[1:]),
            hint=plan.blockers[0].hint,
        )
    if fingerprint(plan.environment) != plan.fingerprint:
        raise PlanOutdatedError("the environment changed since the plan was made", hint="make the plan again")
    started = time.monotonic()
    changed = _files_that_go(plan, before)
    for number, step in enumerate(plan.steps):
        cancel.check()
        events(Event(kind=EventKind.STEP, step=number, state="started", message=step.plan.engine))
        engine = engines[step.plan.engine]
        engine.apply(plan.environment, step.plan, events=_numbered(events, number), cancel=cancel)
        events(Event(kind=EventKind.STEP, step=number, state="finished", message=step.plan.engine))
    events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
    after = read_inventory(plan.environment)
    verify(plan, before, after)
    return Outcome(plan=plan, seconds=time.monotonic() - started, fingerprint=after.fingerprint, changed_files=changed)


def _numbered(events: EventSink, step: int) -> EventSink:
    """A sink that adds the step's number, which an engine doesn't know."""
    return lambda event: events(replace(event, step=step))


def _files_that_go(plan: Plan, before: Inventory) -> tuple[Path, ...]:
    return tuple(
        path
        for change in plan.changes
        if change.before is not None and change.action is not Action.INSTALL
        for path in before.files(change.before)
    )

"""Apply a plan: check that nothing changed since, run its steps in order, verify the result."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.inventory import Inventory, fingerprint, read_inventory
from jupyter_pkgmgr.model import Action, Cancellation, Event, EventKind, EventSink, Outcome, Phase, Plan
from jupyter_pkgmgr.model.errors import CancelledError, PkgError, PlanBlockedError, PlanOutdatedError

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
    going = _files_that_go(plan, before)
    try:
        for number, step in enumerate(plan.steps):
            cancel.check()
            events(Event(kind=EventKind.STEP, step=number, state="started", message=step.plan.engine))
            engine = engines[step.plan.engine]
            engine.apply(plan.environment, step.plan, events=_numbered(events, number), cancel=cancel)
            events(Event(kind=EventKind.STEP, step=number, state="finished", message=step.plan.engine))
    except PkgError as error:
        raise _with_state(error, before) from error
    events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
    after = read_inventory(plan.environment)
    verify(plan, before, after)
    return Outcome(
        plan=plan,
        seconds=time.monotonic() - started,
        fingerprint=after.fingerprint,
        changed_files=tuple(path for path, digest in going.items() if digest is None or digest != _digest(path)),
    )


def _with_state(error: PkgError, before: Inventory) -> PkgError:
    """The same error, with what it left behind: an engine that fails may have done half of its work."""
    after = read_inventory(before.environment)
    was = {package.key: package.version for package in before.packages}
    now = {package.key: package.version for package in after.packages}
    done = [f"{name} {version} was installed" for (_, name), version in now.items() - was.items()]
    done += [f"{name} was removed" for (_, name) in was.keys() - now.keys()]
    if isinstance(error, CancelledError):
        error.message = "stopped; some changes were made" if done else "stopped; nothing was changed"
    error.context = (*error.context, *sorted(done))
    if done and error.hint is None:
        error.hint = "%pkg doctor looks whether what is there is whole"
    return error


def _numbered(events: EventSink, step: int) -> EventSink:
    """A sink that adds the step's number, which an engine doesn't know."""
    return lambda event: events(replace(event, step=step))


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

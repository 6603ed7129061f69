"""Take back what an interrupted transaction did, before the environment is used again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_pkgmgr.engines.guard import wait_for_worker
from jupyter_pkgmgr.model import Cancellation, Environment, Event, EventKind, EventSink, Notice
from jupyter_pkgmgr.model.errors import CancelledError, PkgError

from .history import Entry, Result
from .journal import Journal, is_ended, put_away, read_journal
from .locks import Owner, prefix_lock
from .rollback import explained, rollback
from .settling import has_reached_the_disk, is_from_another_boot, revoke, settle, settled
from .state import State, state_of

__all__ = ["Recovered", "is_unfinished", "recover", "recover_locked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """An interrupted transaction that was taken back."""

    entry: Entry
    aside: tuple[Path, ...] = ()
    """What was there beside, and was moved out of the way instead of deleted."""
    revoked: bool = False
    """Whether it had been committed, and the machine then stopped too soon."""

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        when = self.entry.started.replace("T", " ").removesuffix("+00:00")
        what = f"{self.entry.command or 'a change'} of {when} UTC by {self.entry.user or 'somebody'}"
        end = "was not on the disk yet when the machine stopped" if self.revoked else "was interrupted"
        where = f"; what was added beside it is in {self.aside[0].parent}" if self.aside else ""
        return f"{what} {end}; everything is as it was before it{where}"

    @property
    def notice(self) -> Notice:
        """The same as a warning of the plan that is made next."""
        return Notice(reference="recovered", message=self.message)


def recover(
    environment: Environment, owner: Owner, *, events: EventSink, cancel: Cancellation, wait: bool = True
) -> Recovered | None:
    """Take back an interrupted transaction if there is one. Otherwise this costs next to nothing.

    Parameters
    ----------
    wait
        Whether to wait for a transaction that is still under way in another process or thread. Who only reads
        needn't: what is unfinished then is nobody's to take back.

    Raises
    ------
    PkgError
        If it can't be taken back now.
    """
    if not is_unfinished(environment):
        return None
    if wait:
        with prefix_lock(environment, owner, events=events, cancel=cancel):
            return recover_locked(environment, events=events)
    impatient = Cancellation()

    def stop_waiting(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            impatient.cancel()

    try:
        with prefix_lock(environment, owner, events=stop_waiting, cancel=impatient):
            return recover_locked(environment, events=events)
    except CancelledError:
        return None


def is_unfinished(environment: Environment) -> bool:
    """Whether a transaction is under way, or was interrupted, or was committed before the machine last stopped."""
    state = state_of(environment)
    if state.journal.exists():
        return True
    try:
        last = read_journal(state, state.settling)
    except PkgError:
        return True
    return last is not None and is_from_another_boot(last)


def recover_locked(environment: Environment, *, events: EventSink) -> Recovered | None:
    """The same for who holds the environment's lock. Afterwards all that was committed is on the disk.

    Raises
    ------
    PkgError
        If it can't be taken back now.
    """
    state = state_of(environment)
    journal = read_journal(state, state.journal)
    try:
        if journal is not None and is_ended(state, journal):
            put_away(state)
            journal = None
        recovered = _interrupted(environment, state, journal) if journal else None
        last = read_journal(state, state.settling)
        if last is not None:
            recovered = _committed(environment, state, last) or recovered
    except OSError as error:
        raise explained(error, "an interrupted change can't be ended") from error
    if recovered is not None:
        events(Event(kind=EventKind.MESSAGE, level="warning", message=recovered.message))
    return recovered


def _interrupted(environment: Environment, state: State, journal: Journal) -> Recovered:
    """Take back a transaction that wasn't decided."""
    wait_for_worker(environment.prefix)
    restored = rollback(
        state, journal, result=Result.RECOVERED, message="interrupted; the next use of the environment took it back"
    )
    return Recovered(entry=journal.entry, aside=restored.aside)


def _committed(environment: Environment, state: State, journal: Journal) -> Recovered | None:
    """See to it that what was committed is on the disk; if the machine stopped before it was, take it back."""
    if not is_from_another_boot(journal):
        settle(state, journal)
    elif has_reached_the_disk(state, journal):
        settled(state, journal)
    else:
        revoke(state, journal)
        return replace(_interrupted(environment, state, journal), revoked=True)
    return None

"""Take back what an interrupted transaction did, before the environment is used again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from jupyter_pkgmgr.engines.guard import wait_for_worker
from jupyter_pkgmgr.inventory import fingerprint
from jupyter_pkgmgr.model import Cancellation, Environment, Event, EventKind, EventSink, Notice, ignore_events
from jupyter_pkgmgr.model.errors import CancelledError, EnvironmentProblem, PkgError

from .commit import commit
from .history import Entry, Result
from .journal import Journal, copy_of, is_ended, put_away, read_journal, seen_alive
from .locks import Lock, Owner, living_holder, moment, prefix_lock, who_changes
from .manifest import Manifest
from .rollback import Restored, explained, rollback
from .settling import has_reached_the_disk, is_from_another_boot, revoke, settle, settled
from .snapshot import Snapshot
from .spared import is_finished, overtaken
from .state import State, state_of

__all__ = [
    "Recovered",
    "attempt_recovery",
    "awaited_lock",
    "being_changed",
    "is_unfinished",
    "recover",
    "recover_locked",
]

FINISHED = "all of it is there, as its tool went on and finished it"
"""What is said of a change whose engine outlived whoever began it."""
_FACTS = 10
"""How many facts of an error one sentence has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """An interrupted transaction that was taken back."""

    entry: Entry
    restored: Restored | None
    """``None`` if it was committed instead: its engine had finished all of it by itself, long after."""
    revoked: bool = False
    """Whether it had been committed, and the machine then stopped too soon."""

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        what = _described(self.entry)
        if self.restored is None:
            return f"{what} was interrupted, but {FINISHED}; %pkg undo takes it back"
        end = "was not on the disk yet when the machine stopped" if self.revoked else "was interrupted"
        return "; ".join((f"{what} {end}; everything is as it was before it", *self.restored.remarks))

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
        with awaited_lock(environment, owner, events=events, cancel=cancel):
            return recover_locked(environment, events=events)
    impatient = Cancellation()

    def stop_waiting(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            seen_alive(state_of(environment))
            impatient.cancel()

    try:
        with prefix_lock(environment, owner, events=stop_waiting, cancel=impatient):
            return recover_locked(environment, events=events)
    except CancelledError:
        return None


def attempt_recovery(
    environment: Environment, owner: Owner, *, events: EventSink = ignore_events
) -> tuple[Recovered | None, Notice | None]:
    """Take back what was interrupted, for who only reads: nobody is waited for, and nothing that can't be is raised.

    Returns what was taken back, and why what is read now may be half of a change.
    """
    try:
        recovered = recover(environment, owner, events=events, cancel=Cancellation(), wait=False)
    except PkgError as error:
        if living_holder(environment) is not None:  # this user may not ask for the lock
            return None, being_changed(environment)
        facts = "; ".join(error.context[:_FACTS])
        return None, Notice(
            reference="unfinished-transaction",
            message=f"an interrupted change can't be taken back: {': '.join(filter(None, (error.message, facts)))}",
            hint=error.hint,
        )
    return recovered, being_changed(environment)


def being_changed(environment: Environment) -> Notice | None:
    """What to say with what is read while somebody changes it, or while what they left running does."""
    if not is_unfinished(environment):
        return None
    message = f"{who_changes(environment)}, so what is shown may be half of that"
    return Notice(reference="being-changed", message=message, hint="look again when that has ended")


@contextlib.contextmanager
def awaited_lock(environment: Environment, owner: Owner, *, events: EventSink, cancel: Cancellation) -> Iterator[Lock]:
    """The environment's lock; if it had to be waited for, somebody was at work until this moment."""
    waited = False

    def notice(event: Event) -> None:
        nonlocal waited
        waited |= event.kind is EventKind.WAITING
        events(event)

    with prefix_lock(environment, owner, events=notice, cancel=cancel) as lock:
        if waited:
            seen_alive(state_of(environment))
        yield lock


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
    if (finished := _finished(environment, replace(state, roots=journal.roots), journal)) is not None:
        return Recovered(entry=finished, restored=None)
    restored = rollback(
        state, journal, result=Result.RECOVERED, message="interrupted; the next use of the environment took it back"
    )
    return Recovered(entry=journal.entry, restored=restored)


def _finished(environment: Environment, state: State, journal: Journal) -> Entry | None:
    """The entry of a transaction that isn't to be taken back any more, as all of it was done meanwhile.

    Raises
    ------
    EnvironmentProblem
        Where going back would take away, or break, what others have done since the interruption.
    """
    folder = state.of(journal.id)
    manifest, snapshot = Manifest.load(folder), Snapshot.load(folder)
    if manifest is None or snapshot is None:
        return None  # the rollback says so
    lines = overtaken(state, journal, manifest, snapshot)
    if not lines:
        return None
    if is_finished(state, journal, manifest):
        entry = replace(journal.entry, message=FINISHED, fingerprint=fingerprint(environment))
        commit(state, journal, manifest, snapshot, entry)
        return entry
    raise EnvironmentProblem(
        f"{_described(journal.entry)} was interrupted, and others have changed the same packages since",
        reference="overtaken",
        context=lines,
        note="nothing is touched: what is there may be half of it, and going back would undo theirs as well",
        hint=f"to keep what is there: delete {state.journal}, then %pkg doctor; "
        f"to go back to before it all the same: delete {copy_of(state, journal)}",
    )


def _described(entry: Entry) -> str:
    return f"{entry.command or 'a change'} of {moment(entry.started)} by {entry.user or 'somebody'}"


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

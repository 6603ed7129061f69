"""What is wrong in an environment: its packages, their files, and what was done to it behind our back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from jupyter_pkgmgr.inventory import Inventory, Problem, altered_files, missing_files, read_inventory
from jupyter_pkgmgr.model import Cancellation, Ecosystem, Environment, EventSink, Package, ignore_events

from .history import ENTRY, Entry, Result, in_force, read_entries, read_files, signature
from .locks import Owner
from .recover import attempt_recovery
from .state import State, state_of
from .verify import installed

__all__ = ["examine"]

_NAMED = 10
"""How many packages a message names."""


def examine(
    environment: Environment,
    owner: Owner,
    *,
    files: bool = False,
    events: EventSink = ignore_events,
    cancel: Cancellation | None = None,
) -> tuple[Problem, ...]:
    """Everything that is wrong, each with what mends it. Waits for nobody.

    Parameters
    ----------
    owner
        Who asks: an interrupted transaction is taken back first, as by every use of the environment.
    files
        Read every file and hold it against the hash that was recorded for it. Otherwise only those are read that
        look changed since one of our transactions put them there.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    cancel = cancel or Cancellation()
    unfinished = tuple(_unfinished(environment, owner, events))
    inventory = read_inventory(environment)
    state = state_of(environment)
    entries = read_entries(environment)
    return (
        *unfinished,
        *_changed_since(state, entries, inventory),
        *inventory.problems,
        *missing_files(inventory),
        *(altered_files(inventory, cancel=cancel) if files else _altered(state, entries, inventory)),
        *inventory.broken_dependencies(),
        *_damaged(state, entries),
        *_set_aside(state),
    )


def _unfinished(environment: Environment, owner: Owner, events: EventSink) -> Iterator[Problem]:
    """What became of an interrupted transaction, or who is changing the environment."""
    recovered, notice = attempt_recovery(environment, owner, events=events)
    if recovered is not None:
        command = " ".join(recovered.entry.command.split())
        yield Problem(reference=recovered.notice.reference, message=recovered.message, hint=f"to try again: {command}")
    if notice is not None:
        yield Problem(
            reference=notice.reference,
            message=notice.message,
            path=state_of(environment).journal,
            hint=notice.hint or "%pkg list tries again, as does every other command",
        )


def _damaged(state: State, entries: Sequence[Entry]) -> Iterator[Problem]:
    """Entries of the history that can't be read, so that nobody can tell what they did or undo it."""
    for entry in entries:
        if entry.result is Result.UNREADABLE:
            yield Problem(
                reference="unreadable-entry",
                message=f"what the history has of {entry.id} can't be read: {entry.message}",
                path=state.of(entry.id),
                hint=f"delete {state.of(entry.id)}",
            )


def _set_aside(state: State) -> Iterator[Problem]:
    """Files that a rollback did not dare to delete."""
    count = sum(len(names) for _, _, names in os.walk(state.aside))
    if count:
        yield Problem(
            reference="set-aside",
            message=f"{count} {'file' if count == 1 else 'files'} that no transaction had made "
            f"{'was' if count == 1 else 'were'} moved to {state.aside}",
            path=state.aside,
            hint=f"take from there what you need, then delete {state.aside}",
        )


# --- behind our back -----------------------------------------------------------------------------------------------


def _altered(state: State, entries: Sequence[Entry], inventory: Inventory) -> Iterator[Problem]:
    """Files that look changed since a transaction of ours, and are."""
    if touched := _touched(state, entries):
        place = state.places()
        yield from altered_files(inventory, only=lambda path: place(path) in touched)


def _touched(state: State, entries: Sequence[Entry]) -> frozenset[str]:
    """The places that have another stat now than the last of our transactions left there; what is gone isn't."""
    standing = in_force(entries)
    seen: set[str] = set()
    touched: set[str] = set()
    for entry in entries:
        files = read_files(state.of(entry.id)) if entry.id in standing else None
        for place, left in files.left.items() if files else ():
            if place in seen:
                continue
            seen.add(place)
            now = signature(state.path(place))
            if left is not None and now is not None and now != left:
                touched.add(place)
    return frozenset(touched)


def _changed_since(state: State, entries: Sequence[Entry], inventory: Inventory) -> Iterator[Problem]:
    """Packages that another tool has changed since the last of our transactions."""
    newest = next((entry for entry in entries if entry.committed), None)
    if newest is None or newest.fingerprint in ("", inventory.fingerprint):
        return
    wanted, lines = _missed(entries, inventory)
    others = [
        package
        for package in _newer(inventory, (state.of(newest.id) / ENTRY).stat().st_mtime_ns)
        if package.key not in {other.key for other in wanted}
    ]
    lines += [f"{package.name} {package.version} was installed" for package in others]
    shown = f": {', '.join(lines[:_NAMED])}{' …' if len(lines) > _NAMED else ''}" if lines else ""
    back = " ".join(f"{package.ecosystem}::{package.name}=={package.version}" for package in wanted)
    yield Problem(
        reference="changed-since",
        message=f"something else has changed this environment since "
        f"{' '.join(newest.command.split()) or newest.id}{shown}",
        packages=tuple(package.name for package in (*wanted, *others)),
        hint=f"to have it as it was: %pkg install {back}" if back else "%pkg history shows what was done through %pkg",
    )


def _missed(entries: Sequence[Entry], inventory: Inventory) -> tuple[list[Package], list[str]]:
    """Packages that our transactions left and that aren't there so any more, and what became of each."""
    standing = in_force(entries)
    left: dict[tuple[Ecosystem, str], Package | None] = {}
    for entry in entries:  # the newest first: the last word on each package
        for change in reversed(entry.changes) if entry.id in standing else ():
            left.setdefault(change.package.key, change.after)
    wanted, lines = [], []
    for package in filter(None, left.values()):
        now = installed(inventory, package)
        if now is None or now.version != package.version:
            wanted.append(package)
            became = f"is {now.version} now" if now else "is gone"
            lines.append(f"{package.name} {package.version} {became}")
    return wanted, lines


def _newer(inventory: Inventory, time_ns: int) -> Iterator[Package]:
    """Packages that were installed after a moment, by the file that every installation writes anew."""
    for package in inventory.packages:
        if package.location is None:
            continue
        record = package.location / "RECORD" if package.location.suffix == ".dist-info" else package.location
        try:
            if record.stat().st_mtime_ns > time_ns:
                yield package
        except OSError:  # it was removed meanwhile, or has no RECORD, which is a problem of its own
            continue

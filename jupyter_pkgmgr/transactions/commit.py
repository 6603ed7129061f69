"""Commit: decide that a transaction has done what it was to do."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from .history import Entry, FileChanges, Result, file_changes
from .journal import Journal, finish
from .manifest import Manifest
from .snapshot import Snapshot
from .spared import Claims
from .state import State

__all__ = ["commit"]


def commit(state: State, journal: Journal, manifest: Manifest, snapshot: Snapshot, entry: Entry) -> None:
    """End a transaction with all that was changed in place. Needs the environment's lock.

    Parameters
    ----------
    manifest, snapshot
        What was there before, and what was kept of it.
    entry
        What the history is to say; its result and the room that the snapshot takes are filled in.

    Raises
    ------
    OSError
        If it can't be written; then nothing is decided.
    """
    folder = state.of(journal.id)
    after = Manifest.scan(state, known=manifest)
    added, _ = manifest.diff(after)
    others = Claims(state, journal, manifest, after, added, snapshot).divide().left
    changes = file_changes(state, folder, manifest, after, snapshot, others=others)
    finish(state, replace(entry, result=Result.COMMITTED, snapshot_bytes=_room_of(snapshot, changes)), changes)
    with contextlib.suppress(OSError):  # it only saves time
        after.save(state.folder)


def _room_of(snapshot: Snapshot, changes: FileChanges) -> int:
    """What a snapshot takes on the disk: a link to a file that is still in its place takes nothing."""
    gone = {*changes.replaced, *changes.removed}
    return sum(kept.size for kept in snapshot.files if kept.place in gone)

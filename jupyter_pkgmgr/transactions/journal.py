"""The journal: a file that exists while a transaction is unfinished, and says what has to be taken back.

Why whatever stops us, whenever, leaves the state before or the state after within reach:

1. Everything that a rollback needs is on the disk before the journal is: ``before/`` (links, copies and their
   index), ``manifest``, a copy of the journal and ``journal.json`` under another name are written, and then synced
   all at once, with the folders they lie in. Only then is ``journal.json`` given its name, and its folder synced.
   Nothing in the environment has been changed until then, so a stop before the rename needs no repair: without a
   journal a folder without ``entry.json`` is a preparation that came to nothing, and the next transaction drops it.
2. From the rename on, until ``entry.json`` is there, a stop is answered by a rollback. It compares the disk with the
   manifest and the snapshot, neither of which it changes, and brings each path to what they say by one step that is
   whole or not at all (unlink, mkdir, rename over the place). A rollback that is stopped is therefore begun again
   from the start, and does what is left. Temporary files of its own aren't in the manifest: the next one deletes
   them like any other addition.
3. ``entry.json`` is the one point that decides. It appears by a rename: as ``committed`` after the changes were
   verified and ``files.json`` was written, or as rolled back after every folder that the rollback touched was synced.
   A journal whose transaction has an entry is finished, and is put away as ``settling.json``.
4. Only the holder of the environment's lock writes any of it. The kernel gives the lock back when the last process
   that has its descriptor is gone, engines included, so nobody rolls back under an engine's hands.

While it is alive, a transaction renews the time of the journal's copy in its folder, and so does whoever waits for
the lock; what was installed later than that is somebody else's, which :func:`.spared.overtaken` looks for.

So far for a process that is killed: what it wrote, the system has. When the power goes the disk has what was synced:
before the engine begins that is all of 1, and a rollback finds what it needs. What engines install nobody has synced
when the entry says committed; until it is on the disk, what 1 wrote stays, and :mod:`.settling` says what for. The
guarantee then is all or nothing of each change, not that the one of the last moments is there: the history says so.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.model import SCHEMA, to_json
from jupyter_pkgmgr.model.errors import EnvironmentProblem, PkgError

from .history import ENTRY, Entry, FileChanges, slim, write_entry, write_files
from .state import State, sync_folder, write_durably

__all__ = [
    "Journal",
    "alive",
    "copy_of",
    "finish",
    "is_ended",
    "last_alive",
    "put_away",
    "read_journal",
    "remove_journal",
    "seen_alive",
    "write_journal",
]

_COPY = "journal.json"
_BEAT = 1.0
"""Seconds after which a transaction tells again that it is alive."""
_SILENCE = 10_000_000_000
"""Nanoseconds without a word after which it isn't: an engine may outlive us unseen, but hardly for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """An unfinished transaction."""

    entry: Entry
    """What the history will say of it, as far as it was known at its beginning."""
    pid: int
    kind: str
    """The environment's."""
    base: str
    roots: tuple[str, ...]
    boot: str = ""
    """The boot of the machine in which it began."""
    caches: tuple[str, ...] = ()
    """The folders that have conda's packages unpacked, or will have them."""
    caches_there: tuple[str, ...] = ()
    """Those of them that were there when it began: one that isn't there any more had been emptied since."""
    inode: int = 0
    """Of the transaction's folder: in a copy of the environment it is another one."""

    @property
    def id(self) -> str:
        """The transaction's name."""
        return self.entry.id


def write_journal(state: State, journal: Journal, *, after: Iterable[Path]) -> None:
    """Begin: from now on a rollback is due until the transaction has ended. The last step of the preparation.

    Parameters
    ----------
    after
        What a rollback needs; brought to the disk before the journal gets its name.
    """
    entry = replace(journal.entry, changes=tuple(map(slim, journal.entry.changes)))
    data = msgspec.json.encode({"schema": SCHEMA, **to_json(replace(journal, entry=entry))})
    folder = state.of(journal.id)
    (folder / _COPY).write_bytes(data)  # of use when the journal is damaged by hand; that doesn't need a sync
    write_durably(state.journal, data, after=(*after, folder, state.transactions))


def read_journal(state: State, path: Path) -> Journal | None:
    """What :attr:`State.journal` or :attr:`State.settling` says; ``None`` if it isn't there: one failed ``open``.

    Raises
    ------
    EnvironmentProblem
        If there is one, but neither the journal nor the copy in its folder can be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _damaged(state, path, error.strerror or str(error)) from error
    try:
        return _decode(data)
    except _UNREADABLE as error:
        newest = max(_folders(state), default=None, key=lambda folder: folder.name)
        if newest is None:
            raise _damaged(state, path, str(error)) from error
        try:
            return _decode((newest / _COPY).read_bytes())
        except (OSError, *_UNREADABLE) as second:
            raise _damaged(state, path, str(second)) from second


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, KeyError, TypeError)


def _decode(data: bytes) -> Journal:
    document = msgspec.json.decode(data)
    version = document.pop("schema")
    if version != SCHEMA:
        raise msgspec.ValidationError(f"its version is {version}, this program reads {SCHEMA}")
    return msgspec.convert(document, Journal, dec_hook=_path)


def _path(type_: type, value: Any) -> Any:
    return type_(value)


def _folders(state: State) -> list[Path]:
    return [path for path in state.transactions.iterdir() if path.is_dir()] if state.transactions.is_dir() else []


def _damaged(state: State, path: Path, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"a change of {state.base} was interrupted, and its journal can't be read",
        reference="journal-damaged",
        context=(f"{path}: {why}",),
        note="what is there now may be half of the change; nothing is touched",
        hint="delete that file to go on with what is there, then %pkg doctor",
    )


# --- alive ---------------------------------------------------------------------------------------------------------


def copy_of(state: State, journal: Journal) -> Path:
    """The journal's copy, whose time tells when the transaction was alive last."""
    return state.of(journal.id) / _COPY


@contextlib.contextmanager
def alive(state: State, journal: Journal) -> Iterator[None]:
    """Tell, as long as the block runs, that the transaction is alive."""
    copy, over = copy_of(state, journal), threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT):
            _renew(copy)

    thread = threading.Thread(target=beat, name="transaction-alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _renew(copy)


def seen_alive(state: State) -> None:
    """Tell that somebody holds the lock: an engine, perhaps, that outlived the process which began it."""
    with contextlib.suppress(PkgError):  # a damaged journal is told by who gets the lock
        journal = read_journal(state, state.journal)
        if journal is not None:
            _renew(copy_of(state, journal))


def _renew(copy: Path) -> None:
    with contextlib.suppress(OSError):  # a disk that has gone read-only: its time is what it was
        os.utime(copy)


def last_alive(state: State, journal: Journal) -> int | None:
    """The time, in nanoseconds, after which what is written is surely no work of the transaction.

    ``None`` where no time tells: without the copy, and in a copy of the environment, where all times are new.
    """
    try:
        if state.of(journal.id).stat().st_ino != journal.inode:
            return None
        return copy_of(state, journal).stat().st_mtime_ns + _SILENCE
    except OSError:
        return None


def is_ended(state: State, journal: Journal) -> bool:
    """Whether the transaction has been decided already, and only its journal is left."""
    return (state.of(journal.id) / ENTRY).exists()


def finish(state: State, entry: Entry, files: FileChanges) -> None:
    """Commit: write the entry, which decides, then put the journal away. Nothing is synced: see :mod:`.settling`."""
    folder = state.of(entry.id)
    write_files(folder, files)
    write_entry(folder, entry, durably=False)
    put_away(state)


def put_away(state: State) -> None:
    """End a transaction that has been decided; its journal is kept until what it did is on the disk."""
    with contextlib.suppress(FileNotFoundError):
        state.journal.replace(state.settling)


def remove_journal(state: State) -> None:
    """Remove the journal of a transaction that has been decided."""
    state.journal.unlink(missing_ok=True)
    sync_folder(state.folder)

"""What was done to an environment: one entry a transaction, the files it changed, and how long snapshots are kept.

A transaction's folder holds ``entry.json`` (:class:`Entry`), ``files.json`` (:class:`FileChanges`) and, while it
can be undone, ``before/``. Entries stay for good; snapshots are dropped by count and by size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.model import SCHEMA, Change, Environment, Package, to_json

from .manifest import Manifest
from .snapshot import BEFORE, Snapshot, is_unchanged, remove_tree
from .state import State, state_of, write_durably

__all__ = [
    "Entry",
    "FileChanges",
    "Result",
    "Signature",
    "file_changes",
    "in_force",
    "prune",
    "read_entries",
    "read_files",
    "signature",
    "slim",
    "write_entry",
    "write_files",
]

ENTRY, FILES = "entry.json", "files.json"
_DROPPED = f"{BEFORE}.dropped"
KEEP = 20
"""Snapshots that are kept."""
MAX_BYTES = 2 * 1024**3
"""Bytes that all snapshots together may hold."""


class Result(StrEnum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled-back"
    """It failed, by itself or in the verification, and everything is as it was before."""
    CANCELLED = "cancelled"
    """The user stopped it, and everything is as it was before."""
    FAILED = "failed"
    """It failed, and not everything could be put back."""
    RECOVERED = "recovered"
    """Its process died; the next one put everything back."""
    UNREADABLE = "unreadable"
    """Its entry is damaged, or of a newer version of this program."""


_PUT_BACK = {Result.ROLLED_BACK, Result.CANCELLED, Result.RECOVERED}
"""The results whose snapshot nobody needs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction as the history keeps it."""

    id: str
    started: str
    """ISO 8601, UTC."""
    seconds: float = 0.0
    user: str = ""
    host: str = ""
    face: str = ""
    """``kernel``, ``terminal``, …"""
    command: str = ""
    """What was typed, redacted."""
    job: str = ""
    """The job that it was part of, where there was one."""
    prefix: str = ""
    changes: tuple[Change, ...] = ()
    result: Result = Result.COMMITTED
    message: str = ""
    """Why it didn't end well."""
    undoes: tuple[str, ...] = ()
    """The transactions that this one took back."""
    fingerprint_before: str = ""
    fingerprint: str = ""
    """Of the inventory that it left: if the environment has another one now, somebody else changed it since."""
    snapshot_bytes: int = 0
    has_snapshot: bool = False
    """Whether its ``before/`` is still there. Looked at when read, whatever the file says."""

    @property
    def committed(self) -> bool:
        """Whether what it did is in the environment, unless undone since."""
        return self.result is Result.COMMITTED


class Signature(msgspec.Struct, frozen=True, array_like=True):
    """What tells whether a path is still what a transaction left there, without reading it."""

    type: str
    """``file``, ``link``, ``directory`` or ``other``."""
    mode: int = 0
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    """Where a symbolic link points."""


class FileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The places that a transaction changed, with what it left there."""

    schema: int = SCHEMA
    added: dict[str, Signature] = {}
    replaced: dict[str, Signature] = {}
    removed: tuple[str, ...] = ()
    removed_folders: dict[str, int] = {}
    """Folders that it removed, with the mode that each had."""

    @property
    def left(self) -> dict[str, Signature | None]:
        """What every place looked like when the transaction ended; ``None`` where it left nothing."""
        return {**dict.fromkeys((*self.removed, *self.removed_folders)), **self.added, **self.replaced}


def signature(path: str | os.PathLike[str]) -> Signature | None:
    """What is there now; ``None`` if nothing is."""
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return Signature("link", target=os.readlink(path))  # noqa: PTH115  called for thousands of paths
    except (FileNotFoundError, NotADirectoryError):
        return None
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode):
        return Signature("directory", mode)
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return Signature(kind, mode, found.st_size, found.st_mtime_ns)


def file_changes(state: State, transaction: Path, before: Manifest, after: Manifest, snapshot: Snapshot) -> FileChanges:
    """What a transaction did to the files; bytecode aside, which Python makes and drops as it likes.

    Parameters
    ----------
    transaction
        Its folder.
    before, after
        The manifests from before and after it.
    snapshot
        What it kept.
    """
    added, removed = before.diff(after)
    here = {place: signature(state.path(place)) for place in added}
    for kept in snapshot.files:
        if kept.place in after and not is_unchanged(state, transaction, kept):
            here[kept.place] = signature(state.path(kept.place))
    new = set(added)
    return FileChanges(
        added={place: found for place, found in here.items() if found is not None and place in new},
        replaced={place: found for place, found in here.items() if found is not None and place not in new},
        removed=tuple(place for place in removed if place not in before.folders),
        removed_folders={place: before.folders[place].mode for place in removed if place in before.folders},
    )


# --- reading and writing -------------------------------------------------------------------------------------------


def slim(change: Change) -> Change:
    """The change without what only a plan needs (dependencies, summaries, …): what the history keeps of it."""
    return replace(change, before=_slim(change.before), after=_slim(change.after))


def _slim(package: Package | None) -> Package | None:
    if package is None:
        return None
    return replace(package, depends=(), summary="", license="", size=None, location=None)


def write_entry(folder: Path, entry: Entry, *, after: Iterable[Path] = ()) -> None:
    """Write a transaction's ``entry.json``; on the disk when it returns, as is what had to be there before it."""
    document = {"schema": SCHEMA, **to_json(replace(entry, changes=tuple(map(slim, entry.changes))))}
    write_durably(folder / ENTRY, msgspec.json.encode(document), after=after)


def write_files(folder: Path, files: FileChanges) -> None:
    """Write a transaction's ``files.json``, which is of no meaning before the entry is there: that one syncs it."""
    (folder / FILES).write_bytes(msgspec.json.encode(files))


def read_files(folder: Path) -> FileChanges | None:
    """A transaction's ``files.json``; ``None`` if it is gone, damaged or of a version we don't know."""
    try:
        files = msgspec.json.decode((folder / FILES).read_bytes(), type=FileChanges)
    except (OSError, msgspec.DecodeError):
        return None
    return files if files.schema == SCHEMA else None


def read_entries(environment: Environment) -> tuple[Entry, ...]:
    """Everything that was done to the environment through us, newest first."""
    return tuple(_read_entry(folder) for folder in _ended(state_of(environment)))


def in_force(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of those, of entries newest first, whose changes stand: committed, and not undone by one that stands."""
    standing: set[str] = set()
    undone: set[str] = set()
    for entry in entries:
        if entry.committed and entry.id not in undone:
            standing.add(entry.id)
            undone |= set(entry.undoes)
    return frozenset(standing)


def _ended(state: State) -> list[Path]:
    """The folders of the transactions that have ended, newest first: their names sort by time."""
    try:
        folders = sorted(state.transactions.iterdir(), reverse=True)
    except FileNotFoundError:
        return []
    return [folder for folder in folders if (folder / ENTRY).exists()]


def _read_entry(folder: Path) -> Entry:
    """One entry; a damaged one says so in its place, so that it neither hides nor breaks the others."""
    try:
        document = msgspec.json.decode((folder / ENTRY).read_bytes(), type=dict[str, Any])
        version = document.pop("schema")
        if version != SCHEMA:
            raise msgspec.ValidationError(f"its version is {version}, this program reads {SCHEMA}")
        entry = msgspec.convert(document, Entry, dec_hook=_path)
    except (OSError, msgspec.DecodeError, KeyError) as error:
        return Entry(id=folder.name, started="", result=Result.UNREADABLE, message=f"entry.json can't be read: {error}")
    return replace(entry, id=folder.name, has_snapshot=(folder / BEFORE).is_dir())


def _path(type_: type, value: Any) -> Any:
    return type_(value)


# --- how long snapshots are kept -----------------------------------------------------------------------------------


def prune(environment: Environment, *, keep: int = KEEP, max_bytes: int = MAX_BYTES) -> tuple[str, ...]:
    """Drop the oldest snapshots, never that of the newest committed transaction; returns whose were dropped."""
    folders = _ended(state_of(environment))
    kept = [folder for folder in folders if (folder / BEFORE).is_dir()]
    dropped = tuple(_superfluous(map(_read_entry, kept), keep=keep, max_bytes=max_bytes))
    for folder in folders:
        # Renamed first: a snapshot that is half gone must not look like one that can be used.
        gone = folder / _DROPPED
        if folder.name in dropped:
            (folder / BEFORE).rename(gone)
        if gone.is_dir():
            remove_tree(os.fspath(gone))
    return dropped


def _superfluous(entries: Iterable[Entry], *, keep: int, max_bytes: int) -> Iterator[str]:
    """The ids of those, of entries newest first, whose snapshot is one too many."""
    kept = size = 0
    committed = False
    for entry in entries:
        if entry.result in _PUT_BACK:
            yield entry.id
            continue
        newest = entry.committed and not committed
        committed |= entry.committed
        kept += 1
        size += entry.snapshot_bytes
        if not newest and (kept > keep or size > max_bytes):
            yield entry.id

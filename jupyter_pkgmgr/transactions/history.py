"""What was done to an environment: one entry a transaction, the files it changed, and how long snapshots are kept.

A transaction's folder holds ``entry.json`` (:class:`Entry`), ``files.json`` (:class:`FileChanges`) and, while it
can be undone, ``before/``. Entries stay for good; snapshots are dropped by count and by size.
"""

# ruff: noqa: PTH208
# Paths are strings here where folders are looked through: an environment can have thousands of transactions.

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.model import SCHEMA, Change, Ecosystem, Environment, Package, to_json
from jupyter_pkgmgr.model.errors import EnvironmentProblem, UsageError

from .limits import Limits, read_limits
from .manifest import Manifest
from .snapshot import BEFORE, Kept, Snapshot, is_unchanged, remove_tree
from .state import State, state_of, write_durably, write_whole
from .verdicts import Verdict, read_verdict, write_verdict

__all__ = [
    "Entry",
    "FileChanges",
    "Result",
    "Signature",
    "asked_for",
    "came_along",
    "file_changes",
    "in_force",
    "is_usable",
    "prune",
    "read_entries",
    "read_entry",
    "read_files",
    "record_verdict",
    "signature",
    "slim",
    "write_entry",
    "write_files",
]

ENTRY, FILES = "entry.json", "files.json"
_DROPPED = f"{BEFORE}.dropped"
WITHOUT_KERNEL = frozenset({"cli"})
"""Faces that have no kernel of their own to ask for the restart verdict."""


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
    """What the kept files take that aren't in their places any more."""
    verdict: str = ""
    """Whether its kernel had to be restarted: ``none``, ``recommended`` or ``required``; ``no-kernel`` where none
    was there to ask, ``unknown`` where it didn't tell, empty where nothing was changed. Read from its own file."""
    verdict_modules: tuple[str, ...] = ()
    """The loaded modules that are the reason."""
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


def is_usable(folder: Path, kept: Kept) -> bool:
    """Whether what was kept is still there and as it was; what was copied is checked when it is put back."""
    if kept.number < 0:
        return True
    now = signature(os.path.join(folder, BEFORE, str(kept.number)))  # noqa: PTH118  called for thousands of paths
    return now is not None and (now.type, now.size, now.mtime_ns) == ("file", kept.size, kept.mtime_ns)


def file_changes(
    state: State,
    transaction: Path,
    before: Manifest,
    after: Manifest,
    snapshot: Snapshot,
    *,
    others: Collection[str] = (),
) -> FileChanges:
    """What a transaction did to the files; bytecode aside, which Python makes and drops as it likes.

    Parameters
    ----------
    transaction
        Its folder.
    before, after
        The manifests from before and after it.
    snapshot
        What it kept.
    others
        Places that came meanwhile by somebody else's hand, so that no undo is to take them away.
    """
    added, removed = before.diff(after)
    here = {place: signature(state.path(place)) for place in added if place not in others}
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


def write_entry(folder: Path, entry: Entry, *, durably: bool = True) -> None:
    """Write a transaction's ``entry.json``, whole or not at all; on the disk when it returns, unless told otherwise."""
    document = {"schema": SCHEMA, **to_json(replace(entry, changes=tuple(map(slim, entry.changes))))}
    (write_durably if durably else write_whole)(folder / ENTRY, msgspec.json.encode(document))


def write_files(folder: Path, files: FileChanges) -> None:
    """Write a transaction's ``files.json``, which is of no meaning before the entry is there."""
    (folder / FILES).write_bytes(msgspec.json.encode(files))


def read_files(folder: Path) -> FileChanges | None:
    """A transaction's ``files.json``; ``None`` if it is gone, damaged or of a version we don't know."""
    try:
        files = msgspec.json.decode((folder / FILES).read_bytes(), type=FileChanges)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return files if files.schema == SCHEMA else None


def read_entries(environment: Environment) -> tuple[Entry, ...]:
    """Everything that was done to the environment through us, newest first."""
    return tuple(_judged(read_entry(folder), folder) for folder in _ended(state_of(environment)))


def record_verdict(environment: Environment, transaction: str, verdict: Verdict) -> None:
    """Keep what the kernel said about a transaction that was committed.

    Raises
    ------
    UsageError
        If this environment has no such transaction.
    PkgError
        If it can't be written.
    """
    folder = next((folder for folder in _ended(state_of(environment)) if folder.name == transaction), None)
    if folder is None or not read_entry(folder).committed:
        raise UsageError(f"no change of this environment has the ID {transaction!r}", reference="no-such-transaction")
    try:
        write_verdict(folder, verdict)
    except OSError as error:
        raise EnvironmentProblem(f"the restart verdict can't be kept: {error.strerror}") from error


def _judged(entry: Entry, folder: Path) -> Entry:
    if not entry.committed:
        return entry
    verdict = read_verdict(folder)
    if verdict is None:
        return replace(entry, verdict="no-kernel" if entry.face in WITHOUT_KERNEL else "unknown")
    return replace(entry, verdict=verdict.level, verdict_modules=verdict.modules)


def in_force(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of those, of entries newest first, whose changes stand: committed, and not undone by one that stands."""
    standing: set[str] = set()
    undone: set[str] = set()
    for entry in entries:
        if entry.committed and entry.id not in undone:
            standing.add(entry.id)
            undone |= set(entry.undoes)
    return frozenset(standing)


def came_along(environment: Environment) -> frozenset[tuple[tuple[Ecosystem, str], str]]:
    """Keys and versions of what we brought without anybody having asked for it, as a dependency of another.

    conda's own history can't tell: what a PyPI package needs of conda is asked for there by its name.
    """
    return _brought(environment)[0]


def asked_for(environment: Environment) -> frozenset[tuple[tuple[Ecosystem, str], str]]:
    """Keys and versions of what we brought because somebody named it."""
    return _brought(environment)[1]


def _brought(environment: Environment) -> tuple[frozenset[tuple[tuple[Ecosystem, str], str]], ...]:
    """What we brought: unasked, and asked for."""
    state = state_of(environment)
    return _brought_by(state, tuple(folder.name for folder in _ended(state)))


@functools.lru_cache(maxsize=8)
def _brought_by(state: State, names: tuple[str, ...]) -> tuple[frozenset[tuple[tuple[Ecosystem, str], str]], ...]:
    """An entry never changes once it is written: those of these names always say the same."""
    entries = [read_entry(state.of(name)) for name in names]
    standing = in_force(entries)
    last: dict[tuple[Ecosystem, str], Change] = {}
    for entry in entries:
        if entry.id in standing and not entry.undoes:
            for change in entry.changes:
                last.setdefault(change.package.key, change)
    return tuple(
        frozenset((key, change.package.version) for key, change in last.items() if change.requested is requested)
        for requested in (False, True)
    )


def _ended(state: State) -> list[Path]:
    """The folders of the transactions that have ended, newest first."""
    return _folders(state, ENTRY)


def _folders(state: State, *having: str) -> list[Path]:
    """The folders of the transactions that have one of these in them, newest first: their names sort by time."""
    root = os.fspath(state.transactions)
    try:
        names = sorted(os.listdir(root), reverse=True)
    except FileNotFoundError:
        return []
    return [state.of(name) for name in names if any(os.path.lexists(f"{root}/{name}/{inside}") for inside in having)]


def read_entry(folder: Path) -> Entry:
    """The entry in a folder; a damaged one says so in its place, so that it neither hides nor breaks the others."""
    try:
        document = msgspec.json.decode((folder / ENTRY).read_bytes(), type=dict[str, Any])
        version = document.pop("schema")
        if version != SCHEMA:
            raise msgspec.ValidationError(f"its version is {version}, this program reads {SCHEMA}")
        entry = msgspec.convert(document, Entry, dec_hook=_path)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        return Entry(id=folder.name, started="", result=Result.UNREADABLE, message=f"entry.json can't be read: {error}")
    return replace(entry, id=folder.name, has_snapshot=(folder / BEFORE).is_dir())


def _path(type_: type, value: Any) -> Any:
    return type_(value)


# --- how long snapshots are kept -----------------------------------------------------------------------------------


def prune(environment: Environment, limits: Limits | None = None) -> tuple[str, ...]:
    """Drop the oldest snapshots, never that of the newest committed transaction; returns whose were dropped.

    Raises
    ------
    UsageError
        If ``limits`` aren't given, and the user's settings make no sense.
    """
    limits = limits or read_limits()
    folders = [folder for folder in _folders(state_of(environment), BEFORE, _DROPPED) if (folder / ENTRY).exists()]
    kept = [folder for folder in folders if (folder / BEFORE).is_dir()]
    dropped = tuple(_superfluous(map(read_entry, kept), limits))
    for folder in folders:
        # Renamed first: a snapshot that is half gone must not look like one that can be used.
        gone = folder / _DROPPED
        if folder.name in dropped:
            (folder / BEFORE).rename(gone)
        if gone.is_dir():
            remove_tree(os.fspath(gone))
    return dropped


def _superfluous(entries: Iterable[Entry], limits: Limits) -> Iterator[str]:
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
        if not newest and (kept > limits.keep or size > limits.max_bytes):
            yield entry.id

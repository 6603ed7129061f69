"""Committed, but on the disk yet? What answers a power cut shortly after a commit, without a sync for each commit.

A killed process loses nothing: what was written is with the system, and ``entry.json`` decides (:mod:`.journal`).
Only a stop of the whole machine loses what isn't on the disk yet, and engines don't sync what they install. So a
commit syncs nothing either: it renames ``journal.json`` to ``settling.json`` and leaves all that a rollback needs in
its place. That was synced before the engine began, and holds the boot in which it was. Whoever finds the file later

- in the same boot: nothing can be lost. Readers pass it by; the next change first syncs what the last one left and
  then removes the file. By then the system has mostly written it anyway.
- in another boot: holds the files against ``files.json``. If they are all there, they came from the disk, and the
  file is removed; if one isn't, the change is revoked and rolled back like one that was interrupted.

What counts as lost is what power cuts do: an entry or a list that isn't whole, a file that is missing or of another
size, one that was to be gone or replaced and is still the very one that was kept. File systems that write contents
before sizes (ext4 as it is set up everywhere, XFS, Btrfs, ZFS, F2FS) show nothing else; ext4 with
``data=writeback`` does, and is not covered. What somebody changed *after* the commit is no loss, and tells itself by
its ctime, which nobody can set; neither is anything in a copy of the environment, which a container image may be:
there the folder has another inode than the journal says.

Where the system has no name for a boot (other than Linux) every commit is synced at once instead.
"""

# ruff: noqa: PTH120, PTH123
# Paths are strings here: an upgrade has thousands of them.

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .history import ENTRY, FILES, FileChanges, Result, Signature, read_entry, read_files
from .journal import Journal
from .manifest import MANIFEST, MANIFEST_CHANGES
from .snapshot import Snapshot, is_kept_itself
from .state import State, sync_all

__all__ = ["boot_id", "has_reached_the_disk", "is_from_another_boot", "revoke", "settle", "settled"]

_FEW = 64
"""Files up to which each is synced by itself; a sync of the whole file system may have others' data to wait for."""


@cache
def boot_id() -> str:
    """What names this boot of the machine (``random(4)``); empty where nothing does."""
    if sys.platform != "linux":
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def is_from_another_boot(journal: Journal) -> bool:
    """Whether the machine may have stopped since."""
    return not journal.boot or journal.boot != boot_id()


# --- bringing it to the disk ---------------------------------------------------------------------------------------


def settle(state: State, journal: Journal) -> None:
    """Bring what a transaction left to the disk; then its rollback is of no use any more.

    Raises
    ------
    OSError
        If it can't be written.
    """
    paths = _left(state, state.of(journal.id))
    readable = [path for path in paths if os.access(path, os.R_OK)]
    if len(readable) == len(paths) <= _FEW or not _sync_file_system(state.folder):
        sync_all(readable)
    settled(state, journal)


def settled(state: State, journal: Journal) -> None:
    """Forget what only a rollback needed; the next journal's sync brings that to the disk."""
    state.settling.unlink(missing_ok=True)
    for name in (MANIFEST, MANIFEST_CHANGES):
        (state.of(journal.id) / name).unlink(missing_ok=True)


def _left(state: State, folder: Path) -> list[str]:
    """The files that a transaction left, and every folder that it changed, as far as they are still there."""
    files = read_files(folder) or FileChanges()
    there = {state.path(place) for place, sign in files.left.items() if sign and sign.type in {"file", "directory"}}
    above = {os.path.dirname(state.path(place)) for place in files.left}
    own = (folder / ENTRY, folder / FILES, folder)
    return [path for path in (*there, *above, *map(os.fspath, own)) if os.path.lexists(path)]


def _sync_file_system(folder: Path) -> bool:
    """``syncfs(2)``; ``False`` where there is none. Thousands of files cost hardly more than one that way."""
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415  rarely of use, and slow to import

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), os.fspath(folder))
    finally:
        os.close(descriptor)
    return True


# --- after a power cut ---------------------------------------------------------------------------------------------


def has_reached_the_disk(state: State, journal: Journal) -> bool:
    """Whether all that a committed transaction left has outlasted the stop of the machine."""
    folder = state.of(journal.id)
    if not folder.is_dir():
        return True  # deleted by hand: there is nothing to tell by, and nothing to restore from
    entry, files = read_entry(folder), read_files(folder)
    if entry.result not in (Result.COMMITTED, Result.UNREADABLE) or folder.stat().st_ino != journal.inode:
        return True  # what was rolled back is synced; a copy of the environment is as whole as what was copied
    if entry.result is Result.UNREADABLE or files is None:
        return False
    decided = (folder / ENTRY).stat().st_ctime_ns
    return not any(changed <= decided for changed in _losses(state, folder, files))


def _losses(state: State, folder: Path, files: FileChanges) -> Iterator[int]:
    """When each place that isn't what the transaction left there was changed last."""
    for place, sign in files.left.items():
        path = state.path(place)
        if sign is not None and not _looks_like(path, sign):
            yield _changed(path)
    snapshot = Snapshot.load(folder)
    left = files.left
    for kept in snapshot.files if snapshot else ():
        if kept.place in left and is_kept_itself(state, folder, kept):
            yield _changed(state.path(kept.place))


def _looks_like(path: str, sign: Signature) -> bool:
    """Whether there is what a power cut would have taken away. Modes and times may differ: copies have others."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if sign.type == "file":
        return stat.S_ISREG(found.st_mode) and found.st_size == sign.size
    if sign.type == "link":
        return stat.S_ISLNK(found.st_mode) and os.readlink(path) == sign.target  # noqa: PTH115
    return stat.S_ISDIR(found.st_mode) == (sign.type == "directory")


def _changed(path: str) -> int:
    """When a place was changed last: if nothing is there, its folder was."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.lstat(path).st_ctime_ns


def revoke(state: State, journal: Journal) -> None:
    """Take back the decision: from now on a rollback is due."""
    os.replace(state.settling, state.journal)  # noqa: PTH105
    for name in (ENTRY, FILES):
        (state.of(journal.id) / name).unlink(missing_ok=True)

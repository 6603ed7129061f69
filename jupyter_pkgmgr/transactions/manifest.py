"""The names of everything below an environment's roots: what tells afterwards what came and what went.

A manifest holds names, and of folders the mode and the times, but looks at no file: that would cost more than a
small installation. What it leaves out never takes part in a transaction: our own folder, bytecode (Python makes and
drops it as it likes), other environments and package caches that lie inside this one, and uv's lock file.
"""

# ruff: noqa: PTH116
# Paths are strings here: a prefix has tens of thousands of them.

from __future__ import annotations

import contextlib
import operator
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from .locks import STATE
from .state import State, name_in_place, write_whole

__all__ = ["MANIFEST", "MANIFEST_CHANGES", "Folder", "Manifest", "is_left_out"]

MANIFEST, MANIFEST_CHANGES = "manifest", "manifest.changes"
"""The files of a saved manifest."""

RACY = 2_000_000_000
"""Nanoseconds: a folder that changed so short ago could change again without a change of its stamp."""
_VERSION = 2
_MANY = 64
"""Folders that may be different from the full manifest; more when that is a long one."""
_NEVER = frozenset({STATE, "__pycache__"})
_NEVER_ON_TOP = frozenset({".lock", "conda-bld", "envs", "pkgs"})
_ENVIRONMENTS = frozenset({"conda-meta", "pyvenv.cfg"})
"""What marks a folder as an environment: inside another one it is none of that one's business."""


class Folder(msgspec.Struct, array_like=True, frozen=True):
    """One folder: its own mode and times, and the names in it."""

    mode: int
    mtime_ns: int
    stamp: tuple[int, int]
    """Inode and time of the last change; the names are the same while it is. ``(0, 0)`` where it was too fresh."""
    files: tuple[str, ...]
    """Everything that is no folder; a symbolic link is none, wherever it leads."""
    folders: tuple[str, ...]


class _Full(msgspec.Struct, frozen=True):
    """Every folder, as ``manifest`` has it. The file is written once, and shared by hard links from then on."""

    folders: dict[str, Folder]
    version: int = _VERSION


class _Changes(msgspec.Struct, frozen=True):
    """What is different since the full one was written, as ``manifest.changes`` has it."""

    check: int
    """CRC-32 of the full one's file."""
    folders: dict[str, Folder]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A full manifest that is on the disk."""

    folders: dict[str, Folder]
    check: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every folder below the roots by its place."""

    folders: dict[str, Folder]
    written: _Written | None = field(default=None, compare=False, repr=False)
    """What it can be saved as the difference to."""

    @classmethod
    def scan(cls, state: State, *, known: Manifest | None = None) -> Manifest:
        """Look at the disk; folders that haven't changed since ``known`` was made aren't read again.

        Raises
        ------
        OSError
            If a folder can't be read.
        """
        limit = time.time_ns() - RACY
        found, waiting = _still_there(state, known) if known else ({}, list(state.roots))
        while waiting:
            place = waiting.pop()
            folder = _look(state.path(place), place, limit)
            if folder is None:
                found.pop(place, None)
                continue
            found[place] = folder
            below = f"{place}/" if place else ""
            waiting.extend(below + name for name in folder.folders if below + name not in found)
        return cls(found, known.written if known else None)

    @classmethod
    def load(cls, home: Path) -> Manifest | None:
        """Read what :meth:`save` left; ``None`` if it isn't there, is damaged or of another version."""
        try:
            stamps = _stamps(home)
            if _last is not None and _last[0] == stamps:
                return _last[1]
            data = (home / MANIFEST).read_bytes()
            full = msgspec.msgpack.decode(zlib.decompress(data), type=_Full)
            changes = msgspec.msgpack.decode((home / MANIFEST_CHANGES).read_bytes(), type=_Changes)
        except (OSError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        if full.version != _VERSION or changes.check != zlib.crc32(data):
            return None
        folders = full.folders | changes.folders
        for place in changes.gone:
            folders.pop(place, None)
        manifest = cls(folders, _Written(folders=full.folders, check=changes.check))
        _remember(stamps, manifest)
        return manifest

    def save(self, home: Path) -> Manifest:
        """Write ``manifest``, where too much is different from the one that is there, and ``manifest.changes``.

        Returns what to go on with: it knows what is written.
        """
        written, changes = self.written, self._changes()
        if written is None or changes is None or not (home / MANIFEST).exists():
            data = zlib.compress(msgspec.msgpack.encode(_Full(folders=self.folders)), 1)
            write_whole(home / MANIFEST, data)
            written = _Written(folders=self.folders, check=zlib.crc32(data))
            changes = _Changes(check=written.check, folders={}, gone=())
        write_whole(home / MANIFEST_CHANGES, msgspec.msgpack.encode(changes))
        manifest = Manifest(self.folders, written)
        _remember(_stamps(home), manifest)
        return manifest

    def _changes(self) -> _Changes | None:
        """``None`` if it is better written in full."""
        if self.written is None:
            return None
        full = self.written.folders
        different = {place: folder for place, folder in self.folders.items() if full.get(place) is not folder}
        gone = tuple(full.keys() - self.folders.keys())
        if len(different) + len(gone) > _MANY + len(full) // 4:
            return None
        return _Changes(check=self.written.check, folders=different, gone=gone)

    def __contains__(self, place: object) -> bool:
        """Whether there was anything at a place."""
        if place in self.folders:
            return True
        above, _, name = str(place).rpartition("/")
        folder = self.folders.get(above)
        return folder is not None and name in folder.files

    def diff(self, later: Manifest) -> tuple[list[str], list[str]]:
        """The places that a later manifest has and this one hasn't, and the other way round; sorted."""
        return sorted(_surplus(later, self)), sorted(_surplus(self, later))


def is_left_out(name: str, place: str) -> bool:
    """Whether an entry of a folder never takes part, by its name."""
    return name in _NEVER or (not place and name in _NEVER_ON_TOP)


def _surplus(one: Manifest, other: Manifest) -> Iterator[str]:
    """The places that only the one has."""
    for place, folder in one.folders.items():
        there = other.folders.get(place)
        if there is folder:
            continue
        if there is None:
            yield place
            yield from (f"{place}/{name}" if place else name for name in folder.files)
        elif folder.files != there.files:
            yield from (f"{place}/{name}" if place else name for name in set(folder.files).difference(there.files))


def _still_there(state: State, known: Manifest) -> tuple[dict[str, Folder], list[str]]:
    """The folders that haven't changed, and the places of those that have to be read. One flat loop, for its speed."""
    found = known.folders.copy()
    changed: list[str] = []
    links: set[str] = set()
    with _opened(state.base) as (above, descriptor):
        for place, folder in known.folders.items():
            try:
                own = os.lstat(above + (place or ".") if place.isascii() else state.path(place), dir_fd=descriptor)
            except (FileNotFoundError, NotADirectoryError):
                del found[place]  # and nothing is found below it either
                continue
            if folder.stamp == _stamp(own):
                continue
            del found[place]
            if stat.S_ISDIR(own.st_mode):
                changed.append(place)
            else:
                links.add(place)
    roots = [root for root in state.roots if root not in known.folders]
    if not links:
        return found, [*changed, *roots]
    # What lies below a folder that became a link could still be reached through it
    whole = {place: folder for place, folder in found.items() if not _lies_below(place, links)}
    return whole, [*(place for place in changed if not _lies_below(place, links)), *roots]


def _lies_below(place: str, folders: AbstractSet[str]) -> bool:
    while place:
        place = place.rpartition("/")[0]
        if place in folders:
            return True
    return False


def _look(path: str, place: str, limit: int) -> Folder | None:
    """One folder; ``None`` if it is gone or is an environment of its own."""
    try:
        own = os.stat(path, follow_symlinks=not place)
        files, folders = _names(path, place)
    except (FileNotFoundError, NotADirectoryError):  # whoever removed it did so this moment; a root may not be there
        return None
    if place and not _ENVIRONMENTS.isdisjoint((*files, *folders)):
        return None
    stamp = _stamp(own)
    return Folder(
        mode=own.st_mode & 0o7777,
        mtime_ns=own.st_mtime_ns,
        stamp=stamp if stamp[1] < limit else (0, 0),
        files=tuple(files),
        folders=tuple(folders),
    )


def _names(path: str, place: str) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if is_left_out(name, place):
                continue
            (folders if entry.is_dir(follow_symlinks=False) else files).append(name_in_place(name))
    files.sort()
    return files, folders


@contextlib.contextmanager
def _opened(base: str) -> Iterator[tuple[str, int | None]]:
    """What to put before a place, and the folder that this is relative to: the system needn't walk there each time."""
    if os.stat not in os.supports_dir_fd:
        yield base + os.sep, None
        return
    descriptor = os.open(base, os.O_RDONLY)
    try:
        yield "", descriptor
    finally:
        os.close(descriptor)


_stamp: Callable[[os.stat_result], tuple[int, int]] = operator.attrgetter(
    "st_ino", "st_mtime_ns" if sys.platform == "win32" else "st_ctime_ns"
)
"""What changes whenever the folder does. Nobody can set the ctime back; on Windows it is something else."""

_Stamps = tuple[str, tuple[int, int, int], tuple[int, int, int]]
_last: tuple[_Stamps, Manifest] | None = None
"""The manifest that was loaded or saved last, and the files that it is in: a kernel changes the same environment."""


def _remember(stamps: _Stamps, manifest: Manifest) -> None:
    global _last  # noqa: PLW0603
    _last = (stamps, manifest)


def _stamps(home: Path) -> _Stamps:
    full, changes = (os.stat(home / name) for name in (MANIFEST, MANIFEST_CHANGES))
    return (
        os.fspath(home),
        (full.st_ino, full.st_mtime_ns, full.st_size),
        (changes.st_ino, changes.st_mtime_ns, changes.st_size),
    )

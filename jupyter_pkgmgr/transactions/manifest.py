"""The names of everything below an environment's roots: what tells afterwards what came and what went.

A manifest holds names, and of folders the mode and the times, but looks at no file: that would cost more than a
small installation. What it leaves out never takes part in a transaction: our own folder, bytecode (Python makes and
drops it as it likes), other environments and package caches that lie inside this one, and uv's lock file.
"""

# ruff: noqa: PTH116
# Paths are strings here: a prefix has tens of thousands of them.

from __future__ import annotations

import os
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from .locks import STATE
from .state import State, name_in_place

__all__ = ["Folder", "Manifest", "is_left_out"]

RACY = 2_000_000_000
"""Nanoseconds: a folder that changed so short ago could change again without a change of its stamp."""
_VERSION = 1
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


class Manifest(msgspec.Struct, frozen=True):
    """Every folder below the roots by its place."""

    folders: dict[str, Folder]
    version: int = _VERSION

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
        return cls(folders=found)

    @classmethod
    def load(cls, path: Path) -> Manifest | None:
        """Read what :meth:`save` wrote; ``None`` if it isn't there, is damaged or of another version."""
        try:
            manifest = msgspec.msgpack.decode(zlib.decompress(path.read_bytes()), type=cls)
        except (OSError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return manifest if manifest.version == _VERSION else None

    def encode(self) -> bytes:
        """The manifest as bytes."""
        return zlib.compress(msgspec.msgpack.encode(self), 1)

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
        if there is None:
            yield place
            yield from (f"{place}/{name}" if place else name for name in folder.files)
        elif folder.files != there.files:
            yield from (f"{place}/{name}" if place else name for name in set(folder.files).difference(there.files))


def _still_there(state: State, known: Manifest) -> tuple[dict[str, Folder], list[str]]:
    """The folders that haven't changed, and the places of those that have to be read. One flat loop, for its speed."""
    found: dict[str, Folder] = {}
    changed: list[str] = []
    links: set[str] = set()
    base = state.path("") + os.sep
    for place, folder in known.folders.items():
        try:
            own = os.stat(base + place if place.isascii() else state.path(place), follow_symlinks=not place)
        except (FileNotFoundError, NotADirectoryError):
            continue  # and nothing is found below it either
        if folder.stamp == _stamp(own):
            found[place] = folder
        elif stat.S_ISDIR(own.st_mode):
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


def _stamp(own: os.stat_result) -> tuple[int, int]:
    """What changes whenever the folder does. Nobody can set the ctime back; on Windows it is something else."""
    return own.st_ino, own.st_mtime_ns if sys.platform == "win32" else own.st_ctime_ns

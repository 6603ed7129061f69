"""Where transactions keep things, which parts of an environment they look after, how a file gets onto the disk.

A *place* is a path relative to :attr:`State.base`, with ``/`` on every system. Places are what manifests, snapshots
and histories hold, so that all of them stay right when the environment is moved. Bytes of a name that are no UTF-8
stand in it as characters of a private range, since JSON and MessagePack can't hold what Python makes of them.
"""

# ruff: noqa: PTH118, PTH123
# Paths are strings here: a prefix has tens of thousands of them.

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from jupyter_pkgmgr.model import Environment, EnvironmentKind

from .locks import state_folder

__all__ = [
    "State",
    "name_in_place",
    "new_id",
    "now",
    "state_of",
    "sync_all",
    "sync_folder",
    "write_durably",
    "write_whole",
]


_TIME = "%Y%m%dT%H%M%S%f"
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")
_HOLDABLE = {0xDC00 + byte: 0xEF00 + byte for byte in range(0x80, 0x100)}
"""Python's lone surrogates (PEP 383) to the private range that MirBSD's OPTU-8 set aside for the same end."""
_ORIGINAL = {private: surrogate for surrogate, private in _HOLDABLE.items()}


def name_in_place(name: str) -> str:
    """A name as places have it."""
    return name if name.isascii() else name.translate(_HOLDABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The folder of an environment's transactions, and what they look after."""

    folder: Path
    base: str
    """What places are relative to; without symbolic links on the way."""
    roots: tuple[str, ...] = ("",)
    """The places below which everything is looked after: for conda and venv the base itself."""

    @property
    def journal(self) -> Path:
        """Exists while a transaction is unfinished."""
        return self.folder / "journal.json"

    @property
    def settling(self) -> Path:
        """The journal of the last committed transaction, until what it left is known to be on the disk."""
        return self.folder / "settling.json"

    @property
    def transactions(self) -> Path:
        """Has one folder a transaction."""
        return self.folder / "transactions"

    @property
    def reserve(self) -> Path:
        """Room on the disk that a rollback gives up, so that a full one doesn't stop it from making folders."""
        return self.folder / "reserve"

    @property
    def aside(self) -> Path:
        """Where a rollback puts what it can't tell to be the transaction's."""
        return self.folder / "aside"

    def of(self, transaction: str) -> Path:
        """The folder of one transaction."""
        return self.transactions / transaction

    def path(self, place: str) -> str:
        """Where a place is now."""
        if not place:
            return self.base
        return os.path.join(self.base, place if place.isascii() else place.translate(_ORIGINAL))

    def places(self) -> Callable[[str | os.PathLike[str]], str | None]:
        """A function from paths to places, ``None`` for what lies outside; it remembers folders, for many paths.

        Links on the way are followed (``lib64`` of a venv is ``lib``), a link at the end isn't.
        """
        inside = self.base.rstrip(os.sep) + os.sep

        @cache
        def folder(path: str) -> str | None:
            real = os.path.realpath(path) + os.sep
            return real[len(inside) :].replace(os.sep, "/") if real.startswith(inside) else None

        def place(path: str | os.PathLike[str]) -> str | None:
            above, name = os.path.split(os.path.normpath(path))
            found = folder(above)
            if found is None:
                return None
            full = name_in_place(found + name)
            return full if self.looks_after(full) else None

        return place

    def looks_after(self, place: str) -> bool:
        """Whether a place lies below one of the roots."""
        return any(not root or place == root or place.startswith(f"{root}/") for root in self.roots)


def state_of(environment: Environment) -> State:
    """The state of an environment; nothing is made on the disk.

    Of a system's Python, whose prefix may be ``/usr``, only the folders for packages and scripts are looked after.
    """
    folder = state_folder(environment)
    python = environment.python
    if environment.kind is not EnvironmentKind.SYSTEM or python is None:
        return State(folder=folder, base=os.path.realpath(environment.prefix))
    real = sorted({os.path.realpath(path) for path in (python.purelib, python.platlib, python.scripts)})
    outer = [path for path in real if not any(path.startswith(f"{other}{os.sep}") for other in real)]
    base = os.path.commonpath(outer)
    roots = tuple(os.path.relpath(path, base).replace(os.sep, "/") for path in outer)
    return State(folder=folder, base=base, roots=tuple("" if root == "." else root for root in roots))


def new_id(state: State) -> str:
    """A name for a transaction: its time, but later than every one that is there, should the clock have gone back."""
    with contextlib.suppress(FileNotFoundError):
        newest = max((name for name in os.listdir(state.transactions) if _ID.fullmatch(name)), default="")  # noqa: PTH208
        if newest:
            last = datetime.strptime(newest.partition("-")[0], _TIME).replace(tzinfo=UTC)
            return _name(max(datetime.now(UTC), last + timedelta(microseconds=1)))
    return _name(datetime.now(UTC))


def _name(moment: datetime) -> str:
    return f"{moment:{_TIME}}-{secrets.token_hex(2)}"


def now() -> str:
    """The time as histories have it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_durably(path: Path, data: bytes, *, after: Collection[str | os.PathLike[str]] = ()) -> None:
    """Replace a file in one step; when this returns, both its content and its name are on the disk.

    Parameters
    ----------
    after
        Files and folders that have to be on the disk before the file gets its name. All are synced at the same
        time, as file systems take syncs together that way: ten cost hardly more than one.
    """

    def sync(new: Path) -> None:
        _urge([new, *after])
        sync_all([new, *after])

    _replace(path, data, before_naming=sync)
    sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step: whoever reads it finds either one, however we are stopped. Nothing is synced."""
    _replace(path, data, before_naming=lambda _: None)


def _replace(path: Path, data: bytes, *, before_naming: Callable[[Path], None]) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(data)
        before_naming(new)
        os.replace(new, path)  # noqa: PTH105
    except OSError:
        with contextlib.suppress(OSError):  # what went wrong first is what has to be told
            new.unlink(missing_ok=True)
        raise


def sync_all(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Bring files and folders to the disk."""
    for path in paths:
        _sync(path)


def _urge(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Have the system begin to write files. Then the first sync waits for all of them at once, and the others hardly.

    Linux does so when it is told that nobody will read a file again soon (``posix_fadvise(2)``).
    """
    if sys.platform != "linux":
        return
    for path in paths:
        if os.path.isfile(path):  # noqa: PTH113
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _sync(path: str | os.PathLike[str]) -> None:
    if os.name == "nt":  # folders can't be synced there, and files only by who may write them
        if os.path.isfile(path):  # noqa: PTH113
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring a folder's entries to the disk, where the system lets folders be synced (POSIX does, Windows doesn't)."""
    _sync(folder)

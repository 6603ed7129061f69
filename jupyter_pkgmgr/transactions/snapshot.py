"""Files as they were before a transaction, kept beside it in ``before/`` until its undoing is of no use any more.

``before/`` has ``index`` (an entry for every kept file), ``copies`` (the contents of files that tools change in
place, one after the other) and a hard link for each other file, named by its number. It is flat on purpose: one
sync of one folder brings all links to the disk, and no path gets too long or differs in its case only.

A hard link takes no room and no time, and it is the file itself: owner, times and attributes included. It can't
hold what is written *through* another name of the file, which is why such files are copied, and why the index has
size and time: a link that doesn't have them any more is damaged, and told so instead of put back.
"""

# ruff: noqa: PTH101, PTH103, PTH105, PTH106, PTH108, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH123, PTH211
# Paths are strings here: an upgrade has thousands of them.

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from .state import State

if sys.platform == "linux":
    import fcntl

__all__ = [
    "BEFORE",
    "Kept",
    "Snapshot",
    "is_kept_itself",
    "is_unchanged",
    "link_or_copy",
    "put_back",
    "remove_file",
    "remove_tree",
    "take",
    "to_sync",
]

BEFORE = "before"
_INDEX, _COPIES = "index", "copies"
_VERSION = 1
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}
"""Another file system, one without links, too many of them, or a rule against links to what isn't ours."""
_FICLONE = 0x40049409
"""Linux: share the blocks of another file (``ioctl_ficlone(2)``)."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One file or symbolic link as it was."""

    place: str
    mode: int = 0
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    """Where it points, if it is a symbolic link."""
    number: int = -1
    """Its name in ``before/``; ``-1`` for links and copies."""
    offset: int = -1
    """Where its content begins in ``copies``."""
    check: int = 0
    """CRC-32 of that content."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a folder ``before/`` holds."""

    files: tuple[Kept, ...]
    version: int = _VERSION

    @classmethod
    def load(cls, transaction: Path) -> Snapshot | None:
        """The snapshot of a transaction; ``None`` if it is gone, damaged or of another version."""
        try:
            found = msgspec.msgpack.decode(zlib.decompress((transaction / BEFORE / _INDEX).read_bytes()), type=cls)
        except (OSError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return found if found.version == _VERSION else None


def take(state: State, transaction: Path, *, linked: Iterable[Path | str], copied: Iterable[Path | str]) -> Snapshot:
    """Keep files; :func:`to_sync` says what to sync then. What isn't there, or lies outside the roots, is passed over.

    Parameters
    ----------
    transaction
        The transaction's folder, which must exist; ``before/`` is made in it.
    linked
        Files that go away or are replaced as a whole.
    copied
        Files that may be changed in place.

    Raises
    ------
    OSError
        If there is no room, or a file can't be read.
    """
    before = transaction / BEFORE
    before.mkdir()
    place_of = state.places()
    in_place = dict.fromkeys(place for path in copied if (place := place_of(path)))
    whole = dict.fromkeys(place for path in linked if (place := place_of(path)) and place not in in_place)
    kept = [*_copy_all(state, before / _COPIES, in_place), *_link_all(state, os.fspath(before), whole)]
    snapshot = Snapshot(files=tuple(kept))
    (before / _INDEX).write_bytes(zlib.compress(msgspec.msgpack.encode(snapshot), 1))
    return snapshot


def to_sync(transaction: Path) -> tuple[Path, ...]:
    """What has to be brought to the disk before a snapshot can be relied on."""
    before = transaction / BEFORE
    return before / _COPIES, before / _INDEX, before


def _found(state: State, places: Iterable[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Those that are there, as files or links, with path and stat."""
    for place in places:
        path = state.path(place)
        try:
            yield place, path, os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # recorded but deleted since: then that is how it was before


def _link(place: str, path: str, found: os.stat_result) -> Kept:
    return Kept(place, target=os.readlink(path), mtime_ns=found.st_mtime_ns)


def _copy_all(state: State, copies: Path, places: Iterable[str]) -> Iterator[Kept]:
    offset = 0
    with open(copies, "wb") as file:
        for place, path, found in _found(state, places):
            if stat.S_ISLNK(found.st_mode):
                yield _link(place, path, found)
            elif stat.S_ISREG(found.st_mode):
                content = Path(path).read_bytes()
                file.write(content)
                mode, check = stat.S_IMODE(found.st_mode), zlib.crc32(content)
                yield Kept(place, mode, len(content), found.st_mtime_ns, offset=offset, check=check)
                offset += len(content)


def _link_all(state: State, before: str, places: Iterable[str]) -> Iterator[Kept]:
    for number, (place, path, found) in enumerate(_found(state, places)):
        if stat.S_ISLNK(found.st_mode):
            yield _link(place, path, found)
        elif stat.S_ISREG(found.st_mode):
            link_or_copy(path, os.path.join(before, str(number)))
            yield Kept(place, stat.S_IMODE(found.st_mode), found.st_size, found.st_mtime_ns, number=number)


def link_or_copy(source: str, target: str) -> None:
    """A second name for a file, or where that can't be a second file, which shares its blocks where it can."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with open(source, "rb") as old, open(target, "xb") as new:
            if not _share_blocks(old.fileno(), new.fileno()):
                shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())
        shutil.copystat(source, target)


def _share_blocks(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:  # not on this file system
        return False
    return True


# --- putting back --------------------------------------------------------------------------------------------------


def is_unchanged(state: State, transaction: Path, kept: Kept, *, place: str | None = None) -> bool:
    """Whether what is at its place, or at another one, is still the very thing that was kept."""
    path = state.path(kept.place if place is None else place)
    try:
        found = os.lstat(path)
        if kept.target:
            return stat.S_ISLNK(found.st_mode) and os.readlink(path) == kept.target
    except (FileNotFoundError, NotADirectoryError):
        return False
    looks = (stat.S_ISREG(found.st_mode), stat.S_IMODE(found.st_mode), found.st_size, found.st_mtime_ns)
    if looks != (True, kept.mode, kept.size, kept.mtime_ns):
        return False
    if kept.number < 0:
        return zlib.crc32(Path(path).read_bytes()) == kept.check
    saved = _saved(transaction, kept)
    try:
        there = os.lstat(saved)
    except FileNotFoundError:
        return True  # it looks the same, and there is nothing to put back
    same = (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
    return same or filecmp.cmp(saved, path, shallow=False)


def is_kept_itself(state: State, transaction: Path, kept: Kept) -> bool:
    """Whether what is at its place is what was kept, and no equal of it that was put there later."""
    if kept.number < 0:
        return is_unchanged(state, transaction, kept)
    try:
        return os.path.samestat(os.lstat(_saved(transaction, kept)), os.lstat(state.path(kept.place)))
    except (FileNotFoundError, NotADirectoryError):
        return False


def put_back(state: State, transaction: Path, kept: Kept, *, temporary: str) -> bool:
    """Put one file back in its place in one step; ``False`` if what was kept is gone or damaged.

    Takes no room where hard links work. May be repeated: the snapshot stays as it is.

    Parameters
    ----------
    temporary
        A name that is used beside the place for a moment.

    Raises
    ------
    OSError
        If the place can't be written.
    """
    path = state.path(kept.place)
    above = os.path.dirname(path)
    os.makedirs(above, exist_ok=True)
    new = os.path.join(above, temporary)
    if os.path.lexists(new):
        os.unlink(new)
    if kept.target:
        os.symlink(kept.target, new)
    elif not (_write_copy(transaction, kept, new) if kept.number < 0 else _link_back(transaction, kept, new)):
        return False
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    os.replace(new, path)
    if os.path.lexists(new):  # rename(2) does nothing where both names are one file already
        os.unlink(new)
    return True


def _saved(transaction: Path, kept: Kept) -> str:
    return os.path.join(transaction, BEFORE, str(kept.number))


def _link_back(transaction: Path, kept: Kept, new: str) -> bool:
    saved = _saved(transaction, kept)
    try:
        found = os.lstat(saved)
    except FileNotFoundError:
        return False
    if (stat.S_ISREG(found.st_mode), found.st_size, found.st_mtime_ns) != (True, kept.size, kept.mtime_ns):
        return False
    if stat.S_IMODE(found.st_mode) == kept.mode:
        link_or_copy(saved, new)
    else:  # somebody changed the mode of the file itself, which a package cache may share: leave that one alone
        shutil.copy2(saved, new)
        os.chmod(new, kept.mode)
    return True


def _write_copy(transaction: Path, kept: Kept, new: str) -> bool:
    try:
        with open(transaction / BEFORE / _COPIES, "rb") as file:
            file.seek(kept.offset)
            content = file.read(kept.size)
    except FileNotFoundError:
        return False
    if len(content) != kept.size or zlib.crc32(content) != kept.check:
        return False
    with open(new, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(new, kept.mode)
    os.utime(new, ns=(kept.mtime_ns, kept.mtime_ns))
    return True


def remove_tree(path: str) -> None:
    """Delete a folder and everything in it, folders without write permission included; links aren't followed.

    Raises
    ------
    OSError
        At the first thing that can't be deleted.
    """
    try:
        entries = list(os.scandir(path))
    except PermissionError:
        os.chmod(path, 0o700)
        entries = list(os.scandir(path))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            remove_file(entry.path)
    os.rmdir(path)


def remove_file(path: str) -> None:
    """Delete a file or link; the folder's write permission is taken first where that is missing."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except PermissionError:
        above = os.path.dirname(path)
        os.chmod(above, stat.S_IMODE(os.stat(above).st_mode) | stat.S_IRWXU)
        if os.name == "nt":
            os.chmod(path, stat.S_IWRITE)
        os.unlink(path)

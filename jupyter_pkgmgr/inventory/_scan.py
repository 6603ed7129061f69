"""One look at the folders of an environment: names and stats, nothing opened.

Everything else starts from it: the fingerprint is its hash, and a cached entry counts only for the stat seen here.
"""

# ruff: noqa: PTH116, PTH118, PTH208
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from jupyter_pkgmgr.model import Environment

__all__ = ["Folder", "Scan", "Seen", "folders_of", "scan"]

_DISTRIBUTIONS = (".dist-info", ".egg-info", ".egg-link")
_WITNESS = {".dist-info": "/RECORD"}
"""The file of a distribution whose stat stands for the whole: written anew by every installation."""


class Seen(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One entry of a folder: its name, and the stat of the file that stands for it."""

    name: str
    mtime_ns: int
    size: int


class Folder(msgspec.Struct, array_like=True, frozen=True):
    """What one folder of distributions holds."""

    path: str
    entries: tuple[Seen, ...]
    leftovers: tuple[str, ...] = ()
    """``~name`` folders, which pip leaves where it could not delete a file."""
    editable_hooks: tuple[str, ...] = ()
    """``__editable__*`` files: the import hooks of setuptools' editable installations (PEP 660)."""
    error: str = ""


class Scan(msgspec.Struct, array_like=True, frozen=True):
    """What all folders of one environment hold, in the order Python searches them."""

    folders: tuple[Folder, ...]
    records: tuple[Seen, ...] = ()
    leftovers: tuple[str, ...] = ()
    """Files in ``conda-meta`` that an interrupted conda left behind."""
    history: Seen | None = None
    error: str = ""

    def fingerprint(self) -> str:
        """A short hash of all of it."""
        return hashlib.blake2b(msgspec.msgpack.encode(self), digest_size=16).hexdigest()


def scan(environment: Environment) -> Scan:
    """Look at ``conda-meta`` and at every folder that can hold distributions. Never raises."""
    folders = tuple(_scan_folder(path) for path in folders_of(environment))
    if not environment.is_conda:
        return Scan(folders=folders)
    meta = os.fspath(environment.conda_meta)
    try:
        with _stat_in(meta) as stat:
            names = sorted(os.listdir(meta))
            records = _look([name for name in names if name.endswith(".json")], stat)
            leftovers = tuple(name for name in names if ".json." in name or name.startswith("."))
            history = _look(["history"], stat)[0] if "history" in names else None
    except OSError as error:
        return Scan(folders=folders, error=f"{meta} can't be read: {error.strerror}")
    return Scan(folders=folders, records=records, leftovers=leftovers, history=history)


def folders_of(environment: Environment) -> tuple[str, ...]:
    """Every folder that can hold distributions of this environment, in search order, each real folder once."""
    python = environment.python
    if python is None:
        return ()
    own = [path for path in python.site_packages if path not in python.search_path]
    user = [python.user_site] if python.user_site and python.user_site not in python.search_path else []
    seen: dict[str, str] = {}
    for path in (*user, *python.search_path, *own):
        if path.is_dir():
            seen.setdefault(os.path.realpath(path), os.fspath(path))
    return tuple(seen.values())


def _scan_folder(path: str) -> Folder:
    try:
        with _stat_in(path) as stat:
            names = sorted(os.listdir(path))
            entries = _look([name for name in names if _is_distribution(name)], stat)
    except OSError as error:
        return Folder(path=path, entries=(), error=f"{path} can't be read: {error.strerror}")
    return Folder(
        path=path,
        entries=entries,
        leftovers=tuple(name for name in names if name.startswith("~")),
        editable_hooks=tuple(name for name in names if name.startswith("__editable__")),
    )


def _is_distribution(name: str) -> bool:
    return (name.endswith(_DISTRIBUTIONS) and not name.startswith("~")) or name == "EGG-INFO"


@contextlib.contextmanager
def _stat_in(folder: str) -> Iterator[Callable[[str], os.stat_result]]:
    """``os.stat`` for names in one folder; relative to its descriptor where the system can, a quarter faster."""
    if os.stat not in os.supports_dir_fd:
        yield lambda name: os.stat(os.path.join(folder, name))
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield partial(os.stat, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _look(names: list[str], stat: Callable[[str], os.stat_result]) -> tuple[Seen, ...]:
    """Each entry with the stat of its witness. One flat loop: this is what every second call costs."""
    seen: list[Seen] = []
    for name in names:
        try:
            found = stat(name + _WITNESS.get(name[-10:], ""))
        except OSError:
            seen.append(_look_again(name, stat))
        else:
            seen.append(Seen(name, found.st_mtime_ns, found.st_size))
    return tuple(seen)


def _look_again(name: str, stat: Callable[[str], os.stat_result]) -> Seen:
    """An entry whose usual witness isn't there: a legacy form, or a broken one."""
    for witness in ("/PKG-INFO", "/METADATA", ""):
        try:
            found = stat(name + witness)
        except OSError:
            continue
        return Seen(name, found.st_mtime_ns, found.st_size)
    return Seen(name, -1, -1)  # gone since the listing, or a dangling link: reading it will say so

"""One lock per prefix across processes, and one for conda's package cache.

The lock is the kernel's own (``flock``; a locked byte on Windows): it ends with the last process that has the
descriptor, so nothing is ever left behind by one that was killed. Engines inherit :attr:`Lock.fileno`: one that
outlives us keeps the lock until it ends too, and nobody rolls back under its hands. Beside the lock lies a file
that says who holds it; it is there to be read by those who wait and decides nothing.

Some network file systems have no locks. There a file that exists only while the lock is held takes its place
(:mod:`.weak_locks`), and an event says so.

Threads of one process exclude each other like processes do. Nobody gets a lock twice: a thread that asks for the
lock it holds waits for ever.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import os
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.model import (
    Cancellation,
    Environment,
    EnvironmentKind,
    Event,
    EventKind,
    EventSink,
    redact,
    to_json,
)
from jupyter_pkgmgr.model.errors import CancelledError, DiskFullError, EnvironmentProblem, PkgError, PolicyError

from . import weak_locks
from .orphans import Orphans

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "STATE",
    "Lock",
    "Owner",
    "attempt_lock",
    "cache_lock",
    "living_holder",
    "moment",
    "prefix_lock",
    "release_lock",
    "state_folder",
    "who_changes",
]

STATE = ".jupyter_pkgmgr"
"""Name of the folder that holds everything we keep about an environment, inside it."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
"""Seconds between two attempts, growing: what is awaited takes a tenth of a second or many minutes."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_TAKEN = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
"""What an attempt says when somebody else holds it; the latter two are Windows'."""
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who wants to change an environment, with what."""

    pid: int
    host: str
    user: str
    face: str
    """How they talk to us: ``%pkg``, ``cli``, …"""
    command: str
    started: str
    """ISO 8601, UTC."""
    job: str = ""
    """The job that it is part of, where there is one."""

    @classmethod
    def here(cls, *, user: str = "", face: str = "", command: str = "", job: str = "") -> Owner:
        """The running process, now; ``user`` where it works for somebody else than the one it runs as."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            user=user or _user(),
            face=face,
            command=redact(command),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            job=job,
        )

    def to_json(self) -> dict[str, Any]:
        """The owner as a JSON object."""
        document: dict[str, Any] = to_json(self)
        return document

    @classmethod
    def from_json(cls, text: bytes) -> Owner | None:
        """Read what another process wrote; ``None`` if it is garbage."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid()) if sys.platform != "win32" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock that is held."""

    path: Path
    fileno: int
    """Descriptor for the engines to inherit (``pass_fds``): the lock lasts as long as any of them."""
    weak: bool = False
    """Whether the file system has no locks and a file stands in for one."""


def state_folder(environment: Environment) -> Path:
    """Where everything is kept about an environment: below its prefix, or beside the system's packages."""
    if environment.kind is EnvironmentKind.SYSTEM and environment.python is not None:
        return environment.python.purelib / STATE
    return environment.prefix / STATE


@contextlib.contextmanager
def prefix_lock(environment: Environment, owner: Owner, *, events: EventSink, cancel: Cancellation) -> Iterator[Lock]:
    """Hold an environment: nobody else changes it meanwhile. Waits, however long it takes.

    Parameters
    ----------
    owner
        What those who wait are told about us.
    events
        Gets a ``WAITING`` event that names the holder, and another whenever the holder changes.
    cancel
        Ends the waiting.

    Raises
    ------
    CancelledError
        If it was cancelled before the lock was ours.
    PolicyError
        If this user may not write to the environment.
    """
    path = state_folder(environment) / "lock"
    with _locked(path, owner, f"the environment {environment.prefix}", events=events, cancel=cancel) as lock:
        yield lock


@contextlib.contextmanager
def cache_lock(folder: Path, owner: Owner, *, events: EventSink, cancel: Cancellation) -> Iterator[Lock | None]:
    """Hold a conda package cache, for the tools that have no lock of their own.

    Yields ``None`` where this user may not write: then the tool can't change that cache either.
    """
    with contextlib.ExitStack() as stack:
        lock = None
        with contextlib.suppress(PolicyError):
            subject = f"the package cache {folder}"
            _make_parents(folder, subject)
            path = folder / f"{STATE}.lock"
            lock = stack.enter_context(_locked(path, owner, subject, events=events, cancel=cancel))
        yield lock


@contextlib.contextmanager
def _locked(path: Path, owner: Owner, subject: str, *, events: EventSink, cancel: Cancellation) -> Iterator[Lock]:
    told = ""
    pause = _FIRST_PAUSE
    orphans = Orphans(path, events)
    lock: Lock | None = None
    try:
        cancel.check()
        while (lock := attempt_lock(path, owner, subject)) is None:
            if (message := _waiting(path, subject)) != told:
                told = message
                events(Event(kind=EventKind.WAITING, message=message + _left_running(path)))
            if cancel.wait(pause):
                raise CancelledError("stopped while waiting; nothing was changed")
            if (holder := _read_holder(path)) is not None and _is_dead(holder):
                orphans.end(holder.pid)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        if lock.weak:
            message = f"the file system of {subject} has no locks: don't change it from two machines at once"
            events(Event(kind=EventKind.MESSAGE, level="warning", message=message))
        _say_who(path, owner)
        yield lock
    finally:
        if lock is not None:
            release_lock(lock)


def attempt_lock(path: Path, owner: Owner, subject: str) -> Lock | None:
    """Take the lock if it is free, at once. Its file is opened anew each time, as it may be another than before."""
    descriptor = -1
    try:
        descriptor = _open(path)
        weak = not _try_lock(descriptor)
        if _is_at(descriptor, path) and (not weak or weak_locks.take(path, owner.pid, owner.host)):
            lock = Lock(path=path, fileno=descriptor, weak=weak)
            descriptor = -1
            return lock
    except BlockingIOError:
        return None
    except OSError as error:
        raise _explained(error, subject) from error
    finally:
        if descriptor != -1:
            os.close(descriptor)
    return None


def _open(path: Path) -> int:
    """Open the lock's file; make it, and its folder, where there is none."""
    flags = os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        _make_folder(path.parent)
        return os.open(path, flags, 0o666)
    except PermissionError:
        if not path.exists() or not os.access(path.parent, os.W_OK):
            raise
        return os.open(path, os.O_RDONLY)  # a file of another user, in an environment that both may change


def _make_folder(folder: Path) -> None:
    """Make the folder as open to others as the one it lies in: a group's environment is the group's to change."""
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):  # a file system without modes
        folder.chmod(stat.S_IMODE(folder.parent.stat().st_mode))


def _make_parents(folder: Path, subject: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _explained(error, subject) from error


def _explained(error: OSError, subject: str) -> PkgError:
    reason = error.strerror or str(error)
    if error.errno in _NOT_WRITABLE:
        return PolicyError(f"{subject} can't be written by this user", reference="read-only", note=reason)
    if error.errno in _NO_SPACE:
        return DiskFullError(f"there is no space left to lock {subject}", hint="free some space, then try again")
    return EnvironmentProblem(f"{subject} can't be locked: {reason}", context=(str(error.filename or ""),))


def _try_lock(descriptor: int) -> bool:
    """Lock the file; ``False`` where its file system has no locks. Raises ``BlockingIOError`` if it is taken."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        if error.errno in _TAKEN:
            raise BlockingIOError(error.errno, error.strerror) from error
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether this file is still the one that others would open: its folder may have been deleted by hand."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def release_lock(lock: Lock) -> None:
    """Give the lock back, even where a daemon that an engine left behind has inherited it."""
    try:
        with contextlib.suppress(OSError):  # a disk that went read-only meanwhile: the lock ends all the same
            if _is_at(lock.fileno, lock.path):
                _who(lock.path).unlink(missing_ok=True)
                if lock.weak:
                    weak_locks.give_back(lock.path)
        if sys.platform == "win32":
            os.lseek(lock.fileno, 0, os.SEEK_SET)
            msvcrt.locking(lock.fileno, msvcrt.LK_UNLCK, 1)
        elif not lock.weak:
            fcntl.flock(lock.fileno, fcntl.LOCK_UN)
    finally:
        os.close(lock.fileno)


# --- who holds it --------------------------------------------------------------------------------------------------


def _who(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _say_who(path: Path, owner: Owner) -> None:
    """Write who holds the lock. It holds all the same where that can't be written (a full disk)."""
    new = path.with_name(f"{path.name}.json.new")  # one name is enough: only the holder writes
    with contextlib.suppress(OSError):
        try:
            new.write_bytes(msgspec.json.encode(owner.to_json()))
            new.replace(_who(path))
        except OSError:
            new.unlink(missing_ok=True)
            _who(path).unlink(missing_ok=True)


def living_holder(environment: Environment) -> Owner | None:
    """Who changes the environment at this moment, as far as that can be told without asking for the lock."""
    holder = _read_holder(state_folder(environment) / "lock")
    return None if holder is None or _is_dead(holder) else holder


def who_changes(environment: Environment) -> str:
    """Who holds the environment, or what of theirs still runs, since when; as a sentence for those who only read."""
    return _waiting(state_folder(environment) / "lock", "this environment")


def _read_holder(path: Path) -> Owner | None:
    try:
        return Owner.from_json(_who(path).read_bytes())
    except OSError:
        return None


def _waiting(path: Path, subject: str) -> str:
    """Who is waited for; and, where a file stands in for the lock, what to do if they can't give it back."""
    held = weak_locks.held_file(path)
    remedy = f"; if that has ended, delete {held}" if held.exists() else ""
    holder = _read_holder(path)
    if holder is None:
        return f"something else changes {subject}{remedy}"
    who = f"{holder.user}@{holder.host}, process {holder.pid}, since {moment(holder.started)}"
    what = " ".join(holder.command.split()) or holder.face or "a change"
    if _is_dead(holder):
        return f"what {what} ({who}, killed) left running still changes {subject}{remedy}"
    return f"{what} ({who}) changes {subject}{remedy}"


def moment(started: str) -> str:
    """When something began, as one reads it."""
    return f"{started.replace('T', ' ').removesuffix('+00:00')} UTC"


def _left_running(path: Path) -> str:
    """The processes that keep the lock of one that was killed, where the system tells."""
    holder = _read_holder(path)
    keepers = weak_locks.keepers(path) if holder is not None and _is_dead(holder) else []
    return f": process {', '.join(map(str, keepers))}" if keepers else ""


def _is_dead(holder: Owner) -> bool:
    return holder.host == socket.gethostname() and not weak_locks.is_alive(holder.pid)

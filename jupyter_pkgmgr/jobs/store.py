"""Jobs on the disk: one file each, a line an event, so that a later host finds what became of them.

The first line of a file holds the job's facts and its host's name; each further line is one event. Lines are only
appended; when most of them have been replaced by later ones the file is written anew. Nothing is synced: what
matters after a power failure is in the environment's own journal and history.

A host holds a lock on a file of its own as long as it lives, so nobody takes the jobs of a living host for dead: two
servers of one user share the folder. Whatever can't be read is told and set aside, and never stops a host.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from jupyter_pkgmgr.model import SCHEMA, to_json
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.transactions.locks import Lock, Owner, attempt_lock, release_lock
from jupyter_pkgmgr.transactions.weak_locks import is_alive

from .job import Job, JobFacts, JobState
from .log import EventLog, LogEvent

__all__ = ["JobStore"]

logger = logging.getLogger(__name__)

SUFFIX = ".jsonl"
_HOST = ".host"
_DAMAGED = ".damaged"
_SLACK = 1024**2
"""Bytes of replaced lines that a file may always hold."""
_ADOPTION = 10.0
"""Seconds to wait for another host that looks through the folder at the same time."""
_LAST_BREATH = 5.0
"""Seconds in which the lock of a process that is gone gets free."""
_UNREADABLE = (OSError, msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError)


class _Head(msgspec.Struct, kw_only=True):
    """A file's first line."""

    schema: int
    host: str
    facts: JobFacts
    first: int = 1


@dataclass(slots=True)
class _File:
    """The file of a job that hasn't ended; open from its first event on, as thousands may wait for their turn."""

    stream: IO[bytes] | None = None
    written: int = 0
    torn: bool = False
    """Whether it may end with half a line, as when the disk was full."""


class JobStore:
    """A folder of jobs. Thread-safe as far as each job's events come one after the other.

    Parameters
    ----------
    folder
        Made where it isn't; several hosts may use it at the same time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._failed = False
        self.host = secrets.token_hex(8)
        self._lock: Lock | None = None
        with self._telling("the folder of jobs can't be used"):
            _private(folder)
            self._lock = self._hold(self._folder / f"{self.host}{_HOST}")
            if self._lock is not None:
                _owner_of(self._lock.path).write_bytes(msgspec.json.encode(Owner.here(face="jobs").to_json()))

    def close(self) -> None:
        """Give up the folder: every job of this host has ended."""
        for name in list(self._files):
            self._close(name)
        if self._lock is not None:
            lock, self._lock = self._lock, None
            release_lock(lock)
            lock.path.unlink(missing_ok=True)

    # --- writing ---------------------------------------------------------------------------------------------------

    def begin(self, job: Job) -> None:
        """Keep a job from now on, with every event that its log gets."""
        with self._telling("jobs can't be kept"):
            self._write(job)
            job.log.subscribe(lambda event: self._append(job, event))

    def _append(self, job: Job, event: LogEvent) -> None:
        file = self._files.get(job.id)
        if file is None:
            return
        with self._telling("jobs can't be kept"):
            again = file.torn
            if not again:
                file.torn = True
                file.stream = file.stream or self._path(job.id).open("ab")
                file.stream.write(event.line + b"\n")
                file.stream.flush()  # a host that is killed leaves everything that was told
                file.written += len(event.line)
                file.torn = False
            ended = event.document["type"] == "state" and JobState(event.document["state"]).ended
            if again or ended or file.written > 4 * job.log.size + _SLACK:
                self._write(job)
            if ended:
                self._close(job.id)

    def _write(self, job: Job) -> None:
        """Write the file anew, with what is in the log."""
        events, first = job.log.kept()
        head = {"schema": SCHEMA, "host": self.host, "facts": to_json(job.facts), "first": first}
        lines = [msgspec.json.encode(head), *(event.line for event in events), b""]
        path = self._path(job.id)
        new = path.with_suffix(".new")
        data = b"\n".join(lines)
        new.write_bytes(data)
        self._close(job.id)
        new.replace(path)
        self._files[job.id] = _File(written=len(data))

    def forget(self, name: str) -> None:
        """Remove a job's file."""
        self._close(name)
        with self._telling("jobs can't be forgotten"):
            self._path(name).unlink(missing_ok=True)

    def _close(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None and file.stream is not None:
            with contextlib.suppress(OSError):  # what couldn't be written was told when it happened
                file.stream.close()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    @contextlib.contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Jobs run also where they can't be kept (a full disk, a folder of somebody else's); that is told once."""
        try:
            yield
        except (OSError, PkgError) as error:
            if not self._failed:
                self._failed = True
                logger.warning("%s in %s: %s", what, self._folder, error)

    # --- finding ---------------------------------------------------------------------------------------------------

    def load(self) -> tuple[Job, ...]:
        """The jobs of earlier hosts, oldest first; those of hosts that died are this one's from now on.

        Jobs of hosts that live are left to them.
        """
        found: list[Job] = []
        with self._telling("the folder of jobs can't be read"), self._adopting():
            hosts: dict[str, bool] = {self.host: True}
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                job = self._read(path, hosts)
                if job is not None:
                    found.append(job)
            self._clean_up(hosts)
        return tuple(sorted(found, key=lambda job: (job.facts.created, job.id)))

    def _read(self, path: Path, hosts: dict[str, bool]) -> Job | None:
        try:
            head, job = _read_job(path)
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            logger.warning("the job in %s can't be read and is left out: %s", path, error)
            with self._telling("damaged jobs can't be set aside"):
                path.replace(path.with_suffix(_DAMAGED))
            return None
        if job.state.ended:
            return job
        if head.host not in hosts:
            hosts[head.host] = self._lives(head.host)
        if hosts[head.host]:
            return None
        self.begin(job)
        return job

    def _lives(self, host: str) -> bool:
        """Whether a host still holds its lock. Names of hosts come from files, so they are looked at first."""
        path = self._folder / f"{Path(host).name}{_HOST}"
        deadline = time.monotonic() + _LAST_BREATH
        while path.exists():
            lock = attempt_lock(path, Owner.here(), "a host of jobs")
            if lock is not None:
                release_lock(lock)
                return False
            if not _is_dead(path) or time.monotonic() > deadline:
                return True
            time.sleep(0.02)  # a tool that it was just about to start has the lock until it has become that tool
        return False

    def _hold(self, path: Path) -> Lock | None:
        return attempt_lock(path, Owner.here(face="jobs"), f"the folder of jobs {self._folder}")

    @contextlib.contextmanager
    def _adopting(self) -> Iterator[None]:
        """Look through the folder alone, so that no job is taken over twice."""
        path = self._folder / "adopting"
        deadline = time.monotonic() + _ADOPTION
        while (lock := self._hold(path)) is None:
            if time.monotonic() > deadline:
                raise OSError("another host has been looking through it for too long")
            time.sleep(0.02)
        try:
            yield
        finally:
            release_lock(lock)

    def _clean_up(self, hosts: dict[str, bool]) -> None:
        """Remove what dead hosts left beside their jobs, and damaged files that nobody came to look at."""
        for host, lives in hosts.items():
            if not lives:
                path = self._folder / f"{Path(host).name}{_HOST}"
                path.unlink(missing_ok=True)
                _owner_of(path).unlink(missing_ok=True)
        for path in [*self._folder.glob("*.new"), *self._folder.glob(f"*{_DAMAGED}")]:
            if time.time() - path.stat().st_mtime > 7 * 24 * 3600:
                path.unlink(missing_ok=True)


def _private(folder: Path) -> None:
    """Make a folder for its user only, as titles of jobs and output of tools are; also one that was there before.

    Raises
    ------
    OSError
        If it can't be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(OSError):  # a file system without modes, or somebody else's folder
        folder.chmod(0o700)


def _owner_of(path: Path) -> Path:
    """Where it says who holds a host's lock; :func:`release_lock` removes it."""
    return path.with_name(f"{path.name}.json")


def _is_dead(path: Path) -> bool:
    """Whether the process that says it holds a lock is gone, as far as can be told from here."""
    try:
        owner = Owner.from_json(_owner_of(path).read_bytes())
    except FileNotFoundError:
        return False
    return owner is not None and owner.host == Owner.here().host and not is_alive(owner.pid)


def _read_job(path: Path) -> tuple[_Head, Job]:
    data = path.read_bytes()
    first, *lines = data.split(b"\n")
    head = msgspec.json.decode(first, type=_Head, dec_hook=_decoded)
    if head.schema != SCHEMA:
        raise ValueError(f"its version is {head.schema}, this program reads {SCHEMA}")
    if path.name != f"{head.facts.id}{SUFFIX}":
        raise ValueError(f"it holds the job {head.facts.id}")
    job = Job(head.facts, log=EventLog())
    job.restore([_event(line) for line in _whole(lines)], first=head.first)
    return head, job


def _whole(lines: list[bytes]) -> list[bytes]:
    """The lines without what a host that was killed had only half written: the last has no end then."""
    return [line for line in lines[:-1] if line]


def _event(line: bytes) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    return document


def _decoded(type_: type, value: Any) -> Any:
    return type_(value)

"""A second lock for our own worker, which can't inherit the environment's: it lives longer than a transaction.

When we are killed, the environment's lock is free at once, but the worker sees the end of its stdin only a moment
later. In that moment it may still write. So it holds this lock while it changes a prefix, and whoever takes back what
was interrupted waits for it. A worker that gets the lock late, when the rollback is over, finds its parent gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jupyter_pkgmgr.model.errors import EngineKilledError, EnvironmentProblem

if sys.platform != "win32":
    import fcntl

__all__ = ["GUARD", "guarded", "wait_for_worker"]

GUARD = ".jupyter_pkgmgr/worker.lock"
"""The lock's place in a conda environment, in the folder that transactions keep there."""
_PARENT = os.getppid()
_PATIENCE = 30.0
"""Seconds that a worker whose parent is gone may take to end."""


@contextlib.contextmanager
def guarded(prefix: Path) -> Iterator[None]:
    """In the worker: hold the lock, if the environment has the folder for it: then a transaction is under way.

    Raises
    ------
    EngineKilledError
        If whoever asked for the work is gone.
    """
    if sys.platform == "win32" or not (prefix / GUARD).parent.is_dir():
        yield
        return
    descriptor = os.open(prefix / GUARD, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: a message about that was shown already
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.getppid() != _PARENT:
            raise EngineKilledError("whoever asked for this change is gone")
        yield
    finally:
        os.close(descriptor)


def wait_for_worker(prefix: Path) -> None:
    """Wait until no worker of a process that was killed writes any more.

    Raises
    ------
    EnvironmentProblem
        If it doesn't end.
    """
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(prefix / GUARD, os.O_RDONLY)
    except FileNotFoundError:
        return
    deadline = time.monotonic() + _PATIENCE
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EnvironmentProblem(
                        f"a worker of an interrupted change still holds {prefix / GUARD}", hint="end it, then try again"
                    ) from None
                time.sleep(0.005)
            except OSError:  # a file system without locks
                return
            else:
                return
    finally:
        os.close(descriptor)

"""Engines that outlive whoever started them, because that was killed: who waits for the lock they hold ends them.

Nobody is left to verify and commit what they do, so it is taken back in any case; waiting for their end would only
take longer (a download from a server that hangs: for ever). A process is taken for such an engine if it has the lock's
file open *and* was started by the very process that the lock's holder was: both come from :func:`process.start`, and
are nobody's by chance. Only Linux tells that of other processes (proc_pid_environ(5)); elsewhere they are waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from jupyter_pkgmgr import process
from jupyter_pkgmgr.model import Event, EventKind, EventSink

from .weak_locks import keepers

__all__ = ["Orphans"]


class Orphans:
    """What one who waits for a lock does about the engines that hold it."""

    def __init__(self, path: Path, events: EventSink) -> None:
        self._path = path
        self._events = events
        self._asked: dict[int, float] = {}
        """When a process was asked to end."""

    def end(self, parent: int) -> None:
        """Ask whatever this process, which is gone, left running to end; kill what hasn't ended after a while."""
        for pid in keepers(self._path):
            asked = self._asked.get(pid)
            if asked is None and _signal(pid, parent, signal.SIGTERM):
                self._asked[pid] = time.monotonic()
                message = f"process {pid}, which was left running, is being ended: what it did is taken back"
                self._events(Event(kind=EventKind.MESSAGE, level="warning", message=message))
            elif asked is not None and time.monotonic() - asked > process.TERMINATE_GRACE:
                _signal(pid, parent, signal.SIGKILL)


def _signal(pid: int, parent: int, number: signal.Signals) -> bool:
    """Send a signal to a process if that parent started it; returns whether it was sent."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        handle = os.pidfd_open(pid)  # from here on no other process can be meant by the number
        try:
            if f"{process.STARTED_BY}={parent}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                signal.pidfd_send_signal(handle, number)
                return True
        finally:
            os.close(handle)
    return False

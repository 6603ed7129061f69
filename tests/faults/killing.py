"""Processes: whose children they are, ending them at once, waiting until they are gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

__all__ = ["children", "gone", "kill_all", "send", "stop"]


def children(pid: int) -> list[int]:
    """All descendants, deepest last."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in _own_children(waiting.pop(0)):
            found.append(child)
            waiting.append(child)
    return found


def _own_children(pid: int) -> list[int]:
    """Linux tells them in a moment; psutil has to look at every process of the machine."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        if (tasks / str(pid) / "children").exists():
            return [int(child) for task in tasks.iterdir() for child in _read(task / "children").split()]
        return [child.pid for child in psutil.Process(pid).children()]
    except (OSError, psutil.Error):  # it ended meanwhile
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # a thread that ended meanwhile
        return ""


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(pid: int, *, seconds: float = 60.0) -> None:
    """Stop a process, and wait until it has: a thread of it may be starting another process at this moment."""
    send(pid, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while not _stands_still(pid) and time.monotonic() < deadline:
        time.sleep(0.0005)


def _stands_still(pid: int) -> bool:
    """Whether each thread is stopped or has ended."""
    try:
        if (tasks := Path(f"/proc/{pid}/task")).exists():
            states = [_read(task / "stat").rpartition(")")[2].split() for task in tasks.iterdir()]
            return all(state[0] in "TtZX" for state in states if state)
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    except (OSError, psutil.NoSuchProcess):
        return True


def kill_all(pid: int) -> None:
    """End a process and all its descendants as if at once: it is stopped first, so that it starts no more."""
    stop(pid)
    for child in children(pid):
        send(child, signal.SIGKILL)
    send(pid, signal.SIGKILL)


def gone(pids: Sequence[int], *, seconds: float = 60.0) -> bool:
    """Wait until the processes have ended; an unreaped one has."""
    deadline = time.monotonic() + seconds
    while waiting := [pid for pid in pids if _lives(pid)]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    return not waiting


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

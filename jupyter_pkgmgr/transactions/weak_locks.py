"""A lock for file systems without locks: a file that exists while the lock is held.

Nothing removes such a file when its maker dies, so it names the process, and whoever finds the process dead takes
over. Of a process on another machine nobody can tell; its file has to be deleted by hand if it was killed. Two
machines that take over at the same moment could both believe to hold it, which is why this is a last resort.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from pathlib import Path

import msgspec

__all__ = ["give_back", "held_file", "is_alive", "keepers", "take"]

_GARBAGE_AGE = 10.0
"""Seconds after which a file that can't be read isn't one that is just being written."""
_SETTLE = 0.05
"""Seconds after which a file that was just made must still be ours: longer than a take-over takes."""
_START_TIME = 22 - 3
"""Its field in ``/proc/PID/stat``, counted as :func:`_stat` does."""


class _Holder(msgspec.Struct):
    pid: int
    host: str
    boot: str
    """Which run of that machine: after a restart the same number is another process."""
    born: str
    """When the process began, in the kernel's count: the same number may be another process by now."""
    token: str


def held_file(path: Path) -> Path:
    """The file that stands in for the lock on ``path``."""
    return path.with_name(f"{path.name}.held")


def take(path: Path, pid: int, host: str) -> bool:
    """Make the file that stands in for the lock on ``path``; ``False`` if somebody has it."""
    held = held_file(path)
    mine = _Holder(pid=pid, host=host, boot=_boot(), born=_born(pid), token=uuid.uuid4().hex)
    if not _make(held, mine):
        if not _is_left_over(held, path, host) or not _clear_away(held):
            return False
        if not _make(held, mine):
            return False
    time.sleep(_SETTLE)
    return _token(held) == mine.token


def give_back(path: Path) -> None:
    """Remove the file."""
    held_file(path).unlink(missing_ok=True)


def _make(held: Path, mine: _Holder) -> bool:
    try:
        descriptor = os.open(held, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, msgspec.json.encode(mine))
        os.fsync(descriptor)
    except OSError:
        held.unlink()
        raise
    finally:
        os.close(descriptor)
    return True


def _read(held: Path) -> _Holder | None:
    try:
        return msgspec.json.decode(held.read_bytes(), type=_Holder)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _token(held: Path) -> str:
    holder = _read(held)
    return holder.token if holder else ""


def _is_left_over(held: Path, path: Path, host: str) -> bool:
    """Whether the process that made the file is dead, and so is every engine that it left running."""
    holder = _read(held)
    if holder is None:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - held.stat().st_mtime > _GARBAGE_AGE
        return False
    if holder.host != host:
        return False
    if holder.boot != _boot():
        return True
    alive = is_alive(holder.pid) and (not holder.born or holder.born == _born(holder.pid))
    return not alive and not keepers(path)


def _clear_away(held: Path) -> bool:
    """Move a left-over file aside, and back if in that moment somebody else has made a new one."""
    seen = _token(held)
    aside = held.with_name(f"{held.name}.{uuid.uuid4().hex}")
    try:
        held.rename(aside)
    except FileNotFoundError:
        return True
    if _token(aside) != seen:
        aside.rename(held)
        return False
    aside.unlink()
    return True


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that ended but that nobody has reaped doesn't."""
    if sys.platform == "win32":
        return True  # only asked for a message there: Windows has locks
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return _stat(pid)[:1] not in (["Z"], ["X"])


def _born(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty where the system doesn't say."""
    return next(iter(_stat(pid)[_START_TIME:]), "")


def _stat(pid: int) -> list[str]:
    """Linux' ``/proc/PID/stat`` from the third field (state) on, see proc_pid_stat(5); empty elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    """Which run of this machine it is; empty where nothing says so."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def keepers(path: Path) -> list[int]:
    """The other processes that have the lock's file open, as an engine has that inherited it (Linux only)."""
    wanted = path.resolve()
    own = str(os.getpid())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != own:
            with contextlib.suppress(OSError):  # it ended, or isn't ours to look into
                if any(file.readlink() == wanted for file in (process / "fd").iterdir()):
                    found.append(int(process.name))
    return found

"""What files said, kept while they are the same: a plan and its install read the records of one prefix five times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["FileMemory"]

RACY = 2_000_000_000
"""Nanoseconds: a file changed so short ago could change again without a change of its stat."""

_T = TypeVar("_T")
_Stamp = tuple[int, int, int, int]


class FileMemory(Generic[_T]):
    """Reads files, and those that were read before only if they have changed. Remembers those of the last call."""

    def __init__(self, read: Callable[[Path], _T]) -> None:
        self._read = read
        self._known: dict[Path, tuple[_Stamp, _T]] = {}

    def of(self, paths: Iterable[Path]) -> dict[Path, _T]:
        """What each of these files says; raises what reading raises."""
        limit = time.time_ns() - RACY
        found: dict[Path, tuple[_Stamp, _T]] = {}
        for path in paths:
            status = path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._known.get(path)
            found[path] = known if known is not None and known[0] == stamp else (stamp, self._read(path))
        self._known = {path: item for path, item in found.items() if max(item[0][2:]) < limit}
        return {path: item for path, (_, item) in found.items()}

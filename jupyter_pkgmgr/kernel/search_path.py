"""What an installation adds to the import path, which Python itself reads only when it starts: ``.pth`` files."""

from __future__ import annotations

import os
import sys
import sysconfig
from typing import Dict, Tuple

__all__ = ["refresh", "snapshot"]

Snapshot = Dict[str, Tuple[int, int]]
"""Each ``.pth`` file with its size and time of change."""


def snapshot() -> Snapshot:
    """The ``.pth`` files of this environment as they are now."""
    found: Snapshot = {}
    for folder in _site_folders():
        if os.path.isdir(folder):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".pth") and not entry.name.startswith("."):
                        status = entry.stat()
                        found[entry.path] = (status.st_size, status.st_mtime_ns)
    return found


def refresh(before: Snapshot) -> list[str]:
    """Add what ``.pth`` files that are new since ``before`` add to ``sys.path``, as ``site`` does at start.

    Their ``import`` lines are not run: that is left to a new kernel.

    Returns
    -------
    list of str
        Names of the files that have such lines.
    """
    for folder in _site_folders():
        if os.path.isdir(folder):
            _add(folder)
    wait_for_restart = []
    for path, state in snapshot().items():
        if before.get(path) != state and _process(path):
            wait_for_restart.append(os.path.basename(path))
    return wait_for_restart


def _process(path: str) -> bool:
    """Add the folders a ``.pth`` file names; whether it has lines that only a start can run."""
    code = False
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        for line in map(str.rstrip, file):
            if line.startswith(("import ", "import\t")):
                code = True
            elif line.strip() and not line.startswith("#"):
                folder = os.path.abspath(os.path.join(os.path.dirname(path), line))
                if os.path.exists(folder):
                    _add(folder)
    return code


def _add(folder: str) -> None:
    known = {os.path.normcase(os.path.abspath(path)) for path in sys.path}
    if os.path.normcase(folder) not in known:
        sys.path.append(folder)


def _site_folders() -> list[str]:
    return sorted({sysconfig.get_path(key) for key in ("purelib", "platlib")})

"""Wheels that lie unpacked in uv's cache: their files can be looked at without a process.

The cache's layout is uv's own business and changes with its version (``wheels-v8`` is of 0.13). So nothing here
relies on it: what isn't found where it is looked for, uv is asked to unpack.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import EnginePlan, OriginKind

__all__ = ["unpacked"]

_WHEELS = ("wheels-v*/pypi", "wheels-v*/index/*")
"""Folders of the wheels that came from an index, with one folder for each project."""


def unpacked(plan: EnginePlan, names: Collection[str], setting: str) -> dict[str, tuple[Path, ...]]:
    """The unpacked wheels of those of these packages that come from an index and lie in uv's cache, by name.

    Which index the wheel is taken from, and for which platform, is known to uv only. So all of the right version
    count: a file too many is kept for nothing, and that is cheap.

    Parameters
    ----------
    names
        Canonical names of packages that the plan installs.
    setting
        ``cache-dir`` of the user's ``uv.toml``, or nothing.
    """
    if os.environ.get("UV_NO_CACHE"):
        return {}
    shelves = [shelf for pattern in _WHEELS for shelf in _folder(setting).glob(pattern)]
    found = {}
    for package in (change.after for change in plan.changes if change.after is not None):
        name = canonicalize_name(package.name)
        if name in names and package.origin.kind is OriginKind.INDEX:
            found[name] = tuple(root for shelf in shelves for root in _of_version(shelf / name, package.version))
    return {name: roots for name, roots in found.items() if roots}


def _of_version(project: Path, version: str) -> list[Path]:
    """``VERSION-PYTHON-ABI-PLATFORM`` is a link to the unpacked wheel; its neighbours are files."""
    try:
        return [entry for entry in project.iterdir() if entry.name.startswith(f"{version}-") and entry.is_dir()]
    except OSError:  # not there, or not ours to read
        return []


def _folder(setting: str) -> Path:
    """As uv documents it ("Caching"): the variable, the setting, or the place that the system has for caches."""
    if configured := os.environ.get("UV_CACHE_DIR") or setting:
        return Path(configured).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", ""), "uv", "cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")

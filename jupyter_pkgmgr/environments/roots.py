"""Where conda's root prefix is, and where named environments are looked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

from .history import read_history
from .identify import is_conda_prefix
from .policies import is_root_prefix, is_writable

__all__ = ["default_envs_dirs", "find_root", "root_of_executable"]


def find_root(prefix: Path | None, *, environ: Mapping[str, str]) -> Path | None:
    """The root prefix whose conda or mamba looks after a prefix, or ``None`` if there is none on this machine.

    The prefix's own position tells most (it is a root, or lies in a root's ``envs``), then the executable
    that wrote its history, then the variables an activated shell has, then PATH.
    """
    candidates = chain(_roots_near(prefix, environ), _roots_around(environ))
    return next((root for root in candidates if root is not None), None)


def _roots_near(prefix: Path | None, environ: Mapping[str, str]) -> Iterator[Path | None]:
    """What the prefix itself tells."""
    if prefix is None:
        return
    if is_root_prefix(prefix, environ=environ):
        yield prefix
    if prefix.parent.name == "envs":
        above = prefix.parent.parent
        # micromamba's root need not be an environment itself; ~/.conda has both folders and is no root
        if is_conda_prefix(above) or ((above / "pkgs").is_dir() and above.name != ".conda"):
            yield above
    for command in islice(read_history(prefix / "conda-meta" / "history").commands(), 1):
        yield root_of_executable(Path(command[0])) if command else None


def _roots_around(environ: Mapping[str, str]) -> Iterator[Path | None]:
    """What the variables tell, then PATH."""
    for name in ("CONDA_ROOT", "_CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        if environ.get(name) and Path(environ[name]).is_dir():
            yield Path(environ[name])
    for name in ("CONDA_EXE", "MAMBA_EXE"):
        yield root_of_executable(Path(environ.get(name, "")))
    for tool in ("conda", "mamba"):
        yield root_of_executable(Path(shutil.which(tool, path=environ.get("PATH", "")) or ""))
    home = Path(environ.get("HOME") or Path.home())
    for folder in (home / ".local" / "share" / "mamba", home / "micromamba"):  # where micromamba puts its root
        yield folder if (folder / "envs").is_dir() else None


def root_of_executable(executable: Path) -> Path | None:
    """The root prefix an executable lies in (``ROOT/bin/conda``, ``ROOT/condabin/conda``), if it is one."""
    if not executable.is_absolute():
        return None
    for path in (executable, Path(os.path.realpath(executable))):
        if is_conda_prefix(path.parent.parent):
            return path.parent.parent
    return None


def default_envs_dirs(root: Path | None, *, home: Path) -> tuple[Path, ...]:
    """Folders of conda for named environments: the root's first, where it can be written."""
    own = home / ".conda" / "envs"
    if root is None:
        return (own,)
    shared = root / "envs"
    return (shared, own) if is_writable(root / "conda-meta" / "history") else (own, shared)

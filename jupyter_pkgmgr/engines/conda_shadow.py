"""A conda prefix as it will be after a removal, for a dry run of what comes next.

None of conda's, mamba's and micromamba's commands removes and installs at once, and a dry run knows only the prefix
that it is given. It reads little of it, though: the records and the history in ``conda-meta``, with ``pinned`` and
``frozen`` beside them, and the settings that lie in the prefix (``.condarc`` and its kin). So that is all that a shadow
has. Virtual packages and all other settings belong to the machine and to the user.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from jupyter_pkgmgr.engines.conda_history import append_revision, current_dists

__all__ = ["shadow"]

_SETTINGS = (".condarc", "condarc", "condarc.d", ".mambarc")
"""Where conda and mamba look for settings in a prefix that is named with ``-p``."""
_BESIDE_RECORDS = ("history", "pinned", "frozen")


@contextlib.contextmanager
def shadow(prefix: Path, going: Collection[str], *, asked: Collection[str]) -> Iterator[Path]:
    """A temporary prefix that looks to a solver like this one does without some packages.

    Parameters
    ----------
    prefix
        The conda environment; nothing is written to it.
    going
        Names of all the packages that the removal takes away.
    asked
        Those of them that somebody asked to remove: the history says so, and that nobody wants them any more.
    """
    with tempfile.TemporaryDirectory(prefix="jupyter-pkgmgr-shadow-") as folder:
        meta = Path(folder, "conda-meta")
        meta.mkdir()
        lost = {name.lower() for name in going}
        for record in prefix.glob("conda-meta/*.json"):
            if record.stem.rsplit("-", 2)[0].lower() not in lost:
                _link(record, meta / record.name)
        for name in (*_SETTINGS, *(f"conda-meta/{name}" for name in _BESIDE_RECORDS)):
            if (prefix / name).exists():
                _copy(prefix / name, Path(folder, name))
        append_revision(
            meta / "history",
            dists=current_dists(Path(folder), str),
            command=f"remove {' '.join(asked)}",
            remove_specs=tuple(asked),
        )
        yield Path(folder)


def _link(source: Path, target: Path) -> None:
    """A record is only read, and large environments have many megabytes of them."""
    try:
        target.symlink_to(source)
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(source, target)


def _copy(source: Path, target: Path) -> None:
    """Not a link: tools open the history for writing to see whether they may."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)

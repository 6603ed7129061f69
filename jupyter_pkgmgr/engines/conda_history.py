"""Writes ``conda-meta/history`` as conda does, for an engine that leaves it empty.

The format is conda's (``conda.history.History``): a revision is ``==> date <==``, comments with the command, a
version and the specs, and the dists that went and came as ``-channel/subdir::name-version-build`` and ``+…``. What
came or went since the last revision is found by comparing states, so that changes of tools that write no
history end up in the next revision, as they do with conda.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from jupyter_pkgmgr.environments.history import read_history
from jupyter_pkgmgr.model import redact

__all__ = ["Entry", "append_revision", "current_dists"]

CONDA_VERSION = "3.8.0"
"""Written as ``# conda version``: no conda was here. It is what mamba writes: old enough that no conda takes
the environment for one of a newer conda's."""

Entry = tuple[str, str, str, str, str]
"""Channel (as conda names it), subdir, name, version, build."""


class _Record(msgspec.Struct):
    """What the history names of a record. Most of it is its list of files, which is passed over."""

    name: str
    version: str
    build: str
    channel: str | None = None
    subdir: str | None = None


def dist(entry: Entry) -> str:
    """``conda-forge/noarch::six-1.17.0-pyhd8ed1ab_0``."""
    channel, subdir, name, version, build = entry
    return f"{channel}/{subdir}::{name}-{version}-{build}"


def current_dists(prefix: Path, channel_name: Callable[[str], str]) -> set[str]:
    """What is installed, as the history names it.

    Parameters
    ----------
    prefix
        The environment.
    channel_name
        Turns a record's channel URL into conda's name for the channel.
    """
    dists = set()
    for path in (prefix / "conda-meta").glob("*.json"):
        record = msgspec.json.decode(path.read_bytes(), type=_Record)
        subdir = record.subdir or "noarch"
        channel = (record.channel or "").rstrip("/").removesuffix(f"/{subdir}")
        name = channel_name(channel) if "://" in channel else channel or "<unknown>"
        dists.add(dist((name, subdir, record.name, record.version, record.build)))
    return dists


def append_revision(
    path: Path,
    *,
    dists: Iterable[str],
    command: str,
    update_specs: Sequence[str] = (),
    remove_specs: Sequence[str] = (),
    neutered_specs: Sequence[str] = (),
) -> None:
    """Add a revision that says how the last recorded state became ``dists``.

    Dists that the history names by another spelling of the same channel (mamba writes its whole URL) are
    taken for what they are: their file counts, not the spelling.
    """
    last, now = _by_file(read_history(path).state()), _by_file(dists)
    lines = [
        f"==> {time.strftime('%Y-%m-%d %H:%M:%S')} <==",
        f"# cmd: {' '.join(redact(command).split())}",
        f"# conda version: {CONDA_VERSION}",
        *sorted(f"-{last[key]}" for key in last.keys() - now.keys()),
        *sorted(f"+{now[key]}" for key in now.keys() - last.keys()),
    ]
    for kind, specs in (("remove", remove_specs), ("update", update_specs), ("neutered", neutered_specs)):
        if specs:
            lines.append(f"# {kind} specs: {[redact(spec) for spec in specs]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as history:
        history.write("".join(f"{line}\n" for line in lines))


def _by_file(dists: Iterable[str]) -> dict[str, str]:
    """Dists by ``subdir::name-version-build``."""
    return {f"{dist.rpartition('::')[0].rpartition('/')[2]}::{dist.rpartition('::')[2]}": dist for dist in dists}

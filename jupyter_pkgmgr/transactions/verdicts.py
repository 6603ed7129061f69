"""The restart verdict on a transaction, as the kernel reports it after the commit.

It lies in a file of its own beside ``entry.json``: that one decides whether a transaction happened, and is never
written again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import msgspec

from jupyter_pkgmgr.model import SCHEMA
from jupyter_pkgmgr.model.errors import UsageError

from .state import write_durably

__all__ = ["Verdict", "make_verdict", "read_verdict", "write_verdict"]

_FILE = "verdict.json"
_MODULES, _LENGTH = 50, 200
"""Names that are kept, and characters of each: they come from a kernel, which may have any."""
Level = Literal["none", "recommended", "required"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the kernel that made a change had to be restarted after it, and because of which loaded modules."""

    schema: int = SCHEMA
    level: Level
    modules: tuple[str, ...] = ()


def make_verdict(level: str, modules: Iterable[str]) -> Verdict:
    """A verdict from what a kernel says.

    Raises
    ------
    UsageError
        If it is none.
    """
    for known in get_args(Level):
        if level == known:
            names = tuple(str(name)[:_LENGTH] for name in modules)
            return Verdict(level=known, modules=names[:_MODULES])
    raise UsageError(f"{level!r} is no restart verdict", hint=f"one of {', '.join(get_args(Level))}")


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Keep the verdict on the transaction of this folder."""
    write_durably(folder / _FILE, msgspec.json.encode(verdict))


def read_verdict(folder: Path) -> Verdict | None:
    """The verdict on a transaction; ``None`` where no kernel gave one, or it can't be read."""
    try:
        verdict = msgspec.json.decode((folder / _FILE).read_bytes(), type=Verdict)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return verdict if verdict.schema == SCHEMA else None

"""What all changes since the kernel's start ask of it together.

A change that is taken back asks for nothing any more: each file is again what the modules were loaded from that were
there before the change. Only what was loaded in between came from other files. So with each change we remember what
was loaded at that time.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Tuple

from . import verdict

__all__ = ["Changes"]


class _Change(NamedTuple):
    transaction: str
    undoes: Tuple[str, ...]
    found: verdict.Verdict
    loaded: Dict[str, Any]
    """What was loaded then: by a module's name, what :func:`_mark` says of it."""


class Changes:
    """The changes that this kernel has heard of, oldest first."""

    def __init__(self) -> None:
        self._changes: List[_Change] = []

    @property
    def due(self) -> verdict.Verdict:
        """What all that stands asks for."""
        return _together(self._standing())

    def judge(self, change: Mapping[str, Any], waiting: Iterable[str] = ()) -> Tuple[verdict.Verdict, verdict.Verdict]:
        """What a change asks for, and what those before it do that still stand.

        Parameters
        ----------
        change
            ``changed_files`` and ``changed_packages`` as :func:`verdict.judge` wants them, ``transaction``, and which
            transactions it ``undoes``.
        """
        undoes = tuple(change.get("undoes") or ())
        loaded = dict(sys.modules)
        undone = [item for item in self._changes if item.transaction in undoes]
        known = bool(undoes) and len(undone) == len(undoes)  # else some of it was done before this kernel's start
        found = verdict.judge(
            change.get("changed_files", ()),
            change.get("changed_packages", ()),
            waiting,
            _since(undone[0].loaded, loaded) if known else loaded,
            taken_back=known,
        )
        marks = {name: _mark(module) for name, module in loaded.items()}
        before = {id(item) for item in self._standing()}
        self._changes.append(_Change(str(change.get("transaction") or ""), undoes, found, marks))
        standing = self._standing()[1:]
        again = _together(
            item for item in standing if id(item) not in before
        )  # this takes back what had taken them back
        found = verdict.together(again, found)._replace(reload_page=found.reload_page)
        return found, _together(item for item in standing if id(item) in before)

    def _standing(self) -> List[_Change]:
        """Those that weren't taken back by one that stands, newest first."""
        standing, undone = [], set()
        for item in reversed(self._changes):
            if not item.transaction or item.transaction not in undone:
                standing.append(item)
                undone.update(item.undoes)
        return standing


def _together(changes: Iterable[_Change]) -> verdict.Verdict:
    due = verdict.Verdict()
    for item in changes:
        due = verdict.together(item.found, due)
    return due


def _since(before: Mapping[str, Any], loaded: Mapping[str, ModuleType]) -> Dict[str, ModuleType]:
    """What was loaded, or loaded anew, since then."""
    return {name: module for name, module in loaded.items() if before.get(name) is not _mark(module)}


def _mark(module: Any) -> Any:
    """Something that is another thing once the module was loaded anew: importing and reloading make a new spec."""
    try:
        spec = object.__getattribute__(module, "__dict__").get("__spec__")
    except AttributeError:  # anything can be in sys.modules
        spec = None
    return module if spec is None else spec

"""What came of a plan: the facts that a face, the kernel and the history need afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .plan import Change, Notice, Plan

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A plan that was applied and verified."""

    plan: Plan
    seconds: float
    fingerprint: str
    """Of the inventory afterwards."""
    changed_files: tuple[Path, ...] = ()
    """Files that were removed or replaced: what a kernel compares with its loaded modules."""
    transaction: str = ""
    """Its name in the history; empty where nothing had to be done."""
    undoes: tuple[str, ...] = ()
    """The transactions that it took back."""
    warnings: tuple[Notice, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change that was made."""
        return self.plan.changes

"""A plan being applied: check, apply, verify; what was done, and taking it back."""

from .apply import apply_plan, refuse_blocked
from .doctor import examine
from .history import Entry, Result, asked_for, came_along, in_force, read_entries, record_verdict
from .limits import read_limits
from .locks import Owner
from .overwritten import overlaps
from .recover import Recovered, attempt_recovery, being_changed, is_unfinished, recover
from .transaction import hold
from .undo import UndoPlan, apply_undo, plan_undo
from .verdicts import make_verdict

__all__ = [
    "Entry",
    "Owner",
    "Recovered",
    "Result",
    "UndoPlan",
    "apply_plan",
    "apply_undo",
    "asked_for",
    "attempt_recovery",
    "being_changed",
    "came_along",
    "examine",
    "hold",
    "in_force",
    "is_unfinished",
    "make_verdict",
    "overlaps",
    "plan_undo",
    "read_entries",
    "read_limits",
    "record_verdict",
    "recover",
    "refuse_blocked",
]

"""Plans that were made and not yet applied, each by an opaque id. They are applied once, or expire."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from jupyter_pkgmgr.model import Plan
from jupyter_pkgmgr.model.errors import PlanError
from jupyter_pkgmgr.service import UndoPlan

from .errors import NotFoundError

__all__ = ["KeptPlan", "Plans"]

MAX_PLANS = 200
MAX_AGE = 3600.0
"""Seconds."""
_REMEMBERED = 2000
"""Ids of plans that are gone: what became of them can still be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """One plan, and what it takes to apply it."""

    id: str
    environment: str
    """Its environment's id."""
    plan: Plan
    undo: UndoPlan | None = None
    """Where it takes transactions back."""
    made: float = field(default_factory=time.monotonic)


class Plans:
    """The plans that wait to be applied. Thread-safe.

    Parameters
    ----------
    max_plans, max_age
        How many are kept, and for how many seconds.
    """

    def __init__(self, *, max_plans: int = MAX_PLANS, max_age: float = MAX_AGE) -> None:
        self.max_plans = max_plans
        self.max_age = max_age
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, KeptPlan] = OrderedDict()
        self._gone: OrderedDict[str, Literal["applied", "expired"]] = OrderedDict()

    def add(self, environment: str, made: Plan | UndoPlan) -> KeptPlan:
        """Keep a plan; the oldest may have to go for it."""
        undo = made if isinstance(made, UndoPlan) else None
        plan = made.plan if isinstance(made, UndoPlan) else made
        kept = KeptPlan(id=secrets.token_hex(8), environment=environment, plan=plan, undo=undo)
        with self._lock:
            self._plans[kept.id] = kept
            self._expire()
        return kept

    def get(self, name: str) -> KeptPlan:
        """A plan that can still be applied.

        Raises
        ------
        PlanError
            ``plan-applied`` if it was applied already.
        NotFoundError
            If there is none of this id, or none any more.
        """
        with self._lock:
            self._expire()
            return self._find(name)

    def take(self, name: str) -> KeptPlan:
        """The same, for whoever applies it: nobody else gets it after that."""
        with self._lock:
            self._expire()
            kept = self._find(name)
            self._drop(name, "applied")
            return kept

    def give_back(self, kept: KeptPlan) -> None:
        """Take back what was taken and couldn't even be begun."""
        with self._lock:
            self._gone.pop(kept.id, None)
            self._plans[kept.id] = kept
            self._plans.move_to_end(kept.id, last=False)

    def _find(self, name: str) -> KeptPlan:
        if name in self._plans:
            return self._plans[name]
        if self._gone.get(name) == "applied":
            raise PlanError(
                "this plan was applied already", reference="plan-applied", hint="make a new plan to do it again"
            )
        if name in self._gone:
            raise NotFoundError(
                "this plan has expired",
                reference="plan-expired",
                note=f"the last {self.max_plans} plans are kept, for {self.max_age / 60:.0f} minutes",
                hint="make the plan again",
            )
        raise NotFoundError("there is no plan of this id", reference="plan-not-found", hint="make the plan again")

    def _expire(self) -> None:
        oldest = time.monotonic() - self.max_age
        for kept in list(self._plans.values()):
            if len(self._plans) <= self.max_plans and kept.made >= oldest:
                return
            self._drop(kept.id, "expired")

    def _drop(self, name: str, how: Literal["applied", "expired"]) -> None:
        del self._plans[name]
        self._gone[name] = how
        while len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)

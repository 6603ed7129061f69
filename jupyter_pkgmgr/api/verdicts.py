"""What kernels said of changes: whether to restart, and why."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

__all__ = ["LEVELS", "Verdicts"]

LEVELS = ("none", "recommended", "required")
"""Weakest first."""
KEPT = 500
"""Transactions whose verdicts are remembered."""


class Verdicts:
    """Verdicts by transaction and kernel, of the latest transactions. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_transaction: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()

    def add(self, transaction: str, kernel: str, verdict: Mapping[str, Any]) -> None:
        """Remember what a kernel says of a transaction."""
        with self._lock:
            self._by_transaction.setdefault(transaction, {})[kernel] = dict(verdict)
            self._by_transaction.move_to_end(transaction)
            while len(self._by_transaction) > KEPT:
                self._by_transaction.popitem(last=False)

    def of(self, transaction: str) -> dict[str, dict[str, Any]]:
        """What each kernel said of it."""
        with self._lock:
            return dict(self._by_transaction.get(transaction, {}))

    def strongest(self, transaction: str) -> dict[str, Any] | None:
        """The verdict that matters most, if there is any."""
        return max(self.of(transaction).values(), key=lambda verdict: LEVELS.index(verdict["level"]), default=None)

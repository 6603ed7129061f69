"""Answers that are taken as they are for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Any

__all__ = ["Memory"]

_MOST = 50_000
"""Answers kept; the newest versions of the packages of many environments are far fewer."""


class Memory:
    """Remembers answers for some time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def recall(self, key: Hashable) -> Any:
        """The answer, or ``None`` where there is none or it is too old."""
        with self._lock:
            expires, answer = self._answers.get(key, (0.0, None))
        return answer if time.monotonic() < expires else None

    def remember(self, key: Hashable, answer: Any, *, seconds: float) -> None:
        """Keep an answer, which isn't ``None``."""
        now = time.monotonic()
        with self._lock:
            if len(self._answers) >= _MOST:
                fresh = {key: entry for key, entry in self._answers.items() if entry[0] > now}
                self._answers = fresh if len(fresh) < _MOST else {}
            self._answers[key] = (now + seconds, answer)

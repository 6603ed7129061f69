"""Displays in the cell: each key of the service is one display, which later messages update in place."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["MIME", "Displays"]

MIME = "application/vnd.jupyter-pkgmgr+json"
"""What a front end that knows us shows instead of text and HTML."""


class Displays:
    """The displays of one request.

    A terminal can't update what it has printed. There the first state of a display is shown, and of those that
    follow only the last. An empty state takes a display away where that can be done.
    """

    def __init__(self, shell: Any) -> None:
        self._publish = shell.display_pub.publish
        self._in_place = hasattr(shell, "kernel")
        self._ids: dict[str, str] = {}
        self._held: tuple[str, dict[str, Any]] | None = None

    def show(self, key: str, data: dict[str, Any]) -> None:
        """Show or update the display ``key``."""
        if not (self._in_place or data.get("text/plain")):
            return
        if self._held is not None and self._held[0] != key:
            self.finish()
        if key not in self._ids:
            self._ids[key] = os.urandom(16).hex()
            self._send(key, data, update=False)
        elif self._in_place:
            self._send(key, data, update=True)
        else:
            self._held = (key, data)

    def finish(self) -> None:
        """Show what was held back."""
        if self._held is not None:
            (key, data), self._held = self._held, None
            self._send(key, data, update=True)

    def _send(self, key: str, data: dict[str, Any], *, update: bool) -> None:
        self._publish(data=data, metadata={}, transient={"display_id": self._ids[key]}, update=update)

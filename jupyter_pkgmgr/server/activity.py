"""Work that goes on keeps the server alive, whoever ends idle ones: the server itself, or a hub that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime

from jupyter_pkgmgr.jobs import Job

from .loop import soon

__all__ = ["Activity"]

EVERY = 30.0
"""Seconds; whoever ends idle servers counts in minutes."""


class Activity:
    """Tells a server's ``last_activity`` (``ServerWebApplication.last_activity``) of jobs, from first to last.

    JupyterHub knows nothing of ``ExtensionApp.current_activity``: a single-user server tells it that time, and nothing
    else.

    Parameters
    ----------
    times
        The server's setting ``last_activity_times``.
    is_busy
        Whether there is a job that isn't over.
    """

    def __init__(
        self, times: MutableMapping[str, datetime], loop: asyncio.AbstractEventLoop, *, is_busy: Callable[[], bool]
    ) -> None:
        self._times = times
        self._loop = loop
        self._is_busy = is_busy
        self._next: asyncio.TimerHandle | None = None

    def job(self, job: Job) -> None:  # noqa: ARG002  a listener's signature
        """A job's state changed. May be called from any thread."""
        soon(self._loop, self._note)

    def _note(self) -> None:
        self._times["jupyter_pkgmgr"] = datetime.now(UTC)
        if self._next is not None:
            self._next.cancel()
        self._next = self._loop.call_later(EVERY, self._note) if self._is_busy() else None

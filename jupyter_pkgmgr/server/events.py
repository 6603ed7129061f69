"""Jupyter Events: every window, and whoever else listens to the server, hears of changes.

Jobs tell of themselves in threads; events are emitted on the event loop, where their listeners live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from jupyter_events import EventLogger

from jupyter_pkgmgr.api import Kernel
from jupyter_pkgmgr.jobs import Job
from jupyter_pkgmgr.model import Change, redact

from .loop import soon

__all__ = ["ENVIRONMENT", "JOB", "KERNEL", "Emitter"]

_HOME = "https://jupyter-pkgmgr.readthedocs.io/events"
ENVIRONMENT, JOB, KERNEL = (f"{_HOME}/{name}/v1" for name in ("environment", "job", "kernel"))


class Emitter:
    """Emits our events. May be called from any thread."""

    def __init__(self, logger: EventLogger, loop: asyncio.AbstractEventLoop) -> None:
        self._logger = logger
        self._loop = loop

    def job(self, job: Job) -> None:
        """A job's state changed; where it has changed an environment, that is told, too."""
        facts = job.facts
        self._emit(
            JOB,
            {
                "job": job.id,
                "environment": facts.environment,
                "state": job.state.value,
                "kind": facts.kind.value,
                "title": redact(facts.title),
            },
        )
        outcome = job.outcome
        if job.state.ended and outcome is not None and outcome.changes:
            changed = {
                "environment": facts.environment,
                "fingerprint": outcome.fingerprint,
                "transaction": outcome.transaction,
                "changes": [_change(change) for change in outcome.changes],
            }
            self._emit(ENVIRONMENT, changed)

    def kernel(self, kernel: Kernel) -> None:
        """What is known of a kernel changed."""
        self._emit(
            KERNEL,
            {
                "kernel": kernel.id,
                "environment": kernel.environment,
                "attached": kernel.attached,
                "verdict": kernel.verdict["level"] if kernel.verdict else None,
            },
        )

    def _emit(self, schema: str, data: Mapping[str, Any]) -> None:
        soon(self._loop, lambda: self._logger.emit(schema_id=schema, data=dict(data)))


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.package.name,
        "action": change.action.value,
        "before": change.before.version if change.before else None,
        "after": change.after.version if change.after else None,
    }

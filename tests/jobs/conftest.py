"""Managers that are closed at the end, and work that goes on until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.jobs import Job, JobFacts, JobKind, JobListener, JobManager, Limits

PATIENCE = 120.0
"""Seconds after which a test that hangs fails."""


@dataclass
class Gate:
    """Work that tells when it began, and goes on until it is let go or cancelled."""

    begun: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def __call__(self, job: Job) -> str:
        self.begun.set()
        job.cancel.on_cancel(self.open.set)
        assert self.open.wait(PATIENCE)
        job.cancel.check()
        return "done"

    def wait(self) -> Gate:
        assert self.begun.wait(PATIENCE)
        return self


def facts(prefix: str = "/env/a", **more: Any) -> JobFacts:
    given: dict[str, Any] = {
        "id": JobManager.new_id(),
        "kind": JobKind.APPLY,
        "environment": prefix.rpartition("/")[2],
        "prefix": Path(prefix),
        "title": f"install x in {prefix}",
        **more,
    }
    return JobFacts(**given)


def wait_for_end(job: Job) -> Job:
    """Wait as a client does: from event to event."""
    after = 0
    while not job.state.ended:
        assert job.log.wait(after, PATIENCE), f"{job.facts.title} is {job.state}"
        after = job.log.last
    return job


@pytest.fixture
def managers() -> Iterator[Callable[..., JobManager]]:
    made: list[JobManager] = []

    def make(*, listeners: Sequence[JobListener] = (), **limits: Any) -> JobManager:
        manager = JobManager(limits=Limits(**limits), listeners=listeners)
        made.append(manager)
        return manager

    yield make
    for manager in made:
        assert manager.close(PATIENCE) == ()

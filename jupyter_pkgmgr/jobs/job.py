"""A job: a transaction, or another long task, as those see it who asked for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.model import Cancellation, Event, Outcome
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render import MIME, Rendered, render_error

from .log import EventLog, now

__all__ = ["Job", "JobFacts", "JobKind", "JobState", "Work"]


class JobKind(StrEnum):
    """What a job does."""

    PLAN = "plan"
    APPLY = "apply"
    DOCTOR = "doctor"
    RUN = "run"
    """A whole command, as a kernel sends it."""


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It raised an error, which says what is true now."""
    CANCELLED = "cancelled"
    """Somebody stopped it; everything is as it was before."""
    ROLLED_BACK = "rolled-back"
    """Its server died in the middle; everything is as it was before."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What is known of a job from the beginning."""

    id: str
    kind: JobKind
    environment: str
    """The environment's opaque id."""
    prefix: Path
    title: str
    """What it does, in a line: the command, redacted."""
    user: str = ""
    face: str = ""
    kernel: str | None = None
    plan: str | None = None
    changes: bool = True
    """Whether it needs the environment for itself: such jobs of one prefix run one after the other."""
    verbose: bool = False
    """Whether an error is to be shown in full."""
    created: str = field(default_factory=now)


class Job:
    """One job with its state and its log. Thread-safe; only its manager changes its state."""

    def __init__(self, facts: JobFacts, *, log: EventLog | None = None) -> None:
        self.facts = facts
        self.log = log or EventLog()
        self.cancel = Cancellation()
        self.state = JobState.QUEUED
        self.started: str | None = None
        self.ended: str | None = None
        self.error: dict[str, Any] | None = None
        self.result: Any = None
        self.outcome: Outcome | None = None
        """What was changed, with the files: for those who tell kernels. Only in the process that did it."""
        self.found = False
        """Whether another host, which died, had begun it."""
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Its opaque name."""
        return self.facts.id

    # --- for the work ----------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Take an event of the service: the work's event sink."""
        self.log.add_event(event)

    def show(self, key: str, rendered: Rendered) -> None:
        """Show something; the same key again replaces it."""
        data = rendered.data
        if MIME in data:
            data[MIME] = {**data[MIME], "kernel": self.facts.kernel, "job": self.id}
        self.display(key, data)

    def display(self, key: str, data: dict[str, Any]) -> None:
        """Show something in other forms than text and HTML."""
        self.log.add("display", key=key, data=data)

    # --- for the manager -------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Go from queued to running; returns whether it may."""
        with self._lock:
            if self.state is not JobState.QUEUED:
                return False
            self._enter(JobState.RUNNING)
            return True

    def succeed(self, result: Any) -> bool:
        """End well; returns whether it had not ended before."""
        return self._end(JobState.SUCCEEDED, result=result)

    def fail(self, error: PkgError, *, state: JobState = JobState.FAILED) -> bool:
        """End otherwise; returns whether it had not ended before."""
        return self._end(state, error=error)

    def _end(self, state: JobState, *, result: Any = None, error: PkgError | None = None) -> bool:
        with self._lock:
            if self.state.ended:
                return False
            if error is not None:
                shown = render_error(error, verbose=self.facts.verbose)
                self.error = error.to_json()
                self.log.add("error", error={**self.error, "text": shown.text, "html": shown.html})
            else:
                self.result = self.log.add("result", result=result).document["result"]
            self._enter(state)
            return True

    def _enter(self, state: JobState) -> None:
        """Change the state: told first, so that whoever sees that a job has ended finds all that it told."""
        event = self.log.add("state", state=state)
        self._take_state(state, event.document["time"])

    def restore(self, documents: Iterable[dict[str, Any]], *, first: int) -> None:
        """Become what a job was of which these events are left.

        Raises
        ------
        ValueError, KeyError
            If they can't be a job's events.
        """
        self.log.restore(documents, first=first)
        for document in self.log.read().events:
            if document["type"] == "state":
                self._take_state(JobState(document["state"]), str(document["time"]))
            elif document["type"] == "result":
                self.result = document["result"]
            elif document["type"] == "error":
                self.error = {name: text for name, text in document["error"].items() if name not in ("text", "html")}
        self.found = not self.state.ended

    def _take_state(self, state: JobState, time: str) -> None:
        if state is JobState.RUNNING:
            self.started = time
        elif state.ended:
            self.ended = time
        self.state = state
        if state.ended:
            self.log.close()

    # --- for readers -----------------------------------------------------------------------------------------------

    def to_json(self, *, position: int = 0) -> dict[str, Any]:
        """The job as a JSON object; ``position`` is its place in the queue, 0 if it isn't waiting."""
        facts = self.facts
        with self._lock:
            return {
                "id": facts.id,
                "kind": facts.kind.value,
                "environment": facts.environment,
                "title": facts.title,
                "state": self.state.value,
                "created": facts.created,
                "started": self.started,
                "ended": self.ended,
                "user": facts.user,
                "face": facts.face,
                "kernel": facts.kernel,
                "plan": facts.plan,
                "position": position,
                "last": self.log.last,
                "error": self.error,
                "result": self.result,
            }


Work = Callable[[Job], Any]
"""What a job does; returns its result in JSON's terms. Raises ``PkgError`` if it can't."""

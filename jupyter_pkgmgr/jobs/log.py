"""What a job told, numbered, so that whoever reads can go on where they stopped.

Numbers begin with 1 and are never given twice. A log is bounded: the oldest output goes first, then the oldest of
whatever else can be missed; states, the result and the error stay. What replaces something (a display of the same
key, a package's next step) takes its place: readers get the newest only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from jupyter_pkgmgr.model import Event, EventKind, to_json

__all__ = ["EventLog", "LogEvent", "Page", "now"]

MAX_EVENTS = 1000
MAX_BYTES = 2 * 1024**2
_SHRUNK = 0.9
"""What is left of a full log: dropping many at a time costs less than one by one."""
_KEPT = frozenset({"state", "result", "error"})
"""Types of events that are never dropped."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event: its number, its JSON form, the same as a line, and what it is about."""

    number: int
    document: dict[str, Any]
    line: bytes
    key: str | None = None
    """A later event of the same key takes its place."""

    @property
    def is_kept(self) -> bool:
        """Whether it must never be dropped."""
        return self.document["type"] in _KEPT

    @property
    def is_output(self) -> bool:
        """Whether it is a tool's raw line, which is the first to be dropped."""
        return self.document["type"] == "event" and bool(self.document["event"]["kind"] == EventKind.OUTPUT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a reader gets."""

    events: tuple[dict[str, Any], ...]
    next: int
    """What to read after the next time."""
    first: int
    """From this number on nothing was dropped: if it is larger than what follows ``after``, something is missing."""


class EventLog:
    """The events of one job. Thread-safe."""

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._events: dict[int, LogEvent] = {}
        self._by_key: dict[str, int] = {}
        self._since: dict[str, int] = {}
        """By a display's key, the number under which it came first: its place among the others."""
        self._bytes = 0
        self._first = 1
        self._last = 0
        self._closed = False
        self._listeners: list[Callable[[LogEvent], None]] = []

    # --- writing ---------------------------------------------------------------------------------------------------

    def add(self, type: str, **fields: Any) -> LogEvent:  # noqa: A002  the document's word
        """Add an event and wake whoever waits. Credentials in URLs are redacted."""
        document = {"type": type, "time": now(), **to_json(fields)}
        with self._changed:
            event = self._insert({"number": self._last + 1, **document})
            self._changed.notify_all()
            for listener in tuple(self._listeners):  # under the lock, so that everybody hears events in their order
                listener(event)
        return event

    def add_event(self, event: Event) -> None:
        """Add an event of the service: an :data:`~jupyter_pkgmgr.model.EventSink`."""
        self.add("event", event=event)

    def _insert(self, document: dict[str, Any]) -> LogEvent:
        number, key = document["number"], _key(document)
        if key is not None and document["type"] == "display":
            document.setdefault("since", self._since.setdefault(key, number))
            self._since[key] = document["since"]
        event = LogEvent(number, document, msgspec.json.encode(document), key)
        if key is not None:
            self._remove(self._by_key.get(key, 0))
            self._by_key[key] = number
        self._events[number] = event
        self._last = number
        self._bytes += len(event.line)
        if len(self._events) > self._max_events or self._bytes > self._max_bytes:
            self._shrink()
        return event

    def _shrink(self) -> None:
        """Drop what is too much, but never the newest event, however large."""
        candidates = [event for event in self._events.values() if not event.is_kept and event.number != self._last]
        for event in sorted(candidates, key=lambda event: not event.is_output):
            if len(self._events) <= self._max_events * _SHRUNK and self._bytes <= self._max_bytes * _SHRUNK:
                return
            self._remove(event.number)
            self._first = max(self._first, event.number + 1)

    def _remove(self, number: int) -> None:
        event = self._events.pop(number, None)
        if event is None:
            return
        self._bytes -= len(event.line)
        if event.key is not None:
            del self._by_key[event.key]

    def close(self) -> None:
        """Say that nothing more will come: nobody has to wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The number of the newest event; 0 if there is none."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    @property
    def size(self) -> int:
        """Bytes of what is kept, about."""
        return self._bytes

    def read(self, after: int = 0) -> Page:
        """What came after this number and is still there."""
        with self._changed:
            found = tuple(event.document for event in self._events.values() if event.number > after)
            return Page(events=found, next=self._last, first=self._first)

    def wait(self, after: int, seconds: float) -> bool:
        """Wait until there is something after this number; returns whether there is, or the log was closed."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._has(after) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._has(after)

    def _has(self, after: int) -> bool:
        return self._last > after or self._closed

    def subscribe(self, listener: Callable[[LogEvent], None]) -> Callable[[], None]:
        """Have every new event told; returns a function that ends that.

        The listener is called in the thread that adds the event, in the events' order; it must neither block nor
        raise, nor add to this log.
        """
        with self._changed:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    # --- on the disk -----------------------------------------------------------------------------------------------

    def kept(self) -> tuple[tuple[LogEvent, ...], int]:
        """Everything that is still there, and the number from which on nothing was dropped."""
        with self._changed:
            return tuple(self._events.values()), self._first

    def restore(self, documents: Iterable[dict[str, Any]], *, first: int) -> None:
        """Fill an empty log with what was kept of it.

        Raises
        ------
        ValueError
            If the numbers don't grow, or something is no event.
        """
        with self._changed:
            for document in documents:
                number = document.get("number")
                if not isinstance(number, int) or number <= self._last or "type" not in document:
                    raise ValueError(f"no event may follow event {self._last} as {number!r}")
                self._insert(document)
            self._first = max(self._first, first)


def _key(document: dict[str, Any]) -> str | None:
    """What an event takes the place of: a display, the same package's last step, the step's last phase."""
    if document["type"] == "display":
        return f"display {document['key']}"
    if document["type"] != "event":
        return None
    event = document["event"]
    if event["kind"] == EventKind.PACKAGE.value:
        return f"package {event['step']} {event['package']}"
    if event["kind"] == EventKind.PHASE.value:
        return f"phase {event['step']}"
    return None


def now() -> str:
    """The time in UTC, ISO 8601, to the microsecond, so that it tells what came first."""
    return datetime.now(UTC).isoformat(timespec="microseconds")

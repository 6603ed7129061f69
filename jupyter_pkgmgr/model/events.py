"""Progress: what happens while a plan is made or applied, as numbered facts that any face can show."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, ParamSpec, TypeVar

from .errors import CancelledError

__all__ = [
    "Cancellation",
    "Event",
    "EventKind",
    "EventSink",
    "Phase",
    "ignore_events",
    "obey",
    "obeyed",
    "obeying",
    "stoppable",
]

P = ParamSpec("P")
T = TypeVar("T")


class EventKind(StrEnum):
    """What sort of fact an event is."""

    STEP = "step"
    """A step of the plan began or ended: ``step``, ``state`` (``started``, ``finished``)."""
    PHASE = "phase"
    """The step's phase changed: ``step``, ``phase``. While there is no plan, ``message`` says who is asked for what."""
    PACKAGE = "package"
    """One package moved on: ``package``, ``phase``, ``state``; ``done``, ``total`` bytes where the tool tells."""
    WAITING = "waiting"
    """Something else holds a lock; ``message`` names the holder."""
    MESSAGE = "message"
    """Something worth reading: ``level`` (``info``, ``warning``), ``message``."""
    OUTPUT = "output"
    """A raw line of the tool, already redacted; faces show it only with ``-v``."""


class Phase(StrEnum):
    """Where a step is."""

    SOLVE = "solve"
    DOWNLOAD = "download"
    BUILD = "build"
    UNLINK = "unlink"
    LINK = "link"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact. Fields that don't belong to the kind keep their defaults."""

    kind: EventKind
    step: int | None = None
    """Index into ``Plan.steps``."""
    phase: Phase | None = None
    state: str = ""
    package: str = ""
    done: int | None = None
    total: int | None = None
    level: str = ""
    message: str = ""


EventSink = Callable[[Event], None]
"""Where events go. Called from any thread; must not block for long and must not raise."""


def ignore_events(event: Event) -> None:
    """A sink for callers who don't want to know."""


class Cancellation:
    """A request to stop, shared by whoever may ask for it and whoever must obey. Thread-safe.

    ``on_cancel`` callbacks run once, in the thread that cancels (or at once if it already happened).
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask to stop. Asking again does nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` when asked to stop; returns a function that takes the callback back."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake when asked to stop; returns whether that happened."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise :class:`CancelledError` if asked to stop."""
        if self.requested:
            msg = "stopped before anything was changed"
            raise CancelledError(msg)


# --- look-ups: whoever asks may lose patience, and what waits for a network deep below has to hear of it -------------

_obeyed: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar("obeyed", default=None)


@contextlib.contextmanager
def obey(cancel: Cancellation | None) -> Iterator[None]:
    """Have everything that this block asks the network for stop with ``cancel``."""
    token = _obeyed.set(cancel)
    try:
        yield
    finally:
        _obeyed.reset(token)


def obeyed() -> Cancellation | None:
    """What the innermost :func:`obey` around us names."""
    return _obeyed.get()


def obeying(function: Callable[P, T]) -> Callable[P, T]:
    """A function that obeys in another thread what is obeyed here."""
    cancel = obeyed()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with obey(cancel):
            return function(*args, **kwargs)

    return call


def stoppable(work: Callable[[], T]) -> T:
    """Do work that can't be interrupted, as a request that hangs; what is obeyed ends the waiting for it at once.

    The work is left to its own time limits then, in a thread that keeps no process alive.

    Raises
    ------
    CancelledError
        If it was stopped.
    """
    cancel = obeyed()
    if cancel is None:
        return work()
    cancel.check()
    answers: list[Callable[[], T]] = []
    over = threading.Event()

    def do() -> None:
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            answers.append(functools.partial(_raise, error))
        else:
            answers.append(lambda: answer)
        over.set()

    forget = cancel.on_cancel(over.set)
    threading.Thread(target=obeying(do), name="stoppable", daemon=True).start()
    over.wait()
    forget()
    if not answers:
        raise CancelledError("stopped: nobody waits for the answer any longer")
    return answers[0]()


def _raise(error: BaseException) -> NoReturn:
    raise error

"""One progress line per step, updated in place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from jupyter_pkgmgr.model import Event, EventKind, Phase, Plan

from .rendered import Rendered, block, clean, esc, monospaced, muted

__all__ = ["Planning", "Progress", "render_message"]

INTERVAL = 0.1
"""Seconds between two updates of one line: more often only makes a front end slow."""
PACKAGES = 20
"""Packages on their way that a progress names one by one; more are in its count."""

PATIENCE = 0.7
"""Seconds that nobody wonders what takes so long."""

_WORDS = {
    Phase.SOLVE: "solving",
    Phase.DOWNLOAD: "downloading",
    Phase.BUILD: "building",
    Phase.UNLINK: "removing",
    Phase.LINK: "installing",
    Phase.VERIFY: "checking",
}


@dataclass(slots=True)
class _Line:
    title: str
    phase: Phase | None = None
    current: str = ""
    done: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    finished: set[tuple[Phase | None, str]] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)
    state: str = ""
    """``started``, ``finished``, or how it ended otherwise."""


class Progress:
    """An event sink that turns events into lines; ``show(key, rendered)`` puts them where they belong.

    Thread-safe, as a sink must be.
    """

    def __init__(self, plan: Plan, show: Callable[[str, Rendered], None], *, verbose: bool = False) -> None:
        self._show = show
        self._verbose = verbose
        self._lock = threading.Lock()
        self._lines = {
            number: _Line(title=f"{step.plan.ecosystem.value} ({step.plan.engine})")
            for number, step in enumerate(plan.steps)
        }
        self._counts = {number: len(step.plan.changes) for number, step in enumerate(plan.steps)}
        self._shown: dict[int, float] = {}
        self._late: set[int] = set()
        """Lines whose newest state waits for its turn."""
        self._output: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if event.kind is EventKind.OUTPUT:
                self._take_output(event)
            elif event.kind in (EventKind.MESSAGE, EventKind.WAITING):
                self._show(f"message-{event.message}", render_message(event))
            elif event.step is not None and event.step in self._lines:
                self._take(event.step, self._lines[event.step], event)

    def _take_output(self, event: Event) -> None:
        if self._verbose:
            self._output.append(clean(event.message))
            text = "\n".join(self._output)
            self._show("output", Rendered(text=text, html=block(monospaced(text))))

    def end(self, state: str) -> None:
        """Say how the step that runs ended if not by finishing: nothing must look as if it went on."""
        with self._lock:
            for number, line in self._lines.items():
                if line.state == "started" or (not line.state and number in self._shown):  # some work comes ahead
                    line.state = state
                    self._show(f"step-{number}", self._render(number, line))

    def _take(self, number: int, line: _Line, event: Event) -> None:
        if event.kind is EventKind.PACKAGE:
            _take_package(line, event)
        elif event.kind is EventKind.PHASE:
            line.current = ""
        if event.phase is not None:
            line.phase = event.phase
        if event.kind is EventKind.STEP:
            line.state = event.state
            if event.state == "started":
                line.started = time.monotonic()
        wait = self._shown.get(number, 0.0) + INTERVAL - time.monotonic()
        if line.state == "finished" or wait <= 0:
            self._update(number, line)
        elif number not in self._late:  # the last event before a long download must not be the one that is lost
            self._late.add(number)
            timer = threading.Timer(wait, self._catch_up, (number, line))
            timer.daemon = True
            timer.start()

    def _catch_up(self, number: int, line: _Line) -> None:
        with self._lock:
            self._late.discard(number)
            if line.state == "started":
                self._update(number, line)

    def _update(self, number: int, line: _Line) -> None:
        for earlier in self._lines:  # what a later step does ahead must not put its line first
            if earlier < number and earlier not in self._shown:
                self._update(earlier, self._lines[earlier])
        self._shown[number] = time.monotonic()
        self._show(f"step-{number}", self._render(number, line))

    def _render(self, number: int, line: _Line) -> Rendered:
        if line.state == "finished":
            count = self._counts[number]
            text = f"{count} {'change' if count == 1 else 'changes'} in {time.monotonic() - line.started:.1f} s"
        elif line.state in ("", "started"):
            text = self._running(number, line)
        else:
            text = line.state
        return Rendered(
            text=clean(f"{line.title}: {text}"),
            html=block(f"{esc(line.title)}: {muted(esc(text))}"),
            part=self._part(number, line, text),
        )

    def _part(self, number: int, line: _Line, text: str) -> dict[str, Any]:
        """The step's state, and the packages that are on their way, the latest last."""
        ended = {name for phase, name in line.finished if phase is line.phase}
        names = [name for name in line.totals | line.done if name not in ended][-PACKAGES:]
        return {
            "part": "progress",
            "step": number,
            "title": clean(line.title),
            "text": clean(text),
            "state": line.state or "started",
            "phase": line.phase.value if line.phase else None,
            "done": len(ended),
            "total": self._counts[number],
            "packages": [
                {
                    "name": clean(name),
                    "phase": line.phase.value if line.phase else None,
                    "done": line.done.get(name),
                    "total": line.totals.get(name),
                }
                for name in names
            ],
        }

    def _running(self, number: int, line: _Line) -> str:
        words = [_WORDS[line.phase] if line.phase else "starting"]
        if line.current:
            words.append(line.current)
        facts = []
        finished = sum(1 for phase, _ in line.finished if phase is line.phase)
        if line.phase in (Phase.DOWNLOAD, Phase.LINK) and finished:
            facts.append(f"{finished} of {self._counts[number]}")
        if line.phase is Phase.DOWNLOAD and line.totals:
            done = sum(min(line.done.get(name, 0), total) for name, total in line.totals.items())
            facts.append(_megabytes(done, sum(line.totals.values())))
        return " ".join([*words, f"({', '.join(facts)})"] if facts else words)


def _take_package(line: _Line, event: Event) -> None:
    line.current = event.package
    if event.done is not None:
        line.done[event.package] = event.done
    if event.total is not None:
        line.totals[event.package] = event.total
    if event.state == "finished":
        line.finished.add((event.phase, event.package))
        line.done[event.package] = line.totals.get(event.package, line.done.get(event.package, 0))


def _megabytes(done: int, total: int) -> str:
    """Bytes of those that are known; not every tool counts them before a package is there."""
    return f"{done / 1_000_000:.1f} of {total / 1_000_000:.1f} MB" if done else f"{total / 1_000_000:.1f} MB"


class Planning:
    """Says what is waited for while there is no plan, once that takes a while. An event sink, to be used in ``with``.

    It is shown where the plan will be, and is gone after the block. With ``quiet`` it only tells what has to end first.
    """

    def __init__(self, show: Callable[[str, Rendered], None], *, quiet: bool = False) -> None:
        self._show = show
        self._quiet = quiet
        self._lock = threading.Lock()
        self._text = "planning …"
        self._shown = self._ended = False
        self._timer = threading.Timer(PATIENCE, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if not self._quiet:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._shown:
                self._show("plan", Rendered(text="", html="", passing=True))

    def __call__(self, event: Event) -> None:
        """Take one event: who is asked, or that something else has to end first."""
        with self._lock:
            if event.kind is EventKind.WAITING:
                self._show(f"message-{event.message}", render_message(event))
            elif event.kind is EventKind.PHASE and event.message:
                self._text = f"planning: {event.message}"
                if self._shown and not self._ended:
                    self._update()

    def _begin(self) -> None:
        with self._lock:
            if not self._ended:
                self._shown = True
                self._update()

    def _update(self) -> None:
        self._show("plan", Rendered(text=clean(self._text), html=block(muted(esc(self._text))), passing=True))


def render_message(event: Event) -> Rendered:
    """What an event says beside the steps: that something is waited for, or worth knowing."""
    prefix = "waiting: " if event.kind is EventKind.WAITING else f"{event.level}: " if event.level == "warning" else ""
    level = "waiting" if event.kind is EventKind.WAITING else event.level or "info"
    return Rendered(
        text=clean(prefix + event.message),
        html=block(muted(esc(prefix + event.message))),
        part={"part": "message", "level": level, "text": clean(event.message)},
    )

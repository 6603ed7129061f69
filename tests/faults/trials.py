"""One trial: the same transaction uninterrupted and killed, recovery, and a verdict over what is left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.environments import tool as find_tool

from .killing import children, gone, kill_all, send, stop
from .lab import ROOT, Lab
from .others import Others
from .scenes import BARE, Scene, bare_command, draw_scene
from .trees import STATE, Tree, differences, read_tree, same, same_result, stale_bytecode

__all__ = ["Kill", "Reference", "Result", "Trials", "state_of"]

TIMEOUT = 90.0
VICTIMS = ("engine", "us", "both", "cancel")
TRIGGERS = ("time", "event", "event", "change", "change", "write", "write", "write")
"""Most of a run is starting and planning, which leaves nothing: more kills go where something is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Who is ended, and when: two numbers from 0 to 1 say where in the measured run."""

    victim: str
    """engine, us, both (SIGKILL), cancel (SIGINT to us), or power (of the disk, then both)."""
    trigger: str
    """time: anywhere in the run; event: after one of its events; change: between the first and the last change
    below the prefix; write: just before one of our own changes there."""
    where: float
    delay: float
    cold: bool
    """Whether the caches are empty."""
    flushed: float = 0.0
    """Before the power goes: seconds since the system wrote all that it had; 0 if it hadn't."""
    recovery: tuple[float, ...] = ()
    """For each kill of a recovery: where in it."""
    others: bool = False
    """Whether other programs write into the environment meanwhile and afterwards, and install a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The transaction without a kill."""

    before: Tree
    after: Tree
    seconds: float
    events: tuple[tuple[float, str], ...]
    writes: int
    window: tuple[float, float]
    """When the prefix changed first and last."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a trial."""

    seed: int
    scene: Scene
    kill: Kill
    hit: bool = False
    """Whether the process was ended, rather than done before."""
    at: str = ""
    """The last event before."""
    unfinished: bool = False
    """Whether a journal was left, so that the next use had something to take back."""
    state: str = ""
    """before, after or neither."""
    revoked: bool = False
    """Whether it was said to be done, but hadn't reached the disk when the power went, and was taken back."""
    left: list[str] = field(default_factory=list)
    """How what a bare tool left differs from the nearer of both states."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        kill = self.kill
        how = f"{kill.victim} by {kill.trigger} {kill.where:.2f}+{kill.delay:.2f}{' cold' if kill.cold else ''}"
        how += f" flushed {kill.flushed:.3f} s before" if kill.flushed else ""
        again = f", recovery killed {len(kill.recovery)} times" if kill.recovery else ""
        how += ", with others" if kill.others else ""
        hit = "" if self.hit else " (too late)"
        head = f"{self.seed} {self.scene.tool}: {self.scene.line!r} on {list(self.scene.setup)}, {how}{again}{hit}"
        left = f"{', unfinished' if self.unfinished else ''}{', revoked' if self.revoked else ''}"
        return "\n    ".join([f"{head} after {self.at!r}{left} → {self.state}", *self.left, *self.failures])


class Run:
    """A process that is watched."""

    def __init__(self, argv: Sequence[str | os.PathLike[str]], variables: dict[str, str], prefix: Path) -> None:
        ours = [prefix / STATE, prefix / STATE / "transactions"]
        self._watched = [*prefix.glob("lib/python*/site-packages"), prefix / "bin", prefix / "conda-meta", *ours]
        self._first = self.stamp()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.lines: list[tuple[float, dict[str, Any]]] = []
        self.text: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self._threads = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self.text]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str) -> None:
        pipe = self.process.stdout if name == "stdout" else self.process.stderr
        assert pipe is not None
        with pipe:
            for line in pipe:
                self.text[name].append(line)
                if line.startswith(b'{"event"') and line.endswith(b"\n"):
                    self.lines.append((self.elapsed, json.loads(line)))

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def events(self) -> list[tuple[float, str]]:
        """When, and what happened."""
        names = ("event", "phase", "state", "message")
        return [(at, " ".join(str(line[name]) for name in names if line.get(name))) for at, line in list(self.lines)]

    @property
    def output(self) -> str:
        return b"".join([*self.text["stdout"][-3:], *self.text["stderr"][-12:]]).decode(errors="replace")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def stamp(self) -> tuple[int, ...]:
        """The times of the folders that every transaction touches, our own first and last of all."""
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in self._watched)

    def changed(self) -> bool:
        """Whether anything has begun to change."""
        return self.stamp() != self._first

    def finish(self, seconds: float = TIMEOUT) -> int | None:
        """The exit code; ``None`` if it had to be killed for taking too long."""
        try:
            code: int | None = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_all(self.process.pid)
            self.process.wait()
            code = None
        for thread in self._threads:
            thread.join(1.0)  # an engine that outlives us may keep the pipe open
        return code


class Trials:
    """Runs trials in a lab; what a transaction does uninterrupted is measured once."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._references: dict[Scene, Reference] = {}

    def run(self, tool: str, seed: int) -> Result:
        """One trial; the same seed kills the same transaction at the same place, as far as clocks allow."""
        # to be repeated, not to be secret; a scene stays for some kills, as it has to be measured first
        scene = draw_scene(tool, random.Random(f"{tool} {seed // 16}"))  # noqa: S311
        rng = random.Random(f"{tool} {seed}")  # noqa: S311
        kill = _draw_kill(rng, bare=tool in BARE, power=self.lab.disk is not None)
        result = Result(seed=seed, scene=scene, kill=kill)
        started = time.monotonic()
        reference = self._reference(scene)
        self.lab.place(scene.world, scene.setup)
        if self.lab.disk:
            os.sync()
        run = self._start(scene, kill, reference)
        others = Others(self.lab) if kill.others else None
        if others:
            others.write_beside()
        orphans = self._strike(run, kill, reference)
        code = run.finish(TIMEOUT)
        result.hit = code != 0 or kill.victim == "power"
        result.at = run.events[-1][1] if run.events and not result.hit else _last_event(run)
        if tool in BARE:
            self._leave(result, reference, orphans)
        else:
            result.unfinished = self._journal.exists()
            if others:
                gone(orphans)
                others.go_on()
            self._judge(result, reference, run, code, orphans, others)
        self.lab.forget_cold()
        result.seconds = time.monotonic() - started
        return result

    @property
    def _journal(self) -> Path:
        return self.lab.prefix / STATE / "journal.json"

    # --- the run that is killed --------------------------------------------------------------------------------

    def _argv(self, scene: Scene, kill: Kill | None, reference: Reference | None) -> list[str]:
        if scene.tool in BARE:
            command = bare_command(scene, self.lab.prefix, find_tool("uv"), self.lab.channel_url)
            assert command is not None, f"{scene.tool} is not on PATH"
            return command
        options = ["--prefix", str(self.lab.prefix)]
        if kill and reference and kill.trigger == "write":
            options += ["--die-at", str(1 + int(kill.where * reference.writes))]
            options += ["--with-engine"] if kill.victim == "both" else []
        return [sys.executable, "-m", "tests.faults.driver", *options, "--", *scene.line.split()]

    def _start(self, scene: Scene, kill: Kill | None, reference: Reference | None) -> Run:
        variables = self.lab.variables(cold=bool(kill and kill.cold))
        return Run(self._argv(scene, kill, reference), variables, self.lab.prefix)

    def _reference(self, scene: Scene) -> Reference:
        if scene in self._references:
            return self._references[scene]
        self.lab.place(scene.world, scene.setup)
        before = read_tree(self.lab.prefix)
        run = Run(self._argv(scene, None, None), self.lab.variables(), self.lab.prefix)
        first = last = 0.0
        stamp = run.stamp()
        while not run.ended():
            time.sleep(0.001)
            if (new := run.stamp()) != stamp:
                stamp, last = new, run.elapsed
                first = first or last
        seconds = run.elapsed
        if run.finish() != 0:
            raise RuntimeError(f"uninterrupted, {scene.tool}: {scene.line!r} on {scene.setup} failed\n{run.output}")
        writes = next((line["writes"] for _, line in run.lines if line["event"] == "end"), 0)
        after = read_tree(self.lab.prefix)
        if same(before, after):
            raise RuntimeError(f"{scene.line!r} on {scene.setup} changes nothing")
        reference = Reference(
            before=before, after=after, seconds=seconds, events=tuple(run.events), writes=writes, window=(first, last)
        )
        self._references[scene] = reference
        return reference

    def _strike(self, run: Run, kill: Kill, reference: Reference) -> list[int]:
        if kill.victim != "power":
            return _strike(run, kill, reference)
        assert self.lab.disk is not None
        _await_moment(run, kill, reference)
        if kill.flushed:
            os.sync()
            _pause(run, kill.flushed)
        stop(run.process.pid)  # what it does after the cut is never seen
        found = [run.process.pid, *children(run.process.pid)]
        self.lab.disk.cut()
        kill_all(run.process.pid)
        run.process.wait()
        gone(found)
        self.lab.disk.mend()
        return []

    # --- what is left ------------------------------------------------------------------------------------------

    def _leave(self, result: Result, reference: Reference, orphans: list[int]) -> None:
        """What a bare tool leaves: it has no recovery."""
        gone(orphans)
        tree = read_tree(self.lab.prefix)
        result.state = state_of(tree, reference)
        if result.state == "neither":
            nearer = min(
                reference.before, reference.after, key=lambda state: len(differences(state, tree, limit=10**6))
            )
            result.left = differences(nearer, tree, limit=3)

    def _judge(
        self,
        result: Result,
        reference: Reference,
        run: Run,
        code: int | None,
        orphans: list[int],
        others: Others | None,
    ) -> None:
        say = result.failures.append
        if code is None:
            say(f"it hung: {run.output}")
        if "Traceback" in run.output and not _still_starting(run.output):
            say(f"a traceback: {run.output}")
        cut = result.kill.victim == "power"  # then nothing is promised but that all of the change is there or nothing
        if (
            code is not None and code >= 0 and not cut and others is None
        ):  # it ended by itself: then nothing is left to recover
            wanted = reference.after if code == 0 else reference.before
            if not (same_result if code == 0 else same)(wanted, found := read_tree(self.lab.prefix)):
                say(f"it ended with {code} by itself, but: {differences(wanted, found)} {run.output}")
        self._recover(result, orphans)
        tree = read_tree(self.lab.prefix)
        if others:
            result.failures += others.losses(tree)
            before = others.without(tree, reference.before)
            tree = before if same(before, reference.before) else others.without(tree, reference.after)
        result.state = state_of(tree, reference)
        if result.state == "neither":
            say(f"from before: {differences(reference.before, tree)}")
            say(f"from after: {differences(reference.after, tree)}")
        result.revoked = code == 0 and result.state == "before"
        if code == 0 and result.state != "after" and not cut:
            say("it said that it was done, but the state is not the one after")
        if self._journal.exists():
            say("the journal is still there")
        if stale := stale_bytecode(self.lab.prefix):
            say(f"Python would run code of another version: {stale[:5]}")

    def _recover(self, result: Result, orphans: list[int]) -> None:
        """Use the environment again: killed at first, where the trial says so, then to the end."""
        variables = self.lab.variables()
        for where in result.kill.recovery:
            limit = 1 + int(10 ** (3.2 * where))  # from the first change to the thousandth
            argv = [sys.executable, "-m", "tests.faults.driver", "--prefix", str(self.lab.prefix)]
            Run(
                [*self.lab.next_boot(), *argv, "--die-at", str(limit), "--", "list"], variables, self.lab.prefix
            ).finish()
        self._use(result, variables)
        if self._journal.exists():  # who only reads doesn't wait for an engine that still runs
            gone(orphans)
            self._use(result, variables)
        tree = read_tree(self.lab.prefix)
        gone(orphans)
        if later := differences(tree, read_tree(self.lab.prefix)):
            result.failures.append(f"the engine of the killed process went on after the recovery: {later}")

    def _use(self, result: Result, variables: dict[str, str]) -> None:
        face = [sys.executable, "-m", "jupyter_pkgmgr.cli", "--prefix", str(self.lab.prefix), "list", "--json"]
        run = Run([*self.lab.next_boot(), *face], variables, self.lab.prefix)
        code = run.finish()
        if code != 0:
            result.failures.append(f"the next use ended with {code}: {run.output}")

    def keep(self, result: Result, folder: Path) -> Path:
        """Copy what a failed trial left."""
        target = folder / f"{result.scene.tool.replace(' ', '-')}-{result.seed}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.lab.prefix, target, symlinks=True)
        return target


def state_of(tree: Tree, reference: Reference) -> str:
    """Which of the two states a tree is."""
    if same(tree, reference.before):
        return "before"
    return "after" if same_result(tree, reference.after) else "neither"


def _draw_kill(rng: random.Random, *, bare: bool, power: bool) -> Kill:
    victim = "power" if power else "us" if bare else rng.choice(VICTIMS)
    unfit = {"event", "write"} if bare else {"write"} if victim in {"engine", "cancel", "power"} else set()
    trigger = rng.choice([name for name in TRIGGERS if name not in unfit])
    where, delay, cold = rng.random(), rng.random(), rng.random() < 0.3
    recovery = (
        tuple(rng.random() for _ in range(rng.choice((0, 0, 1, 1, 2)))) if victim != "cancel" and not bare else ()
    )
    flushed = rng.choice((0.0, 0.01, 0.1)) * rng.random() if power else 0.0
    return Kill(
        victim=victim,
        trigger=trigger,
        where=where,
        delay=delay,
        cold=cold,
        flushed=flushed,
        recovery=recovery,
        others=not bare and not power and rng.random() < 0.5,
    )


def _last_event(run: Run) -> str:
    events = [name for _, name in run.events if not name.startswith(("end", "error"))]
    return events[-1] if events else ""


def _strike(run: Run, kill: Kill, reference: Reference) -> list[int]:
    """Wait for the moment and end the victim; returns the processes that may outlive it."""
    if kill.trigger == "write":
        return _watch_children(run)
    _await_moment(run, kill, reference)
    if kill.victim == "engine":
        while not run.ended():
            if found := children(run.process.pid):
                for child in reversed(found):
                    send(child, signal.SIGKILL)
                break
            time.sleep(0.0005)
        return []
    if run.ended():
        return []
    if kill.victim == "both":
        kill_all(run.process.pid)
        return []
    if kill.victim == "cancel":
        run.process.send_signal(signal.SIGINT)
        return []
    stop(run.process.pid)
    found = children(run.process.pid)
    send(run.process.pid, signal.SIGKILL)
    return found


def _watch_children(run: Run) -> list[int]:
    """The descendants of a process that will end itself."""
    found: set[int] = set()
    deadline = time.monotonic() + TIMEOUT
    while not run.ended() and time.monotonic() < deadline:
        found.update(children(run.process.pid))
        time.sleep(0.002)
    return sorted(found)


def _await_moment(run: Run, kill: Kill, reference: Reference) -> None:
    if kill.trigger == "event" and reference.events:
        number = int(kill.where * len(reference.events))
        while not run.ended() and len(run.lines) <= number:
            time.sleep(0.0005)
        following = [*(at for at, _ in reference.events), reference.seconds]
        _pause(run, kill.delay * (following[number + 1] - following[number]))
    elif kill.trigger == "change":
        while not run.ended() and not run.changed():
            time.sleep(0.0005)
        _pause(run, kill.where * (reference.window[1] - reference.window[0]))
    else:
        _pause(run, kill.where * reference.seconds)


def _pause(run: Run, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not run.ended() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.01))


def _still_starting(output: str) -> bool:
    """Whether an interrupt met the driver before it could listen: Python's own imports end with a traceback then."""
    return output.rstrip().endswith("KeyboardInterrupt") and 'driver.py", line' in output and "in main" not in output

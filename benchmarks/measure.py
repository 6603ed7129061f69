"""What every benchmark gives and takes: times of contestants that took turns, a promise, a place to work in."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jupyter_pkgmgr.environments import read_index_settings

__all__ = ["QUIET", "Comparison", "Unit", "Workshop", "clock", "clock_process", "compare", "report", "take_turns"]

QUIET = ("--log-level=ERROR",)
"""For kernels: ipykernel warns of what is right on loopback."""
Unit = Literal["ratio", "ms", "count"]
Times = Mapping[str, Sequence[float]]
_SETTINGS = ("CONDA", "JUPYTER", "MAMBA", "PIP_", "UV_", "XDG_CACHE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One line of the table: what was measured, of whom, and what was promised."""

    what: str
    unit: Unit
    """``ratio``: our time as a share of the peer's; ``ms``: our time; ``count``: something that should not happen."""
    promise: float | None
    """The most that ``value`` may be; ``None`` where the line is there to compare alone."""
    ours: Sequence[float] = ()
    """Seconds, a number for each round."""
    peer: str = ""
    theirs: Sequence[float] = ()
    """Seconds, of the same rounds."""
    skipped: str = ""
    """Why there is nothing to compare with."""

    @property
    def value(self) -> float | None:
        """What the promise is about, in its unit."""
        if self.skipped:
            return None
        if self.unit == "ratio":
            # rounds are neighbours in time: the median of their ratios is calmer than the ratio of medians
            return statistics.median(own / other for own, other in zip(self.ours, self.theirs, strict=True))
        return sum(self.ours) if self.unit == "count" else 1000 * statistics.median(self.ours)

    @property
    def kept(self) -> bool | None:
        """Whether the promise is; ``None`` where there is none, or nothing to judge by."""
        return None if self.promise is None or self.value is None else self.value <= self.promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where a benchmark works, and how much of it is wanted."""

    root: Path
    rounds: int
    quick: bool
    """Only whether it works: the smallest sizes."""
    index_url: str = field(default_factory=lambda: read_index_settings(None).index_url)
    """The user's package index, from which ipykernel comes."""

    @property
    def downloads(self) -> Path:
        """A cache of uv's for what isn't measured."""
        return self.root / "downloads"

    @contextmanager
    def isolated(self, name: str) -> Iterator[Path]:
        """A folder of its own, and a process environment without the user's settings of pip, uv and conda."""
        folder = self.root / name
        folder.mkdir(parents=True)
        saved = dict(os.environ)
        for variable in [variable for variable in os.environ if variable.startswith(_SETTINGS)]:
            del os.environ[variable]
        os.environ.update(
            PIP_CONFIG_FILE=os.devnull,
            UV_CACHE_DIR=str(folder / "uv-cache"),
            XDG_CACHE_HOME=str(folder / "cache"),
            CONDA_PKGS_DIRS=str(folder / "pkgs"),
            IPYTHONDIR=str(folder / "ipython"),
            JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
        )
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(saved)


def clock(action: Callable[[], object]) -> float:
    """The seconds that something takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def clock_process(argv: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> float:
    """The seconds that a process takes; it has to succeed."""
    added = {**os.environ, **(environ or {})}
    return clock(lambda: subprocess.run(argv, check=True, capture_output=True, env=added))


def take_turns(
    rounds: int, runs: Mapping[str, Callable[[], float]], *, reset: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Run every contestant once a round, each from the same state; the first round warms caches and doesn't count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            reset()
            seconds = run()
            if number:
                times[name].append(seconds)
    return times


def compare(
    what: str, times: Times, promises: Mapping[str, float | None], *, absent: Sequence[str] = ()
) -> list[Comparison]:
    """The first contestant against each of the others, and those that PATH lacks by name.

    Parameters
    ----------
    promises
        Our largest share of each peer's time, by the peer's name.
    absent
        Peers that could not take part.
    """
    ours, *peers = times
    return [
        *(
            Comparison(
                what=f"{what}: {ours}",
                unit="ratio",
                promise=promises.get(peer),
                ours=times[ours],
                peer=peer,
                theirs=times[peer],
            )
            for peer in peers
        ),
        *(
            Comparison(
                what=f"{what}: {ours}",
                unit="ratio",
                promise=promises.get(peer),
                ours=times[ours],
                peer=peer,
                skipped=f"{peer.split()[0]} is not on PATH",
            )
            for peer in absent
        ),
    ]


def report(title: str, times: Times) -> None:
    """Print min, median and max of each contestant, and the first one's share of it."""
    print(f"\n{title} (min, median, max)")
    ours, *_ = times
    for name, seconds in times.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        ratio = statistics.median(own / other for own, other in zip(times[ours], seconds, strict=True))
        print(f"  {name:40} {low * 1000:8.1f} {middle * 1000:8.1f} {high * 1000:8.1f} ms   ours / this: {ratio:.3f}")

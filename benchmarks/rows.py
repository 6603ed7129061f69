"""The rows of the table: each promise of the design, measured by the benchmark that is about it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from testbed.environments import kernelspec, make_venv, uv_install

from . import attach, import_time, undo
from .install import in_a_conda_environment, in_a_venv
from .inventory import listing
from .measure import QUIET, Comparison, Unit, Workshop, compare, report

__all__ = ["ROWS", "Row"]

Row = Callable[[Workshop, Path], list[Comparison]]
ROOT = Path(__file__).parents[1]
UNDO_FILES = 1500
KILLS = 200
PANEL: dict[str, tuple[str, Unit, float]] = {
    "rows": ("first rows of 5,000 packages", "ms", 100),
    "keys": ("keystroke over 35,000 names, 95 % of them", "ms", 50),
    "blank": ("frames with a blank row while scrolling", "count", 0),
}
"""What ``labextension/bench/run.mjs`` measures in each run, and what was promised of it."""


def undoing(workshop: Workshop, root: Path) -> list[Comparison]:
    """An upgrade taken back, without network and caches."""
    files = 50 if workshop.quick else UNDO_FILES
    times = undo.measure(root, rounds=workshop.rounds, files=files)
    processor = times.pop(undo.PROCESSOR)
    what = f"undo of an upgrade of {files:,} files"
    report(what, times)
    ours = next(iter(times))
    return [
        Comparison(what=what, unit="ms", promise=1000 * undo.PROMISE, ours=times[ours]),
        Comparison(what=f"{what}, processor", unit="ms", promise=None, ours=processor),
        *compare(what, times, {}),
    ]


def kills(workshop: Workshop, _root: Path) -> list[Comparison]:
    """Transactions killed at any moment; ``python -m tests.faults`` says more of each."""
    count = 2 if workshop.quick else KILLS
    command = [sys.executable, "-m", "tests.faults", "--kills", str(count), "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    print(done.stdout)
    broken = [int(line.split()[-1]) for line in done.stdout.splitlines() if line.split()[1:2] == ["all"]]
    if not broken:
        raise RuntimeError(done.stderr)
    return [Comparison(what=f"environments broken by {count} kills", unit="count", promise=0, ours=broken)]


def attaching(workshop: Workshop, root: Path) -> list[Comparison]:
    """What a kernel of the running interpreter's minor measures of itself."""
    python = make_venv(root / "venv")
    uv_install(python, "ipykernel", index_url=workshop.index_url, cache=workshop.downloads)
    kernelspec(root, "measured", python, extra=QUIET)
    costs = [attach.measure(root, "measured", compiling=False) for _ in range(workshop.rounds + 1)][1:]
    foreign = {name for cost in costs for name in cost.modules if name.partition(".")[0] != "jupyter_pkgmgr"}
    if foreign:
        print(f"  attaching leaves in sys.modules: {', '.join(sorted(foreign))}")
    what = "attaching to a kernel"
    wall = [cost.wall / 1000 for cost in costs]
    return [
        Comparison(what=what, unit="ms", promise=attach.PROMISE, ours=wall),
        Comparison(what=f"{what}: modules not ours", unit="count", promise=0, ours=[len(foreign)]),
    ]


def importing(workshop: Workshop, _root: Path) -> list[Comparison]:
    """The server extension, over jupyter_server alone, in one process."""
    times = [import_time.measure() for _ in range(workshop.rounds)]
    ours = [wall / 1000 for _, _, wall, _ in times]
    return [Comparison(what="importing the server extension", unit="ms", promise=import_time.PROMISE, ours=ours)]


def panel(workshop: Workshop, _root: Path) -> list[Comparison]:
    """The panel in a real browser."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    missing = [name for name in ("node",) if shutil.which(name) is None]
    missing += [] if browser else ["chromium"]
    missing += [] if (ROOT / "labextension" / "node_modules" / ".made").exists() else ["the front end (make front)"]
    if missing:
        why = f"{', '.join(missing)} is not there"
        return [
            Comparison(what=f"panel: {what}", unit=unit, promise=promise, skipped=why)
            for what, unit, promise in PANEL.values()
        ]
    command = ["node", "bench/run.mjs", "--json", "--runs", str(workshop.rounds), "--chromium", str(browser)]
    done = subprocess.run(command, cwd=ROOT / "labextension", check=False, capture_output=True, text=True)
    if not done.stdout:  # a missed promise is told by the exit code, too
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    return [
        Comparison(what=f"panel: {what}", unit=unit, promise=promise, ours=_as_measured(unit, found[key]))
        for key, (what, unit, promise) in PANEL.items()
    ]


def _as_measured(unit: Unit, values: list[float]) -> list[float]:
    """Seconds, or a count."""
    return values if unit == "count" else [value / 1000 for value in values]


ROWS: dict[str, Row] = {
    "install": in_a_venv,
    "conda": in_a_conda_environment,
    "list": listing,
    "undo": undoing,
    "kills": kills,
    "attach": attaching,
    "import": importing,
    "panel": panel,
}
"""By the name that the command line takes."""

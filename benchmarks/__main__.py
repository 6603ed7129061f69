"""``python -m benchmarks``: the promises of the design as a table; with ``--growth`` how cost grows, as plots.

Every ratio is taken side by side: contestants take turns, and peers that PATH lacks are left out by name. What is
measured is written to a folder, as JSON and Markdown, plots as SVG.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .growth import SERIES
from .measure import Workshop
from .plot import plot
from .profiles import PROFILED, profile
from .rows import ROWS
from .tables import machine, markdown, to_json

SLOWEST = "slowest"


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 if a promise is missed."""
    options = _options(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    rounds = options.rounds or (1 if options.quick else 7)
    with tempfile.TemporaryDirectory(prefix="pkgmgr-benchmark-") as folder:
        workshop = Workshop(root=Path(folder), rounds=rounds, quick=options.quick)
        if options.growth is not None:
            grow(options.growth or SERIES, workshop, options.folder)
            return 0
        if options.profile in PROFILED:
            profile(options.profile, workshop, save=options.folder / f"{options.profile}.pstats")
            return 0
        lines = measure(options.row or ROWS, workshop, options.folder)
        if options.profile:
            name = slowest(lines)
            profile(name, workshop, save=options.folder / f"{name}.pstats")
    return 1 if any(line["kept"] is False for line in lines) and not options.quick else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", action="append", choices=list(ROWS), help="only this one; may be repeated")
    parser.add_argument(
        "--growth", nargs="*", choices=list(SERIES), metavar="SERIES", help=f"how cost grows: {', '.join(SERIES)}"
    )
    parser.add_argument(
        "--profile",
        nargs="?",
        const=SLOWEST,
        choices=[*PROFILED, SLOWEST],
        help="profile a row alone; without its name: measure, then the one that is nearest to its promise or beyond",
    )
    parser.add_argument("--rounds", type=int, help="how often contestants take turns (default: 7)")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, one round: only whether it works")
    parser.add_argument("--folder", type=Path, default=Path(".benchmarks"), help="for results (default: %(default)s)")
    return parser.parse_args(argv)


def measure(rows: Iterable[str], workshop: Workshop, folder: Path) -> list[dict[str, Any]]:
    """Run rows, print and write the table."""
    before = machine()
    lines: list[dict[str, Any]] = []
    for name in rows:
        print(f"\n── {name}", flush=True)
        with workshop.isolated(name) as root:
            lines += [to_json(name, comparison) for comparison in ROWS[name](workshop, root)]
    document = {"schema": 1, "machine": before, "rounds": workshop.rounds, "quick": workshop.quick, "rows": lines}
    table = markdown(document)
    (folder / "table.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(table, encoding="utf-8")
    print(f"\n{table}\nwritten to {folder}/table.json and table.md")
    return lines


def slowest(lines: Sequence[Mapping[str, Any]]) -> str:
    """The row that used most of what it was promised, of those that can be profiled."""
    shares: dict[str, float] = {
        line["row"]: line["value"] / line["promise"]
        for line in sorted(lines, key=lambda line: (line["value"] or 0) / (line["promise"] or 1))
        if line["row"] in PROFILED and line["promise"] and line["value"] is not None
    }
    if not shares:
        sys.exit(f"none of these rows can be profiled; those that can: {', '.join(PROFILED)}")
    return max(shares, key=lambda name: shares[name])


def grow(names: Iterable[str], workshop: Workshop, folder: Path) -> None:
    """Measure series, write the figures and a plot of each."""
    found = {}
    for name in names:
        print(f"\n── {SERIES[name].title}", flush=True)
        growth = found[name] = SERIES[name].run(workshop, name)
        drawn = plot(growth.title, growth.unit, growth.sizes, growth.lines)
        (folder / f"growth-{name}.svg").write_text(drawn, encoding="utf-8")
    document = {"schema": 1, "machine": machine(), "rounds": workshop.rounds, "quick": workshop.quick}
    series = {name: asdict(growth) for name, growth in found.items()}
    (folder / "growth.json").write_text(json.dumps({**document, "series": series}, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {folder}/growth.json and growth-*.svg")


if __name__ == "__main__":
    sys.exit(main())

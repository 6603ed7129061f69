"""Comparisons as JSON, with the machine that they were measured on, and as tables in Markdown."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jupyter_pkgmgr import __version__
from testbed.environments import tool

from .measure import Comparison

__all__ = ["machine", "markdown", "to_json"]

PEERS = ("pip", "conda", "mamba", "micromamba")
PROMISED = ("what", "against", "promised", "measured", "kept", "ours, ms", "theirs, ms", "row")
COMPARED = ("what", "against", "measured", "ours, ms", "theirs, ms", "row")
A_THIRD = 0.34
"""Above it a fraction says less than a factor."""


def machine() -> dict[str, Any]:
    """What the figures depend on: ratios less, milliseconds more."""
    versions = {"uv": _version("uv", tool("uv"))}
    versions |= {name: _version(name, path) for name in PEERS if (path := shutil.which(name))}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "jupyter_pkgmgr": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "tools": versions,
        "absent": [name for name in PEERS if shutil.which(name) is None],
    }


def _version(name: str, path: str) -> str:
    """What follows the name, if that is said: pip goes on with the folder that it lies in."""
    done = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)
    words = done.stdout.split()
    return (words[1:2] if words[:1] == [name] else words[:1] or ["unknown"])[0]


def to_json(row: str, comparison: Comparison) -> dict[str, Any]:
    """One line of the table."""
    return {
        "row": row,
        "what": comparison.what,
        "unit": comparison.unit,
        "promise": comparison.promise,
        "value": comparison.value,
        "kept": comparison.kept,
        "ours": list(comparison.ours),
        "peer": comparison.peer,
        "theirs": list(comparison.theirs),
        "skipped": comparison.skipped,
    }


def markdown(document: Mapping[str, Any]) -> str:
    """What was measured on which machine: the promises, and what there is to compare besides."""
    lines: Sequence[Mapping[str, Any]] = document["rows"]
    promised = [line for line in lines if line["promise"] is not None]
    others = [line for line in lines if line["promise"] is None]
    parts = [_head(document), _table(promised, PROMISED)]
    if others:
        parts += ["Besides, without a promise:", _table(others, COMPARED)]
    return "\n\n".join(parts) + "\n"


def _head(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    tools = ", ".join(f"{name} {version}" for name, version in machine["tools"].items())
    absent = f"; not there: {', '.join(machine['absent'])}" if machine["absent"] else ""
    rounds = f"{document['rounds']} round{'s' if document['rounds'] != 1 else ''}"
    return (
        f"{machine['date'][:10]}, Python {machine['python']} on {machine['system']} with {machine['processors']} "
        f"processors, load {machine['load']:.1f} before; {tools}{absent}. "
        f"Milliseconds are min / median / max of {rounds}."
    )


def _table(lines: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    rows = [columns, ["---"] * len(columns), *([_cells(line)[name] for name in columns] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(line: Mapping[str, Any]) -> dict[str, str]:
    timed = line["unit"] != "count"
    return {
        "what": line["what"],
        "against": f"`{line['peer']}`" if line["peer"] else "–",
        "promised": _limit(line),
        "measured": f"left out: {line['skipped']}" if line["skipped"] else _amount(line["unit"], line["value"]),
        "kept": {True: "yes", False: "**no**", None: "–"}[line["kept"]],
        "ours, ms": _spread(line["ours"]) if timed else "–",
        "theirs, ms": _spread(line["theirs"]) if timed else "–",
        "row": f"`{line['row']}`",
    }


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "–"
    return " / ".join(_digits(1000 * each) for each in (min(seconds), statistics.median(seconds), max(seconds)))


def _limit(line: Mapping[str, Any]) -> str:
    if line["promise"] is None:
        return "–"
    if line["unit"] == "ratio":
        return f"≤ {_amount('ratio', line['promise'])}"
    return f"{line['promise']:g}" if line["unit"] == "count" else f"≤ {line['promise']:g} ms"


def _amount(unit: str, value: float) -> str:
    """A share of the peer's time as people say it: `1/77`, or `1.6 ×`."""
    if unit == "ms":
        return f"{_digits(value)} ms"
    if unit == "count":
        return f"{value:.0f}"
    return f"1/{1 / value:.2g}" if value < A_THIRD else f"{value:.2g} ×"


def _digits(value: float) -> str:
    """One place after the point, as far as that says something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004

"""Comparisons as JSON, with the machine that they were measured on, and as a table in Markdown."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jupyter_pkgmgr import __version__
from testbed.environments import tool

from .measure import Comparison

__all__ = ["machine", "markdown", "to_json"]

PEERS = ("pip", "conda", "mamba", "micromamba")


def machine() -> dict[str, Any]:
    """What the figures depend on: ratios less, milliseconds more."""
    versions = {"uv": _version([tool("uv"), "--version"])}
    versions |= {name: _version([path, "--version"]) for name in PEERS if (path := shutil.which(name))}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "jupyter_pkgmgr": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "tools": versions,
        "absent": [name for name in PEERS if shutil.which(name) is None],
    }


def _version(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


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


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """The table; times are min / median / max in milliseconds."""
    rows = [
        "| what | ours, ms | compared with | theirs, ms | measured | promised | |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        if line["skipped"]:
            why = f"left out: {line['skipped']}"
            rows.append(f"| {line['what']} | {_spread(line['ours'])} | {line['peer']} | | {why} | {_limit(line)} | |")
            continue
        verdict = {True: "kept", False: "**missed**", None: ""}[line["kept"]]
        counted = line["unit"] == "count"
        ours, theirs = ("", "") if counted else (_spread(line["ours"]), _spread(line["theirs"]))
        measured = f"{_value(line)} | {_limit(line)} | {verdict}"
        rows.append(f"| {line['what']} | {ours} | {line['peer']} | {theirs} | {measured} |")
    return "\n".join(rows) + "\n"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return " / ".join(f"{1000 * each:,.1f}" for each in (min(seconds), statistics.median(seconds), max(seconds)))


def _value(line: Mapping[str, Any]) -> str:
    return {"ratio": "{:.3f} times", "ms": "{:,.1f} ms", "count": "{:.0f}"}[line["unit"]].format(line["value"])


def _limit(line: Mapping[str, Any]) -> str:
    if line["promise"] is None:
        return ""
    return {"ratio": "≤ {:.3g} times", "ms": "≤ {:g} ms", "count": "{:g}"}[line["unit"]].format(line["promise"])

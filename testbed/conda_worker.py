"""Creates conda environments with py-rattler, in a process of its own that can end abruptly.

``python -m testbed.conda_worker`` reads JSON objects, one a line: ``channels``, ``specs``, ``prefix`` and ``cache``.
Each is answered by a line: ``packages``, or ``error``. py-rattler can crash the interpreter at exit, hence
``os._exit``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import rattler

from .channel import SUBDIR


async def install(order: dict[str, Any]) -> list[str]:
    """Solve and link; returns ``channel/subdir::name-version-build`` of what is there now."""
    cache, prefix = Path(order["cache"]), Path(order["prefix"])
    specs = [rattler.MatchSpec(spec) for spec in order["specs"]]
    records = await rattler.solve(
        sources=[rattler.Channel(channel) for channel in order["channels"]],
        specs=specs,
        gateway=rattler.Gateway(cache_dir=cache / "repodata"),
        platforms=[rattler.Subdir(SUBDIR), rattler.Subdir("noarch")],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(
        records,
        target_prefix=prefix,
        cache_dir=cache / "pkgs",
        show_progress=False,
        requested_specs=[spec._match_spec for spec in specs],  # noqa: SLF001  what 0.28 takes
    )
    return sorted(
        f"{(record.channel or '').rstrip('/')}/{record.subdir}::"
        f"{record.name.normalized}-{record.version}-{record.build}"
        for record in records
    )


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Do what an order says."""
    try:
        return {"packages": asyncio.run(install(order))}
    except Exception:  # noqa: BLE001  told to the parent, which raises
        return {"error": traceback.format_exc()}


def main() -> None:
    """Do what standard input says, line by line."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201  its answer


if __name__ == "__main__":
    main()
    os._exit(0)

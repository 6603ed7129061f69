"""What attaching costs a kernel: milliseconds of its own time, and what lies in ``sys.modules`` afterwards.

Starts fresh kernels of each interpreter (a venv with ipykernel and nothing of ours), has each evaluate the very
expression that the server sends, and lets the kernel itself measure: wall clock and processor. "Compiling" is a
kernel that finds none of our modules compiled, as where the server's files are read-only.

Run it with::

    python benchmarks/attach.py [--versions 3.8 3.11 3.13] [--rounds 7]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from jupyter_pkgmgr.environments import read_index_settings  # noqa: E402
from jupyter_pkgmgr.kernel.attach import source  # noqa: E402
from testbed.environments import available_interpreters, kernelspec, make_venv, uv_install  # noqa: E402

PROMISE = 30.0
"""Milliseconds."""
MEASURE = """
import json as _json, sys as _sys, time as _time
_sys.pycache_prefix = {prefix!r}
_before = set(_sys.modules)
_wall, _processor = _time.perf_counter(), _time.process_time()
_value = eval({expression!r})
_wall, _processor = _time.perf_counter() - _wall, _time.process_time() - _processor
print(_json.dumps([1000 * _wall, 1000 * _processor, sorted(set(_sys.modules) - _before)]))
"""
CONNECTION = {"url": "http://127.0.0.1:1/pkgmgr/", "token": "0" * 43, "kernel": "0" * 36}


class Cost(NamedTuple):
    """What one kernel measured."""

    wall: float
    processor: float
    modules: list[str]


def measure(folder: Path, name: str, *, compiling: bool) -> Cost:
    """Start a kernel, have it measure, and end it."""
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    with tempfile.TemporaryDirectory() as empty:
        try:
            client.wait_for_ready(timeout=60)
            printed: list[str] = []
            expression = source(sys.executable, CONNECTION)
            client.execute_interactive(
                MEASURE.format(expression=expression, prefix=empty if compiling else None),
                output_hook=lambda message: printed.append(message["content"].get("text", "")),
                timeout=60,
            )
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return Cost(*json.loads("".join(printed)))


def main() -> None:
    """Measure each version in turn, round by round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--versions", nargs="+", default=["3.8", "3.11", "3.13"])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    interpreters = available_interpreters()
    kinds = [(version, compiling) for version in arguments.versions for compiling in (False, True)]
    costs: dict[tuple[str, bool], list[Cost]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for version in arguments.versions:
            python = make_venv(Path(folder, "venvs", version), interpreters[version])
            uv_install(python, "ipykernel", index_url=read_index_settings(None).index_url)
            kernelspec(Path(folder), version, python)
            measure(Path(folder), version, compiling=False)  # the first one compiles, and keeps that
        for _ in range(arguments.rounds):
            for version, compiling in kinds:
                costs[version, compiling].append(measure(Path(folder), version, compiling=compiling))
    show(costs)


def show(costs: dict[tuple[str, bool], list[Cost]]) -> None:
    """Print a row for each kind of kernel."""
    print(f"{'Python':16} {'median ms':>9} {'worst ms':>9} {'cpu ms':>7}   new in sys.modules")
    for (version, compiling), rounds in costs.items():
        walls, processor = [cost.wall for cost in rounds], statistics.median(cost.processor for cost in rounds)
        name = f"{version} compiling" if compiling else version
        modules = ", ".join(rounds[-1].modules)
        print(f"{name:16} {statistics.median(walls):9.1f} {max(walls):9.1f} {processor:7.1f}   {modules}")
    worst = max(statistics.median(cost.wall for cost in rounds) for rounds in costs.values())
    verdict = "kept" if worst <= PROMISE else "BROKEN"
    print(f"promise: at most {PROMISE:.0f} ms; the slowest median is {worst:.1f} ms: {verdict}")


if __name__ == "__main__":
    main()

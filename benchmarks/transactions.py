"""What safety costs: a plan applied as a transaction against the same engine applying the same plan bare.

A small additive install and an upgrade of 1,500 files, in a venv of 30 packages and in a prefix of 30,000 files;
rounds take turns. The plan is made outside the clock. In between stands what was done before there were
transactions: the engine with the inventory read before and after, and verified. Run it with::

    python -m benchmarks.transactions [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.engines import default_engines
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.inventory import read_inventory
from jupyter_pkgmgr.model import Cancellation, Environment, Plan, ignore_events
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions.verify import verify
from testbed.channel import Channel
from testbed.content import fill_channel
from testbed.environments import conda_environment, make_venv, tool, uv_install
from testbed.index import serve, serve_files
from testbed.python_package import python_channel
from testbed.wheels import WheelSource, write_wheel

PROMISE = 1.15
"""What a small additive install may cost, as a multiple of the bare engine."""
LATENCY = 30
"""Milliseconds that the index takes before each answer."""
OURS, CHECKED, BARE = "as a transaction", "engine, verified", "engine alone"


def wheel(folder: Path, name: str, version: str, files: int) -> None:
    """A package of so many modules in folders of ten."""
    top = name.replace("-", "_")
    contents: dict[str, str | bytes] = {
        f"{top}/part{number // 10}/module{number % 10}.py": f"VERSION = {version!r}\n" for number in range(files)
    }
    write_wheel(folder, WheelSource(name=name, version=version, files=contents))


class Contest:
    """The same request, applied in three ways to one environment."""

    def __init__(
        self, service: PackageService, environment: Environment, before: str, timed: str, *, forget: Path | None = None
    ) -> None:
        self._service, self._environment, self._forget = service, environment, forget
        self._before, self._timed = before, timed
        self._engines = default_engines()

    def run(self, rounds: int) -> dict[str, list[float]]:
        """Seconds of each way; the first round warms caches and doesn't count."""
        ways: dict[str, Callable[[Plan], object]] = {
            OURS: self._service.apply,
            CHECKED: self._checked,
            BARE: self._bare,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                if not (reset := self._plan(self._before)).is_empty:
                    self._bare(reset)
                plan = self._plan(self._timed)
                if self._forget is not None:
                    shutil.rmtree(self._forget)
                started = time.perf_counter()
                way(plan)
                if number:
                    times[name].append(time.perf_counter() - started)
        self._engines.clear()
        return times

    def _plan(self, line: str) -> Plan:
        request = parse_line(line, base=self._environment.prefix).request
        if request is None:
            raise RuntimeError(line)
        return self._service.plan(self._environment, request)

    def _bare(self, plan: Plan) -> None:
        for step in plan.steps:
            engine = self._engines[step.plan.engine]
            engine.apply(plan.environment, step.plan, events=ignore_events, cancel=Cancellation())

    def _checked(self, plan: Plan) -> None:
        before = read_inventory(plan.environment)
        self._bare(plan)
        verify(plan, before, read_inventory(plan.environment))


def report(title: str, times: dict[str, list[float]]) -> float:
    """Print min, median and max of each way; returns ours as a multiple of the bare engine's."""
    print(f"\n{title} (min, median, max)")
    for name, seconds in times.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        # rounds are neighbours in time: the median of their ratios is calmer than the ratio of medians
        ratio = statistics.median(ours / own for ours, own in zip(times[OURS], seconds, strict=True))
        print(f"  {name:20} {low * 1000:8.1f} {middle * 1000:8.1f} {high * 1000:8.1f} ms   ours / this: {ratio:.3f}")
    return statistics.median(ours / own for ours, own in zip(times[OURS], times[BARE], strict=True))


def in_a_venv(root: Path, rounds: int) -> list[float]:
    """By uv: 30 packages, then 30,000 files."""
    index = root / "index"
    for number in range(30):
        wheel(index, f"filler-{number}", "1.0", 30)
    wheel(index, "small", "1.0", 5)
    wheel(index, "big", "1.0", 1500)
    wheel(index, "big", "2.0", 1500)
    python = make_venv(root / "venv")
    uv_install(python, *(f"filler-{number}" for number in range(30)), find_links=index)
    environment = from_interpreter(python)
    results = []
    with serve(index, latency=LATENCY) as server, PackageService(face="benchmark") as service:
        os.environ["PIP_INDEX_URL"] = server.index_url
        for size in ("30 packages", "30,000 files"):
            if size != "30 packages":
                for number in range(95):
                    wheel(index, f"more-{number}", "1.0", 300)
                uv_install(python, *(f"more-{number}" for number in range(95)), find_links=index)
            small = Contest(service, environment, "remove small", "install small")
            install(service, environment, "install small big==1.0")
            time.sleep(2.1)  # folders that changed this moment are read again, which they aren't in daily life
            results.append(report(f"small wheel in uv's cache, venv of {size}", small.run(rounds)))
            fresh = Contest(service, environment, "remove small", "install small", forget=root / "uv-cache")
            results.append(report(f"small wheel never fetched before, venv of {size}", fresh.run(rounds)))
            upgrade = Contest(service, environment, "install big==1.0", "install big==2.0")
            report(f"upgrade of 1,500 files, uv, venv of {size}", upgrade.run(rounds))
    return results


def install(service: PackageService, environment: Environment, line: str) -> None:
    """Do it, untimed."""
    request = parse_line(line, base=environment.prefix).request
    if request is not None:
        service.apply(service.plan(environment, request))


def in_a_conda_environment(root: Path, rounds: int) -> float:
    """By the embedded engine."""
    channel = fill_channel(Channel(root / "channel").include(python_channel(root / "python")))
    prefix = conda_environment(root / "conda", channels=[channel.url], cache=root / "conda-cache")
    with serve_files(root / "channel") as server, PackageService(face="benchmark") as service:
        os.environ["CONDA_CHANNELS"] = server.url
        environment = from_prefix(prefix)
        install(service, environment, "install tb-data")
        time.sleep(2.1)
        contest = Contest(service, environment, "remove tb-data", "install tb-data")
        return report("small conda package, embedded engine", contest.run(rounds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "CONDA"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="pkgmgr-benchmark-") as folder:
        root = Path(folder)
        os.environ |= {
            "PIP_CONFIG_FILE": os.devnull,
            "UV_CACHE_DIR": str(root / "uv-cache"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "CONDA_PKGS_DIRS": str(root / "pkgs"),
        }
        version = subprocess.run([tool("uv"), "--version"], check=True, capture_output=True, text=True).stdout.strip()
        print(f"{version}, {os.cpu_count()} processors")
        ratios = [*in_a_venv(root, rounds), in_a_conda_environment(root, rounds)]
    print(f"\nsmall additive installs: {', '.join(f'{ratio:.2f}' for ratio in ratios)} (promised: {PROMISE})")


if __name__ == "__main__":
    main()

"""A busy server: 20 kernels in 10 environments, 50 installs at once, and how long REST takes to answer meanwhile.

A real ``jupyter server`` process, venvs with ipykernel, an index on loopback. All kernels are started over REST and
attached; then every environment gets its share of the installs, all at once, while a client asks for one thing after
the other, as panels do. In the end every environment is looked at. Run it with::

    python benchmarks/server.py [--kernels 20] [--environments 10] [--installs 50] [--mix 4]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from jupyter_pkgmgr.environments import read_index_settings  # noqa: E402
from testbed.environments import kernelspec, make_venv, uv_install  # noqa: E402
from testbed.index import serve  # noqa: E402
from testbed.wheels import WheelSource, write_wheel  # noqa: E402
from tests.server.live import LiveServer  # noqa: E402

PATIENCE = 300.0


@dataclass
class Bench:
    """The server, and what was measured of it."""

    server: LiveServer
    prefixes: list[Path]
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def clock(self, name: str, path: str) -> Any:
        """Ask, and note how long it took."""
        started = time.perf_counter()
        answer = self.server.get(path)
        self.times[name].append(1000 * (time.perf_counter() - started))
        return answer

    def start_kernels(self, number: int) -> float:
        """Start them over REST; the seconds until all are attached."""
        started = time.monotonic()
        names = itertools.islice(itertools.cycle(prefix.name for prefix in self.prefixes), number)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self.server.ask("POST", "api/kernels", {"name": name}), names))
        while True:
            kernels = self.server.get("kernels")["kernels"]
            states = {kernel["attached"] for kernel in kernels}
            if len(kernels) == number and states == {"attached"}:
                return time.monotonic() - started
            if time.monotonic() - started > PATIENCE:
                raise TimeoutError(json.dumps(kernels, indent=2))
            time.sleep(0.2)

    def install(self, ids: list[str], number: int) -> tuple[float, list[Any]]:
        """Plan and apply so many different packages, spread over the environments; the seconds, and the jobs."""
        started = time.monotonic()
        orders = [(ids[index % len(ids)], f"install tb-bench-{index}") for index in range(number)]

        def carry_out(order: tuple[str, str]) -> Any:
            environment, command = order
            for _ in range(number):
                job = self._apply(environment, command)
                if job is not None:
                    return job
            raise TimeoutError(command)

        with ThreadPoolExecutor(number) as pool:
            jobs = list(pool.map(carry_out, orders))
        return time.monotonic() - started, jobs

    def _apply(self, environment: str, command: str) -> Any:
        """The job that did it; ``None`` where another install of this environment has outdated the plan meanwhile."""
        plan = self.server.plan(environment, command)
        try:
            job = self.server.job(self.server.post("jobs", plan))
        except AssertionError as error:
            if "plan-outdated" not in str(error):
                raise
            return None
        return None if job["error"] and job["error"]["reference"] == "plan-outdated" else job

    @contextmanager
    def asking(self, ids: list[str], clients: int) -> Iterator[None]:
        """Ask as panels do, until the end of the block."""
        stop = threading.Event()

        def panel(index: int) -> None:
            for environment in itertools.cycle(ids[index:] + ids[:index]):
                for name, path in (
                    ("jobs", "jobs"),
                    ("environment", f"environments/{environment}"),
                    ("packages", f"environments/{environment}/packages"),
                    ("kernels", "kernels"),
                    ("settings", "settings"),
                ):
                    if stop.is_set():
                        return
                    self.clock(name, path)

        with ThreadPoolExecutor(clients) as pool:
            running = [pool.submit(panel, index) for index in range(clients)]
            try:
                yield
            finally:
                stop.set()
        for future in running:
            future.result()

    def check(self, ids: list[str], number: int, jobs: list[Any]) -> None:
        """Fail unless everything ended right."""
        wrong = [job for job in jobs if job["state"] != "succeeded"]
        if wrong:
            raise RuntimeError(json.dumps(wrong[0]["error"], indent=2))
        for position, environment in enumerate(ids):
            there = {row["name"] for row in self.server.get(f"environments/{environment}/packages")["packages"]}
            wanted = {f"tb-bench-{index}" for index in range(number) if index % len(ids) == position}
            if not wanted <= there:
                raise RuntimeError(f"{self.prefixes[position]} lacks {wanted - there}")

    def report(self, title: str) -> None:
        """Print the times, and forget them."""
        everything = [value for values in self.times.values() for value in values]
        print(f"\n{title}")
        for name, values in [*sorted(self.times.items()), ("all", everything)]:
            p95 = statistics.quantiles(values, n=20)[-1]
            print(f"  {name:12} {len(values):5} answers, median {statistics.median(values):7.1f} ms, p95 {p95:7.1f} ms")
        self.times.clear()


def prepare(root: Path, environments: int, installs: int) -> tuple[list[Path], Path]:
    """Venvs with ipykernel and kernelspecs, and a folder of wheels."""
    index_url = read_index_settings(None).index_url
    prefixes = []
    for number in range(environments):
        python = make_venv(root / f"env{number}")
        uv_install(python, "ipykernel", index_url=index_url, cache=root / "cache")
        kernelspec(root / "data", f"env{number}", python)
        prefixes.append(root / f"env{number}")
    wheels = root / "wheels"
    wheels.mkdir()
    for number in range(installs):
        files: dict[str, str | bytes] = {f"tb_bench_{number}/part{part}.py": "X = 1\n" for part in range(20)}
        write_wheel(wheels, WheelSource(name=f"tb-bench-{number}", version="1.0", files=files))
    return prefixes, wheels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernels", type=int, default=20)
    parser.add_argument("--environments", type=int, default=10)
    parser.add_argument("--installs", type=int, default=50)
    parser.add_argument("--mix", type=int, default=4, help="clients that look on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prefixes, wheels = prepare(root, options.environments, options.installs)
        with serve(wheels) as index:
            os.environ["PIP_INDEX_URL"] = index.index_url
            with LiveServer(root) as server:
                server.start()
                run(Bench(server, prefixes), options)
                server.stop()


def run(bench: Bench, options: argparse.Namespace) -> None:
    """The whole story on one server."""
    seconds = bench.start_kernels(options.kernels)
    print(f"{options.kernels} kernels started and attached in {seconds:.1f} s")
    ids = [bench.server.environment(prefix) for prefix in bench.prefixes]
    with bench.asking(ids, options.mix):
        time.sleep(10)
    bench.report("REST while nothing else happens")
    with bench.asking(ids, options.mix):
        seconds, jobs = bench.install(ids, options.installs)
    bench.report(f"REST during {options.installs} installs in {options.environments} environments")
    bench.check(ids, options.installs, jobs)
    print(f"\n{options.installs} installs at once: {seconds:.1f} s, all of them right")


if __name__ == "__main__":
    main()

"""``%pkg install`` in a real kernel against ``%pip install`` and the bare ``uv pip install`` process.

A venv with ipykernel and pip, one kernel with ``%pkg``, an index on loopback with 30 ms latency, rounds that take
turns. With a conda environment: the embedded engine on a loopback channel against ``micromamba install`` and
``conda install``, where PATH has them. Run it with::

    python -m benchmarks.install [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.manager import KernelManager

import jupyter_pkgmgr
from testbed.channel import Channel
from testbed.content import fill_channel, fill_index
from testbed.environments import conda_environment, make_venv, tool, uv_install
from testbed.index import serve, serve_files
from testbed.python_package import python_channel

LATENCY = 30
"""Milliseconds that the index takes before each answer."""
MAX_AGE = 600
"""Seconds that its pages stay fresh, as those of the public index do."""
STARTUP = Path(jupyter_pkgmgr.__file__).parent / "kernel" / "startup.py"


class Kernel:
    """A running kernel that is spoken to by messages."""

    def __init__(self, python: Path, environment: dict[str, str]) -> None:
        self._manager = KernelManager()
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self._manager.kernel_spec.argv = [*command, f'--InteractiveShellApp.exec_files=["{STARTUP}"]']
        self._manager.start_kernel(env={**os.environ, **environment, "JUPYTER_PKGMGR_PYTHON": sys.executable})
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str) -> float:
        """Execute code; returns the seconds until the reply. A failed cell fails the benchmark."""
        started = time.perf_counter()
        reply = self._client.execute_interactive(code, timeout=120, output_hook=lambda _: None)
        seconds = time.perf_counter() - started
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{code}: {reply['content'].get('evalue')}")
        return seconds

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@contextmanager
def kernel(python: Path, environment: dict[str, str]) -> Iterator[Kernel]:
    """A kernel for the length of a block."""
    running = Kernel(python, environment)
    try:
        yield running
    finally:
        running.close()


def clock(argv: list[str], environment: dict[str, str]) -> float:
    """The seconds that a process takes."""
    started = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - started


def take_turns(rounds: int, reset: Callable[[], None], runs: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every contestant once a round, each from the same state; the first round warms caches and doesn't count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            reset()
            seconds = run()
            if number:
                times[name].append(seconds)
    return times


def report(title: str, times: dict[str, list[float]]) -> None:
    """Print min, median and max of each contestant, and the first one's ratio to the others."""
    print(f"\n{title}")
    ours, *_ = times
    for name, seconds in times.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        ratio = statistics.median(times[ours]) / middle
        print(f"  {name:38} {low * 1000:8.1f} {middle * 1000:8.1f} {high * 1000:8.1f} ms   ours / this: {ratio:.3f}")


def in_a_venv(root: Path, rounds: int) -> None:
    """A small wheel, and one that is there already."""
    fill_index(root / "index")
    python = make_venv(root / "venv", pip=True)
    subprocess.run([tool("uv"), "pip", "install", "--quiet", "--python", str(python), "ipykernel"], check=True)
    uv_install(python, "six", find_links=root / "index")
    remove = [tool("uv"), "pip", "uninstall", "--quiet", "--python", str(python), "tb-pure"]
    with serve(root / "index", latency=LATENCY) as server:
        server.max_age = MAX_AGE
        settings = {
            "PIP_INDEX_URL": server.index_url,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": "",
            "UV_CACHE_DIR": str(root / "uv-cache"),
        }
        bare = [tool("uv"), "pip", "install", "--no-config", "--index-url", server.index_url]
        with kernel(python, settings) as running:
            times = take_turns(
                rounds,
                lambda: None,
                {
                    "%pkg install six (satisfied)": lambda: running.run("%pkg install six"),
                    "%pip install six (satisfied)": lambda: running.run("%pip install six"),
                },
            )
            report("satisfied (min, median, max)", times)
            contestants = {
                "%pkg install tb-pure": lambda: running.run("%pkg install tb-pure"),
                "uv pip install tb-pure (bare process)": lambda: clock(
                    [*bare, "--python", str(python), "tb-pure"], settings
                ),
                "%pip install tb-pure": lambda: running.run("%pip install --no-cache-dir tb-pure"),
            }

            def without_it() -> None:
                subprocess.run(remove, check=True, capture_output=True)

            def never_seen() -> None:
                without_it()
                shutil.rmtree(root / "uv-cache", ignore_errors=True)

            title = f"small wheel, index with {LATENCY} ms latency"
            report(f"{title}, never fetched before (min, median, max)", take_turns(rounds, never_seen, contestants))
            report(f"{title}, in uv's cache (min, median, max)", take_turns(rounds, without_it, contestants))


def in_a_conda_environment(root: Path, rounds: int) -> None:
    """A small noarch package from a loopback channel."""
    channel = fill_channel(Channel(root / "channel").include(python_channel(root / "python")))
    prefix = conda_environment(root / "conda", channels=[channel.url], cache=root / "conda-cache")
    python = prefix / "bin" / "python"
    subprocess.run([tool("uv"), "pip", "install", "--quiet", "--python", str(python), "ipykernel"], check=True)
    with serve_files(root / "channel") as server:
        settings = {
            "CONDA_CHANNELS": server.url,
            "CONDA_PKGS_DIRS": str(root / "pkgs"),
            "MAMBA_ROOT_PREFIX": str(root / "mamba"),
        }
        with kernel(python, settings) as running:
            runs = {"%pkg install tb-data": lambda: running.run("%pkg install tb-data")}
            for name in ("micromamba", "conda"):
                executable = shutil.which(name)
                if executable is None:
                    print(f"\n{name} is not on PATH: left out")
                    continue
                command = [executable, "install", "-y", "-p", str(prefix), "-c", server.url, "--override-channels"]
                runs[f"{name} install tb-data (bare process)"] = lambda command=command: clock(  # type: ignore[misc]
                    [*command, "tb-data"], settings
                )

            def reset() -> None:
                if list((prefix / "conda-meta").glob("tb-data-*")):
                    running.run("%pkg remove tb-data")

            report("small conda package, loopback channel (min, median, max)", take_turns(rounds, reset, runs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="pkgmgr-benchmark-") as folder:
        in_a_venv(Path(folder), rounds)
        in_a_conda_environment(Path(folder), rounds)


if __name__ == "__main__":
    main()

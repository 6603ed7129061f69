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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jupyter_client.manager import KernelManager

import jupyter_pkgmgr
from testbed.channel import Channel
from testbed.content import fill_channel, fill_index
from testbed.environments import conda_environment, make_venv, tool, uv_install
from testbed.index import serve, serve_files
from testbed.python_package import python_channel

from .measure import QUIET, Comparison, Workshop, clock_process, compare, report, take_turns

LATENCY = 30
"""Milliseconds that the index takes before each answer."""
MAX_AGE = 600
"""Seconds that its pages stay fresh, as those of the public index do."""
SATISFIED, SATISFIED_MS = 1 / 50, 10.0
"""Promised of what is installed already: a share of ``%pip install``, and milliseconds."""
SMALL_WHEEL = 1.3
"""Promised of a small wheel: a share of the bare uv process."""
CONDA_PEERS = {"micromamba": 0.7, "mamba": None, "conda": 1 / 5}
"""Promised of a small conda package, by the executable that it is compared with; ``%conda`` runs ``conda``."""
STARTUP = Path(jupyter_pkgmgr.__file__).parent / "kernel" / "startup.py"


class Kernel:
    """A running kernel that is spoken to by messages."""

    def __init__(self, python: Path, environment: dict[str, str]) -> None:
        self._manager = KernelManager()
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        assert self._manager.kernel_spec is not None  # noqa: S101  every environment with Jupyter has one
        self._manager.kernel_spec.argv = [*command, *QUIET, f'--InteractiveShellApp.exec_files=["{STARTUP}"]']
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


def in_a_venv(workshop: Workshop, root: Path) -> list[Comparison]:
    """A package that is there already, and a small wheel."""
    fill_index(root / "index")
    python = make_venv(root / "venv", pip=True)
    uv_install(python, "ipykernel", index_url=workshop.index_url, cache=workshop.downloads)
    uv_install(python, "six", find_links=root / "index")
    with serve(root / "index", latency=LATENCY) as server:
        server.max_age = MAX_AGE
        os.environ["PIP_INDEX_URL"] = server.index_url
        with kernel(python, {}) as running:
            runs = {name: partial(running.run, name) for name in ("%pkg install six", "%pip install six")}
            times = take_turns(workshop.rounds, runs)
            report("satisfied", times)
            ours = "%pkg install six"
            return [
                *compare("satisfied", times, {"%pip install six": SATISFIED}),
                Comparison(what=f"satisfied: {ours}", unit="ms", promise=SATISFIED_MS, ours=times[ours]),
                *_small_wheel(workshop.rounds, running, python, server.index_url, root / "uv-cache"),
            ]


def _small_wheel(rounds: int, running: Kernel, python: Path, index_url: str, cache: Path) -> list[Comparison]:
    bare = [tool("uv"), "pip", "install", "--no-config", "--index-url", index_url, "--python", str(python), "tb-pure"]
    remove = [tool("uv"), "pip", "uninstall", "--quiet", "--python", str(python), "tb-pure"]
    runs: dict[str, Callable[[], float]] = {
        "%pkg install": lambda: running.run("%pkg install tb-pure"),
        "uv pip install": lambda: clock_process(bare),
        "%pip install": lambda: running.run("%pip install --no-cache-dir tb-pure"),
    }

    def without_it() -> None:
        subprocess.run(remove, check=True, capture_output=True)

    def never_seen() -> None:
        without_it()
        shutil.rmtree(cache, ignore_errors=True)

    found = []
    for state, reset in (("never fetched before", never_seen), ("in uv's cache", without_it)):
        title = f"small wheel, {LATENCY} ms latency, {state}"
        times = take_turns(rounds, runs, reset=reset)
        report(title, times)
        found += compare(title, times, {"uv pip install": SMALL_WHEEL})
    return found


def in_a_conda_environment(workshop: Workshop, root: Path) -> list[Comparison]:
    """A small noarch package from a loopback channel."""
    channel = fill_channel(Channel(root / "channel").include(python_channel(root / "python")))
    prefix = conda_environment(root / "conda", channels=[channel.url], cache=root / "conda-cache")
    python = prefix / "bin" / "python"
    uv_install(python, "ipykernel", index_url=workshop.index_url, cache=workshop.downloads)
    with serve_files(root / "channel") as server:
        os.environ.update(CONDA_CHANNELS=server.url, MAMBA_ROOT_PREFIX=str(root / "mamba"))
        with kernel(python, {}) as running:
            runs: dict[str, Callable[[], float]] = {"%pkg install": lambda: running.run("%pkg install tb-data")}
            absent = []
            for name in CONDA_PEERS:
                if (executable := shutil.which(name)) is None:
                    absent.append(f"{name} install")
                    continue
                options = ["-y", "-p", str(prefix), "-c", server.url, "--override-channels", "tb-data"]
                runs[f"{name} install"] = partial(clock_process, [executable, "install", *options])

            def reset() -> None:
                if list((prefix / "conda-meta").glob("tb-data-*")):
                    running.run("%pkg remove tb-data")

            times = take_turns(workshop.rounds, runs, reset=reset)
    report("small conda package, loopback channel", times)
    promises = {f"{name} install": promise for name, promise in CONDA_PEERS.items()}
    return compare("small conda package, embedded engine", times, promises, absent=absent)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="pkgmgr-benchmark-") as folder:
        workshop = Workshop(root=Path(folder), rounds=rounds, quick=False)
        for bench in (in_a_venv, in_a_conda_environment):
            with workshop.isolated(bench.__name__) as root:
                for comparison in bench(workshop, root):
                    if comparison.skipped:
                        print(f"\n{comparison.skipped}: left out")


if __name__ == "__main__":
    main()

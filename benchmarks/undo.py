"""Undo of an upgrade that replaced 1,500 files, against the engine installing the old version again.

A venv, a wheel of 1,500 modules in two versions on a loopback index. Each round upgrades by ``%pkg``'s service and
takes that back in three ways: ``undo`` with the index stopped and the caches emptied; ``uv pip install NAME==OLD``
from uv's cache; the same from the index. After each undo the tree is compared with the one before. Run it with::

    python -m benchmarks.undo [--rounds 7] [--files 1500]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.model import Environment, Request, Verb
from jupyter_pkgmgr.service import PackageService
from testbed.environments import make_venv, tool
from testbed.index import serve
from testbed.wheels import WheelSource, write_wheel

PROCESSOR = "  of that, processor time"
"""What a machine that does other things as well doesn't blur."""
PROMISE = 0.5
"""Seconds that an undo may take."""


def fill(folder: Path, files: int) -> None:
    """Two versions of one package of so many modules, each a few kilobytes."""
    for version in ("1.0", "2.0"):
        modules: dict[str, str | bytes] = {
            f"bulk/part{number % 50:02}/module{number:04}.py": f"VERSION = {version!r}\n" + f"# {number}\n" * 300
            for number in range(files)
        }
        write_wheel(folder, WheelSource(name="bulk", version=version, files=modules))


def tree(environment: Environment) -> dict[str, tuple[int, int, str]]:
    """Mode, time and content of every file; our own folder and bytecode aside."""
    return {
        str(path.relative_to(environment.prefix)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in environment.prefix.rglob("*")
        if path.is_file() and not {"__pycache__", ".jupyter_pkgmgr"} & set(path.parts) and path.name != ".lock"
    }


def clock(action: Callable[[], object]) -> float:
    """The seconds that something takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def install(service: PackageService, environment: Environment, what: str) -> None:
    """``%pkg install …``."""
    request = parse_line(f"install {what}", base=environment.prefix).request
    if request is None:
        raise RuntimeError(what)
    service.apply(service.plan(environment, request))


def undo(service: PackageService, environment: Environment) -> None:
    """``%pkg undo``."""
    service.undo(service.plan_undo(environment, Request(verb=Verb.UNDO, specs=())))


def by_uv(python: Path, *options: str) -> None:
    """The engine's way back, as a bare process."""
    command = [tool("uv"), "pip", "install", "--quiet", "--no-config", "--python", str(python), *options, "bulk==1.0"]
    subprocess.run(command, check=True)


def measure(root: Path, *, rounds: int, files: int) -> dict[str, list[float]]:
    """The seconds of each way in each round."""
    fill(root / "wheels", files)
    python = make_venv(root / "venv")
    environment = from_interpreter(python)
    cache = root / "uv-cache"
    times: dict[str, list[float]] = {
        "undo, no index, no caches": [],
        PROCESSOR: [],
        "uv, from its cache": [],
        "uv, from the index": [],
    }
    for _ in range(rounds):
        for name, seconds in times.items():
            if name == PROCESSOR:
                continue
            with ExitStack() as stack, PackageService() as service:
                index = stack.enter_context(serve(root / "wheels"))
                os.environ.update(PIP_INDEX_URL=index.index_url, UV_CACHE_DIR=str(cache), PIP_CONFIG_FILE=os.devnull)
                install(service, environment, "bulk==1.0")
                before = tree(environment)
                install(service, environment, "bulk==2.0")
                if name.startswith("undo"):
                    stack.close()
                    shutil.rmtree(cache)
                    busy = time.process_time()
                    seconds.append(clock(lambda service=service: undo(service, environment)))  # type: ignore[misc]
                    times[PROCESSOR].append(time.process_time() - busy)
                    if tree(environment) != before:
                        raise RuntimeError("the tree is not the one from before")
                else:
                    if name.endswith("index"):
                        shutil.rmtree(cache)
                    options = ("--index-url", index.index_url)
                    seconds.append(clock(lambda options=options: by_uv(python, *options)))  # type: ignore[misc]
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=1500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pkgmgr-benchmark-") as folder:
        times = measure(Path(folder), rounds=arguments.rounds, files=arguments.files)
    print(f"taking back an upgrade of {arguments.files} files (min, median, max)")
    ours, *_ = times
    for name, seconds in times.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        ratio = f"undo / this: {statistics.median(times[ours]) / middle:.3f}" if name != PROCESSOR else ""
        print(f"  {name:28} {low * 1000:8.1f} {middle * 1000:8.1f} {high * 1000:8.1f} ms   {ratio}".rstrip())
    kept = statistics.median(times[ours]) <= PROMISE
    print(f"promise: at most {PROMISE * 1000:.0f} ms: {'kept' if kept else 'BROKEN'}")


if __name__ == "__main__":
    main()

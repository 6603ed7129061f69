"""How cost grows: with packages installed, records in the channel, files in a package, kernels attached."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.service import PackageService
from testbed.channel import SUBDIR
from testbed.environments import conda_environment, kernelspec, make_venv, uv_install
from testbed.index import serve, serve_files
from testbed.python_package import python_channel
from tests.server.live import LiveServer

from . import inventory, transactions, undo
from .measure import QUIET, Workshop, clock, clock_process
from .server import Bench

__all__ = ["SERIES", "Growth", "Series", "write_channel"]

VERSIONS = 10
"""Of each package of a synthetic channel; conda-forge has more of some, and fewer of most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Medians over a size."""

    title: str
    unit: str
    sizes: Sequence[int]
    lines: Mapping[str, Sequence[float]]
    """Seconds by name, one for each size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One way to grow."""

    title: str
    unit: str
    sizes: Sequence[int]
    quick: Sequence[int]
    measure: Callable[[Workshop, Path, int], Mapping[str, Sequence[float]]]

    def run(self, workshop: Workshop, name: str) -> Growth:
        """Measure every size, each in a folder of its own."""
        sizes = self.quick if workshop.quick else self.sizes
        lines: dict[str, list[float]] = {}
        for size in sizes:
            with workshop.isolated(f"{name}-{size}") as root:
                times = self.measure(workshop, root, size)
            shutil.rmtree(root, ignore_errors=True)
            for line, seconds in times.items():
                lines.setdefault(line, []).append(statistics.median(seconds))
            print(f"  {size:>9,} {self.unit}: " + ", ".join(f"{n} {1000 * v[-1]:,.1f} ms" for n, v in lines.items()))
        return Growth(title=self.title, unit=self.unit, sizes=sizes, lines=lines)


def packages(workshop: Workshop, root: Path, count: int) -> dict[str, list[float]]:
    """Listing a conda environment."""
    return inventory.measure(root, count, workshop.rounds, conda=True)


def channel(workshop: Workshop, root: Path, records: int) -> dict[str, list[float]]:
    """The plan of one small package; micromamba's dry runs beside it, where PATH has it."""
    python = python_channel(workshop.root / "python")
    write_channel(root / "channel", records)
    prefix = conda_environment(root / "conda", channels=[python.url], cache=root / "conda-cache")
    environment = from_prefix(prefix)
    micromamba = shutil.which("micromamba")
    peers = ("micromamba, nothing cached", "micromamba, index on the disk") if micromamba else ()
    names = ("plan, nothing cached", "plan, index on the disk", "second plan", *peers)
    times: dict[str, list[float]] = {name: [] for name in names}
    with serve_files(root / "channel") as server:
        os.environ["CONDA_CHANNELS"] = f"{server.url},{python.url}"
        for _ in range(workshop.rounds):
            for name in ("pkgs", "cache", "mamba"):
                shutil.rmtree(root / name, ignore_errors=True)
            with PackageService(face="benchmark") as service:
                times[names[0]].append(clock(lambda service=service: _plan(service, environment)))  # type: ignore[misc]
                times[names[2]].append(clock(lambda service=service: _plan(service, environment)))  # type: ignore[misc]
            with PackageService(face="benchmark") as service:
                times[names[1]].append(clock(lambda service=service: _plan(service, environment)))  # type: ignore[misc]
            for peer in peers:
                times[peer].append(_dry_run(str(micromamba), root, prefix, (server.url, python.url)))
    return times


def _dry_run(micromamba: str, root: Path, prefix: Path, channels: Sequence[str]) -> float:
    options = [option for channel in channels for option in ("-c", channel)]
    command = [micromamba, "install", "-y", "--dry-run", "-p", str(prefix), *options, "--override-channels", "grow-0"]
    return clock_process(command, {"MAMBA_ROOT_PREFIX": str(root / "mamba")})


def _plan(service: PackageService, environment: Environment) -> None:
    request = parse_line("install grow-0", base=environment.prefix).request
    if request is None or service.plan(environment, request).is_empty:
        msg = "there is nothing to plan"
        raise RuntimeError(msg)


def write_channel(folder: Path, records: int) -> None:
    """A channel's index in the real format, without the packages: each needs up to four of those before it."""
    entries = []
    for number in range(records):
        name, minor = divmod(number, VERSIONS)
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        filename = f"grow-{name}-1.{minor}.0-pyhd8ed1ab_0.conda"
        needs = sorted(
            {int(digest[place : place + 6], 16) % name for place in (0, 6, 12, 18)[: name % 5]} if name else ()
        )
        record = {
            "build": "pyhd8ed1ab_0",
            "build_number": 0,
            "depends": ["python >=3.9", *(f"grow-{need} >=1.0" for need in needs)],
            "license": "BSD-3-Clause",
            "md5": digest[:32],
            "name": f"grow-{name}",
            "noarch": "python",
            "sha256": digest,
            "size": 20_000 + number,
            "subdir": "noarch",
            "timestamp": 1_700_000_000_000 + number,
            "version": f"1.{minor}.0",
        }
        entries.append(f"{json.dumps(filename)}:{json.dumps(record, separators=(',', ':'))}")
    for subdir, inside in (("noarch", ",\n".join(entries)), (SUBDIR, "")):
        head = f'{{"info":{{"subdir":"{subdir}"}},"packages":{{}},"packages.conda":{{\n'
        text = f'{head}{inside}\n}},"removed":[],"repodata_version":1}}'.encode()
        (folder / subdir).mkdir(parents=True)
        (folder / subdir / "repodata.json").write_bytes(text)
        (folder / subdir / "repodata.json.zst").write_bytes(zstandard.compress(text, 3))


def files(workshop: Workshop, root: Path, count: int) -> dict[str, list[float]]:
    """An upgrade that replaces so many files, and its undo."""
    index = root / "index"
    for version in ("1.0", "2.0"):
        transactions.wheel(index, "big", version, count)
    python = make_venv(root / "upgrade" / "venv")
    with serve(index) as server, PackageService(face="benchmark") as service:
        os.environ["PIP_INDEX_URL"] = server.index_url
        contest = transactions.Contest(service, from_interpreter(python), "install big==1.0", "install big==2.0")
        upgrade = contest.run(workshop.rounds)
    taken_back = undo.measure(root / "undo", rounds=workshop.rounds, files=count)
    return {
        "upgrade": upgrade[transactions.OURS],
        "upgrade, engine alone": upgrade[transactions.BARE],
        "undo": taken_back["undo, no index, no caches"],
        "uv's way back, from its cache": taken_back["uv, from its cache"],
    }


def kernels(workshop: Workshop, root: Path, count: int) -> dict[str, list[float]]:
    """Kernels of one environment, started over REST and attached, and what REST takes to answer then."""
    python = make_venv(root / "env0")
    uv_install(python, "ipykernel", index_url=workshop.index_url, cache=workshop.downloads)
    kernelspec(root / "data", "env0", python, extra=QUIET)
    with LiveServer(root) as server:
        server.start()
        bench = Bench(server, [root / "env0"])
        seconds = bench.start_kernels(count)
        environment = server.environment(root / "env0")
        time.sleep(1)  # what a start leaves to do
        for _ in range(10 * workshop.rounds):
            bench.clock("GET kernels", "kernels")
            bench.clock("GET packages", f"environments/{environment}/packages")
        server.stop()
    answers = {name: [value / 1000 for value in values] for name, values in bench.times.items()}
    return {"a kernel started and attached": [seconds / count], **answers}


SERIES = {
    "packages": Series(
        title="Listing a conda environment",
        unit="packages installed",
        sizes=(10, 100, 1000, 5000),
        quick=(5, 10),
        measure=packages,
    ),
    "channel": Series(
        title="Planning one small conda package",
        unit="records in the channel",
        sizes=(100, 1000, 10_000, 100_000, 500_000),
        quick=(100, 1000),
        measure=channel,
    ),
    "files": Series(
        title="Upgrading one package, and taking that back",
        unit="files in the package",
        sizes=(10, 100, 1000, 5000),
        quick=(10, 20),
        measure=files,
    ),
    "kernels": Series(
        title="Kernels of one server", unit="kernels attached", sizes=(1, 5, 10, 20), quick=(1, 2), measure=kernels
    ),
}
"""By the name that the command line takes."""

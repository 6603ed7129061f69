"""Listing 1,000 packages: our inventory against ``pip list`` and, where PATH has it, ``conda list``.

Makes environments in the real formats and sizes (a conda prefix whose records list up to 5,000 files with their
hashes; a venv's site-packages with METADATA of 1 to 40 KB), then takes turns. Run it with::

    python -m benchmarks.inventory [--packages 1000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from .measure import Comparison, Workshop, compare, report

PACKAGES = 1000
SHARE, SECOND_MS = 1 / 20, 5.0
"""Promised: a share of each tool's time, and milliseconds of a second call."""
COLD, DISK, AGAIN = "first call, nothing cached", "first call of a process", "second call"
PIP, CONDA = "pip list", "conda list"
SHARE_WITH_PYTHON = 0.8
"""How many of the conda packages hold a Python distribution; most do in a data scientist's environment."""
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HEADERS = """Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: A package of the benchmark that does the work of number {number}
Author-email: Somebody <somebody@example.org>
License-Expression: BSD-3-Clause
Project-URL: Homepage, https://example.org/{name}
Classifier: Development Status :: 5 - Production/Stable
Classifier: Intended Audience :: Science/Research
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.9
Description-Content-Type: text/markdown
{requires}
"""


def file_counts(count: int, chance: random.Random) -> list[int]:
    """How many files each package has: many small ones, a tail of large ones, 1 in 100 with 5,000."""
    return [5000 if number % 100 == 0 else int(chance.lognormvariate(3.6, 1.1)) + 4 for number in range(count)]


def make_environment(prefix: Path, count: int, *, conda: bool) -> Path:
    """Write a prefix with ``count`` packages; returns its site-packages."""
    chance = random.Random(2026)  # noqa: S311  the same environment in every run
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = prefix / "lib" / f"python{minor}" / "site-packages"
    site.mkdir(parents=True)
    meta = prefix / "conda-meta"
    if conda:
        meta.mkdir()
        dists = [f"+conda-forge/noarch::pkg-{number:04}-1.{number}.0-pyhd8ed1ab_0" for number in range(count)]
        head = "==> 2026-01-01 00:00:00 <==\n# cmd: conda install pkg-0000\n# conda version: 26.7.2\n"
        (meta / "history").write_text(head + "\n".join(dists) + "\n# update specs: ['pkg-0000']\n")
    for number, files in enumerate(file_counts(count, chance)):
        name, version = f"pkg-{number:04}", f"1.{number}.0"
        module = name.replace("-", "_")
        folder = f"{module}-{version}.dist-info"
        needs = [f"pkg-{chance.randrange(count):04}" for _ in range(chance.randrange(8))]
        python = not conda or number % 10 < SHARE_WITH_PYTHON * 10
        names = [f"{module}/part_{index // 40}/module_{index}.py" for index in range(files)]
        if python:
            names += [f"{folder}/{each}" for each in ("INSTALLER", "METADATA", "RECORD", "REQUESTED", "WHEEL")]
            installer = "conda" if conda else "pip"
            write_distribution(site, folder, name, version, number=number, needs=needs, names=names, by=installer)
        if conda:
            text = record(name, version, needs, [f"lib/python{minor}/site-packages/{each}" for each in names])
            (meta / f"{name}-{version}-pyhd8ed1ab_0.json").write_text(text)
    return site


def write_distribution(  # noqa: PLR0913  a wheel has that many parts
    site: Path, folder: str, name: str, version: str, *, number: int, needs: list[str], names: list[str], by: str
) -> None:
    """Write one ``.dist-info`` as an installer leaves it, and the package's ``__init__``."""
    info = site / folder
    info.mkdir()
    (site / name.replace("-", "_")).mkdir()
    requires = "\n".join(f"Requires-Dist: {need}>=1.0" for need in needs)
    headers = HEADERS.format(name=name, version=version, number=number, requires=requires)
    (info / "METADATA").write_text(headers + "\n" + "Words about the package. " * (40 + number * 37 % 1600))
    (info / "INSTALLER").write_text(f"{by}\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("".join(f"{each},sha256={DIGEST[:43]},1234\n" for each in names))
    if number % 5 == 0:
        (info / "REQUESTED").touch()


def record(name: str, version: str, needs: list[str], files: list[str]) -> str:
    """One conda record, with the fields and the layout that conda writes."""
    paths = [
        {"_path": each, "path_type": "hardlink", "sha256": DIGEST, "sha256_in_prefix": DIGEST, "size_in_bytes": 1234}
        for each in files
    ]
    base = f"https://conda.anaconda.org/conda-forge/noarch/{name}-{version}-pyhd8ed1ab_0.conda"
    return json.dumps(
        {
            "build": "pyhd8ed1ab_0",
            "build_number": 0,
            "channel": "https://conda.anaconda.org/conda-forge/noarch",
            "constrains": [],
            "depends": ["python >=3.9", *(f"{need} >=1.0" for need in needs)],
            "extracted_package_dir": f"/opt/conda/pkgs/{name}-{version}-pyhd8ed1ab_0",
            "features": "",
            "files": files,
            "fn": base.rpartition("/")[2],
            "license": "BSD-3-Clause",
            "link": {"source": f"/opt/conda/pkgs/{name}-{version}-pyhd8ed1ab_0", "type": 1},
            "md5": DIGEST[:32],
            "name": name,
            "noarch": "python",
            "package_tarball_full_path": "",
            "paths_data": {"paths": paths, "paths_version": 1},
            "requested_spec": "None",
            "sha256": DIGEST,
            "size": 123456,
            "subdir": "noarch",
            "timestamp": 1700000000000,
            "track_features": "",
            "url": base,
            "version": version,
        },
        indent=2,
    )


READ = """
import json, statistics, sys, time
from pathlib import Path
from jupyter_pkgmgr.inventory import fingerprint, read_inventory
from jupyter_pkgmgr.model import Environment, EnvironmentKind, PythonInfo
prefix, site = Path(sys.argv[1]), Path(sys.argv[2])
python = PythonInfo(
    executable=Path(sys.executable), version=sys.version.split()[0], implementation="cpython", prefix=prefix,
    base_prefix=prefix, purelib=site, platlib=site, scripts=prefix / "bin", stdlib=site.parent, search_path=(site,),
)
environment = Environment(
    prefix=prefix, kind=EnvironmentKind(sys.argv[3]), owner="benchmark", name="benchmark", python=python
)
times = []
for _ in range(9):
    start = time.perf_counter()
    inventory = read_inventory(environment)
    times.append(time.perf_counter() - start)
print(json.dumps([times[0], statistics.median(times[1:]), len(inventory.packages), len(inventory.problems)]))
"""
"""One process of ours: the first call, the best of the next, and how much it found."""


def ours(prefix: Path, site: Path, kind: str, cache: Path) -> list[float]:
    """Run :data:`READ` in a fresh process."""
    command = [sys.executable, "-c", READ, str(prefix), str(site), kind]
    env = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(Path(__file__).parents[1])}
    found = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    assert isinstance(found, list)  # noqa: S101  our own output
    return found


def listed_by(command: list[str], needle: str) -> float:
    """The seconds of a tool that lists; it has to have listed ``needle``, or it is no yardstick."""
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if needle not in done.stdout:
        raise RuntimeError(done.stdout[:500])
    return seconds


def measure(root: Path, count: int, rounds: int, *, conda: bool) -> dict[str, list[float]]:
    """The seconds of a first call, of one with what is on the disk from before, of a second one, and of the tools."""
    prefix = root / ("conda" if conda else "venv")
    site = make_environment(prefix, count, conda=conda)
    kind, needle = prefix.name, "pkg-0001"
    tools = {PIP: [sys.executable, "-m", "pip", "list", "--path", str(site)]}
    if conda and (executable := shutil.which("conda")):
        tools[CONDA] = [executable, "list", "-p", str(prefix)]
    times: dict[str, list[float]] = {name: [] for name in (COLD, DISK, AGAIN, *tools)}
    for turn in range(rounds + 1):
        cache = root / f"cache-{kind}-{turn}"
        cold, _, packages, _ = ours(prefix, site, kind, cache)
        disk, again, _, _ = ours(prefix, site, kind, cache)
        if packages != count:
            msg = f"{packages} packages were found of {count}"
            raise RuntimeError(msg)
        now = {COLD: cold, DISK: disk, AGAIN: again} | {
            name: listed_by(command, needle) for name, command in tools.items()
        }
        for name, seconds in now.items() if turn else ():  # the first turn only warms the file system's cache
            times[name].append(seconds)
    return times


def listing(workshop: Workshop, root: Path) -> list[Comparison]:
    """1,000 packages in a venv and in a conda environment."""
    count = 20 if workshop.quick else PACKAGES
    found = []
    for conda in (False, True):
        times = measure(root, count, workshop.rounds, conda=conda)
        what = f"list of {count:,} packages, {'conda environment' if conda else 'venv'}"
        report(what, times)
        absent = [CONDA] if conda and CONDA not in times else []
        peers = {name: times[name] for name in (PIP, CONDA) if name in times}
        for way in (COLD, DISK):
            promises = {PIP: SHARE, CONDA: SHARE} if way == DISK else {}
            found += compare(what, {way: times[way], **peers}, promises, absent=absent)
        found.append(Comparison(what=f"{what}: {AGAIN}", unit="ms", promise=SECOND_MS, ours=times[AGAIN]))
    return found


def main() -> None:
    """Run both kinds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=PACKAGES)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"Python {sysconfig.get_python_version()}, {os.cpu_count()} CPUs, {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        for conda in (False, True):
            times = measure(Path(folder), options.packages, options.rounds, conda=conda)
            report(f"{options.packages} packages, {'conda environment' if conda else 'venv'}", times)


if __name__ == "__main__":
    main()

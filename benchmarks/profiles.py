"""Our side of a row inside this process, under the profiler. What engines do is one line of it: the wait for them."""

from __future__ import annotations

import cProfile
import os
import pstats
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.inventory import read_inventory
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel
from testbed.content import fill_channel, fill_index
from testbed.environments import conda_environment, make_venv
from testbed.index import serve, serve_files
from testbed.python_package import python_channel

from . import inventory, undo
from .install import LATENCY
from .measure import Workshop

__all__ = ["PROFILED", "profile"]

Action = Callable[[], object]
LINES = 30


@contextmanager
def _install(_workshop: Workshop, root: Path) -> Iterator[Action]:
    fill_index(root / "index")
    python = make_venv(root / "venv")
    with serve(root / "index", latency=LATENCY) as server, PackageService(face="benchmark") as service:
        os.environ["PIP_INDEX_URL"] = server.index_url
        yield _warm(service, from_interpreter(python), "tb-pure")


@contextmanager
def _conda(_workshop: Workshop, root: Path) -> Iterator[Action]:
    channel = fill_channel(Channel(root / "channel").include(python_channel(root / "python")))
    prefix = conda_environment(root / "conda", channels=[channel.url], cache=root / "conda-cache")
    with serve_files(root / "channel") as server, PackageService(face="benchmark") as service:
        os.environ["CONDA_CHANNELS"] = server.url
        yield _warm(service, from_prefix(prefix), "tb-data")


@contextmanager
def _list(workshop: Workshop, root: Path) -> Iterator[Action]:
    inventory.make_environment(root / "conda", 20 if workshop.quick else inventory.PACKAGES, conda=True)
    environment = from_prefix(root / "conda")
    yield lambda: read_inventory(environment)


@contextmanager
def _undo(workshop: Workshop, root: Path) -> Iterator[Action]:
    undo.fill(root / "wheels", 50 if workshop.quick else 1500)
    environment = from_interpreter(make_venv(root / "venv"))
    with serve(root / "wheels") as server, PackageService(face="benchmark") as service:
        os.environ["PIP_INDEX_URL"] = server.index_url
        for version in ("1.0", "2.0"):
            undo.install(service, environment, f"bulk=={version}")
        yield lambda: undo.undo(service, environment)


def _warm(service: PackageService, environment: Environment, package: str) -> Action:
    """An install of what was there before, by a service that has begun: as the rows measure it."""
    for verb in ("install", "remove"):
        _carry_out(service, environment, f"{verb} {package}")
    return lambda: _carry_out(service, environment, f"install {package}")


def _carry_out(service: PackageService, environment: Environment, line: str) -> None:
    request = parse_line(line, base=environment.prefix).request
    if request is None:
        raise RuntimeError(line)
    service.apply(service.plan(environment, request))


PROFILED = {"install": _install, "conda": _conda, "list": _list, "undo": _undo}
"""The rows that can be; a kernel, a browser and an import have profilers of their own."""


def profile(row: str, workshop: Workshop, *, save: Path) -> None:
    """Print where the time of a row goes, and keep the profile for ``python -m pstats``."""
    with workshop.isolated(f"profile-{row}") as root, PROFILED[row](workshop, root) as action:
        profiler = cProfile.Profile()
        profiler.runcall(action)
    profiler.dump_stats(save)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(LINES)

"""Which files a plan touches: what a snapshot has to keep so that the plan can be taken back.

What the plan says goes away is known from the packages' own records. Beyond that, tools change some files in place
(conda's history and records, ``.pth`` files), and a package may overwrite what another one brought: a distribution
that is there already by conda's hand, scripts of the same name, modules that lie loose in ``site-packages``, modules
that two packages both have (``cv2`` of ``opencv-python`` and ``opencv-python-headless``). All that is cheap to keep,
so it is kept. The last of these are :mod:`.overwritten`'s to find.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Action, Change, Ecosystem, Environment, Package, Plan

__all__ = ["changed_in_place", "going_away", "loose", "moves_python", "replaced"]

_SMALL = 16 * 1024
"""Bytes up to which a loose file is copied: scripts and modules are smaller, programs and libraries are not."""


def going_away(plan: Plan, before: Inventory) -> list[str]:
    """The files of every package that the plan removes or replaces, or whose files it may overwrite."""
    packages: dict[int, Package] = {}
    for change in plan.changes:
        for package in replaced(change, before):
            packages[id(package)] = package
    if any(moves_python(change) for change in plan.changes):
        # every package without a build of its own for this Python lies in a folder that carries its version
        packages |= {id(package): package for package in before.packages if package.ecosystem is Ecosystem.CONDA}
    return [path for package in packages.values() for path in _files(package, before)]


def changed_in_place(plan: Plan, environment: Environment) -> list[str]:
    """The files that an engine may write to, instead of putting another one in their place."""
    found: list[str] = []
    ecosystems = {step.plan.ecosystem for step in plan.steps}
    if Ecosystem.CONDA in ecosystems:
        found += (path for path, _ in loose(environment.conda_meta))
    if environment.python is not None:
        for folder in {*environment.python.site_packages, environment.python.scripts}:
            found += (path for path, size in loose(folder) if size <= _SMALL)
    return found


def replaced(change: Change, before: Inventory) -> Iterator[Package]:
    """What goes for a change: the package's own version from before, and what brings the same Python distribution."""
    if change.before is not None and change.action is not Action.INSTALL:
        yield change.before
    new = change.after
    if new is None:
        return
    provided = [name for name, _ in new.provides] or [canonicalize_name(new.name)]
    for name in provided:
        if (found := before.distribution(name)) is not None:
            yield found[0]


def moves_python(change: Change) -> bool:
    """Whether a change brings another minor version of Python."""
    if change.package.key != (Ecosystem.CONDA, "python") or change.before is None or change.after is None:
        return False
    return change.before.version.split(".")[:2] != change.after.version.split(".")[:2]


def _files(package: Package, before: Inventory) -> Iterator[str]:
    """What the package recorded, and its metadata, recorded or not."""
    yield from map(os.fspath, before.files(package))
    location = package.location
    if location is None:
        return
    yield os.fspath(location)
    for path, _ in loose(location):
        yield path


def loose(folder: Path) -> Iterator[tuple[str, int]]:
    """The files right in a folder, with their sizes; none where there is no such folder."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(found.st_mode):
            yield entry.path, found.st_size

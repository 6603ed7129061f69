"""Whether the files of packages are still there, and still as they were installed.

What a package installed stands in ``RECORD`` (the PyPA specification "Recording installed projects", PEP 376 and
PEP 627) or in the ``paths_data`` of conda's record, with a hash for most files. Bytecode counts for nothing: Python
makes and drops it as it likes.
"""

# ruff: noqa: PTH116, PTH118, PTH123
# Paths are strings here: a thousand Path objects cost more than all the looking.

from __future__ import annotations

import csv
import hashlib
import os
import stat
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from jupyter_pkgmgr.model import Cancellation, Ecosystem, OriginKind, Package

from ._records import record_hashes
from .inventory import Inventory, PackageState, Problem

__all__ = ["altered_files", "altered_paths", "missing_files", "reinstall_command"]

_ELSEWHERE = {PackageState.OUTSIDE, PackageState.USER_SITE, PackageState.SHADOWED}
"""Packages that a change of this environment wouldn't reach."""
_NOTED = {PackageState.DUPLICATE, PackageState.CLOBBERED}
"""Packages whose files are another's by now, which is a problem of its own."""
_MISSING = "missing-files"
_ALGORITHMS = {"sha256", "sha384", "sha512"}
"""What ``RECORD`` may have: SHA-256 or better."""
_NAMED = 3
"""How many files a message names."""
_AT_ONCE = 256
"""Files between two looks at whether to stop."""


def missing_files(inventory: Inventory) -> Iterator[Problem]:
    """The packages that have lost files. Cheap: no file is opened but the records."""
    noted = {name for problem in inventory.problems if problem.reference == _MISSING for name in problem.packages}
    for package in _looked_at(inventory):
        if package.name in noted:
            continue
        files = [os.fspath(path) for path in inventory.files(package)]
        if lost := [path for path in files if not os.path.lexists(path) and not _is_bytecode(path)]:
            yield Problem(
                reference=_MISSING,
                message=f"{_files(len(lost))} of {package.name} {package.version} "
                f"{'is' if len(lost) == 1 else 'are'} missing: {_listed(inventory, lost)}",
                packages=(package.name,),
                path=package.location,
                hint=reinstall_command(package),
            )


def altered_files(
    inventory: Inventory, *, only: Callable[[str], bool] | None = None, cancel: Cancellation | None = None
) -> Iterator[Problem]:
    """The packages whose files have another content than what was installed; reads them all.

    Parameters
    ----------
    only
        Says of a path whether to look at it.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    altered: dict[tuple[Ecosystem, str], list[str]] = defaultdict(list)
    for path, owner in altered_paths(inventory, only=only, cancel=cancel):
        altered[owner.key].append(path)
    for package in _looked_at(inventory):
        if paths := altered.get(package.key):
            yield Problem(
                reference="altered-files",
                message=f"{_files(len(paths))} of {package.name} {package.version} "
                f"{'was' if len(paths) == 1 else 'were'} changed since the installation: {_listed(inventory, paths)}",
                packages=(package.name,),
                path=package.location,
                hint=reinstall_command(package),
            )


def altered_paths(
    inventory: Inventory, *, only: Callable[[str], bool] | None = None, cancel: Cancellation | None = None
) -> Iterator[tuple[str, Package]]:
    """The files that have another content than what was installed, with the package they belong to.

    Parameters and errors are those of :func:`altered_files`.
    """
    expected: dict[str, set[tuple[str, str]]] = defaultdict(set)  # two packages may both have brought a file
    owners: dict[str, Package] = {}
    for package in _looked_at(inventory):
        for path, algorithm, digest in _hashes(inventory, package):
            if only is None or only(path):
                expected[path].add((algorithm, digest))
                owners[path] = package
    for path in _differing(expected, cancel or Cancellation()):
        yield path, owners[path]


def reinstall_command(package: Package) -> str:
    """What to type to get the files of a package again."""
    location = package.origin.location
    what = f"{package.name}=={package.version}"
    if package.ecosystem is Ecosystem.CONDA:
        what = f"conda::{package.name}={package.version}"
    elif location and package.origin.kind is OriginKind.EDITABLE:
        what = f"-e {location}"
    elif location and package.origin.kind in (OriginKind.PATH, OriginKind.URL, OriginKind.VCS):
        what = location
    return f"%pkg install --force-reinstall {what}"


def _looked_at(inventory: Inventory) -> Iterator[Package]:
    for package in inventory.packages:
        if not inventory.states(package) & (_ELSEWHERE | _NOTED):
            yield package


def _is_bytecode(path: str) -> bool:
    return path.endswith(".pyc")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _listed(inventory: Inventory, paths: list[str]) -> str:
    """A few of the paths, from the prefix on."""
    inside = os.path.join(inventory.environment.prefix, "")
    names = [path.removeprefix(inside) for path in sorted(paths)[:_NAMED]]
    return ", ".join(names) + (" …" if len(paths) > _NAMED else "")


# --- hashes --------------------------------------------------------------------------------------------------------


def _hashes(inventory: Inventory, package: Package) -> Iterator[tuple[str, str, str]]:
    """Path, algorithm and hexadecimal digest of every file that was recorded with one."""
    if package.location is None:
        return
    if package.ecosystem is Ecosystem.CONDA:
        prefix = inventory.environment.prefix
        for name, digest in record_hashes(package.location):
            yield os.path.join(prefix, name), "sha256", digest
    elif package.location.suffix == ".dist-info":
        for name, recorded in _rows(os.path.join(package.location, "RECORD")):
            algorithm, _, encoded = recorded.partition("=")
            if algorithm in _ALGORITHMS and (digest := _hexadecimal(encoded)):
                yield os.path.normpath(os.path.join(package.location.parent, name)), algorithm, digest


def _rows(path: str) -> list[tuple[str, str]]:
    """Path and hash in a ``RECORD``; none where it can't be read, which is a problem of its own."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [(row[0], row[1]) for row in csv.reader(file) if len(row) > 1 and row[0] and row[1]]
    except (OSError, csv.Error):
        return []


def _hexadecimal(encoded: str) -> str:
    """A digest as ``RECORD`` has it (URL-safe base64 without padding); empty if it is none."""
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    except (Base64Error, ValueError):
        return ""


def _differing(expected: dict[str, set[tuple[str, str]]], cancel: Cancellation) -> Iterator[str]:
    """The paths whose content is none of what was recorded for them. What is missing isn't altered."""
    paths = [path for path in expected if not _is_bytecode(path)]
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _AT_ONCE):
            cancel.check()
            some = paths[start : start + _AT_ONCE]
            for path, differs in zip(some, pool.map(_differs, some, (expected[path] for path in some)), strict=True):
                if differs:
                    yield path


def _differs(path: str, known: Iterable[tuple[str, str]]) -> bool:
    digests: dict[str, str] = {}
    for algorithm, digest in known:
        if algorithm not in digests:
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    return True
                with open(path, "rb") as file:
                    digests[algorithm] = hashlib.file_digest(file, algorithm).hexdigest()
            except FileNotFoundError:
                return os.path.lexists(path)  # a link that leads nowhere is no missing file
            except OSError:
                return True
        if digests[algorithm] == digest:
            return False
    return True

"""What is in packages: their files and import names, read when first asked for."""

# ruff: noqa: PTH100, PTH118
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import csv
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from jupyter_pkgmgr.model import Ecosystem, Environment, OriginKind, Package

from ._distributions import editable_mapping
from ._records import record_files

__all__ = ["Contents"]

_EXTENSION = re.compile(r"\.(?:py|pyc|(?:[A-Za-z0-9_-]+\.)?(?:so|pyd))$")
"""A module's file: source, bytecode, or an extension module with or without its ABI tag (PEP 3149)."""


class Contents:
    """Files and import names of the packages of one environment.

    Parameters
    ----------
    environment, packages
        The inventory's.
    clobbered
        Conda packages whose record lists files that are another package's by now.
    """

    def __init__(self, environment: Environment, packages: Sequence[Package], *, clobbered: Sequence[Package]) -> None:
        self._prefix = os.fspath(environment.prefix)
        self._sites = [os.fspath(path) for path in (environment.python.site_packages if environment.python else ())]
        self._packages = packages
        self._clobbered = clobbered
        self._files: dict[Path, tuple[str, ...]] = {}

    def files(self, package: Package) -> tuple[str, ...]:
        """Absolute paths of every file the package recorded."""
        if package.location is None:
            return ()
        if package.location not in self._files:
            root, names = self._recorded(package, package.location)
            self._files[package.location] = tuple(_absolute(root, name) for name in names)
        return self._files[package.location]

    def owner(self, path: Path) -> Package | None:
        """Whose file this is; bytecode belongs to whoever has its source."""
        text = os.path.normcase(os.path.abspath(path))
        if (found := self._owners.get(text)) is not None or not text.endswith(".pyc"):
            return found
        try:
            return self._owners.get(importlib.util.source_from_cache(text))
        except ValueError:  # bytecode that doesn't lie in a __pycache__
            return None

    def imports(self, package: Package) -> tuple[str, ...]:
        """Top-level import names, sorted."""
        return tuple(sorted({module.partition(".")[0] for module in self._modules(package)}))

    def packages_for_import(self, module: str) -> tuple[Package, ...]:
        """The packages that have this module, or the most of its dotted path."""
        candidates = self._importers.get(module.partition(".")[0], ())
        parts = module.split(".")
        for length in range(len(parts), 1, -1):
            prefix = ".".join(parts[:length])
            if having := [package for package in candidates if self._has(package, prefix)]:
                return tuple(having)
        return tuple(candidates)

    @cached_property
    def _owners(self) -> dict[str, Package]:
        owners: dict[str, Package] = {}
        for package in (*(each for each in self._packages if each not in self._clobbered), *self._clobbered):
            for name in self.files(package):
                owners.setdefault(os.path.normcase(name), package)
        return owners

    @cached_property
    def _importers(self) -> dict[str, list[Package]]:
        importers: dict[str, list[Package]] = {}
        for package in self._packages:
            for name in self.imports(package):
                importers.setdefault(name, []).append(package)
        return importers

    def _recorded(self, package: Package, location: Path) -> tuple[str, Iterable[str]]:
        """The folder that the names of its files start from, and these names."""
        if package.ecosystem is Ecosystem.CONDA:
            return self._prefix, record_files(location)
        if location.suffix == ".dist-info":
            return os.fspath(location.parent), _record(location / "RECORD")
        installed = location / "installed-files.txt"  # what pip wrote for an egg-info, relative to it
        return os.fspath(location), _lines(installed)

    def _has(self, package: Package, module: str) -> bool:
        return any(name == module or name.startswith(f"{module}.") for name in self._modules(package))

    def _modules(self, package: Package) -> Iterator[str]:
        """Dotted names of its modules, as far as its files tell them; an editable one leads to its project."""
        if package.location is None:
            return
        if package.ecosystem is Ecosystem.PYPI:
            yield from filter(None, _lines(package.location / "top_level.txt"))
        sites = self._sites if package.ecosystem is Ecosystem.CONDA else [os.fspath(package.location.parent)]
        for path in self.files(package):
            for site in sites:
                if path.startswith(site) and (module := _module(path[len(site) + 1 :])):
                    yield module
                    break
        if package.origin.kind is OriginKind.EDITABLE:
            yield from self._editable_modules(package, package.location)

    def _editable_modules(self, package: Package, location: Path) -> Iterator[str]:
        for path in map(Path, self.files(package)):
            if path.name.startswith("__editable__") and path.suffix == ".py":
                yield from editable_mapping(os.fspath(path))
            elif path.suffix == ".pth" and path.parent == location.parent:
                for line in _lines(path):
                    if line and not line.startswith(("#", "import ")):
                        yield from _modules_in(path.parent / line)


def _absolute(root: str, name: str) -> str:
    path = os.path.join(root, name)
    return os.path.normpath(path) if ".." in name or os.sep != "/" else path


def _record(path: Path) -> list[str]:
    """Paths in a ``RECORD``: CSV with path, hash and size (PEP 376)."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [row[0] for row in csv.reader(file) if row and row[0]]
    except (OSError, csv.Error):
        return []  # a missing or broken RECORD is among the inventory's problems or reads as empty


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:  # optional files
        return []


def _module(relative: str) -> str:
    """The dotted module name of a path in ``site-packages``; empty for what isn't a module."""
    stem, count = _EXTENSION.subn("", relative)
    if not count or "__pycache__" in relative or relative.startswith("__editable__"):
        return ""
    parts = PurePosixPath(stem.replace(os.sep, "/")).parts
    if parts and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""


def _modules_in(folder: Path) -> Iterator[str]:
    """Top-level modules and packages in a project's folder that a ``.pth`` file puts on the path."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:  # the project was moved: the inventory's problems say so
        return
    for entry in entries:
        if entry.is_dir() and entry.name.isidentifier() and any(entry.glob("*.py")):
            yield entry.name
        elif entry.is_file() and (module := _module(entry.name)):
            yield module

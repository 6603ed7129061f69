"""What is in packages: their files and import names, read when first asked for."""

# ruff: noqa: PTH100, PTH118
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import csv
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from jupyter_pkgmgr.model import Ecosystem, Environment, OriginKind, Package

from ._distributions import editable_mapping
from ._records import record_files

__all__ = ["Contents", "distribution_files"]

_EXTENSION = re.compile(r"\.(?:py|pyc|(?:[A-Za-z0-9_-]+\.)?(?:so|pyd))$")
"""A module's file: source, bytecode, or an extension module with or without its ABI tag (PEP 3149)."""
_ENDINGS = (".py", ".pyc", ".so", ".pyd")


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
        sites = environment.python.site_packages if environment.python else ()
        root = os.path.realpath(environment.prefix)
        self._sites = tuple(f"{os.path.relpath(os.path.realpath(site), root)}/".replace(os.sep, "/") for site in sites)
        self._packages = packages
        self._clobbered = clobbered
        self._names: dict[Path, tuple[str, ...]] = {}

    def files(self, package: Package) -> tuple[str, ...]:
        """Absolute paths of every file the package recorded."""
        root = self._root(package)
        return tuple(_absolute(root, name) for name in self._recorded(package))

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
        found = {module.partition(".")[0] for module in self._declared(package)}
        for name in self._in_site(package):
            head, slash, tail = name.partition("/")
            if head in found:
                continue
            if not slash:
                head = _module(head)
            elif not head.isidentifier() or head == "__pycache__" or not tail.endswith(_ENDINGS):
                continue
            found.add(head)
        return tuple(sorted(found - {""}))

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

    def _root(self, package: Package) -> str:
        """The folder that the recorded names start from."""
        if package.ecosystem is Ecosystem.CONDA or package.location is None:
            return self._prefix
        location = package.location
        return os.fspath(location.parent if location.suffix == ".dist-info" else location)

    def _recorded(self, package: Package) -> tuple[str, ...]:
        """The names of its files as its record, ``RECORD`` or (egg-infos by pip) ``installed-files.txt`` has them."""
        location = package.location
        if location is None:
            return ()
        if location not in self._names:
            if package.ecosystem is Ecosystem.CONDA:
                names = record_files(location)
            elif location.suffix == ".dist-info":
                names = tuple(distribution_files(location))
            else:
                names = tuple(filter(None, _lines(location / "installed-files.txt")))
            self._names[location] = names
        return self._names[location]

    def _in_site(self, package: Package) -> Iterator[str]:
        """Those of the names that lie in ``site-packages``, from there."""
        names = self._recorded(package)
        if package.ecosystem is Ecosystem.CONDA:
            for name in names:
                for site in self._sites:
                    if name.startswith(site):
                        yield name[len(site) :]
        elif package.location is not None and package.location.suffix == ".dist-info":
            yield from names
        else:
            yield from (name[3:] for name in names if name.startswith("../"))

    def _has(self, package: Package, module: str) -> bool:
        return any(name == module or name.startswith(f"{module}.") for name in self._modules(package))

    def _modules(self, package: Package) -> Iterator[str]:
        """Dotted names of its modules, as far as its files tell them."""
        yield from self._declared(package)
        yield from filter(None, map(_module, self._in_site(package)))

    def _declared(self, package: Package) -> Iterator[str]:
        """Top-level names that its metadata tells; an editable one leads to its project."""
        if package.location is None or package.ecosystem is Ecosystem.CONDA:
            return
        yield from filter(None, _lines(package.location / "top_level.txt"))
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


def distribution_files(folder: Path) -> list[str]:
    """Paths in the ``RECORD`` of a ``.dist-info``: CSV with path, hash and size (PEP 376)."""
    try:
        with (folder / "RECORD").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
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

"""What packages contain, installed or about to be: by their own records, by conda's caches, by the tables of names.

An engine that was killed may have left files without the record that lists them. conda's package cache has the list
of every package that is being linked; of a wheel the modules are known by the tables, its ``RECORD`` is unpacked
before its data and scripts are put in their places (by pip and uv alike).
"""

# Places and paths are strings here: a package has thousands of them.

from __future__ import annotations

import configparser
import os
import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from jupyter_pkgmgr import names
from jupyter_pkgmgr.inventory import distribution_files, name_of_folder, record_files
from jupyter_pkgmgr.model import Ecosystem, OriginKind, Package

from .manifest import Manifest
from .state import State, name_in_place
from .verify import same_version

__all__ = ["Installed", "brings", "cached_files", "installed_packages", "modules_of", "sites", "stem"]

_SITES = frozenset({"site-packages", "dist-packages"})
_SCRIPTS = ("bin", "Scripts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A package by the metadata that lies in an environment, whole or not."""

    name: str
    """Canonical, of a project; as it is, of a conda package."""
    version: str
    ecosystem: Ecosystem
    place: str
    """Its ``.dist-info`` folder or its ``conda-meta`` record."""
    build: str = ""

    @property
    def listing(self) -> str:
        """The place of the file that lists its files: no installation is complete without it."""
        return self.place if self.ecosystem is Ecosystem.CONDA else f"{self.place}/RECORD"

    def files(self, state: State) -> Iterator[str]:
        """The places of its files."""
        path = Path(state.path(self.place))
        if self.ecosystem is Ecosystem.CONDA:
            yield from map(name_in_place, record_files(path))
        else:
            yield from _of_distribution(self.place, path)

    def is_whole(self, state: State) -> bool:
        """Whether it has its list of files, and all that stands in it is there."""
        path = Path(state.path(self.place))
        if self.ecosystem is Ecosystem.CONDA:
            listed: list[str] = [*record_files(path)]
        else:
            site = self.place.rpartition("/")[0]
            listed = [_normal(site, row) for row in distribution_files(path)]
        return bool(listed) and all(os.path.lexists(state.path(name_in_place(place))) for place in listed)

    def needs(self, state: State) -> Iterator[str]:
        """Its requirements, in its ecosystem's grammar."""
        path = Path(state.path(self.place))
        try:
            if self.ecosystem is Ecosystem.CONDA:
                yield from msgspec.json.decode(path.read_bytes()).get("depends", ())
                return
            head = (path / "METADATA").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, AttributeError):
            return
        for line in head.splitlines():
            key, _, value = line.partition(":")
            if key.lower() == "requires-dist":
                yield value.strip()


def installed_packages(manifest: Manifest) -> Iterator[Installed]:
    """Every package whose metadata a manifest knows of."""
    for site in sites(manifest):
        for folder in manifest.folders[site].folders:
            if folder.endswith(".dist-info") and not folder.startswith("~"):  # what pip is about to delete
                name, version = name_of_folder(folder)
                place = f"{site}/{folder}" if site else folder
                yield Installed(name=name, version=version, ecosystem=Ecosystem.PYPI, place=place)
    meta = manifest.folders.get("conda-meta")
    for file in meta.files if meta else ():
        parts = file.removesuffix(".json").rsplit("-", 2)
        if file.endswith(".json") and len(parts) == 3:  # noqa: PLR2004  name, version, build
            name, version, build = parts
            place = f"conda-meta/{file}"
            yield Installed(name=name, version=version, ecosystem=Ecosystem.CONDA, place=place, build=build)


def sites(manifest: Manifest) -> list[str]:
    """The folders for Python's packages; those that lie inside another one are somebody's vendored copies."""
    found = [place for place in manifest.folders if place.rpartition("/")[2] in _SITES]
    return [place for place in found if not any(place.startswith(f"{other}/") for other in found)]


def brings(package: Package, found: Installed) -> bool:
    """Whether what was found is what this package is, or what it brings along."""
    if found.ecosystem is not package.ecosystem:
        return any((name, version) == (found.name, found.version) for name, version in package.provides)
    if found.ecosystem is Ecosystem.CONDA:
        mine = (package.name, package.version, package.build or found.build)
        return mine == (found.name, found.version, found.build)
    same = canonicalize_name(package.name) == found.name
    return same and (not package.version or same_version(package.version, found.version))


def _of_distribution(place: str, path: Path) -> Iterator[str]:
    """What ``RECORD`` lists, before or after the parts of ``.data`` are put where they belong; and the commands."""
    site = place.rpartition("/")[0]
    data = f"{place.rpartition('/')[2].removesuffix('.dist-info')}.data/"
    for row in distribution_files(path):
        yield _normal(site, row)
        if row.startswith(data):
            part, _, rest = row.removeprefix(data).partition("/")
            tops = {"data": ("",), "scripts": _SCRIPTS}.get(part, (site,))
            yield from (_normal(top, rest) for top in tops)
    yield from _commands(path / "entry_points.txt")


def _normal(folder: str, name: str) -> str:
    return name_in_place(posixpath.normpath(posixpath.join(folder, name.replace(os.sep, "/"))))


def _commands(path: Path) -> Iterator[str]:
    """The scripts that are made for entry points ("Entry points specification", PyPA)."""
    parser = _Commands(delimiters=("=",), strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return
    for group in ("console_scripts", "gui_scripts"):
        for name in parser[group] if parser.has_section(group) else ():
            yield from _scripts(name)


class _Commands(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """A name as it is, in its own case."""
        return optionstr


def _scripts(name: str) -> Iterator[str]:
    yield from (f"bin/{name}", f"Scripts/{name}.exe", f"Scripts/{name}-script.py")


# --- about to be installed -----------------------------------------------------------------------------------------


def cached_files(package: Package, caches: Sequence[str], site_places: Sequence[str]) -> Iterator[str]:
    """Where the files of a conda package will be linked to, by the copy in a package cache; nothing if none has it.

    Sources: CEP 34 (``info/paths.json``) and CEP 20 (what ``noarch: python`` means, ``info/link.json``).
    """
    folder = f"{package.name}-{package.version}-{package.build}"
    for cache in caches:
        info = Path(cache, folder, "info")
        paths = _json(info / "paths.json").get("paths", ())
        if not paths:
            continue
        noarch = _json(info / "link.json").get("noarch") or {}
        for item in paths:
            yield from _linked(name_in_place(str(item.get("_path", ""))), site_places)
        for entry in noarch.get("entry_points", ()):
            yield from _scripts(str(entry).partition("=")[0].strip())
        return


def _linked(name: str, site_places: Sequence[str]) -> Iterator[str]:
    top, _, rest = name.partition("/")
    if top == "site-packages":
        yield from (f"{site}/{rest}" for site in site_places)
    elif top == "python-scripts":
        yield from (f"{scripts}/{rest}" for scripts in _SCRIPTS)
    else:
        yield name


def _json(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def modules_of(package: Package) -> Iterator[str]:
    """The modules that a package is known to bring: by the tables, by its own name, by its wheel if that is here."""
    projects = [package.name]
    if package.ecosystem is Ecosystem.CONDA:
        projects = [name for name, _ in package.provides] or list(names.pypi_names(package.name) or projects)
    for project in projects:
        yield canonicalize_name(project).replace("-", "_")
        yield from names.imports_of(project)
    if package.origin.kind is OriginKind.PATH and package.origin.location.endswith(".whl"):
        yield from _modules_of_wheel(package.origin.location)


def _modules_of_wheel(location: str) -> Iterator[str]:
    path = url2pathname(urlsplit(location).path) if location.startswith("file:") else location
    try:
        with zipfile.ZipFile(path) as archive:
            tops = {name.partition("/")[0] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):  # the engine will tell
        return
    yield from (stem(top) for top in tops if not top.endswith((".dist-info", ".data")))


def stem(name: str) -> str:
    """What a file or folder is imported as: ``six`` of ``six.py``."""
    return name.partition(".")[0]

"""Whose is what came during a transaction? A rollback takes away only what is known to be the transaction's.

An environment isn't ours alone: while a transaction runs, and between a crash and the next use, other tools install
packages, services write to ``var``, people leave notes. Of the places that the manifest lacks,

- those that a package of the transaction is known to have (:mod:`.contents`) are deleted,
- those that belong to a complete package of somebody else stay,
- of the others nobody knows: where Python or conda would take them for part of a package they are moved aside, half
  of a wheel must not stay importable; elsewhere they stay.
"""

# ruff: noqa: PTH118, PTH123
# Paths are strings here: an upgrade has thousands of them.

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Change, Ecosystem, Package

from .contents import Installed, brings, cached_files, installed_packages, modules_of, sites, stem
from .history import read_files
from .journal import Journal, last_alive
from .manifest import Manifest
from .settling import is_from_another_boot
from .snapshot import BEFORE, Kept, Snapshot, is_unchanged
from .state import State
from .verify import same_version

__all__ = ["TEMPORARY", "Claims", "Division", "is_finished", "overtaken"]

TEMPORARY = ".jupyter_pkgmgr-put-back"
"""The name of a file that is being put back."""
_OF_UV = re.compile(r"\.tmp[A-Za-z0-9]{6}")
"""A temporary file or folder of uv's (Rust's ``tempfile``), which it makes beside what it installs."""
_OF_RATTLER = re.compile(r"(\.refprobe-|conda-meta/prefix_record_)[A-Za-z0-9]{6}(/.*)?")
"""A folder in which rattler tries for a moment whether files can share blocks, and a record that it writes."""
_OF_CONDA = re.compile(r"\.condatmp(/[0-9a-f-]{36})?")
"""A folder on top of the prefix in which conda prepares files, and a file in it."""
_HELD = ".c~"
"""How conda renames what it is about to delete, until the whole of its change is done."""
_PARTS = frozenset(
    {"bin", "condabin", "conda-meta", "include", "lib", "lib64", "libexec", "sbin"}
    | {"DLLs", "Include", "Lib", "Library", "Scripts", "Tools", "compiler_compat", "shell"}
)
"""Top folders of a prefix where a file counts as part of a package, whoever put it there."""


class _Whose(Enum):
    OURS = "ours"
    THEIRS = "theirs"
    NOBODYS = "nobody's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What to do with the places that the manifest lacks."""

    removed: tuple[str, ...] = ()
    """The innermost first; folders go if they are empty by then."""
    aside: tuple[str, ...] = ()
    """None lies in another one."""
    left: frozenset[str] = frozenset()
    """What stays: it is somebody else's, and in nobody's way."""
    shared: frozenset[str] = frozenset()
    """The folders in which something stays, so that they aren't what they were."""


class Claims:
    """Who has a claim on what came.

    Parameters
    ----------
    manifest, later
        What was there before the transaction, and what is there now.
    added
        The places that only the latter has.
    snapshot
        What the transaction kept.
    """

    def __init__(
        self, state: State, journal: Journal, manifest: Manifest, later: Manifest, added: list[str], snapshot: Snapshot
    ) -> None:
        self._state, self._journal, self._manifest, self._later = state, journal, manifest, later
        self._added, self._snapshot = added, snapshot
        self._new = frozenset(added)
        self._packages = [change.after for change in journal.entry.changes if change.after is not None]
        self._installed = list(installed_packages(later))

    @cached_property
    def _mine(self) -> list[Installed]:
        return [found for found in self._installed if any(brings(package, found) for package in self._packages)]

    @cached_property
    def _cached(self) -> dict[str, tuple[str, ...]]:
        """The files of conda packages that have no record yet, by the package's name."""
        recorded = {found.name for found in self._mine if found.ecosystem is Ecosystem.CONDA}
        places = sites(self._later)
        return {
            package.name: tuple(cached_files(package, self._journal.caches, places))
            for package in self._packages
            if package.ecosystem is Ecosystem.CONDA and package.name not in recorded
        }

    @cached_property
    def _ours(self) -> frozenset[str]:
        """What is listed as a file of the transaction's packages; an undo's are those of what it takes back."""
        found = {place for package in self._mine for place in (package.place, *package.files(self._state))}
        found.update(place for files in self._cached.values() for place in files)
        for undone in self._journal.entry.undoes:
            if files := read_files(self._state.of(undone)):
                found.update(files.left)
        return frozenset(found)

    @cached_property
    def _folders_of_ours(self) -> frozenset[str]:
        """Where those lie: rattler makes all folders of a package before it links the first file."""
        found: set[str] = set()
        for place in self._ours:
            above = place
            while (above := above.rpartition("/")[0]) and above not in found:
                found.add(above)
        return frozenset(found)

    @cached_property
    def theirs(self) -> tuple[Installed, ...]:
        """The packages that somebody else has installed meanwhile."""
        changed = {key for change in self._journal.entry.changes for key in _keys(change)}
        found = [
            package
            for package in self._installed
            if package.listing in self._new
            and package not in self._mine
            and (package.ecosystem, package.name) not in changed
            and package.listing not in self._ours
            and not self._is_half_of_conda(package)
        ]
        conda = [package for package in found if package.ecosystem is Ecosystem.CONDA]
        own = {place for package in conda for place in package.files(self._state)}
        return tuple(package for package in found if package.listing not in own)

    def _is_half_of_conda(self, package: Installed) -> bool:
        """Whether a distribution came in a conda package of which nothing else is known."""
        if package.ecosystem is Ecosystem.CONDA:
            return False
        try:
            with open(self._state.path(f"{package.place}/INSTALLER"), encoding="utf-8", errors="replace") as file:
                return file.read().strip() == "conda"
        except OSError:
            return False

    @cached_property
    def _of_theirs(self) -> frozenset[str]:
        return frozenset(place for package in self.theirs for place in (package.place, *package.files(self._state)))

    @cached_property
    def _folders(self) -> frozenset[str]:
        """Folders, and files without their ending, of which everything is the transaction's, case aside."""
        metadata = {package.place for package in self._mine if package.ecosystem is Ecosystem.PYPI}
        metadata |= {f"{place.removesuffix('.dist-info')}.data" for place in metadata}
        modules = {
            f"{site}/{module.replace('.', '/')}"
            for package in self._packages
            for module in modules_of(package)
            for site in sites(self._later)
        }
        return frozenset(place.casefold() for place in (*metadata, *modules))

    @cached_property
    def _kept(self) -> frozenset[tuple[int, int]]:
        """Device and inode of what was kept as a link: pip renames what it is about to delete."""
        folder = self._state.of(self._journal.id) / BEFORE
        found = (_inode(os.path.join(folder, str(kept.number))) for kept in self._snapshot.files if kept.number >= 0)
        return frozenset(filter(None, found))

    @cached_property
    def _kept_at(self) -> dict[str, Kept]:
        return {kept.place: kept for kept in self._snapshot.files}

    @cached_property
    def _unsure(self) -> bool:
        """Whether there is a package of the transaction whose files may lie anywhere."""
        # What isn't in conda's cache hasn't been linked, unless the cache has gone since; an undo needs none.
        gone = not all(map(os.path.isdir, self._journal.caches_there))
        if gone and not all(self._cached.values()):
            return True
        # A wheel's data follows its list; but when the machine stopped, the list may be what was lost.
        listed = {found.name for found in self._mine if any(found.files(self._state))}
        wheels = {canonicalize_name(item.name) for item in self._packages if item.ecosystem is Ecosystem.PYPI}
        return not wheels <= listed and is_from_another_boot(self._journal)

    def _whose(self, place: str) -> _Whose:
        if place in self._of_theirs or place.rpartition("/")[0] in self._of_theirs:
            return _Whose.THEIRS
        if place in self._ours or self._lies_in_ours(place) or self._is_temporary(place):
            return _Whose.OURS
        return _Whose.NOBODYS

    def _lies_in_ours(self, place: str) -> bool:
        """Whether it lies in a folder of the transaction's packages that wasn't there before."""
        while place:
            above, _, name = place.rpartition("/")
            known = place.casefold() in self._folders or f"{above}/{stem(name)}".casefold() in self._folders
            if known and place not in self._manifest:
                return True
            place = above
        return False

    def _is_temporary(self, place: str) -> bool:
        parts = place.split("/")
        if (
            parts[-1] == TEMPORARY
            or _OF_RATTLER.fullmatch(place)
            or _OF_CONDA.fullmatch(place)
            or self._is_held(place)
            or (parts[0] in _PARTS and any(map(_OF_UV.fullmatch, parts)))
        ):
            return True
        return any(part.startswith("~") for part in parts) and _inode(self._state.path(place)) in self._kept

    def _is_held(self, place: str) -> bool:
        kept = self._kept_at.get(place.removesuffix(_HELD)) if place.endswith(_HELD) else None
        return kept is not None and is_unchanged(self._state, self._state.of(self._journal.id), kept, place=place)

    def _is_taken_for_a_part(self, place: str) -> bool:
        return self._state.roots != ("",) or place.partition("/")[0] in _PARTS

    # --- what becomes of it ----------------------------------------------------------------------------------------

    def divide(self) -> Division:
        """What goes, what is moved aside."""
        inside: dict[str, set[_Whose]] = defaultdict(set)
        removed: list[str] = []
        aside: set[str] = set()
        left: set[str] = set()
        shared: set[str] = set()
        for place in reversed(self._added):  # what lies in a folder comes before it
            own = inside.pop(place, None)
            if place not in self._later.folders:
                own = {self._of_file(place)}
            elif own is None:  # a folder without anything in it
                own = {self._of_empty(place)}
            above = place.rpartition("/")[0]
            inside[above] |= own
            if _Whose.THEIRS in own:
                shared.add(above)
            if own == {_Whose.NOBODYS}:
                aside.add(place)
            elif _Whose.OURS in own:
                removed.append(place)
            else:
                left.add(place)
        outermost = sorted(place for place in aside if place.rpartition("/")[0] not in aside)
        last = self._what_tells()
        early = (place for place in removed if place not in last)
        return Division(
            removed=(*early, *(place for place in removed if place in last)),
            aside=tuple(outermost),
            left=frozenset(left),
            shared=frozenset(shared),
        )

    def _what_tells(self) -> frozenset[str]:
        """The metadata of the transaction's packages, and the folders it lies in.

        A rollback that is stopped has to know the rest when it is begun again.
        """
        own = {package.place for package in self._mine}
        found = {place for place in self._added if place in own or place.rpartition("/")[0] in own}
        for place in tuple(found):
            above = place
            while above := above.rpartition("/")[0]:
                found.add(above)
        return frozenset(found)

    def _of_file(self, place: str) -> _Whose:
        """Whose to be taken for: nobody's where it is in the way, somebody's where it may stay."""
        whose = self._whose(place)
        if whose is _Whose.OURS:
            return whose
        if self._stands_in_the_way(place):
            return _Whose.NOBODYS
        if whose is _Whose.THEIRS or self._unsure:
            return whose
        return whose if self._is_taken_for_a_part(place) else _Whose.THEIRS

    def _of_empty(self, place: str) -> _Whose:
        """Where anything counts as part of a package an empty folder does too, and there is nothing in it to lose."""
        ours = self._is_taken_for_a_part(place) or self._unsure or self._stands_in_the_way(place)
        ours = ours or place in self._folders_of_ours
        return _Whose.OURS if ours or self._whose(place) is _Whose.OURS else _Whose.THEIRS

    def _stands_in_the_way(self, place: str) -> bool:
        """Whether the manifest has something of another kind there."""
        while place in self._new:
            if place in self._manifest:
                return True
            place = place.rpartition("/")[0]
        return False

    @cached_property
    def _replaced(self) -> tuple[str, ...]:
        """The files and folders of packages that somebody else has put another version in the place of."""
        old = {package.name: package.place for package in installed_packages(self._manifest)}
        gone = [package for package in self.theirs if (was := old.get(package.name)) and was not in self._later]
        found = [old[package.name] for package in gone]
        for package in gone:
            above = package.place.rpartition("/")[0]
            tops = {place[len(above) + 1 :].partition("/")[0] for place in package.files(self._state)}
            found += [f"{above}/{top}" for top in sorted(tops) if f"{above}/{top}" in self._manifest]
        return tuple(found)

    def is_replaced(self, place: str) -> bool:
        """Whether a place that is gone went with a package that somebody else has changed meanwhile."""
        return any(place == other or place.startswith(f"{other}/") for other in self._replaced)


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


# --- what came after -----------------------------------------------------------------------------------------------


def overtaken(state: State, journal: Journal, manifest: Manifest, snapshot: Snapshot) -> tuple[str, ...]:
    """What others have done since an interrupted transaction that going back would undo or break, a line each.

    That is: packages that the transaction was to change have been installed since, or a package has come that needs
    what it brought. ``RECORD`` and conda's records are written anew by every installation, so their ctime tells.
    """
    since = last_alive(state, journal)
    if since is None:
        return ()
    later = Manifest.scan(state, known=manifest)
    claims = Claims(state, journal, manifest, later, manifest.diff(later)[0], snapshot)
    return (
        *_installed_again(state, journal, later, since),
        *(
            f"{package.name} {package.version}, installed since, needs {need}"
            for package in claims.theirs
            for need in package.needs(state)
            if any(_is_left_without(package, need, change) for change in journal.entry.changes)
        ),
    )


def is_finished(state: State, journal: Journal, manifest: Manifest) -> bool:
    """Whether all that a transaction was to do has been done, by its engine or by somebody who wanted the same."""
    there = list(installed_packages(Manifest.scan(state, known=manifest)))
    last = {change.package.key: change for change in journal.entry.changes}
    return bool(last) and all(_is_done(state, change, there) for change in last.values())


def _is_done(state: State, change: Change, there: list[Installed]) -> bool:
    of_that_name = [found for found in there if (found.ecosystem, found.name) == change.package.key]
    if change.after is None:
        return not of_that_name
    return (
        any(brings(change.after, found) and found.is_whole(state) for found in of_that_name) and len(of_that_name) == 1
    )


def _installed_again(state: State, journal: Journal, later: Manifest, since: int) -> Iterator[str]:
    changes = {key: change for change in journal.entry.changes for key in _keys(change)}
    for package in installed_packages(later):
        change = changes.get((package.ecosystem, package.name))
        if change is None or (change.before is not None and _is_version(change.before, package)):
            continue
        try:
            written = os.lstat(state.path(package.listing)).st_ctime_ns
        except OSError:
            continue
        if written > since:
            yield f"{package.name} {package.version} was installed since"


def _keys(change: Change) -> set[tuple[Ecosystem, str]]:
    packages = [package for package in (change.before, change.after) if package is not None]
    brought = {(Ecosystem.PYPI, name) for package in packages for name, _ in package.provides}
    return {change.package.key, *brought}


def _is_version(package: Package, found: Installed) -> bool:
    if found.ecosystem is package.ecosystem:
        return same_version(package.version, found.version)
    return (found.name, found.version) in package.provides


def _is_left_without(package: Installed, need: str, change: Change) -> bool:
    """Whether going back takes away what a package needs."""
    if package.ecosystem is Ecosystem.CONDA:
        words = need.split()
        return change.before is None and bool(words) and (Ecosystem.CONDA, words[0].lower()) in _keys(change)
    try:
        requirement = Requirement(need)
    except InvalidRequirement:
        return False
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return False
    if (Ecosystem.PYPI, canonicalize_name(requirement.name)) not in _keys(change):
        return False
    before = change.before
    return before is None or not requirement.specifier.contains(before.version, prereleases=True)

"""Files of other packages that a new one overwrites: which it may, which it has.

Nothing forbids two packages to bring the same file, and no tool minds: the one installed last wins. No plan tells,
since which files a package has is known only once it has been fetched. So before a plan is applied the modules that
its packages are known to bring are looked for, and their files are kept; packages of which nothing is known are looked
into (:mod:`.incoming`). Afterwards the files that have come are held against those that were there. What was
overwritten and kept comes back by a rollback or an undo. What could not be foreseen is told, with what mends it.
"""

# ruff: noqa: PTH112, PTH114, PTH115, PTH118, PTH119, PTH208
# Paths are strings here: a package has thousands of them.

from __future__ import annotations

import filecmp
import os
import sys
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_pkgmgr import names
from jupyter_pkgmgr.inventory import Inventory, altered_paths, reinstall_command
from jupyter_pkgmgr.model import Action, Ecosystem, Environment, Notice, Package, Plan

from .contents import modules_of, stem
from .history import is_usable
from .snapshot import BEFORE, Kept
from .touched import loose, replaced
from .transaction import Transaction
from .verify import installed

__all__ = ["at_risk", "check_overwritten", "overlaps"]

_OFTEN = ("benchmarks", "doc", "docs", "examples", "scripts", "src", "test", "tests", "tools")
"""Folders that many a wheel leaves in ``site-packages`` by mistake, so that one overwrites the other's."""
_NAMED = 3
"""How many files a message names."""


# --- before: what may be overwritten -------------------------------------------------------------------------------


def at_risk(plan: Plan, environment: Environment, *, known: Collection[str] = ()) -> list[str]:
    """The files, whoever's they are, in the modules that the plan's packages bring.

    Parameters
    ----------
    known
        Canonical names of packages of PyPI that have been looked into, so that nothing has to be guessed of them.
    """
    unseen = [
        change.after
        for change in plan.changes
        if change.after is not None
        and (change.package.ecosystem is Ecosystem.CONDA or canonicalize_name(change.package.name) not in known)
    ]
    modules = {module for package in unseen for module in modules_of(package)}
    if not modules:
        return []
    found: list[str] = []
    for site in _sites(environment):
        found += (path for place in site.places((*modules, *_OFTEN)) for path in _whole(place))
    return found


def overlaps(plan: Plan, before: Inventory) -> tuple[Notice, ...]:
    """What deserves a word before a plan is applied: packages of it that have files or modules of others."""
    return (*_taken_along(plan, before), *_arriving_beside(plan, before))


def _taken_along(plan: Plan, before: Inventory) -> Iterator[Notice]:
    """Files that go with a package though another one has them too: what a package recorded is removed with it."""
    changed = {change.package.key for change in plan.changes}
    for going in (change.package for change in plan.changes if change.action is Action.REMOVE):
        beside = {other.key: other for name in before.imports(going) for other in before.packages_for_import(name)}
        for key, other in beside.items():
            # conda's own tools know that two of its packages have one file
            if key in changed or going.ecosystem is other.ecosystem is Ecosystem.CONDA:
                continue
            if shared := sorted(set(before.files(going)) & set(before.files(other))):
                yield Notice(
                    reference="shared-files",
                    message=f"{_files(len(shared))} of {going.name} {'is' if len(shared) == 1 else 'are'} "
                    f"{other.name}'s as well, and will be gone",
                    hint=f"afterwards {reinstall_command(other)}",
                    packages=(going.name, other.name),
                )


def _arriving_beside(plan: Plan, before: Inventory) -> Iterator[Notice]:
    """New packages whose modules another package has already."""
    sites = _sites(before.environment)
    changed = {change.package.key for change in plan.changes}
    shared: dict[tuple[str, str], set[str]] = defaultdict(set)
    for change in plan.changes:
        if change.after is None or change.action is not Action.INSTALL:
            continue
        known = {*changed, *(package.key for package in replaced(change, before))}
        for module in modules_of(change.after):
            if names.is_namespace(module) or module in _OFTEN:
                continue
            if any(_is_regular(place) for site in sites for place in site.places((module,))):
                for owner in before.packages_for_import(module):
                    if owner.key not in known:
                        shared[change.after.name, owner.name].add(module)
    for (new, old), modules in shared.items():
        yield Notice(
            reference="shared-modules",
            message=f"{new} and {old}, which is installed, both have {', '.join(sorted(modules))}: "
            "one overwrites files of the other",
            hint=f"%pkg remove {old} first, unless they are meant to go together",
            packages=(new, old),
        )


class _Site:
    """What lies in one ``site-packages``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    @cached_property
    def _names(self) -> Mapping[str, list[str]]:
        return _by_stem(self._folder)

    def places(self, modules: Iterable[str]) -> Iterator[str]:
        """Where these modules are, if they are there; and the files of the namespaces they lie in."""
        for module in modules:
            top, _, rest = module.partition(".")
            places = [os.path.join(self._folder, name) for name in self._names.get(top.casefold(), ())]
            for part in rest.split(".") if rest else ():
                yield from (path for place in places for path, _ in loose(Path(place)))
                places = [
                    os.path.join(place, name) for place in places for name in _by_stem(place).get(part.casefold(), ())
                ]
            yield from places


def _sites(environment: Environment) -> list[_Site]:
    python = environment.python
    return [_Site(os.fspath(folder)) for folder in {python.purelib, python.platlib}] if python else []


def _by_stem(folder: str) -> Mapping[str, list[str]]:
    """The names in a folder by what they are imported as, without regard to case: ``six`` of ``six.py``."""
    found: dict[str, list[str]] = defaultdict(list)
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            if not name.endswith((".dist-info", ".egg-info", ".libs")):
                found[stem(name).casefold()].append(name)
    return found


def _is_regular(place: str) -> bool:
    """Whether a module is a file or a package of one owner; a folder without ``__init__`` is many's (PEP 420)."""
    return not os.path.isdir(place) or any(name.startswith("__init__.") for name in os.listdir(place))


def _whole(place: str) -> Iterator[str]:
    """A file, or the files of a package with all below it; of a namespace only its own."""
    if not os.path.isdir(place):
        yield place
        return
    yield from (path for path, _ in loose(Path(place)))
    if _is_regular(place) or os.path.basename(place) in _OFTEN:
        for entry in os.scandir(place):
            if entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
                yield from _below(entry.path)


def _below(folder: str) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (os.path.join(above, name) for name in files)


# --- after: what was overwritten -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Overwritten:
    """One file that was there before and that a new package has now."""

    place: str
    path: str
    new: Package
    old: Package | None
    """Whose it was; ``None``: nobody's that is known."""
    kept: Kept | None
    """What was kept of it, if it still is what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwritten:
    """Files that were overwritten though no plan named them, and what to tell of them."""

    files: tuple[Path, ...] = ()
    warnings: tuple[Notice, ...] = ()


def check_overwritten(plan: Plan, before: Inventory, after: Inventory, work: Transaction) -> Overwritten:
    """Find files that were overwritten though no plan named them.

    What wasn't kept of them is no reason to roll back: the old package would stay damaged, and the new one be gone.
    ``work.overwritten`` has it, for a rollback that has other reasons.
    """
    found = list(_overwritten(plan, before, after, work))
    kept = [item for item in found if item.kept is not None]
    gone = [item for item in found if item.kept is None]
    work.overwritten = tuple(item.place for item in gone if item.old is not None)
    return Overwritten(
        files=tuple(Path(item.path) for item in found),
        warnings=(*_warnings(kept, "now has", "%pkg undo gives them back"), *_lost(gone)),
    )


def _lost(gone: Iterable[_Overwritten]) -> Iterator[Notice]:
    """What to do about files of which nothing was kept."""
    why = "that could not be foreseen, so nothing was kept and %pkg undo can't mend it"
    by_owner: dict[str, list[_Overwritten]] = defaultdict(list)
    for item in gone:
        by_owner[reinstall_command(item.old) if item.old else ""].append(item)
    for command, items in by_owner.items():
        yield from _warnings(items, "has overwritten", f"{why}; {command} does" if command else why)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _warnings(items: Iterable[_Overwritten], verb: str, hint: str) -> Iterator[Notice]:
    for (new, old), message in _told(items, verb).items():
        packages = (new, old) if old else (new,)
        yield Notice(reference="overwritten-files", message=f"{message}; {hint}", hint=hint, packages=packages)


def _told(items: Iterable[_Overwritten], verb: str) -> dict[tuple[str, str], str]:
    """A sentence for every two packages."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in items:
        groups[item.new.name, item.old.name if item.old else ""].append(item.place)
    return {
        (new, old): f"{new} {verb} {_files(len(places))} of {old or 'no package'}: "
        f"{', '.join(sorted(places)[:_NAMED])}{' …' if len(places) > _NAMED else ''}"
        for (new, old), places in groups.items()
    }


def _overwritten(plan: Plan, before: Inventory, after: Inventory, work: Transaction) -> Iterator[_Overwritten]:
    there = list(_there_before(plan, before, after, work))
    if not there:
        return
    kept = {item.place: item for item in work.snapshot.files}
    folder = work.state.of(work.id)
    unsaved = []
    for place, path, new in there:
        item = kept.get(place)
        old = before.owner(Path(path))
        if item is None or not is_usable(folder, item):
            unsaved.append(_Overwritten(place, path, new, old, None))
        elif not _is_same(folder, item, path):
            yield _Overwritten(place, path, new, old, item)
    # Two packages may well bring the very same file, such as an empty __init__.py: that is no loss.
    paths = {item.path for item in unsaved if item.old}
    altered = {path for path, _ in altered_paths(before, only=paths.__contains__)} if paths else set()
    yield from (item for item in unsaved if item.old is None or item.path in altered)


def _there_before(
    plan: Plan, before: Inventory, after: Inventory, work: Transaction
) -> Iterator[tuple[str, str, Package]]:
    """Place, path and new owner of files that were there before, are written anew, and didn't go by the plan."""
    began = os.lstat(work.state.journal).st_ctime_ns  # by the file system's own clock
    place_of = work.state.places()
    for change in plan.changes:
        new = installed(after, change.package) if change.after is not None else None
        if new is None:
            continue
        own = {os.fspath(path) for package in replaced(change, before) for path in before.files(package)}
        for file in after.files(new):
            path = os.fspath(file)
            if path in own or (place := place_of(path)) is None or place not in work.manifest:
                continue
            if _is_written_since(path, began):
                yield place, path, new


def _is_written_since(path: str, began: int) -> bool:
    """Whether a file was written or put in its place since a moment; where nothing tells, it was."""
    try:
        return sys.platform == "win32" or os.lstat(path).st_ctime_ns >= began
    except FileNotFoundError:
        return False


def _is_same(folder: Path, kept: Kept, path: str) -> bool:
    """Whether a file has the content that was kept."""
    if kept.target or os.path.islink(path):
        return os.path.islink(path) and os.readlink(path) == kept.target
    if kept.number < 0:
        return zlib.crc32(Path(path).read_bytes()) == kept.check
    return filecmp.cmp(os.path.join(folder, BEFORE, str(kept.number)), path, shallow=False)

"""What a plan's new packages will write, known before anything is changed: they are unpacked beside, and looked at.

No plan tells which files a package has. Of many a project the tables know its modules (:mod:`.overwritten`); of the
others nothing is certain, and whatever stays in the environment may lose files to them. These are fetched first and
held against what is there, folder by folder, so that only folders that both have are gone through. Where nothing
stays, or all is known, this costs nothing.
"""

# ruff: noqa: PTH112, PTH118
# Paths are strings here: a package has thousands of them.

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_pkgmgr import names
from jupyter_pkgmgr.engines.protocol import Engine, Unpacker
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import (
    Cancellation,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    EventSink,
    OriginKind,
    Plan,
)
from jupyter_pkgmgr.model.errors import PkgError

from .rollback import explained
from .snapshot import remove_tree
from .state import new_id, state_of
from .touched import moves_python
from .verify import same_version

__all__ = ["Incoming", "look_into", "numbered"]

_NOT_A_PACKAGES = frozenset({".lock"})
"""What a tool leaves on top of a folder that it installs into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What was found out about the packages that a plan brings."""

    known: frozenset[str] = frozenset()
    """Canonical names of PyPI's packages that were looked into."""
    files: tuple[str, ...] = ()
    """What they will overwrite, whoever's it is."""
    failure: PkgError | None = None
    """Why they can't be had."""

    def check(self) -> None:
        """Raise what went wrong: to be called where that is taken down as the end of the transaction."""
        if self.failure is not None:
            raise self.failure


def look_into(
    plan: Plan,
    before: Inventory,
    engines: Mapping[str, Engine],
    *,
    events: EventSink,
    cancel: Cancellation,
) -> Incoming:
    """Unpack what isn't certain, see what it would overwrite, and throw it away again."""
    found = Incoming()
    for number, step in enumerate(plan.steps):
        unsure = frozenset(_unsure(step.plan, before))
        engine = engines[step.plan.engine]
        # what is to be installed in another Python that comes first can't be unpacked for this one
        if not unsure or not isinstance(engine, Unpacker) or any(map(moves_python, plan.changes)):
            continue
        try:
            files = _overlap(engine, step.plan, unsure, before.environment, numbered(events, number), cancel)
        except PkgError as error:
            # what it needs, such as a compiler, may come with a step before it
            if cancel.requested or all(earlier.plan.ecosystem is Ecosystem.PYPI for earlier in plan.steps[:number]):
                return Incoming(failure=error)
            continue
        found = Incoming(known=found.known | unsure, files=(*found.files, *files))
    return found


def numbered(events: EventSink, step: int) -> EventSink:
    """A sink that adds the step's number, which an engine doesn't know."""
    return lambda event: events(replace(event, step=step))


def _unsure(plan: EnginePlan, before: Inventory) -> Iterator[str]:
    """Canonical names of the packages that may bring any file, in an environment where something stays."""
    new = {change.after.key: change for change in plan.changes if change.after is not None}
    if plan.ecosystem is Ecosystem.PYPI and any(package.key not in new for package in before.packages):
        yield from (name for (_, name), change in new.items() if not _is_known(change))


def _is_known(change: Change) -> bool:
    """Whether it is clear which modules a package brings."""
    old, new = change.before, change.package
    if new.origin.kind is not OriginKind.INDEX:  # an editable one brings a file for Python's path, and no module
        return new.origin.kind is OriginKind.EDITABLE
    if old is not None and old.origin.kind is OriginKind.INDEX and same_version(old.version, new.version):
        return True
    return bool(names.imports_of(new.name))


def _overlap(
    engine: Unpacker,
    plan: EnginePlan,
    unsure: Collection[str],
    environment: Environment,
    events: EventSink,
    cancel: Cancellation,
) -> list[str]:
    """The files of an environment that these packages of a plan will overwrite."""
    with _folder(environment) as folder:
        roots = engine.unpack(environment, plan, unsure, folder, events=events, cancel=cancel)
        pairs = [pair for root in roots for pair in _pairs(root, environment)]
        return [path for new, old in pairs for path in _in_both(new, old)]


@contextlib.contextmanager
def _folder(environment: Environment) -> Iterator[Path]:
    """A folder where transactions have theirs; if it is left behind, the next one takes it for a preparation."""
    state = state_of(environment)
    folder = state.of(new_id(state))
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise explained(error, "nothing was changed, as the change could not be prepared") from error
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            remove_tree(os.fspath(folder))


def _pairs(root: Path, environment: Environment) -> Iterator[tuple[str, str]]:
    """Folders of an unpacked package, each with the one of the environment that its files will lie in.

    Data and modules lie side by side in what ``--target`` made, so there both are looked for in both places. In a
    wheel they have folders of their own ("Binary distribution format", PyPA specifications: ``.data``).
    """
    python = environment.python
    if python is None:
        return
    sites = [os.fspath(folder) for folder in python.site_packages]
    prefix, scripts = os.fspath(environment.prefix), os.fspath(python.scripts)
    parts: Mapping[str, Collection[str]] = {
        "purelib": sites,
        "platlib": sites,
        "scripts": (scripts,),
        "data": (prefix,),
    }
    yield from ((os.fspath(root), folder) for folder in (*sites, prefix))
    yield os.path.join(root, "Scripts" if sys.platform == "win32" else "bin"), scripts
    for data in root.glob("*.data"):
        yield from ((os.path.join(data, part), folder) for part, folders in parts.items() for folder in folders)


def _in_both(new: str, old: str) -> Iterator[str]:
    """The files below ``old`` that files below ``new`` would replace."""
    try:
        entries = list(os.scandir(new))
    except (FileNotFoundError, NotADirectoryError):  # a wheel has no such part; or its cache was emptied just now
        return
    for entry in entries:
        path = os.path.join(old, entry.name)
        if entry.is_dir(follow_symlinks=False) and os.path.isdir(path):
            yield from _in_both(entry.path, path)
        elif os.path.lexists(path) and entry.name not in _NOT_A_PACKAGES:
            yield path

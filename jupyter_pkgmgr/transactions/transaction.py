"""A transaction around whatever changes an environment: prepare, let it happen, then commit or roll back.

::

    with hold(environment, owner, events=events, cancel=cancel):          # lock, recover
        …check that the plan still fits…
        with transaction(plan, owner, linked=…, copied=…) as work:       # manifest, snapshot, journal
            …change files, verify…
            work.fingerprint = …                                         # of the inventory that was verified
                                                                         # commit; or, on any exception, roll back
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from jupyter_pkgmgr import process
from jupyter_pkgmgr.environments import read_conda_settings
from jupyter_pkgmgr.model import FROM_SNAPSHOT, Cancellation, Ecosystem, Environment, EventSink, Notice, Plan
from jupyter_pkgmgr.model.errors import CancelledError, PkgError

from .commit import commit
from .history import ENTRY, Entry, Result, prune
from .journal import Journal, alive, is_ended, put_away, write_journal
from .locks import Owner
from .manifest import MANIFEST, MANIFEST_CHANGES, Manifest
from .recover import awaited_lock, recover_locked
from .rollback import Restored, explained, rollback
from .settling import boot_id, settle
from .snapshot import Snapshot, link_or_copy, remove_tree, take, to_sync
from .state import State, new_id, state_of

__all__ = ["Transaction", "hold", "transaction"]

AS_BEFORE = "everything is as it was before"
RESERVE = 64 * 1024
"""Bytes that a rollback can count on where the disk is full: a handful of folders."""


@contextlib.contextmanager
def hold(environment: Environment, owner: Owner, *, events: EventSink, cancel: Cancellation) -> Iterator[None]:
    """Hold the environment's lock, with whatever was unfinished taken back. Engines inherit the lock.

    Raises
    ------
    PkgError
        If the lock can't be had, or an interrupted change can't be taken back.
    """
    with awaited_lock(environment, owner, events=events, cancel=cancel) as lock, process.inherit(lock.fileno):
        recover_locked(environment, events=events)
        yield


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A transaction under way."""

    state: State
    journal: Journal
    manifest: Manifest
    snapshot: Snapshot
    began: float
    fingerprint: str = ""
    """To be set by whoever verified the result: of the inventory that it left."""
    overwritten: tuple[str, ...] = ()
    """To be set as well: places that were overwritten without having been kept, so that no rollback mends them."""
    warnings: list[Notice] = field(default_factory=list)
    """What went wrong after it was decided, which makes no failure of it."""

    @property
    def id(self) -> str:
        """Its name in the history."""
        return self.journal.id

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return round(time.monotonic() - self.began, 3)


@contextlib.contextmanager
def transaction(
    plan: Plan,
    owner: Owner,
    *,
    linked: Iterable[Path | str],
    copied: Iterable[Path | str] = (),
    undoes: tuple[str, ...] = (),
) -> Iterator[Transaction]:
    """Commit what the block changed, or if it raises take everything back. Only under :func:`hold`.

    Parameters
    ----------
    linked
        Files that the block deletes or replaces as a whole.
    copied
        Files that it may change in place.
    undoes
        The transactions that this one takes back.

    Raises
    ------
    PkgError
        Whatever the block raised, with what is true now; or why that could not be brought about.
    """
    work = _begin(plan, owner, linked=linked, copied=copied, undoes=undoes)
    try:
        with alive(work.state, work.journal):
            yield work
            _commit(work)
    except BaseException as error:
        if is_ended(work.state, work.journal):  # stopped between the decision and the end of the journal
            put_away(work.state)
        else:
            _take_back(work, error)
        raise
    with _afterwards(work, "old snapshots could not be dropped; the next change tries again"):
        prune(plan.environment)


def _begin(
    plan: Plan, owner: Owner, *, linked: Iterable[Path | str], copied: Iterable[Path | str], undoes: tuple[str, ...]
) -> Transaction:
    environment = plan.environment
    state = state_of(environment)
    began = time.monotonic()
    entry = Entry(
        id=new_id(state),
        started=owner.started,
        user=owner.user,
        host=owner.host,
        face=owner.face,
        command=owner.command,
        job=owner.job,
        prefix=str(environment.prefix),
        changes=plan.changes,
        undoes=undoes,
        fingerprint_before=plan.fingerprint,
    )
    folder, caches = state.of(entry.id), _caches(plan)
    try:
        _drop_unbegun(state)
        folder.mkdir(parents=True)
        if not state.reserve.exists():
            state.reserve.write_bytes(bytes(RESERVE))
        manifest = Manifest.scan(state, known=Manifest.load(state.folder)).save(state.folder)
        snapshot = take(state, folder, linked=linked, copied=copied)
        for name in (MANIFEST, MANIFEST_CHANGES):
            link_or_copy(os.fspath(state.folder / name), os.fspath(folder / name))
        journal = Journal(
            entry=entry,
            pid=owner.pid,
            kind=environment.kind.value,
            base=state.base,
            roots=state.roots,
            boot=boot_id(),
            caches=caches,
            caches_there=tuple(filter(os.path.isdir, caches)),
            inode=folder.stat().st_ino,
        )
        write_journal(state, journal, after=(folder / MANIFEST, folder / MANIFEST_CHANGES, *to_sync(folder)))
    except OSError as error:
        raise explained(error, "nothing was changed, as the change could not be prepared") from error
    return Transaction(state=state, journal=journal, manifest=manifest, snapshot=snapshot, began=began)


def _drop_unbegun(state: State) -> None:
    """Remove what preparations left that never got to their journal: nothing was changed after them."""
    root = os.fspath(state.transactions)
    try:
        names = os.listdir(root)  # noqa: PTH208  an environment can have thousands of transactions
    except FileNotFoundError:
        return
    for name in names:
        folder = f"{root}/{name}"
        if not os.path.lexists(f"{folder}/{ENTRY}") and Path(folder).is_dir() and not Path(folder).is_symlink():
            with contextlib.suppress(OSError):  # it is in nobody's way, and the next transaction tries again
                remove_tree(folder)


def _caches(plan: Plan) -> tuple[str, ...]:
    """Where the packages that will be linked are unpacked: the engines' own folders, and rattler's inside them."""
    if not any(step.plan.ecosystem is Ecosystem.CONDA and step.plan.engine != FROM_SNAPSHOT for step in plan.steps):
        return ()
    folders = read_conda_settings(plan.environment).pkgs_dirs
    own = platformdirs.user_cache_path("jupyter_pkgmgr", appauthor=False) / "pkgs"
    return tuple(map(os.fspath, (*(folder / ".rattler" for folder in folders), *folders, own)))


def _commit(work: Transaction) -> None:
    commit(
        work.state,
        work.journal,
        work.manifest,
        work.snapshot,
        replace(work.journal.entry, seconds=work.seconds, fingerprint=work.fingerprint),
    )
    if not work.journal.boot:
        with _afterwards(work, "what was installed could not be brought to the disk at once"):
            settle(work.state, work.journal)


@contextlib.contextmanager
def _afterwards(work: Transaction, what: str) -> Iterator[None]:
    """What is done once all is decided: if that fails, the change has been made nevertheless."""
    try:
        yield
    except (OSError, PkgError) as error:
        reason = error.message if isinstance(error, PkgError) else error.strerror or str(error)
        work.warnings.append(Notice(reference="afterwards", message=f"{what}: {reason}"))


def _take_back(work: Transaction, error: BaseException) -> None:
    """Roll back; the error then says so. Raises what went wrong with that instead."""
    cancelled = isinstance(error, CancelledError | KeyboardInterrupt)
    result = Result.CANCELLED if cancelled else Result.ROLLED_BACK
    message = error.message if isinstance(error, PkgError) else f"{type(error).__name__}: {error}".rstrip(": ")
    try:
        restored = rollback(
            work.state, work.journal, result=result, message=message, seconds=work.seconds, overwritten=work.overwritten
        )
    except PkgError as worse:
        worse.context = (message, *worse.context)
        if isinstance(error, PkgError) and error.hint:
            worse.hint = f"{worse.hint}; {error.hint}" if worse.hint else error.hint
        raise worse from error
    if isinstance(error, PkgError):
        _say_true(error, restored)


def _say_true(error: PkgError, restored: Restored) -> None:
    if isinstance(error, CancelledError):
        error.message = f"stopped; {AS_BEFORE}"
    else:
        error.message = f"{error.message}; {AS_BEFORE}"
    error.args = (error.message,)
    error.context = (*error.context, *restored.remarks)

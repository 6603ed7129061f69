"""Bring an environment back to what the manifest and the snapshot of an unfinished transaction say.

Every step compares first and then does what is missing, so a rollback may be stopped anywhere and begun again:
the argument is in :mod:`.journal`.
"""

# ruff: noqa: PTH101, PTH102, PTH106, PTH112, PTH114, PTH116, PTH118, PTH120
# ruff: noqa: PTH208
# Paths are strings here: an environment has thousands of them.

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from jupyter_pkgmgr.model.errors import DiskFullError, EnvironmentProblem, PkgError, PolicyError, VerificationError

from .history import Entry, Result, write_entry
from .journal import Journal, is_ended, remove_journal
from .manifest import Manifest
from .snapshot import Kept, Snapshot, is_unchanged, put_back, remove_file, remove_tree
from .spared import TEMPORARY, Claims, Division
from .state import State, sync_folder

__all__ = ["Restored", "explained", "rollback"]

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a rollback did."""

    removed: int = 0
    restored: int = 0
    aside: tuple[Path, ...] = ()
    """What came since, but isn't known to be the transaction's, and could not stay: moved there instead of deleted."""
    kept: tuple[str, ...] = ()
    """The packages that somebody else has installed since, with their versions: they stay."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What isn't as it was before, or isn't where it was; empty where nobody interfered."""
        kept = (f"kept what was installed meanwhile: {', '.join(self.kept)}",) if self.kept else ()
        return (*kept, *(f"moved to {path}" for path in self.aside))


@dataclass(slots=True, kw_only=True)
class _Work:
    """A rollback while it runs."""

    state: State
    folder: Path
    aside: Path
    manifest: Manifest
    snapshot: Snapshot
    claims: Claims
    removed: int = 0
    restored: int = 0
    moved: list[Path] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Folders whose entries changed."""
    failures: list[OSError] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def rollback(
    state: State,
    journal: Journal,
    *,
    result: Result,
    message: str,
    seconds: float = 0.0,
    overwritten: Iterable[str] = (),
) -> Restored:
    """Restore what was there before a transaction, and end it. Needs the environment's lock.

    Parameters
    ----------
    result, message, seconds
        For the history, if everything can be restored.
    overwritten
        Places that are known to have been overwritten though nothing was kept of them.

    Raises
    ------
    VerificationError
        ``lost-files``: all that could be restored is; some files are gone. The transaction has ended.
    PolicyError, DiskFullError, EnvironmentProblem
        Something couldn't be restored now. The journal stays, and the next use of the environment tries again.
    """
    if is_ended(state, journal):
        remove_journal(state)
        return Restored()
    folder = state.of(journal.id)
    manifest, snapshot = Manifest.load(folder), Snapshot.load(folder)
    if manifest is None or snapshot is None:
        raise _nothing_to_restore_from(state, folder)
    work = _begin(replace(state, roots=journal.roots), journal, manifest, snapshot)
    lost: list[str] = []
    try:
        _restore(work)
        lost = sorted({*_missing(work), *overwritten})
    except OSError as error:
        work.failures.append(error)
    if work.failures:
        raise _incomplete(state, work.failures)
    return _settle(work, replace(journal.entry, result=result, message=message, seconds=seconds), lost)


def _settle(work: _Work, entry: Entry, lost: Sequence[str]) -> Restored:
    """End the transaction, and write into the history what came of it."""
    if lost:
        message = f"{entry.message}; {len(lost)} files could not be restored"
        entry = replace(entry, result=Result.FAILED, message=message)
    restored = Restored(
        removed=work.removed,
        restored=work.restored,
        aside=(*_set_aside_before(work), *work.moved),
        kept=tuple(f"{package.name} {package.version}" for package in work.claims.theirs),
    )
    message = "; ".join((entry.message, *restored.remarks[:_SHOWN]))
    _end(work.state, work.folder, replace(entry, message=message))
    if lost:
        raise _lost(work.state, lost)
    return restored


def _begin(state: State, journal: Journal, manifest: Manifest, snapshot: Snapshot) -> _Work:
    """Look at what has come, and whose it is."""
    try:
        later = Manifest.scan(state, known=manifest)
    except OSError as error:
        raise _incomplete(state, [error]) from error
    added, _ = manifest.diff(later)
    claims = Claims(state, journal, manifest, later, added, snapshot)
    return _Work(
        state=state,
        folder=state.of(journal.id),
        aside=_new_folder(state.aside, journal.id),
        manifest=manifest,
        snapshot=snapshot,
        claims=claims,
    )


def _new_folder(above: Path, name: str) -> Path:
    """A rollback that is begun again has a folder of its own: what the first one moved is not to be replaced."""
    count = 1
    while (found := above / (name if count == 1 else f"{name}.{count}")).exists():
        count += 1
    return found


def _set_aside_before(work: _Work) -> list[Path]:
    """The folders of rollbacks of the same transaction that were stopped."""
    return sorted(path for path in work.aside.parent.glob(f"{work.folder.name}*") if path != work.aside)


def _restore(work: _Work) -> None:
    """Take away what came, then bring back what went; folders get their modes and times last."""
    manifest = work.manifest
    division = _take_away(work)
    folders = sorted(place for place in manifest.folders if not work.claims.is_replaced(place))
    for place in folders:
        _make_folder(work, place)
    gone = [kept for kept in work.snapshot.files if not is_unchanged(work.state, work.folder, kept)]
    _drop_bytecode(work, [*division.aside, *division.removed, *(kept.place for kept in gone)])
    for kept in gone:
        _put_back(work, kept)
    for kept in work.snapshot.files:  # bytecode that a package had recorded may have gone with the rest
        if "__pycache__" in kept.place and not is_unchanged(work.state, work.folder, kept):
            _put_back(work, kept)
    for place in reversed(folders):
        _set_times(work, place, ours=place not in division.shared)
    for path in filter(os.path.isdir, sorted(work.touched)):
        sync_folder(path)


def _take_away(work: _Work) -> Division:
    """Delete what is known to be the transaction's, move aside what isn't and can't stay."""
    division = work.claims.divide()
    if division.aside:
        work.state.reserve.unlink(missing_ok=True)
    for place in division.aside:
        _attempt(work, place, _move_aside)
    for place in division.removed:
        _attempt(work, place, _remove)
    return division


def _attempt(work: _Work, place: str, step: Callable[[_Work, str], None]) -> None:
    """A path that can't be restored now is no reason to leave the others as they are."""
    try:
        step(work, place)
    except OSError as error:
        work.failures.append(error)


def _move_aside(work: _Work, place: str) -> None:
    path, target = work.state.path(place), work.aside / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)  # which copies where a folder is a disk of its own
    work.moved.append(target)
    work.touched.add(os.path.dirname(path))


def _remove(work: _Work, place: str) -> None:
    path = work.state.path(place)
    if os.path.isdir(path) and not os.path.islink(path):
        if os.path.isdir(cache := os.path.join(path, "__pycache__")):
            remove_tree(cache)
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return  # somebody else's things lie in it, or another environment
    else:
        remove_file(path)
    work.removed += 1
    work.touched.add(os.path.dirname(path))


def _make_folder(work: _Work, place: str) -> None:
    path = work.state.path(place)
    if not os.path.isdir(path) or (place and os.path.islink(path)):
        _attempt(work, place, _make_one)


def _make_one(work: _Work, place: str) -> None:
    path = work.state.path(place)
    os.mkdir(path, 0o700)
    work.touched |= {path, os.path.dirname(path)}


def _drop_bytecode(work: _Work, places: Iterable[str]) -> None:
    """Delete compiled forms of modules that came or went.

    Python takes bytecode for current whose source has the same size and second of change (PEP 552), which two
    versions of a small module that were unpacked together do have.
    """
    modules: dict[str, set[str]] = {}
    for place in places:
        above, _, name = place.rpartition("/")
        if name.endswith(".py"):
            modules.setdefault(above, set()).add(name[: -len(".py")])
    for above, names in modules.items():
        cache = os.path.join(work.state.path(above), "__pycache__")
        if os.path.isdir(cache):
            for name in os.listdir(cache):
                if name.partition(".")[0] in names:
                    _attempt(work, f"{above}/__pycache__/{name}", _remove)


def _put_back(work: _Work, kept: Kept) -> None:
    try:
        whole = put_back(work.state, work.folder, kept, temporary=TEMPORARY)
    except OSError as error:
        work.failures.append(error)
        return
    if whole:
        work.restored += 1
        work.touched.add(os.path.dirname(work.state.path(kept.place)))
    else:
        work.damaged.append(kept.place)


def _set_times(work: _Work, place: str, *, ours: bool) -> None:
    """A folder's mode and time. Inventories and Python's own finders go by the time: not where others' files stay."""
    folder, path = work.manifest.folders[place], work.state.path(place)
    try:
        now = os.stat(path)
        if stat.S_IMODE(now.st_mode) != folder.mode:
            os.chmod(path, folder.mode)
            work.touched.add(path)
        if ours and now.st_mtime_ns != folder.mtime_ns:
            os.utime(path, ns=(now.st_atime_ns, folder.mtime_ns))
    except PermissionError:  # somebody else's folder in a shared environment: its mode is theirs to change
        return
    except OSError as error:
        work.failures.append(error)


def _missing(work: _Work) -> list[str]:
    """What was there and isn't, with what is there but can't be what was."""
    _, missing = work.manifest.diff(Manifest.scan(work.state, known=work.manifest))
    missing = [place for place in missing if not work.claims.is_replaced(place)]
    return sorted({*missing, *(place for place in work.damaged if "__pycache__" not in place)})


def _end(state: State, folder: Path, entry: Entry) -> None:
    try:
        write_entry(folder, entry)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise _incomplete(state, [error]) from error
        # The environment is whole again, and that must not wait for room for a line in the history.
    remove_journal(state)


# --- what is said when it doesn't work -----------------------------------------------------------------------------


def explained(error: OSError, what: str) -> PkgError:
    """An error of the system as one of ours; ``what`` says what can't be done."""
    reason = error.strerror or str(error)
    context = (f"{error.filename}: {reason}",) if error.filename else (reason,)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{what}: the disk is full", context=context, hint="free some space, then try again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PolicyError(f"{what}: no permission to write", reference="read-only", context=context)
    return EnvironmentProblem(f"{what}: {reason}", context=context)


def _incomplete(state: State, failures: list[OSError]) -> PkgError:
    error = explained(failures[0], f"{state.base} could not be brought back to what it was before")
    error.context = tuple(dict.fromkeys(f"{item.filename}: {item.strerror}" for item in failures[:_SHOWN]))
    error.reference = "rollback-incomplete"
    error.note = f"{len(failures)} paths are left; nothing of what was kept is lost"
    error.hint = "mend that, then use the environment again: the rest is restored first"
    return error


def _lost(state: State, lost: Sequence[str]) -> VerificationError:
    more = (f"and {len(lost) - _SHOWN} more",) if len(lost) > _SHOWN else ()
    return VerificationError(
        f"{len(lost)} {'file' if len(lost) == 1 else 'files'} of {state.base} could not be restored",
        reference="lost-files",
        context=(*lost[:_SHOWN], *more),
        note="everything else is as it was before",
        hint="%pkg doctor names their packages; %pkg install --force-reinstall NAME brings them back",
    )


def _nothing_to_restore_from(state: State, folder: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"a change of {state.base} was interrupted, and what was kept to take it back is gone",
        reference="snapshot-gone",
        context=(f"{folder} is missing or damaged",),
        note="what is there now may be half of the change; nothing is touched",
        hint=f"delete {state.journal} to go on with what is there, then %pkg doctor",
    )

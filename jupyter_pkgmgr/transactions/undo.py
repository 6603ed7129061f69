"""Take transactions back: the files themselves are put in their place again, without an engine and without network.

An undo is a transaction as any other: it keeps what it deletes and replaces, so an undo can be undone.
"""

# ruff: noqa: PTH101, PTH103, PTH106, PTH112, PTH118, PTH120, PTH208
# Paths are strings here: an upgrade has thousands of them.

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.inventory import Inventory, fingerprint, read_inventory
from jupyter_pkgmgr.model import (
    FROM_SNAPSHOT,
    Action,
    Cancellation,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    EventKind,
    EventSink,
    Notice,
    OriginKind,
    Outcome,
    Package,
    Phase,
    Plan,
    Request,
    Step,
)
from jupyter_pkgmgr.model.errors import PlanBlockedError, PlanError, PlanOutdatedError, UsageError, VerificationError

from .apply import refuse_blocked
from .history import Entry, Signature, in_force, is_usable, read_entries, read_files, signature
from .limits import read_limits
from .locks import Owner
from .snapshot import Kept, Snapshot, put_back, remove_file, remove_tree
from .spared import TEMPORARY
from .state import State, state_of
from .transaction import hold, transaction
from .verify import verify

__all__ = ["Restoration", "UndoPlan", "apply_undo", "plan_undo"]

_LONGEST_COUNT = 3
"""Digits of ``undo N``; more are the beginning of an ID."""
_SHOWN = 10
"""Lines of an error's context."""
_CACHE = "__pycache__"


@dataclass(frozen=True, slots=True)
class Restoration:
    """The files that make up an undo; places as :class:`~.state.State` has them."""

    expected: dict[str, Signature | None] = field(default_factory=dict)
    """What each file must look like now."""
    files: dict[str, tuple[Path, Kept] | None] = field(default_factory=dict)
    """What a place becomes, of which transaction's snapshot; ``None``: it goes away."""
    compiled: dict[str, tuple[Path, Kept]] = field(default_factory=dict)
    """Bytecode that was kept, because a package had recorded it."""
    folders: dict[str, int | None] = field(default_factory=dict)
    """The mode that a folder gets; ``None``: it goes away, if it is empty by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPlan:
    """Transactions that can be taken back, and what that changes. Made by :func:`plan_undo`."""

    plan: Plan
    """For the faces, the history and the verification: the packages that change."""
    entries: tuple[Entry, ...]
    """What is taken back, newest first."""
    exact: bool
    """Whether exactly what stood before stands again, broken or not; otherwise others may build on it by now."""
    restoration: Restoration = field(repr=False, metadata={"private": True})


def plan_undo(environment: Environment, request: Request, which: str = "1") -> UndoPlan:
    """What taking back the last N transactions, or the one with this id, would do. Changes nothing.

    Parameters
    ----------
    request
        Of the verb ``undo``.
    which
        How many, or an id; its beginning or its end is enough where only one has it.

    Raises
    ------
    UsageError
        If ``which`` is neither a number nor the id of a transaction.
    PlanError
        If there is nothing to undo.
    PlanBlockedError
        If something else has changed the same files since, or the snapshot is gone.
    """
    mark = fingerprint(environment)
    entries = read_entries(environment)
    return _plan(environment, request, mark, entries, _chosen(entries, which))


def _plan(
    environment: Environment, request: Request, mark: str, entries: Sequence[Entry], chosen: tuple[Entry, ...]
) -> UndoPlan:
    """The plan that takes these back, of an environment with this fingerprint and all these entries."""
    changes = _reversed(chosen)
    ways = _other_ways(changes)
    restoration = _gather(state_of(environment), chosen, ways)
    _check_untouched(environment, entries, chosen, restoration, ways)
    newest = next(entry for entry in entries if entry.committed)
    foreign = newest.fingerprint != mark
    plan = Plan(
        id=uuid.uuid4().hex,
        request=request,
        environment=environment,
        fingerprint=mark,
        steps=tuple(_steps(changes)),
        warnings=(_FOREIGN,) if foreign else (),
    )
    exact = not foreign and _is_last(entries, chosen)
    return UndoPlan(plan=plan, entries=chosen, exact=exact, restoration=restoration)


_FOREIGN = Notice(
    reference="changed-since",
    message="something else has changed this environment since; what it changed stays as it is",
)


# --- which transactions --------------------------------------------------------------------------------------------


def _chosen(entries: Sequence[Entry], which: str) -> tuple[Entry, ...]:
    """The transactions to take back, newest first."""
    if which.lstrip("-").isdecimal() and len(which) <= _LONGEST_COUNT:
        return _last(entries, int(which))
    found = [entry for entry in entries if entry.id == which]
    found = found or [entry for entry in entries if entry.id.startswith(which) or entry.id.endswith(which)]
    if not found or not which:
        raise UsageError(
            f"no transaction of this environment has the ID {which!r}",
            reference="no-such-transaction",
            hint="%pkg history lists them",
        )
    if len(found) > 1:
        raise UsageError(
            f"{which} stands for {len(found)} transactions",
            reference="no-such-transaction",
            context=tuple(f"{entry.id}  {entry.command}" for entry in found[:_SHOWN]),
            hint="type more of the ID",
        )
    (entry,) = found
    if not entry.committed:
        raise PlanError(
            f"{entry.id} changed nothing: it ended as {entry.result}",
            reference="nothing-to-undo",
            hint="%pkg history lists what did",
        )
    if entry.id not in in_force(entries):
        by = next(other for other in entries if entry.id in other.undoes)
        raise PlanError(
            f"{entry.id} is undone already", reference="nothing-to-undo", hint=f"%pkg undo {by.id} makes it again"
        )
    return (entry,)


def _candidates(entries: Sequence[Entry]) -> list[Entry]:
    """What a number counts: changes that stand. An undo is no change of its own, it takes its change off the list."""
    standing = in_force(entries)
    return [entry for entry in entries if entry.id in standing and not entry.undoes]


def _last(entries: Sequence[Entry], count: int) -> tuple[Entry, ...]:
    if count < 1:
        raise UsageError("undo counts from 1, the last change", hint="%pkg history lists the changes")
    candidates = _candidates(entries)
    if not candidates:
        raise PlanError(
            "there is nothing to undo",
            reference="nothing-to-undo",
            note="no change that %pkg made in this environment stands",
            hint="%pkg history lists what was done" if entries else None,
        )
    if count > len(candidates):
        raise PlanError(
            f"there are only {len(candidates)} changes to undo",
            reference="nothing-to-undo",
            hint=f"%pkg undo {len(candidates)}",
        )
    return tuple(candidates[:count])


def _is_last(entries: Sequence[Entry], chosen: Sequence[Entry]) -> bool:
    """Whether nothing that stands is newer than what is taken back, but for what is taken back with it."""
    standing = in_force(entries)
    names = {entry.id for entry in chosen}
    newer = [entry for entry in entries if entry.id in standing and entry.id >= chosen[-1].id]
    return all(entry.id in names for entry in newer)


# --- what changes: packages ----------------------------------------------------------------------------------------


def _reversed(chosen: Sequence[Entry]) -> tuple[Change, ...]:
    """The changes that take these transactions, newest first, back as one."""
    now: dict[tuple[Ecosystem, str], Package | None] = {}
    then: dict[tuple[Ecosystem, str], Package | None] = {}
    requested: set[tuple[Ecosystem, str]] = set()
    for change in (change for entry in chosen for change in reversed(entry.changes)):
        key = change.package.key
        now.setdefault(key, change.after)
        then[key] = change.before
        if change.requested:
            requested.add(key)
    return tuple(
        Change(action=_action(now[key], then[key]), before=now[key], after=then[key], requested=key in requested)
        for key in sorted(now, key=lambda key: (key not in requested, key))
        if now[key] is not None or then[key] is not None
    )


def _action(before: Package | None, after: Package | None) -> Action:
    if before is None:
        return Action.INSTALL
    if after is None:
        return Action.REMOVE
    if before.version == after.version:
        return Action.REINSTALL
    try:
        older = Version(after.version) < Version(before.version)
    except InvalidVersion:
        older = after.version < before.version
    return Action.DOWNGRADE if older else Action.UPGRADE


def _steps(changes: Sequence[Change]) -> Iterator[Step]:
    for ecosystem in Ecosystem:
        own = tuple(change for change in changes if change.package.ecosystem is ecosystem)
        if own:
            yield Step(plan=EnginePlan(engine=FROM_SNAPSHOT, engine_version="", ecosystem=ecosystem, changes=own))


def _other_ways(changes: Sequence[Change]) -> str:
    """The commands that do the same through the engines, as far as these can: what is left without the files."""
    back = [_spec(change.after) for change in changes if change.after is not None]
    gone = [change.package.name for change in changes if change.after is None]
    commands = [f"%pkg install {' '.join(back)}"] if back else []
    commands += [f"%pkg remove {' '.join(gone)}"] if gone else []
    return f"what can still be done: {' and '.join(commands)}" if commands else "%pkg doctor looks at what is there"


def _spec(package: Package) -> str:
    """What to type to get this package again."""
    location = package.origin.location
    if location and package.origin.kind is OriginKind.EDITABLE:
        return f"-e {location}"
    if location and package.origin.kind in (OriginKind.PATH, OriginKind.URL, OriginKind.VCS):
        return location
    return f"{package.ecosystem}::{package.name}=={package.version}"


# --- what changes: files -------------------------------------------------------------------------------------------


def _gather(state: State, chosen: Sequence[Entry], ways: str) -> Restoration:
    """All that has to be done.

    Going back in time, the newest transaction says how a file was left, and the oldest how it was before.
    """
    found = Restoration()
    for entry in chosen:
        folder = state.of(entry.id)
        files = read_files(folder)
        if files is None:
            raise _gone(entry, "the list of its files can't be read", ways)
        places = [*files.replaced, *files.removed]
        snapshot = _snapshot(entry, folder, ways) if places else Snapshot(files=())
        kept = {item.place: item for item in snapshot.files}
        missing = [place for place in places if place not in kept or not is_usable(folder, kept[place])]
        if missing:
            raise _gone(entry, f"{len(missing)} of its files are gone or damaged", ways)
        for place, left in files.left.items():
            if place not in files.removed_folders and (left is None or left.type != "directory"):
                found.expected.setdefault(place, left)
        for place, left in files.added.items():
            if left.type == "directory":
                found.folders[place] = None
            else:
                found.files[place] = None
        found.files.update({place: (folder, kept[place]) for place in places})
        found.folders.update(files.removed_folders)
        found.compiled.update({place: (folder, item) for place, item in kept.items() if _CACHE in place.split("/")})
    return found


def _snapshot(entry: Entry, folder: Path, ways: str) -> Snapshot:
    if not entry.has_snapshot:
        raise _gone(entry, "old snapshots are dropped to save space", ways)
    snapshot = Snapshot.load(folder)
    if snapshot is None:
        raise _gone(entry, "its snapshot can't be read", ways)
    return snapshot


def _gone(entry: Entry, why: str, ways: str) -> PlanBlockedError:
    return PlanBlockedError(
        f"the files from before {entry.command or entry.id} are not kept any more",
        reference="snapshot-gone",
        note=why,
        hint=ways,
    )


def _check_untouched(
    environment: Environment, entries: Sequence[Entry], chosen: Sequence[Entry], found: Restoration, ways: str
) -> dict[str, Signature | None]:
    """What is there now. Refuse where that isn't as the transactions left it, unless it is as before them already."""
    state = state_of(environment)
    there = {place: signature(state.path(place)) for place in found.files}
    touched = [
        place for place, now in there.items() if now != found.expected[place] and now != _looks(found.files[place])
    ]
    if not touched:
        return there
    _check_later(state, entries, chosen, touched)
    raise PlanBlockedError(
        "something else has changed this environment since, and an undo would destroy that",
        reference="changed-since",
        context=tuple(_described(environment, touched)),
        hint=ways,
    )


def _looks(target: tuple[Path, Kept] | None) -> Signature | None:
    """What a place will look like."""
    if target is None:
        return None
    _, kept = target
    if kept.target:
        return Signature("link", target=kept.target)
    return Signature("file", kept.mode, kept.size, kept.mtime_ns)


def _check_later(state: State, entries: Sequence[Entry], chosen: Sequence[Entry], touched: Sequence[str]) -> None:
    """Refuse where the files were changed by a later transaction of ours: that one has to go first."""
    standing = in_force(entries)
    for entry in entries:
        if entry.id <= chosen[-1].id:
            return
        if entry.id not in standing or entry in chosen:
            continue
        files = read_files(state.of(entry.id))
        if files is not None and not files.left.keys().isdisjoint(touched):
            raise PlanBlockedError(
                f"{entry.command or entry.id} came later and changed the same files",
                reference="changed-later",
                hint=f"%pkg undo {entry.id} first",
            )


def _described(environment: Environment, touched: Sequence[str]) -> Iterator[str]:
    """What changed behind our back, by package where one owns the files."""
    state = state_of(environment)
    inventory = read_inventory(environment)
    owners = [
        inventory.owner(environment.prefix / place) or inventory.owner(Path(state.path(place))) for place in touched
    ]
    counts = Counter(f"{owner.name} {owner.version}" for owner in owners if owner is not None)
    yield from (f"{name}: {count} {'file' if count == 1 else 'files'}" for name, count in counts.items())
    others = [place for place, owner in zip(touched, owners, strict=True) if owner is None]
    for place in others[:_SHOWN]:
        yield f"{place} {'was changed' if os.path.lexists(state.path(place)) else 'is gone'}"
    if len(others) > _SHOWN:
        yield f"and {len(others) - _SHOWN} more"


# --- doing it ------------------------------------------------------------------------------------------------------


def apply_undo(
    undo: UndoPlan,
    *,
    owner: Owner,
    events: EventSink,
    cancel: Cancellation,
    replanned: Callable[[UndoPlan], None] | None = None,
) -> Outcome:
    """Take transactions back, as a transaction of its own.

    Parameters
    ----------
    replanned
        Where given, an outdated plan is made again for the very same transactions, and this is told the new one.
        What it raises keeps that from being applied.

    Raises
    ------
    PlanOutdatedError
        If somebody else has taken one of the transactions back since the plan was made; or changed anything, and
        the plan isn't to be made again.
    PlanBlockedError
        If something else has changed the files meanwhile, or needs what would go.
    """
    refuse_blocked(undo.plan)
    read_limits()  # a setting that makes no sense is to be told now, not when all is done
    state = state_of(undo.plan.environment)
    with hold(undo.plan.environment, owner, events=events, cancel=cancel):
        return _carry_out(_current(undo, replanned), state, owner=owner, events=events, cancel=cancel)


def _carry_out(undo: UndoPlan, state: State, *, owner: Owner, events: EventSink, cancel: Cancellation) -> Outcome:
    """The transaction itself, in an environment that is held and looks as it did when the plan was made."""
    plan, found, undoes = undo.plan, undo.restoration, tuple(entry.id for entry in undo.entries)
    before = read_inventory(plan.environment)
    entries, ways = read_entries(plan.environment), _other_ways(plan.changes)
    was = _check_untouched(plan.environment, entries, undo.entries, found, ways)
    cancel.check()
    sources = [state.path(place) for place in found.files]
    with transaction(plan, owner, linked=(*sources, *bytecode(sources)), undoes=undoes) as work:
        _announce(plan, events, "started")
        restore(state, found)
        _announce(plan, events, "finished")
        events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
        after = read_inventory(plan.environment)
        if not undo.exact:
            _check_dependents(before, after)
        verify(_whatever_is_broken(plan), before, after)
        work.fingerprint = after.fingerprint
    return Outcome(
        plan=plan,
        seconds=work.seconds,
        fingerprint=after.fingerprint,
        transaction=work.id,
        undoes=undoes,
        warnings=tuple(work.warnings),
        changed_files=tuple(
            Path(state.path(place))
            for place, then in was.items()
            if then is not None and then != _looks(found.files[place])
        ),
    )


def _current(undo: UndoPlan, replanned: Callable[[UndoPlan], None] | None) -> UndoPlan:
    """The undo of the same transactions for what is there now, by which others may have come first."""
    environment = undo.plan.environment
    mark = fingerprint(environment)
    entries = read_entries(environment)
    _check_in_force(entries, undo)
    if mark == undo.plan.fingerprint:
        return undo
    if replanned is None:
        raise PlanOutdatedError("the environment changed since the plan was made", hint="%pkg undo again")
    names = {entry.id for entry in undo.entries}
    chosen = tuple(entry for entry in entries if entry.id in names)
    new = _plan(environment, undo.plan.request, mark, entries, chosen)
    kept = tuple(notice for notice in undo.plan.warnings if notice not in new.plan.warnings)
    new = replace(new, plan=replace(new.plan, warnings=(*kept, *new.plan.warnings)))
    replanned(new)
    return new


def _check_in_force(entries: Sequence[Entry], undo: UndoPlan) -> None:
    standing = in_force(entries)
    for entry in undo.entries:
        if entry.id in standing:
            continue
        by = next((other for other in entries if entry.id in other.undoes), None)
        who = f" by {by.user}@{by.host}" if by is not None else ""
        raise PlanOutdatedError(
            f"{entry.command or entry.id} was undone meanwhile{who}; nothing was changed",
            reference="undone-meanwhile",
            hint="%pkg history shows what stands; %pkg undo goes one further back",
        )


def _whatever_is_broken(plan: Plan) -> Plan:
    """The plan, held to its packages only: what stood before may have had broken dependencies too."""
    return replace(plan, request=replace(plan.request, options=replace(plan.request.options, force=True)))


def _announce(plan: Plan, events: EventSink, state: str) -> None:
    for number, step in enumerate(plan.steps):
        events(Event(kind=EventKind.STEP, step=number, state=state, message=step.plan.engine))


def _check_dependents(before: Inventory, after: Inventory) -> None:
    """Refuse where what is newer needs what has gone."""
    known = {problem.message for problem in before.broken_dependencies()}
    broken = [problem.message for problem in after.broken_dependencies() if problem.message not in known]
    if broken:
        raise PlanBlockedError(
            "what came later needs what the undo takes away",
            reference="breaks-dependency",
            context=tuple(broken[:_SHOWN]),
            hint="undo the later change first: %pkg history lists them",
        )


def bytecode(sources: Iterable[str]) -> Iterator[str]:
    """The compiled forms of these modules that Python left beside them (PEP 3147)."""
    modules: dict[str, set[str]] = {}
    for source in sources:
        folder, name = os.path.split(source)
        if name.endswith(".py"):
            modules.setdefault(folder, set()).add(name[: -len(".py")])
    for folder, names in modules.items():
        cache = os.path.join(folder, _CACHE)
        if os.path.isdir(cache):
            yield from (os.path.join(cache, name) for name in os.listdir(cache) if name.partition(".")[0] in names)


def restore(state: State, found: Restoration) -> None:
    """Put everything as it was before.

    Compiled modules go first: Python would take one for current whose source has the same time and size.

    Raises
    ------
    VerificationError
        If a kept file turns out to be damaged.
    """
    for path in [*bytecode(map(state.path, found.files)), *(_going_away(state, found))]:
        remove_file(path)
    for place in sorted(found.folders, reverse=True):
        if found.folders[place] is None:
            _remove_folder(state.path(place))
    for place, mode in sorted(found.folders.items()):
        if mode is not None and not os.path.isdir(state.path(place)):
            os.makedirs(state.path(place))
            os.chmod(state.path(place), mode)
    returning = list(filter(None, (*found.files.values(), *_compiled(found))))
    for above in {os.path.dirname(state.path(kept.place)) for _, kept in returning}:
        os.makedirs(above, exist_ok=True)
    for folder, kept in returning:
        if not put_back(state, folder, kept, temporary=TEMPORARY):
            raise VerificationError(f"the file kept for {kept.place} is gone or damaged", reference="snapshot-gone")


def _going_away(state: State, found: Restoration) -> Iterator[str]:
    return (state.path(place) for place, target in found.files.items() if target is None)


def _compiled(found: Restoration) -> Iterator[tuple[Path, Kept]]:
    """The bytecode that belongs to what is put back: kept by the same transaction as its module."""
    for place, (folder, kept) in found.compiled.items():
        above, _, name = place.rpartition(f"/{_CACHE}/")
        target = found.files.get(f"{above}/{name.partition('.')[0]}.py")
        if target is not None and target[0] == folder:
            yield folder, kept


def _remove_folder(path: str) -> None:
    """Remove a folder in which nothing is left but what Python compiled; what others put there stays."""
    try:
        left = os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if left == [_CACHE]:
        remove_tree(os.path.join(path, _CACHE))
        left = []
    if not left:
        os.rmdir(path)

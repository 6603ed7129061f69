"""conda's rules on top of rattler's solver: what an install, an update or a remove means. Runs in the worker.

rattler's solver is declarative: it answers what an environment should hold, and what isn't asked for may go.
conda's rules (docs of ``conda install``, ``update``, ``remove``; behaviour of its solver plugins) say what to ask:

- *install* of what is there and satisfies the spec changes nothing. Otherwise it is tried with everything
  else frozen first, then with everything else merely preferred, then without the packages that nobody asked
  for and that stand in the way, and at last with the specs of earlier requests weakened to their names.
- *update* takes the named packages (or all) to the newest that the rest allows, and nothing to an older one.
- *remove* takes what depends on the named packages too, and what only they needed.
- Python keeps its minor version unless ``python`` itself is named.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.engines.solver_report import essence
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    PackageNotFoundError,
    VersionNotFoundError,
)
from jupyter_pkgmgr.model.plan import Action, Verb

from . import rattler_worker_api as api
from .rattler_worker_api import Record, SolveInput, Source

__all__ = ["Question", "make_plan"]

_NAME = re.compile(r"[^\s\[\]=<>!~,|]+")
_SHOWN_VERSIONS = 10
_SHOWN_LINES = 8
_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the driver asks for."""

    prefix: Path
    verb: Verb
    specs: tuple[str, ...]
    history: Mapping[str, str]
    """Specs of earlier requests, by package."""
    history_known: bool
    """Whether anything recorded what was requested; if not, nothing can be called an orphan."""
    updates: tuple[str, ...] = ()
    """Beside an install: the packages that are to be as new as they can."""
    removals: tuple[str, ...] = ()
    """Beside an install or an update: the packages that are to go."""
    held: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    eager: tuple[str, ...] = ()
    """Packages that take every chance to be updated (``aggressive_update_packages``)."""
    upgrade: bool = False
    no_deps: bool = False
    force_reinstall: bool = False
    add_pip: bool = True

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Question:
        """The question as it came over the pipe."""
        lists = {key: tuple(document[key]) for key in ("specs", "updates", "removals", "held", "pins", "eager")}
        return cls(
            **{**document, **lists, "prefix": Path(document["prefix"]), "verb": Verb(document["verb"])},
        )


class _State:
    """The environment as it is, and what the question says about it."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.before: dict[str, Record] = dict(api.read_prefix(question.prefix))
        self.gone = self._going()
        """Why each of the packages goes that are removed, those that need them included."""
        self.installed = {name: record for name, record in self.before.items() if name not in self.gone}
        """What there is for the solver to mind: without what is to go."""
        self.history = {name: spec for name, spec in question.history.items() if name in self.installed}

    def _going(self) -> dict[str, str]:
        """The named removals, and what needs them; not what the same request brings in another version."""
        removing = self.question.verb is Verb.REMOVE
        gone = dict.fromkeys(self.named if removing else self.question.removals, "requested")
        left = {name: record for name, record in self.before.items() if name not in gone}
        if self.question.no_deps:
            return gone
        staying = set() if removing else set(self.named)
        while broken := {
            name: need
            for name, record in left.items()
            if name not in staying and (need := _lost_dependency(record, gone, left))
        }:
            for name, need in broken.items():
                gone[name] = f"needs {need}, which is removed"
                del left[name]
        return gone

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """The specs of the request, by package."""
        found: dict[str, list[str]] = {}
        for spec in self.question.specs:
            found.setdefault(_name(spec), []).append(spec)
        return found

    @property
    def unlocked(self) -> set[str]:
        """Packages that are to be as new as they can."""
        question = self.question
        if question.verb is Verb.UPDATE and not question.specs:
            return set(self.installed) - set(question.held)
        wanted = set(question.eager) & set(self.installed)
        wanted |= set(self.named if question.verb is Verb.UPDATE or question.upgrade else question.updates)
        return wanted - set(question.held)

    @cached_property
    def constraints(self) -> list[str]:
        """Pins, and Python's minor version."""
        constraints = [pin for pin in self.question.pins if not _is_bare(pin)]
        python = self.installed.get("python")
        if python is not None and "python" not in self.named:
            minor = ".".join(str(python.version).split(".")[:2])
            constraints.append(f"python {minor}.*")
        return constraints

    @cached_property
    def fixed(self) -> set[str]:
        """Packages that must stay as they are: held ones, and those pinned by name alone."""
        bare = {_name(pin) for pin in self.question.pins if _is_bare(pin)}
        return (bare | set(self.question.held)) & set(self.installed)

    def is_satisfied(self) -> bool:
        """Whether the environment already is what an install asks for."""
        question = self.question
        if question.verb is not Verb.INSTALL or question.upgrade or question.force_reinstall:
            return False
        if question.updates or question.removals:
            return False
        return all(any(api.matches(spec, record) for record in self.installed.values()) for spec in question.specs)

    def kept_spec(self, name: str) -> str:
        """What to ask for so that an installed package stays: its earlier spec as long as that still fits."""
        spec = self.history.get(name, "")
        return spec if spec and api.matches(spec, self.installed[name]) else name


async def make_plan(source: Source, question: Question) -> dict[str, Any]:
    """Work out the changes, as JSON: ``changes``, ``neutered`` and what :func:`~.rattler_worker.install` needs.

    Raises
    ------
    PackageNotFoundError, VersionNotFoundError, ConflictError
        If there is no such package, no such version, or no solution.
    """
    state = _State(question)
    _check_installed(state)
    if question.verb is Verb.REMOVE or state.is_satisfied():
        final = dict(state.installed)
    else:
        final = await _solve(source, state)
    final, reasons = _without_orphans(state, final)
    return _describe(state, final, reasons, Path(source.channels.pkgs_dir))


def _check_installed(state: _State) -> None:
    """An update or a remove of what isn't there is an error, as conda has it."""
    question = state.question
    there = [*question.removals, *(() if question.verb is Verb.INSTALL else state.named)]
    missing = [name for name in there if name and name not in state.before]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], list(state.before), n=5)
    context = (f"installed with a similar name: {', '.join(near)}",) if near else ()
    msg = f"{', '.join(missing)} is not installed in this environment"
    hint = f"%pkg install {missing[0]}" if question.verb is Verb.UPDATE else "%pkg list shows what is installed"
    raise PackageNotFoundError(msg, reference="not-installed", context=context, hint=hint)


# removing


def _without_orphans(state: _State, final: dict[str, Record]) -> tuple[dict[str, Record], dict[str, str]]:
    """What is left when what was removed has taken along what only it needed, and why each of those goes.

    Orphans as libsolv's "clean dependencies" has them, which conda and mamba use: dependencies of removed
    packages that nobody asked for and nothing left needs. Orphans from before stay.
    """
    reasons = {name: reason for name, reason in state.gone.items() if name not in final}
    if reasons and state.question.history_known and not state.question.no_deps:
        reasons |= dict.fromkeys(_orphans(state, reasons, final), "orphan: nothing needs it any more")
    return {name: record for name, record in final.items() if name not in reasons}, reasons


def _lost_dependency(record: Record, gone: Collection[str], left: Mapping[str, Record]) -> str:
    return next((need for need in _needs(record) if need in gone and need not in left), "")


def _orphans(state: _State, gone: Iterable[str], left: Mapping[str, Record]) -> list[str]:
    candidates = (_closure(gone, state.before) & set(left)) - set(state.named)
    roots = [name for name in left if name not in candidates or name in state.history or name in state.fixed]
    needed = _closure(roots, left) | set(roots)
    return sorted(candidates - needed)


def _closure(names: Iterable[str], records: Mapping[str, Record]) -> set[str]:
    """Everything that the named packages need, directly or not, among the records."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        record = records.get(pending.pop())
        for need in _needs(record) if record is not None else ():
            if need in records and need not in found:
                found.add(need)
                pending.append(need)
    return found


# installing and updating


async def _solve(source: Source, state: _State) -> dict[str, Record]:
    try:
        final = await _first_solution(source, state, state.unlocked)
    except api.Unsolvable:
        # a package that no channel has (any more), or only an older one, can't be updated: it stays
        stale = await _without_newer(source, state, state.unlocked)
        try:
            final = await _first_solution(source, state, state.unlocked - stale)
        except api.Unsolvable as second:
            raise await _explain(source, state, str(second)) from second
    if state.question.no_deps:
        final = state.installed | {name: final[name] for name in state.named if name in final}
    return final


async def _first_solution(source: Source, state: _State, unlocked: set[str]) -> dict[str, Record]:
    """Ask in ever weaker terms until there is a solution."""
    failure: api.Unsolvable | None = None
    # rattler adds pip to what Python needs, as conda does; for a Python that is there already that would
    # bring pip into environments made without it, and where no channel has pip no Python could be had
    add_pip = state.question.add_pip and "python" not in state.installed and any(await api.find(source, ["pip"]))
    for ask in _ways(state, unlocked):
        try:
            solution = {_key(record): record for record in await api.solve(source, ask, add_pip=add_pip)}
        except api.Unsolvable as error:
            failure = error
            continue
        return _keep_what_fits(state, solution)
    raise failure or api.Unsolvable("nothing was asked")


def _ways(state: _State, unlocked: set[str]) -> Iterator[SolveInput]:
    """The questions to the solver, strictest first."""
    installed = state.installed
    others = [name for name in installed if name not in state.named]
    wanted = [spec for specs in state.named.values() for spec in specs]
    fixed = [installed[name] for name in sorted(state.fixed)]
    preferred = [record for name, record in installed.items() if name not in unlocked and name not in state.fixed]
    constraints = list(state.constraints)
    if state.question.verb is Verb.UPDATE:
        constraints += [f"{name} >={record.version}" for name, record in installed.items()]
    constraints += [f"{name} >={installed[name].version}" for name in state.question.updates if name in installed]
    everything = [name if name in unlocked else state.kept_spec(name) for name in others]
    asked_for = [name for name in others if name in state.history or name in state.fixed]

    def way(kept: Sequence[str], pinned: Sequence[Record] = (), locked: Sequence[Record] = ()) -> SolveInput:
        return SolveInput(specs=[*wanted, *kept], constraints=constraints, pinned=[*fixed, *pinned], locked=locked)

    if not unlocked and others:
        free = {*state.named, *state.history, *state.fixed}
        frozen = [record for name, record in installed.items() if name not in free]
        yield way(everything, pinned=frozen, locked=[record for record in preferred if record not in frozen])
    yield way(everything, locked=preferred)
    yield way([name if name in unlocked else state.kept_spec(name) for name in asked_for], locked=preferred)
    yield way(asked_for, locked=preferred)


def _keep_what_fits(state: _State, solution: dict[str, Record]) -> dict[str, Record]:
    """Put back installed packages that the solver left out, as long as nothing in the solution breaks them.

    Without it every package that nobody asked for by name, or that nothing needs any more, would go.
    """
    final = dict(solution)
    left_out = {name: record for name, record in state.installed.items() if name not in solution}
    final |= left_out
    while broken := [name for name in left_out if name in final and not _fits(final[name], final)]:
        for name in broken:
            del final[name]
    return final


def _fits(record: Record, records: Mapping[str, Record]) -> bool:
    """Whether everything a package needs is there, and nothing forbids it."""
    name = _key(record)
    for depend in record.depends:
        need = _name_of(depend)
        if not need.startswith("__") and (need not in records or not api.matches(depend, records[need])):
            return False
    own = all(_allows(constraint, records) for constraint in record.constrains)
    return own and all(
        api.matches(constraint, record)
        for other in records.values()
        for constraint in other.constrains
        if _name_of(constraint) == name
    )


def _allows(constraint: str, records: Mapping[str, Record]) -> bool:
    name = _name_of(constraint)
    return name not in records or api.matches(constraint, records[name])


async def _without_newer(source: Source, state: _State, names: set[str]) -> set[str]:
    """Of these installed packages, those for which the channels have nothing at least as new."""
    known = sorted(name for name in names if name in state.installed)
    found = await api.find(source, [f"{name} >={state.installed[name].version}" for name in known])
    return {name for name, records in zip(known, found, strict=True) if not records}


# why there is no solution


async def _explain(source: Source, state: _State, report: str) -> Exception:
    """The error that says most: an unknown name, an impossible version, or the conflict."""
    specs = [spec for specs in state.named.values() for spec in specs if "://" not in spec.split("::")[-1]]
    names = [_name(spec) for spec in specs]
    all_found = await api.find(source, names)
    if unknown := [name for name, found in zip(names, all_found, strict=True) if not found]:
        return await _unknown(source, list(dict.fromkeys(unknown)))
    for name, spec, found in zip(names, specs, all_found, strict=True):
        if not any(api.matches(spec, record) for record in found):
            return _impossible(name, spec, found)
    return _conflict(state, report)


async def _unknown(source: Source, names: Sequence[str]) -> PackageNotFoundError:
    everything = await api.names(source)
    shown = names[:_SHOWN_NAMES]
    near = {name: difflib.get_close_matches(name, everything, n=5, cutoff=0.7) for name in shown}
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    best = next((found[0] for found in near.values() if found), "")
    return PackageNotFoundError(
        f"no channel has a package {', '.join(shown)}{more}",
        context=tuple(f"names similar to {name}: {', '.join(found)}" for name, found in near.items() if found),
        note=f"looked in {', '.join(source.channels.urls)} for {source.channels.subdir}",
        hint=f"%pkg install {best}" if best and len(names) == 1 else f"%pkg search {names[0]}",
    )


def _impossible(name: str, spec: str, found: Sequence[Record]) -> VersionNotFoundError:
    versions = list(dict.fromkeys(str(record.version) for record in found))
    shown = ", ".join(versions[:_SHOWN_VERSIONS])
    more = f" and {len(versions) - _SHOWN_VERSIONS} older" if len(versions) > _SHOWN_VERSIONS else ""
    return VersionNotFoundError(
        f"no channel has {spec}",
        context=(f"versions of {name}: {shown}{more}",),
        hint=f"%pkg install '{name}={versions[0]}'",
    )


def _conflict(state: _State, report: str) -> ConflictError:
    text = report.removeprefix("Cannot solve the request because of: ")
    lines = essence(text) or tuple(filter(None, map(str.strip, text.splitlines())))
    context = list(lines[:_SHOWN_LINES])
    if len(lines) > _SHOWN_LINES:
        context.append(f"… {len(lines) - _SHOWN_LINES} more lines with -v")
    concerned = [name for name in state.fixed if re.search(rf"\b{re.escape(name)}\b", text)]
    pins = [pin for pin in state.constraints if re.search(rf"\b{re.escape(_name(pin))}\b", text)]
    kept = [f"{name} stays at {state.installed[name].version}" for name in sorted(concerned)]
    asked = " ".join(state.question.specs) or "everything"
    return ConflictError(
        f"{asked} can't be had together with the rest of this environment",
        context=tuple(context),
        note="; ".join([*kept, *(f"pinned: {pin}" for pin in pins)]) or None,
        hint="ask for another version, or put it into an environment of its own",
        detail=report,
    )


# what the plan says


def _describe(state: _State, final: Mapping[str, Record], reasons: Mapping[str, str], cache: Path) -> dict[str, Any]:
    before, question = state.before, state.question
    relinked = _relinked(state, final)
    changed = {name for name in {*before, *final} if not _same(before.get(name), final.get(name))} | relinked
    why = _Reasons(state, final, changed)
    changes = [
        {
            "action": _action(before.get(name), final.get(name)).value,
            "before": _document(before.get(name)),
            "after": _document(final.get(name)),
            "requested": name in state.named or name in question.removals,
            "reason": reasons.get(name) or why(name),
        }
        for name in sorted(changed)
    ]
    weakened = {
        name: f"{name}=={final[name].version}"
        for name, spec in state.history.items()
        if name not in state.named and name in final and not api.matches(spec, final[name])
    }
    return {
        "changes": changes,
        "neutered": sorted(weakened.values()),
        "reinstall": sorted(relinked),
        "before": sorted(_dist(record) for record in before.values()),
        "after": sorted(_dist(record) for record in final.values()),
        # what a package that isn't in the cache brings is known only when it was fetched
        "scripts": sorted(
            name
            for name in changed
            if (name in before and api.link_script(before[name], "pre-unlink", below=question.prefix))
            or (name in final and api.link_script(final[name], "post-link", below=cache / _dist(final[name])))
        ),
    }


def _relinked(state: _State, final: Mapping[str, Record]) -> set[str]:
    """Unchanged packages that are put in again: by request, or because Python's folder got another name."""
    unchanged = {name for name in final if _same(state.before.get(name), final[name])}
    again = set(state.named) & unchanged if state.question.force_reinstall else set()
    old, new = state.before.get("python"), final.get("python")
    if old is not None and new is not None and _minor(old) != _minor(new):
        again |= {name for name in unchanged if final[name].noarch.python}
    return again


class _Reasons:
    """Why each package changes."""

    def __init__(self, state: _State, final: Mapping[str, Record], changed: set[str]) -> None:
        self._state = state
        self._final = final
        self._needed_by: dict[str, list[str]] = {}
        order = sorted(final, key=lambda name: (name not in state.named, name not in changed, name))
        for name in order:
            for need in _needs(final[name]):
                self._needed_by.setdefault(need, []).append(name)
        self._changed = changed

    def __call__(self, name: str) -> str:
        if name in self._state.named:
            return "requested"
        old, new = self._state.before.get(name), self._final.get(name)
        parents = [parent for parent in self._needed_by.get(name, ()) if parent in self._changed]
        if old is None:
            return f"dependency of {parents[0]}" if parents else "dependency"
        if new is None:
            return self._misfit(old) or "stands in the way of what was asked for"
        if _same(old, new):
            return "put in again for the new Python"
        forcing = [parent for parent in parents if self._refuses(parent, name, old)]
        if forcing:
            return f"required by new {forcing[0]}"
        newest = "newest version that the rest allows" if name in self._state.unlocked else ""
        return self._misfit(old) or newest or "fits the other changes"

    def _refuses(self, parent: str, name: str, record: Record) -> bool:
        depends = self._final[parent].depends
        return any(_name_of(depend) == name and not api.matches(depend, record) for depend in depends)

    def _misfit(self, old: Record) -> str:
        """What an installed package needs and no longer has."""
        for depend in old.depends:
            need = _name_of(depend)
            if need in self._changed and (need not in self._final or not api.matches(depend, self._final[need])):
                return f"{old.version} doesn't go with the new {need}"
        return ""


def _action(before: Record | None, after: Record | None) -> Action:
    if before is None:
        return Action.INSTALL
    if after is None:
        return Action.REMOVE
    if _same(before, after):
        return Action.REINSTALL
    old, new = (before.version, before.build_number), (after.version, after.build_number)
    return Action.REINSTALL if old == new else Action.UPGRADE if new > old else Action.DOWNGRADE


def _document(record: Record | None) -> dict[str, Any] | None:
    return api.document(record) if record is not None else None


def _same(first: Record | None, second: Record | None) -> bool:
    """Whether two records are one package: its file, wherever it was fetched from."""
    if first is None or second is None:
        return first is second
    if _dist(first) != _dist(second) or first.subdir != second.subdir:
        return False
    return first.sha256 is None or second.sha256 is None or first.sha256 == second.sha256


def _dist(record: Record) -> str:
    return f"{_key(record)}-{record.version}-{record.build}"


def _key(record: Record) -> str:
    return str(record.name.normalized)


def _minor(record: Record) -> list[str]:
    return str(record.version).split(".")[:2]


def _needs(record: Record) -> list[str]:
    return [name for depend in record.depends if not (name := _name_of(depend)).startswith("__")]


def _name_of(depend: str) -> str:
    """The package a dependency is about; a channel before it doesn't occur in repodata."""
    match = _NAME.match(depend.strip())
    return match[0].lower() if match else ""


def _name(spec: str) -> str:
    return api.spec_name(spec)


def _is_bare(pin: str) -> bool:
    return _NAME.fullmatch(pin.strip()) is not None

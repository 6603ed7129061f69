"""Whether a plan does more than was asked for, or puts something at stake: then somebody should look at it first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Action, Change, Ecosystem, Plan, Spec, Verb

__all__ = ["download_size", "review"]

LARGE = 200_000_000
"""Bytes from which on a download is worth a question."""
_NAMED = 5
"""Packages that a sentence names."""
_FETCHED = frozenset(Action) - {Action.REMOVE}


def download_size(plan: Plan) -> int | None:
    """Bytes of everything that is fetched, unless it is in a cache; ``None`` where a size isn't known."""
    sizes = _sizes(plan)
    return None if None in sizes else sum(size or 0 for size in sizes)


def _sizes(plan: Plan) -> list[int | None]:
    return [change.after.size for change in plan.changes if change.action in _FETCHED and change.after is not None]


def review(plan: Plan) -> tuple[str, ...]:
    """Why somebody should look at the plan before it is applied, each a sentence; none if it is just what was asked."""
    return (
        *(f"it can't be applied: {notice.message}" for notice in plan.blockers),
        *(notice.message for notice in plan.warnings),
        *(() if plan.request.verb is Verb.UNDO else _beyond(plan)),
        *_large(plan),
    )


def _beyond(plan: Plan) -> Iterator[str]:
    """What happens beyond what was asked for."""
    everything = plan.request.updates_all
    others = [change for change in plan.changes if not change.requested]
    yield from _said("it also removes", (change for change in others if change.action is Action.REMOVE))
    yield from _said("it also downgrades", (change for change in others if change.action is Action.DOWNGRADE))
    yield from _said("it downgrades", (change for change in plan.changes if _surprising_downgrade(change, plan)))
    if not everything:
        yield from _said("it also upgrades", (change for change in others if change.action is Action.UPGRADE))
        yield from _said("it also reinstalls", (change for change in others if change.action is Action.REINSTALL))
    yield from _elsewhere(plan)


def _surprising_downgrade(change: Change, plan: Plan) -> bool:
    """Whether a package that was named gets older, and nobody said which version it should have."""
    if not change.requested or change.action is not Action.DOWNGRADE:
        return False
    spec = _spec_of(change, plan.request.specs)
    return spec is None or not (spec.version or spec.location)


def _elsewhere(plan: Plan) -> Iterator[str]:
    """Packages that come from another ecosystem than one would expect."""
    if not plan.environment.is_conda:
        return
    taken = [change for change in plan.changes if change.after is not None and change.action is not Action.REMOVE]
    moved = [change for change in taken if change.before and change.after and _moves(change)]
    yield from _said("it replaces, by a package of the other ecosystem,", moved)
    options = plan.request.options
    for change in taken:
        spec = _spec_of(change, plan.request.specs)
        named = options.ecosystem or (spec.ecosystem if spec else None)
        new = change.before is None and change.requested and named is None
        if new and change.package.ecosystem is Ecosystem.PYPI:
            yield f"{change.package.name} comes from PyPI, not from a conda channel"


def _moves(change: Change) -> bool:
    before, after = change.before, change.after
    return before is not None and after is not None and before.ecosystem is not after.ecosystem


def _spec_of(change: Change, specs: Sequence[Spec]) -> Spec | None:
    name = canonicalize_name(change.package.name)
    return next((spec for spec in specs if spec.name and canonicalize_name(spec.name) == name), None)


def _said(what: str, changes: Iterable[Change]) -> Iterator[str]:
    names = [_in_words(change) for change in changes]
    if names:
        more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
        yield f"{what} {', '.join(names[:_NAMED])}{more}"


def _in_words(change: Change) -> str:
    if change.before is None or change.after is None or change.before.version == change.after.version:
        return f"{change.package.name} {change.package.version}"
    return f"{change.after.name} {change.before.version} → {change.after.version}"


def _large(plan: Plan) -> Iterator[str]:
    known = sum(size for size in _sizes(plan) if size is not None)
    if known >= LARGE:
        yield f"it downloads {known / 1_000_000:.0f} MB"

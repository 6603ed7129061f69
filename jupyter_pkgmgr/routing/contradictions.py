"""Where the parts of one request don't go together: what comes, or is to stay, needs what goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Action, Change, Ecosystem, Notice, Package, Verb

from .assign import Assigned
from .context import Context
from .effects import find_wanting
from .shadow import distributions_of

__all__ = ["find_contradictions"]


def find_contradictions(context: Context, assigned: Assigned, changes: Sequence[Change]) -> list[Notice]:
    """Blockers for packages that are to be removed and yet would be there afterwards, and the other way round.

    Resolvers are asked for the environment without what goes, so whatever needs that brings it back.
    """
    removed = {item.key for item in assigned.assignments if item.verb is Verb.REMOVE}
    if not removed:
        return []
    return [*_coming_back(context, removed, changes), *_lost(context, assigned.satisfied, changes)]


def _coming_back(context: Context, removed: set[tuple[Ecosystem, str]], changes: Sequence[Change]) -> Iterator[Notice]:
    going = {change.package.key for change in changes if change.action is Action.REMOVE}
    coming = {
        name: change.after
        for change in changes
        if change.after is not None and not change.requested
        for name in _names(change.after)
    }
    for package in (package for package in context.inventory.packages if package.key in removed):
        back = next((coming[name] for name in sorted(_names(package)) if name in coming), None)
        if back is not None or package.key not in going:
            yield _notice(find_wanting(context, back or package, changes), package)


def _names(package: Package) -> set[str]:
    """The names of the Python distributions that a package brings, and its own."""
    if package.ecosystem is Ecosystem.PYPI:
        return {canonicalize_name(package.name)}
    known = [name for name, _ in package.provides] or distributions_of(package)
    return {canonicalize_name(package.name), *known}


def _notice(wanting: Sequence[str], package: Package) -> Notice:
    who = " and ".join(wanting[:2]) or "what is to be installed"
    need = "need" if len(wanting) > 1 else "needs"
    instead = f"either {wanting[0]} or the removal" if wanting else "the removal"
    return Notice(
        reference="needs-removed",
        message=f"{who} {need} {package.name}, which this plan removes",
        hint=f"leave out {instead} of {package.name}",
        packages=(package.name, *wanting),
    )


def _lost(context: Context, satisfied: Sequence[Package], changes: Sequence[Change]) -> Iterator[Notice]:
    """What was to be installed, is there already, and would go because of what it needs."""
    going = {change.package.key for change in changes if change.action is Action.REMOVE}
    for package in satisfied:
        if package.key in going:
            needs = next((item for item in context.requirements_of(package) if item.key in going), package)
            yield _notice([package.name], needs)

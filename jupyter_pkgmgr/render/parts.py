"""Plans in pieces, for what shows them by itself: a front end's renderer, and the REST API.

What packages say of themselves and what tools report is untrusted: control characters and credentials never get in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_pkgmgr.model import FROM_SNAPSHOT, Change, Notice, OriginKind, Package, Step, to_json

from .rendered import clean

__all__ = ["change_part", "change_source", "notice_part", "package_part", "step_part"]


def package_part(package: Package) -> dict[str, Any]:
    """A package, as far as a plan shows it."""
    return {
        "name": clean(package.name),
        "version": clean(package.version),
        "ecosystem": package.ecosystem.value,
        "build": clean(package.build),
        "origin": to_json(package.origin),
        "source": clean(package.source),
        "size": package.size,
    }


def change_source(change: Change, engine: str = "") -> str:
    """Where what comes is from, in a word or two. An index that nobody could tell from others isn't called PyPI."""
    after = change.after
    if after and engine == FROM_SNAPSHOT:
        return "kept files"
    if after and after.origin.kind is OriginKind.INDEX and not after.origin.location:
        return "an index"
    return change.package.source


def change_part(
    change: Change, *, engine: str = "", package: Callable[[Package], dict[str, Any]] = package_part
) -> dict[str, Any]:
    """One change by an engine; ``package`` makes what is before and after."""
    after = package(change.after) | {"source": clean(change_source(change, engine))} if change.after else None
    return {
        "action": change.action.value,
        "before": package(change.before) if change.before else None,
        "after": after,
        "requested": change.requested,
        "reason": clean(change.reason),
    }


def step_part(step: Step, *, package: Callable[[Package], dict[str, Any]] = package_part) -> dict[str, Any]:
    """One engine's step; ``package`` as for :func:`change_part`."""
    return {
        "engine": step.plan.engine,
        "engine_version": step.plan.engine_version,
        "ecosystem": step.plan.ecosystem.value,
        "reason": clean(step.reason),
        "changes": [change_part(change, engine=step.plan.engine, package=package) for change in step.plan.changes],
    }


def notice_part(notice: Notice) -> dict[str, Any]:
    """A warning or a blocker."""
    return {
        "reference": notice.reference,
        "message": clean(notice.message),
        "hint": notice.hint and clean(notice.hint),
        "packages": [clean(name) for name in notice.packages],
        "note": notice.note and clean(notice.note),
    }

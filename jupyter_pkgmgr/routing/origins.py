"""Which index the packages of a plan come from, where there are several places and the engine doesn't tell.

pip's report has the URL of each file, so the index that lists it is the one. uv's dry run has names and versions only:
the first of its indexes that has the version gives it, whatever the strategy (uv documentation, "Searching across
multiple indexes": of a version that is on several indexes only the entry of the first is looked at).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urldefrag

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.catalog import VersionList
from jupyter_pkgmgr.catalog.http import without_credentials
from jupyter_pkgmgr.model import Change, Ecosystem, Origin, OriginKind, Package, Step, redact

from .context import Context

__all__ = ["with_origins"]


def with_origins(context: Context, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with the index that each package comes from; where nobody can tell for sure, nothing is said."""
    wanted = [change.after for step in steps for change in step.plan.changes if change.after and _is_open(change.after)]
    if not wanted:
        return tuple(steps)
    context.tell(f"asking {context.index} which of them has what")
    found = context.index_versions([package.name for package in wanted])
    known: dict[str, VersionList] = {canonicalize_name(name): answer for name, answer in found.items()}
    places = [_bare(place) for place in (*context.index_settings.extra_index_urls, context.index_settings.index_url)]
    return tuple(
        replace(
            step, plan=replace(step.plan, changes=tuple(_placed(change, known, places) for change in step.plan.changes))
        )
        for step in steps
    )


def _is_open(package: Package) -> bool:
    origin = package.origin
    return package.ecosystem is Ecosystem.PYPI and origin.kind is OriginKind.INDEX and not origin.location


def _placed(change: Change, known: dict[str, VersionList], places: Sequence[str]) -> Change:
    package = change.after
    if package is None or not _is_open(package):
        return change
    answer = known.get(canonicalize_name(package.name))
    place = _place(package, answer, places) if answer and not answer.notes else ""  # notes: somebody didn't answer
    return replace(change, after=replace(package, origin=Origin(kind=OriginKind.INDEX, location=place)))


def _place(package: Package, answer: VersionList, places: Sequence[str]) -> str:
    files = [file for item in answer.versions if item.version == package.version for file in item.files]
    if package.url:
        wanted = _bare(package.url)
        files = [file for file in files if _bare(file.url) == wanted]
    having = {file.origin for file in files}
    if len(having) == 1:
        return having.pop()
    if package.url or not having <= set(places):  # among folders and pages of links there is no first
        return ""
    return next((place for place in places if place in having), "")


def _bare(url: str) -> str:
    """The URL without credentials and fragment."""
    return redact(without_credentials(urldefrag(url).url))

"""Search in channels and indexes, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.catalog import CondaCatalog, PyPICatalog, VersionList
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Ecosystem, Package, obeying, redact
from jupyter_pkgmgr.model.errors import CatalogError, PkgError, UnreachableError

from .documents import SearchAnswer, SearchHit
from .sources import Sources

__all__ = ["search"]


def search(sources: Sources, inventory: Inventory, query: str, *, limit: int) -> SearchAnswer:
    """Look for packages by name: in the channels (of a conda environment) and in the indexes."""
    environment = inventory.environment
    catalogs: list[CondaCatalog | PyPICatalog] = [sources.conda(environment)] if environment.is_conda else []
    if environment.python:
        catalogs.append(sources.pypi(environment))
    with ThreadPoolExecutor(max_workers=2) as pool:
        asked = [pool.submit(obeying(_searched), catalog, query, limit) for catalog in catalogs]
        answers = [answer.result() for answer in asked]
    found = [replace(hit, installed=_version_here(inventory, hit)) for hits, _ in answers for hit in hits]
    notes = tuple(note for _, notes in answers for note in notes)
    exact = canonicalize_name(query)
    found.sort(key=lambda hit: (canonicalize_name(hit.name) != exact, not hit.name.startswith(query)))
    return SearchAnswer(query=query, hits=tuple(found[:limit]), notes=notes)


def _searched(catalog: CondaCatalog | PyPICatalog, query: str, limit: int) -> tuple[list[SearchHit], list[str]]:
    """Hits and notes; a catalog that can't be reached is a note, so that the other one still answers."""
    try:
        result = catalog.search(query, limit=limit)
        versions = catalog.versions_many(package.name for package in result.packages)
    except CatalogError as error:
        return [], [error.message]
    silent = dict.fromkeys(answer.message for answer in versions.values() if isinstance(answer, UnreachableError))
    notes = [note for note in (result.note, result.freshness.note, *silent) if note]
    return [_hit(package, versions.get(package.name)) for package in result.packages], notes


def _hit(package: Package, versions: VersionList | PkgError | None) -> SearchHit:
    newest = versions.newest if isinstance(versions, VersionList) else None
    return SearchHit(
        name=package.name,
        version=newest.version if newest else package.version,
        ecosystem=package.ecosystem,
        origin=redact(newest.origins[0]) if newest and newest.origins else package.ecosystem.value,
        summary=package.summary,
    )


def _version_here(inventory: Inventory, hit: SearchHit) -> str:
    found = inventory.conda(hit.name) if hit.ecosystem is Ecosystem.CONDA else inventory.pypi(hit.name)
    return found.version if found else ""

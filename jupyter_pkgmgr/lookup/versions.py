"""Every version of a package, from the ecosystem that it would come from or that was named."""

from __future__ import annotations

from jupyter_pkgmgr.catalog import AvailableVersion, CondaCatalog, PyPICatalog
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Ecosystem, redact
from jupyter_pkgmgr.model.errors import PackageNotFoundError, UsageError
from jupyter_pkgmgr.routing import conda_candidates

from .documents import PackageVersions, VersionRow
from .reasons import find_installed
from .sources import Sources

__all__ = ["catalog_for", "list_versions"]


def catalog_for(
    sources: Sources, inventory: Inventory, name: str, ecosystem: Ecosystem | None = None
) -> tuple[CondaCatalog | PyPICatalog | None, str]:
    """The catalog that knows a package, and its name there: its owner's, or where it would come from.

    ``None`` where there is none: a conda package that no channel has any more, an environment without Python.
    """
    environment = inventory.environment
    installed = [package for package in find_installed(inventory, name) if ecosystem in (None, package.ecosystem)]
    owner = ecosystem or (installed[0].ecosystem if installed else None)
    if environment.is_conda and owner is not Ecosystem.PYPI:
        catalog = sources.conda(environment)
        candidates = (installed[0].name,) if installed else conda_candidates(name)
        there = next((item for item in candidates if catalog.exists(item)), None)
        if there is not None:
            return catalog, there
        if owner is Ecosystem.CONDA:
            return None, name
    if environment.python is None or owner is Ecosystem.CONDA:
        return None, name
    return sources.pypi(environment), name


def list_versions(
    sources: Sources, inventory: Inventory, name: str, *, ecosystem: Ecosystem | None = None
) -> PackageVersions:
    """Every version there is of a package, newest first.

    Raises
    ------
    UsageError
        If the environment can't have packages of that ecosystem.
    PackageNotFoundError
        If there is no such package.
    """
    environment = inventory.environment
    if ecosystem is Ecosystem.CONDA and not environment.is_conda:
        raise UsageError(
            f"{environment.name} is a {environment.kind}: it takes no conda packages",
            reference="not-a-conda-environment",
        )
    catalog, there = catalog_for(sources, inventory, name, ecosystem)
    if catalog is None:
        raise PackageNotFoundError(f"nothing that {environment.name} takes packages from has {name}")
    if isinstance(catalog, PyPICatalog):
        found = catalog.versions(there, environment=environment)
    else:
        found = catalog.versions(there)
    newest = found.newest
    stale = (found.freshness.note,) if found.freshness.note else ()
    return PackageVersions(
        name=found.name,
        ecosystem=found.ecosystem,
        source=redact(newest.origins[0]) if newest and newest.origins else "",
        versions=tuple(map(_row, found.versions)),
        notes=(*found.notes, *stale),
    )


def _row(item: AvailableVersion) -> VersionRow:
    return VersionRow(
        version=item.version,
        origins=tuple(map(redact, item.origins)),
        yanked=item.yanked,
        requires_python=item.requires_python,
        prerelease=item.prerelease,
        fits=item.fits,
        why_not=item.why_not,
    )

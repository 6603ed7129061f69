"""Everything about one package, installed or not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_pkgmgr.catalog import PackageMetadata, VersionList
from jupyter_pkgmgr.catalog.answers import Freshness
from jupyter_pkgmgr.catalog.metadata import from_core_metadata
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Ecosystem, Package, redact
from jupyter_pkgmgr.model.errors import CatalogError, PackageNotFoundError

from .documents import Details
from .reasons import find_installed
from .sources import Sources
from .versions import catalog_for

__all__ = ["show"]


def show(sources: Sources, inventory: Inventory, name: str) -> Details:
    """Everything about one package.

    Raises
    ------
    PackageNotFoundError
        If it is neither installed nor available.
    """
    installed = find_installed(inventory, name)
    notes: list[str] = []
    versions: VersionList | None = None
    metadata: PackageMetadata | None = None
    try:
        catalog, available_name = catalog_for(sources, inventory, name)
        if catalog is not None:
            versions = catalog.versions(available_name)
            metadata = catalog.metadata(available_name, versions.newest.version if versions.newest else "")
        elif not installed:
            raise PackageNotFoundError(f"nothing that {inventory.environment.name} takes packages from has {name}")
    except CatalogError as error:
        if not installed:
            raise
        if not isinstance(error, PackageNotFoundError):
            notes.append(error.message)
    return _details(inventory, name, installed, versions, metadata, notes)


def _details(
    inventory: Inventory,
    name: str,
    installed: tuple[Package, ...],
    versions: VersionList | None,
    metadata: PackageMetadata | None,
    notes: Sequence[str],
) -> Details:
    here = installed[0] if installed else None
    newest = versions.newest if versions else None
    stale = versions.freshness.note if versions else ""
    files = [path for package in installed for path in inventory.files(package)]
    return Details(
        name=here.name if here else versions.name if versions else name,
        installed=installed,
        source=redact(newest.origins[0]) if newest and newest.origins else "",
        versions=tuple(item.version for item in versions.versions if not item.yanked) if versions else (),
        summary=(metadata.summary if metadata else "") or (here.summary if here else ""),
        license=(here.license if here else "") or (metadata.license if metadata else ""),
        home=_web_page((_home_here(here) if here else "") or (metadata.home if metadata else "")),
        imports=tuple(sorted({item for package in installed for item in inventory.imports(package)})),
        depends=here.depends if here else metadata.depends if metadata else (),
        needed_by=tuple(sorted({item.name for package in installed for item in inventory.dependents(package)})),
        files=len(files),
        size=_size_on_disk(files) if files else newest.files[0].size if newest and newest.files else None,
        notes=(*notes, *(versions.notes if versions else ()), *((stale,) if stale else ())),
    )


def _size_on_disk(files: Sequence[Path]) -> int:
    total = 0
    for path in files:
        with contextlib.suppress(OSError):  # somebody deleted it
            total += path.lstat().st_size
    return total


def _home_here(package: Package) -> str:
    """The web page that an installed package names, read from its own files; empty where it names none."""
    if package.location is None:
        return ""
    try:
        if package.ecosystem is Ecosystem.CONDA:
            record = json.loads(package.location.read_bytes())
            about = Path(record["extracted_package_dir"]) / "info" / "about.json"
            home = json.loads(about.read_bytes()).get("home")
            return home if isinstance(home, str) else ""
        text = (package.location / "METADATA").read_bytes()
        return from_core_metadata(text, source="installed", freshness=Freshness()).home
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""  # the package cache was cleaned, or an old format: then the catalog tells, or nobody


def _web_page(url: str) -> str:
    """The URL, if it is one that a browser may be sent to: packages write what they like."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    return redact(url.strip()) if parts.scheme in ("http", "https") and parts.hostname else ""

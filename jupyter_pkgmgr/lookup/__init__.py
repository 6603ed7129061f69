"""What is asked without changing anything: search, details, versions, newer versions, names, reasons, settings."""

from .completion import all_names
from .details import show
from .documents import (
    Details,
    Hint,
    Names,
    NewerVersion,
    Outdated,
    PackageVersions,
    Reasons,
    SearchAnswer,
    SearchHit,
    SettingsInForce,
    VersionRow,
)
from .export import Extent
from .export_files import Export, ExportOptions, FileFormat, export
from .outdated import find_outdated
from .reasons import missing_import, why
from .search import search
from .settings import settings_in_force
from .sources import Sources
from .versions import list_versions

__all__ = [
    "Details",
    "Export",
    "ExportOptions",
    "Extent",
    "FileFormat",
    "Hint",
    "Names",
    "NewerVersion",
    "Outdated",
    "PackageVersions",
    "Reasons",
    "SearchAnswer",
    "SearchHit",
    "SettingsInForce",
    "Sources",
    "VersionRow",
    "all_names",
    "export",
    "find_outdated",
    "list_versions",
    "missing_import",
    "search",
    "settings_in_force",
    "show",
    "why",
]

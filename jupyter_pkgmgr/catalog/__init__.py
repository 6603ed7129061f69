"""What could be installed: conda channels and PyPI-style indexes."""

from .answers import (
    AvailableFile,
    AvailableVersion,
    FileKind,
    Freshness,
    Newest,
    PackageMetadata,
    SearchResult,
    VersionList,
)
from .conda import CondaCatalog
from .protocol import ChannelReader
from .pypi import PyPICatalog

__all__ = [
    "AvailableFile",
    "AvailableVersion",
    "ChannelReader",
    "CondaCatalog",
    "FileKind",
    "Freshness",
    "Newest",
    "PackageMetadata",
    "PyPICatalog",
    "SearchResult",
    "VersionList",
]

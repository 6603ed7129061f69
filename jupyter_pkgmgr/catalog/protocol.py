"""What the catalog needs from whoever can read conda channels; the embedded engine provides it.

The catalog lies below the engines, so the service hands it a reader instead of it importing one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jupyter_pkgmgr.environments.conda_settings import CondaSettings
from jupyter_pkgmgr.model import Package

__all__ = ["ChannelReader"]


class ChannelReader(Protocol):
    """Reads conda channels. Errors are ``UnreachableError`` and ``PackageNotFoundError``.

    What is asked under one name of a ``reading`` sees the channels as they were at the first of it.
    """

    def names(self, settings: CondaSettings, *, reading: str) -> tuple[str, ...]:
        """Every package name in the configured channels, sorted."""
        ...

    def query(self, settings: CondaSettings, specs: Sequence[str], *, reading: str) -> tuple[Package, ...]:
        """Every available package that one of the MatchSpecs selects; newest version first."""
        ...

"""The engine ``micromamba``: the same program as mamba 2 in one file, without a base environment."""

from __future__ import annotations

from typing import ClassVar

from jupyter_pkgmgr.engines.mamba import MambaEngine

__all__ = ["MicromambaEngine"]


class MicromambaEngine(MambaEngine):
    """Plan and apply through ``micromamba``."""

    name: ClassVar[str] = "micromamba"

"""The panel inside a notebook, for places that have no side panel: VS Code, Colab, pages made by Voilà.

Loaded into kernels of any environment, like ``kernel/``: Python 3.8, the standard library, and ``comm``, which
every ipykernel brings.
"""

from __future__ import annotations

from .panel import PackagePanel

__all__ = ["PackagePanel"]

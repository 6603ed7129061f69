"""What a tool puts into every new environment."""

from __future__ import annotations

from jupyter_pkgmgr.model import Environment

__all__ = ["seeds"]

_SETUPTOOLS_WENT = (3, 12)
"""Since this Python, ``venv`` brings no setuptools."""


def seeds(environment: Environment) -> frozenset[str]:
    """Canonical names of the packages with which environments begin: ``pip freeze`` names none of them."""
    version = environment.python.minor.split(".") if environment.python else ()
    older = tuple(map(int, version)) < _SETUPTOOLS_WENT
    return frozenset({"pip", "setuptools", "wheel"} if older else {"pip"})

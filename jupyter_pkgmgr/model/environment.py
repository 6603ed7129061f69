"""One environment: where it is, what kind it is, who owns it, what may be done to it, and how we know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Environment", "EnvironmentKind", "Evidence", "Policy", "PolicyKind", "PythonInfo"]


class EnvironmentKind(StrEnum):
    """What kind of environment a prefix is."""

    CONDA = "conda"
    VENV = "venv"
    SYSTEM = "system"


class PolicyKind(StrEnum):
    """A state of the environment that limits what may be done to it."""

    READ_ONLY = "read-only"
    """This user may not write to the prefix."""
    FROZEN = "frozen"
    """``conda-meta/frozen`` exists (CEP 22)."""
    EXTERNALLY_MANAGED = "externally-managed"
    """An ``EXTERNALLY-MANAGED`` file lies in the standard library's folder (PEP 668)."""
    BASE = "base"
    """A conda root prefix: it holds conda itself."""
    SERVER = "server"
    """The environment of the running Jupyter server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy in force, with the words its owner left for the user (or ours)."""

    kind: PolicyKind
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact that led to the answer: ``source`` is where it was read, ``detail`` what stood there."""

    source: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonInfo:
    """The interpreter of an environment, as it describes itself (``sysconfig``, ``site``, ``packaging.markers``)."""

    executable: Path
    version: str
    """Full version, ``3.11.7``."""
    implementation: str
    """``cpython``, ``pypy``, …"""
    prefix: Path
    base_prefix: Path
    purelib: Path
    platlib: Path
    scripts: Path
    stdlib: Path
    user_site: Path | None = None
    """User site directory if the interpreter puts it on ``sys.path``, else ``None``."""
    search_path: tuple[Path, ...] = ()
    """The ``site`` directories on ``sys.path``, in order (no standard library, no working directory)."""
    markers: tuple[tuple[str, str], ...] = ()
    """The PEP 508 marker environment, as pairs so that it stays hashable."""

    @property
    def minor(self) -> str:
        """``3.11`` for ``3.11.7``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def site_packages(self) -> tuple[Path, ...]:
        """The folders that hold installed distributions of this environment itself, without duplicates."""
        return (self.purelib,) if self.purelib == self.platlib else (self.purelib, self.platlib)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One prefix: a directory with an interpreter or a ``conda-meta/``."""

    prefix: Path
    kind: EnvironmentKind
    owner: str
    """The tool that made it: conda, mamba, micromamba, pixi, uv, virtualenv, venv, or the system's vendor."""
    name: str
    python: PythonInfo | None = None
    """``None`` where there is no Python (an R kernel's conda environment, say)."""
    policies: tuple[Policy, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def is_conda(self) -> bool:
        """Whether conda packages can live here."""
        return self.kind is EnvironmentKind.CONDA

    @property
    def conda_meta(self) -> Path:
        """The folder of conda's records; it exists only in a conda environment."""
        return self.prefix / "conda-meta"

    def policy(self, kind: PolicyKind) -> Policy | None:
        """The policy of this kind, if it is in force."""
        return next((policy for policy in self.policies if policy.kind is kind), None)

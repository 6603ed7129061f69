"""What an engine is: an external tool that can plan and apply changes in one ecosystem."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from jupyter_pkgmgr.model import Cancellation, Ecosystem, EnginePlan, Environment, EventSink, Options, Package, Verb

if TYPE_CHECKING:  # the embedded engine's worker, which starts with this module, needs no settings
    from jupyter_pkgmgr.environments.conda_settings import CondaSettings
    from jupyter_pkgmgr.environments.index_settings import IndexSettings

__all__ = ["Engine", "EngineInfo", "EngineRequest", "Unpacker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """The tool behind an engine: where it is, its version, and what speaks against using it."""

    name: str
    executable: str
    version: str
    problem: str = ""
    """Why it can't be used (too old, broken); empty if it can."""
    source: str = ""
    """Where it was found: ``conda-meta/history``, ``environment variable CONDA_EXE``, ``PATH``, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What one engine is asked for, in its own ecosystem's grammar."""

    verb: Verb
    specs: tuple[str, ...]
    """Requirements (PEP 508) or MatchSpecs, already validated; names alone for removals."""
    editables: tuple[str, ...] = ()
    """Folders or VCS references to install as editable."""
    updates: tuple[str, ...] = ()
    """Beside an install: the names of those specs that are to come to their newest version."""
    removals: tuple[str, ...] = ()
    """Names of packages that go in the same plan; only of conda's, whose solvers mind who needs whom."""
    installed: tuple[Package, ...] = ()
    """What this ecosystem owns in the environment now, so that a plan can tell ``before``."""
    held: tuple[Package, ...] = ()
    """Packages that must stay exactly as they are, in whatever ecosystem they are."""
    pins: tuple[str, ...] = ()
    """Further constraints in the engine's grammar: ``python 3.11.*``."""
    options: Options = Options()
    conda: CondaSettings | None = None
    reading: str = ""
    """What is asked under one such name sees the channels as they were at the first of it; without one, as they are."""
    indexes: IndexSettings | None = None


@runtime_checkable
class Engine(Protocol):
    """One tool behind one interface. Engines hold no state of a request; one object serves many threads.

    Every method raises only errors of :mod:`jupyter_pkgmgr.model.errors`.
    """

    name: ClassVar[str]
    ecosystem: ClassVar[Ecosystem]

    def info(self) -> EngineInfo:
        """Find the tool and ask its version. Raises ``EngineNotFoundError`` where there is none."""
        ...

    def plan(
        self, environment: Environment, request: EngineRequest, *, events: EventSink, cancel: Cancellation
    ) -> EnginePlan:
        """Work out the changes. Changes nothing, in the environment or beside it (caches apart)."""
        ...

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Do what the plan says. Returns when it is done; raises when it isn't."""
        ...


@runtime_checkable
class Unpacker(Protocol):
    """An engine that can show the files of a package before it installs it."""

    def unpack(
        self,
        environment: Environment,
        plan: EnginePlan,
        names: Collection[str],
        folder: Path,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> tuple[Path, ...]:
        """Fetch these packages of a plan, and build them if need be; returns folders that hold their files.

        Those are laid out as in a wheel, or as by ``--target``: modules on top, scripts in ``bin``, data beside them.
        They are for looking at only: files may be links, and may even point nowhere.

        Parameters
        ----------
        names
            Canonical names of packages that the plan installs.
        folder
            Exists and is empty; what has to be unpacked is unpacked in it.
        """
        ...

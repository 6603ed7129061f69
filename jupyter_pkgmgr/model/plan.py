"""What was asked for and what will be done about it: requests, changes, steps and plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from .environment import Environment
from .package import Ecosystem, Package
from .spec import Spec

__all__ = [
    "FROM_SNAPSHOT",
    "Action",
    "Change",
    "EnginePlan",
    "Notice",
    "Options",
    "Plan",
    "Request",
    "Step",
    "Verb",
]

FROM_SNAPSHOT = "snapshot"
"""What stands where the plan of an undo names its engine: nothing is run."""


class Verb(StrEnum):
    """The verbs that change an environment."""

    INSTALL = "install"
    REMOVE = "remove"
    UPDATE = "update"
    SYNC = "sync"
    """An install of everything that is named, and the removal of what isn't, as far as nothing that stays needs it."""
    UNDO = "undo"
    """Takes no specs: what it takes back is in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said beside the specs. Every option has the meaning it has in pip or conda."""

    upgrade: bool = False
    """``-U``: newest version even where the installed one satisfies the spec."""
    pre: bool = False
    no_deps: bool = False
    force_reinstall: bool = False
    ecosystem: Ecosystem | None = None
    """``--conda`` / ``--pip``: take every spec from there."""
    engine: str | None = None
    """Force one engine by name."""
    channels: tuple[str, ...] = ()
    """``-c``: more channels, of higher priority than the configured ones."""
    override_channels: bool = False
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    constraints: tuple[Path, ...] = ()
    """Constraint files (pip's ``-c FILE``), absolute paths."""
    no_build: bool = False
    """Refuse source distributions, whose build runs their code."""
    offline: bool = False
    force: bool = False
    """Accept what is blocked because it overwrites conda-owned packages."""
    override_frozen: bool = False
    break_system_packages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for at once: a verb, specs, options. An update without specs means everything.

    Several kinds of change are one request, too: an install may have updates beside it, and both may have removals.
    """

    verb: Verb
    specs: tuple[Spec, ...]
    updates: tuple[Spec, ...] = ()
    """Beside an install: what is there and is to come to its newest version."""
    removals: tuple[Spec, ...] = ()
    """Beside an install or an update: what is to go."""
    options: Options = Options()
    command: str = ""
    """What was typed, redacted; for the history."""

    @property
    def going(self) -> tuple[Spec, ...]:
        """Everything that is to be removed."""
        return self.specs if self.verb is Verb.REMOVE else self.removals

    @property
    def updates_all(self) -> bool:
        """Whether everything is to come to its newest version."""
        return self.verb is Verb.UPDATE and not self.specs


class Action(StrEnum):
    """What happens to one package."""

    INSTALL = "install"
    REMOVE = "remove"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    REINSTALL = "reinstall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One package before and after, and why."""

    action: Action
    before: Package | None = None
    after: Package | None = None
    requested: bool = False
    """Whether the user named it."""
    reason: str = ""
    """Why this package, from this ecosystem: ``"requested; conda-forge has it"``."""

    @property
    def package(self) -> Package:
        """The package it is about: what it becomes, or what goes away."""
        package = self.after or self.before
        if package is None:
            msg = "a change needs a package before or after"
            raise ValueError(msg)
        return package


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning or a blocker of a plan, in the shape of an error."""

    reference: str
    message: str
    hint: str | None = None
    packages: tuple[str, ...] = ()
    note: str | None = None
    """Who decided that, or why, where it isn't obvious."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """What one engine would do. ``payload`` is the engine's own and never leaves the process."""

    engine: str
    engine_version: str
    ecosystem: Ecosystem
    changes: tuple[Change, ...]
    warnings: tuple[Notice, ...] = ()
    payload: Any = field(default=None, repr=False, compare=False, metadata={"private": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One engine's part of a plan, and why that engine."""

    plan: EnginePlan
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Environment + ordered steps + warnings + blockers, bound to the inventory it was made from."""

    id: str
    request: Request
    environment: Environment
    fingerprint: str
    steps: tuple[Step, ...] = ()
    satisfied: tuple[Package, ...] = ()
    """What was asked for and is there already."""
    warnings: tuple[Notice, ...] = ()
    blockers: tuple[Notice, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change, in the order of the steps."""
        return tuple(change for step in self.steps for change in step.plan.changes)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes

"""Everything a plan is made from, gathered once for one request."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from jupyter_pkgmgr.catalog import VersionList
from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.environments import CondaSettings, IndexSettings
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import (
    AdminPolicy,
    Cancellation,
    Ecosystem,
    Environment,
    Event,
    EventKind,
    EventSink,
    Package,
    Phase,
    PolicyKind,
    Request,
    ServerEnvironment,
    ignore_events,
    redact,
    short_location,
)

from .server_packages import server_packages

__all__ = ["ChannelQuery", "Context", "EngineChoice", "IndexMetadata", "IndexVersions", "held_by_server"]

KERNEL_ROOTS = ("ipykernel", "python", "r-irkernel", "xeus-python")


class ChannelQuery(Protocol):
    """What routing asks of conda channels: the best package that each of some MatchSpecs selects."""

    def __call__(self, settings: CondaSettings, specs: Sequence[str], *, reading: str) -> tuple[Package, ...]:
        """In the order of the specs, without those that select nothing."""
        ...


IndexMetadata = Callable[[Mapping[str, str]], Mapping[str, tuple[str, ...]]]
"""From {PyPI name: version} to {PyPI name: its ``Requires-Dist`` lines}; what can't be read is left out."""

IndexVersions = Callable[[Sequence[str]], Mapping[str, VersionList]]
"""From PyPI names to what the indexes have of them; what can't be looked up is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """One engine and why it was chosen."""

    engine: Engine
    reason: str


@dataclass(frozen=True, kw_only=True)
class Context:
    """One request, its environment and what stands around them."""

    request: Request
    environment: Environment
    inventory: Inventory
    conda_settings: CondaSettings | None
    """``None`` outside conda environments."""
    index_settings: IndexSettings
    choose_engine: Callable[[Context, Ecosystem], EngineChoice]
    query_channels: ChannelQuery
    index_metadata: IndexMetadata
    index_versions: IndexVersions
    settled: tuple[Package, ...] = ()
    """Packages that stay as they are though others go that they came with: no tool is to take them for orphans."""
    policy: AdminPolicy = field(default_factory=AdminPolicy)
    events: EventSink = ignore_events
    cancel: Cancellation = field(default_factory=Cancellation)
    reading: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The name of this plan's one reading of the channels: all that is asked for it sees the same state of them."""

    def tell(self, message: str) -> None:
        """Say who is asked next: whoever waits for a plan wants to know what for."""
        self.events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE, message=redact(message)))

    @cached_property
    def channels(self) -> str:
        """The channels as one reads them."""
        return ", ".join(self.conda_settings.channel_names) if self.conda_settings else ""

    @cached_property
    def index(self) -> str:
        """The indexes as one reads them."""
        indexes = () if self.index_settings.no_index else (self.index_settings.index_url,)
        places = (*indexes, *self.index_settings.extra_index_urls, *self.index_settings.find_links)
        return ", ".join(map(short_location, places))

    @cached_property
    def conda_owned(self) -> dict[str, Package]:
        """Python distributions that conda packages own: canonical name to the conda package."""
        return self.inventory.conda_owned_distributions()

    @cached_property
    def markers(self) -> dict[str, str]:
        """The PEP 508 marker environment of the interpreter."""
        python = self.environment.python
        return dict(python.markers) if python else {}

    @cached_property
    def protected(self) -> frozenset[tuple[Ecosystem, str]]:
        """Keys of the packages that the kernel needs, and the server's where this is the server's environment.

        Without them a plan could saw off the branch that the notebook sits on (DESIGN §5).
        """
        return frozenset({*self.inventory.closure(self.inventory.find(*KERNEL_ROOTS)), *self.held_by_server})

    @cached_property
    def held_by_server(self) -> dict[tuple[Ecosystem, str], Package]:
        """The packages that the running server consists of and needs, by key: they stay exactly as they are."""
        return held_by_server(self.policy, self.inventory)

    def requirements_of(self, package: Package) -> list[Package]:
        """The installed packages that this one depends on directly."""
        return list(self.inventory.requirements(package))


def held_by_server(policy: AdminPolicy, inventory: Inventory) -> dict[tuple[Ecosystem, str], Package]:
    """What must stay as it is because the running server lives in this environment; nothing in any other."""
    environment = inventory.environment
    protect = policy.server_environment is ServerEnvironment.PROTECT
    if not (protect and environment.policy(PolicyKind.SERVER)):
        return {}
    return inventory.closure(server_packages(inventory))

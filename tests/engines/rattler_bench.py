"""What the tests of the embedded engine share: a small channel, settings, and an environment to work on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.engines.rattler import RattlerEngine
from jupyter_pkgmgr.environments.conda_settings import CondaSettings
from jupyter_pkgmgr.model import (
    Cancellation,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Event,
    Options,
    Package,
    Verb,
    ignore_events,
)
from testbed.channel import SUBDIR, Channel, PackageSource


def package(name: str, version: str, *depends: str, constrains: tuple[str, ...] = ()) -> PackageSource:
    """A package with one file."""
    files = {f"share/{name}.txt": version}
    return PackageSource(
        name=name, version=version, depends=depends, constrains=constrains, noarch="generic", files=files
    )


def conda_settings(*channels: str, **changes: object) -> CondaSettings:
    """Settings with nothing configured but channels."""
    plain = CondaSettings(
        channels=channels,
        channel_names=channels,
        channel_priority="flexible",
        pinned_packages=(),
        allowlist_channels=(),
        denylist_channels=(),
        pkgs_dirs=(),
        envs_dirs=(),
        subdir=SUBDIR,
        offline=False,
        ssl_verify=True,
        client_cert="",
        client_cert_key="",
        proxy_servers=(),
        use_only_tar_bz2=False,
        repodata_fns=("current_repodata.json", "repodata.json"),
        remote_read_timeout=60.0,
        solver="libmamba",
        settings=(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # keyword arguments of the dataclass


def conda_package(name: str, version: str) -> Package:
    """An installed package, as the inventory tells it."""
    return Package(name=name, version=version, ecosystem=Ecosystem.CONDA)


@dataclass
class Bench:
    """An environment, a channel and the engine."""

    engine: RattlerEngine
    prefix: Path
    settings: CondaSettings
    channel: Channel
    events: list[Event] = field(default_factory=list)

    @property
    def environment(self) -> Environment:
        """The environment at the prefix."""
        return Environment(prefix=self.prefix, kind=EnvironmentKind.CONDA, owner="conda", name="bench")

    @property
    def history(self) -> str:
        """The history file's text."""
        return (self.prefix / "conda-meta" / "history").read_text(encoding="utf-8")

    def plan(
        self,
        verb: Verb,
        *specs: str,
        options: Options = Options(),
        held: tuple[Package, ...] = (),
        pins: tuple[str, ...] = (),
    ) -> EnginePlan:
        """Plan one request."""
        request = EngineRequest(verb=verb, specs=specs, options=options, held=held, pins=pins, conda=self.settings)
        return self.engine.plan(self.environment, request, events=ignore_events, cancel=Cancellation())

    def apply(self, plan: EnginePlan, cancel: Cancellation | None = None) -> None:
        """Apply a plan, collecting its events."""
        self.engine.apply(self.environment, plan, events=self.events.append, cancel=cancel or Cancellation())

    def do(self, verb: Verb, *specs: str, options: Options = Options()) -> EnginePlan:
        """Plan and apply."""
        plan = self.plan(verb, *specs, options=options)
        self.apply(plan)
        return plan

    def installed(self) -> dict[str, str]:
        """Versions by name, from ``conda-meta``."""
        records = [json.loads(path.read_bytes()) for path in (self.prefix / "conda-meta").glob("*.json")]
        return {record["name"]: record["version"] for record in records}


def shown(plan: EnginePlan) -> dict[str, tuple[str, str, str]]:
    """A plan's changes as ``name: (action, version, reason)``."""
    return {
        change.package.name: (change.action.value, change.after.version if change.after else "", change.reason)
        for change in plan.changes
    }


@pytest.fixture(scope="module")
def engine() -> Iterator[RattlerEngine]:
    """One worker process for a module."""
    engine = RattlerEngine()
    yield engine
    engine.close()

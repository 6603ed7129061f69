"""What the tests of the PyPI engines share: environments, requests, and what is installed, read without the engines."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.engines.pip import PipEngine
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.engines.uv import UvEngine
from jupyter_pkgmgr.environments.detect import from_interpreter
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    Options,
    Origin,
    OriginKind,
    Package,
    Verb,
)
from testbed.index import Server


@dataclass(slots=True, kw_only=True)
class Bench:
    """One engine, one environment, one index."""

    engine: UvEngine | PipEngine
    environment: Environment
    server: Server
    wheels: Path
    events: list[Event] = field(default_factory=list)
    cancel: Cancellation = field(default_factory=Cancellation)

    @property
    def site(self) -> Path:
        assert self.environment.python is not None
        return self.environment.python.purelib

    def by_uv(self) -> Bench:
        """The same with uv, to prepare an environment quickly."""
        return replace(self, engine=UvEngine())

    def installed(self) -> dict[str, str]:
        return {package.name: package.version for package in self.packages()}

    def packages(self) -> tuple[Package, ...]:
        found = importlib.metadata.distributions(path=[str(self.site)])
        packages = []
        for item in found:
            name = canonicalize_name(item.metadata["Name"])
            if name in ("pip", "setuptools", "wheel"):
                continue
            kind = OriginKind.URL if item.read_text("direct_url.json") else OriginKind.INDEX
            packages.append(
                Package(
                    name=name,
                    version=item.version,
                    ecosystem=Ecosystem.PYPI,
                    requested=item.read_text("REQUESTED") is not None,
                    origin=Origin(kind=kind),
                )
            )
        return tuple(sorted(packages, key=lambda package: package.name))

    def requested(self) -> set[str]:
        return {package.name for package in self.packages() if package.requested}

    def request(
        self,
        verb: Verb,
        *specs: str,
        editables: tuple[str, ...] = (),
        held: tuple[str, ...] = (),
        indexes: IndexSettings | None = None,
        options: Options | None = None,
    ) -> EngineRequest:
        packages = [item.split("==") for item in held]
        return EngineRequest(
            verb=verb,
            specs=specs,
            editables=editables,
            installed=self.packages(),
            held=tuple(Package(name=name, version=version, ecosystem=Ecosystem.CONDA) for name, version in packages),
            options=options or Options(),
            indexes=indexes or IndexSettings(index_url=self.server.index_url),
        )

    def plan(self, request: EngineRequest) -> EnginePlan:
        return self.engine.plan(self.environment, request, events=self.events.append, cancel=self.cancel)

    def apply(self, plan: EnginePlan) -> None:
        self.engine.apply(self.environment, plan, events=self.events.append, cancel=self.cancel)

    def do(
        self, verb: Verb, *specs: str, editables: tuple[str, ...] = (), options: Options | None = None
    ) -> EnginePlan:
        plan = self.plan(self.request(verb, *specs, editables=editables, options=options))
        self.apply(plan)
        return plan

    def install(self, *specs: str, options: Options | None = None) -> EnginePlan:
        return self.do(Verb.INSTALL, *specs, options=options)


def summary(plan: EnginePlan) -> set[tuple[Action, str, str, str]]:
    """A plan's changes: action, name, version before and after."""
    return {
        (
            change.action,
            canonicalize_name(change.package.name),
            change.before.version if change.before else "",
            change.after.version if change.after else "",
        )
        for change in plan.changes
    }


def bench(engine: str, python: Path, server: Server, wheels: Path) -> Bench:
    """An engine over an environment."""
    chosen = UvEngine() if engine == "uv" else PipEngine()
    return Bench(engine=chosen, environment=from_interpreter(python), server=server, wheels=wheels)


def tree_hash(folder: Path) -> str:
    """A hash over names, contents, links, modes and times of everything in a folder."""
    digest = hashlib.sha256()
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*files, *folders]):
            path = Path(root, name)
            status = path.lstat()
            digest.update(f"{path}|{status.st_mode}|{status.st_mtime_ns if path.is_file() else 0}|".encode())
            if path.is_symlink():
                digest.update(str(path.readlink()).encode())
            elif path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()

"""What the tests of the PyPI engines share: environments, requests, and what is installed, read without the engines."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
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
from testbed.environments import make_venv
from testbed.index import Server, serve
from testbed.wheels import WheelSource, make_wheel, write_wheel

BACKEND = """
import os, zipfile
def _wheel(folder, content):
    name = "proj-0.1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
        archive.writestr("proj-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: proj\\nVersion: 0.1")
        archive.writestr("proj-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
        archive.writestr("proj-0.1.dist-info/RECORD", "")
    return name
def build_wheel(folder, settings=None, metadata=None):
    return _wheel(folder, {"proj.py": ""})
def build_editable(folder, settings=None, metadata=None):
    return _wheel(folder, {"proj.pth": os.getcwd()})
"""


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


# --- fixtures and tables, for the modules that test both engines -------------------------------------------------


def project(folder: Path, backend: str = BACKEND, *, static: bool = True) -> Path:
    folder.mkdir(parents=True)
    head = '[project]\nname = "proj"\nversion = "0.1"\n' if static else ""
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(head + build)
    (folder / "backend.py").write_text(backend)
    return folder


def fill(folder: Path) -> Path:
    folder.mkdir()
    for version in ("1.0", "1.1", "2.0", "3.0a1"):
        make_wheel(folder, "foo", version, requires=["bar>=1"])
    for version in ("1.0", "2.0"):
        make_wheel(folder, "bar", version)
    make_wheel(folder, "oldbar", requires=["bar<2"])
    make_wheel(folder, "needy", requires=["gone"])
    make_wheel(folder, "winonly", tag="cp311-cp311-win_amd64")
    make_wheel(folder, "Odd.Name", "1.0+local.1")
    extra = ('bar; extra == "more"', 'oldbar; python_version < "3"')
    write_wheel(folder, WheelSource(name="extra", version="1.0", extras=("more",), requires=extra))
    write_wheel(folder, WheelSource(name="future", version="1.0", requires_python=">=3.99"))
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("wheels") / "index")


@pytest.fixture
def server(wheels: Path) -> Iterator[Server]:
    with serve(wheels) as running:
        yield running


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the machine has a say; one cache for the run."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "pip-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_RETRIES", "0")


@pytest.fixture(params=["uv", "pip"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def on(engine: str, tmp_path: Path, server: Server, wheels: Path) -> Bench:
    return bench(engine, make_venv(tmp_path / "env"), server, wheels)


def for_both(cases: Iterable[str], *, pip: set[str]) -> list[tuple[str, str]]:
    """Every case for uv; for pip, which takes seconds where uv takes milliseconds, those where it differs."""
    return [*(("uv", case) for case in cases), *(("pip", case) for case in cases if case in pip)]

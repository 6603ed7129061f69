"""Environments in the real formats: conda records as the tools write them, distributions as pip leaves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments.detect import from_interpreter
from jupyter_pkgmgr.inventory import Inventory, read_inventory
from jupyter_pkgmgr.model import Environment, EnvironmentKind, PythonInfo
from testbed.environments import make_venv

SITE = "lib/python3.11/site-packages"


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """An environment that is written file by file."""

    environment: Environment

    @property
    def path(self) -> Path:
        return self.environment.prefix

    @property
    def site(self) -> Path:
        return self.path / SITE

    def read(self) -> Inventory:
        return read_inventory(self.environment)

    def distribution(
        self,
        name: str,
        version: str,
        *,
        requires: Sequence[str] = (),
        installer: str = "pip",
        files: Mapping[str, str] | None = None,
        site: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Path:
        """Write a distribution as an installer leaves it; ``more`` are further files of the dist-info."""
        site = site or self.site
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
        headers = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nSummary: for tests\n{needs}"
        (info / "METADATA").write_text(f"{headers}\nName: not this one\n")
        (info / "INSTALLER").write_text(f"{installer}\n")
        for extra, text in (more or {}).items():
            (info / extra).write_text(text)
        contents = {f"{name.replace('-', '_')}.py": f"version = '{version}'\n"} if files is None else files
        for file, text in contents.items():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text(text)
        names = [*contents, *(f"{info.name}/{each.name}" for each in info.iterdir()), f"{info.name}/RECORD"]
        (info / "RECORD").write_text("".join(f"{each},,\n" for each in sorted(names)))
        return info

    def record(
        self, name: str, version: str = "1.0", *, files: Sequence[Path] = (), build: str = "py_0", **fields: Any
    ) -> Path:
        """Write a conda record with the hashes of these files as they are now."""
        relative = [file.relative_to(self.path).as_posix() for file in files]
        paths = [
            {
                "_path": each,
                "path_type": "hardlink",
                "sha256": hashlib.sha256((self.path / each).read_bytes()).hexdigest(),
                "size_in_bytes": (self.path / each).stat().st_size,
            }
            for each in relative
        ]
        record = {
            "build": build,
            "build_number": 0,
            "channel": "https://conda.anaconda.org/conda-forge/noarch",
            "constrains": [],
            "depends": [],
            "files": relative,
            "fn": f"{name}-{version}-{build}.conda",
            "license": "MIT",
            "name": name,
            "paths_data": {"paths": paths, "paths_version": 1},
            "subdir": "noarch",
            "timestamp": 1700000000000,
            "url": f"https://conda.anaconda.org/conda-forge/noarch/{name}-{version}-{build}.conda",
            "version": version,
        } | fields
        path = self.environment.conda_meta / f"{name}-{version}-{build}.json"
        path.write_text(json.dumps(record, indent=2))
        return path

    def conda_python_package(self, name: str, version: str, **fields: Any) -> Path:
        """Write a conda package that is a Python distribution, as conda-forge builds them."""
        info = self.distribution(name, version, installer="conda")
        files = [*info.iterdir(), self.site / f"{name.replace('-', '_')}.py"]
        return self.record(name, version, files=sorted(files), **fields)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each test has its own cache on disk."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture
def make_prefix(tmp_path: Path) -> Callable[..., Prefix]:
    def make(kind: EnvironmentKind = EnvironmentKind.CONDA, *, user_site: Path | None = None) -> Prefix:
        path = tmp_path / "prefix"
        site = path / SITE
        site.mkdir(parents=True)
        if kind is EnvironmentKind.CONDA:
            (path / "conda-meta").mkdir()
            (path / "conda-meta" / "history").touch()
        python = PythonInfo(
            executable=path / "bin" / "python",
            version="3.11.7",
            implementation="cpython",
            prefix=path,
            base_prefix=path,
            purelib=site,
            platlib=site,
            scripts=path / "bin",
            stdlib=site.parent,
            user_site=user_site,
            search_path=(*([user_site] if user_site else []), site),
        )
        return Prefix(environment=Environment(prefix=path, kind=kind, owner="conda", name="prefix", python=python))

    return make


@pytest.fixture
def conda(make_prefix: Callable[..., Prefix]) -> Prefix:
    return make_prefix()


@pytest.fixture
def venv(make_prefix: Callable[..., Prefix]) -> Prefix:
    return make_prefix(EnvironmentKind.VENV)


@pytest.fixture
def real_venv(tmp_path: Path, clean_settings: Path) -> Environment:
    """A venv by uv, identified by its interpreter."""
    assert clean_settings.is_dir()
    environment = from_interpreter(make_venv(tmp_path / "real"))
    return replace(environment, name="real")

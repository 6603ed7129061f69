"""Environments of both kinds, wired to the channel and the index on loopback, behind a real service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import Command, parse_line, together
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import Environment, Request
from jupyter_pkgmgr.render import Rendered
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.verbs import Report, Runner
from testbed.index import Server


@dataclass
class User:
    """Somebody who types commands in one environment and sees what is shown."""

    service: PackageService
    environment: Environment
    base: Path
    shown: dict[str, Rendered] = field(default_factory=dict)

    def type(self, line: str) -> Report:
        return self.run(parse_line(line, base=self.base))

    def type_together(self, *lines: str) -> Report:
        """Several commands as one plan."""
        request = self.together(*lines)
        return self.run(Command(verb=request.verb, request=request))

    def together(self, *lines: str) -> Request:
        commands = [parse_line(line, base=self.base) for line in lines]
        return together([command.request for command in commands if command.request is not None])

    def run(self, command: Command) -> Report:
        self.shown = {}
        return Runner(self.service, self.environment, self.shown.__setitem__).run(command)

    @property
    def screen(self) -> str:
        return "\n".join(rendered.text for rendered in self.shown.values())

    def version(self, name: str) -> str | None:
        """The version of a Python distribution, whichever ecosystem brought it."""
        found = self.service.inventory(self.environment).distribution(name)
        return found[1] if found else None

    def owner(self, name: str) -> str | None:
        found = self.service.inventory(self.environment).distribution(name)
        return found[0].ecosystem.value if found else None

    def tree(self) -> dict[str, str]:
        """Every file below the prefix with its hash; compiled modules, uv's lock file and our own folder aside."""
        return {
            str(path.relative_to(self.environment.prefix)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.environment.prefix.rglob("*"))
            if path.is_file()
            and path.name != ".lock"
            and {"__pycache__", ".jupyter_pkgmgr"}.isdisjoint(path.relative_to(self.environment.prefix).parts)
        }


@pytest.fixture
def configured(
    clean_settings: Path, channel_server: Server, index_server: Server, testbed: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The user's configuration names the channel and the index on loopback; returns the home folder."""
    monkeypatch.setenv("CONDA_CHANNELS", channel_server.url)
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(testbed / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    # each test its own: what a test damages in an environment reaches uv's cache through its hard links
    monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    return clean_settings


@pytest.fixture
def service(configured: Path) -> Iterator[PackageService]:
    assert configured.is_dir()
    with PackageService() as service:
        yield service


@pytest.fixture
def conda_user(service: PackageService, conda_prefix: Path, tmp_path: Path) -> User:
    return User(service, from_prefix(conda_prefix), tmp_path)


@pytest.fixture
def venv_user(service: PackageService, venv_python: Path, tmp_path: Path) -> User:
    return User(service, from_interpreter(venv_python), tmp_path)

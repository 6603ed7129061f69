"""An environment, what its packages come from, and somebody who types commands in it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.inventory import read_inventory
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.render import Rendered
from jupyter_pkgmgr.service import Entry, PackageService
from jupyter_pkgmgr.verbs import Report, Runner
from testbed.environments import tool
from testbed.index import Server

__all__ = ["Demo", "Tree", "World", "python", "uv"]

Tree = dict[str, tuple[int, int, str]]


@dataclass
class World:
    """What an environment's packages come from."""

    servers: ExitStack
    caches: Path
    running: list[Server]

    def cut_off(self) -> None:
        """No network any more, and no caches."""
        self.servers.close()
        shutil.rmtree(self.caches, ignore_errors=True)
        for server in self.running:
            with pytest.raises(URLError):
                urlopen(server.url, timeout=5)  # noqa: S310  it is on loopback, and gone


@dataclass
class Demo:
    """An environment and somebody who types commands in it."""

    environment: Environment
    base: Path
    world: World
    shown: dict[str, Rendered] = field(default_factory=dict)

    def type(self, line: str) -> Report:
        self.shown = {}
        with PackageService(face="test") as service:
            runner = Runner(service, self.environment, self.shown.__setitem__)
            return runner.run(parse_line(line, base=self.base))

    @property
    def screen(self) -> str:
        return "\n".join(rendered.text for rendered in self.shown.values())

    @property
    def history(self) -> tuple[Entry, ...]:
        with PackageService() as service:
            return service.history(self.environment)

    @property
    def version_of(self) -> dict[str, str]:
        return {name: item.version for name, item in read_inventory(self.environment).distributions.items()}

    def python(self, code: str, *, compiled: bool = False) -> str:
        """What a program prints, run by the environment's interpreter."""
        words = [str(python(self)), "-I", *([] if compiled else ["-B"]), "-c", code]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def install_pip(self) -> None:
        """The pip that came with the interpreter."""
        question = "import ensurepip; print(ensurepip.__path__[0]); print(ensurepip.version())"
        folder, version = self.python(question).splitlines()
        uv(self, "install", "--offline", str(next(Path(folder, "_bundled").glob(f"pip-{version}-*.whl"))))

    def tree(self) -> Tree:
        """Types, modes, times and contents of everything, our own folder and bytecode aside."""
        prefix = self.environment.prefix
        return {
            str(path.relative_to(prefix)): _seen(path)
            for path in sorted(prefix.rglob("*"))
            if not {"__pycache__", ".jupyter_pkgmgr"} & set(path.parts) and path.name != ".lock"
        }


def _seen(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    if path.is_symlink():
        return found.st_mode, 0, str(path.readlink())
    if path.is_dir():
        return found.st_mode, 0, ""
    return found.st_mode, found.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()


def python(demo: Demo) -> Path:
    info = demo.environment.python
    assert info is not None
    return info.executable


def uv(demo: Demo, verb: str, *words: str) -> None:
    subprocess.run([tool("uv"), "pip", verb, "--quiet", "--python", python(demo), *words], check=True, timeout=60)

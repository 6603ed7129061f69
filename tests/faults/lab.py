"""Where the trials happen: a channel and an index on loopback, environments in known states, one place to break."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from testbed.channel import PLACEHOLDER, Channel, File, Link, PackageSource
from testbed.content import MINOR, fill_channel, fill_index
from testbed.environments import conda_environment, make_venv
from testbed.index import serve, serve_files
from testbed.python_package import python_channel
from testbed.wheels import WheelSource, conda_package, write_wheel

from .disks import Disk
from .trees import STATE

__all__ = ["ROOT", "Lab", "open_lab", "stock"]

ROOT = Path(__file__).parents[2]
LATENCY = 3.0
"""Milliseconds before each answer of a server: enough for every phase to be hit."""


def large(name: str, version: str, count: int) -> WheelSource:
    """Many modules in folders, a command, data files; every version has some files of its own."""
    module = name.replace("-", "_")
    own = version.replace(".", "_")
    files = {f"{module}/__init__.py": f"__version__ = {version!r}\n"}
    for number in range(count):
        files[f"{module}/part{number % 7}/module{number}.py"] = f"VALUE = ({version!r}, {number})\n" * (1 + number % 5)
    for number in range(count // 10):
        files[f"{module}/only_{own}/extra{number}.py"] = f"VALUE = {number}\n"
    files[f"{name.replace('-', '_')}-{version}.data/data/share/{name}/{own}.txt"] = f"data of {version}\n"
    files[f"{name.replace('-', '_')}-{version}.data/data/etc/{name}.conf"] = f"version = {version}\n"
    return WheelSource(name=name, version=version, files=files, entry_points=(f"{name} = {module}:__version__",))


def shape(version: str) -> WheelSource:
    """Its two versions have a file where the other has a folder, and names that differ by case alone."""
    first = version == "1.0"
    files = {
        "tb_shape/__init__.py": f"__version__ = {version!r}\n",
        "tb_shape/thing" if first else "tb_shape/thing/inner.txt": "a thing\n",
        "tb_shape/other/inner.txt" if first else "tb_shape/other": "another\n",
        "tb_shape/Readme.txt" if first else "tb_shape/README.txt": "read me\n",
        "tb_shape/naïve.txt": f"{version}\n",
        "tb_shape.pth" if first else "tb_shape_2.pth": "# a path file\n",
        f"tb_shape-{version}.data/scripts/tb-shape-script": f"#!python\nprint({version!r})\n",
    }
    return WheelSource(name="tb-shape", version=version, files=files)


def tool(version: str) -> PackageSource:
    """Files with the prefix in them; a link that the other version has as a file."""
    other = version == "2.0"
    return PackageSource(
        name="tb-tool",
        version=version,
        files={
            "bin/tb-tool": File(f"#!{PLACEHOLDER}/bin/python\nprint({version!r})\n".encode(), executable=True),
            "lib/libtb.so.1": b"\x7fELF\x02\x01\x01" + PLACEHOLDER.encode() + b"/share\0" + version.encode(),
            "lib/libtb.so": b"\x7fELF a file now" if other else Link("libtb.so.1"),
            "etc/tb-tool/settings": Link("../../lib/libtb.so.1") if other else f"prefix = {PLACEHOLDER}\n",
        },
    )


@dataclass(kw_only=True)
class Lab:
    """One worker's place: only one trial at a time."""

    folder: Path
    channel_url: str
    index_url: str
    disk: Disk | None = None
    """Where the environments are, if they have a disk of their own."""
    _cold: int = field(default=0)

    @property
    def prefix(self) -> Path:
        """Where every trial's environment is: one path, for it stands in files."""
        return (self.disk.folder if self.disk else self.folder) / "env"

    @property
    def _templates(self) -> Path:
        return (self.disk.image.parent if self.disk else self.folder) / "templates"

    def on(self, disk: Disk) -> Lab:
        """The same, but with its environments on a disk of their own."""
        return replace(self, disk=disk)

    def variables(self, *, cold: bool = False) -> dict[str, str]:
        """A process's variables: nothing of the machine's configuration; ``cold`` means empty caches."""
        cache = self.folder / "cache"
        if cold:
            self._cold += 1
            cache = self.folder / f"cold-{self._cold}"
        home = self.folder / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CACHE_HOME": str(cache / "xdg"),
            "XDG_CONFIG_DIRS": str(home / "etc"),
            "NO_PROXY": "127.0.0.1,localhost",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_CACHE_DIR": str(cache / "pip"),
            "PIP_INDEX_URL": self.index_url,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": str(cache / "uv"),
            "UV_INDEX_URL": self.index_url,
            "CONDA_CHANNELS": self.channel_url,
            "CONDA_PKGS_DIRS": str(cache / "conda"),
            "MAMBA_ROOT_PREFIX": str(self.folder / "mamba"),
        }

    def next_boot(self) -> tuple[str, ...]:
        """What a command begins with so that it believes, after a power cut, that the machine was started again."""
        if self.disk is None:
            return ()
        name = self.folder / "boot_id"
        name.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        script = f'mount --bind {name} /proc/sys/kernel/random/boot_id && exec "$@"'
        return ("unshare", "--mount", "sh", "-c", script, "sh")

    def forget_cold(self) -> None:
        """Remove the caches that one trial filled."""
        for path in self.folder.glob("cold-*"):
            shutil.rmtree(path, ignore_errors=True)

    def place(self, world: str, setup: Sequence[str]) -> None:
        """Put the environment of this kind, with these specs installed, at the prefix."""
        template = self._templates / "-".join([world, *setup]).replace("/", "_").replace("=", "")
        self.clear()
        if not template.exists():
            self._make(world, setup)
            template.parent.mkdir(exist_ok=True)
            _copy(self.prefix, template)
        else:
            _copy(template, self.prefix)

    def clear(self) -> None:
        """Remove the environment."""
        if self.prefix.exists():
            shutil.rmtree(self.prefix)

    def _make(self, world: str, setup: Sequence[str]) -> None:
        if world == "conda":
            conda_environment(self.prefix, channels=[self.channel_url], cache=self.folder / "cache" / "conda")
        else:
            make_venv(self.prefix, pip=world == "pip")
        if setup:
            engine = ["--engine", "pip"] if world == "pip" else []
            words = ["-m", "tests.faults.driver", "--prefix", str(self.prefix), "--", "install", *engine, *setup]
            done = subprocess.run(
                [sys.executable, *words], cwd=ROOT, env=self.variables(), capture_output=True, check=False
            )
            if done.returncode:
                raise RuntimeError(f"{setup} can't be set up: {(done.stdout + done.stderr).decode(errors='replace')}")


def _copy(source: Path, target: Path) -> None:
    """A copy: what tools replace as a whole as hard links, what they may change in place as files of their own."""
    if source.stat().st_dev != target.parent.stat().st_dev:
        subprocess.run(["cp", "-a", source, target], check=True)
        return
    subprocess.run(["cp", "-al", source, target], check=True)
    for folder in ("conda-meta", STATE):
        if (source / folder).exists():
            shutil.rmtree(target / folder)
            subprocess.run(["cp", "-a", source / folder, target / folder], check=True)


def _fill_index(folder: Path) -> None:
    fill_index(folder)
    for source in (
        *(large("tb-large", version, 300) for version in ("1.0", "1.1", "2.0")),
        *(large("tb-wide", version, 60) for version in ("1.0", "2.0")),
        *(shape(version) for version in ("1.0", "2.0")),
    ):
        write_wheel(folder, source)


def _fill_channel(folder: Path, python: Path) -> None:
    channel = fill_channel(Channel(folder).include(python_channel(python)))
    with TemporaryDirectory() as scratch:
        sources = [
            *(large("tb-large", version, 300) for version in ("1.0", "1.1", "2.0")),
            *(shape(version) for version in ("1.0", "2.0")),
        ]
        wheels = [write_wheel(Path(scratch), source) for source in sources]
        channel.add(*(conda_package(path, python=MINOR) for path in wheels))
    channel.add(*(tool(version) for version in ("1.0", "2.0"))).index()


def stock(folder: Path, python: Path) -> Path:
    """Fill a folder with what labs serve, once for all processes; ``python`` is where interpreters are packed."""
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            _fill_index(folder / "index")
            _fill_channel(folder / "channel", python)
            (folder / "ready").touch()
    return folder


@contextmanager
def open_lab(folder: Path, shelf: Path) -> Iterator[Lab]:
    """Set up the servers and the caches; the folder must be empty, the shelf stocked."""
    (folder / "home").mkdir()
    with serve(shelf / "index", latency=LATENCY) as index, serve_files(shelf / "channel", latency=LATENCY) as channel:
        yield Lab(folder=folder, channel_url=channel.url, index_url=index.index_url)

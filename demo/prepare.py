"""Set up what the demonstration needs, under one folder: a channel, two environments, a Jupyter server's settings.

It is Binder's arrangement in small: a conda environment in which the server and the kernel ``python3`` live, with
jupyter_pkgmgr beside them, and a venv that has a kernel and nothing of ours, which the server attaches to.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from ruamel.yaml import YAML

import jupyter_pkgmgr
from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_prefix, read_conda_settings
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.model.redact import redact
from jupyter_pkgmgr.names import conda_name
from jupyter_pkgmgr.service import PackageService
from testbed.channel import SUBDIR, Channel
from testbed.environments import conda_environment, kernelspec, make_venv
from testbed.python_package import NotRelocatableError, python_channel
from testbed.wheels import closure, conda_package, repack, wheel_requires

from .server import as_root

__all__ = ["FRONT_END", "NOTEBOOKS", "Demo", "DemoError", "open_lab", "reachable"]

ROOT = Path(__file__).parents[1]
VENV_KERNEL = "pkgmgr-demo-venv"
"""As ``binder/postBuild`` calls it."""
NOTEBOOKS = {"install.ipynb": "python3", "mixed.ipynb": "python3", "where.ipynb": VENV_KERNEL, "panel.ipynb": "python3"}
"""Notebook to kernel name, in the order in which they are run."""
FRONT_END = {"panel.ipynb": "widget/static/panel.js"}
"""What a notebook shows of the front end, which Node has to build first; it is left out where that isn't there."""
FILES = ("legacy-stats/pyproject.toml", "legacy-stats/legacy_stats.py")
"""What lies beside the notebooks."""
CHANNEL_CONTENT = (
    "humanize",
    "numpy",
    "numpy<2; python_version < '3.13'",  # the last one of numpy 1 has no wheels for later ones
    "rich",
    "termcolor",
    "ujson==5.10.0",
    "ujson>5.10.0",
)
"""What the notebooks take from the local channel; one requirement alone decides about a version."""
SERVER_CONTENT = ("ipykernel", "jupyterlab>=4.4,<5", "pip>=25.1")
"""What is in the conda environment beside Python and the requirements of jupyter_pkgmgr."""
LAB_SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
"""What JupyterLab would ask at the first start, over the outputs."""
REACHABLE_TIMEOUT = 5.0
RECIPE = "4"
"""Counted up when the local channel gets other content."""
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


class DemoError(Exception):
    """The demonstration can't be set up; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration's folder."""

    root: Path

    @property
    def venv(self) -> Path:
        """The venv's prefix."""
        return self.root / "venv"

    @property
    def conda(self) -> Path:
        """The prefix of the conda environment, in which the server runs."""
        return self.root / "conda-env"

    @property
    def notebooks(self) -> Path:
        """Copies of the notebooks, and the folder they run in."""
        return self.root / "notebooks"

    @property
    def environ(self) -> dict[str, str]:
        """The server's process environment: the user's, with the conda environment activated, as on Binder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA", "JUPYTER_"))}
        kept.pop("VIRTUAL_ENV", None)
        return kept | {
            "CONDARC": str(self.root / "condarc"),
            "IPYTHONDIR": str(self.root / "ipython"),
            "JUPYTER_CONFIG_DIR": str(self.root / "config"),
            "JUPYTER_DATA_DIR": str(self.root / "data"),
            "JUPYTER_PATH": str(self.root / "jupyter"),
            "JUPYTER_RUNTIME_DIR": str(self.root / "runtime"),
            "PATH": os.pathsep.join([str(self.conda / "bin"), os.environ.get("PATH", os.defpath)]),
        }

    def prepare(self) -> None:
        """Set up what is missing; the environments are made anew, so that everybody sees what a first visitor does."""
        self.root.mkdir(exist_ok=True)
        channels = self.choose_channels()
        self._write_condarc(channels)
        self._make_venv()
        self._make_conda_environment(channels)
        self._write_jupyter()
        self._write_notebooks()

    def _make_venv(self) -> None:
        with _said("a venv without pip, with ipykernel"):
            shutil.rmtree(self.venv, ignore_errors=True)
            make_venv(self.venv)
            _install(self.venv, f"--no-index --find-links {self._kernel_wheels()} ipykernel")

    def _make_conda_environment(self, channels: list[str]) -> None:
        shutil.rmtree(self.conda, ignore_errors=True)
        with _said("a conda environment with python, JupyterLab and ipykernel, by the embedded engine"):
            cache = self.root / "conda-cache"
            specs = (f"python={MINOR}", *(match_spec(text) for text in _server_content()))
            conda_environment(self.conda, channels=channels, cache=cache, specs=specs)
        with _said("jupyter_pkgmgr in it, from this checkout"):
            _install(self.conda, f"--no-deps -e {ROOT}")

    def _kernel_wheels(self) -> Path:
        """The running environment's own ipykernel and its dependencies, as the wheels they came from."""
        folder = self.root / "kernel-wheels"
        names = closure("ipykernel")
        ready = folder / "ready"
        if not ready.is_file() or ready.read_text(encoding="utf-8") != " ".join(names):
            shutil.rmtree(folder, ignore_errors=True)
            for name in names:
                repack(name, folder)
            ready.write_text(" ".join(names), encoding="utf-8")
        return folder

    def choose_channels(self) -> list[str]:
        """The user's channels if they can be reached, else a local one."""
        channels = _configured_channels()
        started = time.monotonic()
        if all(reachable(channel) for channel in channels):
            _say(f"conda channel: {', '.join(redact(channel) for channel in channels)}", started)
            return channels
        _say(f"{', '.join(redact(channel) for channel in channels)} can't be reached: using a local channel", started)
        return [self._local_channel().url]

    def _local_channel(self) -> Channel:
        folder = self.root / "local-channel"
        ready = folder / f"ready-{RECIPE}"
        if not ready.is_file():
            names = dict.fromkeys(Requirement(text).name for text in CHANNEL_CONTENT)
            with _said(f"wheels of JupyterLab, {', '.join(names)} from your package index"):
                wheels = self._download()
            with _said("a local conda channel: a relocatable Python from this interpreter, and packages from wheels"):
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    channel = Channel(folder).include(python_channel(self.root / "python"))
                except NotRelocatableError as error:
                    msg = f"{error}; try another Python ≥ 3.11, for example: make PYTHON=$(uv python find 3.12) demo"
                    raise DemoError(msg) from error
                conda_names, extras = _conda_names(wheels), wanted_extras(wheels)
                for wheel in wheels:
                    asked = sorted(extras.get(_project(wheel), ()))
                    channel.add(conda_package(wheel, python=MINOR, names=conda_names, extras=asked))
                channel.index()
                ready.touch()
        return Channel(folder)

    def _download(self) -> list[Path]:
        """By pip, which knows the user's index, proxy and credentials."""
        folder = self.root / "downloads"
        shutil.rmtree(folder, ignore_errors=True)
        versions: dict[str, list[str]] = {}
        for text in CHANNEL_CONTENT:
            versions.setdefault(Requirement(text).name, []).append(text)
        first = [texts[0] for texts in versions.values()]
        _pip_download(folder, *first, *_server_content())
        for text in (text for texts in versions.values() for text in texts[1:]):  # pip takes one version at a time
            _pip_download(folder, "--no-deps", text)
        return sorted(folder.glob("*.whl"))

    def _write_condarc(self, channels: list[str]) -> None:
        settings = {"channels": channels, "pkgs_dirs": [str(self.root / "conda-cache" / "pkgs")]}
        with (self.root / "condarc").open("w", encoding="utf-8") as file:
            YAML().dump(settings, file)

    def _write_jupyter(self) -> None:
        """The venv's kernelspec, the server extension's configuration, and the front end if it is built."""
        data = self.root / "jupyter"
        python = self.venv / "bin" / "python"
        kernelspec(data, VENV_KERNEL, python, display_name="Demo: venv without pip", extra=["--log-level=ERROR"])
        shutil.copytree(
            ROOT / "jupyter-config" / "server-config",
            self.root / "config" / "jupyter_server_config.d",
            dirs_exist_ok=True,
        )
        overrides = self.root / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(exist_ok=True)
        overrides.write_text(json.dumps(LAB_SETTINGS), encoding="utf-8")
        built = Path(jupyter_pkgmgr.__file__).parent / "labextension"
        shown = data / "labextensions" / "jupyter-pkgmgr"
        if shown.is_symlink():
            shown.unlink()
        shutil.rmtree(shown, ignore_errors=True)
        if built.is_dir():  # no link to it: hatchling follows links, and packs no folder twice
            shutil.copytree(built, shown)

    def _write_notebooks(self) -> None:
        for name in (*NOTEBOOKS, *FILES):
            target = self.notebooks / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(__file__).parent / name, target)


def _server_content() -> list[str]:
    """The requirements of the environment in which the server runs."""
    ours = (Requirement(text) for text in requires("jupyter_pkgmgr") or [])
    return [*SERVER_CONTENT, *(str(need) for need in ours if need.marker is None or need.marker.evaluate())]


def match_spec(requirement: str) -> str:
    """As conda says it."""
    parsed = Requirement(requirement)
    return f"{conda_name(parsed.name) or parsed.name} {parsed.specifier}".strip()


def _conda_names(wheels: Sequence[Path]) -> dict[str, str]:
    """What conda calls the projects of these wheels, where that differs."""
    projects = {_project(wheel) for wheel in wheels}
    return {project: name for project in projects if (name := conda_name(project)) is not None}


def _project(wheel: Path) -> str:
    return canonicalize_name(parse_wheel_filename(wheel.name)[0])


def wanted_extras(wheels: Sequence[Path]) -> dict[str, set[str]]:
    """Which extras of which projects these wheels need: nbconvert those of ``bleach[css]``, for example."""
    wanted: dict[str, set[str]] = {}
    for wheel in wheels:
        for text in wheel_requires(wheel):
            need = Requirement(text)
            if need.extras and (need.marker is None or need.marker.evaluate({"extra": ""})):
                wanted.setdefault(canonicalize_name(need.name), set()).update(need.extras)
    return wanted


def _pip_download(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        msg = f"pip could not download {', '.join(arguments)}:\n{redact(done.stderr.strip())}"
        raise DemoError(msg)


def _install(prefix: Path, what: str) -> None:
    """By the service itself, as ``%pkg`` does it."""
    command = parse_line(f"install {what}", base=ROOT)
    assert command.request is not None  # noqa: S101  an install has one
    try:
        with PackageService() as service:
            service.apply(service.plan(from_prefix(prefix), command.request))
    except PkgError as error:
        msg = f"{what} can't be installed: {redact(error.message)}"
        raise DemoError(msg) from error


def _configured_channels() -> list[str]:
    settings = read_conda_settings(None)
    source = next((setting.source for setting in settings.settings if setting.name == "channels"), "default")
    return ["https://conda.anaconda.org/conda-forge"] if source == "default" else list(settings.channels)


def reachable(channel: str) -> bool:
    """Whether a channel answers with an index for this platform."""
    parts = urlsplit(channel)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).is_dir()
    try:
        answers = (
            requests.head(f"{channel}/{SUBDIR}/{name}", timeout=REACHABLE_TIMEOUT, allow_redirects=True)
            for name in ("repodata.json.zst", "repodata.json")
        )
        return any(answer.ok for answer in answers)
    except requests.RequestException:
        return False


@contextmanager
def _said(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    _say(what, started)


def _say(what: str, started: float) -> None:
    print(f"· {what} ({time.monotonic() - started:.1f} s)", flush=True)


def open_lab(demo: Demo) -> int:
    """Run JupyterLab of the conda environment until the user ends it."""
    executable = demo.conda / "bin" / "jupyter-lab"
    first = next(iter(NOTEBOOKS))
    options = [f"--ServerApp.root_dir={demo.notebooks}", f"--LabApp.default_url=/lab/tree/{first}", *as_root()]
    return subprocess.call([str(executable), *options], env=demo.environ)

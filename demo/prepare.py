"""Set up what the demonstration needs, under one folder: a channel, two environments, two kernels.

The kernels' environments have nothing of jupyter_pkgmgr in them: the kernelspecs let IPython run
``jupyter_pkgmgr/kernel/startup.py`` from this checkout, and name the interpreter that runs the service.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from ruamel.yaml import YAML

import jupyter_pkgmgr
from jupyter_pkgmgr.environments import from_prefix, read_conda_settings
from jupyter_pkgmgr.model import Options, Request, Verb, parse_spec
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.model.redact import redact
from jupyter_pkgmgr.service import PackageService
from testbed.channel import SUBDIR, Channel
from testbed.environments import conda_environment, kernelspec, make_venv
from testbed.python_package import NotRelocatableError, python_channel
from testbed.wheels import WheelSource, closure, conda_package, repack, write_wheel

__all__ = ["NOTEBOOKS", "Demo", "DemoError", "open_lab", "reachable"]

NOTEBOOKS = {"pkgmgr-demo-venv": "venv.ipynb", "pkgmgr-demo-conda": "conda.ipynb"}
"""Kernel name to notebook, in the order in which they are run."""
CHANNEL_CONTENT = ("pandas", "rich", "termcolor")
"""What the local channel has beside Python and ipykernel, with all it needs."""
REACHABLE_TIMEOUT = 5.0
RECIPE = "1"
"""Counted up when the local channel gets other content."""
OLD_NUMPY = {"3.13": "2.2", "3.14": "2.4"}
"""Below which version numpy is old, for Pythons that have no wheels of numpy 1."""
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
        """The conda environment's prefix."""
        return self.root / "conda-env"

    @property
    def notebooks(self) -> Path:
        """Copies of the notebooks, and the folder they run in."""
        return self.root / "notebooks"

    @property
    def variables(self) -> dict[str, str]:
        """What Jupyter needs in its process environment to find the kernels."""
        return {
            "JUPYTER_PATH": str(self.root / "jupyter"),
            "JUPYTER_RUNTIME_DIR": str(self.root / "runtime"),
            "IPYTHONDIR": str(self.root / "ipython"),
        }

    def prepare(self, *, fresh: bool) -> None:
        """Set up what is missing; with ``fresh`` the environments are made anew, as a first visitor has them."""
        self.root.mkdir(exist_ok=True)
        with _said("kernel packages (ipykernel and what it needs, as wheels)"):
            wheels = self._kernel_wheels()
        channels = self.choose_channels(wheels)
        if fresh or not self.venv.exists():
            with _said("a venv without pip, with ipykernel"):
                shutil.rmtree(self.venv, ignore_errors=True)
                make_venv(self.venv)
                _install_kernel(self.venv, wheels)
        if fresh or not self.conda.exists():
            with _said("a conda environment with python and ipykernel, by the embedded engine"):
                shutil.rmtree(self.conda, ignore_errors=True)
                cache = self.root / "conda-cache"
                specs = (f"python={MINOR}", "ipykernel")
                conda_environment(self.conda, channels=channels, cache=cache, specs=specs)
        self._write_condarc(channels)
        self._write_kernels()
        self._write_notebooks()

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

    def choose_channels(self, wheels: Path) -> list[str]:
        """The user's channels if they can be reached, else a local one."""
        channels = _configured_channels()
        started = time.monotonic()
        if all(reachable(channel) for channel in channels):
            _say(f"conda channel: {', '.join(redact(channel) for channel in channels)}", started)
            return channels
        _say(f"{', '.join(redact(channel) for channel in channels)} can't be reached: using a local channel", started)
        return [self._local_channel(wheels).url]

    def _local_channel(self, wheels: Path) -> Channel:
        folder = self.root / "local-channel"
        ready = folder / f"ready-{RECIPE}"
        if not ready.is_file():
            with _said(f"wheels of {', '.join(CHANNEL_CONTENT)} from your package index"):
                downloaded = self._download()
            with _said("a local conda channel: a relocatable Python from this interpreter, and packages from wheels"):
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    channel = Channel(folder).include(python_channel(self.root / "python"))
                except NotRelocatableError as error:
                    msg = f"{error}; try another Python ≥ 3.11, for example: make PYTHON=$(uv python find 3.12) demo"
                    raise DemoError(msg) from error
                chosen = {
                    wheel.name.split("-")[0].lower(): wheel for wheel in [*downloaded, *sorted(wheels.glob("*.whl"))]
                }
                for wheel in chosen.values():
                    channel.add(conda_package(wheel, python=MINOR))
                channel.index()
                ready.touch()
        return Channel(folder)

    def _download(self) -> list[Path]:
        """By pip, which knows the user's index, proxy and credentials."""
        folder = self.root / "downloads"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(folder)]
        done = subprocess.run([*command, *CHANNEL_CONTENT], check=False, capture_output=True, text=True)
        if done.returncode:
            msg = f"pip could not download {', '.join(CHANNEL_CONTENT)}:\n{redact(done.stderr.strip())}"
            raise DemoError(msg)
        return sorted(folder.glob("*.whl"))

    def _write_condarc(self, channels: list[str]) -> None:
        settings = {"channels": channels, "pkgs_dirs": [str(self.root / "conda-cache" / "pkgs")]}
        with (self.root / "condarc").open("w", encoding="utf-8") as file:
            YAML().dump(settings, file)

    def _write_kernels(self) -> None:
        startup = Path(jupyter_pkgmgr.__file__).parent / "kernel" / "startup.py"
        env = {
            "CONDARC": str(self.root / "condarc"),
            "IPYTHONDIR": str(self.root / "ipython"),
            "JUPYTER_PKGMGR_PYTHON": sys.executable,
        }
        for name, prefix, title in (
            ("pkgmgr-demo-venv", self.venv, "Demo: venv without pip"),
            ("pkgmgr-demo-conda", self.conda, "Demo: conda environment"),
        ):
            kernelspec(
                self.root / "jupyter",
                name,
                prefix / "bin" / "python",
                display_name=title,
                extra=[f"--InteractiveShellApp.exec_files={[str(startup)]!r}", "--log-level=ERROR"],
                env=env,
            )

    def _write_notebooks(self) -> None:
        self.notebooks.mkdir(exist_ok=True)
        for name in NOTEBOOKS.values():
            shutil.copyfile(Path(__file__).with_name(name), self.notebooks / name)
        requires = (f"numpy<{OLD_NUMPY.get(MINOR, '2')}",)
        summary = "a package that insists on an old numpy"
        write_wheel(self.notebooks, WheelSource(name="legacy-stats", version="1.0", requires=requires, summary=summary))


def _install_kernel(prefix: Path, wheels: Path) -> None:
    """By the service itself: uv alone marks every package as requested, and then the list in the notebook would."""
    options = Options(no_index=True, find_links=(str(wheels),))
    request = Request(verb=Verb.INSTALL, specs=(parse_spec("ipykernel", base=wheels),), options=options)
    try:
        with PackageService() as service:
            service.apply(service.plan(from_prefix(prefix), request))
    except PkgError as error:
        msg = f"ipykernel can't be installed: {redact(error.message)}"
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
    """Run JupyterLab, installed beside the running interpreter, until the user ends it."""
    executable = Path(sys.executable).with_name("jupyter-lab")
    if not executable.is_file():
        msg = "JupyterLab is not installed; type: make lab"
        raise DemoError(msg)
    first = next(iter(NOTEBOOKS.values()))
    options = [f"--ServerApp.root_dir={demo.notebooks}", f"--LabApp.default_url=/lab/tree/{first}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container, where there is no other user
        options.append("--allow-root")
    return subprocess.call([str(executable), *options], env=os.environ | demo.variables)

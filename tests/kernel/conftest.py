"""Real kernels on every interpreter of this machine, and a service that misbehaves on demand."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from jupyter_pkgmgr.environments import read_index_settings
from testbed.environments import available_interpreters, copy_venv, kernel_venv

ROOT = Path(__file__).parents[2]
INDEX = read_index_settings(None).index_url
"""Where this machine gets its packages from, before a test hides its configuration."""
StartKernel = Callable[..., "Kernel"]
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
PACKAGES: dict[str, tuple[str, ...]] = {
    "3.8-ipython7": ("ipython<8", "ipykernel<6.30"),
}
"""What an environment gets where it is not the newest ipykernel for its Python."""


@dataclass
class Outcome:
    """What a cell showed, and how it ended."""

    status: str
    execution_count: int | None = None
    stdout: str = ""
    stderr: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    """Every display and update as it came."""
    displays: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last state of each display."""
    error: dict[str, Any] = field(default_factory=dict)

    def take(self, kind: str, content: dict[str, Any]) -> bool:
        """Take what a message of a cell's output says; returns whether it was a display."""
        if kind in {"display_data", "update_display_data"}:
            key = content.get("transient", {}).get("display_id") or f"display {len(self.displays)}"
            self.shown.append(content["data"])
            self.displays[key] = content["data"]
            return True
        if kind == "stream" and content["name"] == "stdout":
            self.stdout += content["text"]
        elif kind == "stream":
            self.stderr += content["text"]
        elif kind == "error":
            self.error = content
        return False

    @property
    def texts(self) -> list[str]:
        return [data["text/plain"] for data in self.displays.values()]


class Kernel:
    """A running kernel."""

    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager = manager
        self.client = client

    def run(
        self, code: str, *, silent: bool = False, history: bool = True, on_display: Callable[[], None] | None = None
    ) -> Outcome:
        """Execute a cell and collect its outputs until the kernel is idle; ``on_display`` runs at every display."""
        number = self.client.execute(code, silent=silent, store_history=history, allow_stdin=False)
        outcome = Outcome(status="")
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if outcome.take(kind, content) and on_display is not None:
                on_display()
        reply = self.client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != number:
            reply = self.client.get_shell_msg(timeout=60)
        outcome.status, outcome.execution_count = reply["content"]["status"], reply["content"].get("execution_count")
        return outcome

    def value(self, expression: str) -> Any:
        """What an expression is in the kernel, as JSON, without a trace in its history."""
        outcome = self.run(f"print(__import__('json').dumps({expression}))", history=False)
        assert outcome.status == "ok", outcome.error
        return json.loads(outcome.stdout)

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()


def interpreter(version: str) -> Path:
    """The interpreter of a minor version, or skip."""
    path = available_interpreters().get(version)
    if path is None:
        pytest.skip(f"this machine has no Python {version}")
    return path


@pytest.fixture(scope="session")
def kernel_template(testbed: Path) -> Callable[[str], Path]:
    """A venv with ipykernel and six and nothing of ours, per version, to be copied; made once in a run."""

    def make(version: str) -> Path:
        packages = ("six==1.17.0", *PACKAGES.get(version, ("ipykernel",)))
        python = interpreter(version.partition("-")[0])
        source = {"index_url": INDEX, "cache": testbed / "uv-cache"}
        return kernel_venv(testbed / "kernels" / version, *packages, python=python, **source)

    return make


@pytest.fixture(scope="session")
def kernel_python(
    kernel_template: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """The interpreter of such a venv, per version; each is made once in a session."""
    made: dict[str, str] = {}

    def make(version: str) -> str:
        if version not in made:
            made[version] = str(copy_venv(kernel_template(version), tmp_path_factory.mktemp("venv") / "env"))
        return made[version]

    return make


def make_peer(folder: Path) -> Path:
    """An executable that the kernel takes for the interpreter of the service."""
    path = folder / "peer"
    source = (Path(__file__).parent / "peer.py").read_text(encoding="utf-8")
    path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    return make_peer(tmp_path)


@contextlib.contextmanager
def kernels_in(folder: Path) -> Iterator[StartKernel]:
    """Start kernels, with a home and a working directory of their own; they end with the block."""
    running: list[Kernel] = []

    def start(python: str, *arguments: str, **environ: str) -> Kernel:
        spec = folder / "kernels" / f"k{len(running)}"
        spec.mkdir(parents=True)
        argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", *arguments]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "k", "language": "python"}))
        manager = KernelManager(
            kernel_name=spec.name, kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(spec.parent)])
        )
        home, notebooks = folder / "home", folder / "notebooks"
        home.mkdir(exist_ok=True)
        notebooks.mkdir(exist_ok=True)
        clean = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        manager.start_kernel(env=clean | {"HOME": str(home), "IPYTHONDIR": str(home)} | environ, cwd=str(notebooks))
        client = manager.blocking_client()
        client.start_channels()
        running.append(Kernel(manager, client))
        client.wait_for_ready(timeout=60)
        return running[-1]

    try:
        yield start
    finally:
        for kernel in running:
            kernel.client.stop_channels()
            kernel.manager.shutdown_kernel(now=True)


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[StartKernel]:
    with kernels_in(tmp_path) as start:
        yield start

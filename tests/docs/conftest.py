"""What a reader has: a shell, a Jupyter server, a kernel; and an index on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from packaging.utils import canonicalize_name

from testbed.channel import Channel
from testbed.environments import conda_environment, kernelspec
from testbed.index import serve
from testbed.python_package import python_channel
from testbed.wheels import closure, conda_package
from tests.docs.blocks import Block, differs
from tests.docs.standins import fill
from tests.kernel.conftest import Kernel, Outcome
from tests.server.live import LiveServer

PATIENCE = 60.0


@dataclass
class Reader:
    """Somebody who does what a page says, block by block."""

    folder: Path
    """Where the commands are typed, and the notebook is."""
    server: LiveServer
    variables: dict[str, str] = field(default_factory=dict)
    kernel: Kernel | None = None
    wrong: list[str] = field(default_factory=list)
    """What came otherwise than the page says."""

    def follow(self, blocks: list[Block], kernel_name: str = "") -> list[Block]:
        """Do what every block says that isn't marked; returns those that were run."""
        done = []
        for block in blocks:
            if block.skipped:
                continue
            if block.language == "ipython":
                self.kernel = self.kernel or self.start_kernel(kernel_name)
                shown = _shown(self.kernel.run(block.text))
            elif block.language in ("sh", "python"):
                shown = self.type(block.text, language=block.language)
            else:
                pytest.fail(f"{block}: a block of {block.language or 'nothing'} is neither run nor marked")
            print(f"{block}\n{shown}")  # noqa: T201  shown where the test fails
            if block.shows is not None and differs(block.shows, shown):
                self.wrong.append(f"{block}\n{block.text}\n--- shows\n{shown}")
            done.append(block)
        assert not self.wrong, "\n\n".join(self.wrong)
        return done

    def type(self, text: str, *, language: str = "sh") -> str:
        """Run lines in a shell, or in the interpreter that has jupyter_pkgmgr."""
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        environ = {**os.environ, **self.variables}
        done = subprocess.run(
            [*command, text], cwd=self.folder, env=environ, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start_kernel(self, name: str) -> Kernel:
        """As JupyterLab does it, and wait until the extension has attached to it."""
        started = self.server.ask("POST", "api/kernels", {"name": name})
        deadline = time.monotonic() + PATIENCE
        while (known := self.server.get(f"kernels/{started['id']}"))["attached"] == "pending":
            assert time.monotonic() < deadline, known
            time.sleep(0.05)
        assert known["attached"] == "attached", known
        client: Any = BlockingKernelClient()
        client.load_connection_file(str(self.server.root / "runtime" / f"kernel-{started['id']}.json"))
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        return Kernel(None, client)  # type: ignore[arg-type]  # the server manages it


def _shown(outcome: Outcome) -> str:
    """What a cell shows, in the last state of each display."""
    error = outcome.error
    told = "\n".join(error["traceback"]) if error.get("ename") == "PkgError" else ""
    if told:  # a plan that is blocked comes before the error that says so
        return "\n".join([outcome.stdout, *outcome.texts, told])
    raised = [f"{error['ename']}: {error['evalue']}"] if error else []
    return "\n".join([outcome.stdout, *raised, *outcome.texts])


@pytest.fixture(scope="session")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of wheels that the pages' packages come from."""
    return fill(tmp_path_factory.mktemp("standins"))


@pytest.fixture
def conda_kernel(standins: Path, testbed: Path, reader: Reader) -> str:
    """The name of a kernel in a conda environment; its only channel is called conda-forge, but lies on this disk."""
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    channel = Channel(reader.server.root / "conda-forge").include(python_channel(testbed / "python"))
    for name in (*closure("ipykernel"), "termcolor"):
        wheel = next(path for path in standins.glob("*.whl") if canonicalize_name(path.name.split("-")[0]) == name)
        channel.add(conda_package(wheel, python=minor))
    channel.index()
    prefix = reader.server.root / "conda-env"
    specs = (f"python={minor}", "ipykernel")
    conda_environment(prefix, channels=[channel.url], cache=reader.server.root / "cache", specs=specs)
    condarc = reader.server.root / "condarc"
    condarc.write_text(f"channels: [{channel.url}]\npkgs_dirs: [{reader.server.root / 'cache' / 'pkgs'}]\n")
    kernelspec(reader.server.root / "data", "conda", prefix / "bin" / "python", env={"CONDARC": str(condarc)})
    return "conda"


@pytest.fixture
def reader(clean_settings: Path, standins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    folder = tmp_path / "work"
    folder.mkdir()
    with serve(standins) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.index_url)
        monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
        with LiveServer(tmp_path / "jupyter", f"--ServerApp.root_dir={folder}") as server:
            jupyter = {f"JUPYTER_{name.upper()}_DIR": str(server.root / name) for name in ("config", "data", "runtime")}
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            found = Reader(folder=folder, server=server, variables={**jupyter, "PATH": path})
            yield found
            if found.kernel is not None:
                found.kernel.client.stop_channels()

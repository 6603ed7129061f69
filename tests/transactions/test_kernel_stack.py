"""A change after which the kernel couldn't start any more is taken back."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr import process
from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.model import Cancellation
from jupyter_pkgmgr.model.errors import CancelledError, VerificationError
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel
from testbed.content import MINOR
from testbed.index import serve, serve_files
from testbed.wheels import conda_package, make_wheel
from tests.transactions.demo import Demo, World

HANGS = "import os, pathlib, time\npathlib.Path(os.environ['STARTED']).touch()\ntime.sleep(3600)\n"


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> Path:
    """A kernel of a few lines, with a dependency of which some versions are broken."""
    folder = tmp_path / "wheels"
    kernel = {"ipykernel/__init__.py": "", "ipykernel/kernelapp.py": "import traitlets.config\n"}
    make_wheel(folder, "ipykernel", requires=("traitlets", 'tb-testing; extra == "test"'), files=kernel)
    for version, content in {
        "1.0": "",
        "1.1": "",
        "2.0": "from collections import Sequence\n",
        "3.0": "import os; os._exit(7)\n",
        "4.0": HANGS,
    }.items():
        files = {"traitlets/__init__.py": "", "traitlets/config.py": content}
        make_wheel(folder, "traitlets", version, files=files)
    make_wheel(folder, "tb-testing")
    server = world.servers.enter_context(serve(folder))
    monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
    return folder


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What interpreters were asked to import."""
    asked: list[str] = []
    real = process.run

    def run(argv: list[str], **options: Any) -> process.Completed:
        if "-c" in argv and argv[-1].startswith("import "):
            asked.append(argv[-1])
        return real(argv, **options)

    monkeypatch.setattr(process, "run", run)
    return asked


@pytest.mark.parametrize(
    ("version", "why"), [("2.0", "ImportError: cannot import name 'Sequence'"), ("3.0", "Python ended with 7")]
)
def test_what_breaks_the_kernel_is_taken_back(version: str, why: str, venv: Demo) -> None:
    venv.type("install ipykernel traitlets==1.0")
    before = venv.tree()
    with pytest.raises(VerificationError) as caught:
        venv.type(f"install traitlets=={version}")
    assert caught.value.reference == "kernel-stack"
    assert caught.value.message.startswith("the kernel could not start any more: ")
    assert why in caught.value.message
    assert caught.value.message.endswith("everything is as it was before")
    assert caught.value.context == (f"ipykernel needs traitlets {version}",)
    assert venv.tree() == before
    assert venv.history[0].result == "rolled-back"


def test_what_keeps_it_whole_stays(venv: Demo, tried: list[str]) -> None:
    venv.type("install ipykernel traitlets==1.0")
    assert tried == []
    venv.type("install traitlets==1.1")
    assert tried == ["import ipykernel.kernelapp"] * 2
    assert venv.version_of["traitlets"] == "1.1"
    assert not list(venv.environment.prefix.rglob("*.pyc"))


def test_what_the_kernel_does_not_need_costs_nothing(venv: Demo, tried: list[str]) -> None:
    venv.type("install ipykernel traitlets==1.0")
    venv.type("install tb-testing")
    venv.type("remove tb-testing")
    assert tried == []


def test_what_was_broken_already_can_be_mended_and_changed(venv: Demo, tried: list[str]) -> None:
    venv.type("install ipykernel traitlets==2.0")
    venv.type("install traitlets==3.0")
    assert tried == ["import ipykernel.kernelapp"]
    venv.type("install traitlets==1.0")
    assert venv.version_of["traitlets"] == "1.0"


def test_a_trial_that_hangs_can_be_stopped(venv: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.type("install ipykernel traitlets==1.0")
    before = venv.tree()
    started = tmp_path / "started"
    monkeypatch.setenv("STARTED", str(started))
    cancel = Cancellation()

    def stop_once_it_hangs() -> None:
        while not started.exists():
            time.sleep(0.01)
        cancel.cancel()

    request = parse_line("install traitlets==4.0", base=tmp_path).request
    assert request is not None
    with PackageService() as service:
        plan = service.plan(venv.environment, request)
        threading.Thread(target=stop_once_it_hangs, daemon=True).start()
        with pytest.raises(CancelledError, match="everything is as it was before"):
            service.apply(plan, cancel=cancel)
    assert venv.tree() == before


def test_condas_packages_are_tried_too(
    conda: Demo, wheels: Path, testbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(tmp_path / "channel").include(Channel(testbed / "channel"))
    channel.add(*(conda_package(path, python=MINOR) for path in sorted(wheels.glob("*.whl")))).index()
    monkeypatch.setenv("CONDA_CHANNELS", conda.world.servers.enter_context(serve_files(channel.path)).url)
    conda.type("install ipykernel traitlets=1.0")
    before = conda.tree()
    with pytest.raises(VerificationError) as caught:
        conda.type("install conda::traitlets=2.0")
    assert caught.value.reference == "kernel-stack"
    assert conda.tree() == before
    conda.type("install conda::traitlets=1.1")
    assert conda.version_of["traitlets"] == "1.1"

"""What ``docs/how-to/jupyterhub.md`` says, on a hub. Not part of ``make test``: ``make hub``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.environments import kernelspec, make_venv, uv_install
from testbed.index import Server, serve
from testbed.wheels import closure, repack

from .hub import Hub, missing, serve_hub

pytest.importorskip("jupyterhub")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=f"there is no {missing()} on PATH")]


@pytest.fixture
def index(index_folder: Path) -> Iterator[Server]:
    with serve(index_folder) as server:
        yield server


@pytest.fixture
def hub(tmp_path: Path, clean_settings: Path, index: Server) -> Iterator[Hub]:  # noqa: ARG001  nothing of the machine's
    environ = {
        "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": index.index_url,
        "UV_HTTP_TIMEOUT": "600",  # seconds: what is held is held as long as the test needs
    }
    with serve_hub(tmp_path, environ) as running:
        yield running


def kernel_of(hub: Hub, user: str, wheels: Path) -> Path:
    """A kernel in a venv of the user's; returns its prefix."""
    wheels.mkdir()
    for name in closure("ipykernel"):
        repack(name, wheels)
    python = make_venv(hub.home(user) / "mine")
    uv_install(python, "ipykernel", find_links=wheels)
    kernelspec(hub.home(user) / ".local" / "share" / "jupyter", "mine", python)
    return python.parent.parent


def test_on_a_hub(hub: Hub, index: Server, tmp_path: Path) -> None:
    prefix = kernel_of(hub, "ann", tmp_path / "wheels")
    ann, bob = hub.start("ann"), hub.start("bob")
    base = "user/ann/pkgmgr/"

    for _ in range(3):  # who is refused takes no connection of the proxy's along
        assert hub.ask("GET", f"{base}environments", token=bob).status_code == 403
        assert hub.ask("POST", "user/ann/api/sessions", token=ann, document={}).status_code == 400
    listed = hub.ask("GET", f"{base}environments", token=ann).json()["environments"]
    environment = next(item["id"] for item in listed if item["prefix"] == str(prefix))

    kernel = hub.ask("POST", "user/ann/api/kernels", token=ann, document={"name": "mine"}).json()["id"]
    shown = asyncio.run(hub.execute("ann", kernel, "%pkg install tb-alpha==1.0", token=ann))
    assert "Installed tb-alpha 1.0" in shown

    planned = hub.ask(
        "POST", f"{base}environments/{environment}/plans", token=ann, document={"command": "install tb-pure"}
    )
    plan = hub.job("ann", planned.json(), token=ann)["result"]["plan"]
    index.fail("*.whl", "hold")
    job = hub.ask("POST", f"{base}jobs", token=ann, document={"plan": plan}).json()
    for _ in range(2):  # nobody asks Ann's server for anything: it tells the hub by itself that a job runs
        seen = hub.activity("ann")
        while hub.activity("ann") == seen:
            time.sleep(0.5)
    hub.stop("ann")
    index.heal()
    ann = hub.start("ann")
    found = hub.job("ann", hub.ask("GET", f"{base}jobs/{job['id']}", token=ann).json(), token=ann)
    assert found["state"] in ("cancelled", "rolled-back")
    assert not list(prefix.rglob("site-packages/tb_pure*"))
    assert list(prefix.rglob("site-packages/tb_alpha-1.0.dist-info"))
    again = hub.ask(
        "POST", f"{base}environments/{environment}/plans", token=ann, document={"command": "install tb-pure"}
    )
    plan = hub.job("ann", again.json(), token=ann)["result"]["plan"]
    done = hub.job("ann", hub.ask("POST", f"{base}jobs", token=ann, document={"plan": plan}).json(), token=ann)
    assert done["state"] == "succeeded"
    hub.stop("ann")
    hub.stop("bob")

"""The extension as Jupyter finds it, loads it, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_server.serverapp import ServerApp
from traitlets.config.loader import KVArgParseConfigLoader

from jupyter_pkgmgr.model.policy import AdminPolicy
from jupyter_pkgmgr.server import activity
from jupyter_pkgmgr.server.core import LOOKERS, Core
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from jupyter_pkgmgr.server.handlers import KERNEL_TOKEN
from jupyter_pkgmgr.server.host import ServerHost
from jupyter_pkgmgr.server.loop import soon
from jupyter_pkgmgr.server.policy import PolicyTraits
from testbed.index import serve
from tests.server.conftest import Rest

HEAVY = (
    "jupyter_pkgmgr.api",
    "jupyter_pkgmgr.catalog",
    "jupyter_pkgmgr.commands",
    "jupyter_pkgmgr.engines",
    "jupyter_pkgmgr.environments",
    "jupyter_pkgmgr.inventory",
    "jupyter_pkgmgr.jobs",
    "jupyter_pkgmgr.model",
    "jupyter_pkgmgr.routing",
    "jupyter_pkgmgr.server.core",
    "jupyter_pkgmgr.service",
    "jupyter_pkgmgr.transactions",
    "IPython",
    "ipywidgets",
    "msgspec",
    "pypi_simple",
    "rattler",
    "ruamel.yaml",
    "uv",
)
"""What must not be imported before somebody asks for something."""


def test_loading_it_imports_nothing_heavy() -> None:
    program = (
        "import json, sys, jupyter_server.serverapp, jupyter_server.extension.application; before = set(sys.modules);"
        "import jupyter_pkgmgr; jupyter_pkgmgr._jupyter_server_extension_points();"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "jupyter_pkgmgr.server.extension" in loaded
    assert not set(HEAVY) & set(loaded)


def test_jupyter_lists_it_as_enabled_and_ok() -> None:
    command = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr
    assert "jupyter_pkgmgr enabled" in said.replace("\x1b[32m", "").replace("\x1b[0m", "")
    own = said[said.index("Validating jupyter_pkgmgr") :].splitlines()
    assert "OK" in own[1], said


def test_every_field_of_the_policy_has_a_setting() -> None:
    traits = PolicyTraits.class_own_traits(config=True)
    assert set(traits) == {field.name for field in dataclasses.fields(AdminPolicy)}
    assert PolicyTraits().policy() == AdminPolicy()
    assert PolicyTraits().configured == {}
    assert PolicyTraits(read_only=True).configured == {"read_only": True}


@pytest.mark.parametrize("name", ["allow_packages", "allowed_channels", "allowed_indexes"])
@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        (["https://h/a"], ["https://h/a"]),
        (["https://h/a", "https://h/b"], ["https://h/a", "https://h/b"]),
        (["numpy"], ["numpy"]),
        (["['https://h/a', 'https://h/b']"], ["https://h/a", "https://h/b"]),
        (["[]"], []),
        (["None"], None),
    ],
)
def test_a_limit_on_the_servers_command_line_is_in_force(name: str, said: list[str], allowed: list[str] | None) -> None:
    """The server reads its command line before it knows our settings."""
    arguments = [f"--PkgmgrExtension.{name}={value}" for value in said]
    config = KVArgParseConfigLoader().load_config(arguments)
    assert getattr(PkgmgrExtension(config=config), name) == allowed


def test_every_setting_has_help() -> None:
    for name, trait in PkgmgrExtension.class_traits(config=True).items():
        assert trait.help.strip() or name in ("default_url", "log_datefmt"), name


class TestPolicy:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"read_only": True, "deny_packages": ["evil*"], "server_environment": "free"}

    async def test_what_is_configured_is_in_force(self, extension: PkgmgrExtension, rest: Rest) -> None:
        assert extension.policy().read_only
        assert extension.policy().deny_packages == ("evil*",)
        shown = (await rest.get("settings")).body["policy"]
        assert (shown["read_only"], shown["server_environment"]) == (True, "free")


class TestBadPolicy:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"deny_packages": ["=== what"]}

    async def test_with_one_that_makes_no_sense_we_are_not_there(
        self, jp_serverapp: ServerApp, jp_fetch: Any, extension: PkgmgrExtension
    ) -> None:
        assert (await jp_fetch("pkgmgr", "settings", raise_error=False)).code == 404
        await jp_serverapp.extension_manager.start_all_extensions()  # type: ignore[no-untyped-call]
        assert extension.attacher is None


async def test_nothing_is_made_before_it_is_needed(jp_fetch: Any, extension: PkgmgrExtension, tmp_path: Path) -> None:
    await jp_fetch("api", "status")
    assert not extension.is_awake
    assert not (tmp_path / "pkgmgr-data").exists()


async def test_nothing_is_left_when_it_ends(
    rest: Rest, extension: PkgmgrExtension, jp_serverapp: ServerApp, venv: Path
) -> None:
    threads, children = set(threading.enumerate()), set(psutil.Process().children(recursive=True))
    environment = await rest.environment(venv)
    await rest.get(f"environments/{environment}/packages")
    await rest.post(f"environments/{environment}/plans", {"command": "install tb-pure"})
    assert set(threading.enumerate()) - threads
    assert extension.current_activity() is None or extension.current_activity() == {"jobs": 1}
    await jp_serverapp.cleanup_extensions()
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not {name for name in left if not name.startswith("asyncio_")}, left
    assert not set(psutil.Process().children(recursive=True)) - children


async def test_a_job_keeps_an_idle_server_alive(
    rest: Rest, jp_serverapp: ServerApp, venv: Path, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which JupyterHub learns from the server's ``last_activity`` alone."""
    last: Callable[[], datetime] = jp_serverapp.web_app.last_activity
    began = last()
    environment = await rest.environment(venv)
    assert last() == began, "looking on is no activity"
    monkeypatch.setattr(activity, "EVERY", 0.01)
    with serve(index_folder) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
        planned = await rest.plan(environment, "install tb-pure")
        index.fail("*.whl", "hold")
        job = (await rest.post("jobs", {"plan": planned["result"]["plan"]})).body
        for _ in range(3):
            seen = last()
            while last() == seen:  # noqa: ASYNC110  nobody announces it
                await asyncio.sleep(0.01)
        index.heal()
        assert (await rest.job(job))["state"] == "succeeded"


async def test_a_folder_that_cannot_be_written_is_told_and_not_fatal(
    rest: Rest, extension: PkgmgrExtension, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    extension.data_dir = str(tmp_path / "file" / "below")
    assert (await rest.get("settings")).status == 200
    assert (await rest.get("jobs")).body["jobs"] == []


async def test_a_second_attempt_is_not_lost_because_the_first_one_failed(
    extension: PkgmgrExtension, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wait for the first; the one who hears last of its failure leaves the second alone."""
    made = []

    def fail_once(loop: asyncio.AbstractEventLoop) -> Core:
        made.append(loop)
        if len(made) == 1:
            raise OSError("no threads are left")
        return Core(extension, loop)

    async def persist() -> Core:
        with contextlib.suppress(OSError):
            await extension.core()
        return await extension.core()

    monkeypatch.setattr(extension, "_make_core", fail_once)
    first, second = await asyncio.gather(persist(), persist())
    assert first is second
    assert len(made) == 2


async def test_ending_while_the_first_request_is_failing(
    extension: PkgmgrExtension, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = threading.Event()

    def make(_: asyncio.AbstractEventLoop) -> Core:
        fail.wait()
        raise OSError("no threads are left")

    monkeypatch.setattr(extension, "_make_core", make)
    asked = asyncio.create_task(extension.core())
    await asyncio.sleep(0)  # the request has begun
    ended = asyncio.create_task(extension.stop_extension())
    fail.set()
    with pytest.raises(OSError, match="no threads are left"):
        await asked
    await ended


async def test_kernels_that_ask_first_keep_nobody_from_following_a_job(
    rest: Rest, extension: PkgmgrExtension, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a kernel's environment isn't known yet, its interpreter is asked, and that may take long."""
    release, busy = threading.Event(), threading.Semaphore(0)

    def look(_: ServerHost, __: str) -> None:
        busy.release()
        release.wait()

    await extension.core()
    monkeypatch.setattr(ServerHost, "kernel", look)
    asking = []
    for number in range(LOOKERS):
        kernel = f"kernel-{number}"
        tokens = {"Authorization": "", KERNEL_TOKEN: extension.tokens.make(kernel)}
        extension.tokens.bind(kernel, str(venv))
        asking.append(asyncio.create_task(Rest(rest.fetch, rest.contract, tokens).get("jobs")))
    try:
        for _ in asking:
            await asyncio.to_thread(busy.acquire)
        assert (await asyncio.wait_for(rest.get("jobs"), 60)).status == 200
    finally:
        release.set()
        await asyncio.gather(*asking)


def test_what_comes_from_a_thread_after_the_loops_end_harms_nobody() -> None:
    loop, called = asyncio.new_event_loop(), []
    soon(loop, lambda: called.append("in time"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    soon(loop, lambda: called.append("too late"))
    assert called == ["in time"]


async def test_kernels_that_start_keep_nobody_from_following_a_job(
    rest: Rest, extension: PkgmgrExtension, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their interpreters may take long to say where they live."""
    release, busy = threading.Event(), threading.Semaphore(0)

    def look(_: ServerHost, __: str) -> None:
        busy.release()
        release.wait()

    await extension.core()
    monkeypatch.setattr(ServerHost, "kernel", look)
    try:
        for number in range(2 * LOOKERS):
            extension.kernels.begin(f"kernel-{number}", name="slow")
        await asyncio.to_thread(busy.acquire)
        assert (await asyncio.wait_for(rest.get("jobs"), 60)).status == 200
    finally:
        release.set()

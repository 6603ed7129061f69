"""A Jupyter server with the extension in this process, whose answers are held against the OpenAPI file."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from pytest_jupyter.jupyter_server import *  # noqa: F403  its fixtures and hooks, for this folder only
from tornado.httpclient import HTTPResponse

from jupyter_pkgmgr.environments.facts import FACTS_SCRIPT
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from testbed.environments import kernelspec
from testbed.index import Server
from tests.server.attach_lab import Fetch, Notebooks
from tests.server.contract import Contract

BASE = "/a%40b/"
"""pytest-jupyter's ``jp_base_url``."""


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The OpenAPI file, to hold answers against."""
    return Contract()


@pytest.fixture
def loopback(clean_settings: Path, index_server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration names the index on loopback; returns the home folder."""
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    return clean_settings


@pytest.fixture(autouse=True)
def _own_environ(loopback: Path, jp_environ: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  in this order
    """pytest-jupyter sets PYTHONPATH, which would give every kernel what this process has."""
    monkeypatch.delenv("PYTHONPATH")


@pytest.fixture
def settings() -> dict[str, Any]:
    """Of the extension; tests override this."""
    return {}


@pytest.fixture  # type: ignore[no-redef]  # takes the place of pytest-jupyter's
def jp_server_config(settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_pkgmgr": True, "jupyter_server_terminals": False}},
        "PkgmgrExtension": {"data_dir": str(tmp_path / "pkgmgr-data"), **settings},
    }


@pytest.fixture
def extension(jp_serverapp: ServerApp) -> PkgmgrExtension:
    """The extension of the running server."""
    (found,) = jp_serverapp.extension_manager.extension_apps["jupyter_pkgmgr"]
    assert isinstance(found, PkgmgrExtension)
    return found


@pytest.fixture
def notebooks(
    jp_serverapp: ServerApp,
    extension: PkgmgrExtension,
    jp_fetch: Fetch,
    jp_data_dir: Path,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[Notebooks]:
    """Kernels of the running server, and somebody who types in them."""
    if extension.attacher is None:  # Jupyter starts extensions with its loop, which pytest-jupyter has made
        start: Any = jp_serverapp.extension_manager.start_all_extensions
        jp_asyncio_loop.run_until_complete(start())
    lab = Notebooks(jp_serverapp, extension, jp_fetch, jp_data_dir)
    yield lab
    lab.close()


def facts(python: Path) -> dict[str, Any]:
    """What a kernel of this interpreter would tell."""
    done = subprocess.run([python, FACTS_SCRIPT], capture_output=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass
class Answer:
    """One answer over REST."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def reference(self) -> str:
        """Of the error."""
        return str(self.body["error"]["reference"])


@dataclass
class Rest:
    """A client that holds every answer against the OpenAPI file."""

    fetch: Callable[..., Awaitable[HTTPResponse]]
    contract: Contract
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, document: Any = None, **options: Any) -> Answer:
        return await self.ask("POST", path, body=json.dumps(document) if document is not None else "", **options)

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        path, _, query = path.partition("?")
        params = dict(item.split("=", 1) for item in query.split("&")) if query else None
        response = await self.fetch(
            "pkgmgr",
            *path.split("/"),
            method=method,
            headers={**self.headers, **(headers or {})},
            params=params,
            raise_error=False,
            request_timeout=60,
            allow_nonstandard_methods=True,
            **options,
        )
        answer = Answer(response.code, dict(response.headers.get_all()), _body(response))
        self.contract.check(method, path, answer.status, answer.body)
        return answer

    async def job(self, document: Any) -> Any:
        """The job when it has ended."""
        job = document
        while job["state"] in ("queued", "running"):
            answer = await self.get(f"jobs/{job['id']}/events?after={job['last']}&wait=20")
            job = answer.body["job"]
        return job

    async def plan(self, environment: str, command: str) -> Any:
        """The job that planned a command."""
        return await self.job((await self.post(f"environments/{environment}/plans", {"command": command})).body)

    async def run(self, environment: str, command: str) -> Any:
        """Plan a command, apply it, and give the job that did it."""
        planned = await self.plan(environment, command)
        assert planned["state"] == "succeeded", planned
        return await self.job((await self.post("jobs", {"plan": planned["result"]["plan"]})).body)

    async def environment(self, prefix: Path) -> str:
        """The id of the environment in a folder."""
        listed = (await self.get("environments")).body
        return next(str(item["id"]) for item in listed["environments"] if Path(item["prefix"]) == prefix)


def _body(response: HTTPResponse) -> Any:
    if not response.body:
        return None
    kind = response.headers["Content-Type"].partition(";")[0]
    return json.loads(response.body) if kind == "application/json" else response.body.decode()


@pytest.fixture
def rest(jp_fetch: Callable[..., Awaitable[HTTPResponse]], contract: Contract) -> Rest:
    return Rest(jp_fetch, contract)


@pytest.fixture
def http_get(
    jp_serverapp: ServerApp, http_server_client: Any, jp_auth_header: dict[str, str]
) -> Callable[[str], Awaitable[HTTPResponse]]:
    """GET a path as it is, which jp_fetch would encode once more."""
    assert jp_serverapp.web_app is not None

    async def get(path: str) -> HTTPResponse:
        response: HTTPResponse = await http_server_client.fetch(path, headers=jp_auth_header, raise_error=False)
        return response

    return get


@pytest.fixture
def venv(venv_python: Path, jp_data_dir: Path) -> Path:
    """The prefix of a venv that a kernelspec leads to."""
    kernelspec(jp_data_dir, "mine", venv_python)
    return venv_python.parent.parent

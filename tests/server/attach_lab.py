"""Kernels of the server under test, and somebody who types in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPResponse

from jupyter_pkgmgr.server.extension import PkgmgrExtension
from jupyter_pkgmgr.server.kernels import Attachment, KnownKernel
from testbed.environments import kernelspec
from tests.kernel.conftest import Outcome

__all__ = ["Notebook", "Notebooks", "until"]

Fetch = Callable[..., Awaitable[HTTPResponse]]
PATIENCE = 60


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nobody announces."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  some of it happens in other processes
            await asyncio.sleep(0.02)


class Notebook:
    """One kernel of the server, with a client of its own."""

    def __init__(self, app: ServerApp, extension: PkgmgrExtension, fetch: Fetch, kernel: str) -> None:
        self.id = kernel
        self._app = app
        self._extension = extension
        self._fetch = fetch
        self._client: Any = None

    @property
    def manager(self) -> Any:
        """The server's manager of this kernel."""
        return self._app.kernel_manager.get_kernel(self.id)

    @property
    def known(self) -> KnownKernel:
        """What the server knows of it."""
        known = self._extension.kernels.get(self.id)
        assert known is not None
        return known

    async def attached(self) -> KnownKernel:
        """Wait until its attachment has come to an end, whichever."""
        await until(lambda: self._extension.kernels.get(self.id) is not None)
        await until(lambda: self.known.attached is not Attachment.PENDING)
        return self.known

    async def client(self) -> Any:
        """A client of the running process."""
        if self._client is None:
            self._client = self.manager.client()
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=PATIENCE)
        return self._client

    def close(self) -> None:
        """Let the client go."""
        if self._client is not None:
            self._client.stop_channels()
            self._client = None

    async def run(
        self, code: str, *, history: bool = True, on_display: Callable[[], Awaitable[None]] | None = None
    ) -> Outcome:
        """Execute a cell and collect what it shows; ``on_display`` runs at every display."""
        client = await self.client()
        return await self.finish(client.execute(code, store_history=history, allow_stdin=False), on_display)

    async def begin(self, code: str) -> str:
        """Execute a cell and wait for nothing; :meth:`finish` does that."""
        return str((await self.client()).execute(code, allow_stdin=False))

    async def finish(self, number: str, on_display: Callable[[], Awaitable[None]] | None = None) -> Outcome:
        """Collect what a cell shows until it has ended."""
        client, outcome = await self.client(), Outcome(status="")
        while True:
            message = await client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if outcome.take(kind, content) and on_display is not None:
                await on_display()
        reply = await client.get_shell_msg(timeout=PATIENCE)
        while reply["parent_header"].get("msg_id") != number:
            reply = await client.get_shell_msg(timeout=PATIENCE)
        outcome.status, outcome.execution_count = reply["content"]["status"], reply["content"].get("execution_count")
        return outcome

    async def value(self, expression: str) -> Any:
        """What an expression is in the kernel, as JSON, without a trace in its history."""
        outcome = await self.run(f"print(__import__('json').dumps({expression}))", history=False)
        assert outcome.status == "ok", outcome.error
        return json.loads(outcome.stdout)

    async def restart(self) -> None:
        """As the user interface does."""
        self.close()
        await self._fetch("api", "kernels", self.id, "restart", method="POST", body="")

    async def interrupt(self) -> None:
        """As the user interface does."""
        await self._fetch("api", "kernels", self.id, "interrupt", method="POST", body="")

    async def shutdown(self) -> None:
        """As the user interface does."""
        self.close()
        await self._fetch("api", "kernels", self.id, method="DELETE")


class Notebooks:
    """Starts kernels through the server's REST API."""

    def __init__(self, app: ServerApp, extension: PkgmgrExtension, fetch: Fetch, data: Path) -> None:
        self._app = app
        self._extension = extension
        self._fetch = fetch
        self._data = data
        self._started: list[Notebook] = []

    async def start(self, python: str | Path, name: str = "mine", **spec: Any) -> Notebook:
        """A kernel of this interpreter."""
        kernelspec(self._data, name, python, **spec)
        answer = await self._fetch("api", "kernels", method="POST", body=json.dumps({"name": name}))
        notebook = Notebook(self._app, self._extension, self._fetch, json.loads(answer.body)["id"])
        self._started.append(notebook)
        return notebook

    def close(self) -> None:
        """Let every client go; the server ends its kernels itself."""
        for notebook in self._started:
            notebook.close()

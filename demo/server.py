"""The demonstration's Jupyter server: it runs in the conda environment, as Binder's does, and attaches to kernels."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_client.manager import AsyncKernelManager

__all__ = ["JupyterServer", "ServerError", "ServersKernel", "serve"]

START_TIMEOUT = 180.0
"""Seconds for a server, and for a kernel, on a machine that has other things to do."""
STOP_TIMEOUT = 60.0


class ServerError(Exception):
    """The server or a kernel didn't start; the message says what it said."""


class ServersKernel(AsyncKernelManager):
    """A kernel that the server looks after: it is spoken to, and neither started nor ended from here."""

    def __init__(self, connection_file: Path) -> None:
        super().__init__(owns_kernel=False)
        self.load_connection_file(str(connection_file))

    @property
    def has_kernel(self) -> bool:
        """Yes: nbclient would start another one."""
        return True

    async def start_kernel(self, **_: Any) -> None:  # type: ignore[override]
        """Refuse, whoever asks: in this process's environment nothing is to be tried out."""
        msg = "the server's kernel is gone"
        raise ServerError(msg)


@dataclass(frozen=True, slots=True)
class JupyterServer:
    """A running server, spoken to over REST."""

    url: str
    token: str
    runtime: Path

    def ask(self, method: str, path: str, document: object = None) -> Any:
        """The JSON answer."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "localhost", address.port, timeout=60)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"{address.path}{path}", body, {"Authorization": f"token {self.token}"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            msg = f"{method} {path}: {response.status} {content.decode(errors='replace')}"
            raise ServerError(msg)
        return json.loads(content or b"null")

    @contextmanager
    def kernel(self, name: str) -> Iterator[ServersKernel]:
        """A kernel that the server started and attached to; what is yielded reaches it, and doesn't own it."""
        started = self.ask("POST", "api/kernels", {"name": name})["id"]
        try:
            self._wait_until_attached(started)
            yield ServersKernel(self.runtime / f"kernel-{started}.json")
        finally:
            self.ask("DELETE", f"api/kernels/{started}")

    def _wait_until_attached(self, kernel: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            found = self.ask("GET", f"pkgmgr/kernels/{kernel}")
            if found["attached"] == "attached":
                return
            if found["attached"] != "pending" or time.monotonic() > deadline:
                msg = f"the kernel was not attached ({found['attached']}): {found['why']}"
                raise ServerError(msg)
            time.sleep(0.1)


@contextmanager
def serve(prefix: Path, root: Path, *, environ: Mapping[str, str], folder: Path) -> Iterator[JupyterServer]:
    """Run ``jupyter server`` of an environment on a free port of loopback, for the length of a block.

    Parameters
    ----------
    prefix
        The environment.
    root
        The folder of the notebooks.
    environ
        The server's process environment, and that of its kernels.
    folder
        Where it writes its log.
    """
    token = secrets.token_hex()
    log = folder / "server.log"
    command = [str(prefix / "bin" / "python"), "-m", "jupyter_server", "--no-browser", "--ip=127.0.0.1"]
    command += ["--ServerApp.port=0", f"--ServerApp.root_dir={root}", *as_root()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**environ, "JUPYTER_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=root,
        )
        try:
            runtime = Path(environ["JUPYTER_RUNTIME_DIR"])
            yield JupyterServer(url=_wait_for(process, runtime, log), token=token, runtime=runtime)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_TIMEOUT)


def as_root() -> list[str]:
    """The option that a server wants in a container, where there is no other user."""
    return ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


def _wait_for(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The URL, as soon as the server answers: it writes it down a moment before it listens."""
    deadline = time.monotonic() + START_TIMEOUT
    facts = runtime / f"jpserver-{process.pid}.json"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            url = str(json.loads(facts.read_text(encoding="utf-8"))["url"])
            address = urlsplit(url)
            socket.create_connection((address.hostname or "localhost", address.port or 0)).close()
        except (FileNotFoundError, json.JSONDecodeError, ConnectionRefusedError):  # not there yet, or being written
            time.sleep(0.1)
        else:
            return url
    msg = f"the Jupyter server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}"
    raise ServerError(msg)

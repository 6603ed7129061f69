"""A real ``jupyter server`` process, and a client for TCP, TLS and unix sockets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import psutil

__all__ = ["TOKEN", "LiveServer", "free_port"]

TOKEN = "a-token-for-tests"  # noqa: S105
OTHERS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
"""Extensions that may be installed beside ours: they take a third of a server's start."""
START = 60.0
"""Seconds: this machine may have other things to do."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class LiveServer:
    """One server process with the extension, its folders below ``root``; start it as often as it is killed."""

    def __init__(self, root: Path, *options: str, sock: Path | None = None, certificate: Path | None = None) -> None:
        self.root = root
        self._options = options
        self._sock = sock
        self._certificate = certificate
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.base = "/"
        """Its base URL."""

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> LiveServer:
        for name in ("config", "data", "runtime", "work"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environ(), cwd=self.root / "work", stdout=log, stderr=log
            )
        self._wait()
        return self

    def _command(self) -> Sequence[str]:
        where = [f"--ServerApp.sock={self._sock}"] if self._sock else [f"--ServerApp.port={self.port}"]
        return [
            sys.executable,
            "-m",
            "jupyter_server",
            "--no-browser",
            "--allow-root",
            "--ServerApp.port_retries=0",
            "--ServerApp.jpserver_extensions=jupyter_pkgmgr=True",
            *(f"--ServerApp.jpserver_extensions={name}=False" for name in OTHERS),
            f"--IdentityProvider.token={TOKEN}",
            f"--PkgmgrExtension.data_dir={self.root / 'pkgmgr'}",
            f"--ServerApp.base_url={self.base}",
            *where,
            *self._options,
        ]

    def _environ(self) -> dict[str, str]:
        folders = {f"JUPYTER_{name.upper()}_DIR": str(self.root / name) for name in ("config", "data", "runtime")}
        return {**os.environ, **folders, "JUPYTER_PREFER_ENV_PATH": "0"}

    def _wait(self) -> None:
        deadline = time.monotonic() + START
        while True:
            try:
                self.ask("GET", "api/status")
            except OSError as error:
                assert self.process.poll() is None, self.log
                if time.monotonic() > deadline:
                    raise AssertionError(self.log) from error
                time.sleep(0.05)
            else:
                return

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """As the kernel of the system does it: no goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As a user does it; fails if it doesn't end, or leaves a process behind."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive, alive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
            self.kill()

    # --- asking ----------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The JSON answer of a request that must succeed."""
        connection = self._connection()
        try:
            body = json.dumps(document) if document is not None else None
            connection.request(method, f"{self.base}{path}", body, {"Authorization": f"token {TOKEN}"})
            response = connection.getresponse()
            answer = json.loads(response.read() or b"null")
        finally:
            connection.close()
        assert response.status < 300, (response.status, answer)
        return answer

    def begin(self, method: str, path: str, *, token: str = TOKEN) -> http.client.HTTPConnection:
        """Send a request and wait for nothing."""
        connection = self._connection()
        connection.request(method, f"{self.base}{path}", headers={"Authorization": f"token {token}"})
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        if self._sock is not None:
            return _UnixConnection(str(self._sock))
        if self._certificate is not None:
            context = ssl.create_default_context(cafile=self._certificate)
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str) -> Any:
        return self.ask("GET", f"pkgmgr/{path}")

    def post(self, path: str, document: Any = None) -> Any:
        return self.ask("POST", f"pkgmgr/{path}", {} if document is None else document)

    def job(self, job: Any) -> Any:
        """The job when it has ended."""
        while job["state"] in ("queued", "running"):
            job = self.get(f"jobs/{job['id']}/events?after={job['last']}&wait=20")["job"]
        return job

    def environment(self, prefix: Path) -> str:
        """The id of the environment in a folder."""
        listed = self.get("environments")["environments"]
        return next(str(item["id"]) for item in listed if Path(item["prefix"]) == prefix)

    def plan(self, environment: str, command: str) -> Any:
        """What ``POST jobs`` takes to carry out a command."""
        planned = self.job(self.post(f"environments/{environment}/plans", {"command": command}))
        assert planned["state"] == "succeeded", planned
        return {"plan": planned["result"]["plan"]}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self._path)

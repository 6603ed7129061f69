"""A real JupyterHub on loopback, with its proxy, and users' single-user servers as processes of this user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from tests.server.live import free_port

__all__ = ["Hub", "serve_hub"]

PROXY = "configurable-http-proxy"
OPS = "a-token-of-the-operators"
PATIENCE = 120.0
"""Seconds for anything to come up or go down on a machine that has other things to do."""

CONFIG = """
import json, os
from pathlib import Path

c = get_config()
folder = Path(os.environ["HUB_FOLDER"])
c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.hub_port = int(os.environ["HUB_PORT"])
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = os.environ["HUB_PROXY"]
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "home" / "{username}")
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = json.loads(os.environ["HUB_ENVIRON"])
c.JupyterHub.services = [{"name": "ops", "api_token": os.environ["HUB_OPS"]}]
scopes = ["admin:users", "admin:servers", "tokens", "access:servers"]
c.JupyterHub.load_roles = [{"name": "ops", "scopes": scopes, "services": ["ops"]}]
"""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A running hub."""

    url: str
    folder: Path

    def home(self, user: str) -> Path:
        """A user's home folder."""
        return self.folder / "home" / user

    def ask(self, method: str, path: str, *, token: str = OPS, document: Any = None) -> requests.Response:
        """The answer to whoever has this token; the operators by default. One connection for each request."""
        headers = {"Authorization": f"token {token}"}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, headers=headers, json=document, timeout=PATIENCE)

    def start(self, user: str) -> str:
        """Start a user's server; returns a token of the user's."""
        self.ask("POST", f"hub/api/users/{user}")
        self.ask("POST", f"hub/api/users/{user}/server")
        self._wait(user, is_up=True)
        return str(self.ask("POST", f"hub/api/users/{user}/tokens", document={}).json()["token"])

    def stop(self, user: str) -> None:
        """Stop it."""
        self.ask("DELETE", f"hub/api/users/{user}/server")
        self._wait(user, is_up=False)

    def activity(self, user: str) -> str:
        """When the user's server was last active, as far as the hub knows."""
        servers = self.ask("GET", f"hub/api/users/{user}").json()["servers"]
        return str(servers[""]["last_activity"])

    def job(self, user: str, job: Any, *, token: str) -> Any:
        """The job when it has ended."""
        while job["state"] in ("queued", "running"):
            path = f"user/{user}/pkgmgr/jobs/{job['id']}/events?after={job['last']}&wait=20"
            job = self.ask("GET", path, token=token).json()["job"]
        return job

    def _wait(self, user: str, *, is_up: bool) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            server = self.ask("GET", f"hub/api/users/{user}").json()["servers"].get("", {})
            if bool(server) == is_up and server.get("ready", not is_up):
                return
            time.sleep(0.2)
        raise AssertionError((self.folder / "hub.log").read_text())

    async def execute(self, user: str, kernel: str, code: str, *, token: str) -> str:
        """What a cell shows as text, run through hub, proxy and server as a browser does it."""
        url = f"{self.url}user/{user}/api/kernels/{kernel}/channels".replace("http", "ws", 1)
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {token}"}))
        number = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        header = {"msg_id": number, "msg_type": "execute_request", "session": number, "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await socket.write_message(json.dumps(message))
        shown = ""
        while (text := await socket.read_message()) is not None:
            answer = json.loads(text)
            if answer["parent_header"].get("msg_id") != number:
                continue
            content = answer["content"]
            shown += content.get("text", "") + content.get("data", {}).get("text/plain", "")
            if content.get("execution_state") == "idle":
                break
        socket.close()
        return shown


@contextmanager
def serve_hub(folder: Path, environ: Mapping[str, str]) -> Iterator[Hub]:
    """Run a hub below ``folder``; ``environ`` is added to that of the users' servers."""
    config = folder / "jupyterhub_config.py"
    config.write_text(CONFIG, encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}/"
    own = {
        "CONFIGPROXY_AUTH_TOKEN": uuid.uuid4().hex,
        "HUB_ENVIRON": json.dumps(dict(environ)),
        "HUB_FOLDER": str(folder),
        "HUB_OPS": OPS,
        "HUB_PORT": str(free_port()),
        "HUB_PROXY": f"http://127.0.0.1:{free_port()}",
        "HUB_URL": url,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", config],
            cwd=folder,
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
        )
    try:
        hub = Hub(url=url, folder=folder)
        _wait_for(hub, process)
        yield hub
    finally:
        process.terminate()  # and with it the proxy and the users' servers
        process.wait(PATIENCE)


def _wait_for(hub: Hub, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if hub.ask("GET", "hub/api/").ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError((hub.folder / "hub.log").read_text())


def missing() -> str:
    """What this needs and isn't there."""
    return "" if shutil.which(PROXY) else PROXY

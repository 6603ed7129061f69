"""Real server processes: killed in the middle, behind TLS, on a unix socket, below a path, stopped by a signal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.environments import kernelspec, make_venv
from testbed.index import Server, serve
from tests.server.live import TOKEN, LiveServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "live"


@pytest.fixture
def prefix(root: Path, tmp_path: Path) -> Path:
    """A venv that a kernelspec of the server leads to."""
    python = make_venv(tmp_path / "mine")
    kernelspec(root / "data", "mine", python)
    return tmp_path / "mine"


@pytest.fixture
def slow_index(index_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An index whose wheels take a minute and more once ``rate`` is set."""
    with serve(index_folder) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
        yield index


def tree(prefix: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(prefix)): path.read_bytes()
        for path in sorted(prefix.rglob("*"))
        if path.is_file() and path.name != ".lock" and not {".jupyter_pkgmgr", "__pycache__"} & set(path.parts)
    }


def downloading(server: LiveServer, environment: str, index: Server) -> dict[str, Any]:
    """An install that is in the middle of its download."""
    plan = server.plan(environment, "install tb-pure==1.0")
    index.rate = 20
    job: dict[str, Any] = server.post("jobs", plan)
    after = 0
    while True:
        answer = server.get(f"jobs/{job['id']}/events?after={after}&wait=20")
        assert answer["job"]["state"] in ("queued", "running"), answer
        if any(event["type"] == "event" and event["event"]["kind"] == "step" for event in answer["events"]):
            return job
        after = answer["next"]


def test_a_server_that_is_killed_in_the_middle_leaves_the_environment_as_it_was(
    root: Path, prefix: Path, slow_index: Server
) -> None:
    before = tree(prefix)
    with LiveServer(root) as server:
        server.start()
        environment = server.environment(prefix)
        job = downloading(server, environment, slow_index)
        told = server.get(f"jobs/{job['id']}/events")["events"]
        server.kill()
        slow_index.rate = 0  # what the dead server's engine still does is taken back, too
        server.start()
        found = server.job(server.get(f"jobs/{job['id']}"))
        assert (found["state"], found["error"]["reference"]) == ("rolled-back", "server-ended")
        log = server.get(f"jobs/{job['id']}/events")["events"]
        assert log[: len(told)] == told, "its log is still there"
        assert log[-1]["state"] == "rolled-back"
        assert tree(prefix) == before
        assert server.environment(prefix) == environment, "ids survive a restart"
        again = server.job(server.post("jobs", server.plan(environment, "install tb-pure==1.0")))
        assert again["state"] == "succeeded", again
        server.stop()


def test_a_server_that_is_stopped_in_the_middle_puts_everything_back(
    root: Path, prefix: Path, slow_index: Server
) -> None:
    before = tree(prefix)
    with LiveServer(root) as server:
        server.start()
        job = downloading(server, server.environment(prefix), slow_index)
        server.stop()
        assert tree(prefix) == before
        assert slow_index.rate
        server.start()
        assert server.get(f"jobs/{job['id']}")["state"] == "cancelled"
        server.stop()
        assert not list((root / "pkgmgr" / "jobs").glob("*.host")), "nothing is left to look after"


def test_two_servers_of_one_user_share_a_folder(root: Path, prefix: Path, slow_index: Server) -> None:
    """The second doesn't take the first one's jobs for those of a dead one."""
    with LiveServer(root) as first, LiveServer(root) as second:
        first.start()
        environment = first.environment(prefix)
        job = downloading(first, environment, slow_index)
        second.start()
        assert second.environment(prefix) == environment
        assert job["id"] not in {other["id"] for other in second.get("jobs")["jobs"]}
        assert first.get(f"jobs/{job['id']}")["state"] == "running"
        assert first.job(first.post(f"jobs/{job['id']}/cancel"))["state"] == "cancelled"


def test_below_a_path(root: Path) -> None:
    """As behind JupyterHub: /user/NAME/."""
    with LiveServer(root) as server:
        server.base = "/user/jo%40example/"
        server.start()
        assert server.get("environments")["environments"]
        refused = server.begin("GET", "pkgmgr/environments", token="").getresponse()
        assert (refused.status, refused.will_close) == (403, True), "a proxy keeps no connection that isn't there"
        server.stop()


def test_kernels_of_a_gateway_are_left_alone(root: Path, tmp_path: Path) -> None:
    with LiveServer(tmp_path / "far") as far:
        far.start()
        gateway = (f"--GatewayClient.url=http://127.0.0.1:{far.port}", f"--GatewayClient.auth_token={TOKEN}")
        with LiveServer(root, *gateway) as server:
            server.start()
            started = server.ask("POST", "api/kernels", {"name": "python3"})
            (kernel,) = server.get("kernels")["kernels"]
            assert (kernel["id"], kernel["attached"], kernel["environment"]) == (started["id"], "remote", None)
            listed = server.get("environments")
            assert [item["kernelspecs"] for item in listed["environments"]] == [[]] * len(listed["environments"])
            assert listed["notes"] == []
            server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no unix sockets")
def test_on_a_unix_socket(root: Path) -> None:
    folder = tempfile.mkdtemp()  # the name of a socket has 100 characters at most
    try:
        with LiveServer(root, sock=Path(folder, "sock")) as server:
            server.start()
            assert server.get("environments")["environments"]
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.mark.executable("openssl")
def test_behind_tls(root: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    alternative = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *alternative, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    options = (f"--ServerApp.certfile={certificate}", f"--ServerApp.keyfile={key}")
    with LiveServer(root, *options, certificate=certificate) as server:
        server.start()
        assert server.get("environments")["environments"]
        server.stop()


def test_look_ups_that_hang_hold_up_nobody(root: Path, prefix: Path, slow_index: Server) -> None:
    """Neither those who ask after somebody who has left, nor the end of the server."""
    slow_index.fail("*", "hang")
    with LiveServer(root, "--PkgmgrExtension.threads=1") as server:
        server.start()
        environment = server.environment(prefix)
        for _ in range(2):
            seen = len(slow_index.paths())
            connection = server.begin("GET", f"pkgmgr/environments/{environment}/versions/zzz")
            while len(slow_index.paths()) == seen:
                time.sleep(0.01)
            connection.close()
            assert server.get(f"environments/{environment}/packages")["packages"] == []
        seen = len(slow_index.paths())
        waiting = server.begin("GET", f"pkgmgr/environments/{environment}/versions/zzz")
        while len(slow_index.paths()) == seen:
            time.sleep(0.01)
        server.stop()  # which fails after a minute; the look-up would take three
        waiting.close()

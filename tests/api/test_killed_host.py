"""A server that is killed in the middle of a job: the next one finds the environment and the job in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.index import serve
from tests.service.conftest import User

from .conftest import Client, Clients

ROOT = Path(__file__).parents[2]


@contextmanager
def killed(folder: Path, user: User, when: str, command: str) -> Iterator[str]:
    """Run a server until it is there, then kill it; yields what it said."""
    assert user.environment.python is not None
    arguments = [str(folder / "jobs"), str(user.environment.python.executable), when, command]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.api.host", *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdout is not None
        word, name = process.stdout.readline().split()
        assert word == when
        process.kill()
        process.wait()
        yield name


@pytest.mark.skipif(sys.platform != "linux", reason="only there it is known whose a process was")
def test_killed_in_the_middle_of_an_install(
    clients: Clients, venv_user: User, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "86400")  # by itself, the engine wouldn't end before the test is given up
    venv_user.type("install tb-alpha==1.0")
    before = venv_user.tree()
    with serve(index_folder) as server:
        server.fail("*.whl", "hang")
        command = f"install -U tb-alpha tb-native -i {server.index_url}"
        with killed(tmp_path, venv_user, "begun", command) as name:
            client = clients(venv_user)
            waiting = client.post("environments/{env}/plans", {"command": "install six"})["id"]
            job, events = client.follow(name)  # the index still hangs
    assert job["state"] == "rolled-back"
    assert job["error"]["reference"] == "server-ended"
    assert "everything is as it was before" in job["error"]["message"]
    assert [event["state"] for event in events if event["type"] == "state"] == ["queued", "running", "rolled-back"]
    assert [event["type"] for event in events].count("error") == 1
    assert any(event["type"] == "event" and event["event"]["kind"] == "step" for event in events), "its log is kept"
    assert venv_user.tree() == before
    [entry, _] = client.get("environments/{env}/history")["entries"]
    assert (entry["job"], entry["result"]) == (name, "recovered")
    assert client.follow(waiting)[0]["state"] == "succeeded", "what comes next waits until all is in order"


def test_killed_right_after_the_commit(clients: Clients, venv_user: User, tmp_path: Path) -> None:
    with killed(tmp_path, venv_user, "committed", "install tb-pure==1.0") as transaction:
        client = clients(venv_user)
        [job] = [job for job in client.get("jobs")["jobs"] if job["kind"] == "apply"]
        job, events = client.follow(job["id"])
    assert job["state"] == "succeeded"
    assert job["result"]["transaction"] == transaction
    assert [change["after"]["name"] for change in job["result"]["changes"]] == ["tb-pure"]
    said = [event["event"]["message"] for event in events if event["type"] == "event"]
    assert "the server ended right after this was done" in said
    assert client.versions() == {"tb-pure": "1.0"}


def test_an_environment_that_is_gone_when_the_next_server_comes(
    clients: Clients, venv_user: User, index_folder: Path, tmp_path: Path
) -> None:
    with serve(index_folder) as server:
        server.fail("*.whl", "hang")
        command = f"install tb-native -i {server.index_url}"
        with killed(tmp_path, venv_user, "begun", command) as name:
            venv_user.environment.prefix.rename(tmp_path / "elsewhere")
            client: Client = clients(venv_user)
            job, _ = client.follow(name)
    assert job["state"] == "failed"
    assert job["error"]["reference"] == "not-an-environment"


def test_what_had_ended_before_is_still_known(
    clients: Clients, venv_user: User, index_folder: Path, tmp_path: Path
) -> None:
    with serve(index_folder) as server:
        server.fail("*.whl", "hang")
        with killed(tmp_path, venv_user, "begun", f"install tb-native -i {server.index_url}"):
            client = clients(venv_user)
    [planned] = [job for job in client.get("jobs")["jobs"] if job["kind"] == "plan"]
    assert planned["state"] == "succeeded"
    status, error = client.error("GET", f"plans/{planned['result']['plan']}")
    assert (status, error["reference"]) == (404, "plan-not-found")

"""The child of a kernel, spoken to as the kernel does: JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.render import MIME
from testbed.index import Server, serve

FACTS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from jupyter_pkgmgr.kernel import facts
print(json.dumps(facts.collect()))
"""


@dataclass
class Child:
    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    cwd: Path

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, **message: Any) -> None:
        self.say(json.dumps(message).encode())

    def run(self, number: int, line: str) -> None:
        self.send(id=number, method="run", params={"argv_line": line, "cwd": str(self.cwd), "facts": self.facts})

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the child has ended"
        message: dict[str, Any] = json.loads(line)
        return message

    def answer(self) -> dict[str, Any]:
        """The next last word of a request; what is shown before it is skipped."""
        while "display" in (message := self.hear()):
            pass
        return message


@pytest.fixture
def limits() -> dict[str, Any]:
    """What came with the attachment; tests override this."""
    return {}


@pytest.fixture
def child(
    clean_settings: Path,
    venv_python: Path,
    index_server: Server,
    tmp_path: Path,
    limits: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Child]:
    if limits:
        monkeypatch.setenv("_JUPYTER_PKGMGR_LIMITS", json.dumps(limits))
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    root = Path(__file__).parents[1]
    done = subprocess.run([venv_python, "-I", "-c", FACTS, root], capture_output=True, check=True, timeout=60)
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", "jupyter_pkgmgr.stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    )
    child = Child(process, json.loads(done.stdout), tmp_path)
    assert child.hear()["protocol"] == 1
    yield child
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    process.wait(timeout=60)


def test_a_command_is_shown_and_answered(child: Child) -> None:
    child.run(1, "install tb-pure")
    while MIME not in (first := child.hear()["display"])["data"]:  # until there is a plan, what is waited for
        assert set(first["data"]) == {"text/plain", "text/html"}
    assert first["key"] == "plan"
    assert set(first["data"]) == {"text/plain", "text/html", MIME}
    answer = child.answer()
    assert answer["id"] == 1
    assert answer["result"]["exit"] == 0
    assert answer["result"]["verdict_wanted"] is True
    assert [item["name"] for item in answer["result"]["changed_packages"]] == ["tb-pure"]


def history(child: Child, number: int) -> list[dict[str, Any]]:
    child.run(number, "history --json")
    shown = child.hear()["display"]
    assert "result" in child.answer()
    entries: list[dict[str, Any]] = json.loads(shown["data"]["text/plain"])["history"]
    return entries


def test_the_restart_verdict_is_kept_with_the_history(child: Child) -> None:
    child.run(1, "install tb-pure")
    transaction = child.answer()["result"]["transaction"]
    assert [(entry["id"], entry["verdict"]) for entry in history(child, 2)] == [(transaction, "unknown")]
    params = {"transaction": transaction, "level": "required", "modules": ["tb_pure"], "facts": child.facts}
    child.send(id=3, method="verdict", params=params)
    child.run(4, "history --json")  # whoever asks next knows of it, without having waited for the answer
    assert child.hear() == {"id": 3, "result": {}}
    entry = json.loads(child.hear()["display"]["data"]["text/plain"])["history"][0]
    assert (entry["verdict"], entry["verdict_modules"]) == ("required", ["tb_pure"])


@pytest.mark.parametrize(
    ("changed", "reference"),
    [
        ({"transaction": "20260101T000000000000-0000"}, "no-such-transaction"),
        ({"transaction": "../../../etc"}, "no-such-transaction"),
        ({"transaction": ""}, "no-such-transaction"),
        ({"level": "maybe"}, "usage"),
    ],
)
def test_a_verdict_that_is_none_or_on_nothing(changed: dict[str, str], reference: str, child: Child) -> None:
    child.run(1, "install tb-pure")
    good = {"transaction": child.answer()["result"]["transaction"], "level": "none", "facts": child.facts}
    child.send(id=2, method="verdict", params={**good, **changed})
    assert child.answer()["error"]["reference"] == reference
    assert history(child, 3)[0]["verdict"] == "unknown"


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1, 2]",
        b"7",
        b"{}",
        b'{"id": "one", "method": "run"}',
        b'{"id": 1, "method": "dance"}',
        b'{"id": 1, "method": "run", "params": 3}',
        b"\xff\xfe",
        b'{"id": 99, "method": "cancel"}',
    ],
)
def test_what_is_no_message_harms_nobody(line: bytes, child: Child) -> None:
    child.say(line)
    child.run(2, "list")
    assert child.answer() == {
        "id": 2,
        "result": {
            "exit": 0,
            "changed_files": [],
            "changed_packages": [],
            "added_paths": False,
            "verdict_wanted": False,
            "transaction": None,
            "undoes": [],
        },
    }


def test_requests_run_side_by_side_and_each_has_one_answer(child: Child) -> None:
    for number in range(20):
        child.run(number, "list")
        child.send(id=number, method="cancel")
    assert sorted(child.answer()["id"] for _ in range(20)) == list(range(20))


def test_facts_that_are_missing_are_an_error_and_no_silence(child: Child) -> None:
    child.send(id=1, method="run", params={"argv_line": "list --verbose"})
    error = child.answer()["error"]
    assert error["reference"] == "internal-error"
    assert "Traceback" not in error["message"]
    assert "Traceback" in error["text"]


def test_json_is_one_document(child: Child) -> None:
    child.run(1, "list --json")
    shown = child.hear()
    assert shown["display"]["key"] == "json"
    assert json.loads(shown["display"]["data"]["text/plain"])["schema"] == 1
    assert "result" in child.answer()


def test_no_credentials_in_an_error(child: Child) -> None:
    child.run(1, "install -i http://me:s3cret@127.0.0.1:9/simple tb-pure")
    message = child.answer()
    assert "error" in message
    assert "s3cret" not in json.dumps(message)


@pytest.mark.parametrize("how", ["cancel", "end of input", "SIGTERM"])
def test_an_install_that_is_stopped(how: str, child: Child, index_folder: Path) -> None:
    """The index doesn't answer: without being stopped the request would last for minutes."""
    with serve(index_folder) as server:
        server.fail("*", "hang")
        child.run(1, f"install -i {server.index_url} tb-pure")
        while not server.paths():  # the request is kept before it hangs
            assert child.process.poll() is None
            time.sleep(0.01)
        if how == "cancel":
            child.send(id=1, method="cancel")
        elif how == "SIGTERM":
            child.process.send_signal(signal.SIGTERM)
        else:
            assert child.process.stdin is not None
            child.process.stdin.close()
        assert child.answer()["error"]["reference"] == "cancelled"
    if how == "cancel":
        child.run(2, "list")
        assert "result" in child.answer()
    else:
        child.process.wait(timeout=60)


# --- the REST API, for a panel inside the notebook -----------------------------------------------------------------


def ask(child: Child, number: int, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    child.send(id=number, method="api", params={"method": method, "path": path, "body": body, **more})
    answer = child.answer()
    assert answer["id"] == number
    result: dict[str, Any] = answer["result"]
    assert set(result) == {"status", "body", "headers", "changed"}
    return result


def test_a_panel_installs_through_the_child(child: Child) -> None:
    [environment] = ask(child, 1, "GET", "environments", facts=child.facts)["body"]["environments"]
    place = f"environments/{environment['id']}"
    job = ask(child, 2, "POST", f"{place}/plans", {"command": "install tb-pure==1.0"})
    assert job["status"] == 202
    planned = follow(child, job["body"]["id"])
    applied = ask(child, 4, "POST", "jobs", planned["result"])
    assert follow(child, applied["body"]["id"])["state"] == "succeeded"
    packages = ask(child, 5, "GET", f"{place}/packages")
    assert [row["name"] for row in packages["body"]["packages"]] == ["tb-pure"]
    tag = packages["headers"]["ETag"]
    again = ask(child, 6, "GET", f"{place}/packages", headers={"If-None-Match": tag})
    assert (again["status"], again["body"]) == (304, None)
    child.run(7, "history")
    child.answer()


def follow(child: Child, job: str) -> dict[str, Any]:
    after = 0
    while True:
        page = ask(child, 3, "GET", f"jobs/{job}/events", query={"after": str(after), "wait": "30"})["body"]
        after = page["next"]
        if page["job"]["ended"]:
            ended: dict[str, Any] = page["job"]
            return ended


@pytest.mark.parametrize("limits", [{"policy": {"read_only": True}, "server": None}])
def test_what_an_administrator_allows_binds_the_child(child: Child) -> None:
    child.run(1, "install tb-pure")
    assert child.answer()["error"]["reference"] == "read-only-policy"
    assert ask(child, 2, "GET", "settings", facts=child.facts)["body"]["policy"]["read_only"] is True
    environment = ask(child, 3, "GET", "environments")["body"]["environments"][0]["id"]
    job = ask(child, 4, "POST", f"environments/{environment}/plans", {"command": "install tb-pure"})["body"]
    ended = follow(child, job["id"])
    assert ended["error"]["reference"] == "read-only-policy"


@pytest.mark.parametrize("limits", [{"policy": {"server_environment": "read-only"}, "server": "of the kernel"}])
def test_the_servers_environment_is_protected_from_the_child_too(
    limits: dict[str, Any], venv_python: Path, request: pytest.FixtureRequest
) -> None:
    limits["server"] = str(venv_python.parents[1])
    child: Child = request.getfixturevalue("child")
    child.run(1, "install tb-pure")
    assert child.answer()["error"]["reference"] == "read-only-policy"
    settings = ask(child, 2, "GET", "settings", facts=child.facts)["body"]
    assert ask(child, 3, "GET", "environments")["body"]["environments"][0]["id"] == settings["server"]["environment"]


@pytest.mark.parametrize(
    ("params", "status", "reference"),
    [
        ({}, 400, "bad-request"),
        ({"method": 7, "path": "jobs"}, 400, "bad-request"),
        ({"method": "GET", "path": "jobs", "query": [1]}, 400, "bad-request"),
        ({"method": "GET", "path": "jobs", "more": 1}, 400, "bad-request"),
        ({"method": "GET", "path": "jobs", "facts": {"schema": 99}}, 400, "unreadable-facts"),
        ({"method": "GET", "path": "dance"}, 404, "not-found"),
        ({"method": "GET", "path": "openapi.yaml"}, 404, "not-found"),
        ({"method": "GET", "path": "environments/0000000000000000"}, 404, "environment-not-found"),
        ({"method": "POST", "path": "kernels/k/run", "body": {}}, 403, "kernel-token-needed"),
    ],
)
def test_a_request_that_the_api_refuses_is_an_answer(
    params: dict[str, Any], status: int, reference: str, child: Child
) -> None:
    child.send(id=1, method="api", params=params)
    result = child.answer()["result"]
    assert result["status"] == status
    assert result["body"]["error"]["reference"] == reference


def test_a_long_poll_keeps_nobody_waiting(child: Child, index_folder: Path) -> None:
    """Other requests are answered while one waits, and the end of the input ends the wait."""
    with serve(index_folder) as server:
        server.fail("*", "hang")
        [environment] = ask(child, 1, "GET", "environments", facts=child.facts)["body"]["environments"]
        command = {"command": f"install tb-pure -i {server.index_url}"}
        job = ask(child, 2, "POST", f"environments/{environment['id']}/plans", command)["body"]["id"]
        while not server.paths():  # from now on it hangs, and nothing more happens
            time.sleep(0.01)
        query = {"after": str(ask(child, 3, "GET", f"jobs/{job}")["body"]["last"]), "wait": "30"}
        child.send(id=4, method="api", params={"method": "GET", "path": f"jobs/{job}/events", "query": query})
        assert ask(child, 5, "GET", f"jobs/{job}")["body"]["state"] in ("queued", "running")
        assert child.process.stdin is not None
        child.process.stdin.close()
        page = child.answer()
        assert page["id"] == 4
        assert page["result"]["body"]["job"]["id"] == job
        child.process.wait(timeout=60)

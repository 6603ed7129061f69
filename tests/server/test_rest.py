"""REST as clients use it: a real install into a real venv, followed from two sides, and what makes no sense."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPResponse

from jupyter_pkgmgr.api import MAX_BODY
from jupyter_pkgmgr.jobs import Job, JobFacts, JobKind, JobManager, LogEvent
from jupyter_pkgmgr.server.events import ENVIRONMENT, JOB, KERNEL
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from jupyter_pkgmgr.server.handlers import KERNEL_TOKEN
from jupyter_pkgmgr.server.kernels import Attachment
from testbed.environments import kernelspec
from tests.server.conftest import BASE, Rest, facts


async def test_settings_tell_what_the_server_is(rest: Rest) -> None:
    answer = await rest.get("settings")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body["attach"] is True
    listed = (await rest.get("environments")).body["environments"]
    assert listed[0]["id"] == answer.body["server"]["environment"]
    assert "server" in {policy["kind"] for policy in listed[0]["policies"]}


async def test_the_openapi_file_is_served(rest: Rest) -> None:
    answer = await rest.get("openapi.yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.body.startswith("openapi: 3.1")


async def test_an_install_from_plan_to_undo(rest: Rest, venv: Path) -> None:
    environment = await rest.environment(venv)
    before = await rest.get(f"environments/{environment}/packages")
    known = {"If-None-Match": before.headers["Etag"]}
    assert (await rest.get(f"environments/{environment}/packages", headers=known)).status == 304

    planned = await rest.job(
        (await rest.post(f"environments/{environment}/plans", {"command": "install tb-pure"})).body
    )
    plan = (await rest.get(f"plans/{planned['result']['plan']}")).body
    assert [change["after"]["name"] for step in plan["steps"] for change in step["changes"]] == ["tb-pure"]
    accepted = await rest.post("jobs", {"plan": plan["id"]})
    assert accepted.status == 202
    done = await rest.job(accepted.body)
    assert done["state"] == "succeeded", done["error"]
    assert done["user"] == getpass.getuser(), "not the name that Jupyter makes up for a token"

    after = await rest.get(f"environments/{environment}/packages", headers=known)
    assert after.status == 200
    assert "tb-pure" in {row["name"] for row in after.body["packages"]}
    assert (await rest.get(f"environments/{environment}/packages/tb-pure")).body["installed"]
    (entry,) = (await rest.get(f"environments/{environment}/history")).body["entries"]
    assert entry["id"] == done["result"]["transaction"]
    assert (await rest.get("jobs?state=succeeded")).body["jobs"][0]["id"] == done["id"]

    undone = await rest.run(environment, "undo")
    assert undone["state"] == "succeeded", undone["error"]
    assert (await rest.get(f"environments/{environment}/packages")).headers["Etag"] == before.headers["Etag"]


async def test_a_plan_is_applied_once(rest: Rest, venv: Path) -> None:
    environment = await rest.environment(venv)
    planned = await rest.job(
        (await rest.post(f"environments/{environment}/plans", {"command": "install tb-pure"})).body
    )
    plan = {"plan": planned["result"]["plan"]}
    answers = await asyncio.gather(*(rest.post("jobs", plan) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409, 409]
    await rest.job(next(answer.body for answer in answers if answer.status == 202))


async def test_what_can_be_read_of_an_environment(rest: Rest, venv: Path) -> None:
    environment = f"environments/{await rest.environment(venv)}"
    assert (await rest.get(environment)).body["settings"]
    assert (await rest.get(f"{environment}/versions/tb-pure")).body["versions"][0]["version"] == "2.0"
    assert "tb-pure" in (await rest.get(f"{environment}/names")).body["pypi"]
    assert (await rest.get(f"{environment}/search?q=tb-pure")).body["hits"][0]["name"] == "tb-pure"
    assert (await rest.get(f"{environment}/outdated")).body["outdated"] == {}
    examined = await rest.job((await rest.post(f"{environment}/doctor", {"files": True})).body)
    assert examined["result"] == {"problems": []}


# --- following -----------------------------------------------------------------------------------------------------


class Work:
    """A job that tells what the test says, when it says so."""

    def __init__(self, extension: PkgmgrExtension, prefix: Path) -> None:
        self._extension, self._prefix = extension, prefix
        self._go = threading.Event()

    async def start(self) -> Job:
        core = await self._extension.core()
        facts = JobFacts(
            id=JobManager.new_id(), kind=JobKind.RUN, environment="e", prefix=self._prefix, title="test", changes=False
        )
        return core.jobs.submit(facts, self._run)

    def _run(self, job: Job) -> None:
        while not self._go.wait(0.01):
            job.cancel.check()

    def end(self) -> None:
        self._go.set()


@pytest.fixture
def work(extension: PkgmgrExtension, tmp_path: Path) -> Work:
    return Work(extension, tmp_path)


async def running(rest: Rest, job: Job) -> int:
    """Wait until it runs; the number of its newest event."""
    after = 0
    while (answer := await rest.get(f"jobs/{job.id}/events?after={after}&wait=20")).body["job"]["state"] == "queued":
        after = answer.body["next"]
    return int(answer.body["next"])


async def test_two_clients_follow_a_job_and_one_comes_back(rest: Rest, work: Work) -> None:
    job = await work.start()
    start = await running(rest, job)
    first = asyncio.ensure_future(rest.get(f"jobs/{job.id}/events?after={start}&wait=30"))
    second = asyncio.ensure_future(rest.get(f"jobs/{job.id}/events?after={start}&wait=30"))
    await asyncio.sleep(0)
    for number in range(5):
        await asyncio.to_thread(job.display, f"key{number}", {"text/plain": str(number)})
    for answer in await asyncio.gather(first, second):
        assert answer.body["events"], "news end the waiting"
    work.end()
    seen = [event["number"] for event in first.result().body["events"]]
    after = first.result().body["next"]
    while (answer := await rest.get(f"jobs/{job.id}/events?after={after}&wait=30")).body["events"]:
        seen += [event["number"] for event in answer.body["events"]]
        after = answer.body["next"]
    everything = (await rest.get(f"jobs/{job.id}/events?after={start}")).body["events"]
    assert seen == [event["number"] for event in everything], "nothing twice, nothing left out"
    assert everything[-1]["state"] == "succeeded"


async def test_nobody_waits_longer_than_asked_for(rest: Rest, work: Work) -> None:
    job = await work.start()
    start = await running(rest, job)
    answer = await rest.get(f"jobs/{job.id}/events?after={start}&wait=1")
    assert (answer.status, answer.body["events"], answer.body["next"]) == (200, [], start)
    work.end()


async def test_followers_take_no_threads_and_leave_nothing_behind(
    rest: Rest, work: Work, jp_http_port: int, jp_auth_header: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty clients wait, everybody else is answered; they go away in the middle, and nothing is left of them."""
    job = await work.start()
    start = await running(rest, job)
    followers = Followers(job, monkeypatch)
    token = jp_auth_header["Authorization"]
    request = (
        f"GET {BASE}pkgmgr/jobs/{job.id}/events?after={start}&wait=30 HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n"
    )
    clients = []
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        writer.write(request.encode())
        clients.append(writer)
    await followers.are(50)
    assert (await rest.get("jobs")).status == 200
    assert (await rest.get("settings")).status == 200
    for writer in clients:
        writer.close()
    await followers.are(0)
    assert (await rest.get("jobs")).status == 200
    work.end()


async def test_a_job_can_be_stopped(rest: Rest, work: Work) -> None:
    job = await work.start()
    await running(rest, job)
    assert (await rest.post(f"jobs/{job.id}/cancel")).status == 202
    ended = await rest.job((await rest.get(f"jobs/{job.id}")).body)
    assert (ended["state"], ended["error"]["reference"]) == ("cancelled", "cancelled")


# --- events --------------------------------------------------------------------------------------------------------


class Followers:
    """Counts who follows a job."""

    def __init__(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._changed = asyncio.Event()
        self._subscribe = job.log.subscribe
        monkeypatch.setattr(job.log, "subscribe", self._counting)

    def _counting(self, listener: Callable[[LogEvent], None]) -> Callable[[], None]:
        unsubscribe = self._subscribe(listener)
        self._count(1)

        def leave() -> None:
            unsubscribe()
            self._count(-1)

        return leave

    def _count(self, more: int) -> None:
        self.count += more
        self._changed.set()

    async def are(self, number: int) -> None:
        """Wait until there are so many."""
        while self.count != number:
            self._changed.clear()
            await self._changed.wait()


class Listener:
    """Keeps what the server's event logger emits."""

    def __init__(self, app: ServerApp) -> None:
        assert app.event_logger is not None
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()
        for schema in (ENVIRONMENT, JOB, KERNEL):
            app.event_logger.add_listener(schema_id=schema, listener=self._hear)

    async def _hear(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002  its signature
        self.heard.append((schema_id, {key: value for key, value in data.items() if not key.startswith("__")}))
        self._news.set()

    async def until(self, schema: str, **fields: Any) -> dict[str, Any]:
        """The first event of this schema with these fields."""
        while True:
            for name, data in self.heard:
                if name == schema and fields.items() <= data.items():
                    return data
            self._news.clear()
            await self._news.wait()


async def test_every_window_hears_of_a_change(rest: Rest, venv: Path, jp_serverapp: ServerApp) -> None:
    listener = Listener(jp_serverapp)
    environment = await rest.environment(venv)
    done = await rest.run(environment, "install tb-pure==1.0")
    changed = await listener.until(ENVIRONMENT)
    assert changed == {
        "environment": environment,
        "fingerprint": done["result"]["fingerprint"],
        "transaction": done["result"]["transaction"],
        "changes": [{"name": "tb-pure", "action": "install", "before": None, "after": "1.0"}],
    }
    await listener.until(JOB, job=done["id"], state="succeeded")
    states = [data["state"] for name, data in listener.heard if name == JOB and data["job"] == done["id"]]
    assert states == ["queued", "running", "succeeded"]


async def test_every_window_hears_of_what_a_kernel_changed(
    rest: Rest, venv: Path, jp_serverapp: ServerApp, extension: PkgmgrExtension
) -> None:
    listener = Listener(jp_serverapp)
    kernel = Rest(rest.fetch, rest.contract, {"Authorization": "", KERNEL_TOKEN: extension.tokens.make("k1")})
    extension.tokens.bind("k1", str(venv))
    typed = {"argv_line": "install tb-pure==1.0", "facts": facts(venv / "bin" / "python")}
    begun = await kernel.post("kernels/k1/run", typed)
    done = await kernel.job(begun.body)
    assert (done["state"], done["kernel"], done["face"]) == ("succeeded", "k1", "%pkg"), done["error"]
    changed = await listener.until(ENVIRONMENT)
    assert changed["transaction"] == done["result"]["transaction"]
    assert [change["name"] for change in changed["changes"]] == ["tb-pure"]
    foreign = await kernel.post("kernels/k1/run", {**typed, "facts": facts(Path(sys.executable))})
    assert (foreign.status, foreign.reference) == (403, "foreign-token")
    another = Rest(rest.fetch, rest.contract, {"Authorization": "", KERNEL_TOKEN: extension.tokens.make("k2")})
    extension.tokens.bind("k2", sys.prefix)
    for path in (f"jobs/{done['id']}", f"jobs/{done['id']}/events?wait=30"):
        assert (await another.get(path)).status == 403


async def test_what_is_known_of_a_kernel_is_told(
    rest: Rest, jp_fetch: Any, jp_data_dir: Path, jp_serverapp: ServerApp, extension: PkgmgrExtension
) -> None:
    kernelspec(
        jp_data_dir,
        "echoing",
        "python",
        extra=(),
        argv=["python", "-m", "pytest_jupyter.echo_kernel", "-f", "{connection_file}"],
    )
    started = await jp_fetch("api", "kernels", method="POST", body=json.dumps({"name": "echoing"}))
    number = json.loads(started.body)["id"]
    listener = Listener(jp_serverapp)
    (kernel,) = (await rest.get("kernels")).body["kernels"]
    assert (kernel["id"], kernel["attached"]) == (number, "off")
    extension.kernels.begin(number, name="echoing", attached=Attachment.UNSUPPORTED, why="it is an echo")
    told = await listener.until(KERNEL, kernel=number, attached="unsupported")
    assert told["environment"] == kernel["environment"]
    assert (await rest.get(f"kernels/{number}")).body["why"] == "it is an echo"
    assert (await rest.get(f"environments/{kernel['environment']}")).body["kernels"] == [number]
    await jp_fetch("api", "kernels", number, method="DELETE")
    assert (await rest.get("kernels")).body["kernels"] == []


# --- what makes no sense -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"{", b"[1,", b"\xff\xfe", b'{"command": }', b"nothing", b'{"a":1}{"b":2}', b"[" * 100_000]
)
async def test_a_body_that_is_no_json(rest: Rest, venv: Path, body: bytes) -> None:
    environment = await rest.environment(venv)
    answer = await rest.ask("POST", f"environments/{environment}/plans", body=body)
    assert (answer.status, answer.reference) == (400, "bad-request")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        1,
        "install tb-pure",
        {},
        {"command": 1},
        {"command": ["install"]},
        {"command": ""},
        {"command": "install tb-pure", "prefix": "/usr"},
        {"verb": "eat", "specs": []},
        {"verb": "install", "specs": "tb-pure"},
        {"verb": "install", "specs": [1]},
        {"verb": "install", "specs": ["--target=/tmp"]},
        {"verb": "install", "specs": ["tb-pure"], "options": {"python": "/usr/bin/python"}},
        {"command": "install --target=/tmp tb-pure"},
        {"command": "list"},
        {"command": "install \x00"},
    ],
)
async def test_a_body_of_wrong_types(rest: Rest, venv: Path, document: Any) -> None:
    environment = await rest.environment(venv)
    answer = await rest.post(f"environments/{environment}/plans", document)
    assert answer.status == 400, answer.body


@pytest.mark.parametrize(
    "query", ["after=x", "after=-1", "wait=x", "wait=-1", "wait=31", "wait=1e9", "after=9" + "9" * 400, "after=1.5"]
)
async def test_a_query_of_wrong_types(rest: Rest, work: Work, query: str) -> None:
    job = await work.start()
    answer = await rest.get(f"jobs/{job.id}/events?{query}")
    assert (answer.status, answer.reference) == (400, "bad-request")
    work.end()


async def test_a_body_that_is_too_large_is_not_read(
    rest: Rest, jp_http_port: int, jp_auth_header: dict[str, str]
) -> None:
    head = f"POST {BASE}pkgmgr/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {jp_auth_header['Authorization']}\r\n"
    for rest_of_head, body in (
        (f"Content-Length: {10 * MAX_BODY}\r\n\r\n", b""),  # said so, and nothing sent yet
        ("Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * MAX_BODY + b"\r\n1\r\n \r\n0\r\n\r\n"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        writer.write((head + rest_of_head).encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        writer.close()
        await writer.wait_closed()
    largest = await rest.ask("POST", "jobs", body=b'{"plan": "x"}' + b" " * (MAX_BODY - 13))
    assert largest.status == 404


class TestTooMany:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"queued_jobs": 1, "reading_jobs": 1}

    async def test_more_jobs_than_may_wait_are_refused(self, rest: Rest, work: Work, venv: Path) -> None:
        environment = await rest.environment(venv)
        await running(rest, await work.start())
        await work.start()
        answer = await rest.post(f"environments/{environment}/doctor", {})
        assert (answer.status, answer.reference) == (429, "too-many-jobs")
        work.end()


async def test_a_client_may_keep_what_has_a_tag_and_is_told_where_its_job_is(
    rest: Rest, venv: Path, http_get: Callable[[str], Awaitable[HTTPResponse]]
) -> None:
    environment = await rest.environment(venv)
    tagged = await rest.get(f"environments/{environment}/packages")
    assert tagged.headers["Cache-Control"] == "private, no-cache"
    assert (await rest.get("jobs")).headers["Cache-Control"] == "no-store"
    begun = await rest.post(f"environments/{environment}/doctor", {})
    assert begun.headers["Location"] == f"{BASE}pkgmgr/jobs/{begun.body['id']}"
    found = await http_get(begun.headers["Location"])
    assert json.loads(found.body)["id"] == begun.body["id"]

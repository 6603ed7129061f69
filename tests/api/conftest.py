"""The API as a transport sees it, over real environments, the index and the channel on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.api import Api, ApiRequest, ApiResponse, Caller, Environments, Kernel, Parts, Plans, Recovery
from jupyter_pkgmgr.jobs import JobManager, JobStore, Limits
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.service import PackageService
from tests.service.conftest import User, conda_user, configured, service, venv_user

__all__ = ["Client", "conda_user", "configured", "service", "venv_user"]

PATIENCE = 120.0
SECRET = bytes(range(32))
KERNEL = "0f0e0d0c-1111-2222-3333-444455556666"


@dataclass
class Jupyter:
    """A host with one kernel."""

    running: tuple[Kernel, ...] = ()
    said: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    find: Callable[[], Sequence[str]] = tuple
    """What discovering environments does."""

    def discover(self) -> Sequence[str]:
        return ("kernelspec broken: its interpreter is gone", *self.find())

    def kernels(self) -> Sequence[Kernel]:
        return self.running

    def kernel(self, kernel: str) -> Kernel | None:
        return next((item for item in self.running if item.id == kernel), None)

    def judged(self, kernel: str, transaction: str, verdict: Mapping[str, Any]) -> None:
        self.said.append((kernel, transaction, verdict))

    def settings(self) -> Mapping[str, Any]:
        return {"attach": True}

    def openapi(self) -> str:
        return "openapi: 3.1.0\n"


@dataclass
class Client:
    """Somebody who sends requests about one environment."""

    api: Api
    host: Jupyter
    environment: Environment
    id: str
    caller: Caller

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> ApiResponse:
        return self.api.handle(
            ApiRequest(
                method=method,
                path=path.replace("{env}", self.id),
                query={name: str(value) for name, value in query.items()},
                body=body,
                headers=headers or {},
                caller=self.caller,
            )
        )

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = self.send("GET", path, **query)
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.body
        assert document["schema"] == 1
        return document

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.send("POST", path, body)
        assert answer.status in (200, 202), answer.body
        document: dict[str, Any] = answer.body
        return document

    def error(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, dict[str, Any]]:
        answer = self.send(method, path, body, **query)
        assert answer.status >= 400, answer.body
        assert answer.body["message"] == answer.body["error"]["message"]
        assert answer.body["reason"] == answer.body["error"]["reference"]
        error: dict[str, Any] = answer.body["error"]
        return answer.status, error

    def follow(self, job: str, *, after: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The job when it has ended, and every event; by long polls, as clients do."""
        events: list[dict[str, Any]] = []
        while True:
            page = self.get(f"jobs/{job}/events", after=after, wait=30)
            events += page["events"]
            after = page["next"]
            if page["job"]["ended"] and not page["events"]:
                return page["job"], events

    def plan(self, command: str) -> dict[str, Any]:
        """Make a plan and read it."""
        job, _ = self.follow(self.post("environments/{env}/plans", {"command": command})["id"])
        assert job["state"] == "succeeded", job["error"]
        return self.get(f"plans/{job['result']['plan']}")

    def apply(self, command: str) -> dict[str, Any]:
        """Make a plan and have it applied; returns the job when it has ended."""
        job, _ = self.follow(self.post("jobs", {"plan": self.plan(command)["id"]})["id"])
        return job

    def versions(self) -> dict[str, str]:
        found = self.get("environments/{env}/packages")
        return {row["name"]: row["version"] for row in found["packages"]}

    def wait_for(self, job: str, event_type: str, kind: str = "") -> int:
        """Wait for an event of a type; returns its number."""
        after = 0
        while True:
            page = self.get(f"jobs/{job}/events", after=after, wait=30)
            for event in page["events"]:
                if event["type"] == event_type and kind in ("", event.get("event", {}).get("kind")):
                    number: int = event["number"]
                    return number
            after = page["next"]
            assert not page["job"]["ended"], page


Clients = Callable[..., Client]


@pytest.fixture
def clients(service: PackageService, tmp_path: Path) -> Iterator[Clients]:
    """Makes an API with its jobs on the disk, for the environment of a user."""
    made: list[JobManager] = []

    def make(user: User, *, caller: Caller | None = None, **limits: Any) -> Client:
        jobs = JobManager(limits=Limits(**limits), store=JobStore(tmp_path / "jobs"), recovery=Recovery(service))
        made.append(jobs)
        environments = Environments(SECRET)
        name = environments.register(user.environment, kernelspecs=("python3",))
        kernel = Kernel(id=KERNEL, name="python3", environment=name, attached="attached", language="python")
        host = Jupyter(running=(kernel,))
        api = Api(Parts(service=service, jobs=jobs, environments=environments, plans=Plans(), host=host))
        return Client(api, host, user.environment, name, caller or Caller(user="me", face="panel"))

    yield make
    for jobs in made:
        assert jobs.close(PATIENCE) == ()


@pytest.fixture
def client(clients: Clients, venv_user: User) -> Client:
    """A client of a venv without pip."""
    return clients(venv_user)


@pytest.fixture
def as_kernel(client: Client) -> Client:
    """The same, with the token of the kernel that runs there."""
    caller = Caller(user="me", face="%pkg", kernel=KERNEL, environment=client.id)
    return replace(client, caller=caller)

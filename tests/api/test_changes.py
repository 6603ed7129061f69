"""Plans and jobs over the API, from the first request to the last event."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.api import ApiRequest, Caller
from testbed.index import serve
from tests.service.conftest import User

from .conftest import PATIENCE, Client, Clients


def test_a_plan_is_made_looked_at_and_applied(client: Client) -> None:
    begun = client.send("POST", "environments/{env}/plans", {"command": "install tb-mixed tb-pure==1.0"})
    assert begun.status == 202
    assert begun.headers["Location"] == f"jobs/{begun.body['id']}"
    assert begun.body["kind"] == "plan"
    job, _ = client.follow(begun.body["id"])
    plan = client.get(f"plans/{job['result']['plan']}")
    assert plan["environment"] == client.id
    assert plan["command"] == "%pkg install tb-mixed tb-pure==1.0"
    names = {change["after"]["name"]: change for step in plan["steps"] for change in step["changes"]}
    assert set(names) == {"tb-mixed", "tb-alpha", "tb-pure"}
    assert names["tb-pure"]["requested"]
    assert not names["tb-alpha"]["requested"]
    assert plan["review"] == {"needed": False, "reasons": []}
    assert client.versions() == {}, "a plan changes nothing"

    applied, events = client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert applied["state"] == "succeeded"
    assert applied["kind"] == "apply"
    assert applied["plan"] == plan["id"]
    assert applied["user"] == "me"
    assert [event["state"] for event in events if event["type"] == "state"] == ["queued", "running", "succeeded"]
    assert applied["result"]["fingerprint"] == client.get("environments/{env}/packages")["fingerprint"]
    assert client.versions()["tb-pure"] == "1.0"
    [entry] = client.get("environments/{env}/history")["entries"]
    assert entry["user"] == "me", "the identity that asked, not the one that the server runs as"
    assert entry["id"] == applied["result"]["transaction"]
    assert entry["job"] == applied["id"]
    assert entry["face"] == "panel"
    assert entry["result"] == "committed"


def test_two_clients_follow_one_job_and_one_comes_back(client: Client) -> None:
    plan = client.plan("install tb-alpha tb-pure six")
    name = client.post("jobs", {"plan": plan["id"]})["id"]
    second: list[Any] = []
    thread = threading.Thread(target=lambda: second.append(client.follow(name)))
    thread.start()
    first = client.get(f"jobs/{name}/events", wait=30)
    rest = client.follow(name, after=first["next"])[1]
    thread.join(PATIENCE)
    read = [*first["events"], *rest]
    numbers = [event["number"] for event in read]
    assert numbers == sorted(set(numbers)), "nothing twice, nothing out of order"
    assert read[-1]["state"] == "succeeded"
    [(job, everything)] = second
    assert {"schema": 1, **job} == client.get(f"jobs/{name}")
    again = client.get(f"jobs/{name}/events", after=0)
    assert again["events"][-1] == everything[-1] == read[-1]
    assert again["first"] == 1
    assert client.get(f"jobs/{name}/events", after=again["next"], wait=30)["events"] == []


def test_several_kinds_of_change_are_one_plan_one_job_and_one_undo(client: Client) -> None:
    client.apply("install tb-cli tb-alpha==2.0 tb-pure==1.0")
    before = client.versions()
    job, _ = client.follow(
        client.post(
            "environments/{env}/plans",
            {
                "requests": [
                    {"verb": "remove", "specs": ["tb-cli"]},
                    {"verb": "install", "specs": ["tb-extra", "tb-alpha==1.1"]},
                    {"verb": "update", "specs": ["tb-pure"]},
                ]
            },
        )["id"]
    )
    command = "remove tb-cli; install tb-extra tb-alpha==1.1; update tb-pure"
    assert job["title"] == command
    plan = client.get(f"plans/{job['result']['plan']}")
    assert plan["command"] == command
    changes = {
        (change["after"] or change["before"])["name"]: (change["action"], change["requested"])
        for step in plan["steps"]
        for change in step["changes"]
    }
    assert changes == {
        "tb-cli": ("remove", True),
        "tb-extra": ("install", True),
        "tb-alpha": ("downgrade", True),
        "tb-pure": ("upgrade", True),
    }
    assert plan["review"] == {"needed": False, "reasons": []}, "all of it was asked for"
    applied, _ = client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert applied["state"] == "succeeded"
    versions = {name: version for name, version in client.versions().items() if name.startswith("tb-")}
    assert versions == {"tb-extra": "1.0", "tb-alpha": "1.1", "tb-pure": "2.0"}
    assert [entry["command"] for entry in client.get("environments/{env}/history")["entries"]][:1] == [command]
    assert client.apply("undo 1")["state"] == "succeeded"
    assert client.versions() == before


def test_a_contradiction_is_a_blocker_of_the_plan(client: Client) -> None:
    client.apply("install tb-alpha")
    requests = [{"command": "remove tb-alpha"}, {"command": "pip install tb-mixed"}]
    job, _ = client.follow(client.post("environments/{env}/plans", {"requests": requests})["id"])
    plan = client.get(f"plans/{job['result']['plan']}")
    assert plan["command"] == "%pkg remove tb-alpha; %pkg pip install tb-mixed"
    assert [notice["message"] for notice in plan["blockers"]] == ["tb-mixed needs tb-alpha, which this plan removes"]
    assert client.send("POST", "jobs", {"plan": plan["id"]}).status == 409


def test_undo_by_a_plan(client: Client) -> None:
    transaction = client.apply("install tb-pure==1.0")["result"]["transaction"]
    plan = client.plan("undo 1")
    assert plan["undoes"] == [transaction]
    assert plan["review"]["needed"] is False
    job, _ = client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert job["state"] == "succeeded"
    assert [change["action"] for change in job["result"]["changes"]] == ["remove"]
    assert client.versions() == {}
    assert client.get("environments/{env}/history")["entries"][0]["undoes"] == [transaction]


def test_verbs_specs_and_options_are_the_same_as_a_command(client: Client) -> None:
    body = {"verb": "install", "specs": ["tb-alpha<2", "tb-mixed"], "options": {"no_deps": True}}
    job, _ = client.follow(client.post("environments/{env}/plans", body)["id"])
    plan = client.get(f"plans/{job['result']['plan']}")
    versions = {change["after"]["name"]: change["after"]["version"] for change in plan["steps"][0]["changes"]}
    assert versions == {"tb-alpha": "1.1", "tb-mixed": "1.0"}
    client.apply("install tb-alpha==1.0")
    undo, _ = client.follow(client.post("environments/{env}/plans", {"verb": "undo", "specs": ["1"]})["id"])
    assert len(client.get(f"plans/{undo['result']['plan']}")["undoes"]) == 1


def test_a_file_is_read_by_who_has_it_and_its_lines_are_synced(client: Client) -> None:
    client.apply("install tb-alpha==1.0 tb-pure")
    assert "tb-alpha==1.0\ntb-pure==2.0\n" in client.get("environments/{env}/export")["text"]
    listed = client.get("environments/{env}/export", format="environment.yml", extent="history")
    assert (listed["format"], listed["packages"]) == ("environment.yml", 2)
    body = {"verb": "sync", "specs": ["pypi::tb-alpha==1.1"]}
    job, _ = client.follow(client.post("environments/{env}/plans", body)["id"])
    plan = client.get(f"plans/{job['result']['plan']}")
    assert plan["review"] == {"needed": False, "reasons": []}
    client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert client.versions() == {"tb-alpha": "1.1"}


def test_a_pasted_command_is_understood(client: Client) -> None:
    plan = client.plan("pip install -q 'tb-alpha>=1,<2'")
    assert [change["after"]["version"] for change in plan["steps"][0]["changes"]] == ["1.1"]


def test_a_plan_is_applied_once(client: Client) -> None:
    plan = client.plan("install tb-pure")
    first = client.post("jobs", {"plan": plan["id"]})
    status, error = client.error("POST", "jobs", {"plan": plan["id"]})
    assert (status, error["reference"]) == (409, "plan-applied")
    client.follow(first["id"])
    status, error = client.error("GET", f"plans/{plan['id']}")
    assert (status, error["reference"]) == (409, "plan-applied")


def test_a_plan_that_still_holds_is_applied_whatever_else_has_changed(client: Client) -> None:
    first, second = client.plan("install tb-pure"), client.plan("install tb-alpha")
    jobs = [client.post("jobs", {"plan": plan["id"]})["id"] for plan in (first, second)]
    ended = [client.follow(job)[0] for job in jobs]
    assert [job["state"] for job in ended] == ["succeeded", "succeeded"]
    assert {"tb-pure", "tb-alpha"} <= set(client.versions())


def test_a_plan_that_would_do_something_else_by_now_is_refused_and_changes_nothing(client: Client) -> None:
    plan = client.plan("install tb-alpha==1.0")
    client.apply("install tb-alpha")
    before = client.versions()
    job, _ = client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert job["state"] == "failed"
    assert (job["error"]["reference"], job["error"]["hint"]) == ("plan-outdated", "make the plan again")
    assert client.versions() == before


def test_a_blocked_plan_says_why_and_can_t_be_applied(clients: Clients, conda_user: User) -> None:
    client = clients(conda_user)
    client.apply("install conda::tb-native=1.0")
    plan = client.plan("install tb-clobber")
    assert plan["blockers"]
    assert plan["review"]["needed"]
    assert plan["review"]["reasons"][0].startswith("it can't be applied: ")
    status, error = client.error("POST", "jobs", {"plan": plan["id"]})
    assert status == 409
    assert error["reference"] == plan["blockers"][0]["reference"]


def test_a_plan_that_can_t_be_made_is_a_job_that_failed(client: Client) -> None:
    job, events = client.follow(
        client.post("environments/{env}/plans", {"command": "install tb-nothing-of-that"})["id"]
    )
    assert job["state"] == "failed"
    assert job["error"]["reference"] == "package-not-found"
    assert job["result"] is None
    error = next(event for event in events if event["type"] == "error")
    assert error["error"]["text"]


def test_cancelled_in_the_middle_everything_is_as_before(clients: Clients, venv_user: User, index_folder: Path) -> None:
    client = clients(venv_user)
    client.apply("install tb-alpha==1.0")
    before = venv_user.tree()
    with serve(index_folder) as server:
        plan = client.plan(f"install -U tb-alpha tb-native -i {server.index_url}")
        server.fail("*.whl", "hang")
        name = client.post("jobs", {"plan": plan["id"]})["id"]
        client.wait_for(name, "event", "step")
        waiting = client.post("environments/{env}/plans", {"command": "install six"})
        assert client.get(f"jobs/{waiting['id']}")["position"] == 1
        assert client.send("POST", f"jobs/{name}/cancel", {}).status == 202
        job, events = client.follow(name)
    assert job["state"] == "cancelled"
    assert "everything is as it was before" in job["error"]["message"]
    assert events[-1]["state"] == "cancelled"
    assert venv_user.tree() == before
    assert client.get("environments/{env}/history")["entries"][0]["result"] == "cancelled"
    assert client.follow(waiting["id"])[0]["state"] == "succeeded", "who waited gets its turn"
    assert client.send("POST", f"jobs/{name}/cancel").body["state"] == "cancelled", "once is as good as twice"


def test_a_long_poll_waits_for_the_first_event_after(client: Client) -> None:
    """Woken by what happens, not by time: without that each of the polls would last for half a minute."""
    name = client.post("environments/{env}/plans", {"command": "install tb-pure"})["id"]
    seen = 0
    polls = 0
    while True:
        page = client.get(f"jobs/{name}/events", after=seen, wait=30)
        polls += 1
        assert page["events"] or page["job"]["ended"]
        seen = page["next"]
        if page["job"]["ended"]:
            break
    assert polls >= 1


def test_what_a_request_would_wait_for(client: Client) -> None:
    job = client.post("environments/{env}/plans", {"command": "install tb-pure"})["id"]
    client.follow(job)
    ask = ApiRequest(method="GET", path=f"jobs/{job}/events", query={"wait": "30", "after": "999"})
    assert client.api.waiting(ask) is None, "it has ended"
    assert client.api.waiting(replace(ask, query={"after": "999"})) is None, "it doesn't want to wait"
    assert client.api.waiting(replace(ask, path="jobs/nothing/events")) is None
    assert client.api.waiting(replace(ask, path="settings")) is None
    assert client.api.waiting(replace(ask, query={"wait": "soon"})) is None


def test_a_transport_without_a_thread_to_spare_is_told(client: Client, index_folder: Path) -> None:
    with serve(index_folder) as server:
        server.fail("*", "hang")
        command = f"install tb-pure -i {server.index_url}"
        job = client.post("environments/{env}/plans", {"command": command})["id"]
        client.wait_for(job, "state")
        page = client.get(f"jobs/{job}/events")
        while page["job"]["state"] != "running":
            page = client.get(f"jobs/{job}/events", after=page["next"], wait=30)
        ask = ApiRequest(method="GET", path=f"jobs/{job}/events", query={"wait": "20", "after": str(page["next"])})
        waiting = client.api.waiting(ask)
        assert waiting is not None
        assert waiting.seconds == 20
        woken = threading.Event()
        stop = waiting.subscribe(woken.set)
        client.post(f"jobs/{job}/cancel")
        assert woken.wait(PATIENCE)
        stop()
    assert client.follow(job)[0]["state"] == "cancelled"


def test_jobs_are_listed_newest_first(client: Client) -> None:
    first = client.apply("install tb-pure")["id"]
    second = client.follow(client.post("environments/{env}/doctor", {"files": True})["id"])[0]["id"]
    names = [job["id"] for job in client.get("jobs")["jobs"]]
    assert names.index(second) < names.index(first)
    assert len(names) == 3
    assert [job["id"] for job in client.get("jobs", state="succeeded")["jobs"]] == names
    assert client.get("jobs", state="failed")["jobs"] == []
    assert client.get("jobs", environment="0" * 16)["jobs"] == []
    assert len(client.get("jobs", environment=client.id)["jobs"]) == 3


def test_the_doctor_s_findings_come_with_the_command_that_mends_them(client: Client) -> None:
    client.apply("install tb-pure")
    [module] = client.environment.prefix.rglob("site-packages/tb_pure/__init__.py")
    module.unlink()
    job, _ = client.follow(client.post("environments/{env}/doctor")["id"])
    problems = job["result"]["problems"]
    [missing] = [problem for problem in problems if "tb-pure" in problem["packages"]]
    assert missing["command"].startswith("install --force-reinstall tb-pure")
    assert client.apply(missing["command"])["state"] == "succeeded"
    assert module.exists()
    job, _ = client.follow(client.post("environments/{env}/doctor")["id"])
    assert job["result"]["problems"] == []


def test_too_many_jobs(clients: Clients, venv_user: User, index_folder: Path) -> None:
    client = clients(venv_user, queued=2)
    with serve(index_folder) as server:
        plan = client.plan(f"install tb-pure -i {server.index_url}")
        server.fail("*", "hang")
        body = {"command": f"install tb-alpha -i {server.index_url}"}
        running = client.post("environments/{env}/plans", body)["id"]
        client.wait_for(running, "state")
        waiting = [client.post("environments/{env}/plans", body)["id"] for _ in range(2)]
        for method, path, content in (
            ("POST", "environments/{env}/plans", body),
            ("POST", "jobs", {"plan": plan["id"]}),
        ):
            status, error = client.error(method, path, content)
            assert (status, error["reference"]) == (429, "too-many-jobs")
            assert error["hint"]
        for job in (*waiting, running):
            client.post(f"jobs/{job}/cancel")
            client.follow(job)
    assert client.post("jobs", {"plan": plan["id"]})["state"] in ("queued", "running", "succeeded")


def test_conda_and_pypi_in_one_plan(clients: Clients, conda_user: User) -> None:
    client = clients(conda_user)
    plan = client.plan("install tb-alpha tb-pure")
    assert [step["ecosystem"] for step in plan["steps"]] == ["conda", "pypi"]
    assert plan["review"]["needed"]
    assert plan["review"]["reasons"] == ["tb-pure comes from PyPI, not from a conda channel"]
    job, _ = client.follow(client.post("jobs", {"plan": plan["id"]})["id"])
    assert job["state"] == "succeeded"
    rows = {row["name"]: row for row in client.get("environments/{env}/packages")["packages"]}
    assert rows["tb-alpha"]["ecosystem"] == "conda"
    assert rows["tb-pure"]["ecosystem"] == "pypi"


def test_a_kernel_s_token_opens_its_own_environment_only(clients: Clients, venv_user: User) -> None:
    client = clients(venv_user)
    job = client.apply("install tb-pure")["id"]
    other = replace(client, caller=Caller(face="%pkg", kernel="kernel-2", environment="f" * 16))
    own = replace(client, caller=Caller(face="%pkg", kernel="kernel-1", environment=client.id))
    for method, path in (
        ("GET", "environments/{env}"),
        ("GET", f"jobs/{job}"),
        ("GET", f"jobs/{job}/events"),
        ("POST", f"jobs/{job}/cancel"),
        ("GET", "kernels/kernel-1"),
        ("POST", "kernels/kernel-1/run"),
        ("POST", "environments/{env}/plans"),
        ("GET", "environments/{env}/packages"),
        ("GET", "kernels"),
        ("POST", "environments/{env}/doctor"),
    ):
        status, error = other.error(method, path)
        assert (status, error["reference"]) == (403, "foreign-token"), path
    assert own.get(f"jobs/{job}")["id"] == job
    assert own.get("environments/{env}")["id"] == client.id
    assert [item["id"] for item in own.get("environments")["environments"]] == [client.id]
    assert other.get("jobs")["jobs"] == []
    assert {item["environment"] for item in own.get("jobs")["jobs"]} == {client.id}
    plan = client.plan("remove tb-pure")["id"]
    for method, path, body in (("GET", f"plans/{plan}", None), ("POST", "jobs", {"plan": plan})):
        status, error = other.error(method, path, body)
        assert (status, error["reference"]) == (403, "foreign-token"), path
    assert own.follow(own.post("jobs", {"plan": plan})["id"])[0]["state"] == "succeeded"
    for path in ("kernels/kernel-1/run", "kernels/kernel-1/hint", "kernels/kernel-1/verdict"):
        status, error = client.error("POST", path, {})
        assert (status, error["reference"]) == (403, "kernel-token-needed")


@pytest.mark.parametrize("deleted", [True, False])
def test_an_environment_that_is_gone(deleted: bool, clients: Clients, venv_user: User) -> None:  # noqa: FBT001  a case of the test
    client = clients(venv_user)
    if deleted:
        client.environment.prefix.rename(client.environment.prefix.with_name("elsewhere"))
        expected = "environment-gone"
    else:
        client.api.parts.environments.forget(client.id)
        expected = "environment-not-found"
    for method, path in (("GET", "environments/{env}/packages"), ("POST", "environments/{env}/plans")):
        status, error = client.error(method, path, {"command": "install six"} if method == "POST" else None)
        assert (status, error["reference"]) == (404, expected)


def test_an_id_from_before_a_restart_is_looked_for(clients: Clients, venv_user: User) -> None:
    """A front end knows ids of before; they stay valid, and the first request finds what is behind one."""
    client = clients(venv_user)
    client.api.parts.environments.forget(client.id)

    def discover() -> tuple[str, ...]:
        client.api.parts.environments.register(venv_user.environment)
        return ()

    client.host.find = discover
    assert client.get("environments/{env}")["id"] == client.id

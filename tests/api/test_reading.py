"""What the API tells of environments and packages, and what a kernel asks of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.api import Caller
from jupyter_pkgmgr.model import Cancellation, ignore_events, to_json
from jupyter_pkgmgr.transactions.locks import Owner, prefix_lock
from jupyter_pkgmgr.transactions.state import state_of
from testbed.content import wheel
from testbed.index import serve
from testbed.wheels import write_wheel
from tests.service.conftest import User

from .conftest import KERNEL, Client, Clients

ROOT = Path(__file__).parents[2]
FACTS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from jupyter_pkgmgr.kernel import facts
print(json.dumps(facts.collect()))
"""


def facts_of(user: User) -> dict[str, Any]:
    """What a kernel in the environment tells of itself."""
    assert user.environment.python is not None
    command = [str(user.environment.python.executable), "-I", "-c", FACTS, str(ROOT)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_settings(client: Client) -> None:
    found = client.get("settings")
    assert found["attach"] is True
    assert {tool["name"] for tool in found["engines"]} >= {"uv", "rattler"}
    assert all(tool["version"] for tool in found["engines"])
    assert found["server"] == {"environment": None}
    assert found["limits"]["queued"] == 1000
    assert found["policy"] == to_json(client.api.parts.service.policy)


def test_the_openapi_file_is_no_json(client: Client) -> None:
    answer = client.send("GET", "openapi.yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.body.startswith("openapi: 3.1")


def test_kernels(client: Client) -> None:
    [kernel] = client.get("kernels")["kernels"]
    assert kernel["id"] == KERNEL
    assert client.get(f"kernels/{KERNEL}")["environment"] == client.id


def test_environments(client: Client) -> None:
    listed = client.get("environments")
    assert listed["notes"] == ["kernelspec broken: its interpreter is gone"]
    [environment] = listed["environments"]
    assert environment["id"] == client.id
    assert environment["kernels"] == [KERNEL]
    assert environment["kernelspecs"] == ["python3"]
    assert environment["language"] == "python"
    assert environment["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert "settings" not in environment
    single = client.get("environments/{env}")
    assert any(name == "index" for name, _ in single["settings"])
    assert single["prefix"] == str(client.environment.prefix)


def test_policies_are_those_of_now(clients: Clients, conda_user: User) -> None:
    client = clients(conda_user)
    assert client.get("environments/{env}")["policies"] == []
    (conda_user.environment.conda_meta / "frozen").write_text('{"message": "ask Eve\\u001b[31m"}', "utf-8")
    assert client.get("environments/{env}")["policies"] == [{"kind": "frozen", "message": "ask Eve[31m"}]
    assert client.plan("install tb-alpha")["blockers"]


def test_packages_are_sent_again_only_when_they_changed(client: Client) -> None:
    client.apply("install tb-alpha==1.0")
    answer = client.send("GET", "environments/{env}/packages")
    tag = answer.headers["ETag"]
    [row] = answer.body["packages"]
    assert row["name"] == "tb-alpha"
    assert row["requested"] is True
    assert row["states"] == []
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.send("GET", "environments/{env}/packages", headers={"if-none-match": asked})
        assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    client.apply("install tb-pure")
    changed = client.send("GET", "environments/{env}/packages", headers={"If-None-Match": tag})
    assert changed.status == 200
    assert changed.headers["ETag"] != tag


def test_packages_in_the_middle_of_a_change_are_told_as_such_and_not_kept(client: Client) -> None:
    client.apply("install tb-alpha==1.0")
    tag = client.send("GET", "environments/{env}/packages").headers["ETag"]
    owner = Owner.here(face="cli", command="install tb-pure")
    journal = state_of(client.environment).journal
    with prefix_lock(client.environment, owner, events=ignore_events, cancel=Cancellation()):
        journal.write_text("{}")
        answer = client.send("GET", "environments/{env}/packages", headers={"If-None-Match": tag})
        details = client.get("environments/{env}/packages/tb-alpha")
        journal.unlink()
    [note] = answer.body["notes"]
    assert f"process {os.getpid()}, since" in note
    assert "ETag" not in answer.headers
    assert details["notes"] == [note]
    assert client.send("GET", "environments/{env}/packages", headers={"If-None-Match": tag}).status == 304


def test_one_package(client: Client) -> None:
    client.apply("install tb-alpha==1.0 tb-mixed")
    found = client.get("environments/{env}/packages/TB_Alpha")
    assert found["installed"][0]["version"] == "1.0"
    assert found["versions"][0] == "2.1"
    assert found["needed_by"] == ["tb-mixed"]
    assert found["imports"] == ["tb_alpha"]
    missing = client.get("environments/{env}/packages/tb-pure")
    assert (missing["installed"], missing["versions"][0]) == ([], "2.0")


def test_what_could_be_installed(client: Client) -> None:
    client.apply("install tb-alpha==1.0")
    outdated = client.get("environments/{env}/outdated")["outdated"]
    assert outdated == {"tb-alpha": {"ecosystem": "pypi", "installed": "1.0", "newest": "2.1"}}
    found = client.get("environments/{env}/search", q="tb-al", limit=5)
    assert found["hits"][0]["name"] == "tb-alpha"
    assert found["hits"][0]["installed"] == "1.0"
    versions = client.get("environments/{env}/versions/tb-withdrawn", ecosystem="pypi")
    assert [(row["version"], row["yanked"]) for row in versions["versions"]] == [("2.0", True), ("1.0", False)]
    names = client.send("GET", "environments/{env}/names")
    assert "tb-pure" in names.body["pypi"]
    again = client.send("GET", "environments/{env}/names", headers={"If-None-Match": names.headers["ETag"]})
    assert again.status == 304


def test_an_index_that_is_down_is_no_defect(
    client: Client, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(index_folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        server.fail("*", "500")
        status, error = client.error("GET", "environments/{env}/versions/tb-pure")
    assert status == 502
    assert error["message"]


def test_variables_in_a_requirements_file_are_the_kernels(
    as_kernel: Client, venv_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHICH", "of-the-server")
    (venv_user.base / "requirements.txt").write_text("tb-${WHICH}\n")
    body = {"argv_line": "install -r requirements.txt", "facts": facts_of(venv_user), "cwd": str(venv_user.base)}
    status, error = as_kernel.error("POST", f"kernels/{KERNEL}/run", body)
    assert (status, error["reference"], error["context"]) == (400, "variable-wanted", ["WHICH"])
    begun = as_kernel.post(f"kernels/{KERNEL}/run", {**body, "variables": {"WHICH": "pure"}})
    job, _ = as_kernel.follow(begun["id"])
    assert [package["name"] for package in job["result"]["changed_packages"]] == ["tb-pure"]


def test_what_a_package_says_of_itself_is_cleaned(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "<script>alert(1)</script> \x1b[31mred\x1b[0m \u202egpj.exe"
    source = replace(wheel("tb-evil", "1.0"), summary=evil)
    write_wheel(tmp_path / "evil", source)
    with serve(tmp_path / "evil") as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        client.apply("install tb-evil")
        [row] = client.get("environments/{env}/packages")["packages"]
    assert row["summary"].startswith("<script>"), "text stays text: what is HTML is the front end's to decide"
    assert not set("\x1b\u202e") & set(json.dumps(row, ensure_ascii=False))


# --- kernels -------------------------------------------------------------------------------------------------------


def test_a_command_of_a_kernel(as_kernel: Client, venv_user: User) -> None:
    facts = facts_of(venv_user)
    body = {"argv_line": "install tb-alpha==1.0", "facts": facts, "cell": None, "cwd": str(venv_user.base), "width": 80}
    body["key"] = "k" * 32
    begun = as_kernel.post(f"kernels/{KERNEL}/run", body)
    assert as_kernel.post(f"kernels/{KERNEL}/run", body)["id"] == begun["id"], "the same command, sent again"
    assert (begun["kind"], begun["kernel"], begun["title"]) == ("run", KERNEL, "%pkg install tb-alpha==1.0")
    job, events = as_kernel.follow(begun["id"])
    displays = {event["key"]: event["data"] for event in events if event["type"] == "display"}
    assert next(iter(displays)) == "plan"
    assert list(displays)[-1] == "result"
    assert "Installed tb-alpha 1.0" in displays["result"]["text/plain"]
    part = displays["plan"]["application/vnd.jupyter-pkgmgr+json"]
    assert (part["part"], part["kernel"], part["job"]) == ("plan", KERNEL, begun["id"])
    result = job["result"]
    assert result["exit"] == 0
    assert result["verdict_wanted"] is True
    assert [package["name"] for package in result["changed_packages"]] == ["tb-alpha"]
    history = venv_user.service.history(venv_user.environment)
    assert (history[0].id, history[0].face, history[0].job) == (result["transaction"], "%pkg", begun["id"])

    verdict = {"level": "recommended", "modules": ["tb_alpha"], "text": "restart"}
    elsewhere = "20260101T000000000000-0000"
    foreign = {"transaction": elsewhere, "verdict": {**verdict, "level": "required"}}
    assert as_kernel.error("POST", f"kernels/{KERNEL}/verdict", foreign)[1]["reference"] == "no-such-transaction"
    assert as_kernel.api.parts.verdicts.of(elsewhere) == {}, "it may be another environment's"
    said = {"transaction": result["transaction"], "verdict": verdict}
    assert as_kernel.post(f"kernels/{KERNEL}/verdict", said)["id"] == KERNEL
    assert as_kernel.host.said == [(KERNEL, result["transaction"], verdict)]
    assert as_kernel.get(f"jobs/{begun['id']}")["result"]["verdicts"] == {KERNEL: verdict}
    browser = replace(as_kernel, caller=Caller(user="me"))
    assert browser.get("environments/{env}/history")["entries"][0]["verdict"] == verdict


def test_a_kernel_names_files_of_its_own_folder(as_kernel: Client, venv_user: User) -> None:
    (venv_user.base / "requirements.txt").write_text("tb-pure==1.0\n", "utf-8")
    body = {"argv_line": "install -r requirements.txt", "facts": facts_of(venv_user), "cwd": str(venv_user.base)}
    job, _ = as_kernel.follow(as_kernel.post(f"kernels/{KERNEL}/run", body)["id"])
    assert job["state"] == "succeeded"
    assert venv_user.version("tb-pure") == "1.0"


def test_what_a_kernel_typed_wrong_is_shown_by_its_job(as_kernel: Client, venv_user: User) -> None:
    body = {"argv_line": "dance -v", "facts": facts_of(venv_user)}
    job, events = as_kernel.follow(as_kernel.post(f"kernels/{KERNEL}/run", body)["id"])
    assert (job["state"], job["error"]["reference"]) == ("failed", "unknown-verb")
    error = next(event["error"] for event in events if event["type"] == "error")
    assert error["text"].startswith("%pkg has no verb 'dance'")
    assert "<div" in error["html"]


def test_a_cell_and_its_json(as_kernel: Client, venv_user: User) -> None:
    facts = facts_of(venv_user)
    cell = {"argv_line": "install", "cell": "tb-pure\ntb-alpha < 2\n", "facts": facts}
    job, _ = as_kernel.follow(as_kernel.post(f"kernels/{KERNEL}/run", cell)["id"])
    assert job["title"] == "%%pkg install"
    assert len(job["result"]["changed_packages"]) == 2
    _, events = as_kernel.follow(
        as_kernel.post(f"kernels/{KERNEL}/run", {"argv_line": "list --json", "facts": facts})["id"]
    )
    [shown] = [event for event in events if event["type"] == "display"]
    assert len(json.loads(shown["data"]["text/plain"])["packages"]) == 2


def test_a_kernel_can_t_act_on_another_environment(as_kernel: Client, venv_user: User, tmp_path: Path) -> None:
    lie = {**facts_of(venv_user), "prefix": str(tmp_path)}
    for what, body in (("run", {"argv_line": "install six"}), ("hint", {"module": "six"})):
        status, error = as_kernel.error("POST", f"kernels/{KERNEL}/{what}", {**body, "facts": lie})
        assert (status, error["reference"]) == (403, "foreign-token")


def test_a_hint(as_kernel: Client, venv_user: User) -> None:
    facts = facts_of(venv_user)
    found = as_kernel.post(f"kernels/{KERNEL}/hint", {"module": "yaml", "facts": facts})["hint"]
    assert found["package"].lower() == "pyyaml"
    assert found["command"] == f"%pkg install {found['package']}"
    assert as_kernel.post(f"kernels/{KERNEL}/hint", {"module": "nobody_knows_this", "facts": facts})["hint"] is None

"""What a front end that knows us gets beside text and HTML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Event,
    EventKind,
    Origin,
    OriginKind,
    Outcome,
    Package,
    Phase,
    Plan,
    Request,
    Step,
    Verb,
)
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render import (
    MIME,
    Progress,
    Rendered,
    plain,
    preformatted,
    render_error,
    render_message,
    render_outcome,
    render_plan,
)

INDEX = Origin(kind=OriginKind.INDEX, location="https://user:secret@index.example/simple")


def package(name: str, version: str) -> Package:
    return Package(name=name, version=version, ecosystem=Ecosystem.PYPI, origin=INDEX)


def plan_of(*changes: Change) -> Plan:
    step = EnginePlan(engine="uv", engine_version="1", ecosystem=Ecosystem.PYPI, changes=changes)
    environment = Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="demo")
    request = Request(verb=Verb.INSTALL, specs=(), command="install six")
    return Plan(id="1", request=request, environment=environment, fingerprint="f", steps=(Step(plan=step),))


UPGRADE = Change(
    action=Action.UPGRADE, before=package("six", "1.16"), after=package("six", "1.17"), requested=True, reason="asked"
)


def part(rendered: Rendered) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(rendered.data))[MIME]
    assert (document["schema"], document["kernel"], document["job"]) == (1, None, None)
    return document


def test_a_plan_and_its_result_carry_every_change() -> None:
    plan = plan_of(UPGRADE)
    shown = part(render_plan(plan))
    assert shown["part"] == "plan"
    assert shown["plan"]["command"] == "install six"
    (change,) = shown["plan"]["steps"][0]["changes"]
    assert (change["before"]["version"], change["after"]["version"], change["requested"]) == ("1.16", "1.17", True)
    assert "secret" not in json.dumps(shown)
    done = part(render_outcome(Outcome(plan=plan, seconds=1.5, fingerprint="g", transaction="t1")))
    assert (done["part"], done["seconds"], done["transaction"], done["changes"]) == ("result", 1.5, "t1", [change])


def test_progress_names_the_packages_that_are_on_their_way() -> None:
    shown: list[Rendered] = []
    progress = Progress(plan_of(UPGRADE), lambda _, rendered: shown.append(rendered))
    progress(Event(kind=EventKind.STEP, step=0, state="started"))
    progress(Event(kind=EventKind.PACKAGE, step=0, phase=Phase.DOWNLOAD, package="six", done=10, total=100))
    progress.end("stopped")
    first, last = part(shown[0]), part(shown[-1])
    assert (first["part"], first["state"], first["total"], first["packages"]) == ("progress", "started", 1, [])
    assert (last["state"], last["phase"], last["done"]) == ("stopped", "download", 0)
    assert last["packages"] == [{"name": "six", "phase": "download", "done": 10, "total": 100}]


def test_messages_and_errors_are_parts_too() -> None:
    waiting = Event(kind=EventKind.WAITING, message="for somebody")
    assert part(render_message(waiting))["level"] == "waiting"
    assert part(plain("done\x1b[31m"))["text"] == "done[31m"
    error = PkgError("no such package", reference="not-found", hint="look", detail="a very long report")
    shown = part(render_error(error))
    assert (shown["part"], shown["reference"], shown["hint"], shown["detail"]) == ("error", "not-found", "look", None)
    assert set(preformatted("a table").data) == {"text/plain", "text/html"}


@pytest.mark.parametrize(("count", "there"), [(100, True), (2000, False)])
def test_a_notebook_is_not_filled_with_one_output(count: int, *, there: bool) -> None:
    changes = [Change(action=Action.INSTALL, after=package(f"package-{number}", "1")) for number in range(count)]
    assert (MIME in render_plan(plan_of(*changes)).data) is there

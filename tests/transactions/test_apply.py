"""Applying a plan on real environments: what is checked before and after, and what an interruption leaves."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.engines import default_engines
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.inventory import read_inventory
from jupyter_pkgmgr.model import Cancellation, Environment, Event, EventKind, Notice, Outcome, Plan
from jupyter_pkgmgr.model.errors import CancelledError, PlanBlockedError, VerificationError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions import Owner, apply_plan, refuse_blocked
from jupyter_pkgmgr.transactions.verify import verify
from testbed.index import Server, serve


@pytest.fixture
def environment(
    venv_python: Path, clean_settings: Path, index_server: Server, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    return from_interpreter(venv_python)


def plan_for(environment: Environment, line: str) -> Plan:
    request = parse_line(line, base=environment.prefix).request
    assert request is not None
    with PackageService() as service:
        return service.plan(environment, request)


def apply(plan: Plan) -> Outcome:
    with PackageService() as service:
        return service.apply(plan)


def test_events_are_numbered_by_step_and_in_order(environment: Environment) -> None:
    events: list[Event] = []
    plan = plan_for(environment, "install tb-mixed")
    before = read_inventory(environment)
    apply_plan(plan, default_engines(), before, owner=Owner.here(), events=events.append, cancel=Cancellation())
    steps = [event for event in events if event.kind is EventKind.STEP]
    assert [(event.step, event.state) for event in steps] == [(0, "started"), (0, "finished")]
    assert all(event.step == 0 for event in events if event.kind is EventKind.PACKAGE)
    assert any(event.kind is EventKind.PACKAGE for event in events)


def test_a_refusal_tells_all_that_the_blockers_say(environment: Environment) -> None:
    first = Notice(reference="frozen", message="it is frozen", note="its owner did that", hint="--override-frozen")
    second = Notice(reference="read-only", message="it can't be written")
    with pytest.raises(PlanBlockedError) as caught:
        refuse_blocked(replace(plan_for(environment, "install tb-alpha"), blockers=(first, second)))
    said = caught.value.to_json()
    assert {name: said[name] for name in ("reference", "message", "note", "hint", "context")} == {
        "reference": "frozen",
        "message": "it is frozen",
        "note": "its owner did that",
        "hint": "--override-frozen",
        "context": ["it can't be written"],
    }


def test_a_reinstallation_that_changes_nothing_changes_no_files(environment: Environment) -> None:
    apply(plan_for(environment, "install tb-alpha"))
    outcome = apply(plan_for(environment, "install --force-reinstall --no-deps tb-alpha"))
    assert [change.action for change in outcome.changes] == ["reinstall"]
    assert not [path for path in outcome.changed_files if path.suffix == ".py"]


def test_an_upgrade_names_the_files_that_were_replaced(environment: Environment) -> None:
    apply(plan_for(environment, "install tb-alpha==1.0"))
    outcome = apply(plan_for(environment, "install -U tb-alpha"))
    assert "__init__.py" in {path.name for path in outcome.changed_files}


def test_stopping_while_the_index_hangs_leaves_everything_as_it_was(
    environment: Environment, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_inventory(environment)
    with serve(index_folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        plan = plan_for(environment, "install tb-pure")
        monkeypatch.setenv("UV_CACHE_DIR", str(environment.prefix.parent / "empty-cache"))
        server.fail("*.whl", "hang")
        cancel = Cancellation()

        def stop_once_it_downloads() -> None:
            deadline = time.monotonic() + 60
            while not server.paths("*.whl") and time.monotonic() < deadline:
                time.sleep(0.01)
            cancel.cancel()

        threading.Thread(target=stop_once_it_downloads, daemon=True).start()
        with pytest.raises(CancelledError, match="everything is as it was before"), PackageService() as service:
            service.apply(plan, cancel=cancel)
    assert read_inventory(environment).fingerprint == before.fingerprint


def test_verification_notices_what_the_plan_did_not_say(environment: Environment) -> None:
    plan = plan_for(environment, "install tb-mixed")
    before = read_inventory(environment)
    with pytest.raises(VerificationError) as caught:
        verify(plan, before, before)
    assert "tb-mixed 1.0 is not there" in caught.value.context
    apply(plan)
    verify(plan, before, read_inventory(environment))

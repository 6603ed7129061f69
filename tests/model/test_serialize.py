"""The JSON form of the model."""

from __future__ import annotations

import json
from pathlib import Path

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
    Package,
    Phase,
    Plan,
    Request,
    Step,
    Verb,
    parse_spec,
    to_json,
)
from jupyter_pkgmgr.model.errors import PkgError


def a_plan() -> Plan:
    package = Package(name="x", version="1", ecosystem=Ecosystem.PYPI, url="https://u:SECRET@host/x.whl")
    change = Change(action=Action.INSTALL, after=package, requested=True)
    payload = {"secret": "https://u:SECRET@host/"}
    engine = EnginePlan(engine="uv", engine_version="1", ecosystem=Ecosystem.PYPI, changes=(change,), payload=payload)
    spec = parse_spec("x @ https://u:SECRET@host/x.whl", base=Path("/"))
    return Plan(
        id="1",
        request=Request(verb=Verb.INSTALL, specs=(spec,)),
        environment=Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="env"),
        fingerprint="f",
        steps=(Step(plan=engine),),
    )


def test_plan_is_json_without_secrets_and_without_what_is_private() -> None:
    plan = a_plan()
    text = json.dumps(to_json(plan))
    assert "SECRET" not in text
    assert "payload" not in text
    document = json.loads(text)
    assert document["environment"]["prefix"] == str(Path("/env"))
    assert document["steps"][0]["plan"]["changes"][0]["action"] == "install"
    assert document["request"]["verb"] == "install"


def test_plan_knows_its_changes() -> None:
    plan = a_plan()
    assert [change.package.name for change in plan.changes] == ["x"]
    assert not plan.is_empty


def test_event() -> None:
    event = Event(kind=EventKind.PACKAGE, phase=Phase.DOWNLOAD, package="x", done=1, total=2)
    assert to_json(event) == {
        "kind": "package",
        "step": None,
        "phase": "download",
        "state": "",
        "package": "x",
        "done": 1,
        "total": 2,
        "level": "",
        "message": "",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ((1, "a"), [1, "a"]),
        ({"k": (Phase.LINK,)}, {"k": ["link"]}),
        (Path("a/b"), str(Path("a/b"))),
        ("https://u:p@h/", "https://***@h/"),
    ],
)
def test_values(value: object, expected: object) -> None:
    assert to_json(value) == expected


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_a_change_needs_a_package() -> None:
    with pytest.raises(ValueError, match="before or after"):
        _ = Change(action=Action.INSTALL).package


def test_package_key() -> None:
    def key(name: str, ecosystem: Ecosystem) -> tuple[Ecosystem, str]:
        return Package(name=name, version="1", ecosystem=ecosystem).key

    assert key("Ruamel_Yaml", Ecosystem.PYPI) == key("ruamel.yaml", Ecosystem.PYPI)
    assert key("ruamel_yaml", Ecosystem.CONDA) != key("ruamel.yaml", Ecosystem.CONDA)
    assert key("x", Ecosystem.PYPI) != key("x", Ecosystem.CONDA)


def test_error_document() -> None:
    error = PkgError("it failed", reference="why-not", context=("a",), note="n", hint="h", detail="d")
    assert error.to_json() == {
        "reference": "why-not",
        "message": "it failed",
        "context": ["a"],
        "note": "n",
        "hint": "h",
        "detail": "d",
    }

"""The reference has everything that the code has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from made_from_code import Help
from references import references
from rest import describe_events, describe_routes, describe_schemas, load_api
from settings import VARIABLES, describe_front_end, describe_traits, used_variables
from traitlets import HasTraits

import jupyter_pkgmgr
from jupyter_pkgmgr.api.routes import ROUTES
from jupyter_pkgmgr.commands.parse import VERBS
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from tests.docs.blocks import ROOT

PACKAGE = Path(jupyter_pkgmgr.__file__).parent
ASKED = re.compile(
    r"\.reference == \"([a-z0-9-]+)\"|\"reference\"\] == \"([a-z0-9-]+)\"|[( ]reference=\"([a-z0-9-]+)\""
)
INVENTED = {"b", "no-way", "r", "special", "w", "why-not"}
"""By tests of what errors are, whichever."""


def test_every_route() -> None:
    titles = re.findall(r"^### `(GET|POST) pkgmgr/(\S+)`$", "\n".join(describe_routes(load_api())), re.MULTILINE)
    assert sorted(titles) == sorted((route.method, route.pattern) for route in ROUTES)
    assert len(titles) == len(ROUTES) > 20


def test_every_type_and_event() -> None:
    api = load_api()
    names = re.findall(r"^### (\w+)$", "\n".join(describe_schemas(api)), re.MULTILINE)
    assert names == list(api["components"]["schemas"])
    events = re.findall(r"^### (\w+)$", "\n".join(describe_events()), re.MULTILINE)
    assert events == sorted(path.name for path in (PACKAGE / "server" / "event_schemas").iterdir())


def test_every_trait() -> None:
    both = [name for policy in (True, False) for name in _names(describe_traits(policy=policy))]
    ours = {
        name
        for owner in PkgmgrExtension.__mro__
        if issubclass(owner, HasTraits) and owner.__module__.startswith("jupyter_pkgmgr.")
        for name in owner.class_own_traits(config=True)
    }
    assert sorted(both) == sorted(ours)
    assert len(both) > 15


def test_every_setting_of_the_front_end() -> None:
    assert "showStatus" in _names(describe_front_end())


def test_every_variable() -> None:
    assert set(VARIABLES) == used_variables()


def _names(lines: Iterable[str]) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", "\n".join(lines), re.MULTILINE)


@pytest.mark.parametrize("program", ["%pkg", "jupyter pkg"])
def test_every_verb(program: str) -> None:
    written = Help.__new__(Help)
    written.arguments = [program]
    titles = re.findall(r"^## (\w+)$", "\n".join(written.text()), re.MULTILINE)
    assert titles == [verb for verb in VERBS if verb != "help"]


def test_every_reference() -> None:
    """What the project's tests ask for, and what the classes have by default, is all there."""
    known = references()
    patterns = [re.compile(reference.replace("…", ".+")) for reference in known]
    asked = {
        next(filter(None, groups))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.parent.name != "docs"
        for groups in ASKED.findall(path.read_text(encoding="utf-8"))
    }
    missing = {name for name in asked if not any(pattern.fullmatch(name) for pattern in patterns)}
    assert missing <= INVENTED
    assert len(known) > 150
    assert all(use.kind for uses in known.values() for use in uses)


def test_every_class_of_error_has_a_row() -> None:
    rows = {use.kind for uses in references().values() for use in uses}
    assert PkgError.default_reference == "error"
    assert {"UsageError", "PolicyError", "ConflictError", "NotFoundError", "blocker or warning"} <= rows

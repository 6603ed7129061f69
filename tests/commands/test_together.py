"""Several commands as one request."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.commands import parse_line, together
from jupyter_pkgmgr.model import Request, Verb
from jupyter_pkgmgr.model.errors import UsageError


def requests(*lines: str) -> list[Request]:
    return [command.request for line in lines if (command := parse_line(line, base=None)).request is not None]


@pytest.mark.parametrize(
    ("lines", "verb", "specs", "updates", "removals"),
    [
        (("remove a", "install b", "update c"), Verb.INSTALL, "b", "c", "a"),
        (("install b", "install d b", "remove a", "remove a"), Verb.INSTALL, "b d", "", "a"),
        (("update c", "remove a"), Verb.UPDATE, "c", "", "a"),
        (("update", "remove a"), Verb.UPDATE, "", "", "a"),
        (("remove a", "remove b"), Verb.REMOVE, "a b", "", ""),
    ],
)
def test_the_strongest_verb_leads(lines: tuple[str, ...], verb: Verb, specs: str, updates: str, removals: str) -> None:
    request = together(requests(*lines))
    found = [[spec.name for spec in part] for part in (request.specs, request.updates, request.removals)]
    assert (request.verb, found) == (verb, [specs.split(), updates.split(), removals.split()])
    assert request.command == "; ".join(f"%pkg {line}" for line in lines)
    assert {spec.name for spec in request.going} == {"a"} | ({"b"} if verb is Verb.REMOVE else set())


def test_one_is_left_as_it_is() -> None:
    [request] = requests("install --pre b")
    assert together([request]) is request


def test_a_removal_has_the_options_of_the_rest_or_none() -> None:
    request = together(requests("remove a", "install --pre b", "update --pre c"))
    assert request.options.pre
    assert together(requests("remove --offline a", "install --offline b")).options.offline


@pytest.mark.parametrize(
    ("lines", "reference"),
    [
        ((), "empty-request"),
        (("remove a", "undo"), "undo-alone"),
        (("undo", "undo 2"), "undo-alone"),
        (("update", "install b"), "update-all-alone"),
        (("update", "update c"), "update-all-alone"),
        (("install --pre b", "install c"), "options-differ"),
        (("remove --force a", "install b"), "options-differ"),
        (("remove --force a", "remove --offline b"), "options-differ"),
    ],
)
def test_what_can_not_be_one_plan_is_refused(lines: tuple[str, ...], reference: str) -> None:
    with pytest.raises(UsageError) as caught:
        together(requests(*lines))
    assert caught.value.reference == reference
    assert caught.value.hint

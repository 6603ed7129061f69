from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Notice,
    Package,
    Plan,
    Request,
    Step,
    Verb,
)
from jupyter_pkgmgr.render import Rendered, render_history, render_undo
from jupyter_pkgmgr.service import Entry, Result, UndoPlan
from jupyter_pkgmgr.transactions.undo import Restoration

ENVIRONMENT = Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="demo")
EVIL = "<script>alert(1)</script>\x1b[31m\u202e\nsecond line https://me:hunter2@host/x"


@pytest.fixture(autouse=True)
def five_hours_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC+5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def package(name: str, version: str) -> Package:
    return Package(name=name, version=version, ecosystem=Ecosystem.PYPI)


def installed(name: str, *, requested: bool = False) -> Change:
    return Change(action=Action.INSTALL, after=package(name, "1.0"), requested=requested)


UPGRADE = Change(action=Action.UPGRADE, before=package("six", "1"), after=package("six", "2"), requested=True)


def entry(number: int, *changes: Change, result: Result = Result.COMMITTED, undoes: tuple[str, ...] = ()) -> Entry:
    return Entry(
        id=f"t{number}",
        started=f"2026-03-14T1{number}:09:26+00:00",
        user="ann",
        host="lab",
        command=f"%pkg command {number}",
        changes=changes or (UPGRADE,),
        result=result,
        undoes=undoes,
    )


def undo_plan(*changes: Change, warnings: tuple[Notice, ...] = (), blockers: tuple[Notice, ...] = ()) -> UndoPlan:
    step = EnginePlan(engine="snapshot", engine_version="", ecosystem=Ecosystem.PYPI, changes=changes)
    plan = Plan(
        id="1",
        request=Request(verb=Verb.UNDO, specs=()),
        environment=ENVIRONMENT,
        fingerprint="f",
        steps=(Step(plan=step),),
        warnings=warnings,
        blockers=blockers,
    )
    return UndoPlan(plan=plan, entries=(entry(2), entry(1)), exact=True, restoration=Restoration())


def test_a_row_says_when_who_what_and_how_it_ended() -> None:
    rendered = render_history([entry(1)], ENVIRONMENT)
    head, names, row = rendered.text.splitlines()
    assert head == "1 transaction in demo (venv)"
    assert names.split() == ["When", "ID", "Who", "Command", "Changes", "Result"]
    assert row == "  2026-03-14 06:09  t1  ann  %pkg command 1  ↑ six 1 → 2  done"
    for cell in ("2026-03-14 06:09", "t1", "ann", "%pkg command 1", "↑ six 1 → 2", "done"):
        assert cell in rendered.html


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Result.COMMITTED, "done"),
        (Result.ROLLED_BACK, "failed, rolled back"),
        (Result.CANCELLED, "stopped, rolled back"),
        (Result.FAILED, "failed"),
        (Result.RECOVERED, "interrupted, rolled back"),
        (Result.UNREADABLE, "unreadable"),
    ],
)
def test_every_result_has_its_words(result: Result, says: str) -> None:
    assert render_history([entry(1, result=result)], ENVIRONMENT).text.endswith(f"  {says}")


def test_what_was_undone_is_told_from_what_stands() -> None:
    rows = render_history([entry(2, undoes=("t1",)), entry(1)], ENVIRONMENT).text.splitlines()[2:]
    assert [row.rpartition("  ")[2] for row in rows] == ["done", "undone"]
    rows = render_history([entry(3, undoes=("t2",)), entry(2, undoes=("t1",)), entry(1)], ENVIRONMENT).text.splitlines()
    assert [row.rpartition("  ")[2] for row in rows[2:]] == ["done", "undone", "done"]


def test_long_lists_are_cut_and_say_so() -> None:
    many = entry(1, *(installed(f"dep-{number}") for number in range(5)), installed("asked-for", requested=True))
    text = render_history([many, many, many], ENVIRONMENT, limit=2).text
    assert "+ asked-for 1.0, + dep-0 1.0, + dep-1 1.0, and 3 more" in text
    assert "… and 1 older ones (--limit 3 shows them)" in text
    assert "dep-4" not in text
    full = render_history([many], ENVIRONMENT, verbose=True).text
    assert "dep-4" in full
    assert "ann@lab" in full


@pytest.mark.parametrize(
    ("verdict", "modules", "says"),
    [
        ("none", (), "not needed"),
        ("no-kernel", (), "no kernel"),
        ("unknown", (), "unknown"),
        ("required", ("numpy", "zmq"), "required: numpy, zmq"),
    ],
)
def test_with_more_words_it_says_how_long_it_took_and_the_restart_verdict(
    verdict: str, modules: tuple[str, ...], says: str
) -> None:
    full = replace(entry(1), seconds=1.25, face="%pkg", verdict=verdict, verdict_modules=modules)
    _, names, row = render_history([full], ENVIRONMENT, verbose=True).text.splitlines()
    assert names.split() == ["When", "ID", "Who", "Command", "Changes", "Took", "Restart", "Result"]
    assert row.endswith(f"  1.2 s  {says}  done")
    assert "ann@lab (%pkg)" in row
    assert says not in render_history([full], ENVIRONMENT).text


def test_no_history() -> None:
    assert render_history([], ENVIRONMENT).text == "nothing was done to demo (venv) through %pkg yet"


def test_an_undo_names_what_it_takes_back_and_what_that_changes() -> None:
    back = Change(action=Action.DOWNGRADE, before=UPGRADE.after, after=UPGRADE.before)
    gone = Change(action=Action.REMOVE, before=package("rich", "1.0"))
    warning = Notice(reference="w", message="careful")
    blocker = Notice(reference="b", message="frozen", hint="--override-frozen")
    undo = undo_plan(back, gone, warnings=(warning,), blockers=(blocker,))
    assert render_undo(undo, blockers=False).text.splitlines() == [
        "Undo in demo (venv)",
        "  2026-03-14 07:09  t2  %pkg command 2",
        "  2026-03-14 06:09  t1  %pkg command 1",
        "    ↓  six   2 → 1  kept files",
        "    -  rich  1.0    PyPI",
        "warning: careful",
    ]
    rendered = render_undo(undo)
    assert rendered.part is not None
    assert rendered.part["plan"]["taken_back"] == [
        "2026-03-14 07:09  t2  %pkg command 2",
        "2026-03-14 06:09  t1  %pkg command 1",
    ]
    assert rendered.text.endswith("blocked: frozen\n  hint: --override-frozen")
    for text in ("t2", "2 → 1", "rich", "careful", "--override-frozen"):
        assert text in rendered.html


@pytest.mark.parametrize(
    "rendered",
    [
        render_history(
            [
                Entry(
                    id=EVIL,
                    started=EVIL,
                    user=EVIL,
                    command=EVIL,
                    changes=(installed(EVIL),),
                    result=Result.FAILED,
                    message=EVIL,
                )
            ],
            ENVIRONMENT,
        ),
        render_undo(undo_plan(installed(EVIL), warnings=(Notice(reference="w", message=EVIL),))),
    ],
    ids=["history", "undo"],
)
def test_foreign_text_is_never_markup_nor_terminal_control(rendered: Rendered) -> None:
    assert "alert(1)" in rendered.html
    assert "<script" not in rendered.html
    for text in (rendered.text, rendered.html):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "hunter2" not in text


def test_a_row_stays_a_row() -> None:
    assert len(render_history([Entry(id="t1", started=EVIL, command=EVIL)], ENVIRONMENT).text.splitlines()) == 3

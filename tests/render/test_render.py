from __future__ import annotations

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
    Notice,
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
from jupyter_pkgmgr.render import Progress, Rendered, render_error, render_outcome, render_plan, render_satisfied

ENVIRONMENT = Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="demo")


def package(name: str, version: str = "1.0", origin: str = "conda-forge") -> Package:
    place = Origin(kind=OriginKind.CHANNEL, location=origin)
    return Package(name=name, version=version, ecosystem=Ecosystem.CONDA, origin=place)


def plan_of(*changes: Change, warnings: tuple[Notice, ...] = (), blockers: tuple[Notice, ...] = ()) -> Plan:
    step = EnginePlan(engine="rattler", engine_version="0.28", ecosystem=Ecosystem.CONDA, changes=changes)
    return Plan(
        id="1",
        request=Request(verb=Verb.INSTALL, specs=()),
        environment=ENVIRONMENT,
        fingerprint="f",
        steps=(Step(plan=step),) if changes else (),
        warnings=warnings,
        blockers=blockers,
    )


def install(name: str, *, requested: bool = True, reason: str = "requested") -> Change:
    return Change(action=Action.INSTALL, after=package(name), requested=requested, reason=reason)


def test_a_plan_says_what_from_to_where_from_and_why() -> None:
    upgrade = Change(
        action=Action.UPGRADE,
        before=package("numpy", "1.26.4"),
        after=package("numpy", "2.1.0"),
        reason="dependency of pandas",
    )
    rendered = render_plan(plan_of(install("pandas"), upgrade))
    assert "+  pandas  1.0" in rendered.text
    assert "1.26.4 → 2.1.0  conda-forge  dependency of pandas" in rendered.text
    for word in ("pandas", "1.26.4 → 2.1.0", "conda-forge", "dependency of pandas"):
        assert word in rendered.html


def test_a_long_plan_folds_plain_dependencies_and_nothing_else() -> None:
    downgrade = Change(action=Action.DOWNGRADE, before=package("six", "2"), after=package("six", "1"))
    dependencies = [install(f"dep-{number}", requested=False) for number in range(30)]
    plan = plan_of(install("pandas"), *dependencies, downgrade)
    short, full = render_plan(plan), render_plan(plan, verbose=True)
    assert "pandas" in short.text
    assert "2 → 1" in short.text
    assert "30 more dependencies" in short.text
    assert "dep-7" not in short.text
    assert "dep-7" in short.html  # behind a fold
    assert "dep-7" in full.text


def test_blockers_and_warnings_come_with_their_hints() -> None:
    rendered = render_plan(
        plan_of(
            warnings=(Notice(reference="w", message="careful"),),
            blockers=(Notice(reference="b", message="no way", hint="use --force"),),
        )
    )
    assert "warning: careful" in rendered.text
    assert "blocked: no way\n  hint: use --force" in rendered.text


EVIL = "<script>alert(1)</script>\x1b[31m\u202e"


@pytest.mark.parametrize(
    "rendered",
    [
        render_plan(plan_of(install(EVIL, reason=EVIL), blockers=(Notice(reference="b", message=EVIL, hint=EVIL),))),
        render_satisfied([package(EVIL)]),
        render_outcome(Outcome(plan=plan_of(install(EVIL)), seconds=1, fingerprint="f")),
        render_error(PkgError(EVIL, context=(EVIL,), note=EVIL, hint=EVIL, detail=EVIL), verbose=True),
    ],
    ids=["plan", "satisfied", "outcome", "error"],
)
def test_package_text_is_never_markup_nor_terminal_control(rendered: Rendered) -> None:
    assert "alert(1)" in rendered.html
    assert "<script" not in rendered.html
    for text in (rendered.text, rendered.html):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_credentials_are_never_shown() -> None:
    place = "https://me:hunter2@host/t/tk-123/channel"
    rendered = render_plan(plan_of(Change(action=Action.INSTALL, after=package("x", origin=place), reason=place)))
    error = render_error(PkgError(f"can't reach {place}", detail=place), verbose=True)
    for text in (rendered.text, rendered.html, error.text, error.html):
        assert "hunter2" not in text
        assert "tk-123" not in text


def test_an_outcome_counts_what_was_not_asked_for() -> None:
    plan = plan_of(install("pandas"), install("numpy", requested=False), install("six", requested=False))
    text = render_outcome(Outcome(plan=plan, seconds=2.345, fingerprint="f")).text
    assert text == "✔ Installed pandas 1.0 and 2 dependencies (2.3 s)"


def test_the_long_version_of_an_error_is_shown_on_request_only() -> None:
    error = PkgError("no solution", context=tuple(f"fact {number}" for number in range(20)), detail="the whole story")
    assert "the whole story" not in render_error(error).text
    assert "12 more (-v shows them)" in render_error(error).text
    assert "the whole story" in render_error(error, verbose=True).text
    assert "fact 19" in render_error(error, verbose=True).text


def test_progress_is_one_line_per_step_that_ends_with_its_result() -> None:
    shown: list[tuple[str, str]] = []
    progress = Progress(plan_of(install("pandas")), lambda key, rendered: shown.append((key, rendered.text)))
    progress(Event(kind=EventKind.STEP, step=0, state="started"))
    progress(
        Event(kind=EventKind.PACKAGE, step=0, phase=Phase.DOWNLOAD, package="pandas", done=1_000_000, total=2_000_000)
    )
    progress(Event(kind=EventKind.OUTPUT, step=0, message="raw noise"))
    progress(Event(kind=EventKind.STEP, step=0, state="finished"))
    assert {key for key, _ in shown} == {"step-0"}
    assert shown[-1][1].startswith("conda (rattler): 1 change in")
    assert not any("raw noise" in text for _, text in shown)


def test_raw_output_is_shown_when_verbose() -> None:
    shown: dict[str, str] = {}

    def show(key: str, rendered: Rendered) -> None:
        shown[key] = rendered.text

    progress = Progress(plan_of(install("pandas")), show, verbose=True)
    progress(Event(kind=EventKind.OUTPUT, step=0, message="one"))
    progress(Event(kind=EventKind.OUTPUT, step=0, message="two"))
    assert shown["output"] == "one\ntwo"

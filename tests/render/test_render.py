from __future__ import annotations

import threading
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
from jupyter_pkgmgr.render import (
    Planning,
    Progress,
    Rendered,
    preformatted,
    render_error,
    render_outcome,
    render_plan,
    render_satisfied,
)
from jupyter_pkgmgr.render import progress as progress_module

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
    assert "… and 30 dependencies (-v shows them)" in short.text
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
    assert rendered.part is not None
    assert [notice["message"] for notice in rendered.part["plan"]["blockers"]] == ["no way"]


def test_blockers_that_an_error_says_are_not_said_twice() -> None:
    blocked = plan_of(install("six"), blockers=(Notice(reference="b", message="no way"),))
    rendered = render_plan(blocked, blockers=False)
    assert "no way" not in f"{rendered.text}{rendered.html}{rendered.part}"
    assert "six" in rendered.text


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


def test_a_result_says_to_which_version_a_package_moved() -> None:
    upgrade = Change(action=Action.UPGRADE, before=package("six", "1.16"), after=package("six", "1.17"), requested=True)
    text = render_outcome(Outcome(plan=plan_of(upgrade), seconds=0, fingerprint="f")).text
    assert text == "✔ Upgraded six to 1.17 (0.0 s)"


def test_what_moves_along_is_not_called_a_dependency() -> None:
    changes = (
        Change(action=Action.DOWNGRADE, before=package(name, "2"), after=package(name, "1"), requested=name == "numpy")
        for name in ("numpy", "pandas")
    )
    text = render_outcome(Outcome(plan=plan_of(*changes), seconds=0, fingerprint="f")).text
    assert text == "✔ Downgraded numpy to 1 and 1 more (0.0 s)"


def test_text_with_columns_brings_its_own_font() -> None:
    """A page made by nbconvert has no fixed-width font for ``pre``, JupyterLab has."""
    shown: dict[str, Rendered] = {}
    Progress(plan_of(install("pandas")), shown.__setitem__, verbose=True)(
        Event(kind=EventKind.OUTPUT, step=0, message="columns")
    )
    for rendered in (preformatted("a  b"), render_error(PkgError("x", detail="a  b"), verbose=True), shown["output"]):
        assert "monospace" in rendered.html


class Lines:
    """What a progress line showed, one state after the other."""

    def __init__(self, *names: str) -> None:
        self.shown: list[str] = []
        self.newest = threading.Event()
        self.progress = Progress(plan_of(*map(install, names)), self._show)
        self.progress(Event(kind=EventKind.STEP, step=0, state="started"))

    def _show(self, _: str, rendered: Rendered) -> None:
        self.shown.append(rendered.text)
        self.newest.set()

    def package(self, name: str, *, state: str, total: int | None = None) -> None:
        self.progress(
            Event(kind=EventKind.PACKAGE, step=0, phase=Phase.DOWNLOAD, package=name, state=state, total=total)
        )


def test_progress_counts_a_finished_download_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "INTERVAL", 0)
    lines = Lines("pillow", "scipy")
    lines.package("pillow", state="started", total=7_000_000)
    assert lines.shown[-1] == "conda (rattler): downloading pillow (7.0 MB)"
    lines.package("scipy", state="started", total=30_000_000)
    lines.package("pillow", state="finished")
    assert lines.shown[-1] == "conda (rattler): downloading pillow (1 of 2, 7.0 of 37.0 MB)"
    lines.progress(Event(kind=EventKind.PHASE, step=0, phase=Phase.LINK))
    assert lines.shown[-1] == "conda (rattler): installing"


def test_the_last_event_before_a_pause_is_shown() -> None:
    lines = Lines("pillow", "scipy")
    lines.newest.clear()
    lines.package("scipy", state="started", total=30_000_000)
    assert lines.newest.wait(30)
    assert lines.shown[-1] == "conda (rattler): downloading scipy (30.0 MB)"


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_a_step_that_is_cut_short_does_not_look_as_if_it_went_on(state: str) -> None:
    lines = Lines("pillow")
    lines.package("pillow", state="started", total=7_000_000)
    lines.progress.end(state)
    assert lines.shown[-1] == f"conda (rattler): {state}"


def test_a_result_names_everything_that_was_removed() -> None:
    changes = (
        Change(action=Action.REMOVE, before=package(name), requested=name == "numpy") for name in ("numpy", "pandas")
    )
    text = render_outcome(Outcome(plan=plan_of(*changes), seconds=0, fingerprint="f")).text
    assert text == "✔ Removed numpy 1.0, pandas 1.0 (0.0 s)"


def test_a_plan_with_very_many_changes_compares_none_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*_: object) -> bool:
        raise AssertionError("folding compares changes with each other")

    changes = tuple(
        Change(
            action=Action.INSTALL,
            after=Package(name=f"p{number}", version="1", ecosystem=Ecosystem.PYPI),
            requested=number % 2 == 0,
        )
        for number in range(40)
    )
    engine = EnginePlan(engine="uv", engine_version="1", ecosystem=Ecosystem.PYPI, changes=changes)
    request = Request(verb=Verb.INSTALL, specs=())
    plan = Plan(id="1", request=request, environment=ENVIRONMENT, fingerprint="", steps=(Step(plan=engine),))
    monkeypatch.setattr(Change, "__eq__", compared)
    text = render_plan(plan).text
    assert all(f"p{number} " in text for number in range(0, 40, 2))
    assert "and 20 dependencies" in text


def test_nothing_is_said_of_a_plan_that_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PATIENCE", 3600.0)
    shown: list[tuple[str, str]] = []
    with Planning(lambda key, rendered: shown.append((key, rendered.text))) as planning:
        planning(Event(kind=EventKind.PHASE, phase=Phase.SOLVE, message="uv asks the index"))
        planning(Event(kind=EventKind.WAITING, message="ann holds it"))
    assert shown == [("message-ann holds it", "waiting: ann holds it")]


def test_a_plan_that_takes_long_says_what_for_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    shown: list[Rendered] = []
    seen = threading.Event()

    def show(key: str, rendered: Rendered) -> None:
        assert key == "plan"
        shown.append(rendered)
        seen.set()

    with Planning(show) as planning:
        assert seen.wait(60)
        planning(Event(kind=EventKind.PHASE, phase=Phase.SOLVE, message="uv asks <b>the index</b>\x1b[31m"))
        planning(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))  # an engine's own, without a word
    planning(Event(kind=EventKind.PHASE, phase=Phase.SOLVE, message="too late"))
    assert [rendered.text for rendered in shown] == ["planning …", "planning: uv asks <b>the index</b>[31m", ""]
    assert "<b>" not in shown[1].html
    assert all(rendered.passing for rendered in shown)


def test_quiet_says_nothing_of_planning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    shown: list[str] = []
    with Planning(lambda key, _: shown.append(key), quiet=True) as planning:
        planning(Event(kind=EventKind.PHASE, phase=Phase.SOLVE, message="uv asks the index"))
        assert not planning._timer.is_alive()  # noqa: SLF001  it would show something later
    assert shown == []

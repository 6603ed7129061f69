"""Plan and apply through the whole driver, with an executable that replays recorded runs."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    EventKind,
    Options,
    Package,
    Phase,
    Policy,
    PolicyKind,
    PythonInfo,
    Verb,
    ignore_events,
)
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    ConflictError,
    EngineError,
    EngineKilledError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    UnknownFormatError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from tests.engines.conda_replay import (
    CONDAS,
    MAMBAS,
    RELEASES,
    Replay,
    apply,
    package,
    plan,
    stems,
    transcripts,
)

pytestmark = pytest.mark.usefixtures("clean_settings")

DEMO = Options(channels=("quirks",))


# --- the commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_a_plan_changes_nothing_and_tells_all(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-upgrade-json")
    made = plan(replay, Verb.INSTALL, "six=1.17")
    assert isinstance(replay.engine, Engine)
    assert (made.engine, made.ecosystem) == (replay.tool, Ecosystem.CONDA)
    assert made.engine_version == {"conda-26.7": "26.7.2.dev56"}.get(release, release.rpartition("-")[2])
    change = next(change for change in made.changes if change.package.name == "six")
    assert change.action is Action.UPGRADE
    assert change.before == package("six-1.16.0-pyhd8ed1ab_0")
    assert change.after is not None
    assert change.after.version == "1.17.0"
    assert change.requested
    (run,) = replay.runs()
    assert {"--dry-run", "--json", "-y"} <= set(run["argv"])
    assert run["argv"][0] == "install"
    assert run["argv"][run["argv"].index("-p") + 1] == str(replay.prefix)
    assert not {"-q", "-n", "create"} & set(run["argv"])
    assert replay.records() == replay.before


@pytest.mark.parametrize("release", RELEASES)
def test_options_of_the_request_and_nothing_else(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release)
    options = Options(
        channels=("mine", "file:///srv/c"), override_channels=True, offline=True, no_deps=True, force_reinstall=True
    )
    with pytest.raises(PkgError):  # there is no such recording; what counts is the command line
        plan(replay, Verb.INSTALL, "six", options=options)
    (run,) = replay.runs()
    words = run["argv"]
    rest = [word for word in words if word not in ("--", "--json", "-y", "--dry-run", "-p", str(replay.prefix))]
    assert {"--override-channels", "--offline", "--no-deps", "--force-reinstall"} <= set(rest)
    assert sorted(word for word in rest if not word.startswith("--")) == sorted(
        ["install", "-c", "mine", "-c", "file:///srv/c", "six"]
    )
    assert len(rest) == 10
    assert ("--" in words) == (replay.tool == "conda")
    assert words[-1] == "six"


@pytest.mark.parametrize(
    ("release", "verb", "specs", "options", "expected"),
    [
        ("conda-26.7", Verb.UPDATE, ("six",), {}, ["update", "--", "six"]),
        ("conda-26.7", Verb.UPDATE, ("six=1.17",), {}, ["install", "--", "six=1.17"]),
        ("conda-26.7", Verb.UPDATE, (), {}, ["update", "--all"]),
        ("conda-26.7", Verb.INSTALL, ("six",), {"upgrade": True}, ["install", "--", "six"]),
        ("conda-26.7", Verb.INSTALL, ("six", "new"), {}, ["install", "--", "new"]),
        (
            "conda-26.7",
            Verb.INSTALL,
            ("new",),
            {"override_frozen": True},
            ["install", "--override-frozen", "--", "new"],
        ),
        ("conda-24.1.2", Verb.INSTALL, ("new",), {"override_frozen": True}, ["install", "--", "new"]),
        ("conda-26.7", Verb.REMOVE, ("six",), {"no_deps": True}, ["remove", "--", "six"]),
        ("mamba-2.8.1", Verb.UPDATE, ("six=1.17",), {}, ["update", "six=1.17"]),
        ("mamba-2.8.1", Verb.UPDATE, (), {}, ["update", "--all"]),
        ("mamba-2.8.1", Verb.INSTALL, ("six",), {"upgrade": True}, ["update", "six"]),
        ("mamba-2.8.1", Verb.INSTALL, ("six", "new"), {"upgrade": True}, ["install", "six", "new"]),
        ("micromamba-2.8.1", Verb.REMOVE, ("six",), {"channels": ("c",)}, ["remove", "six"]),
        ("micromamba-2.8.1", Verb.INSTALL, ("new",), {"override_frozen": True}, ["install", "new"]),
    ],
)
def test_verbs_and_options_as_each_tool_wants_them(
    tmp_path: Path, release: str, verb: Verb, specs: tuple[str, ...], options: dict[str, Any], expected: list[str]
) -> None:
    replay = Replay(tmp_path, release, installed={"six-1.16.0-pyhd8ed1ab_0"})
    with pytest.raises(PkgError):
        plan(replay, verb, *specs, options=Options(**options))
    (run,) = replay.runs()
    assert [
        word for word in run["argv"] if word not in ("--dry-run", "--json", "-y", "-p", str(replay.prefix))
    ] == expected


@pytest.mark.parametrize("release", RELEASES)
def test_pins_go_through_the_setting_and_keep_the_users_own(
    tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = Replay(tmp_path, release, "05-dry-upgrade-json")
    variable = "CONDA_PINNED_PACKAGES" if replay.tool == "conda" else "MAMBA_PINNED_PACKAGES"
    monkeypatch.setenv(variable, "rich <14")
    engine = type(replay.engine)(environ=replay.environ | {variable: "rich <14"})
    request = replay.request(
        Verb.INSTALL,
        "six=1.17",
        held=(package("click-8.1.7-pyhd8ed1ab_0"), Package(name="pip-thing", version="1", ecosystem=Ecosystem.PYPI)),
        pins=("python 3.11.*", "numpy >=1,<3"),
    )
    engine.plan(replay.environment(), request, events=ignore_events, cancel=Cancellation())
    (run,) = replay.runs()
    expected = {
        "CONDA_PINNED_PACKAGES": "rich <14&click=8.1.7=pyhd8ed1ab_0&python 3.11.*&numpy >=1,<3",
        "MAMBA_PINNED_PACKAGES": 'rich <14, "click=8.1.7=pyhd8ed1ab_0", "python 3.11.*", "numpy >=1,<3"',
    }
    assert run["env"][variable] == expected[variable]
    assert not [word for word in run["argv"] if word.startswith(("click", "python", "numpy"))]


def test_micromamba_is_told_its_root(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "micromamba-2.8.1", "05-dry-new-json")
    plan(replay, Verb.INSTALL, "jinja2")
    assert replay.runs()[0]["env"]["MAMBA_ROOT_PREFIX"] == str(tmp_path)


@pytest.mark.parametrize("release", RELEASES)
def test_the_environment_of_the_server_does_not_redirect(
    tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PREFIX", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    replay = Replay(tmp_path, release, "05-dry-new-json")
    plan(replay, Verb.INSTALL, "jinja2")
    assert not {"CONDA_PREFIX", "PYTHONPATH"} & replay.runs()[0]["env"].keys()


# --- refused before anything runs --------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("verb", "specs", "options", "kind"),
    [
        (Verb.INSTALL, ("--file=x",), {}, InvalidSpecError),
        (Verb.INSTALL, ("six",), {"channels": ("--json",)}, InvalidSpecError),
        (Verb.INSTALL, (), {}, UsageError),
        (Verb.REMOVE, (), {}, UsageError),
        (Verb.REMOVE, ("tqdm",), {}, PackageNotFoundError),
        (Verb.UPDATE, ("tqdm",), {}, PackageNotFoundError),
    ],
)
def test_what_makes_no_sense_starts_no_process(
    tmp_path: Path,
    release: str,
    verb: Verb,
    specs: tuple[str, ...],
    options: dict[str, Any],
    kind: type[PkgError],
) -> None:
    replay = Replay(tmp_path, release, installed=())
    with pytest.raises(kind):
        plan(replay, verb, *specs, options=Options(**options))
    assert not replay.log.exists()


@pytest.mark.parametrize("release", RELEASES)
def test_frozen_is_ours_to_check(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-new-json")
    frozen = replay.environment(Policy(kind=PolicyKind.FROZEN, message="ask IT"))
    request = replay.request(Verb.INSTALL, "jinja2")
    with pytest.raises(PolicyError) as caught:
        replay.engine.plan(frozen, request, events=ignore_events, cancel=Cancellation())
    assert (caught.value.reference, caught.value.note) == ("frozen", "ask IT")
    assert not replay.log.exists()


def test_all_there_already_starts_no_process(tmp_path: Path) -> None:
    """``conda install NAME`` would bring the newest version of what is installed, which nobody asked for."""
    replay = Replay(tmp_path, "conda-26.7", installed={"six-1.16.0-pyhd8ed1ab_0"})
    made = plan(replay, Verb.INSTALL, "six")
    assert made.changes == ()
    apply(replay, made)
    assert replay.runs() == []


# --- refused after the dry run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_a_held_package_that_would_change_is_a_conflict(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-upgrade-json")
    with pytest.raises(ConflictError) as caught:
        plan(replay, Verb.INSTALL, "six=1.17", held=(package("six-1.16.0-pyhd8ed1ab_0"),))
    assert caught.value.context == ("six 1.16.0 would become 1.17.0",)


@pytest.mark.parametrize("release", RELEASES)
def test_a_held_package_that_would_go_is_a_conflict(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-remove-json")
    with pytest.raises(ConflictError) as caught:
        plan(replay, Verb.REMOVE, "urllib3", held=(package("requests-2.31.0-pyhd8ed1ab_0"),))
    assert caught.value.context == ("requests 2.31.0 would become nothing",)


@pytest.mark.parametrize("release", RELEASES)
def test_the_python_minor_stays_even_if_the_solver_overrides_the_pin(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-python-minor-json")
    with pytest.raises(ConflictError) as caught:
        plan(replay, Verb.INSTALL, "python=3.12", pins=("python 3.11.*",))
    assert caught.value.context == ("python would become 3.12.1, the pin is python 3.11.*",)


def test_an_emptied_index_cache_is_found_out(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "conda-25.11.1", "08-after-403-dry-json")
    with pytest.raises(UnreachableError) as caught:
        plan(replay, Verb.INSTALL, "numpy")
    assert caught.value.reference == "index-cache"
    assert caught.value.hint == "conda clean --index-cache"


@pytest.mark.parametrize("release", MAMBAS)
def test_mamba_may_not_download_offline(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "08-offline-json")
    replay.cases[0] = replay.cases[0] | {
        "stdout": replay.cases[0]["stdout"].replace("{CHANNEL}", "http://127.0.0.1:1/c")
    }
    replay.install_program()
    with pytest.raises(UnreachableError) as caught:
        plan(replay, Verb.INSTALL, "distro", options=Options(offline=True))
    assert caught.value.reference == "offline"


@pytest.mark.parametrize("release", MAMBAS)
def test_an_upgrade_mamba_only_pretends_is_left_out(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "10-update-all-noop-json", installed={"idna-3.7-pyhd8ed1ab_0"})
    site = replay.prefix / "lib" / "site-packages"
    (site / "idna-3.20.dist-info").mkdir(parents=True)
    environment = python_environment(replay, site)
    idna = package("idna-3.7-pyhd8ed1ab_0", provides=(("idna", "3.7"),))
    request = replace(replay.request(Verb.UPDATE), installed=(idna,))
    made = replay.engine.plan(environment, request, events=ignore_events, cancel=Cancellation())
    assert made.changes == ()
    assert [(notice.reference, notice.packages) for notice in made.warnings] == [("pip-shadowed", ("idna",))]


def python_environment(replay: Replay, site: Path) -> Environment:
    python = PythonInfo(
        executable=replay.prefix / "bin" / "python",
        version="3.11.7",
        implementation="cpython",
        prefix=replay.prefix,
        base_prefix=replay.prefix,
        purelib=site,
        platlib=site,
        scripts=replay.prefix / "bin",
        stdlib=replay.prefix / "lib",
    )
    return replace(replay.environment(), python=python)


@pytest.mark.parametrize("release", MAMBAS)
def test_mamba_says_what_an_upgrade_leaves_alone(tmp_path: Path, release: str) -> None:
    """``install`` leaves alone what satisfies, ``update`` takes nothing new."""
    replay = Replay(tmp_path, release, installed={"six-1.16.0-pyhd8ed1ab_0"})
    links = [{"name": "new", "version": "1", "build_string": "0"}]
    argv = ["{EXE}", "install", "--json", "six", "new"]
    replay.cases = [{"argv": argv, "stdout": _answer(links), "stderr": "", "exit_code": 0}, *replay.cases]
    replay.install_program()
    (notice,) = plan(replay, Verb.INSTALL, "six", "new", options=Options(upgrade=True)).warnings
    assert (notice.reference, notice.packages) == ("upgrade-apart", ("six",))
    assert plan(replay, Verb.INSTALL, "six", "new").warnings == ()


# --- apply ----------------------------------------------------------------------------------------------------------


APPLIED: list[tuple[Any, ...]] = [
    ("06-install-noarch-json", Verb.INSTALL, "jinja2=3.1.4"),
    ("06-install-upgrade-json", Verb.INSTALL, "jinja2=3.1.6"),
    ("06-install-downgrade-json", Verb.INSTALL, "jinja2=3.0.3"),
    ("10-remove-json", Verb.REMOVE, "tqdm"),
    ("10-remove-with-dependents-json", Verb.REMOVE, "markupsafe"),
]


@pytest.mark.parametrize(
    ("release", "case", "verb", "specs"),
    [(release, case, verb, specs) for release in RELEASES for case, verb, *specs in APPLIED]
    + [(release, "10-update-all-json", Verb.UPDATE, []) for release in CONDAS],
)
def test_apply_does_what_the_plan_said(tmp_path: Path, release: str, case: str, verb: Verb, specs: list[str]) -> None:
    replay = Replay(tmp_path, release, case)
    made = plan(replay, verb, *specs)
    assert made.changes
    assert replay.records() == replay.before
    events: list[Event] = []
    apply(replay, made, events.append)
    assert replay.records() == replay.after
    phases = [event.phase for event in events if event.kind is EventKind.PHASE]
    assert phases[0] is Phase.SOLVE
    assert phases[-1] is Phase.VERIFY
    done = {event.package for event in events if event.kind is EventKind.PACKAGE and event.state == "finished"}
    assert done == {change.package.name for change in made.changes}
    dry, real = replay.runs()
    assert [word for word in dry["argv"] if word != "--dry-run"] == real["argv"]


@pytest.mark.parametrize("release", MAMBAS)
def test_an_upgrade_that_mamba_only_pretends(tmp_path: Path, release: str) -> None:
    """It updates all but the package whose files pip replaced; known beforehand, that one isn't in the plan."""
    replay = Replay(tmp_path, release, "10-update-all-json")
    made = plan(replay, Verb.UPDATE)
    with pytest.raises(VerificationError) as caught:
        apply(replay, made)
    assert caught.value.context == ("idna 3.20 is not there",)
    real = tuple(change for change in made.changes if change.package.name != "idna")
    apply(replay, replace(made, changes=real))


@pytest.mark.parametrize("release", MAMBAS)
def test_a_success_that_was_rolled_back_is_found_out(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "12-sigint-during-link-json")
    made = plan(replay, Verb.INSTALL, "slow-link", "demo-lib", options=DEMO)
    before = stems(transcripts(release)["12-sigint-during-link-json"]["conda_meta"])
    for path in replay.meta.glob("*.json"):
        path.unlink()
    for stem in before:
        (replay.meta / f"{stem}.json").touch()
    with pytest.raises(VerificationError) as caught:
        apply(replay, made)
    assert sorted(caught.value.context) == ["demo-lib 2.0 is not there", "slow-link 1.0 is not there"]


@pytest.mark.parametrize("release", MAMBAS)
def test_what_a_failed_script_said_is_passed_on(tmp_path: Path, release: str) -> None:
    """The exit code is 0, success is true, the records are there: its own words are all there is."""
    replay = Replay(tmp_path, release, "08-postlink-fail-json")
    made = plan(replay, Verb.INSTALL, "postlink-fail", "demo-lib=1.0", options=DEMO)
    events: list[Event] = []
    apply(replay, made, events.append)
    said = [event.message for event in events if event.kind is EventKind.MESSAGE]
    assert any("post-link: something broke" in message for message in said)


@pytest.mark.parametrize("release", CONDAS)
def test_a_failed_script_is_an_error_in_conda(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "08-postlink-fail-json")
    made = explicit_plan(replay, "postlink-fail", "demo-lib=1.0")
    with pytest.raises(EngineError) as caught:
        apply(replay, made)
    assert caught.value.reference == "link-failed"


def explicit_plan(replay: Replay, *specs: str) -> EnginePlan:
    """A plan whose dry run went well, for a recording that holds the failing run only."""
    failing, real = replay.cases[0], replay.cases
    links = [{"name": spec.partition("=")[0], "version": "1.0", "build_string": "0"} for spec in specs]
    good = {"stdout": _answer(links), "stderr": "", "exit_code": 0, "argv": [*failing["argv"], "--dry-run"]}
    replay.cases = [good, *real]
    replay.install_program()
    return plan(replay, Verb.INSTALL, *specs, options=DEMO)


def _answer(links: list[dict[str, Any]]) -> str:
    return json.dumps({"success": True, "actions": {"LINK": links, "PREFIX": "{PREFIX}"}})


def test_a_deleted_history_is_put_back(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "conda-25.11.1", "08-postlink-fail-json")
    made = explicit_plan(replay, "postlink-fail", "demo-lib=1.0")
    history = (replay.meta / "history").read_bytes()
    events: list[Event] = []
    with pytest.raises(EngineError):
        apply(replay, made, events.append)
    assert (replay.meta / "history").read_bytes() == history
    assert any(event.message == "put conda-meta/history back" for event in events)


def test_a_history_that_was_lost_before_gets_a_hint(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "conda-25.11.1", "08-install-not-an-env-json", installed={"six-1.16.0-pyhd8ed1ab_0"})
    (replay.meta / "history").unlink()
    with pytest.raises(EnvironmentProblem) as caught:
        plan(replay, Verb.INSTALL, "tzdata")
    assert caught.value.hint == f"an empty file heals it: {replay.meta / 'history'}"


@pytest.mark.parametrize("release", RELEASES)
def test_a_killed_tool_tells_what_it_left(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "12-sigkill-during-link-json")
    assert replay.cases[0]["exit_code"] == -signal.SIGKILL
    made = explicit_plan(replay, "slow-link", "demo-lib")
    with pytest.raises(EngineKilledError) as caught:
        apply(replay, made)
    assert caught.value.context == ("nothing was changed",)


@pytest.mark.parametrize("release", RELEASES)
def test_a_cancelled_run_says_so(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "06-install-noarch-json")
    made = plan(replay, Verb.INSTALL, "jinja2=3.1.4")
    cancel = Cancellation()
    cancel.cancel()
    with pytest.raises(CancelledError) as caught:
        replay.engine.apply(replay.environment(), made, events=ignore_events, cancel=cancel)
    assert caught.value.context == ("nothing was changed",)


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write anywhere")
def test_a_prefix_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "mamba-2.8.1", "06-install-noarch-json")
    made = plan(replay, Verb.INSTALL, "jinja2=3.1.4")
    replay.meta.chmod(0o555)
    with pytest.raises(PolicyError):
        apply(replay, made)
    assert len(replay.runs()) == 1


@pytest.mark.parametrize("release", MAMBAS)
def test_waiting_is_an_event(tmp_path: Path, release: str) -> None:
    replay = Replay(tmp_path, release, "12-concurrent-second-json")
    events: list[Event] = []
    plan(replay, Verb.INSTALL, "distro", events=events.append)
    assert [event.kind for event in events if event.kind is EventKind.WAITING]


# --- unknown forms, and what must not leak -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "[]",
        '{"answer": 42}',
        '{"success": true, "actions": []}',
        '{"success": true, "actions": {"LINK": [{"name": "six"}]}}',
        '{"success": "yes"}',
        "All done!\n",
    ],
)
@pytest.mark.parametrize("release", ["conda-26.7", "mamba-2.8.1"])
def test_an_unknown_answer_is_an_error_with_a_hint(tmp_path: Path, release: str, stdout: str) -> None:
    replay = Replay(tmp_path, release, "05-dry-new-json")
    replay.cases[0] = replay.cases[0] | {"stdout": stdout}
    replay.install_program()
    with pytest.raises(UnknownFormatError) as caught:
        plan(replay, Verb.INSTALL, "jinja2")
    assert "--engine rattler" in (caught.value.hint or "")


def test_banners_before_the_document_are_skipped(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "conda-26.7", "05-dry-new-json")
    banner = "By using this channel you accept its {terms}.\n{not json}\n[notice]\n"
    replay.cases[0] = replay.cases[0] | {"stdout": banner + replay.cases[0]["stdout"]}
    replay.install_program()
    assert {change.package.name for change in plan(replay, Verb.INSTALL, "jinja2").changes} == {"jinja2", "markupsafe"}


PRIVATE = "http://user:hunter2@127.0.0.1:9/t/tk-123/chan"


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", ["08-channel-refused-json", "08-unsat-json", "08-nonexistent-package-json"])
def test_no_credentials_in_errors_or_events(tmp_path: Path, release: str, case: str) -> None:
    replay = Replay(tmp_path, release, case)
    recorded = transcripts(release)[case]
    argv = ["{EXE}", "install", "--json", "-c", PRIVATE, "six"]
    texts = {
        key: recorded[key].replace("http://127.0.0.1:9/nochannel", PRIVATE).replace("{CHANNEL}", PRIVATE)
        for key in ("stdout", "stderr")
    }
    texts["stderr"] += f"\nlost its colon: http//user:hunter2@127.0.0.1:9/chan\n{PRIVATE}\n"
    replay.cases[0] = recorded | texts | {"argv": argv}
    replay.install_program()
    events: list[Event] = []
    with pytest.raises(PkgError) as caught:
        plan(replay, Verb.INSTALL, "six", options=Options(channels=(PRIVATE,)), events=events.append)
    told = repr(caught.value.to_json()) + repr(events)
    assert "hunter2" not in told
    assert "tk-123" not in told
    assert any(event.kind is EventKind.OUTPUT and "***" in event.message for event in events)


def test_a_plan_holds_no_credentials(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "micromamba-2.8.1", "06-install-noarch-json")
    case = replay.cases[0]
    replay.cases[0] = case | {"stdout": case["stdout"].replace("{CHANNEL}", PRIVATE)}
    replay.install_program()
    made = plan(replay, Verb.INSTALL, "jinja2=3.1.4")
    assert "***" in repr(made.changes)
    assert "hunter2" not in repr(made)


# --- URLs of packages -------------------------------------------------------------------------------------------------

URL = "file:///srv/channel/noarch/six-1.17.0-pyhd8ed1ab_0.conda"


def test_conda_takes_a_url_literally_and_says_nothing(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "conda-26.7", installed={"six-1.16.0-pyhd8ed1ab_0"})
    case = transcripts("conda-26.7")["05-dry-url-spec-json"]
    argv = ["{EXE}", "install", "--json", URL]
    replay.cases = [case | {"argv": argv, "conda_meta": ["history", "six-1.17.0-pyhd8ed1ab_0.json"]}, *replay.cases]
    replay.install_program()
    made = plan(replay, Verb.INSTALL, URL)
    assert replay.runs() == []  # a dry run would tell nothing
    (change,) = made.changes
    assert (change.action, change.package.version) == (Action.UPGRADE, "1.17.0")
    assert "without dependencies" in made.warnings[0].message
    apply(replay, made)
    assert replay.records() == {"six-1.17.0-pyhd8ed1ab_0"}


def test_conda_takes_no_url_beside_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        plan(Replay(tmp_path, "conda-26.7"), Verb.INSTALL, URL, "rich")


def test_mamba_solves_with_a_url(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "mamba-2.8.1", "05-dry-url-spec-json")
    replay.cases[0] = replay.cases[0] | {"argv": ["{EXE}", "install", "--dry-run", "--json", URL]}
    replay.install_program()
    (change,) = plan(replay, Verb.INSTALL, URL).changes
    assert change.package.version == "1.17.0"

"""conda's rules as the embedded engine keeps them: install, update, downgrade, remove."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.engines.rattler import RattlerEngine
from jupyter_pkgmgr.environments.history import read_history
from jupyter_pkgmgr.model import Action, EventKind, Options, OriginKind, Phase, Verb
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    VersionNotFoundError,
)
from testbed.channel import Channel
from tests.engines import rattler_bench
from tests.engines.rattler_bench import Bench, conda_package, conda_settings, package, shown

INSTALL, UPDATE, REMOVE = Verb.INSTALL, Verb.UPDATE, Verb.REMOVE
engine = rattler_bench.engine


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    channel = Channel(tmp_path_factory.mktemp("channel"))
    return channel.add(
        *(package("lib", version) for version in ("1.0", "1.1", "2.0")),
        package("app", "1.0", "lib >=1,<2"),
        package("app", "2.0", "lib >=2"),
        package("tool", "1.0", "lib"),
        package("old", "1.0", "lib <2"),
        package("helper", "1.0"),
        package("suite", "1.0", "tool", "helper"),
        package("shy", "1.0", constrains=("lib <2",)),
        *(package("many", f"1.{number}") for number in range(14)),
        package("python", "3.11.1"),
        package("python", "3.11.2"),
        package("python", "3.12.0"),
    ).index()


@pytest.fixture
def bench(engine: RattlerEngine, channel: Channel, tmp_path: Path, clean_settings: Path) -> Bench:
    del clean_settings  # only what it does to the environment counts
    return Bench(engine=engine, prefix=tmp_path / "env", settings=conda_settings(channel.url), channel=channel)


def test_it_is_an_engine(engine: RattlerEngine) -> None:
    assert isinstance(engine, Engine)
    info = engine.info()
    assert info.version.startswith("0.28.")
    assert not info.problem


def test_an_install_brings_the_newest_and_its_dependencies(bench: Bench) -> None:
    plan = bench.do(INSTALL, "app")
    assert shown(plan) == {
        "app": ("install", "2.0", "requested"),
        "lib": ("install", "2.0", "dependency of app"),
    }
    assert bench.installed() == {"app": "2.0", "lib": "2.0"}
    assert (bench.prefix / "share/app.txt").read_text(encoding="utf-8") == "2.0"


def test_a_plan_tells_everything_about_what_comes(bench: Bench) -> None:
    plan = bench.plan(INSTALL, "app")
    after = plan.changes[0].after
    assert after is not None
    assert (after.name, after.version, after.build, after.requested) == ("app", "2.0", "0", True)
    assert after.depends == ("lib >=2",)
    assert after.license == "BSD-3-Clause"
    assert after.size
    assert after.url == f"{bench.channel.url}/noarch/app-2.0-0.conda"
    assert (after.origin.kind, after.origin.location) == (OriginKind.CHANNEL, bench.channel.url)
    assert plan.engine == "rattler"


def test_a_plan_changes_nothing(bench: Bench) -> None:
    bench.plan(INSTALL, "app")
    assert not bench.prefix.exists()


@pytest.mark.parametrize("spec", ["lib", "lib=1.0", "lib >=1", "lib 1.0"])
def test_what_is_satisfied_stays(bench: Bench, spec: str) -> None:
    bench.do(INSTALL, "lib=1.0")
    before = bench.history
    assert not bench.do(INSTALL, spec).changes
    assert bench.history == before


@pytest.mark.parametrize(
    ("first", "verb", "specs", "options", "expected"),
    [
        pytest.param(["lib=1.0"], INSTALL, ["lib"], Options(upgrade=True), {"lib": "2.0"}, id="install -U"),
        pytest.param(["lib=1.0"], UPDATE, ["lib"], Options(), {"lib": "2.0"}, id="update"),
        pytest.param(["lib"], INSTALL, ["lib=1.0"], Options(), {"lib": "1.0"}, id="downgrade"),
        pytest.param(["lib=1.0"], INSTALL, ["helper"], Options(), {"lib": "1.0", "helper": "1.0"}, id="others stay"),
        pytest.param(
            ["app=1.0"], UPDATE, ["app"], Options(), {"app": "2.0", "lib": "2.0"}, id="update moves what it needs"
        ),
        pytest.param(
            ["app=1.0", "lib=1.0"], UPDATE, [], Options(), {"app": "2.0", "lib": "2.0"}, id="update everything"
        ),
        pytest.param(
            ["old", "app=1.0"], UPDATE, ["app"], Options(), {"old": "1.0", "app": "1.0", "lib": "1.1"}, id="held back"
        ),
        pytest.param(
            ["tool", "lib=1.0"],
            INSTALL,
            ["app=2.0"],
            Options(),
            {"tool": "1.0", "app": "2.0", "lib": "2.0"},
            id="an earlier request gives way",
        ),
        pytest.param(
            ["tool", "lib=1.0"],
            INSTALL,
            ["app"],
            Options(),
            {"tool": "1.0", "app": "1.0", "lib": "1.0"},
            id="a new package fits itself in",
        ),
        pytest.param(
            ["lib=1.0"], INSTALL, ["app=2.0"], Options(no_deps=True), {"lib": "1.0", "app": "2.0"}, id="no deps"
        ),
        pytest.param(["python=3.11.1"], UPDATE, [], Options(), {"python": "3.11.2"}, id="python keeps its minor"),
        pytest.param(["python=3.11.1"], INSTALL, ["python=3.12"], Options(), {"python": "3.12.0"}, id="unless asked"),
        pytest.param(["suite"], REMOVE, ["suite"], Options(), {}, id="remove takes orphans"),
        pytest.param(
            ["suite", "tool"], REMOVE, ["suite"], Options(), {"tool": "1.0", "lib": "2.0"}, id="not requested ones"
        ),
        pytest.param(["suite", "app"], REMOVE, ["lib"], Options(), {}, id="remove takes dependants and their orphans"),
        pytest.param(
            ["suite"],
            REMOVE,
            ["tool"],
            Options(no_deps=True),
            {"suite": "1.0", "helper": "1.0", "lib": "2.0"},
            id="remove --no-deps",
        ),
    ],
)
def test_requests(
    bench: Bench, first: list[str], verb: Verb, specs: list[str], options: Options, expected: dict[str, str]
) -> None:
    bench.do(INSTALL, *first)
    bench.do(verb, *specs, options=options)
    assert bench.installed() == expected


def test_reasons_of_a_change(bench: Bench) -> None:
    bench.do(INSTALL, "suite", "lib=1.0")
    assert shown(bench.plan(INSTALL, "app=2.0")) == {
        "app": ("install", "2.0", "requested"),
        "lib": ("upgrade", "2.0", "required by new app"),
    }
    assert shown(bench.plan(REMOVE, "tool")) == {
        "helper": ("remove", "", "orphan: nothing needs it any more"),
        "suite": ("remove", "", "needs tool, which is removed"),
        "tool": ("remove", "", "requested"),
    }


def test_force_reinstall_puts_the_same_package_in_again(bench: Bench) -> None:
    bench.do(INSTALL, "lib=1.0")
    (bench.prefix / "share/lib.txt").unlink()
    plan = bench.do(INSTALL, "lib", options=Options(force_reinstall=True))
    assert [change.action for change in plan.changes] == [Action.REINSTALL]
    assert (bench.prefix / "share/lib.txt").read_text(encoding="utf-8") == "1.0"


def test_without_any_record_of_requests_nothing_is_an_orphan(bench: Bench) -> None:
    bench.do(INSTALL, "suite")
    (bench.prefix / "conda-meta/history").write_text("", encoding="utf-8")
    bench.do(REMOVE, "suite")
    assert bench.installed() == {"tool": "1.0", "helper": "1.0", "lib": "2.0"}


def test_packages_that_the_channels_no_longer_have_stay(bench: Bench, tmp_path: Path) -> None:
    bench.do(INSTALL, "suite")
    other = Channel(tmp_path / "other").add(package("lib", "3.0"), package("new", "1.0")).index()
    bench.settings = conda_settings(other.url)
    bench.do(UPDATE)
    assert bench.installed() == {"suite": "1.0", "tool": "1.0", "helper": "1.0", "lib": "3.0"}
    bench.do(INSTALL, "new")
    assert bench.installed()["tool"] == "1.0"


def test_an_unrequested_package_in_the_way_goes_last(bench: Bench, tmp_path: Path) -> None:
    """Nobody asked for ``shy``; it forbids what is asked for, so it goes, and the plan says why."""
    wrapper = Channel(tmp_path / "w").add(package("wrap", "1.0", "shy"), package("wrap", "2.0")).index()
    bench.settings = conda_settings(bench.channel.url, wrapper.url)
    bench.do(INSTALL, "wrap=1.0")
    plan = bench.do(INSTALL, "wrap=2.0", "lib=2.0")
    assert shown(plan)["shy"] == ("remove", "", "stands in the way of what was asked for")


@pytest.mark.parametrize("how", ["held", "pins", "bare pin", "pinned_packages"])
def test_what_is_held_stays(bench: Bench, how: str) -> None:
    bench.do(INSTALL, "lib=1.0", "tool")
    held = (conda_package("lib", "1.0"),) if how == "held" else ()
    pins = {"pins": ("lib 1.0.*",), "bare pin": ("lib",)}.get(how, ())
    if how == "pinned_packages":
        bench.settings = replace(bench.settings, pinned_packages=("lib 1.0.*",))
    assert not bench.plan(UPDATE, held=held, pins=pins).changes
    with pytest.raises(ConflictError) as caught:
        bench.plan(INSTALL, "app=2.0", held=held, pins=pins)
    assert caught.value.note is not None
    assert "lib" in caught.value.note
    assert caught.value.detail


def test_an_unknown_package_has_near_names(bench: Bench) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        bench.plan(INSTALL, "helpre")
    assert caught.value.context == ("names similar to helpre: helper",)
    assert caught.value.hint == "%pkg install helper"


def test_ten_thousand_unknown_packages(bench: Bench) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        bench.plan(INSTALL, "app", *(f"zz{number}" for number in range(10_000)))
    assert caught.value.message == "no channel has a package zz0, zz1, zz2 and 9997 more"


def test_an_impossible_version_shows_which_exist(bench: Bench) -> None:
    with pytest.raises(VersionNotFoundError) as caught:
        bench.plan(INSTALL, "many=9")
    assert caught.value.context == (
        "versions of many: 1.13, 1.12, 1.11, 1.10, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4 and 4 older",
    )


def test_conflicting_specs_have_a_short_reason(bench: Bench) -> None:
    with pytest.raises(ConflictError) as caught:
        bench.plan(INSTALL, "app=2.0", "old")
    assert "app=2.0 old" in caught.value.message
    assert 0 < len(caught.value.context) <= 9
    assert any("lib" in line for line in caught.value.context)
    assert not any(char in line for line in caught.value.context for char in "│├└─")


@pytest.mark.parametrize("verb", [UPDATE, REMOVE])
def test_what_is_not_installed_can_not_change(bench: Bench, verb: Verb) -> None:
    bench.do(INSTALL, "helper")
    with pytest.raises(PackageNotFoundError) as caught:
        bench.plan(verb, "helpe")
    assert caught.value.reference == "not-installed"
    assert "helper" in caught.value.context[0]


def test_a_spec_that_is_none(bench: Bench) -> None:
    with pytest.raises(InvalidSpecError):
        bench.plan(INSTALL, "app >=>1")


def test_a_broken_record_is_said_and_not_guessed_around(bench: Bench) -> None:
    bench.do(INSTALL, "helper")
    record = next((bench.prefix / "conda-meta").glob("helper-*.json"))
    record.write_text(record.read_text(encoding="utf-8")[:80], encoding="utf-8")
    with pytest.raises(EnvironmentProblem) as caught:
        bench.plan(INSTALL, "lib")
    assert caught.value.reference == "broken-record"


def test_a_channel_and_a_url_in_a_spec(bench: Bench, tmp_path: Path) -> None:
    other = Channel(tmp_path / "other").add(package("lib", "0.5")).index()
    bench.do(INSTALL, f"{other.url}::lib")
    assert bench.installed() == {"lib": "0.5"}
    assert not bench.plan(INSTALL, f"{other.url}::lib").changes
    bench.do(INSTALL, f"{bench.channel.url}/noarch/lib-1.1-0.conda")
    assert bench.installed() == {"lib": "1.1"}
    assert not bench.plan(INSTALL, f"{bench.channel.url}/noarch/lib-1.1-0.conda").changes


@pytest.mark.parametrize(("priority", "version"), [("strict", "1.0"), ("flexible", "1.0"), ("disabled", "9.0")])
def test_channel_priority(bench: Bench, tmp_path: Path, priority: str, version: str) -> None:
    first = Channel(tmp_path / "first").add(package("thing", "1.0")).index()
    second = Channel(tmp_path / "second").add(package("thing", "9.0")).index()
    bench.settings = conda_settings(first.url, second.url, channel_priority=priority)
    assert shown(bench.plan(INSTALL, "thing"))["thing"][1] == version


@pytest.mark.parametrize(("priority", "found"), [("strict", False), ("flexible", True)])
def test_a_version_of_a_lower_channel(bench: Bench, tmp_path: Path, priority: str, *, found: bool) -> None:
    first = Channel(tmp_path / "first").add(package("thing", "1.0")).index()
    second = Channel(tmp_path / "second").add(package("thing", "9.0")).index()
    bench.settings = conda_settings(first.url, second.url, channel_priority=priority)
    if found:
        assert shown(bench.plan(INSTALL, "thing=9"))["thing"][1] == "9.0"
    else:
        with pytest.raises(ConflictError):
            bench.plan(INSTALL, "thing=9")


def test_a_new_package_in_the_channel_is_seen_at_once(bench: Bench, tmp_path: Path) -> None:
    own = Channel(tmp_path / "own").add(package("fresh", "1.0")).index()
    bench.settings = conda_settings(own.url)
    assert shown(bench.plan(INSTALL, "fresh"))["fresh"][1] == "1.0"
    own.add(package("fresh", "2.0")).index()
    assert shown(bench.plan(INSTALL, "fresh"))["fresh"][1] == "2.0"


def test_one_reading_sees_one_state_of_the_channel(bench: Bench, tmp_path: Path) -> None:
    own = Channel(tmp_path / "own").add(package("fresh", "1.0")).index()
    settings = conda_settings(own.url)

    def versions(reading: str) -> list[str]:
        return [record.version for record in bench.engine.query(settings, ["fresh"], reading=reading)]

    assert versions("first") == ["1.0"]
    own.add(package("fresh", "2.0")).index()
    assert versions("first") == ["1.0"]
    assert versions("second") == ["2.0", "1.0"]
    own.add(package("fresh", "3.0")).index()
    assert versions("") == ["3.0", "2.0", "1.0"]


def test_virtual_packages_obey_conda_s_overrides(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Channel(tmp_path / "own").add(package("gpu", "1.0", "__cuda >=12"), package("gpu", "0.1")).index()
    bench.settings = conda_settings(own.url)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert shown(bench.plan(INSTALL, "gpu"))["gpu"][1] == "1.0"
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.0")
    assert shown(bench.plan(INSTALL, "gpu"))["gpu"][1] == "0.1"


def test_history_is_conda_s(bench: Bench) -> None:
    bench.do(INSTALL, "app=1.0", "helper")
    bench.do(UPDATE)
    bench.do(REMOVE, "helper")
    history = read_history(bench.prefix / "conda-meta/history")
    where = f"{bench.channel.url}/noarch::"
    assert [revision.lines for revision in history.revisions] == [
        (f"+{where}app-1.0-0", f"+{where}helper-1.0-0", f"+{where}lib-1.1-0"),
        (f"-{where}app-1.0-0", f"-{where}lib-1.1-0", f"+{where}app-2.0-0", f"+{where}lib-2.0-0"),
        (f"-{where}helper-1.0-0",),
    ]
    assert history.revisions[0].command == "jupyter pkg install app=1.0 helper"
    assert history.requested_specs(bench.installed()) == {"app": "app==2.0"}
    assert history.state() == {f"{where}app-2.0-0", f"{where}lib-2.0-0"}


def test_changes_by_others_come_into_the_next_revision(bench: Bench) -> None:
    bench.do(INSTALL, "helper")
    (bench.prefix / "conda-meta/history").write_text("", encoding="utf-8")
    bench.do(INSTALL, "lib=1.0")
    revision = read_history(bench.prefix / "conda-meta/history").revisions[0]
    assert {line.rpartition("::")[2] for line in revision.linked} == {"helper-1.0-0", "lib-1.0-0"}


def test_records_tell_what_was_requested(bench: Bench) -> None:
    bench.do(INSTALL, "app")
    records = {path.name: json.loads(path.read_bytes()) for path in (bench.prefix / "conda-meta").glob("*.json")}
    assert records["app-2.0-0.json"]["requested_specs"] == ["app"]
    assert not records["lib-2.0-0.json"].get("requested_specs")


def test_the_prefix_holds_nothing_but_the_packages(bench: Bench) -> None:
    bench.do(INSTALL, "app")
    assert sorted(path.name for path in bench.prefix.iterdir()) == ["conda-meta", "share"]


def test_events_tell_phases_and_packages(bench: Bench) -> None:
    bench.do(INSTALL, "app=1.0")
    bench.events.clear()
    bench.do(INSTALL, "lib=1.0")
    assert [event.phase for event in bench.events if event.kind is EventKind.PHASE] == [Phase.UNLINK, Phase.LINK]
    steps = [(event.phase, event.package, event.state) for event in bench.events if event.kind is EventKind.PACKAGE]
    assert steps == [
        (Phase.UNLINK, "lib", "started"),
        (Phase.UNLINK, "lib", "finished"),
        (Phase.LINK, "lib", "started"),
        (Phase.LINK, "lib", "finished"),
    ]


def test_a_file_of_two_packages_is_a_warning(bench: Bench, tmp_path: Path) -> None:
    own = Channel(tmp_path / "own").add(package("one", "1.0"), package("two", "1.0"))
    double = replace(package("double", "1.0"), files={"share/one.txt": "mine"})
    own.add(double).index()
    bench.settings = conda_settings(own.url)
    bench.do(INSTALL, "one")
    bench.do(INSTALL, "double")
    messages = [event.message for event in bench.events if event.level == "warning"]
    assert len(messages) == 1
    assert "share/one.txt" in messages[0]
    bench.events.clear()
    bench.do(INSTALL, "two")
    assert not [event for event in bench.events if event.level == "warning"]


def test_link_scripts_are_not_run_and_said(bench: Bench, tmp_path: Path) -> None:
    script = {"bin/.loud-post-link.sh": "touch $PREFIX/ran\n", "bin/.loud-pre-unlink.sh": "touch $PREFIX/ran\n"}
    own = Channel(tmp_path / "own").add(replace(package("loud", "1.0"), files=script)).index()
    bench.settings = conda_settings(own.url)
    plan = bench.do(INSTALL, "loud")
    assert not plan.warnings  # nobody can know before it was fetched
    assert [event.package for event in bench.events if event.level == "warning"] == ["loud"]
    removal = bench.do(REMOVE, "loud")
    assert [(notice.reference, notice.packages) for notice in removal.warnings] == [("link-script", ("loud",))]
    assert [notice.packages for notice in bench.plan(INSTALL, "loud").warnings] == [("loud",)]
    assert not (bench.prefix / "ran").exists()


def test_names_and_queries_for_the_catalog(bench: Bench) -> None:
    names = bench.engine.names(bench.settings)
    assert list(names) == sorted(names)
    assert {"app", "lib", "python"} <= set(names)
    found = bench.engine.query(bench.settings, ["lib >=1.1", "app"])
    assert [(item.name, item.version) for item in found] == [
        ("lib", "2.0"),
        ("lib", "1.1"),
        ("app", "2.0"),
        ("app", "1.0"),
    ]
    assert not bench.engine.query(bench.settings, ["nothing-like-it"])


def test_the_best_of_each_spec(bench: Bench) -> None:
    found = bench.engine.best(bench.settings, ["lib <2", "nothing-like-it", "app"])
    assert [(item.name, item.version) for item in found] == [("lib", "1.1"), ("app", "2.0")]

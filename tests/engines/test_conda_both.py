"""Removals beside installs and updates, with an executable that replays recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import Setting
from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Policy,
    PolicyKind,
    Verb,
    ignore_events,
)
from jupyter_pkgmgr.model.errors import UsageError, VerificationError
from tests.engines.conda_replay import (
    RELEASES,
    Replay,
    answer_of,
    apply,
    plan,
    record_stem,
    transcripts,
)
from tests.engines.rattler_bench import conda_settings

pytestmark = pytest.mark.usefixtures("clean_settings")


def both(root: Path, release: str) -> Replay:
    """An environment from which tqdm can go and into which jinja2 can come, dry or for real."""
    replay = Replay(root, release, "10-remove-json")
    recorded = transcripts(release)["05-dry-new-json"]
    actions = answer_of(release, "05-dry-new-json").actions
    assert actions is not None
    comes = set(map(record_stem, actions.link))
    new = {record.name for record in actions.link}
    replay.before = {stem for stem in replay.before if stem.rsplit("-", 2)[0] not in new}
    for path in replay.meta.glob("*.json"):
        name, version, build = path.stem.rsplit("-", 2)
        path.write_text(json.dumps({"name": name, "version": version, "build": build}), encoding="utf-8")
        if name in new:
            path.unlink()
    left = replay.before & replay.after
    replay.cases[0] = replay.cases[0] | {"conda_meta": ["history", *(f"{stem}.json" for stem in left)]}
    meta = ["history", *(f"{stem}.json" for stem in left | comes)]
    install = recorded | {"argv": ["{EXE}", "install", "--json", "jinja2"], "conda_meta": meta}
    replay.cases.insert(1, install)
    replay.install_program()
    return replay


@pytest.mark.parametrize("release", RELEASES)
def test_a_removal_beside_an_install_is_planned_in_two_places_and_done_in_one(release: str, tmp_path: Path) -> None:
    replay = both(tmp_path, release)
    made = plan(replay, Verb.INSTALL, "jinja2", removals=("tqdm",))
    told = {change.package.name: change.action for change in made.changes}
    assert (told.pop("tqdm"), set(told.values())) == (Action.REMOVE, {Action.INSTALL})
    before = replay.records()
    apply(replay, made)
    assert {stem.rsplit("-", 2)[0] for stem in before - replay.records()} == {"tqdm"}
    assert {stem.rsplit("-", 2)[0] for stem in replay.records() - before} == set(told)
    runs = [line["argv"] for line in replay.runs()]
    where = [argv[argv.index("-p") + 1] for argv in runs]
    here = [place == str(replay.prefix) for place in where]
    assert [(argv[0], "--dry-run" in argv, own) for argv, own in zip(runs, here, strict=True)] == [
        ("remove", True, True),
        ("install", True, False),
        ("remove", False, True),
        ("install", True, True),
        ("install", False, True),
    ]
    assert not Path(where[1]).exists(), "the shadow is gone"


@pytest.mark.parametrize("release", ["conda-26.7", "micromamba-2.8.1"])
def test_a_second_step_that_turns_out_otherwise_is_not_done(release: str, tmp_path: Path) -> None:
    replay = both(tmp_path, release)
    made = plan(replay, Verb.INSTALL, "jinja2", removals=("tqdm",))
    before = len(replay.runs())
    replay.cases[1] = replay.cases[1] | {"stdout": replay.cases[1]["stdout"].replace("markupsafe", "otherwise")}
    replay.install_program()
    with pytest.raises(VerificationError) as caught:
        apply(replay, made)
    assert caught.value.reference == "second-step-differs"
    assert any(line.startswith("planned, but not installed now: markupsafe-") for line in caught.value.context)
    assert any(line.startswith("not planned, but installed now: otherwise-") for line in caught.value.context)
    assert [line["argv"][:2] for line in replay.runs()[before:]] == [["remove", "--json"], ["install", "--dry-run"]]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("verb", "specs"), [(Verb.INSTALL, ("tqdm",)), (Verb.UPDATE, ()), (Verb.UPDATE, ("six",))])
@pytest.mark.parametrize("why", ["base", "pip"])
def test_where_a_shadow_tells_nothing_both_at_once_is_refused(
    release: str, verb: Verb, specs: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    replay = Replay(tmp_path, release, installed=("six-1.17.0-0", "click-8.1.7-0"))
    seeing = Setting(name="pip_interop_enabled", value=why == "pip", source="a test")
    request = replay.request(verb, *specs, removals=("click",), conda=conda_settings(settings=(seeing,)))
    policies = [Policy(kind=PolicyKind.BASE, message="")] if why == "base" else []
    with pytest.raises(UsageError) as caught:
        replay.engine.plan(replay.environment(*policies), request, events=ignore_events, cancel=Cancellation())
    assert caught.value.reference == "engine-one-verb"
    assert caught.value.hint == "%pkg remove click, then the rest; or --engine rattler for all of it"
    assert replay.runs() == []


def test_a_removal_that_brings_something_is_refused_beside_an_install(tmp_path: Path) -> None:
    replay = both(tmp_path, "conda-26.7")
    case = replay.cases[0]
    replay.cases[0] = case | {"stdout": case["stdout"].replace('"UNLINK"', '"LINK"')}
    replay.install_program()
    with pytest.raises(UsageError) as caught:
        plan(replay, Verb.INSTALL, "jinja2", removals=("tqdm",))
    assert caught.value.context == ("the removal itself brings tqdm",)

"""Ids, plans, verdicts and the judgement of plans."""

from __future__ import annotations

import multiprocessing
import stat
import time
from pathlib import Path

import pytest

from jupyter_pkgmgr.api import Environments, Plans, load_secret
from jupyter_pkgmgr.api.documents import plan_document, problem_document
from jupyter_pkgmgr.api.errors import NotFoundError
from jupyter_pkgmgr.api.plans import KeptPlan
from jupyter_pkgmgr.api.review import review
from jupyter_pkgmgr.api.verdicts import KEPT, Verdicts
from jupyter_pkgmgr.inventory import Problem
from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Notice,
    Options,
    Package,
    Plan,
    Request,
    Step,
    Verb,
    parse_spec,
)
from jupyter_pkgmgr.model.errors import PlanError


def environment(prefix: Path, kind: EnvironmentKind = EnvironmentKind.CONDA) -> Environment:
    return Environment(prefix=prefix, kind=kind, owner="conda", name=prefix.name)


# --- ids -----------------------------------------------------------------------------------------------------------


def test_an_id_tells_nothing_and_stays_the_same(tmp_path: Path) -> None:
    secret = load_secret(tmp_path / "data" / "secret")
    first, again, other = Environments(secret), Environments(secret), Environments(b"x" * 32)
    name = first.register(environment(tmp_path))
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
    assert again.id_of(tmp_path) == name != other.id_of(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    assert first.id_of(tmp_path / "link") == name, "one environment, whichever way leads to it"
    assert first.find(name).environment.prefix == tmp_path
    with pytest.raises(NotFoundError):
        again.find(name)


def test_registering_again_renews_what_is_known(tmp_path: Path) -> None:
    environments = Environments(b"s" * 32)
    name = environments.register(environment(tmp_path), kernelspecs=["a"])
    environments.register(environment(tmp_path))
    assert environments.find(name).kernelspecs == ("a",)
    environments.register(environment(tmp_path), kernelspecs=[])
    assert environments.find(name).kernelspecs == ()
    assert len(environments.known()) == 1


def test_the_secret_is_its_user_s_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = load_secret(path)
    assert len(first) == 32
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["secret"]


def test_servers_that_start_together_have_one_secret(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        secrets = pool.map(load_secret, [tmp_path / "secret"] * 8)
    assert len(set(secrets)) == 1


def test_a_damaged_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        load_secret(tmp_path / "secret")


# --- plans ---------------------------------------------------------------------------------------------------------


def package(name: str, version: str = "1.0", ecosystem: Ecosystem = Ecosystem.CONDA, size: int | None = 1) -> Package:
    return Package(name=name, version=version, ecosystem=ecosystem, size=size)


def install(name: str, *, requested: bool = False, ecosystem: Ecosystem = Ecosystem.CONDA, size: int = 1) -> Change:
    return Change(action=Action.INSTALL, after=package(name, ecosystem=ecosystem, size=size), requested=requested)


def change(action: Action, name: str, before: str, after: str, *, requested: bool = False) -> Change:
    return Change(action=action, before=package(name, before), after=package(name, after), requested=requested)


def remove(name: str, *, requested: bool = False) -> Change:
    return Change(action=Action.REMOVE, before=package(name), requested=requested)


def plan_of(
    *changes: Change,
    verb: Verb = Verb.INSTALL,
    specs: tuple[str, ...] = (),
    options: Options = Options(),
    warnings: tuple[Notice, ...] = (),
    blockers: tuple[Notice, ...] = (),
) -> Plan:
    parsed = tuple(parse_spec(spec, base=None) for spec in specs)
    return Plan(
        id="p",
        request=Request(verb=verb, specs=parsed, options=options),
        environment=environment(Path("/env")),
        fingerprint="f",
        steps=(Step(plan=EnginePlan(engine="e", engine_version="1", ecosystem=Ecosystem.CONDA, changes=changes)),),
        warnings=warnings,
        blockers=blockers,
    )


PYPI = Ecosystem.PYPI
REVIEWS: list[tuple[Plan, tuple[str, ...]]] = [
    (plan_of(install("a", requested=True), install("b"), specs=("a",)), ()),
    (plan_of(change(Action.UPGRADE, "a", "1", "2", requested=True), verb=Verb.UPDATE, specs=("a",)), ()),
    (plan_of(change(Action.UPGRADE, "a", "1", "2"), verb=Verb.UPDATE), ()),
    (plan_of(remove("a", requested=True), verb=Verb.REMOVE, specs=("a",)), ()),
    (plan_of(change(Action.DOWNGRADE, "a", "2", "1", requested=True), specs=("a==1",)), ()),
    (plan_of(change(Action.DOWNGRADE, "a", "2", "1", requested=True), specs=("a",)), ("it downgrades a 2 → 1",)),
    (
        plan_of(remove("a", requested=True), remove("b"), verb=Verb.REMOVE, specs=("a",)),
        ("it also removes b 1.0",),
    ),
    (
        plan_of(install("a", requested=True), change(Action.UPGRADE, "b", "1", "2"), specs=("a",)),
        ("it also upgrades b 1 → 2",),
    ),
    (
        plan_of(install("a", requested=True), change(Action.DOWNGRADE, "b", "2", "1"), specs=("a",)),
        ("it also downgrades b 2 → 1",),
    ),
    (plan_of(change(Action.REINSTALL, "b", "2", "2"), specs=("a",)), ("it also reinstalls b 2",)),
    (
        plan_of(*(remove(f"p{number}") for number in range(8)), specs=("a",)),
        ("it also removes p0 1.0, p1 1.0, p2 1.0, p3 1.0, p4 1.0 and 3 more",),
    ),
    (
        plan_of(install("a", requested=True, ecosystem=PYPI), specs=("a",)),
        ("a comes from PyPI, not from a conda channel",),
    ),
    (plan_of(install("a", requested=True, ecosystem=PYPI), specs=("pypi::a",)), ()),
    (plan_of(install("a", requested=True, ecosystem=PYPI), specs=("a",), options=Options(ecosystem=PYPI)), ()),
    (plan_of(install("a", requested=True, size=250_000_000), specs=("a",)), ("it downloads 250 MB",)),
    (plan_of(warnings=(Notice(reference="r", message="careful"),)), ("careful",)),
    (plan_of(blockers=(Notice(reference="r", message="frozen"),)), ("it can't be applied: frozen",)),
    (plan_of(change(Action.DOWNGRADE, "a", "2", "1"), verb=Verb.UNDO), ()),
]


@pytest.mark.parametrize(("plan", "reasons"), REVIEWS)
def test_what_is_worth_a_look(plan: Plan, reasons: tuple[str, ...]) -> None:
    assert review(plan) == reasons
    shown = plan_document(KeptPlan(id="k", environment="e", plan=plan))["review"]
    assert shown == {"needed": bool(reasons), "reasons": list(reasons)}


@pytest.mark.parametrize(("sizes", "total"), [((1, 2), 3), ((1, None), None), ((), 0)])
def test_the_size_of_a_download(sizes: tuple[int | None, ...], total: int | None) -> None:
    changes = [
        Change(action=Action.INSTALL, after=package(str(number), size=size)) for number, size in enumerate(sizes)
    ]
    kept = KeptPlan(id="k", environment="e", plan=plan_of(*changes, remove("gone")))
    assert plan_document(kept)["download_size"] == total


def test_plans_expire_by_count() -> None:
    plans = Plans(max_plans=3)
    kept = [plans.add("e", plan_of()) for _ in range(5)]
    for old in kept[:2]:
        with pytest.raises(NotFoundError, match="expired") as caught:
            plans.get(old.id)
        assert caught.value.reference == "plan-expired"
    assert plans.get(kept[2].id) is kept[2]


def test_plans_expire_by_time() -> None:
    plans = Plans(max_age=0.05)
    kept = plans.add("e", plan_of())
    while time.monotonic() - kept.made <= 0.05:
        time.sleep(0.01)
    with pytest.raises(NotFoundError, match="expired"):
        plans.take(kept.id)


def test_a_plan_is_taken_once_and_can_be_given_back() -> None:
    plans = Plans()
    kept = plans.add("e", plan_of())
    assert plans.take(kept.id) is kept
    for ask in (plans.take, plans.get):
        with pytest.raises(PlanError) as caught:
            ask(kept.id)
        assert caught.value.reference == "plan-applied"
    plans.give_back(kept)
    assert plans.take(kept.id) is kept


# --- verdicts and problems -----------------------------------------------------------------------------------------


def test_the_verdict_that_matters_most() -> None:
    verdicts = Verdicts()
    assert verdicts.strongest("t") is None
    for kernel, level in (("a", "none"), ("b", "required"), ("c", "recommended")):
        verdicts.add("t", kernel, {"level": level, "modules": [], "text": ""})
    strongest = verdicts.strongest("t")
    assert strongest is not None
    assert strongest["level"] == "required"
    for number in range(KEPT):
        verdicts.add(f"t{number}", "a", {"level": "none", "modules": [], "text": ""})
    assert verdicts.of("t") == {}


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        ("%pkg install --force-reinstall six==1.16.0", "install --force-reinstall six==1.16.0"),
        ("to have it as it was: %pkg install pypi::six==1", "install pypi::six==1"),
        ("%pkg remove six", "remove six"),
        ("%pkg remove pypi::a, then %pkg install --force-reinstall conda::a=1", None),
        ("%pkg install --force-reinstall -e /srv/project", None),
        ("%pkg doctor again when that has ended", None),
        ("%pkg history shows what was done through %pkg", None),
        ("delete /srv/x, then %pkg install six", None),
        (None, None),
    ],
)
def test_what_mends_a_problem(hint: str | None, command: str | None) -> None:
    problem = Problem(reference="r", message="m", packages=("six",), path=Path("/srv/x"), hint=hint)
    shown = problem_document(problem)
    assert shown["command"] == command
    assert shown["path"] == "/srv/x"

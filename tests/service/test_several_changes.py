"""Several kinds of change as one plan: planned, applied and taken back together, or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import Action, Plan
from jupyter_pkgmgr.model.errors import PackageNotFoundError, PkgError, PlanBlockedError, UsageError
from testbed.channel import Channel, PackageSource
from testbed.content import wheel
from testbed.index import Server
from testbed.wheels import write_wheel

from .conftest import User


def actions(plan: Plan) -> dict[str, Action]:
    return {change.package.name: change.action for change in plan.changes}


def blocked(user: User, *lines: str) -> PlanBlockedError:
    """The error with which a plan of these commands is refused; nothing is changed."""
    before = user.tree()
    with pytest.raises(PlanBlockedError) as caught:
        user.type_together(*lines)
    assert user.tree() == before
    return caught.value


# --- one environment of PyPI's -------------------------------------------------------------------------------------


def test_remove_install_update_and_downgrade_are_one_transaction(venv_user: User) -> None:
    venv_user.type("install tb-cli tb-alpha==1.0 tb-pure")
    before = venv_user.tree()
    report = venv_user.type_together("remove tb-cli", "install tb-extra tb-pure==1.0", "update tb-alpha")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-cli": Action.REMOVE,
        "tb-extra": Action.INSTALL,
        "tb-pure": Action.DOWNGRADE,
        "tb-alpha": Action.UPGRADE,
    }
    assert [venv_user.version(name) for name in ("tb-cli", "tb-extra", "tb-pure", "tb-alpha")] == [
        None,
        "1.0",
        "1.0",
        "2.1",
    ]
    entry, _ = venv_user.service.history(venv_user.environment)
    assert entry.command == "%pkg remove tb-cli; %pkg install tb-extra tb-pure==1.0; %pkg update tb-alpha"
    assert len(entry.changes) == 4
    venv_user.type("undo")
    assert venv_user.tree() == before


def test_the_plan_is_one_list_however_many_steps_it_has(venv_user: User) -> None:
    venv_user.type("install tb-cli")
    venv_user.type_together("remove tb-cli", "install tb-pure")
    assert venv_user.shown["plan"].text.count("pypi by uv") == 1
    assert "Installed tb-pure 2.0; removed tb-cli 1.0" in venv_user.screen


def test_pip_does_it_too(venv_user: User) -> None:
    venv_user.type("install tb-cli tb-alpha==1.0")
    venv_user.type_together(
        "remove --engine pip tb-cli", "install --engine pip tb-pure", "update --engine pip tb-alpha"
    )
    assert [venv_user.version(name) for name in ("tb-cli", "tb-pure", "tb-alpha")] == [None, "2.0", "2.1"]


def test_a_package_that_comes_in_place_of_another_with_the_same_modules(venv_user: User, tmp_path: Path) -> None:
    """As with opencv-python and opencv-python-headless: one first has to go."""
    for name in ("tb-vision", "tb-vision-headless"):
        files = {"tb_cv/__init__.py": f"name = {name!r}\n"}
        write_wheel(tmp_path / "wheels", replace(wheel(name, "1.0"), files=files))
    venv_user.type("install -f wheels tb-vision")
    report = venv_user.type_together("remove tb-vision", "install -f wheels tb-vision-headless")
    assert report.json["plan"]["warnings"] == []
    assert venv_user.environment.python is not None
    module = venv_user.environment.python.purelib / "tb_cv" / "__init__.py"
    assert module.read_text(encoding="utf-8") == "name = 'tb-vision-headless'\n"
    assert venv_user.service.doctor(venv_user.environment, files=True) == ()


def test_what_comes_may_not_need_what_goes(venv_user: User) -> None:
    venv_user.type("install tb-alpha tb-pure")
    error = blocked(venv_user, "remove tb-alpha", "install tb-mixed")
    assert error.reference == "needs-removed"
    assert error.message == "tb-mixed needs tb-alpha, which this plan removes"
    assert error.hint == "leave out either tb-mixed or the removal of tb-alpha"


@pytest.mark.parametrize("name", ["tb_alpha-1.5-py3.11.egg-info", "tb_alpha.egg-info"])
def test_what_stays_is_seen_in_whatever_form_it_is_recorded(name: str, venv_user: User) -> None:
    venv_user.type("install tb-cli")
    python = venv_user.environment.python
    assert python is not None
    (python.purelib / name).mkdir()
    text = "Metadata-Version: 2.1\nName: tb-alpha\nVersion: 1.5\n"
    (python.purelib / name / "PKG-INFO").write_text(text, encoding="utf-8")
    report = venv_user.type_together("remove tb-cli", "install tb-mixed")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {"tb-cli": Action.REMOVE, "tb-mixed": Action.INSTALL}


def test_what_stays_may_not_need_what_goes(venv_user: User) -> None:
    venv_user.type("install tb-mixed")
    error = blocked(venv_user, "remove tb-alpha", "install tb-pure")
    assert error.reference == "breaks-dependency"
    assert error.message == "tb-mixed 1.0 needs tb-alpha>=1, but it would be gone"
    assert error.hint == "remove tb-mixed as well, or --force"


def test_a_package_goes_together_with_what_needs_it(venv_user: User) -> None:
    venv_user.type("install tb-mixed")
    venv_user.type_together("remove tb-alpha tb-mixed", "install tb-pure")
    assert [venv_user.version(name) for name in ("tb-alpha", "tb-mixed", "tb-pure")] == [None, None, "2.0"]


def test_a_package_goes_when_what_needed_it_comes_in_a_version_that_does_not(venv_user: User, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", wheel("tb-mixed", "2.0"))
    venv_user.type("install tb-mixed")
    venv_user.type_together("remove tb-alpha", "install -f wheels tb-mixed==2.0")
    assert [venv_user.version(name) for name in ("tb-alpha", "tb-mixed")] == [None, "2.0"]


def test_an_update_is_solved_together_with_what_is_installed(venv_user: User) -> None:
    """tb-left needs tb-pure 1.0 exactly: the update goes as far as that allows."""
    venv_user.type("install tb-pure==1.0")
    venv_user.type_together("install tb-left", "update tb-pure")
    assert [venv_user.version(name) for name in ("tb-left", "tb-pure")] == ["1.0", "1.0"]


def test_a_failure_takes_back_the_removal_too(venv_user: User, index_server: Server) -> None:
    venv_user.type("install tb-cli")
    before = venv_user.tree()
    index_server.fail("/files/tb_pure-*.whl", "404")
    try:
        with pytest.raises(PkgError) as caught:
            venv_user.type_together("remove tb-cli", "install tb-pure")
    finally:
        index_server.heal()
    assert caught.value.message.endswith("everything is as it was before")
    assert venv_user.tree() == before


def test_everything_else_is_updated_beside_a_removal(venv_user: User) -> None:
    venv_user.type("install tb-cli tb-alpha==1.0 tb-pure==1.0")
    venv_user.type_together("update", "remove tb-cli")
    assert [venv_user.version(name) for name in ("tb-cli", "tb-alpha", "tb-pure")] == [None, "2.1", "2.0"]


def test_a_plan_that_says_the_same_again_is_applied_although_something_else_changed(venv_user: User) -> None:
    venv_user.type("install tb-cli")
    request = venv_user.together("remove tb-cli", "install tb-alpha")
    plan = venv_user.service.plan(venv_user.environment, request)
    venv_user.type("install tb-pure")
    made: list[Plan] = []
    venv_user.service.apply(plan, replanned=made.append)
    assert [new.changes for new in made] == [plan.changes]
    assert [venv_user.version(name) for name in ("tb-cli", "tb-alpha")] == [None, "2.1"]


# --- conda, and both -----------------------------------------------------------------------------------------------


def test_conda_removes_installs_and_updates_in_one_solve(conda_user: User) -> None:
    conda_user.type("install tb-cli tb-native==1.0 tb-alpha==2.0")
    before = conda_user.tree()
    report = conda_user.type_together("remove tb-cli", "install tb-data tb-alpha==1.1", "update tb-native")
    assert report.outcome is not None
    assert [step.plan.engine for step in report.outcome.plan.steps] == ["rattler"]
    assert actions(report.outcome.plan) == {
        "tb-cli": Action.REMOVE,
        "tb-data": Action.INSTALL,
        "tb-alpha": Action.DOWNGRADE,
        "tb-native": Action.UPGRADE,
    }
    history = (conda_user.environment.conda_meta / "history").read_text(encoding="utf-8")
    assert "# remove specs: ['tb-cli']" in history
    assert "# update specs: ['tb-native', 'tb-alpha ==1.1', 'tb-data']" in history
    conda_user.type("undo")
    assert conda_user.tree() == before


@pytest.fixture
def needy_user(conda_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel_server: Server) -> User:
    """Somebody with a package that needs tb-alpha in its first version, and not in its second."""
    channel = Channel(tmp_path / "needy").add(
        PackageSource(name="tb-needy", version="1.0", noarch="generic", depends=("tb-alpha",), files={"share/n": "1"}),
        PackageSource(name="tb-needy", version="2.0", noarch="generic", files={"share/n": "2"}),
    )
    monkeypatch.setenv("CONDA_CHANNELS", f"{channel.index().url},{channel_server.url}")
    return conda_user


def test_condas_contradiction_is_named(needy_user: User) -> None:
    needy_user.type("install tb-alpha")
    error = blocked(needy_user, "remove tb-alpha", "install tb-needy==1.0")
    assert error.reference == "needs-removed"
    assert error.message == "tb-needy needs tb-alpha, which this plan removes"


def test_what_conda_has_and_is_asked_to_keep_does_not_go_silently(needy_user: User) -> None:
    needy_user.type("install tb-needy==1.0")
    error = blocked(needy_user, "remove tb-alpha", "install tb-needy")
    assert error.message == "tb-needy needs tb-alpha, which this plan removes"


def test_conda_takes_along_what_needs_it_but_not_what_is_replaced(needy_user: User) -> None:
    needy_user.type("install tb-needy==1.0 tb-beta")
    report = needy_user.type_together("remove tb-alpha", "install tb-needy==2.0")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-alpha": Action.REMOVE,
        "tb-beta": Action.REMOVE,
        "tb-needy": Action.UPGRADE,
    }
    assert "tb-beta is removed as well: it needs tb-alpha" in needy_user.shown["plan"].text


def test_orphans_stay_where_what_comes_needs_them(needy_user: User) -> None:
    """tb-alpha came with tb-beta alone: with that it would go, but for the tb-needy that comes."""
    needy_user.type("install tb-beta")
    report = needy_user.type_together("remove tb-beta", "install tb-needy==1.0")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {"tb-beta": Action.REMOVE, "tb-needy": Action.INSTALL}
    report = needy_user.type_together("remove tb-needy", "install tb-data")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-needy": Action.REMOVE,
        "tb-alpha": Action.REMOVE,
        "tb-data": Action.INSTALL,
    }


def test_conda_goes_and_pypi_comes_and_the_other_way_round(conda_user: User) -> None:
    conda_user.type("install tb-cli tb-pure==1.0")
    before = conda_user.tree()
    conda_user.type_together("remove conda::tb-cli", "install tb-extra[more]")
    assert (conda_user.version("tb-cli"), conda_user.owner("tb-extra")) == (None, "pypi")
    conda_user.type("undo")
    assert conda_user.tree() == before
    report = conda_user.type_together("remove tb-pure", "install tb-data")
    assert report.outcome is not None
    assert [step.plan.ecosystem.value for step in report.outcome.plan.steps] == ["pypi", "conda"]
    conda_user.type("undo")
    assert conda_user.tree() == before


def test_all_at_once_in_both(conda_user: User) -> None:
    conda_user.type("install tb-cli tb-native==1.0 tb-pure==1.0 pypi::tb-alpha==1.0")
    before = conda_user.tree()
    conda_user.type_together(
        "remove tb-cli pypi::tb-alpha", "install tb-data tb-extra", "update tb-native", "update tb-pure"
    )
    names = ("tb-cli", "tb-alpha", "tb-extra", "tb-native", "tb-pure")
    assert [conda_user.version(name) for name in names] == [None, None, "1.0", "1.1", "2.0"]
    conda_user.type("undo")
    assert conda_user.tree() == before


def test_a_package_may_move_to_the_other_ecosystem(conda_user: User) -> None:
    conda_user.type("install tb-native==1.0")
    conda_user.type_together("remove conda::tb-native", "install pypi::tb-native==2.0")
    assert (conda_user.owner("tb-native"), conda_user.version("tb-native")) == ("pypi", "2.0")
    conda_user.type_together("remove pypi::tb-native", "install conda::tb-native==1.0")
    assert (conda_user.owner("tb-native"), conda_user.version("tb-native")) == ("conda", "1.0")


def test_a_pypi_package_may_not_need_what_goes_from_conda(conda_user: User) -> None:
    conda_user.type("install tb-alpha tb-data")
    error = blocked(conda_user, "remove tb-alpha", "install tb-mixed")
    assert error.message == "tb-mixed needs tb-alpha, which this plan removes"
    assert re.search(r"-\s+tb-alpha\s+2\.0", conda_user.screen)


@pytest.mark.executable("micromamba")
def test_an_executable_does_both_in_one_transaction_or_nothing(
    conda_user: User,
) -> None:
    conda_user.type("install tb-beta")
    before = conda_user.tree()
    report = conda_user.type_together("remove tb-beta", "install --engine micromamba tb-gamma")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-beta": Action.REMOVE,
        "tb-gamma": Action.INSTALL,
        "tb-alpha": Action.UPGRADE,
    }
    assert [conda_user.version(name) for name in ("tb-beta", "tb-gamma", "tb-alpha")] == [None, "1.0", "2.0"]
    conda_user.type("undo")
    assert conda_user.tree() == before


# --- what makes no sense -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "reference", "message"),
    [
        (("remove six", "install six"), "named-twice", "six can't be named for both remove and install in one plan"),
        (("remove six", "install six==9"), "named-twice", "six can't be named for both remove and install"),
        (("remove six", "update six"), "named-twice", "six can't be named for both remove and update"),
        (("install six==9", "update six"), "named-twice", "six can't be named for both update and install"),
        (("remove tb-pure", "install tb-alpha"), "not-installed", "tb-pure is not installed"),
        (("remove six", "install tb-nosuch"), "package-not-found", "tb-nosuch"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    lines: tuple[str, ...], reference: str, message: str, venv_user: User
) -> None:
    venv_user.type("install six")
    before = venv_user.tree()
    with pytest.raises((UsageError, PackageNotFoundError)) as caught:
        venv_user.type_together(*lines)
    assert caught.value.reference == reference
    assert message in caught.value.message
    assert venv_user.tree() == before

"""What `%pkg` does in a conda environment: the scenes that the product was made for."""

from __future__ import annotations

import subprocess

import pytest

from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PlanBlockedError,
    VersionNotFoundError,
)

from .conftest import User


def imports(user: User, module: str) -> None:
    python = user.environment.python
    assert python is not None
    subprocess.run([python.executable, "-I", "-c", f"import {module}"], check=True, timeout=60)


def test_what_the_channel_has_comes_from_conda(conda_user: User) -> None:
    report = conda_user.type("install six")
    assert report.outcome is not None
    assert conda_user.owner("six") == "conda"
    assert "has it" in conda_user.shown["plan"].text
    imports(conda_user, "six")


def test_what_only_the_index_has_comes_from_pypi_and_its_dependency_from_conda(conda_user: User) -> None:
    report = conda_user.type("install tb-mixed")
    assert report.outcome is not None
    assert [step.plan.ecosystem.value for step in report.outcome.plan.steps] == ["conda", "pypi"]
    assert conda_user.owner("tb-mixed") == "pypi"
    assert conda_user.owner("tb-alpha") == "conda"
    assert "dependency of tb-mixed" in conda_user.shown["plan"].text
    imports(conda_user, "tb_mixed")
    imports(conda_user, "tb_alpha")
    conda_user.type("why tb-alpha")
    assert conda_user.shown["why-tb-alpha"].text == "tb-alpha 2.0\n  tb-alpha ← tb-mixed"
    listed = conda_user.service.inventory(conda_user.environment).packages
    assert {package.name: package.requested for package in listed if package.name.startswith("tb-")} == {
        "tb-alpha": False,
        "tb-mixed": True,
    }


def test_a_pypi_step_leaves_every_file_of_conda_as_it_was(conda_user: User) -> None:
    conda_user.type("install tb-alpha tb-native==1.0")
    before = conda_user.tree()
    conda_user.type("install tb-mixed tb-pure")
    after = conda_user.tree()
    assert {path: after.get(path) for path in before} == before
    assert conda_user.owner("tb-pure") == "pypi"


def test_a_pypi_package_that_would_replace_condas_is_blocked_and_says_how_to_force(conda_user: User) -> None:
    conda_user.type("install tb-native")
    before = conda_user.tree()
    with pytest.raises(PlanBlockedError) as caught:
        conda_user.type("install tb-clobber")
    assert caught.value.reference == "clobbers-conda"
    assert "tb-native" in caught.value.message
    assert caught.value.note == "no channel has tb-native 2.0"
    assert caught.value.hint == "--force accepts that conda loses track of it"
    assert conda_user.tree() == before


def test_forcing_overwrites_condas_copy(conda_user: User) -> None:
    conda_user.type("install tb-native")
    report = conda_user.type("install --force pypi::tb-native==2.0")
    assert conda_user.version("tb-native") == "2.0"
    assert "overwrites conda's tb-native 1.1, as you forced it" in conda_user.shown["plan"].text
    assert "1.1 → 2.0" in conda_user.shown["plan"].text
    assert report.outcome is not None
    assert any("tb_native" in str(path) for path in report.outcome.changed_files)
    problems = conda_user.service.doctor(conda_user.environment)
    assert any("tb-native" in problem.message for problem in problems)


def test_pypi_by_name_over_condas_is_blocked(conda_user: User) -> None:
    conda_user.type("install tb-native")
    with pytest.raises(PlanBlockedError) as caught:
        conda_user.type("install pypi::tb-native==1.0")
    assert caught.value.reference == "clobbers-conda"
    hint = "let conda change it: %pkg install conda::tb-native==1.0; --force accepts that conda loses track of it"
    assert caught.value.hint == hint


def test_conda_by_name_makes_way_for_pypis_copy(conda_user: User) -> None:
    conda_user.type("install pypi::tb-alpha==2.0")
    assert conda_user.owner("tb-alpha") == "pypi"
    conda_user.type("install conda::tb-alpha")
    assert conda_user.owner("tb-alpha") == "conda"
    assert conda_user.service.doctor(conda_user.environment) == ()


def test_updating_goes_to_the_owner(conda_user: User) -> None:
    conda_user.type("install tb-alpha==1.0 tb-pure==1.0")
    conda_user.type("update tb-alpha tb-pure")
    assert (conda_user.owner("tb-alpha"), conda_user.version("tb-alpha")) == ("conda", "2.0")
    assert (conda_user.owner("tb-pure"), conda_user.version("tb-pure")) == ("pypi", "2.0")


def test_updating_everything(conda_user: User) -> None:
    conda_user.type("install tb-alpha==1.0 tb-pure==1.0")
    conda_user.type("update")
    assert conda_user.version("tb-alpha") == "2.0"
    assert conda_user.version("tb-pure") == "2.0"


def test_removing_both_ecosystems(conda_user: User) -> None:
    conda_user.type("install tb-alpha tb-pure")
    conda_user.type("remove tb-alpha tb-pure")
    assert conda_user.version("tb-alpha") is None
    assert conda_user.version("tb-pure") is None


def test_removing_says_what_goes_along(conda_user: User) -> None:
    conda_user.type("install tb-beta tb-alpha<2")
    conda_user.type("remove tb-alpha")
    assert "tb-beta is removed as well: it needs tb-alpha" in conda_user.shown["plan"].text
    assert conda_user.version("tb-beta") is None


def test_removing_python_is_one_blocker(conda_user: User) -> None:
    conda_user.type("install six")
    with pytest.raises(PlanBlockedError) as caught:
        conda_user.type("remove python")
    assert caught.value.reference in {"kernel-needs-it", "python-minor"}
    assert not caught.value.context


def test_satisfied_needs_no_engine(conda_user: User) -> None:
    conda_user.type("install six")
    report = conda_user.type("install six")
    assert report.outcome is None
    assert "is already installed" in conda_user.screen


def test_a_plan_changes_nothing(conda_user: User) -> None:
    before = conda_user.tree()
    report = conda_user.type("plan install six tb-mixed")
    assert report.outcome is None
    assert conda_user.tree() == before
    assert "tb-mixed" in conda_user.screen


def test_what_the_channel_has_only_in_another_version_comes_from_pypi_with_the_reason(conda_user: User) -> None:
    report = conda_user.type("plan install tb-alpha==2.1")
    (step,) = report.json["plan"]["steps"]
    assert step["plan"]["ecosystem"] == "pypi"
    assert "newest: 2.0" in step["plan"]["changes"][0]["reason"]


def test_conda_takes_what_a_pypi_package_needs_into_account(conda_user: User) -> None:
    """tb-mixed from PyPI needs tb-alpha in some versions only: conda must not move it out of them."""
    conda_user.type("install tb-mixed")
    conda_user.type("update tb-alpha")
    assert conda_user.service.inventory(conda_user.environment).broken_dependencies() == ()


def test_a_conflict_names_the_reason(conda_user: User) -> None:
    with pytest.raises(ConflictError) as caught:
        conda_user.type("install tb-beta tb-gamma")
    assert "tb-alpha" in " ".join([caught.value.message, *caught.value.context])
    assert caught.value.detail


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("install conda::tb-alhpa", PackageNotFoundError, "tb-alpha"),
        ("install conda::tb-alpha==9", VersionNotFoundError, "2.0"),
        ("install tb-nosuch", PackageNotFoundError, "tb-nosuch"),
        ("remove tb-alpha", PackageNotFoundError, "not installed"),
        ("update tb-alpha", PackageNotFoundError, "not installed"),
        ("remove ./setup.py", InvalidSpecError, "setup.py"),
    ],
)
def test_bad_input(line: str, error: type[PkgError], says: str, conda_user: User) -> None:
    before = conda_user.tree()
    with pytest.raises(error) as caught:
        conda_user.type(line)
    assert says in " ".join([caught.value.message, *caught.value.context, caught.value.note or ""])
    assert conda_user.tree() == before


@pytest.mark.parametrize("line", ["install python=3.9", "install conda::python>=3.99", "update --force python=2"])
def test_the_kernels_python_minor_is_held(line: str, conda_user: User) -> None:
    with pytest.raises(PkgError) as caught:
        conda_user.type(line)
    assert caught.value.reference in {"python-minor", "conflict", "version-not-found", "usage"}


def test_a_frozen_environment(conda_user: User) -> None:
    (conda_user.environment.conda_meta / "frozen").write_text('{"message": "ask the data team"}')
    frozen = User(conda_user.service, from_prefix(conda_user.environment.prefix), conda_user.base)
    with pytest.raises(PlanBlockedError) as caught:
        frozen.type("install six")
    assert caught.value.reference == "frozen"
    assert "ask the data team" in caught.value.message
    frozen.type("install --override-frozen six")
    assert frozen.owner("six") == "conda"

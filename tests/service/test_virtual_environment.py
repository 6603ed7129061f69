"""What `%pkg` does in a virtual environment without pip."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.model import Policy, PolicyKind
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PlanBlockedError,
    PlanOutdatedError,
    UnreachableError,
    VersionNotFoundError,
)
from testbed.content import wheel
from testbed.index import Fault, serve
from testbed.projects import make_project
from testbed.wheels import write_wheel

from .conftest import User


def test_install_update_downgrade_remove(venv_user: User) -> None:
    venv_user.type("install tb-alpha==1.0 tb-pure")
    assert venv_user.version("tb-alpha") == "1.0"
    venv_user.type("update tb-alpha")
    assert venv_user.version("tb-alpha") == "2.1"
    venv_user.type("install tb-alpha<2")
    assert venv_user.version("tb-alpha") == "1.1"
    venv_user.type("remove tb-alpha")
    assert venv_user.version("tb-alpha") is None
    assert venv_user.version("tb-pure") == "2.0"


def test_the_plan_comes_first_and_the_result_last(venv_user: User) -> None:
    report = venv_user.type("install tb-mixed")
    keys = list(venv_user.shown)
    assert keys[0] == "plan"
    assert keys[-1] == "result"
    assert "tb-mixed" in venv_user.shown["plan"].text
    assert "Installed tb-mixed 1.0" in venv_user.shown["result"].text
    assert report.outcome is not None
    assert report.json["plan"]["environment"]["kind"] == "venv"


def test_changed_files_are_those_that_went(venv_user: User) -> None:
    first = venv_user.type("install tb-alpha==1.0").outcome
    second = venv_user.type("update tb-alpha").outcome
    assert first is not None
    assert second is not None
    assert first.changed_files == ()
    assert any(path.name == "__init__.py" and "tb_alpha" in str(path) for path in second.changed_files)


def test_a_dependency_moves_its_dependent_along_where_it_can(venv_user: User) -> None:
    """tb-left needs tb-pure 1.0 exactly: an update of tb-pure would break it, and there is no other tb-left."""
    venv_user.type("install tb-left")
    before = venv_user.tree()
    venv_user.type("update tb-pure")
    assert "tb-pure goes no further than 1.0: tb-left 1.0 needs tb-pure" in venv_user.screen
    with pytest.raises(PlanBlockedError) as caught:
        venv_user.type("install tb-pure>=2")
    assert caught.value.reference == "breaks-dependency"
    assert "tb-left" in caught.value.message
    assert venv_user.tree() == before
    venv_user.type("install --force tb-pure>=2")
    assert venv_user.version("tb-pure") == "2.0"


def test_removing_what_others_need_is_blocked(venv_user: User) -> None:
    venv_user.type("install tb-left")
    with pytest.raises(PlanBlockedError) as caught:
        venv_user.type("remove tb-pure")
    assert caught.value.hint == "remove tb-left as well, or --force"
    venv_user.type("remove tb-pure tb-left")
    assert venv_user.version("tb-left") is None


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("install tb-nosuch-thing", PackageNotFoundError, "tb-nosuch-thing"),
        ("install tb-alpha==9", VersionNotFoundError, "2.1"),
        ("install tb-left tb-right", ConflictError, "tb-pure"),
        ("install tb-foreign", PkgError, "tb-foreign"),
        ("install tb-future", PkgError, "tb-future"),
        ("install tb-broken", PkgError, "tb-broken"),
        ("install conda::tb-alpha", InvalidSpecError, "venv"),
        ("install tb-alpha=1.0=py_0", InvalidSpecError, "venv"),
        ("remove tb-alpha", PackageNotFoundError, "not installed"),
        ("why tb-alpha", PackageNotFoundError, "not installed"),
        ("show tb-nosuch-thing", PackageNotFoundError, "tb-nosuch-thing"),
    ],
)
def test_bad_input_changes_nothing(line: str, error: type[PkgError], says: str, venv_user: User) -> None:
    before = venv_user.tree()
    with pytest.raises(error) as caught:
        venv_user.type(line)
    assert says in " ".join([caught.value.message, *caught.value.context])
    assert "Traceback" not in caught.value.message
    assert venv_user.tree() == before


def test_a_typo_gets_near_names(venv_user: User) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        venv_user.type("install tb-alhpa")
    assert "tb-alpha" in " ".join([*caught.value.context, caught.value.hint or ""])


@pytest.mark.parametrize("fault", ["401", "403", "500", "garbage", "reset"])
def test_an_index_in_trouble(
    fault: Fault, venv_user: User, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serve(index_folder) as server:
        server.fail("*", fault)
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url.replace("://", "://me:secret@"))
        with pytest.raises(PkgError) as caught:
            venv_user.type("install tb-alpha")
    assert "secret" not in str(caught.value.to_json())
    assert isinstance(caught.value, UnreachableError), caught.value.to_json()
    assert venv_user.version("tb-alpha") is None


def test_an_index_that_is_down(venv_user: User, index_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serve(index_folder) as server:
        url = server.index_url
    monkeypatch.setenv("PIP_INDEX_URL", url)
    with pytest.raises(UnreachableError):
        venv_user.type("install tb-alpha")


def test_a_wheel_by_path_and_an_editable_project(venv_user: User, tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "wheels", wheel("tb-local", "1.0"))
    make_project(tmp_path / "my project")
    venv_user.type(f"install {path.relative_to(tmp_path)}")
    venv_user.type("install -e 'my project'")
    inventory = venv_user.service.inventory(venv_user.environment)
    local, editable = inventory.pypi("tb-local"), inventory.pypi("my-project")
    assert local is not None
    assert editable is not None
    assert (local.origin.kind, editable.origin.kind) == ("path", "editable")
    python = venv_user.environment.python
    assert python is not None
    subprocess.run([python.executable, "-I", "-c", "import my_project, tb_local"], check=True, timeout=60)


def test_a_plan_that_is_outdated_is_made_again(venv_user: User) -> None:
    command = "install tb-pure"
    service, environment = venv_user.service, venv_user.environment
    request = venv_user.type(f"plan {command.removeprefix('install ')}").json
    assert request["plan"]["steps"]
    parsed = parse_line(command, base=venv_user.base).request
    assert parsed is not None
    plan = service.plan(environment, parsed)
    venv_user.type("install tb-alpha")
    with pytest.raises(PlanOutdatedError):
        service.apply(plan)
    assert venv_user.version("tb-pure") is None


def test_the_kernels_own_packages_stay(venv_user: User, tmp_path: Path) -> None:
    """A distribution called ipykernel, and what it needs, can't be removed from under the kernel."""
    write_wheel(tmp_path, wheel("ipykernel", "99.0", requires=("tb-alpha<2",)))
    venv_user.type(f"install -f {tmp_path} ipykernel==99.0")
    with pytest.raises(PlanBlockedError) as caught:
        venv_user.type("remove tb-alpha ipykernel")
    assert caught.value.reference == "kernel-needs-it"
    with pytest.raises(PlanBlockedError):
        venv_user.type("install --force tb-alpha>=2")
    assert venv_user.version("tb-alpha") == "1.1"


def test_an_externally_managed_environment(venv_user: User) -> None:
    managed = replace(venv_user.environment, policies=(Policy(kind=PolicyKind.EXTERNALLY_MANAGED, message="use apt"),))
    user = User(venv_user.service, managed, venv_user.base)
    with pytest.raises(PlanBlockedError) as caught:
        user.type("install tb-alpha")
    assert caught.value.reference == "externally-managed"
    assert from_interpreter(managed.python.executable if managed.python else Path()).policies == ()


def test_list_search_show_why_env_help(venv_user: User) -> None:
    venv_user.type("install tb-mixed")
    assert "tb-mixed" in venv_user.type("list").json["packages"][1]["name"]
    assert "2 packages" in venv_user.screen
    venv_user.type("search tb-al")
    assert "tb-alpha" in venv_user.screen
    assert "2.1" in venv_user.screen
    venv_user.type("show tb-alpha")
    assert "needed by" in venv_user.screen
    venv_user.type("why tb-alpha")
    assert "tb-alpha ← tb-mixed" in venv_user.screen
    venv_user.type("env")
    assert str(venv_user.environment.prefix) in venv_user.screen
    assert "PIP_INDEX_URL" in venv_user.screen
    venv_user.type("doctor")
    assert "no problems" in venv_user.screen
    venv_user.type("help install")
    assert "--dry-run" in venv_user.screen


def test_doctor_reports_broken_metadata(venv_user: User) -> None:
    venv_user.type("install tb-alpha")
    python = venv_user.environment.python
    assert python is not None
    (python.purelib / "tb_alpha-2.1.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
    (python.purelib / "~b-alpha").mkdir()
    report = venv_user.type("doctor")
    assert report.exit == 1
    assert "tb_alpha" in venv_user.screen or "tb-alpha" in venv_user.screen
    assert "~b-alpha" in venv_user.screen


def test_a_package_that_lacks_what_it_needs_is_not_satisfied(venv_user: User) -> None:
    venv_user.type("install tb-mixed")
    venv_user.type("remove --force tb-alpha")
    report = venv_user.type("install tb-mixed")
    assert report.outcome is not None
    assert venv_user.version("tb-alpha") is not None


def test_a_package_without_its_list_of_files(venv_user: User) -> None:
    venv_user.type("install tb-pure")
    python = venv_user.environment.python
    assert python is not None
    (python.purelib / "tb_pure-2.0.dist-info" / "RECORD").unlink()
    with pytest.raises(PkgError) as caught:
        venv_user.type("remove tb-pure")
    assert caught.value.reference == "missing-record"
    venv_user.type("install --force-reinstall tb-pure==2.0")
    venv_user.type("remove tb-pure")
    assert venv_user.version("tb-pure") is None

"""Undoing in real environments: what was there before is there again, and what others did stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.engines.uv import UvEngine
from jupyter_pkgmgr.inventory import read_inventory
from jupyter_pkgmgr.model import Policy, PolicyKind, Request, Verb
from jupyter_pkgmgr.model.errors import PkgError, PlanBlockedError, PlanError, PlanOutdatedError, UsageError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions.history import prune
from jupyter_pkgmgr.transactions.limits import Limits
from jupyter_pkgmgr.transactions.state import state_of
from jupyter_pkgmgr.verbs import Report
from testbed.content import wheel
from testbed.environments import uv_install
from testbed.projects import make_project
from testbed.wheels import write_wheel
from tests.transactions.demo import Demo, python, uv

UNDO = Request(verb=Verb.UNDO, specs=())

# --- everything comes back, without network ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", "install tb-mixed tb-cli"),
        ("install tb-alpha==1.0", "install -U tb-alpha"),
        ("install tb-native", "install tb-native==1.0"),
        ("install tb-mixed tb-cli", "remove tb-mixed tb-cli tb-alpha"),
        ("install tb-alpha", "install --force-reinstall --no-deps tb-alpha"),
        ("install tb-alpha==1.0 tb-pure==1.0", "update"),
    ],
)
def test_pypi_changes_are_taken_back(before: str, line: str, venv: Demo) -> None:
    check_undo_and_redo(venv, before, line)


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", "install tb-native tb-tool six"),
        ("install tb-alpha==1.0", "update tb-alpha"),
        ("install tb-native", "install tb-native==1.0"),
        ("install tb-tool tb-data", "remove tb-tool tb-data"),
        ("", "install tb-mixed"),
        ("install tb-alpha==1.0 tb-pure==1.0", "update"),
        ("install tb-alpha tb-pure", "remove tb-alpha tb-pure"),
        ("install pypi::tb-alpha==2.0", "install conda::tb-alpha"),
        ("install tb-native", "install --force pypi::tb-native==2.0"),
    ],
)
def test_conda_and_mixed_changes_are_taken_back(before: str, line: str, conda: Demo) -> None:
    check_undo_and_redo(conda, before, line)


def check_undo_and_redo(demo: Demo, before: str, line: str) -> None:
    if before:
        demo.type(before)
    first, versions = demo.tree(), demo.version_of
    demo.type(line)
    second, changed = demo.tree(), demo.version_of
    assert second != first
    demo.world.cut_off()
    demo.type("undo")
    assert demo.tree() == first
    assert demo.version_of == versions
    demo.type(f"undo {demo.history[0].id}")
    assert demo.tree() == second
    assert demo.version_of == changed
    demo.type("undo")
    assert demo.tree() == first


def test_bytecode_of_the_other_version_is_never_used(venv: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same size, same time: to Python the bytecode of one version would be current for the other."""
    venv.type("install tb-alpha==1.0")
    module = next(venv.environment.prefix.rglob("tb_alpha/__init__.py"))
    os.utime(module, ns=(10**18, 10**18))
    real = UvEngine.apply

    def apply_with_that_time(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        os.utime(module, ns=(10**18, 10**18))

    monkeypatch.setattr(UvEngine, "apply", apply_with_that_time)
    venv.type("install tb-alpha==1.1")
    question = "import tb_alpha; print(tb_alpha.__version__)"
    assert venv.python(question, compiled=True) == "1.1"
    venv.type("undo")
    assert module.stat().st_mtime_ns == 10**18
    assert venv.python(question, compiled=True) == "1.0"


def test_a_module_that_was_added_can_not_be_imported_from_its_bytecode(venv: Demo) -> None:
    venv.type("install tb-alpha")
    assert venv.python("import tb_alpha; print(1)", compiled=True) == "1"
    folder = next(venv.environment.prefix.rglob("tb_alpha"))
    assert (folder / "__pycache__").is_dir()
    venv.type("undo")
    assert not folder.exists()


def test_several_steps_back_are_one_transaction(venv: Demo) -> None:
    venv.type("install tb-pure")
    first = venv.tree()
    venv.type("install tb-alpha==1.0")
    venv.type("install tb-alpha==2.0 tb-cli")
    venv.type("remove tb-alpha")
    last = venv.tree()
    venv.world.cut_off()
    report = venv.type("undo 3")
    assert venv.tree() == first
    assert len(report.json["undoes"]) == 3
    assert {change["package"] for change in summary(report)} == {"tb-cli"}
    assert len(venv.history[0].undoes) == 3
    venv.type(f"undo {venv.history[0].id}")
    assert venv.tree() == last


def summary(report: Report) -> list[dict[str, str]]:
    assert report.outcome is not None
    return [{"package": change.package.name, "action": change.action.value} for change in report.outcome.changes]


def test_undo_goes_further_back_each_time(venv: Demo) -> None:
    trees = [venv.tree()]
    for line in ("install tb-alpha==1.0", "install -U tb-alpha", "install tb-pure"):
        venv.type(line)
        trees.append(venv.tree())
    venv.world.cut_off()
    for expected in reversed(trees[:-1]):
        venv.type("undo")
        assert venv.tree() == expected
    with pytest.raises(PlanError) as caught:
        venv.type("undo")
    assert caught.value.reference == "nothing-to-undo"
    assert caught.value.hint == "%pkg history lists what was done"


def test_wheels_by_path_and_editable_projects_come_back(venv: Demo, tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "wheels", wheel("tb-local", "1.0"))
    project = make_project(tmp_path / "project")
    venv.type(f"install {path}")
    venv.type(f"install -e {project}")
    installed = venv.tree()
    venv.type("remove tb-local my-project")
    path.unlink()
    venv.world.cut_off()
    venv.type("undo")
    assert venv.tree() == installed
    assert venv.python("import my_project, tb_local; print(my_project.__file__)").startswith(str(project))


def test_a_package_from_a_repository_comes_back(venv: Demo, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one"],
    ):
        subprocess.run(["git", "-C", project, *words], check=True, timeout=60)
    venv.type(f"install git+{project.as_uri()}")
    installed = venv.tree()
    venv.type("remove my-project")
    shutil.rmtree(project / ".git")
    venv.world.cut_off()
    venv.type("undo")
    assert venv.tree() == installed
    package = read_inventory(venv.environment).pypi("my-project")
    assert package is not None
    assert package.origin.kind == "vcs"


def test_condas_own_history_is_restored(conda: Demo) -> None:
    history = conda.environment.conda_meta / "history"
    before = history.read_bytes()
    conda.type("install six")
    assert history.read_bytes() != before
    conda.type("undo")
    assert history.read_bytes() == before


def test_what_an_undo_changed_is_told_to_the_kernel(venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    venv.type("install -U tb-alpha tb-pure")
    outcome = venv.type("undo").outcome
    assert outcome is not None
    changed = {f"{path.parent.name}/{path.name}" for path in outcome.changed_files}
    assert {"tb_alpha/__init__.py", "tb_pure/__init__.py"} <= changed
    assert {(change.package.name, change.action.value) for change in outcome.changes} == {
        ("tb-alpha", "downgrade"),
        ("tb-pure", "remove"),
    }


# --- others changed something since --------------------------------------------------------------------------------


def test_what_something_else_has_changed_is_never_destroyed(venv: Demo, index_folder: Path) -> None:
    venv.type("install tb-alpha==1.0 tb-cli")
    venv.type("install tb-alpha==1.1")
    uv_install(python(venv), "tb-alpha==2.0", find_links=index_folder)
    before = venv.tree()
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    error = caught.value
    assert error.reference == "changed-since"
    assert any(line.startswith("tb-alpha 2.0: ") for line in error.context)
    assert error.hint == "what can still be done: %pkg install pypi::tb-alpha==1.0"
    assert venv.tree() == before
    venv.type("install pypi::tb-alpha==1.0")
    assert venv.version_of["tb-alpha"] == "1.0"


def test_a_file_that_was_edited_or_deleted_is_named(venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    module = next(venv.environment.prefix.rglob("tb_alpha/__init__.py"))
    module.write_text("mine = True\n")
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    assert caught.value.context == ("tb-alpha 1.0: 1 file",)
    assert module.read_text() == "mine = True\n"
    assert caught.value.hint == "what can still be done: %pkg remove tb-alpha"


def test_what_is_as_before_already_is_in_nobodys_way(venv: Demo) -> None:
    before = venv.tree()
    venv.type("install tb-alpha tb-cli")
    uv(venv, "uninstall", "tb-alpha")
    venv.type("undo")
    assert venv.tree() == before


def test_what_was_put_beside_it_stays(venv: Demo, index_folder: Path) -> None:
    venv.type("install tb-alpha")
    uv_install(python(venv), "tb-pure", find_links=index_folder)
    own = next(venv.environment.prefix.rglob("tb_alpha")) / "notes.txt"
    own.write_text("mine")
    venv.type("undo")
    assert "something else has changed this environment since" in venv.screen
    assert venv.version_of == {"tb-pure": "2.0"}
    assert own.read_text() == "mine"


def test_what_others_need_by_now_stays(venv: Demo, index_folder: Path) -> None:
    venv.type("install tb-alpha")
    uv_install(python(venv), "tb-mixed", find_links=index_folder)
    before = venv.tree()
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    assert caught.value.reference == "breaks-dependency"
    assert "everything is as it was before" in caught.value.message
    assert any("tb-mixed" in line for line in caught.value.context)
    assert venv.tree() == before


def test_a_plan_is_outdated_by_any_change(venv: Demo) -> None:
    venv.type("install tb-alpha")
    with PackageService() as service:
        plan = service.plan_undo(venv.environment, UNDO)
        venv.type("install tb-pure")
        with pytest.raises(PlanOutdatedError):
            service.undo(plan)


def test_files_that_change_after_the_plan_are_noticed(venv: Demo) -> None:
    venv.type("install tb-alpha")
    with PackageService() as service:
        plan = service.plan_undo(venv.environment, UNDO)
        next(venv.environment.prefix.rglob("tb_alpha/__init__.py")).write_text("mine = True\n")
        with pytest.raises(PlanBlockedError) as caught:
            service.undo(plan)
    assert caught.value.reference == "changed-since"


def test_later_changes_of_ours_to_the_same_files_go_first(venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    first = venv.history[0].id
    venv.type("install tb-pure")
    venv.type("install -U tb-alpha")
    with pytest.raises(PlanBlockedError) as caught:
        venv.type(f"undo {first}")
    assert caught.value.reference == "changed-later"
    assert caught.value.hint == f"%pkg undo {venv.history[0].id} first"
    venv.type("undo")
    venv.type(f"undo {first}")
    assert venv.version_of == {"tb-pure": "2.0"}


def test_an_earlier_change_alone_by_its_id_or_the_end_of_it(venv: Demo) -> None:
    venv.type("install tb-alpha")
    name = venv.history[0].id
    venv.type("install tb-pure")
    venv.type(f"undo {name.rpartition('-')[2]}")
    assert venv.version_of == {"tb-pure": "2.0"}


# --- an undo that fails --------------------------------------------------------------------------------------------

STOPPED = """
import os, signal, sys
from pathlib import Path
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.model import Request, Verb
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions import undo

python, left = Path(sys.argv[1]), int(sys.argv[2])
real = undo.put_back


def put_back(*arguments, **options):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(*arguments, **options)


undo.put_back = put_back
with PackageService() as service:
    service.undo(service.plan_undo(from_interpreter(python), Request(verb=Verb.UNDO, specs=())))
"""


@pytest.mark.parametrize("left", [0, 1, 3])
def test_an_undo_that_is_killed_is_taken_back(left: int, venv: Demo) -> None:
    venv.type("install tb-alpha==1.0 tb-pure==1.0")
    venv.type("install -U tb-alpha tb-pure tb-cli")
    before = venv.tree()
    command = [sys.executable, "-c", STOPPED, str(python(venv)), str(left)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    assert venv.tree() != before
    venv.type("list")
    assert venv.tree() == before
    assert venv.history[0].result == "recovered"
    venv.type("undo")
    assert venv.version_of == {"tb-alpha": "1.0", "tb-pure": "1.0"}


def test_an_undo_that_fails_is_taken_back(venv: Demo) -> None:
    """What was copied, not linked, is checked only when it is put back."""
    venv.type("install tb-cli")
    venv.type("remove tb-cli")
    before = venv.tree()
    copies = state_of(venv.environment).of(venv.history[0].id) / "before" / "copies"
    assert copies.read_bytes()
    copies.write_bytes(b"x" * copies.stat().st_size)
    with pytest.raises(PkgError) as caught:
        venv.type("undo")
    assert caught.value.reference == "snapshot-gone"
    assert "everything is as it was before" in caught.value.message
    assert venv.tree() == before
    assert venv.history[0].result == "rolled-back"


# --- what can't be undone ------------------------------------------------------------------------------------------


def test_nothing_to_undo(venv: Demo) -> None:
    with pytest.raises(PlanError) as caught:
        venv.type("undo")
    assert (caught.value.reference, caught.value.message) == ("nothing-to-undo", "there is nothing to undo")


@pytest.mark.parametrize(
    ("line", "error", "reference"),
    [
        ("undo 0", UsageError, "usage"),
        ("undo -- -1", UsageError, "usage"),
        ("undo nonsense", UsageError, "no-such-transaction"),
        ("undo 2", PlanError, "nothing-to-undo"),
        ("undo 99999999", UsageError, "no-such-transaction"),
        ("undo ''", UsageError, "no-such-transaction"),
        ("undo ../..", UsageError, "no-such-transaction"),
    ],
)
def test_numbers_and_ids_that_mean_nothing(line: str, error: type[PkgError], reference: str, venv: Demo) -> None:
    venv.type("install tb-alpha")
    before = venv.tree()
    with pytest.raises(error) as caught:
        venv.type(line)
    assert caught.value.reference == reference
    assert venv.tree() == before


def test_what_is_undone_already_says_how_to_make_it_again(venv: Demo) -> None:
    venv.type("install tb-alpha")
    name = venv.history[0].id
    venv.type("undo")
    with pytest.raises(PlanError) as caught:
        venv.type(f"undo {name}")
    assert caught.value.hint == f"%pkg undo {venv.history[0].id} makes it again"


def test_a_dropped_snapshot_says_what_can_still_be_done(venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    venv.type("install -U tb-alpha tb-pure")
    venv.type("install tb-cli")
    prune(venv.environment, Limits(keep=1))
    venv.type("undo")
    before = venv.tree()
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    assert caught.value.reference == "snapshot-gone"
    assert caught.value.note == "old snapshots are dropped to save space"
    assert caught.value.hint == "what can still be done: %pkg install pypi::tb-alpha==1.0 and %pkg remove tb-pure"
    assert venv.tree() == before


@pytest.mark.parametrize("what", ["before", "before/index", "files.json", "links"])
def test_a_snapshot_that_somebody_damaged(what: str, venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    venv.type("install -U tb-alpha")
    folder = state_of(venv.environment).of(venv.history[0].id)
    before = venv.tree()
    if what == "links":
        next(path for path in (folder / "before").iterdir() if path.name.isdecimal()).write_text("damaged")
    elif (folder / what).is_dir():
        shutil.rmtree(folder / what)
    else:
        (folder / what).unlink()
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    assert caught.value.reference == "snapshot-gone"
    assert venv.tree() == before


def test_dropping_the_snapshot_of_an_addition_does_no_harm(venv: Demo) -> None:
    """What only came needs no file of a snapshot to go."""
    before = venv.tree()
    venv.type("install tb-alpha")
    shutil.rmtree(state_of(venv.environment).of(venv.history[0].id) / "before")
    venv.type("undo")
    assert venv.tree() == before


@pytest.mark.parametrize(
    ("kind", "option"),
    [(PolicyKind.FROZEN, "--override-frozen"), (PolicyKind.EXTERNALLY_MANAGED, "--break-system-packages")],
)
def test_policies_hold_for_an_undo_too(kind: PolicyKind, option: str, venv: Demo) -> None:
    venv.type("install tb-alpha")
    venv.environment = replace(venv.environment, policies=(Policy(kind=kind, message="ask first"),))
    with pytest.raises(PlanBlockedError) as caught:
        venv.type("undo")
    assert caught.value.reference == kind.value
    assert option in (caught.value.hint or "")
    with PackageService() as service, pytest.raises(PlanBlockedError):
        service.undo(service.plan_undo(venv.environment, UNDO))
    assert venv.version_of == {"tb-alpha": "2.1"}
    venv.type(f"undo {option}")
    assert venv.version_of == {}


# --- faces ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_and_does_nothing(venv: Demo) -> None:
    venv.type("install tb-alpha==1.0")
    before = venv.tree()
    for line in ("undo --dry-run", "plan undo"):
        report = venv.type(line)
        assert report.outcome is None
        assert "-  tb-alpha  1.0" in venv.screen
        assert "install tb-alpha==1.0" in venv.screen
        assert venv.tree() == before
    assert len(venv.history) == 1


def test_the_history_says_who_did_what_and_how_it_ended(venv: Demo) -> None:
    venv.type("history")
    assert "nothing was done" in venv.screen
    venv.type("install tb-alpha==1.0")
    venv.type("install -U tb-alpha")
    venv.type("undo")
    report = venv.type("history")
    assert [(item["command"], item["result"], item["face"]) for item in report.json["history"]] == [
        ("%pkg undo", "committed", "test"),
        ("%pkg install -U tb-alpha", "committed", "test"),
        ("%pkg install tb-alpha==1.0", "committed", "test"),
    ]
    lines = venv.screen.splitlines()
    assert "3 transactions" in lines[0]
    assert "↓ tb-alpha 2.1 → 1.0" in lines[2]
    assert lines[3].endswith("undone")
    assert lines[4].endswith("done")
    venv.type("history --limit 1")
    assert "and 2 older ones" in venv.screen

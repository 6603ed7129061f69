"""What the doctor finds on real environments, and nothing else; that the commands it names mend it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.inventory import Problem
from jupyter_pkgmgr.model import Cancellation, Environment, ignore_events
from jupyter_pkgmgr.model.errors import CancelledError, PackageNotFoundError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions.locks import Owner, prefix_lock
from jupyter_pkgmgr.transactions.state import state_of
from jupyter_pkgmgr.verbs import Report, Runner
from testbed.environments import tool, uv_install
from testbed.index import Server

ROOT = Path(__file__).parents[2]


@dataclass
class Patient:
    """An environment, and somebody who types in it."""

    service: PackageService
    environment: Environment
    index_url: str

    def type(self, line: str) -> Report:
        runner = Runner(self.service, self.environment, lambda *_: None)
        return runner.run(parse_line(line, base=self.environment.prefix.parent))

    def problems(self, *, files: bool = False) -> tuple[Problem, ...]:
        return self.service.doctor(self.environment, files=files)

    def only(self, reference: str, *, files: bool = False) -> Problem:
        """The one problem that there is."""
        (problem,) = self.problems(files=files)
        assert problem.reference == reference, problem
        return problem

    def follow(self, hint: str | None) -> None:
        """Type the command, or the commands, that stand in a hint."""
        assert hint is not None
        for command in hint.split(", then "):
            self.type(command.partition("%pkg ")[2])

    def behind_our_back(self, *words: str) -> None:
        """Use uv without us knowing."""
        python = self.environment.python
        assert python is not None
        command = [tool("uv"), "pip", words[0], "--quiet", "--python", str(python.executable), *words[1:]]
        subprocess.run(command, check=True, env={**os.environ, "UV_INDEX_URL": self.index_url})

    @property
    def site(self) -> Path:
        assert self.environment.python is not None
        return self.environment.python.purelib


@pytest.fixture
def service(
    clean_settings: Path, channel_server: Server, index_server: Server, testbed: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PackageService]:
    monkeypatch.setenv("CONDA_CHANNELS", channel_server.url)
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(testbed / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    # each test its own: what a test damages in an environment reaches uv's cache through its hard links
    monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    with PackageService(face="test") as service:
        yield service


@pytest.fixture
def venv(service: PackageService, venv_python: Path, index_server: Server) -> Patient:
    return Patient(service, from_interpreter(venv_python), index_server.index_url)


@pytest.fixture
def conda(service: PackageService, conda_prefix: Path, index_server: Server) -> Patient:
    return Patient(service, from_prefix(conda_prefix), index_server.index_url)


def rewrite(path: Path, text: str) -> None:
    """Another content, in a file of its own: what lies in a tool's cache may be the same file by a hard link."""
    path.unlink()
    path.write_text(text)


# --- nothing wrong ------------------------------------------------------------------------------------------------


def test_a_healthy_venv_has_no_problems(venv: Patient) -> None:
    venv.type("install tb-mixed tb-cli tb-native six")
    venv.type("install -U tb-alpha")
    venv.type("remove tb-cli")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(venv.site)], check=True)  # as an import would
    assert venv.problems() == ()
    assert venv.problems(files=True) == ()
    for cache in venv.site.rglob("__pycache__"):
        shutil.rmtree(cache)
    assert venv.problems(files=True) == ()


def test_a_healthy_conda_environment_has_no_problems(conda: Patient) -> None:
    conda.type("install tb-tool tb-cli tb-data tb-old tb-pure tb-mixed")
    assert conda.problems() == ()
    assert conda.problems(files=True) == ()


def test_an_undo_is_no_foreign_change(venv: Patient) -> None:
    venv.type("install tb-alpha==1.0")
    venv.type("install -U tb-alpha")
    venv.type("undo")
    assert venv.problems(files=True) == ()
    venv.type("undo")
    assert venv.problems(files=True) == ()


# --- files --------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_found_and_mended(venv: Patient) -> None:
    venv.type("install tb-alpha tb-pure")
    (venv.site / "tb_alpha" / "__init__.py").unlink()
    problem = venv.only("missing-files")
    path = (venv.site / "tb_alpha" / "__init__.py").relative_to(venv.environment.prefix)
    assert problem.message == f"1 file of tb-alpha 2.1 is missing: {path}"
    assert problem.hint == "%pkg install --force-reinstall tb-alpha==2.1"
    venv.follow(problem.hint)
    assert venv.problems(files=True) == ()


def test_missing_files_of_conda_are_found_and_mended(conda: Patient) -> None:
    conda.type("install tb-tool")
    for name in ("bin/tb-tool", "lib/libtb.so.1", "lib/libtb.so"):
        (conda.environment.prefix / name).unlink()
    problem = conda.only("missing-files")
    assert problem.message.startswith("3 files of tb-tool 1.0 are missing: bin/tb-tool, lib/libtb.so, lib/libtb.so.1")
    assert problem.hint == "%pkg install --force-reinstall conda::tb-tool=1.0"
    conda.follow(problem.hint)
    assert conda.problems(files=True) == ()


def test_an_altered_file_is_found_without_reading_all_and_mended(venv: Patient) -> None:
    venv.type("install tb-alpha tb-pure")
    rewrite(venv.site / "tb_alpha" / "__init__.py", "hacked = True\n")
    problem = venv.only("altered-files")
    assert problem.message.startswith("1 file of tb-alpha 2.1 was changed since the installation: ")
    venv.follow(problem.hint)
    assert venv.problems() == ()


def test_touching_a_file_alters_nothing(venv: Patient) -> None:
    venv.type("install tb-alpha")
    os.utime(venv.site / "tb_alpha" / "__init__.py", (0, 0))
    assert venv.problems() == ()


def test_altered_files_of_others_are_found_by_their_hashes(venv: Patient, index_folder: Path) -> None:
    assert venv.environment.python is not None
    uv_install(venv.environment.python.executable, "tb-alpha", "tb-pure", find_links=index_folder)
    rewrite(venv.site / "tb_pure" / "__init__.py", "hacked = True\n")
    assert venv.problems() == ()
    assert venv.only("altered-files", files=True).packages == ("tb-pure",)
    assert venv.type("doctor").exit == 0
    assert venv.type("doctor --files").exit == 1


def test_altered_files_of_conda_are_found_by_their_hashes(conda: Patient) -> None:
    conda.type("install tb-tool tb-data")
    rewrite(conda.environment.prefix / "bin" / "tb-tool", "#!/bin/sh\n")
    problem = conda.only("altered-files", files=True)
    assert problem.message == "1 file of tb-tool 1.0 was changed since the installation: bin/tb-tool"
    conda.follow(problem.hint)
    assert conda.problems(files=True) == ()


@pytest.mark.parametrize("instead", ["folder", "fifo", "dangling link"])
def test_what_is_no_file_any_more_is_altered(venv: Patient, instead: str) -> None:
    venv.type("install tb-alpha")
    path = venv.site / "tb_alpha" / "__init__.py"
    path.unlink()
    if instead == "folder":
        path.mkdir()
    elif instead == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    assert "altered-files" in {problem.reference for problem in venv.problems(files=True)}


def test_looking_at_every_file_can_be_stopped(venv: Patient) -> None:
    venv.type("install tb-alpha")
    cancel = Cancellation()
    cancel.cancel()
    with pytest.raises(CancelledError):
        venv.service.doctor(venv.environment, files=True, cancel=cancel)


@pytest.mark.parametrize("text", ["", "\x00", "tb_alpha/__init__.py,sha256=ä,1\n", '"', "tb_alpha/x.py,md5=abc,\n"])
def test_a_broken_record_is_no_reason_to_stop(venv: Patient, text: str) -> None:
    venv.type("install tb-alpha")
    rewrite(venv.site / "tb_alpha-2.1.dist-info" / "RECORD", text)
    assert all(problem.hint for problem in venv.problems(files=True))


# --- behind our back ----------------------------------------------------------------------------------------------


def test_what_another_tool_upgraded_is_named_and_can_be_had_back(venv: Patient) -> None:
    venv.type("install tb-alpha==1.0 tb-pure")
    venv.behind_our_back("install", "tb-alpha==2.0")
    problem = venv.only("changed-since", files=True)
    assert problem.message == (
        "something else has changed this environment since %pkg install tb-alpha==1.0 tb-pure: tb-alpha 1.0 is 2.0 now"
    )
    assert problem.hint == "to have it as it was: %pkg install pypi::tb-alpha==1.0"
    venv.follow(problem.hint)
    assert venv.problems(files=True) == ()


def test_what_another_tool_removed_is_named_and_can_be_had_back(venv: Patient) -> None:
    venv.type("install tb-alpha==1.0 tb-pure")
    venv.behind_our_back("uninstall", "tb-alpha")
    problem = venv.only("changed-since", files=True)
    assert problem.message.endswith(": tb-alpha 1.0 is gone")
    venv.follow(problem.hint)
    assert venv.problems(files=True) == ()


def test_what_another_tool_added_is_named(venv: Patient) -> None:
    venv.type("install tb-alpha")
    venv.behind_our_back("install", "tb-pure==1.0")
    problem = venv.only("changed-since", files=True)
    assert problem.message.endswith(": tb-pure 1.0 was installed")
    assert problem.hint == "%pkg history shows what was done through %pkg"


def test_what_another_tool_did_before_us_is_not_told(venv: Patient) -> None:
    venv.behind_our_back("install", "tb-pure==1.0")
    assert venv.problems() == ()
    venv.type("install tb-alpha")
    assert venv.problems(files=True) == ()


def test_pip_over_conda_is_found_and_mended(conda: Patient) -> None:
    conda.type("install tb-native==1.0")
    conda.behind_our_back("install", "tb-native==2.0")
    problems = {problem.reference: problem for problem in conda.problems()}
    assert "pip-clobbered" in problems
    conda.follow(problems["pip-clobbered"].hint)
    assert conda.problems(files=True) == ()


def test_a_broken_dependency_is_found_and_mended(venv: Patient) -> None:
    venv.type("install tb-mixed")
    venv.behind_our_back("uninstall", "tb-alpha")
    broken = [problem for problem in venv.problems() if "tb-mixed" in problem.packages]
    assert len(broken) == 1
    venv.follow(broken[0].hint)
    assert venv.problems() == ()


def test_leftovers_are_found(venv: Patient) -> None:
    venv.type("install tb-alpha")
    (venv.site / "~b_alpha").mkdir()
    problem = next(problem for problem in venv.problems() if problem.reference == "leftover")
    assert problem.path == venv.site / "~b_alpha"


# --- transactions -------------------------------------------------------------------------------------------------

KILL_US = """
import os, signal, sys
from pathlib import Path
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.model import EventKind
from jupyter_pkgmgr.service import PackageService

environment = from_interpreter(Path(sys.argv[1]))

def stop(event):
    if event.kind is EventKind.STEP and event.state == "finished":
        os.kill(os.getpid(), signal.SIGKILL)

with PackageService(face="cli") as service:
    plan = service.plan(environment, parse_line("install tb-alpha", base=Path.cwd()).request)
    service.apply(plan, events=stop)
"""


def kill_an_installation(patient: Patient) -> None:
    """Of tb-alpha, when all its files are there and before anybody has said that they are right."""
    assert patient.environment.python is not None
    argv = [sys.executable, "-c", KILL_US, str(patient.environment.python.executable)]
    assert subprocess.run(argv, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert state_of(patient.environment).journal.exists()
    assert (patient.site / "tb_alpha").is_dir()


def test_an_interrupted_transaction_is_taken_back_and_told(venv: Patient) -> None:
    venv.type("install tb-pure")
    kill_an_installation(venv)
    problem = venv.only("recovered", files=True)
    assert "%pkg install tb-alpha" in problem.message
    assert not (venv.site / "tb_alpha").exists()
    venv.follow(problem.hint)
    assert venv.problems(files=True) == ()


def test_an_interrupted_transaction_that_cannot_be_taken_back_is_told(venv: Patient) -> None:
    venv.type("install tb-pure")
    kill_an_installation(venv)
    state = state_of(venv.environment)
    state.journal.write_text("{")
    for copy in state.transactions.glob("*/journal.json"):
        copy.write_text("{")
    problem = next(problem for problem in venv.problems() if problem.reference == "unfinished-transaction")
    assert "an interrupted change can't be taken back" in problem.message
    assert problem.hint is not None
    assert "delete that file" in problem.hint
    state.journal.unlink()
    assert [problem.reference for problem in venv.problems()] == ["changed-since"]


def test_a_damaged_history_is_told(venv: Patient) -> None:
    venv.type("install tb-pure")
    venv.type("install tb-alpha")
    older, _ = sorted(state_of(venv.environment).transactions.iterdir())
    (older / "entry.json").write_text("{")
    problem = venv.only("unreadable-entry")
    assert problem.path == older
    shutil.rmtree(older)
    assert venv.problems() == ()


def test_what_a_rollback_moved_aside_is_told(venv: Patient) -> None:
    venv.type("install tb-pure")
    aside = state_of(venv.environment).aside / "somewhen" / "lib"
    aside.mkdir(parents=True)
    (aside / "notes.txt").write_text("mine")
    problem = venv.only("set-aside")
    assert problem.message == f"1 file that no transaction had made was moved to {state_of(venv.environment).aside}"


def test_a_transaction_under_way_is_told_and_not_waited_for(venv: Patient) -> None:
    venv.type("install tb-pure")
    kill_an_installation(venv)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        owner = Owner.here(face="cli", command="install tb-alpha")
        with prefix_lock(venv.environment, owner, events=ignore_events, cancel=Cancellation()):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        problems = {problem.reference: problem for problem in venv.problems()}
        told = problems["being-changed"].message
        assert f"install tb-alpha ({Owner.here().user}@" in told
        assert f"process {os.getpid()}, since 20" in told
        assert venv.type("list").json["notes"] == venv.type("history").json["notes"] == [told]
        for line, key in (("show tb-pure", "show"), ("why tb-pure", "why")):
            assert venv.type(line).json[key][0]["notes"] == [told]
        assert venv.type("search tb-pure").json["search"]["notes"][0] == told
        assert venv.service.outdated(venv.environment).notes[0] == told
        with pytest.raises(PackageNotFoundError) as caught:
            venv.type("why tb-cli")
        assert caught.value.note == told, "what isn't there may be on its way"
        assert state_of(venv.environment).journal.exists()
    finally:
        done.set()
        thread.join()
    assert venv.type("list").json["notes"] == []

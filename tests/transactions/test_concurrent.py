"""Ten users of one environment at the same time: everybody's change is made, one after the other, and recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.inventory import fingerprint, read_inventory
from jupyter_pkgmgr.model import Cancellation, Environment, Plan, ignore_events
from jupyter_pkgmgr.model.errors import CancelledError, EngineError, PkgError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions import Owner, Result, read_entries
from jupyter_pkgmgr.transactions.locks import prefix_lock
from jupyter_pkgmgr.verbs import Report, Runner
from testbed.channel import Channel
from testbed.content import MINOR, wheel
from testbed.environments import conda_environment, uv_install
from testbed.index import serve, serve_files
from testbed.wheels import conda_package, write_wheel

ROOT = Path(__file__).parents[2]
NAMES = tuple(f"tb-user-{number}" for number in range(10))


@pytest.fixture
def index(tmp_path: Path, clean_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An index with a package for each of the ten; returns its folder of wheels."""
    folder = tmp_path / "index"
    for name in NAMES:
        write_wheel(folder, wheel(name, "1.0"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(clean_settings / "uv-cache"))
    with serve(folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        yield folder


@pytest.fixture
def conda(index: Path, testbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A conda environment whose one channel has a package for each of the ten, too."""
    channel = Channel(tmp_path / "channel").include(Channel(testbed / "channel"))
    channel.add(*(conda_package(path, python=MINOR) for path in sorted(index.glob("*.whl")))).index()
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    with serve_files(channel.path) as server:
        monkeypatch.setenv("CONDA_CHANNELS", server.url)
        yield from_prefix(conda_environment(tmp_path / "env", channels=[channel.url], cache=testbed / "cache"))


def type_at_once(environment: Environment, commands: Sequence[Sequence[str]]) -> list[dict[str, object]]:
    """Run commands in processes of their own, all at the same time; returns the JSON each of them ended with."""
    where = [sys.executable, "-m", "jupyter_pkgmgr.cli", "--prefix", os.fspath(environment.prefix)]
    running = [
        subprocess.Popen(
            [*where, *words, "--json"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for words in commands
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * len(commands), [said for said, code in ended if code]
    return [json.loads(output) for (output, _), _ in ended]


def recorded_names(environment: Environment) -> list[str]:
    """What our transactions installed, in their order."""
    return [change.package.name for entry in reversed(read_entries(environment)) for change in entry.changes]


def recorded(environment: Environment) -> list[str]:
    """The same, where nothing but our transactions changed anything: each begins where the one before it ended."""
    entries = [entry for entry in reversed(read_entries(environment)) if entry.result is Result.COMMITTED]
    for earlier, later in pairwise(entries):
        assert later.fingerprint_before == earlier.fingerprint
    assert entries[-1].fingerprint == fingerprint(environment)
    return recorded_names(environment)


def check_all_there(environment: Environment) -> None:
    inventory = read_inventory(environment)
    assert {package.name for package in inventory.packages} >= set(NAMES)
    assert sorted(recorded(environment)) == sorted(NAMES)
    assert len(read_entries(environment)) == len(NAMES)
    assert (*inventory.problems, *inventory.broken_dependencies()) == ()
    assert not (environment.prefix / ".jupyter_pkgmgr" / "journal.json").exists()


@pytest.mark.usefixtures("index")
def test_ten_processes_install_into_one_venv(venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    type_at_once(environment, [["install", name] for name in NAMES])
    check_all_there(environment)


def test_ten_processes_install_into_one_conda_environment(conda: Environment) -> None:
    ecosystems = ["conda" if number % 5 else "pypi" for number in range(10)]  # eight by rattler, two by uv
    commands = [["install", f"{ecosystem}::{name}"] for ecosystem, name in zip(ecosystems, NAMES, strict=True)]
    type_at_once(conda, commands)
    check_all_there(conda)
    history = (conda.prefix / "conda-meta" / "history").read_text()
    for ecosystem, name in zip(ecosystems, NAMES, strict=True):
        assert (f"-{name}-1.0" in history or f"::{name}-1.0" in history) == (ecosystem == "conda")


@pytest.mark.usefixtures("index")
def test_processes_that_want_the_same_make_one_change(venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    reports = type_at_once(environment, [["install", NAMES[0]]] * 4)
    assert recorded(environment) == [NAMES[0]]
    outcomes = [report["outcome"] for report in reports if "outcome" in report]
    assert len(outcomes) == 1


@pytest.mark.usefixtures("index")
def test_who_waits_is_told_in_the_terminal_and_can_stop(venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    command = [sys.executable, "-m", "jupyter_pkgmgr.cli", "--prefix", os.fspath(environment.prefix), "install"]
    owner = Owner.here(face="%pkg", command="install something large")
    with prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation()):
        waiting = subprocess.Popen(
            [*command, NAMES[0]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert waiting.stdout is not None
        said = next(line for line in waiting.stdout if line.startswith("waiting: "))
        assert f"install something large ({owner.user}@{owner.host}, process {os.getpid()}" in said
        waiting.send_signal(signal.SIGINT)
        assert "stopped while waiting; nothing was changed" in waiting.communicate(timeout=60)[0]
        assert waiting.returncode == 130
    assert read_inventory(environment).pypi(NAMES[0]) is None
    assert not read_entries(environment)


# --- undo: each takes back what it has shown, or nothing ----------------------------------------------------------


def undo_all_at_once(environment: Environment, *commands: Sequence[str]) -> list[tuple[int, str]]:
    """Run commands that have all made their plan before the first of them is applied; exit codes and what they said."""
    where = [sys.executable, "-m", "jupyter_pkgmgr.cli", "--prefix", os.fspath(environment.prefix)]
    with prefix_lock(environment, Owner.here(face="test"), events=ignore_events, cancel=Cancellation()):
        running = [
            subprocess.Popen([*where, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for words in commands
        ]
        heard = []
        for process in running:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("waiting: "):
                    break
            heard.append("".join(lines))
    rest = [process.communicate(timeout=120)[0] for process in running]
    return [(process.returncode, one + two) for process, one, two in zip(running, heard, rest, strict=True)]


@pytest.mark.usefixtures("index")
def test_two_processes_that_undo_the_same_undo_it_once(venv_python: Path, service: PackageService) -> None:
    environment = from_interpreter(venv_python)
    for name in NAMES[:2]:
        type_in(service, environment, f"install {name}")
    ended = undo_all_at_once(environment, ["undo"], ["undo"])
    assert sorted(code for code, _ in ended) == [0, 1]
    [failed] = [said for code, said in ended if code]
    assert f"install {NAMES[1]} was undone meanwhile by " in failed
    assert "nothing was changed" in failed
    assert "jupyter pkg history" in failed
    inventory = read_inventory(environment)
    assert inventory.pypi(NAMES[0]) is not None
    assert inventory.pypi(NAMES[1]) is None


@pytest.mark.usefixtures("index")
def test_an_undo_that_others_come_before_undoes_what_it_has_shown(venv_python: Path, service: PackageService) -> None:
    environment = from_interpreter(venv_python)
    for name in NAMES[:3]:
        type_in(service, environment, f"install {name}")
    ids = [entry.id for entry in read_entries(environment)]
    ended = undo_all_at_once(environment, *(["undo", name] for name in ids))
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert not {package.name for package in read_inventory(environment).packages} & set(NAMES)
    assert sorted(entry.undoes for entry in read_entries(environment)[:3]) == sorted((name,) for name in ids)


def test_an_undo_is_planned_again_after_an_installation_and_shown(service: PackageService, venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    type_in(service, environment, f"install {NAMES[0]}")
    shown: list[str] = []

    def overtake(_: Plan) -> bool:
        behind_our_back(environment, NAMES[1])
        return True

    runner = Runner(service, environment, lambda key, what: shown.append(f"{key}: {what.text}"), confirm=overtake)
    report = runner.run(parse_line("undo", base=environment.prefix))
    assert report.outcome is not None
    plans = [text for text in shown if text.startswith("plan: ")]
    assert ["something else has changed this environment since" in text for text in plans] == [False, True]
    inventory = read_inventory(environment)
    assert inventory.pypi(NAMES[0]) is None
    assert inventory.pypi(NAMES[1]) is not None


def test_an_undo_whose_files_somebody_changed_meanwhile_changes_nothing(
    service: PackageService, venv_python: Path
) -> None:
    environment = from_interpreter(venv_python)
    type_in(service, environment, f"install {NAMES[0]}")

    def overtake(_: Plan) -> bool:
        type_in(service, environment, f"install --force-reinstall {NAMES[0]}")
        return True

    with pytest.raises(PkgError) as caught:
        type_in(service, environment, "undo", overtake)
    assert caught.value.reference == "changed-later"
    assert read_inventory(environment).pypi(NAMES[0]) is not None


# --- in one process -----------------------------------------------------------------------------------------------


@pytest.fixture
def service(index: Path) -> Iterator[PackageService]:
    assert index.is_dir()
    with PackageService(face="test") as service:
        yield service


def type_in(
    service: PackageService, environment: Environment, line: str, confirm: Callable[[Plan], bool] = lambda _: True
) -> Report:
    runner = Runner(service, environment, lambda *_: None, confirm=confirm)
    return runner.run(parse_line(line, base=environment.prefix))


def behind_our_back(environment: Environment, *specs: str) -> None:
    assert environment.python is not None
    uv_install(environment.python.executable, *specs, index_url=os.environ["PIP_INDEX_URL"])


def test_threads_of_one_service_take_turns(service: PackageService, venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    with ThreadPoolExecutor(max_workers=5) as pool:
        reports = list(pool.map(lambda name: type_in(service, environment, f"install {name}"), NAMES[:5]))
    assert all(report.outcome is not None for report in reports)
    assert sorted(recorded(environment)) == sorted(NAMES[:5])


def test_who_agreed_to_a_plan_is_asked_again_only_if_it_became_another(
    service: PackageService, venv_python: Path
) -> None:
    environment = from_interpreter(venv_python)
    asked: list[Plan] = []

    def agree(plan: Plan) -> bool:
        asked.append(plan)
        behind_our_back(environment, NAMES[1])
        return True

    assert type_in(service, environment, f"install {NAMES[0]}", agree).outcome is not None
    assert len(asked) == 1

    def think_again(plan: Plan) -> bool:
        asked.append(plan)
        behind_our_back(environment, NAMES[2])
        return len(asked) == 2

    with pytest.raises(CancelledError, match="nothing was changed"):
        type_in(service, environment, f"install {NAMES[2]} {NAMES[3]}", think_again)
    assert [len(plan.changes) for plan in asked[1:]] == [2, 1]
    assert read_inventory(environment).pypi(NAMES[3]) is None
    assert recorded_names(environment) == [NAMES[0]]


def test_what_somebody_else_did_meanwhile_needs_no_doing(service: PackageService, venv_python: Path) -> None:
    environment = from_interpreter(venv_python)

    def overtake(_: Plan) -> bool:
        behind_our_back(environment, NAMES[0])
        return True

    report = type_in(service, environment, f"install {NAMES[0]}", overtake)
    assert report.outcome is None
    assert report.json["plan"]["satisfied"][0]["name"] == NAMES[0]
    assert not read_entries(environment)


def test_a_plan_that_fails_in_the_middle_of_a_change_is_made_again(
    service: PackageService, venv_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = from_interpreter(venv_python)
    make_plan = service._make_plan  # noqa: SLF001  to fail at the one moment that can't be met otherwise
    calls: list[int] = []

    def fail_first(*args: Any, **kwargs: Any) -> Plan:
        calls.append(1)
        if len(calls) == 1:
            behind_our_back(environment, NAMES[1])
            raise EngineError("a file went away while it was read")
        return make_plan(*args, **kwargs)

    monkeypatch.setattr(service, "_make_plan", fail_first)
    assert type_in(service, environment, f"install {NAMES[0]}").outcome is not None
    assert len(calls) == 2


def test_a_plan_that_fails_for_good_is_made_once(service: PackageService, venv_python: Path) -> None:
    environment = from_interpreter(venv_python)
    with pytest.raises(PkgError):
        type_in(service, environment, "install tb-nowhere")
    assert not (environment.prefix / ".jupyter_pkgmgr").exists()

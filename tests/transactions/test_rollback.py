"""Rolling back: exact, repeatable, and stopped at every single write of its own."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Event,
    Package,
    Plan,
    Request,
    Step,
    Verb,
    ignore_events,
)
from jupyter_pkgmgr.model.errors import CancelledError, DiskFullError, EnvironmentProblem, PkgError, VerificationError
from jupyter_pkgmgr.transactions import Owner, Result, hold, read_entries, recover
from jupyter_pkgmgr.transactions.state import state_of
from jupyter_pkgmgr.transactions.transaction import transaction

OWN = ".jupyter_pkgmgr"
SITE = "lib/python3.11/site-packages"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A prefix with one of everything, whose files a package cache shares by hard links."""
    prefix, cache = tmp_path / "env", tmp_path / "cache"
    files = {
        f"{SITE}/old/__init__.py": "VERSION = 1\n",
        f"{SITE}/old/Data.txt": "upper",
        f"{SITE}/old/data/deep/file": "deep",
        f"{SITE}/old-1.dist-info/RECORD": "old/__init__.py,,\n",
        f"{SITE}/six.py": "six = 6\n",
        f"{SITE}/easy-install.pth": "./one\n",
        f"{SITE}/__pycache__/six.cpython-311.pyc": "bytecode of 6",
        "bin/old": "#!python\nold",
        "etc/old.conf": "[old]",
        "share/old/größe \udcff.txt": "bytes",
        "share/kept": "kept",
        "conda-meta/history": "==> 1 <==\n",
        "conda-meta/old-1-0.json": '{"name": "old"}',
    }
    for number, (name, content) in enumerate(files.items()):
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(content))
        os.utime(path, ns=(10**18, 10**18 + number * 10**9))
        cached = cache / str(number)
        cache.mkdir(exist_ok=True)
        os.link(path, cached)
    (prefix / "bin/old").chmod(0o755)
    (prefix / "etc/old.conf").chmod(0o640)
    (prefix / "share/empty").mkdir()
    (prefix / "share/old").chmod(0o750)
    (prefix / "lib64").symlink_to("lib")
    (prefix / "bin/link").symlink_to("old")
    (prefix / "share/dangling").symlink_to("nowhere")
    return Environment(prefix=prefix, kind=EnvironmentKind.CONDA, owner="conda", name="env")


def tree(prefix: Path) -> dict[str, tuple[Any, ...]]:
    """Types, modes, times and contents of everything but our own folder and bytecode."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, folders, files in os.walk(prefix):
        folders[:] = [name for name in folders if name not in (OWN, "__pycache__")]
        for name in (*folders, *files):
            path = Path(folder, name)
            own = os.lstat(path)
            key = os.path.relpath(path, prefix)
            if stat.S_ISLNK(own.st_mode):
                found[key] = ("link", str(path.readlink()))
            elif stat.S_ISDIR(own.st_mode):
                found[key] = ("folder", own.st_mode, own.st_mtime_ns)
            else:
                content = path.read_bytes()
                found[key] = ("file", own.st_mode, own.st_mtime_ns, hashlib.sha256(content).hexdigest())
    return found


def contents(cache: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(cache.iterdir(), key=lambda path: int(path.name))]


def going(prefix: Path) -> list[Path]:
    """What the package "old" has, partly by way of a link to a folder."""
    names = ["old/__init__.py", "old/Data.txt", "old/data/deep/file", "old-1.dist-info/RECORD"]
    return [
        *(prefix / SITE.replace("lib", "lib64", 1) / name for name in names),
        *(prefix / name for name in ("bin/old", "bin/link", "etc/old.conf", "share/dangling", "gone/before")),
        *(prefix / "share/old").glob("*"),
        prefix / SITE / "six.py",
        prefix / SITE / "__pycache__/six.cpython-311.pyc",
    ]


def in_place(prefix: Path) -> list[Path]:
    return [prefix / SITE / "easy-install.pth", *(prefix / "conda-meta").iterdir()]


def upgrade(prefix: Path) -> None:
    """What an engine might do, in its rudest way."""
    site = prefix / SITE
    shutil.rmtree(site / "old")
    shutil.rmtree(site / "old-1.dist-info")
    for name in ("bin/old", "bin/link", "etc/old.conf", "share/dangling"):
        (prefix / name).unlink()
    shutil.rmtree(prefix / "share/old")
    (prefix / "share/empty").rmdir()
    (site / "six.py").unlink()
    (site / "six.py").write_text("six = 7\n")
    os.utime(site / "six.py", ns=(10**18, 10**18 + 4 * 10**9))
    (site / "__pycache__/six.cpython-311.pyc").unlink()
    (site / "__pycache__/six.cpython-311.pyc").write_text("bytecode of 7")
    (site / "OLD").mkdir()  # in another case
    (site / "OLD/data.txt").write_text("lower")
    (site / "old").write_text("a file where a folder was")
    (prefix / "bin/old").mkdir()  # a folder where a file was
    (prefix / "bin/old/inner").write_text("x")
    (prefix / "bin/link").symlink_to("elsewhere")
    (prefix / "etc/old.conf").write_text("[new]")
    (site / "new/__pycache__").mkdir(parents=True)
    (site / "new/__pycache__/x.pyc").write_text("x")
    (site / "new/x.py").write_text("x")
    locked = site / "new/locked"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0o555)
    with (site / "easy-install.pth").open("a") as file:
        file.write("./two\n")
    with (prefix / "conda-meta/history").open("a") as file:
        file.write("==> 2 <==\n")
    (prefix / "conda-meta/old-1-0.json").write_text("{}")
    (prefix / "share").chmod(0o700)
    install(prefix, "new", "1", "new/x.py", "new/locked/file", "OLD/data.txt", "old", "../../../bin/old/inner")


def install(prefix: Path, name: str, version: str, *rows: str) -> None:
    """What tells that a distribution is there: pip and uv write it last."""
    folder = prefix / SITE / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    own = [f"{folder.name}/{file}" for file in ("METADATA", "RECORD")]
    (folder / "RECORD").write_text("".join(f"{row},,\n" for row in (*rows, *own)))


def package(name: str, version: str) -> Package:
    return Package(name=name, version=version, ecosystem=Ecosystem.PYPI)


CHANGED = (
    Change(action=Action.UPGRADE, before=package("old", "1"), after=package("old", "2")),
    Change(action=Action.INSTALL, before=None, after=package("new", "1")),
)


@contextlib.contextmanager
def change(
    environment: Environment, changes: tuple[Change, ...] = CHANGED, ecosystem: Ecosystem = Ecosystem.PYPI
) -> Iterator[None]:
    """A transaction around a block, which says what goes away."""
    plan = Plan(
        id="plan",
        request=Request(verb=Verb.UPDATE, specs=(), command="%pkg update old"),
        environment=environment,
        fingerprint="f",
        steps=(Step(plan=EnginePlan(engine="test", engine_version="", ecosystem=ecosystem, changes=changes)),),
    )
    owner = Owner.here(face="test", command="%pkg update old")
    with (
        hold(environment, owner, events=ignore_events, cancel=Cancellation()),
        transaction(plan, owner, linked=going(environment.prefix), copied=in_place(environment.prefix)),
    ):
        yield


def fail(environment: Environment, error: BaseException) -> None:
    """A transaction that does its work and then ends in an error."""
    with change(environment):
        upgrade(environment.prefix)
        assert (environment.prefix / SITE / "new").exists()
        raise error


def recovered(environment: Environment) -> list[str]:
    """Use the environment again; returns what is said."""
    events: list[Event] = []
    recover(environment, Owner.here(), events=events.append, cancel=Cancellation())
    return [event.message for event in events]


def killed_in(
    environment: Environment,
    work: Callable[[Path], None],
    changes: tuple[Change, ...] = CHANGED,
    ecosystem: Ecosystem = Ecosystem.PYPI,
) -> None:
    """Let a child begin a transaction, do its work and die without a word."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), change(environment, changes, ecosystem):
            work(environment.prefix)
            os._exit(9)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    assert state_of(environment).journal.exists()


def test_a_failure_leaves_everything_as_it_was(environment: Environment, tmp_path: Path) -> None:
    before, shared = tree(environment.prefix), contents(tmp_path / "cache")
    with pytest.raises(PkgError) as caught:
        fail(environment, VerificationError("no good", context=("fact",)))
    assert tree(environment.prefix) == before
    assert caught.value.message == "no good; everything is as it was before"
    assert caught.value.context == ("fact",)
    assert not (environment.prefix / SITE / "__pycache__/six.cpython-311.pyc").read_bytes().endswith(b"7")
    assert [entry.result for entry in read_entries(environment)] == [Result.ROLLED_BACK]
    # What tools write in place reaches the cache through the shared file, as it does without us; nothing else does.
    changed = [
        index for index, (old, new) in enumerate(zip(shared, contents(tmp_path / "cache"), strict=True)) if old != new
    ]
    assert changed == [5, 11, 12]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), CancelledError("stopped"), ValueError("bug")])
def test_whatever_ends_it_is_rolled_back(error: BaseException, environment: Environment) -> None:
    before = tree(environment.prefix)
    with pytest.raises(type(error)):
        fail(environment, error)
    assert tree(environment.prefix) == before
    stopped = isinstance(error, KeyboardInterrupt | CancelledError)
    assert read_entries(environment)[0].result is (Result.CANCELLED if stopped else Result.ROLLED_BACK)


def test_the_next_use_takes_back_what_a_killed_process_did(environment: Environment) -> None:
    before = tree(environment.prefix)
    killed_in(environment, upgrade)
    (said,) = recovered(environment)
    assert "%pkg update old" in said
    assert "everything is as it was before" in said
    assert tree(environment.prefix) == before
    assert recovered(environment) == []
    assert [entry.result for entry in read_entries(environment)] == [Result.RECOVERED]


def test_a_commit_keeps_what_was_done(environment: Environment) -> None:
    with change(environment):
        upgrade(environment.prefix)
        after = tree(environment.prefix)
    assert tree(environment.prefix) == after
    assert recovered(environment) == []
    assert read_entries(environment)[0].committed


CHANGES = frozenset(
    {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.utime", "open"}
)


class Stops:
    """Ends a child before its Nth change of anything below a folder, by Python's audit events (PEP 578)."""

    def __init__(self, folder: Path, at: int) -> None:
        self._folder, self._left = f"{folder}{os.sep}", at

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if any(isinstance(name, str | os.PathLike) and os.fspath(name).startswith(self._folder) for name in arguments):
            self._left -= 1
            if self._left < 0:
                os._exit(9)


def stopped_at(number: int, prefix: Path, work: Callable[[], object]) -> bool:
    """Run work in a child that dies before its change of this number; whether it died."""
    child = os.fork()
    if child == 0:
        sys.addaudithook(Stops(prefix, number))
        try:
            work()
        except BaseException:  # noqa: BLE001  the exit code tells
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def test_a_transaction_may_be_killed_before_each_of_its_changes(environment: Environment, tmp_path: Path) -> None:
    """In the preparation, in the work and in the commit: afterwards it is the state before, or the one after."""
    prefix, saved = environment.prefix, tmp_path / "saved"
    shutil.copytree(prefix, saved, symlinks=True)
    before = tree(prefix)

    def work() -> None:
        with change(environment):
            upgrade(prefix)

    outcomes: list[str] = []
    number = 0
    while stopped_at(number, prefix, work):
        recovered(environment)
        assert not state_of(environment).journal.exists()
        committed = any(entry.committed for entry in read_entries(environment))
        if not committed:
            assert tree(prefix) == before, number
        outcomes.append("after" if committed else "before")
        make_writable(prefix)
        shutil.rmtree(prefix)
        shutil.copytree(saved, prefix, symlinks=True)
        before = tree(prefix)
        number += 1
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count("before") > 50
    assert outcomes.count("after") >= 1


def make_writable(path: Path) -> None:
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o755)


def test_a_rollback_may_be_killed_before_each_of_its_changes(environment: Environment) -> None:
    """One rollback, stopped before its first change, begun again and stopped before its second, and so on."""
    before = tree(environment.prefix)
    killed_in(environment, upgrade)
    number = 0
    while stopped_at(number, environment.prefix, lambda: recovered(environment)):
        number += 1
    assert tree(environment.prefix) == before
    assert not state_of(environment).journal.exists()
    assert number > 3


def test_a_rollback_from_the_same_state_may_be_killed_anywhere(environment: Environment, tmp_path: Path) -> None:
    """The same state again for each place to stop at; the second rollback always gets to the end."""
    before = tree(environment.prefix)
    killed_in(environment, upgrade)
    crashed = tmp_path / "crashed"
    environment.prefix.rename(crashed)
    number, stopped = 0, True
    while stopped:
        copy_with_links(crashed, environment.prefix)
        stopped = stopped_at(number, environment.prefix, lambda: recovered(environment))
        recovered(environment)
        assert tree(environment.prefix) == before, number
        make_writable(environment.prefix)
        shutil.rmtree(environment.prefix)
        number += 2
    assert number > 60


def copy_with_links(source: Path, target: Path) -> None:
    """A copy whose files that are one file stay one file."""
    subprocess.run(["cp", "-a", os.fspath(source), os.fspath(target)], check=True)


# --- what people and disks do --------------------------------------------------------------------------------------


def test_what_is_lost_is_named_and_the_rest_restored(environment: Environment) -> None:
    before = tree(environment.prefix)

    def careless(prefix: Path) -> None:
        upgrade(prefix)
        (prefix / "share/kept").unlink()  # although no plan said so

    killed_in(environment, careless)
    with pytest.raises(VerificationError) as caught:
        recovered(environment)
    assert caught.value.reference == "lost-files"
    assert caught.value.context == ("share/kept",)
    after = tree(environment.prefix)
    assert {name: item for name, item in after.items() if name != "share"} == {
        name: item for name, item in before.items() if name not in ("share", "share/kept")
    }
    assert recovered(environment) == []
    assert read_entries(environment)[0].result is Result.FAILED


@pytest.mark.parametrize("what", ["before", "manifest", "", "before/index"])
def test_without_what_was_kept_nothing_more_is_touched(what: str, environment: Environment) -> None:
    killed_in(environment, upgrade)
    (folder,) = state_of(environment).transactions.iterdir()
    gone = folder / what
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    half = tree(environment.prefix)
    for _ in range(2):
        with pytest.raises(EnvironmentProblem) as caught:
            recovered(environment)
        assert caught.value.reference == "snapshot-gone"
        assert str(state_of(environment).journal) in str(caught.value.hint)
        assert tree(environment.prefix) == half
    state_of(environment).journal.unlink()
    with change(environment):
        pass
    assert [entry.result for entry in read_entries(environment)] == [Result.COMMITTED]


@pytest.mark.parametrize("garbage", [b"", b'{"schema": 1, "en', b"\0" * 400, b"[]", b'"x"', b'{"schema": 9}'])
def test_a_damaged_journal_has_a_copy(garbage: bytes, environment: Environment) -> None:
    before = tree(environment.prefix)
    killed_in(environment, upgrade)
    state_of(environment).journal.write_bytes(garbage)
    recovered(environment)
    assert tree(environment.prefix) == before


def test_a_damaged_journal_without_copy_is_told(environment: Environment) -> None:
    killed_in(environment, upgrade)
    state_of(environment).journal.write_bytes(b"")
    (folder,) = state_of(environment).transactions.iterdir()
    (folder / "journal.json").unlink()
    half = tree(environment.prefix)
    with pytest.raises(EnvironmentProblem) as caught:
        recovered(environment)
    assert caught.value.reference == "journal-damaged"
    assert tree(environment.prefix) == half


def test_a_place_that_cannot_be_written_keeps_the_journal(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(environment.prefix)
    killed_in(environment, upgrade)
    real = os.replace

    def immutable(source: Any, target: Any, **more: Any) -> None:
        if os.fspath(target).endswith("etc/old.conf"):
            raise OSError(errno.EPERM, "Operation not permitted", os.fspath(target))
        real(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", immutable)
        with pytest.raises(PkgError) as caught:
            recovered(environment)
    assert caught.value.reference == "rollback-incomplete"
    assert "etc/old.conf" in caught.value.context[0]
    assert state_of(environment).journal.exists()
    recovered(environment)
    assert tree(environment.prefix) == before


def test_a_disk_that_is_full_to_the_last_block_is_no_obstacle(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that went away needs room to come back, nor does the end; only what was written in place does."""
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        shutil.rmtree(prefix / SITE / "old")
        (prefix / "etc/old.conf").unlink()

    killed_in(environment, work)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError), change(environment):
        pass
    monkeypatch.undo()
    recovered(environment)
    assert tree(environment.prefix) == before


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_hard_links_files_are_copied(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(environment.prefix)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(VerificationError, match="everything is as it was before"):
        fail(environment, VerificationError("no good"))
    assert tree(environment.prefix) == before


def test_a_link_that_was_written_through_is_told(environment: Environment) -> None:
    def rude(prefix: Path) -> None:
        with (prefix / "etc/old.conf").open("a") as file:
            file.write("appended, though nobody said so")

    killed_in(environment, rude)
    with pytest.raises(VerificationError) as caught:
        recovered(environment)
    assert caught.value.context == ("etc/old.conf",)


def test_environments_inside_are_left_alone(environment: Environment) -> None:
    inner = environment.prefix / "envs/inner"
    nested = environment.prefix / "share/kept-env"
    for folder in (inner / "conda-meta", nested):
        folder.mkdir(parents=True)
    (nested / "pyvenv.cfg").touch()

    def work(prefix: Path) -> None:
        (inner / "file").write_text("new")
        (nested / "file").write_text("new")
        (prefix / "pkgs").mkdir()

    killed_in(environment, work)
    recovered(environment)
    assert (inner / "file").exists()
    assert (nested / "file").exists()
    assert (environment.prefix / "pkgs").exists()

"""The lock with real processes: who waits, who is told, what a killed holder leaves, what file systems lack."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from jupyter_pkgmgr.model import Cancellation, Environment, EnvironmentKind, Event, EventKind, ignore_events
from jupyter_pkgmgr.model.errors import CancelledError, EnvironmentProblem
from jupyter_pkgmgr.transactions import weak_locks
from jupyter_pkgmgr.transactions.locks import STATE, Owner, cache_lock, prefix_lock

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds after which what should come doesn't."""
PRELUDE = """
    import os, subprocess, sys, time
    from pathlib import Path
    from jupyter_pkgmgr.model import Cancellation, Environment, EnvironmentKind, ignore_events
    from jupyter_pkgmgr.transactions.locks import Owner, cache_lock, prefix_lock

    prefix = Path(sys.argv[1])
    environment = Environment(prefix=prefix, kind=EnvironmentKind.VENV, owner="venv", name="test")

    def lock(command):
        owner = Owner.here(face="cli", command=command)
        return prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation())

    def cache():
        return cache_lock(prefix, Owner.here(face="cli"), events=ignore_events, cancel=Cancellation())
"""
HOLD = """
    with lock("install tb-alpha"):
        print("held", flush=True)
        sys.stdin.read()
"""
HOLD_WITH_ENGINE = """
    with lock("install tb-alpha") as held:
        engine = subprocess.Popen(
            [sys.executable, "-c", "import sys; print('running', flush=True); sys.stdin.read()"],
            pass_fds=[held.fileno], start_new_session=True,
        )
        sys.stdin.read()
"""
HOLD_WITH_STARTED_ENGINE = """
    from jupyter_pkgmgr import process

    engine = "import signal, time; IGNORE; print(flush=True); time.sleep(86400)"
    with lock("install tb-alpha") as held, process.inherit(held.fileno):
        engine = process.start([sys.executable, "-c", engine])
        engine.stdout.readline()
        print("running", flush=True)
        sys.stdin.read()
"""
COUNT = """
    counter = prefix / "counter"
    for _ in range(20):
        with lock("count"):
            value = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(value + 1))
"""


def environment_at(prefix: Path) -> Environment:
    return Environment(prefix=prefix, kind=EnvironmentKind.VENV, owner="venv", name="test")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    prefix = tmp_path / "env"
    prefix.mkdir()
    return environment_at(prefix)


def python(code: str, prefix: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PRELUDE) + textwrap.dedent(code), str(prefix), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@contextlib.contextmanager
def holder(code: str, prefix: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock; whatever it started ends when its standard input does."""
    with python(code, prefix) as process:
        assert process.stdout is not None
        assert process.stdout.readline() in {"held\n", "running\n"}
        try:
            yield process
        finally:
            process.kill()


@dataclass
class Waiter:
    """A thread that wants the lock; ``got`` is set while it has it."""

    environment: Environment
    command: str = "remove tb-beta"

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self.told = threading.Event()
        self.got = threading.Event()
        self.cancel = Cancellation()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.told.set()

    def _run(self) -> None:
        owner = Owner.here(face="%pkg", command=self.command)
        try:
            with prefix_lock(self.environment, owner, events=self._take, cancel=self.cancel):
                self.got.set()
        except CancelledError as error:
            self.failure = error

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel.cancel()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


def take(environment: Environment, sink: Callable[[Event], None] = ignore_events) -> None:
    """Take the lock and give it back; fails instead of waiting."""

    def refuse(event: Event) -> None:
        assert event.kind is not EventKind.WAITING, event.message
        sink(event)

    with prefix_lock(environment, Owner.here(), events=refuse, cancel=Cancellation()):
        pass


# --- the usual ----------------------------------------------------------------------------------------------------


def test_who_holds_it_is_written_beside_it_and_goes_with_it(environment: Environment) -> None:
    owner = Owner.here(face="%pkg", command="install --index-url https://me:secret@example.org/simple tb-alpha")
    said = environment.prefix / STATE / "lock.json"
    with prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation()):
        assert Owner.from_json(said.read_bytes()) == owner
        assert json.loads(said.read_bytes())["pid"] == os.getpid()
        assert "secret" not in said.read_text()
    assert [path.name for path in (environment.prefix / STATE).iterdir()] == ["lock"]


def test_who_waits_is_told_once_who_holds_it_and_gets_it_then(environment: Environment) -> None:
    with holder(HOLD, environment.prefix) as process, Waiter(environment) as waiter:
        assert waiter.told.wait(PATIENCE)
        time.sleep(0.5)  # several attempts
        assert not waiter.got.is_set()
        (event,) = waiter.events
        assert event.kind is EventKind.WAITING
        assert (
            f"install tb-alpha ({Owner.here().user}@{socket.gethostname()}, process {process.pid}, since"
            in event.message
        )
        assert str(environment.prefix) in event.message
        assert process.stdin is not None
        process.stdin.close()
        assert waiter.got.wait(PATIENCE)


def test_who_waits_is_told_when_the_holder_changes(environment: Environment) -> None:
    with prefix_lock(environment, Owner.here(command="one"), events=ignore_events, cancel=Cancellation()):
        said = environment.prefix / STATE / "lock.json"
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            waiter.told.clear()
            said.write_text(json.dumps(Owner.here(command="two").to_json()))
            assert waiter.told.wait(PATIENCE)
    assert [event.message.split()[0] for event in waiter.events] == ["one", "two"]


def test_a_killed_holder_leaves_nothing_to_wait_for(environment: Environment) -> None:
    with holder(HOLD, environment.prefix) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (environment.prefix / STATE / "lock.json").exists()
        take(environment)


def test_an_engine_that_outlives_its_killed_parent_keeps_the_lock(environment: Environment) -> None:
    with holder(HOLD_WITH_ENGINE, environment.prefix) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            told = re.fullmatch(
                r"what install tb-alpha .*, killed\) left running .*: process (\d+)", waiter.events[0].message
            )
            assert told is not None
            assert int(told[1]) != process.pid
            os.kill(int(told[1]), 0)
            assert not waiter.got.wait(0.5)
            assert process.stdin is not None
            process.stdin.close()  # the engine has inherited it, and ends
            assert waiter.got.wait(PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="only there it is known whose a process was")
@pytest.mark.parametrize("ignore", ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["meek", "deaf"])
def test_an_engine_of_ours_that_outlives_its_killed_parent_is_ended(
    ignore: str, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_pkgmgr.process.TERMINATE_GRACE", 0.2)
    code = HOLD_WITH_STARTED_ENGINE.replace("IGNORE", ignore)
    with holder(code, environment.prefix) as process, Waiter(environment) as waiter:
        assert waiter.told.wait(PATIENCE)
        assert not waiter.got.wait(0.5), "as long as its parent lives, it is left alone"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert waiter.got.wait(PATIENCE)
        (said,) = [event.message for event in waiter.events if event.kind is EventKind.MESSAGE]
        assert re.fullmatch(r"process \d+, which was left running, is being ended: .*", said)


def test_what_an_engine_leaves_running_does_not_keep_the_lock_of_a_transaction_that_ended(
    environment: Environment,
) -> None:
    owner = Owner.here()
    with prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation()) as lock:
        daemon = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno])
    try:
        take(environment)
    finally:
        daemon.kill()
        daemon.wait()


def test_waiting_can_be_cancelled(environment: Environment) -> None:
    with holder(HOLD, environment.prefix), Waiter(environment) as waiter:
        assert waiter.told.wait(PATIENCE)
        waiter.cancel.cancel()
        waiter.thread.join(PATIENCE)
        assert isinstance(waiter.failure, CancelledError)
        assert waiter.failure.message == "stopped while waiting; nothing was changed"
        assert not waiter.got.is_set()
        said = Owner.from_json((environment.prefix / STATE / "lock.json").read_bytes())
        assert said is not None
        assert said.command == "install tb-alpha"


def test_an_exception_gives_the_lock_back(environment: Environment) -> None:
    owner = Owner.here()
    with (
        pytest.raises(KeyboardInterrupt),
        prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation()),
    ):
        raise KeyboardInterrupt
    take(environment)


def test_threads_of_one_process_exclude_each_other(environment: Environment) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            with prefix_lock(environment, Owner.here(), events=ignore_events, cancel=Cancellation()):
                inside.append(number)
                time.sleep(0.001)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 50


def test_ten_processes_lose_no_increment(environment: Environment) -> None:
    (environment.prefix / "counter").write_text("0")
    processes = [python(COUNT, environment.prefix) for _ in range(10)]
    assert [process.wait(PATIENCE) for process in processes] == [0] * 10
    for process in processes:
        process.communicate()
    assert (environment.prefix / "counter").read_text() == "200"


# --- trouble ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"{", b"[]", b'{"pid": "one"}', b"[" * 100_000])
def test_who_holds_it_may_be_garbage(environment: Environment, garbage: bytes) -> None:
    with prefix_lock(environment, Owner.here(), events=ignore_events, cancel=Cancellation()):
        (environment.prefix / STATE / "lock.json").write_bytes(garbage)
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            assert waiter.events[0].message == f"something else changes the environment {environment.prefix}"


def test_a_command_of_many_lines_is_told_in_one(environment: Environment) -> None:
    owner = Owner.here(command="install\ntb-alpha\ntb-beta")
    with (
        prefix_lock(environment, owner, events=ignore_events, cancel=Cancellation()),
        Waiter(environment) as waiter,
    ):
        assert waiter.told.wait(PATIENCE)
        assert waiter.events[0].message.startswith("install tb-alpha tb-beta (")


def test_the_folder_may_be_deleted_by_hand(environment: Environment) -> None:
    folder = environment.prefix / STATE
    with (
        prefix_lock(environment, Owner.here(), events=ignore_events, cancel=Cancellation()),
        Waiter(environment) as waiter,
    ):
        assert waiter.told.wait(PATIENCE)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        assert waiter.got.wait(PATIENCE)
    take(environment)


def test_a_prefix_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="can't be locked: No such file"):
        take(environment_at(tmp_path / "gone"))
    assert not (tmp_path / "gone").exists()


def test_a_full_disk_does_not_keep_anyone_from_the_lock(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    take(environment)
    monkeypatch.setattr(Path, "write_bytes", full)
    take(environment)
    assert [path.name for path in (environment.prefix / STATE).iterdir()] == ["lock"]


def open_up(folder: Path) -> None:
    """Let other users pass to what lies below; ``tmp_path`` is closed to them."""
    for parent in [folder, *folder.parents]:
        if parent.owner() == folder.owner() and parent.is_relative_to("/tmp"):  # noqa: S108  where tmp_path lies
            parent.chmod(parent.stat().st_mode | 0o055)


AS_ANOTHER_USER = """
    from jupyter_pkgmgr.model.errors import PkgError

    if os.geteuid() == 0:  # who may write everywhere
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(65534)
    try:
        with lock("install tb-alpha") as held:
            print("mine")
    except PkgError as error:
        print(type(error).__name__, error.reference, error.message)
"""


@pytest.mark.parametrize("used", [False, True], ids=["never used", "used before"])
def test_a_read_only_prefix(environment: Environment, *, used: bool) -> None:
    if used:
        take(environment)
        (environment.prefix / STATE).chmod(0o555)
    open_up(environment.prefix)
    environment.prefix.chmod(0o555)
    said, _ = python(AS_ANOTHER_USER, environment.prefix, "65534").communicate(timeout=60)
    assert said == f"PolicyError read-only the environment {environment.prefix} can't be written by this user\n"
    assert used == (environment.prefix / STATE).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_groups_environment_is_locked_by_each_of_the_group(environment: Environment) -> None:
    os.chown(environment.prefix, -1, 4711)
    environment.prefix.chmod(0o2775)
    open_up(environment.prefix)
    take(environment)
    said, _ = python(AS_ANOTHER_USER, environment.prefix, "4711").communicate(timeout=60)
    assert said == "mine\n"
    assert [path.name for path in (environment.prefix / STATE).iterdir()] == ["lock"]


# --- conda's package cache ----------------------------------------------------------------------------------------


def test_the_cache_is_made_and_held(environment: Environment, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "pkgs"
    told = threading.Event()
    cancel = Cancellation()
    with cache_lock(cache, Owner.here(command="create"), events=ignore_events, cancel=cancel) as lock:
        assert lock is not None
        assert lock.path.parent == cache
        take(environment)  # another lock

        def hear(event: Event) -> None:
            assert event.message.startswith("create (")
            told.set()
            cancel.cancel()

        with (
            pytest.raises(CancelledError),
            cache_lock(cache, Owner.here(), events=hear, cancel=cancel),
        ):
            pytest.fail("two have the lock")
    assert told.is_set()
    assert [path.name for path in cache.iterdir()] == [f"{STATE}.lock"]


def test_a_cache_that_cannot_be_written_needs_no_lock(tmp_path: Path) -> None:
    open_up(tmp_path)
    tmp_path.chmod(0o555)
    code = AS_ANOTHER_USER.replace('lock("install tb-alpha")', "cache()").replace('"mine"', "held")
    said, _ = python(code, tmp_path / "pkgs", "65534").communicate(timeout=60)
    assert said == "None\n"


# --- file systems without locks -----------------------------------------------------------------------------------

NO_LOCKS = """
    import errno, fcntl

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock is to be had in this process: the one thing here that is pretended, for want of such a file system."""
    pretend(monkeypatch, errno.ENOLCK)


def pretend(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def leave_behind(environment: Environment, **changed: object) -> Path:
    """The file of a lock that nobody gave back."""
    take(environment)
    lock = environment.prefix / STATE / "lock"
    assert weak_locks.take(lock, os.getpid(), socket.gethostname())
    held = weak_locks.held_file(lock)
    held.write_text(json.dumps(json.loads(held.read_text()) | changed))
    return held


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_file_takes_its_place_and_it_is_said(environment: Environment) -> None:
    events: list[Event] = []
    with prefix_lock(environment, Owner.here(), events=events.append, cancel=Cancellation()) as lock:
        assert lock.weak
        assert [(event.kind, event.level) for event in events] == [(EventKind.MESSAGE, "warning")]
        assert "has no locks" in events[0].message
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            assert not waiter.got.wait(0.5)
    take(environment)
    assert [path.name for path in (environment.prefix / STATE).iterdir()] == ["lock"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP])
def test_file_systems_say_in_many_ways_that_they_have_no_locks(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    pretend(monkeypatch, number)
    with prefix_lock(environment, Owner.here(), events=ignore_events, cancel=Cancellation()) as lock:
        assert lock.weak


def test_another_trouble_with_the_lock_is_not_taken_for_that(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, errno.EIO)
    with pytest.raises(EnvironmentProblem, match="can't be locked: Input/output error"):
        take(environment)


def test_without_locks_ten_processes_lose_no_increment(environment: Environment) -> None:
    (environment.prefix / "counter").write_text("0")
    code = NO_LOCKS + COUNT.replace("range(20)", "range(2)")
    processes = [python(code, environment.prefix) for _ in range(10)]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0] * 10
    assert (environment.prefix / "counter").read_text() == "20"


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_killed_holder_is_followed(environment: Environment) -> None:
    with holder(NO_LOCKS + HOLD, environment.prefix) as process:
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            assert not waiter.got.wait(0.3)
        process.send_signal(signal.SIGKILL)  # and not reaped: it stays as a zombie
        take_soon(environment)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_an_engine_that_outlives_its_parent_keeps_the_lock(environment: Environment) -> None:
    with holder(NO_LOCKS + HOLD_WITH_ENGINE, environment.prefix) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Waiter(environment) as waiter:
            assert waiter.told.wait(PATIENCE)
            assert not waiter.got.wait(0.5)
            assert process.stdin is not None
            process.stdin.close()
            assert waiter.got.wait(PATIENCE)


def take_soon(environment: Environment) -> None:
    with Waiter(environment) as waiter:
        assert waiter.got.wait(PATIENCE)


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"pid": 2**22 + 1}, id="no such process"),
        pytest.param({"pid": 0}, id="no process at all"),
        pytest.param({"born": "1"}, id="another process of that number"),
        pytest.param({"boot": "another"}, id="before the machine was restarted"),
    ],
)
def test_without_locks_a_dead_process_is_followed(environment: Environment, changed: dict[str, object]) -> None:
    leave_behind(environment, **changed)
    take_soon(environment)


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="alive"),
        pytest.param({"host": "another", "pid": 2**22 + 1}, id="of another machine"),
        pytest.param({"host": "another", "boot": "another"}, id="of another machine, restarted"),
    ],
)
def test_without_locks_who_may_live_is_waited_for(environment: Environment, changed: dict[str, object]) -> None:
    held = leave_behind(environment, **changed)
    with Waiter(environment) as waiter:
        assert waiter.told.wait(PATIENCE)
        assert not waiter.got.wait(0.5)
        assert str(held) in waiter.events[0].message
        held.unlink()  # as the message says
        assert waiter.got.wait(PATIENCE)


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("garbage", [b"", b"\xff", b"{", b'{"pid": 1}'])
def test_without_locks_garbage_is_waited_for_no_longer_than_a_write_takes(
    environment: Environment, garbage: bytes
) -> None:
    held = leave_behind(environment)
    held.write_bytes(garbage)
    with Waiter(environment) as waiter:
        assert not waiter.got.wait(0.3)
        long_ago = time.time() - 60
        os.utime(held, (long_ago, long_ago))
        assert waiter.got.wait(PATIENCE)

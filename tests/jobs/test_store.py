"""Jobs that outlive their host."""

from __future__ import annotations

import json
import logging
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_pkgmgr.jobs import Job, JobManager, JobState, JobStore, Limits
from jupyter_pkgmgr.model import Event, EventKind
from jupyter_pkgmgr.model.errors import PkgError

from .conftest import PATIENCE, Gate, facts, wait_for_end

ROOT = Path(__file__).parents[2]
Hosts = Callable[..., JobManager]


def settle(job: Job) -> None:
    """What a recovery does, without an environment."""
    if job.started is None:
        job.fail(PkgError("it never began"), state=JobState.CANCELLED)
    else:
        job.fail(PkgError("the server ended"), state=JobState.ROLLED_BACK)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """Makes hosts that share one folder."""
    made: list[JobManager] = []

    def make(**limits: float) -> JobManager:
        manager = JobManager(
            limits=Limits(**limits),  # type: ignore[arg-type]  # each as its field wants it
            store=JobStore(tmp_path / "jobs"),
            recovery=settle,
        )
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close(PATIENCE)


@pytest.fixture
def dead_host(tmp_path: Path) -> tuple[str, str]:
    """A host that was killed in the middle of a job; the ids of that and of one that waited."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.host", tmp_path / "jobs", "/env/a"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        word, running, waiting = process.stdout.readline().split()
        assert word == "begun"
        process.kill()
    return running, waiting


def test_ended_jobs_are_found_again(hosts: Hosts) -> None:
    first = hosts()

    def succeed(job: Job) -> dict[str, int]:
        job.tell(Event(kind=EventKind.MESSAGE, message="half"))
        return {"n": 1}

    def fail(_: Job) -> None:
        raise PkgError("no", reference="no-way", context=("fact",), hint="try")

    good = wait_for_end(first.submit(facts(user="me", plan="p1"), succeed))
    bad = wait_for_end(first.submit(facts("/env/b"), fail))
    first.close(PATIENCE)
    second = hosts()
    assert [job.id for job in second.all()] == [bad.id, good.id]
    for job in (good, bad):
        found = second.get(job.id)
        assert found.to_json() == job.to_json()
        assert found.log.read() == job.log.read()
        assert found.facts == job.facts
        assert found.log.wait(found.log.last, 0), "it has ended: nobody has to wait"


def test_a_folder_that_others_could_read_is_closed_to_them(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir(mode=0o755)
    hosts()
    assert (tmp_path / "jobs").stat().st_mode & 0o077 == 0


def test_who_listens_from_the_beginning_hears_of_what_is_settled(dead_host: tuple[str, str], tmp_path: Path) -> None:
    heard: list[tuple[str, JobState]] = []
    manager = JobManager(
        store=JobStore(tmp_path / "jobs"),
        recovery=settle,
        listeners=[lambda job: heard.append((job.id, job.state))],
    )
    for name in dead_host:
        wait_for_end(manager.get(name))
    manager.close(PATIENCE)
    assert sorted(heard) == sorted(zip(dead_host, (JobState.ROLLED_BACK, JobState.CANCELLED), strict=True))


def test_a_job_that_was_cut_off_is_settled_with_its_log(dead_host: tuple[str, str], hosts: Hosts) -> None:
    manager = hosts()
    running, waiting = (wait_for_end(manager.get(name)) for name in dead_host)
    assert running.state is JobState.ROLLED_BACK
    assert waiting.state is JobState.CANCELLED
    events = running.log.read().events
    assert [event["type"] for event in events] == ["state", "state", "display", "display", "error", "state"]
    assert [event.get("state") for event in events if event["type"] == "state"] == ["queued", "running", "rolled-back"]
    assert events[3]["data"] == {"text/plain": "99 of 100"}
    assert events[3]["number"] == 103
    assert events[4]["number"] == 104, "numbers go on where they stopped"
    assert running.started is not None
    manager.close(PATIENCE)
    again = hosts()
    assert again.get(running.id).to_json() == running.to_json()


def test_a_host_that_lives_keeps_its_jobs(hosts: Hosts) -> None:
    first = hosts()
    gate = Gate()
    job = first.submit(facts(), gate)
    gate.wait()
    second = hosts()
    assert second.all() == ()
    assert job.state is JobState.RUNNING
    gate.open.set()
    assert wait_for_end(job).state is JobState.SUCCEEDED
    first.close(PATIENCE)
    assert hosts().get(job.id).result == "done"


def test_two_hosts_that_start_together_settle_each_job_once(dead_host: tuple[str, str], hosts: Hosts) -> None:
    found = [{job.id for job in manager.all() if job.found} for manager in (hosts(), hosts())]
    assert found == [set(dead_host), set()]


DAMAGE: dict[str, bytes] = {
    "empty": b"",
    "garbage": b"\x00\xff\xfe garbage",
    "no JSON": b"{not json\n",
    "another schema": b'{"schema": 99, "host": "h", "facts": {}}\n',
    "no facts": b'{"schema": 1, "host": "h"}\n',
    "wrong types": b'{"schema": 1, "host": 7, "facts": []}\n',
    "a bomb": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_a_damaged_file_is_told_and_skipped(
    damage: str, hosts: Hosts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = hosts()
    job = wait_for_end(first.submit(facts(), lambda _: "fine"))
    first.close(PATIENCE)
    path = tmp_path / "jobs" / "0123456789abcdef.jsonl"
    path.write_bytes(DAMAGE[damage])
    with caplog.at_level(logging.WARNING):
        second = hosts()
    assert [found.id for found in second.all()] == [job.id]
    assert str(path) in caplog.text
    assert not path.exists()
    caplog.clear()
    hosts()
    assert caplog.text == "", "it is told once"


@pytest.mark.parametrize(
    "line",
    [
        b'{"number": 1, "type": "state", "state": "queued", "time": ""}',
        b'{"number": 50, "type": "state", "state": "dancing", "time": ""}',
        b'{"number": 50, "type": "event"}',
        b'{"number": 50}',
        b"[]",
        b"garbage",
    ],
)
def test_a_damaged_line_makes_a_damaged_file(
    line: bytes, dead_host: tuple[str, str], hosts: Hosts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "jobs" / f"{dead_host[0]}.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]))
    with caplog.at_level(logging.WARNING):
        manager = hosts()
    assert [job.id for job in manager.all()] == [dead_host[1]]
    assert str(path) in caplog.text


def test_a_line_that_was_half_written_is_left_out(dead_host: tuple[str, str], hosts: Hosts, tmp_path: Path) -> None:
    path = tmp_path / "jobs" / f"{dead_host[0]}.jsonl"
    path.write_bytes(path.read_bytes() + b'{"number": 104, "type": "dis')
    job = wait_for_end(hosts().get(dead_host[0]))
    assert job.state is JobState.ROLLED_BACK
    assert job.log.read().events[-2]["number"] == 104


def test_a_file_under_another_name_is_no_job(hosts: Hosts, tmp_path: Path) -> None:
    first = hosts()
    job = wait_for_end(first.submit(facts(), lambda _: None))
    first.close(PATIENCE)
    copy = tmp_path / "jobs" / "0000000000000000.jsonl"
    copy.write_bytes((tmp_path / "jobs" / f"{job.id}.jsonl").read_bytes())
    assert [found.id for found in hosts().all()] == [job.id]


def test_a_file_doesn_t_grow_with_what_was_replaced(hosts: Hosts, tmp_path: Path) -> None:
    manager = hosts()
    gate = Gate()

    def work(job: Job) -> str:
        for _ in range(3000):
            job.display("step", {"text/plain": "x" * 2000})
        return gate(job)

    job = manager.submit(facts(), work)
    gate.wait()
    path = tmp_path / "jobs" / f"{job.id}.jsonl"
    assert path.stat().st_size < 3_000_000
    gate.open.set()
    wait_for_end(job)
    manager.close(PATIENCE)
    assert path.stat().st_size < 10_000


def test_old_jobs_are_dropped_by_count_and_by_age(hosts: Hosts, tmp_path: Path) -> None:
    manager = hosts()
    jobs = [wait_for_end(manager.submit(facts(), lambda _: None)) for _ in range(10)]
    manager.close(PATIENCE)
    second = hosts(kept=4)
    assert [job.id for job in second.all()] == [job.id for job in reversed(jobs[-4:])]
    assert len(list((tmp_path / "jobs").glob("*.jsonl"))) == 4
    second.close(PATIENCE)
    oldest = tmp_path / "jobs" / f"{jobs[-4].id}.jsonl"
    month_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    lines = [json.loads(line) for line in oldest.read_text("utf-8").splitlines()]
    lines[-1]["time"] = month_ago
    oldest.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    assert len(hosts().all()) == 3
    assert not oldest.exists()


def test_thousands_that_wait_need_no_open_files(hosts: Hosts, tmp_path: Path) -> None:
    manager = hosts(queued=3000)
    gate = Gate()
    manager.submit(facts(), gate)
    gate.wait()
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2000):
        manager.submit(facts(), lambda _: None)
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 1
    assert len(list((tmp_path / "jobs").glob("*.jsonl"))) == 2001
    assert manager.close(PATIENCE) == ()


def test_jobs_run_where_they_can_t_be_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "jobs"
    in_the_way.write_text("a file", "utf-8")
    with caplog.at_level(logging.WARNING):
        manager = JobManager(store=JobStore(in_the_way), recovery=settle)
        assert wait_for_end(manager.submit(facts(), lambda _: "fine")).result == "fine"
        assert manager.close(PATIENCE) == ()
    assert caplog.text.count("jobs") >= 1
    assert len(caplog.records) == 1, "once is enough"


def test_a_host_leaves_nothing_but_its_jobs(hosts: Hosts, tmp_path: Path) -> None:
    manager = hosts()
    job = wait_for_end(manager.submit(facts(), lambda _: None))
    manager.close(PATIENCE)
    assert {path.name for path in (tmp_path / "jobs").iterdir()} <= {f"{job.id}.jsonl", "adopting"}


def test_other_users_read_no_jobs(hosts: Hosts, tmp_path: Path) -> None:
    hosts()
    assert (tmp_path / "jobs").stat().st_mode & 0o077 == 0


def test_a_line_that_was_half_written_as_the_disk_was_full_takes_none_with_it(hosts: Hosts, tmp_path: Path) -> None:
    first = hosts()
    gate = Gate()
    job = first.submit(facts(), gate)
    gate.wait()
    (path,) = tmp_path.rglob(f"{job.id}.jsonl")
    size = path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, limits[1]))  # as a full disk: some of it can be written
    try:
        job.display("a", {"text/plain": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert size < path.stat().st_size <= size + 40, "half a line"
    job.display("b", {"text/plain": "there is room again"})
    lines = path.read_bytes().splitlines()
    assert [json.loads(line).get("key") for line in lines[-2:]] == ["a", "b"]
    gate.open.set()

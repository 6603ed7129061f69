"""Who runs when, who waits, who is stopped."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from jupyter_pkgmgr.jobs import Job, JobManager, JobNotFoundError, JobState, TooManyJobsError
from jupyter_pkgmgr.model import Cancellation
from jupyter_pkgmgr.model.errors import CancelledError, PkgError

from .conftest import PATIENCE, Gate, facts, wait_for_end

Managers = Callable[..., JobManager]


def states(job: Job) -> list[str]:
    return [event["state"] for event in job.log.read().events if event["type"] == "state"]


def test_a_job_from_its_beginning_to_its_end(managers: Managers) -> None:
    job = wait_for_end(managers().submit(facts(user="me", face="panel"), lambda _: {"answer": 42}))
    assert states(job) == ["queued", "running", "succeeded"]
    shown = job.to_json()
    assert shown["result"] == {"answer": 42}
    assert shown["error"] is None
    assert shown["user"] == "me"
    assert shown["created"] <= shown["started"] <= shown["ended"]
    assert shown["last"] == job.log.last == 4


@pytest.mark.parametrize(
    ("error", "state", "reference"),
    [
        (PkgError("no", reference="no-way", hint="try"), "failed", "no-way"),
        (CancelledError("stopped; everything is as it was before"), "cancelled", "cancelled"),
        (ZeroDivisionError("oh"), "failed", "internal-error"),
    ],
)
def test_a_job_that_fails(error: Exception, state: str, reference: str, managers: Managers) -> None:
    def work(_: Job) -> None:
        raise error

    job = wait_for_end(managers().submit(facts(), work))
    assert states(job)[-1] == state
    assert job.error is not None
    assert job.error["reference"] == reference
    event = next(event for event in job.log.read().events if event["type"] == "error")
    assert event["error"]["text"].startswith(job.error["message"])
    assert "<div" in event["error"]["html"]


def test_jobs_of_one_environment_run_one_after_the_other(managers: Managers) -> None:
    manager = managers(changing=8)
    order: list[int] = []
    inside = threading.Semaphore(1)

    def work(number: int) -> Callable[[Job], None]:
        def run(_: Job) -> None:
            assert inside.acquire(blocking=False), "two at a time"
            order.append(number)
            inside.release()

        return run

    gate = Gate()
    first = manager.submit(facts(), gate)
    gate.wait()
    jobs = [manager.submit(facts(), work(number)) for number in range(20)]
    assert [manager.position(job) for job in jobs] == list(range(1, 21))
    assert manager.positions() == {job.id: place for place, job in enumerate(jobs, start=1)}
    gate.open.set()
    for job in (first, *jobs):
        assert wait_for_end(job).state is JobState.SUCCEEDED
    assert order == list(range(20))
    assert manager.position(first) == 0


def test_environments_are_changed_side_by_side_up_to_the_limit(managers: Managers) -> None:
    manager = managers(changing=3)
    gates = [Gate() for _ in range(5)]
    jobs = [manager.submit(facts(f"/env/{number}"), gate) for number, gate in enumerate(gates)]
    for gate in gates[:3]:
        gate.wait()
    assert [job.state for job in jobs] == [JobState.RUNNING] * 3 + [JobState.QUEUED] * 2
    gates[1].open.set()
    gates[3].wait()
    assert jobs[4].state is JobState.QUEUED
    for gate in gates:
        gate.open.set()
    for job in jobs:
        assert wait_for_end(job).state is JobState.SUCCEEDED


def test_environments_take_turns(managers: Managers) -> None:
    """Who has asked for a hundred changes doesn't keep somebody else with one waiting."""
    manager = managers(changing=1)
    order: list[str] = []
    gate = Gate()
    manager.submit(facts("/env/busy"), gate)
    gate.wait()
    busy = [manager.submit(facts("/env/busy"), lambda _: order.append("busy")) for _ in range(100)]
    other = manager.submit(facts("/env/other"), lambda _: order.append("other"))
    gate.open.set()
    for job in (*busy, other):
        wait_for_end(job)
    assert order.index("other") <= 1


def test_reading_waits_for_no_change(managers: Managers) -> None:
    manager = managers(changing=1, reading=2)
    gate = Gate()
    changing = manager.submit(facts(), gate)
    gate.wait()
    reading = manager.submit(facts(changes=False), lambda _: "read")
    assert wait_for_end(reading).result == "read"
    assert changing.state is JobState.RUNNING


def test_a_waiting_job_is_cancelled_at_once(managers: Managers) -> None:
    manager = managers()
    gate = Gate()
    manager.submit(facts(), gate)
    gate.wait()
    waiting = manager.submit(facts(), Gate())
    after = manager.submit(facts(), lambda _: "ran")
    assert manager.cancel(waiting.id).state is JobState.CANCELLED
    assert states(waiting) == ["queued", "cancelled"]
    assert waiting.started is None
    assert manager.position(after) == 1
    gate.open.set()
    assert wait_for_end(after).result == "ran"


def test_a_running_job_is_asked_and_waited_for(managers: Managers) -> None:
    manager = managers()
    gate = Gate()
    job = manager.submit(facts(), gate)
    gate.wait()
    manager.cancel(job.id)
    assert wait_for_end(job).state is JobState.CANCELLED
    manager.cancel(job.id)
    assert states(job) == ["queued", "running", "cancelled"]


def test_a_cancel_that_comes_too_late_changes_nothing(managers: Managers) -> None:
    manager = managers()
    job = wait_for_end(manager.submit(facts(), lambda _: "done"))
    assert manager.cancel(job.id).state is JobState.SUCCEEDED
    assert states(job) == ["queued", "running", "succeeded"]


def test_too_many_wait(managers: Managers) -> None:
    manager = managers(queued=3)
    gate = Gate()
    manager.submit(facts(), gate)
    gate.wait()
    waiting = [manager.submit(facts(), lambda _: None) for _ in range(3)]
    with pytest.raises(TooManyJobsError, match="3 jobs are waiting") as caught:
        manager.submit(facts(), lambda _: None)
    assert caught.value.reference == "too-many-jobs"
    assert caught.value.hint
    manager.cancel(waiting[0].id)
    manager.submit(facts(), lambda _: None)
    gate.open.set()


def test_thousands_of_jobs(managers: Managers) -> None:
    manager = managers(changing=4, queued=3000, kept=5000)
    lock = threading.Lock()
    order: dict[str, list[int]] = defaultdict(list)
    running: Counter[str] = Counter()
    most = 0

    def work(prefix: str, number: int) -> Callable[[Job], None]:
        def run(job: Job) -> None:
            nonlocal most
            with lock:
                running[prefix] += 1
                assert running[prefix] == 1
                most = max(most, running.total())
            job.display("step", {"text/plain": str(number)})
            with lock:
                order[prefix].append(number)
                running[prefix] -= 1

        return run

    gates = [Gate() for _ in range(4)]
    for number, gate in enumerate(gates):
        manager.submit(facts(f"/env/{number}"), gate)
        gate.wait()
    before = threading.active_count()
    jobs = [manager.submit(facts(f"/env/{number % 40}"), work(f"/env/{number % 40}", number)) for number in range(2000)]
    assert threading.active_count() <= before, "who waits needs no thread"
    assert max(manager.positions().values()) == 50
    assert len(manager.all()) == 2004
    for gate in gates:
        gate.open.set()
    for job in jobs:
        assert wait_for_end(job).state is JobState.SUCCEEDED
    assert most <= 4
    assert all(numbers == sorted(numbers) and len(numbers) == 50 for numbers in order.values())


def test_what_has_ended_is_forgotten_after_a_while(managers: Managers) -> None:
    manager = managers(kept=5)
    jobs = [wait_for_end(manager.submit(facts(), lambda _: None)) for _ in range(20)]
    gate = Gate()
    running = manager.submit(facts(), gate)
    gate.wait()  # the last job's thread has cleaned up by now: it started this one
    assert {job.id for job in manager.all()} == {running.id, *(job.id for job in jobs[-5:])}
    with pytest.raises(JobNotFoundError):
        manager.get(jobs[0].id)
    gate.open.set()


def test_logs_are_bounded_all_together(managers: Managers) -> None:
    manager = managers(kept_bytes=100_000)
    for _ in range(20):
        wait_for_end(manager.submit(facts(), lambda job: job.display("big", {"text/plain": "x" * 20_000})))
    gate = Gate()
    manager.submit(facts(), gate)
    gate.wait()
    assert sum(job.log.size for job in manager.all()) < 125_000
    gate.open.set()


def test_no_such_job(managers: Managers) -> None:
    with pytest.raises(JobNotFoundError):
        managers().get("0" * 16)
    with pytest.raises(JobNotFoundError):
        managers().cancel("../../etc/passwd")


def test_changes_of_state_are_told(managers: Managers) -> None:
    heard: list[tuple[str, str]] = []
    manager = managers(listeners=[lambda job: heard.append((job.id, job.state.value))])
    job = wait_for_end(manager.submit(facts(), lambda _: None))
    gate = Gate()
    manager.submit(facts(), gate)
    gate.wait()
    mine = [state for name, state in heard if name == job.id]
    assert list(dict.fromkeys(mine))[-1] == "succeeded"
    assert "running" in mine
    gate.open.set()


def test_a_listener_that_fails_harms_no_job(managers: Managers, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def fail(job: Job) -> None:
        if job.state.ended:
            done.set()
        raise OSError("the listener is broken")

    manager = managers(listeners=[fail])
    with caplog.at_level(logging.ERROR):
        job = wait_for_end(manager.submit(facts(), lambda _: "fine"))
        assert done.wait(PATIENCE)
    assert job.state is JobState.SUCCEEDED
    assert "the listener is broken" in caplog.text


def test_closing_stops_everything_and_waits(managers: Managers) -> None:
    manager = managers(changing=2)
    gates = [Gate(), Gate()]
    running = [manager.submit(facts(f"/env/{number}"), gate) for number, gate in enumerate(gates)]
    waiting = [manager.submit(facts(f"/env/{number % 3}"), Gate()) for number in range(300)]
    for gate in gates:
        gate.wait()
    assert manager.close(PATIENCE) == ()
    assert {job.state for job in (*running, *waiting)} == {JobState.CANCELLED}
    assert all(job.started is None for job in waiting)
    with pytest.raises(TooManyJobsError, match="shutting down"):
        manager.submit(facts(), lambda _: None)


def test_closing_waits_no_longer_than_told(managers: Managers) -> None:
    manager = managers()
    release = Cancellation()
    begun = threading.Event()

    def stubborn(_: Job) -> None:
        begun.set()
        release.wait(PATIENCE)

    job = manager.submit(facts(), stubborn)
    assert begun.wait(PATIENCE)
    assert manager.close(0.05) == (job,)
    release.cancel()
    wait_for_end(job)


def test_a_job_that_no_thread_can_be_had_for_fails_and_the_next_ones_run(
    managers: Callable[..., JobManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = managers()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)  # what a container's limit looks like
        refused = manager.submit(facts(), lambda _: "done")
    assert (refused.state, refused.error and refused.error["reference"]) == (JobState.FAILED, "no-thread")
    assert wait_for_end(manager.submit(facts(), lambda _: "done")).state is JobState.SUCCEEDED


def test_the_same_job_is_submitted_once(managers: Callable[..., JobManager]) -> None:
    manager, gate = managers(), Gate()
    wanted = facts()
    job = manager.submit(wanted, gate)
    assert manager.submit(wanted, gate) is job
    gate.wait().open.set()
    assert wait_for_end(job).state is JobState.SUCCEEDED
    assert manager.submit(wanted, gate) is job, "also when it has ended"

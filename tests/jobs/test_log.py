"""Logs that many read at their own pace."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from jupyter_pkgmgr.jobs import EventLog
from jupyter_pkgmgr.model import Event, EventKind, Phase


def numbers(log: EventLog, after: int = 0) -> list[int]:
    return [event["number"] for event in log.read(after).events]


def output(text: str) -> Event:
    return Event(kind=EventKind.OUTPUT, message=text)


def test_a_reader_goes_on_where_it_stopped() -> None:
    log = EventLog()
    log.add("state", state="queued")
    page = log.read(0)
    assert (page.next, page.first, numbers(log)) == (1, 1, [1])
    log.add_event(output("one"))
    log.add("state", state="running")
    assert numbers(log, page.next) == [2, 3]
    assert log.read(3) == log.read(3)
    assert log.read(3).events == ()
    assert log.read(99).next == 3


def test_only_the_newest_display_of_a_key_is_read() -> None:
    log = EventLog()
    log.add("display", key="plan", data={"text/plain": "plan"})
    for count in range(50):
        log.add("display", key="step-0", data={"text/plain": f"{count} of 50"})
    page = log.read(0)
    assert [event["key"] for event in page.events] == ["plan", "step-0"]
    assert page.events[1]["data"] == {"text/plain": "49 of 50"}
    assert page.first == 1, "nothing was lost: what was replaced is of no use to anybody"
    assert page.next == 51


def test_only_the_last_step_of_a_package_is_read() -> None:
    log = EventLog()
    for step in range(2):
        for done in range(10):
            log.add_event(Event(kind=EventKind.PACKAGE, step=step, package="a", done=done, phase=Phase.DOWNLOAD))
        log.add_event(Event(kind=EventKind.PACKAGE, step=step, package="b"))
    found = [event["event"] for event in log.read(0).events]
    assert [(event["step"], event["package"], event["done"]) for event in found] == [
        (0, "a", 9),
        (0, "b", None),
        (1, "a", 9),
        (1, "b", None),
    ]


def test_output_is_dropped_before_anything_else() -> None:
    log = EventLog(max_events=50)
    log.add("state", state="running")
    for number in range(10):
        log.add("display", key=f"message-{number}", data={})
    for number in range(500):
        log.add_event(output(f"line {number}"))
    log.add("result", result=None)
    log.add("state", state="succeeded")
    page = log.read(0)
    kinds = [event["type"] for event in page.events]
    assert kinds.count("display") == 10
    assert kinds.count("state") == 2
    assert kinds.count("result") == 1
    lines = [event["event"]["message"] for event in page.events if event["type"] == "event"]
    assert 0 < len(lines) <= 50
    assert lines == [f"line {number}" for number in range(500 - len(lines), 500)]
    assert page.first == next(event["number"] for event in page.events if event["type"] == "event")


def test_states_the_result_and_the_error_stay_whatever_comes() -> None:
    log = EventLog(max_events=10)
    for _ in range(30):
        log.add("state", state="running")
    log.add("error", error={"message": "no"})
    for number in range(100):
        log.add("display", key=str(number), data={})
    kept = [event["type"] for event in log.read(0).events]
    assert kept.count("state") == 30
    assert kept.count("error") == 1
    assert kept.count("display") == 1, "the newest event is there however full the log is"


def test_a_log_is_bounded_in_bytes() -> None:
    log = EventLog(max_bytes=10_000)
    for number in range(100):
        log.add("display", key=str(number), data={"text/plain": "x" * 1000})
    assert log.size <= 10_000
    log.add("display", key="huge", data={"text/plain": "x" * 50_000})
    assert [event["key"] for event in log.read(0).events] == ["huge"]


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"data": {"text/plain": "https://me:s3cret@host/simple"}}, "s3cret"),
        ({"data": {"text/html": "<b>http://host/t/s3cret/main</b>"}}, "s3cret"),
        ({"data": {"list": ["https://s3cret@host/x", {"deep": "https://host/?token=s3cret"}]}}, "s3cret"),
    ],
)
def test_no_credentials_get_into_a_log(fields: dict[str, Any], secret: str) -> None:
    log = EventLog()
    event = log.add("display", key="k", **fields)
    assert secret not in str(log.read(0))
    assert secret.encode() not in event.line


def test_who_waits_is_woken_by_the_next_event() -> None:
    log = EventLog()
    log.add("state", state="queued")
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(log.wait(1, 60)))
    waiting.start()
    log.add("state", state="running")
    waiting.join(60)
    assert woken == [True]


def test_who_waits_is_woken_by_the_end() -> None:
    log = EventLog()
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(log.wait(0, 60)))
    waiting.start()
    log.close()
    waiting.join(60)
    assert woken == [True]
    assert log.wait(99, 60), "nothing more can come"


def test_nothing_comes_in_time() -> None:
    assert not EventLog().wait(0, 0.01)
    assert not EventLog().wait(0, 0)


def test_listeners_hear_everything_in_order() -> None:
    log = EventLog()
    heard: list[int] = []
    stop = log.subscribe(lambda event: heard.append(event.number))

    def tell() -> None:
        for _ in range(50):
            log.add_event(output("x"))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == list(range(1, 201))
    stop()
    stop()
    log.add_event(output("y"))
    assert len(heard) == 200


@pytest.mark.parametrize(
    "documents",
    [
        [{"number": 2, "type": "state"}, {"number": 1, "type": "state"}],
        [{"number": 1, "type": "state"}, {"number": 1, "type": "state"}],
        [{"number": "1", "type": "state"}],
        [{"type": "state"}],
        [{"number": 1}],
    ],
)
def test_only_what_can_be_a_log_is_restored(documents: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="no event may follow"):
        EventLog().restore(documents, first=1)


def test_a_display_keeps_the_place_where_it_came_first() -> None:
    log = EventLog()
    for key in ("plan", "step-0", "step-1", "step-0"):
        log.add("display", key=key, data={})
    assert [(event["key"], event["number"], event["since"]) for event in log.read().events] == [
        ("plan", 1, 1),
        ("step-1", 3, 3),
        ("step-0", 4, 2),
    ]

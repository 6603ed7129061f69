"""Cancelling, from any thread, before and after."""

from __future__ import annotations

import threading

import pytest

from jupyter_pkgmgr.model import Cancellation
from jupyter_pkgmgr.model.errors import CancelledError


def test_callbacks_run_once() -> None:
    cancel, calls = Cancellation(), list[str]()
    cancel.on_cancel(lambda: calls.append("a"))
    forget = cancel.on_cancel(lambda: calls.append("b"))
    forget()
    forget()
    cancel.check()
    cancel.cancel()
    cancel.cancel()
    assert calls == ["a"]
    assert cancel.requested
    with pytest.raises(CancelledError):
        cancel.check()


def test_too_late_means_at_once() -> None:
    cancel, calls = Cancellation(), list[str]()
    cancel.cancel()
    cancel.on_cancel(lambda: calls.append("late"))()
    assert calls == ["late"]


def test_callback_may_use_the_cancellation() -> None:
    cancel = Cancellation()
    seen: list[bool] = []

    def again() -> None:
        cancel.on_cancel(lambda: seen.append(cancel.requested))

    cancel.on_cancel(again)
    cancel.cancel()
    assert seen == [True]


@pytest.mark.parametrize("_round", range(50))
def test_every_callback_runs_once_whatever_the_threads_do(_round: int) -> None:
    cancel, calls = Cancellation(), list[int]()

    def add(number: int) -> None:
        cancel.on_cancel(lambda: calls.append(number))

    adders = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    stopper = threading.Thread(target=cancel.cancel)
    for thread in (*adders[:4], stopper, *adders[4:]):
        thread.start()
    for thread in (*adders, stopper):
        thread.join()
    assert sorted(calls) == list(range(8))


def test_wait_ends_early() -> None:
    cancel = Cancellation()
    assert not cancel.wait(0.01)
    threading.Timer(0.05, cancel.cancel).start()
    assert cancel.wait(3600)

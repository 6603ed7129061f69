"""A few kills in every run of the tests; ``python -m tests.faults --kills 200`` for more, and for the figures."""

from __future__ import annotations

import os

import pytest

from .scenes import EXECUTABLES, OURS
from .trees import Entry
from .trials import Reference, Trials, state_of

KILLS = int(os.environ.get("FAULTS_KILLS", "12"))
"""How many transactions to kill here."""
SEED = int(os.environ.get("FAULTS_SEED", "1"))
"""Another one kills others."""


@pytest.mark.timeout(300 + 60 * KILLS)
@pytest.mark.parametrize("tool", OURS)
def test_a_killed_transaction_leaves_the_state_before_or_after(tool: str, trials: Trials) -> None:
    """One test for each tool: what its transaction does uninterrupted is measured once."""
    for number in range(list(OURS).index(tool), KILLS, len(OURS)):
        result = trials.run(tool, SEED * 10_000 + number)
        assert not result.failures, f"python -m tests.faults --replay {tool} {result.seed}\n{result}"
        assert result.state in {"before", "after"}


@pytest.mark.parametrize(
    "tool", [pytest.param(name, marks=pytest.mark.executable(name), id=name) for name in EXECUTABLES]
)
def test_over_the_executables_as_well(tool: str, trials: Trials) -> None:
    for number in range(KILLS // 4):
        result = trials.run(tool, SEED * 10_000 + number)
        assert not result.failures, f"python -m tests.faults --replay {tool} {result.seed}\n{result}"


def test_a_bare_tool_is_killed_the_same_way(trials: Trials) -> None:
    """Which state it leaves is a matter of luck; the trial itself has nothing to complain of."""
    result = trials.run("bare uv", SEED)
    assert result.state in {"before", "after", "neither"}
    assert not result.failures


def test_a_state_that_is_neither_is_seen() -> None:
    before = {"a": Entry("f", 0o644, "1", "1"), "b": Entry("f", 0o644, "2", "2")}
    after = {"a": Entry("f", 0o644, "3", "3"), "b": Entry("f", 0o644, "4", "4")}
    reference = Reference(before=before, after=after, seconds=1.0, events=(), writes=0, window=(0.0, 1.0))
    assert state_of(before, reference) == "before"
    assert state_of(after, reference) == "after"
    assert state_of({**before, "b": after["b"]}, reference) == "neither"

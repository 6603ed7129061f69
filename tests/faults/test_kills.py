"""A few kills in every run of the tests; ``python -m tests.faults --kills 200`` for more, and for the figures."""

from __future__ import annotations

import os

import pytest

from .scenes import OURS
from .trials import Trials

KILLS = int(os.environ.get("FAULTS_KILLS", "12"))
"""How many transactions to kill here."""
SEED = int(os.environ.get("FAULTS_SEED", "1"))
"""Another one kills others."""


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_transaction_leaves_the_state_before_or_after(number: int, trials: Trials) -> None:
    tool = list(OURS)[number % len(OURS)]
    result = trials.run(tool, SEED * 10_000 + number)
    assert not result.failures, f"python -m tests.faults --replay {tool} {result.seed}\n{result}"
    assert result.state in {"before", "after"}


def test_the_harness_sees_what_a_bare_tool_leaves(trials: Trials) -> None:
    """Not all of it is whole: else the trials above would show nothing."""
    states = {trials.run("bare pip", seed).state for seed in range(10_003, 10_008)}
    assert "neither" in states

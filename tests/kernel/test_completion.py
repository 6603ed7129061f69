from __future__ import annotations

import pytest

from jupyter_pkgmgr.kernel.completion import VERBS, complete


@pytest.mark.parametrize(
    ("line", "symbol", "expected"),
    [
        ("%pkg ", "", list(VERBS)),
        ("%pkg in", "in", ["install"]),
        ("%pkg nothing", "nothing", []),
        ("%pkg install pan", "pan", []),
        ("%pkg install ", "", []),
        ("%pkg install --d", "--d", ["--dry-run"]),
        ("%pkg install x -", "-", complete("%pkg install --", "--")),
    ],
)
def test_what_a_word_can_become(line: str, symbol: str, expected: list[str]) -> None:
    assert complete(line, symbol) == expected

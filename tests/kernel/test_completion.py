from __future__ import annotations

import pytest

from jupyter_pkgmgr.commands.parse import VERBS as KNOWN_VERBS
from jupyter_pkgmgr.commands.parse import build_parser
from jupyter_pkgmgr.kernel.completion import OPTIONS, VERBS, complete


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


def test_it_offers_what_the_service_understands() -> None:
    assert list(VERBS) == sorted(KNOWN_VERBS)
    known = build_parser("install").format_help()
    assert [option for option in OPTIONS if option not in known] == []

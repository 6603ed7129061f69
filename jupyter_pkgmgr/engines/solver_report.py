"""The report of rattler's solver in few words: who needs what.

The solver (``resolvo``, in the embedded engine and in ``conda-rattler-solver``) draws a tree: a package, what it
``would require``, and for each candidate why it can't be had. Most of it says over and over that there are no
viable options; what a person can act upon is which package needs what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["essence"]

_LINE = re.compile(r"(?P<tree>[ │├└─]*)(?P<text>.*)")
_COLUMNS = 3
_REQUIRES = " would require"
_KNOWN = ("conflicts with the versions reported above", "there are no viable options", "can be installed with any of")


def essence(report: str) -> tuple[str, ...]:
    """``tb-beta 1.0 needs tb-alpha <2``, a line for each need, and what the tree's leaves say besides."""
    return tuple(dict.fromkeys(_facts(report)))


def _facts(report: str) -> Iterator[str]:
    lines = [_LINE.fullmatch(line) for line in report.splitlines()]
    nodes = [(len(match["tree"]) // _COLUMNS, match["text"].strip()) for match in lines if match and match["tree"]]
    above: dict[int, str] = {}
    for (depth, text), (next_depth, _) in pairwise([*nodes, (0, "")]):
        above[depth] = text
        parent = above.get(depth - 1, "")
        if parent.endswith(_REQUIRES):
            yield f"{parent.removesuffix(_REQUIRES)} needs {text.partition(', which')[0].rstrip('.')}"
        elif next_depth <= depth and not any(said in text for said in _KNOWN):
            yield text.rstrip(".")

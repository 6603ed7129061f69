"""Completion after ``%pkg``: verbs first, then option names. What a package is called is not guessed."""

from __future__ import annotations

__all__ = ["complete"]

VERBS = (
    "doctor",
    "env",
    "export",
    "help",
    "history",
    "install",
    "list",
    "panel",
    "plan",
    "remove",
    "search",
    "show",
    "sync",
    "undo",
    "update",
    "why",
)
OPTIONS = (
    "--conda",
    "--dry-run",
    "--force",
    "--no-deps",
    "--pip",
    "--pre",
    "--quiet",
    "--requirement",
    "--upgrade",
    "--verbose",
    "--yes",
)


def complete(line: str, symbol: str) -> list[str]:
    """What the word ``symbol``, the last one of ``line``, can become."""
    before = line[: len(line) - len(symbol)].split()
    words = VERBS if len(before) <= 1 else OPTIONS if symbol.startswith("-") else ()
    return [word for word in words if word.startswith(symbol)]

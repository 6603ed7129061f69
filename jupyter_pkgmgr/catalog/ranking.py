"""Which names match what was typed into a search, best first."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase

__all__ = ["is_glob", "matching"]


def is_glob(query: str) -> bool:
    """Whether the query has wildcards."""
    return "*" in query or "?" in query


def matching(query: str, names: Iterable[str], *, limit: int, favourites: AbstractSet[str] = frozenset()) -> list[str]:
    """Names that match, best first: the very name, then names that begin with it, then words in them, then the rest.

    Among equals, ``favourites`` come first, then shorter names.

    A query of several words matches names that hold all of them; one with ``*`` or ``?`` matches as a shell would.
    """
    query = query.strip().lower()
    if is_glob(query):
        places = {name: 0 for name in names if fnmatchcase(name.lower(), query)}
    else:
        words = query.replace("_", "-").split()
        places = {name: place for name in names if words and (place := _place(words, name)) is not None}
    return sorted(places, key=lambda name: (places[name], name not in favourites, len(name), name))[:limit]


def _place(words: list[str], name: str) -> int | None:
    lowered = name.lower().replace("_", "-")
    if words[0] not in lowered or not all(word in lowered for word in words):
        return None
    joined = "-".join(words)
    if lowered == joined:
        return 0
    if lowered.startswith(joined):
        return 1
    if any(part.startswith(words[0]) for part in lowered.replace(".", "-").split("-")):
        return 2
    return 3

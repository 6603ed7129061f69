"""Which of many names a typed one may be a slip of."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher
from string import ascii_lowercase, digits

__all__ = ["nearest"]

_ALPHABET = ascii_lowercase + digits + "-_."
_LENGTH_DIFFERENCE = 2
_CUTOFF = 0.75
_FAVOURITE = 0.1
"""How much likelier a name that everybody types is to be meant, on the scale of the likeness."""


def nearest(
    typed: str, names: AbstractSet[str], *, favourites: AbstractSet[str] = frozenset(), limit: int = 3
) -> tuple[str, ...]:
    """Find names like ``typed``, most likely first.

    Names one slip away (a letter too many, missing, wrong, or two swapped) are looked up directly. The rest
    is compared only where first letter and length are about right: whoever mistypes a name twice rarely does
    so in its first letter, and comparing tens of thousands of names would take seconds.
    """
    slips = {slip for slip in one_slip(typed) if slip in names and slip != typed}
    close = {
        name
        for name in names
        if name[:1] == typed[:1] and abs(len(name) - len(typed)) <= _LENGTH_DIFFERENCE and name != typed
    }
    matcher = SequenceMatcher(None, "", typed, autojunk=False)
    found = [(_likeness(matcher, name, favourites), name) for name in slips | close]
    likely = [(score, name) for score, name in found if score >= _CUTOFF or name in slips]
    return tuple(name for _, name in sorted(likely, key=lambda item: (-item[0], item[1]))[:limit])


def _likeness(matcher: SequenceMatcher[str], name: str, favourites: AbstractSet[str]) -> float:
    matcher.set_seq1(name)
    if matcher.quick_ratio() < _CUTOFF - _FAVOURITE:
        return 0.0
    return matcher.ratio() + (_FAVOURITE if name in favourites else 0.0)


def one_slip(text: str) -> Iterator[str]:
    """Every string one slip of the finger away from ``text``."""
    for place in range(len(text) + 1):
        head, tail = text[:place], text[place:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _ALPHABET:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]

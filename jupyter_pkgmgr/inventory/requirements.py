"""Read ``Requires-Dist`` lines quickly: most questions concern a few of the hundreds that an environment has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

__all__ = ["applies", "needed", "parse_requirement", "required_name"]

_OF_AN_EXTRA = re.compile(r""";.*\bextra\s*==\s*["'][^"']""")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@lru_cache(maxsize=50_000)
def parse_requirement(line: str) -> Requirement | None:
    """Parse one line (PEP 508); ``None`` if it is no requirement. Don't change what it returns: it is kept."""
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def required_name(line: str) -> str:
    """The canonical name that a line is about, without parsing the rest; empty if there is none."""
    match = _NAME.match(line)
    return canonicalize_name(match[1]) if match else ""


def applies(requirement: Requirement, markers: Mapping[str, str], extras: Sequence[str] = ()) -> bool:
    """Whether a requirement's marker holds, for the package itself or for one of the extras."""
    if requirement.marker is None:
        return True
    try:
        return any(requirement.marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras))
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return True  # a marker nobody can evaluate can't excuse a missing dependency


def needed(
    lines: Iterable[str],
    markers: Mapping[str, str],
    *,
    extras: Sequence[str] = (),
    about: AbstractSet[str] | None = None,
) -> Iterator[Requirement]:
    """The requirements among some lines whose markers hold, in their order.

    Lines that can't be read are left out: the inventory reports them as a problem of their package.

    Parameters
    ----------
    about
        Canonical names; lines about others aren't even parsed.
    """
    for line in lines:
        if about is not None and required_name(line) not in about:
            continue
        if not extras and " or " not in line and _OF_AN_EXTRA.search(line):  # without parsing: most lines are such
            continue
        requirement = parse_requirement(line)
        if requirement is not None and applies(requirement, markers, extras):
            yield requirement

"""The fast path: a request for what is installed already is answered without a process.

It answers only what it is sure of, and leaves everything else to the service: names and simple versions, no
option but ``-q`` and ``-y``, and packages that are in this environment's own site-packages (not in the user's,
not on ``PYTHONPATH``), which in a conda environment means that conda has a record of that very name.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from importlib.metadata import Distribution

__all__ = ["answer"]

NAMED = 15
"""So many packages are named."""
_SPEC = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)((?:(?:==|!=|>=|<=|>|<)\d+(?:\.\d+)*(?:,(?!$)|$))*)")
_CLAUSE = re.compile(r"(==|!=|>=|<=|>|<)([\d.]+)")
_QUIET = {"-q", "--quiet"}
_HARMLESS = _QUIET | {"-y", "--yes"}


def answer(line: str, cell: str | None = None) -> list[str] | None:
    """The lines to print if all that is asked for is there already; None to ask the service."""
    words = _words(line, cell)
    if words is None:
        return None
    specs = [word for word in words if word not in _HARMLESS]
    if not specs:
        return None
    found = []
    for spec in specs:
        package = _installed(spec)
        if package is None:
            return None
        found.append(package)
    if _QUIET & set(words):
        return []
    return [_sentence(list(dict(found).items()))]


def _sentence(packages: list[tuple[str, str]]) -> str:
    """The words of the service for the same answer."""
    names = [f"{name} {version}" for name, version in packages]
    if len(names) == 1:
        return f"{names[0]} is already installed"
    more = " …" if len(names) > NAMED else ""
    return f"{len(names)} packages are already installed: {', '.join(names[:NAMED])}{more}"


def _words(line: str, cell: str | None) -> list[str] | None:
    """What follows ``install``: of the line, and of a cell with one spec a line."""
    try:
        words = _without_comment(shlex.split(line))
        rest = [_without_comment(shlex.split(text)) for text in (cell or "").splitlines()]
    except ValueError:  # an open quote
        return None
    if cell is not None and not words:
        words = ["install"]
    specs = [word for part in rest for word in part]
    if words[:1] != ["install"] or any(len(part) > 1 for part in rest) or any(word.startswith("-") for word in specs):
        return None
    return words[1:] + specs


def _without_comment(words: list[str]) -> list[str]:
    start = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:start]


def _installed(spec: str) -> tuple[str, str] | None:
    """Name and version of the installed distribution that satisfies ``spec``, if that is certain."""
    parts = _SPEC.fullmatch(spec)
    if parts is None:
        return None
    distributions = list(Distribution.discover(name=parts[1]))
    if not distributions:
        return None
    folder = _folder(distributions[0])
    if folder not in _own_folders() or any(_folder(other) == folder for other in distributions[1:]):
        return None
    metadata = distributions[0].metadata
    name, version = metadata["Name"], metadata["Version"]
    if not name or not version or _normalized(name) != _normalized(parts[1]):
        return None
    certain = _satisfies(version, parts[2]) and _conda_agrees(parts[1], version)
    whole = certain and all(map(_is_there, metadata.get_all("Requires-Dist") or ()))
    return (name, version) if whole else None


def _is_there(requirement: str) -> bool:
    """Whether what an unconditional requirement names is there in some version; markers are the service's to judge."""
    name = re.match(r"\s*([\w.-]+)", requirement)
    return ";" in requirement or name is None or any(Distribution.discover(name=name[1]))


def _folder(distribution: Distribution) -> str:
    return os.path.realpath(str(distribution.locate_file("")))


def _own_folders() -> set[str]:
    return {os.path.realpath(sysconfig.get_path(key)) for key in ("purelib", "platlib")}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _satisfies(version: str, specifier: str) -> bool:
    """Whether a final release satisfies clauses of final releases; for any other version, only an empty specifier.

    The comparison of release segments is that of PEP 440: zeros at the end don't count.
    """
    if not specifier:
        return True
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        return False
    have = _release(version)
    for operator, wanted in _CLAUSE.findall(specifier):
        want = _release(wanted)
        holds = {
            "==": have == want,
            "!=": have != want,
            ">=": have >= want,
            "<=": have <= want,
            ">": have > want,
            "<": have < want,
        }
        if not holds[operator]:
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _conda_agrees(name: str, version: str) -> bool:
    """Whether the name means this package: outside conda, always.

    In a conda environment a name means the conda package first (``graphviz`` is not ``python-graphviz``), so conda
    itself must have a record of that name and version.
    """
    folder = os.path.join(sys.prefix, "conda-meta")
    try:
        records = os.listdir(folder)
    except OSError:
        return True
    return any(record.startswith(f"{name.lower()}-{version}-") and record.endswith(".json") for record in records)

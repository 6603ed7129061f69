"""conda's history file: its revisions, and what the user asked for.

The format is that of conda's ``conda-meta/history``, which mamba, micromamba and the embedded engine write too.
A revision begins with ``==> DATE <==``, comments (``# cmd:``, ``# conda version:``, ``# update specs:``,
``# remove specs:``, ``# neutered specs:``) and lines ``+dist`` and ``-dist`` follow in any order. Differences:
conda writes the lists of specs as Python literals, the mamba family with double quotes and escapes, conda before
4.5 without brackets; the mamba family names a package in both lists when it is updated, and gives dists with
the channel's whole URL. The rules that decide what counts as requested are those of ``conda.history.History``.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["History", "Revision", "read_history", "spec_name"]

_HEAD = re.compile(r"==>\s*(.+?)\s*<==")
_COMMAND = re.compile(r"#\s*cmd:\s*(.+)")
_VERSION = re.compile(r"#\s*conda version:\s*(.+)")
_SPECS = re.compile(r"#\s*(\w+)\s*specs:\s*(.*)")
_OPERATOR = re.compile(r"\s*[=<>!~]")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NAME_IN_BRACKETS = re.compile(r"\bname=[\"']?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_UPDATING = frozenset({"update", "install", "create"})
_REMOVING = frozenset({"remove", "uninstall"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One entry of the history; its number is what ``conda install --revision`` takes."""

    number: int
    date: str
    command: str = ""
    """What was run, as its tool wrote it; it can hold credentials, so redact it before it leaves the process."""
    version: str = ""
    """What the tool wrote as ``conda version`` (mamba and micromamba write a fixed 3.8.0)."""
    lines: tuple[str, ...] = ()
    """``+dist`` and ``-dist``, or bare dists where the entry is a whole state, in the file's order."""
    update_specs: tuple[str, ...] = ()
    remove_specs: tuple[str, ...] = ()
    neutered_specs: tuple[str, ...] = ()

    @property
    def is_difference(self) -> bool:
        """Whether the lines say what changed; otherwise they are the whole state."""
        return any(line.startswith(("+", "-")) for line in self.lines)

    @property
    def linked(self) -> tuple[str, ...]:
        """Dists that this revision brought."""
        return tuple(line[1:] for line in self.lines if line.startswith("+"))

    @property
    def unlinked(self) -> tuple[str, ...]:
        """Dists that this revision took away."""
        return tuple(line[1:] for line in self.lines if line.startswith("-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The revisions of one environment, oldest first."""

    revisions: tuple[Revision, ...] = ()
    problem: str = ""
    """Why the file, or a line of it, could not be read; empty if all is well."""

    def commands(self) -> Iterator[tuple[str, ...]]:
        """What was run, in words, as far as it was written down.

        One after the other: to split them costs more than to read the file, and mostly the first one is wanted.
        """
        return (tuple(_words(revision.command)) for revision in self.revisions if revision.command)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channel of every dist that came, in order, as written: a name, or a URL without its subdir."""
        places = (dist.split("::", 1)[0] for item in self.revisions for dist in item.linked if "::" in dist)
        return tuple(place.rpartition("/")[0] or place for place in places)

    def requested_specs(self, installed: Container[str] | None = None) -> dict[str, str]:
        """What the user asked for and didn't take back, by package name.

        As conda does it: a revision without a command doesn't count, within one the removed specs go first, and
        neutered specs (conda weakened the user's own to be able to solve) take the place of those they weaken.

        Parameters
        ----------
        installed
            Names of the installed packages; conda leaves out what isn't among them.
        """
        specs: dict[str, str] = {}
        for revision in self.revisions:
            if not revision.command:
                continue
            for spec in revision.remove_specs:
                specs.pop(spec_name(spec), None)
            for spec in (*revision.update_specs, *revision.neutered_specs):
                if name := spec_name(spec):
                    specs[name] = spec
        return {name: spec for name, spec in specs.items() if installed is None or name in installed}

    def state(self, number: int = -1) -> frozenset[str]:
        """The dists that were installed after a revision, as the history tells it; the last by default.

        Raises
        ------
        IndexError
            If there is no such revision (an empty history has an empty last state).
        """
        if not self.revisions and number == -1:
            return frozenset()
        current: set[str] = set()
        for revision in self.revisions[: self.revisions[number].number + 1]:
            if not revision.is_difference:
                # conda takes an entry without lines (nothing changed) for a difference as well
                current = set(revision.lines) or current
                continue
            current.difference_update(revision.unlinked)
            current.update(revision.linked)
        return frozenset(current)


def read_history(path: Path) -> History:
    """Read a ``conda-meta/history``. Never raises: a file that isn't there is an empty history."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return History()
    except OSError as error:
        return History(problem=f"{path} can't be read: {error.strerror}")
    return _parse(text)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, posix="\\" not in command)
    except ValueError:  # an apostrophe in a path: conda doesn't quote
        return command.split()


def spec_name(spec: str) -> str:
    """The package a MatchSpec names, in lower case; empty where it names none (``*[md5=…]``).

    Covers conda's own spellings ``name``, ``name=1.2``, ``channel/subdir::name==1.2=build`` and
    ``name[version='>=1']``, of which a channel may be a URL.
    """
    outside, _, inside = spec.partition("[")
    match = _NAME.match(outside.rpartition("::")[2].strip())
    match = match or _NAME_IN_BRACKETS.search(inside)
    return match[match.lastindex or 0].lower() if match else ""


def _parse(text: str) -> History:
    revisions: list[Revision] = []
    problems: list[str] = []
    entry: dict[str, str | tuple[str, ...]] = {}
    lines: list[str] = []

    def finish() -> None:
        if entry:
            revisions.append(Revision(number=len(revisions), lines=tuple(lines), **entry))  # type: ignore[arg-type]  # the keys are the fields'
        entry.clear()
        lines.clear()

    for line in map(str.strip, text.splitlines()):
        if match := _HEAD.match(line):
            finish()
            entry["date"] = match[1]
        elif not entry or not line:
            continue  # conda ignores what stands before the first revision
        elif line.startswith("#"):
            problems += _read_comment(line, entry)
        else:
            lines.append(line)
    finish()
    return History(revisions=tuple(revisions), problem="; ".join(problems))


def _read_comment(line: str, entry: dict[str, str | tuple[str, ...]]) -> list[str]:
    """Put what one comment says into the entry; returns what was wrong with it."""
    if match := _COMMAND.match(line):
        entry["command"] = match[1]
    elif match := _VERSION.match(line):
        entry["version"] = match[1]
    elif match := _SPECS.match(line):
        specs, problem = _parse_specs(match[2])
        kind = match[1]
        field = "update" if kind in _UPDATING else "remove" if kind in _REMOVING else kind
        if specs and field in ("update", "remove", "neutered"):
            entry[f"{field}_specs"] = specs
        return [problem] if problem else []
    return []


def _parse_specs(text: str) -> tuple[tuple[str, ...], str]:
    """Read a list of specs in one of the three notations; the second value says what was wrong."""
    text = text.strip()
    if not text.startswith("["):
        specs = _split_old(text)
    else:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return (), f"unreadable list of specs in the history: {text[:80]}"
        specs = [spec for spec in value if isinstance(spec, str)] if isinstance(value, list) else []
    # a spec that ends in "@" is a feature, which conda no longer has
    return tuple(spec.strip() for spec in specs if spec.strip() and not spec.endswith("@")), ""


def _split_old(text: str) -> list[str]:
    """Split the notation of conda before 4.5, where the comma also joins the parts of one version constraint."""
    specs: list[str] = []
    for part in text.split(",") if "[" not in text else [text]:
        if specs and _OPERATOR.match(part):
            specs[-1] += f",{part}"
        else:
            specs.append(part)
    return specs

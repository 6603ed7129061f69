"""Split a line into words, and take the wrapping off pasted commands."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence

from jupyter_pkgmgr.model.errors import UsageError

__all__ = ["as_verb", "join_constraints", "split_line", "unwrap"]

_OPERATOR = re.compile(r"(?:===|==|~=|!=|<=|>=|<|>|=)")


def split_line(line: str) -> list[str]:
    """Split a line the way a shell does for words and quotes, and for nothing else.

    ``x>=1`` is a version, never a redirection; ``;``, ``&``, ``$`` and backquotes are letters. A word that
    begins with ``#`` begins a comment.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if sys.platform == "win32":
        lexer.escape = ""  # a backslash belongs to a path there
    try:
        words = list(lexer)
    except ValueError as error:
        if line.rstrip().endswith("\\"):
            raise UsageError("the line ends with a backslash, and nothing follows") from error
        raise UsageError("a quotation mark is never closed", hint='%pkg install "pandas>=2"') from error
    comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def join_constraints(words: Sequence[str]) -> list[str]:
    """Put ``x >= 1``, ``x >=1`` and ``x @ URL`` back together: nobody who types that means three packages."""
    joined: list[str] = []
    for word in words:
        if joined and not joined[-1].startswith("-") and _continues(joined[-1], word):
            joined[-1] += f" {word}" if "@" in (word, joined[-1][-1:]) else word
        else:
            joined.append(word)
    return joined


def _continues(before: str, word: str) -> bool:
    if "://" in before:
        return False  # an option's value: a signed URL may end in "="
    if _OPERATOR.match(word):
        return True
    if word == "@" or before.endswith(" @"):
        return True
    return bool(_OPERATOR.search(before)) and before.endswith((",", "=", "<", ">"))


_RUNNERS = {"pip", "pip3", "conda", "mamba", "micromamba", "uv"}


def unwrap(words: Sequence[str]) -> list[str]:
    """Take the tool's name off a pasted command: ``!pip install x``, ``python -m pip install x``, ``uv add x``.

    Which tool was pasted says nothing about where the package should come from: that is decided afresh.
    """
    rest = list(words)
    if rest and rest[0].startswith(("!", "%", "$")):
        rest[0] = rest[0].lstrip("!%$")
        rest = rest if rest[0] else rest[1:]
    if rest and rest[0] == "sudo":
        rest = rest[1:]
    if rest[1:3] in (["-m", "pip"], ["-m", "uv"]):  # whatever the interpreter is: {sys.executable} -m pip
        rest = rest[2:]
    if len(rest) > 1 and rest[0] == "uv" and rest[1] == "pip":
        rest = rest[1:]
    if rest and (rest[0] in _RUNNERS or re.fullmatch(r"pip3\.\d+", rest[0])):
        rest = rest[1:]
    return rest


_NAMED_OTHERWISE = (
    (("freeze",), ("export", "--all")),
    (("env", "export"), ("export",)),
    (("list", "--explicit"), ("export", "--explicit")),
)
"""How pip and conda call what is an export here."""


def as_verb(words: Sequence[str]) -> list[str]:
    """The words with a verb of ours where another tool has two for it, or another one.

    ``conda env update --prune`` is a sync; without ``--prune`` it is an install, ``-f`` being ``-r`` there.
    """
    for theirs, ours in _NAMED_OTHERWISE:
        if tuple(words[: len(theirs)]) == theirs:
            return [*ours, *words[len(theirs) :]]
    if tuple(words[:2]) == ("env", "update"):
        rest = ["-r" if word == "-f" else word for word in words[2:] if word != "--prune"]
        return ["sync" if "--prune" in words else "install", *rest]
    return list(words)

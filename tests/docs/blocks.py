"""The fenced blocks of a page: what is typed, what it shows, and why it isn't run where it isn't."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "differs", "read_blocks"]

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\s`]*)[^`]*$")
_MARK = re.compile(r"^ *<!-- not run: (?P<reason>.+) -->\s*$")
_VARYING = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"), "DATE"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|min)\b"), "TIME"),
    (re.compile(r"\b(Python|uv|rattler) \d+(?:\.\d+)+(?:[a-z]+\d*)?"), r"\1 VERSION"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "PyPI"),
    (re.compile(r"\(process \d+\)"), "(process NUMBER)"),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs from one run to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What stands between two fences."""

    page: Path
    line: int
    language: str
    text: str
    skipped: str = ""
    """Why it isn't run."""
    shows: str | None = None
    """What the page says that it shows: the ``text`` block that follows."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """The blocks of a page in order; a ``text`` block that follows another one is what that shows."""
    blocks: list[Block] = []
    reason, follows = "", False
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if mark := _MARK.match(line):
            reason = mark["reason"]
        elif fence := _FENCE.match(line):
            content = []
            for _, inside in lines:
                if inside.strip() == fence["ticks"]:
                    break
                content.append(inside.removeprefix(fence["indent"]))
            block = Block(page=page, line=number, language=fence["language"], text="\n".join(content), skipped=reason)
            if fence["language"] == "text" and follows and not reason:
                blocks[-1] = _shown(blocks[-1], block.text)
            else:
                blocks.append(block)
            reason, follows = "", fence["language"] != "text"
        elif line.strip():
            follows = False
    return blocks


def _shown(block: Block, text: str) -> Block:
    return Block(
        page=block.page, line=block.line, language=block.language, text=block.text, skipped=block.skipped, shows=text
    )


def differs(expected: str, actual: str) -> bool:
    """Whether a page shows something else than what came; ``…`` stands for anything, alone on a line for lines."""
    pattern = ""
    for line in _plain(expected):
        if line == "…":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _plain(actual))) is None


def _plain(text: str) -> list[str]:
    for varying, instead in _VARYING:
        text = varying.sub(instead, text)
    return [line.strip() for line in text.splitlines() if line.strip()]

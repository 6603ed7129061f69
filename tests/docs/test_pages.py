"""What the pages say is done, and shows what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.commands.parse import ALIASES, VERBS, parse_arguments
from testbed.environments import kernelspec, make_venv
from tests.docs.blocks import ROOT, read_blocks
from tests.docs.conftest import Reader
from tests.server.live import TOKEN

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_tutorial(reader: Reader) -> None:
    blocks = read_blocks(ROOT / "docs" / "tutorial.md")
    reader.server.start()
    assert reader.follow(blocks, "playground") == [block for block in blocks if not block.skipped]
    reader.server.stop()
    assert list(reader.folder.iterdir()) == []


def test_the_rest_example(reader: Reader) -> None:
    blocks = [block for block in read_blocks(ROOT / "docs" / "reference" / "rest.md") if "{" not in block.language]
    kernelspec(reader.server.root / "data", "playground", make_venv(reader.folder / "playground"))
    reader.server.start()
    reader.variables |= {"JUPYTER_URL": f"http://127.0.0.1:{reader.server.port}", "JUPYTER_TOKEN": TOKEN}
    assert reader.follow(blocks) == blocks
    reader.server.stop()


def test_the_readme(reader: Reader, conda_kernel: str) -> None:
    blocks = read_blocks(ROOT / "README.md")
    reader.server.start()
    assert reader.follow(blocks, conda_kernel) == [block for block in blocks if not block.skipped]
    reader.server.stop()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_that_are_not_run_say_why(page: Path) -> None:
    for block in read_blocks(page):
        if block.skipped:
            assert len(block.skipped.split()) > 3, f"{block}: {block.skipped}"
            ci = re.search(r"CI runs it: (make \w+)", block.skipped)
            assert ci is None or ci[1] in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path) -> None:
    """Whatever a page names as a command, in a block or in a line, is understood."""
    text = page.read_text(encoding="utf-8")
    lines = [line.strip() for block in read_blocks(page) for line in block.text.splitlines()]
    said = {*lines, *re.findall(r"`((?:%pkg|jupyter pkg)[^`]*)`", text)}
    for line in sorted(said):
        words = line.replace("…", "x").replace("FILE", "/dev/null").split(" #")[0]
        if match := re.match(r"(%pkg|jupyter pkg) (?:--(?:kernel|prefix|python) \S+ )?([a-z]\S*)(.*)", words):
            program, verb, rest = match.groups()
            assert ALIASES.get(verb, verb) in VERBS, line
            if rest and program == "%pkg":
                parse_line(verb + rest, base=ROOT)
            elif rest:
                parse_arguments([verb, *shlex.split(rest)], base=ROOT)

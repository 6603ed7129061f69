"""What the pages say is done, and shows what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.commands.parse import ALIASES, VERBS, parse_arguments
from jupyter_pkgmgr.environments import read_index_settings
from testbed.environments import kernelspec, make_venv
from tests.docs.blocks import ROOT, read_blocks
from tests.docs.conftest import Reader
from tests.server.live import TOKEN

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

VALUES = {"no_index": "1", "offline": "1", "pre": "1", "timeout": "3", "cert": "/ca.pem", "client_cert": "/me.pem"}
"""Of variables whose value is no URL."""
ELSEWHERE = {
    "PIP_CONFIG_FILE",
    "UV_CONFIG_FILE",
    "UV_INDEX_NAME_PASSWORD",
    "UV_INDEX_NAME_USERNAME",
    "UV_OVERRIDE",
    "UV_TORCH_BACKEND",
}
"""Files, logins and what a policy refuses: read with others, or by others."""


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
def test_variables_of_pip_and_uv_are_read(page: Path, clean_settings: Path) -> None:  # noqa: ARG001  none of the machine's
    """What a page names as a setting changes the settings in force."""
    for name in sorted(set(re.findall(r"\b((?:PIP|UV)_[A-Z_]+)\b", page.read_text(encoding="utf-8")))):
        if name in ELSEWHERE:
            continue
        said = {name: VALUES.get(name.partition("_")[2].lower(), "https://example.com/simple")}
        assert read_index_settings(None, environ=said) != read_index_settings(None, environ={}), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path, tmp_path: Path) -> None:
    """Whatever a page names as a command, in a block or in a line, is understood."""
    file = tmp_path / "requirements.txt"
    file.write_text("six\n", encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    lines = [line.strip() for block in read_blocks(page) for line in block.text.splitlines()]
    said = {*lines, *re.findall(r"`((?:%pkg|jupyter pkg)[^`]*)`", text)}
    for line in sorted(said):
        words = line.replace("…", "x").replace("FILE", str(file)).split(" #")[0]
        words = re.sub(r"(?<=sync )[\w./ -]+", str(file), words)
        if match := re.match(r"(%pkg|jupyter pkg) (?:--(?:kernel|prefix|python) \S+ )?([a-z]\S*)(.*)", words):
            program, verb, rest = match.groups()
            assert ALIASES.get(verb, verb) in VERBS, line
            if rest and program == "%pkg":
                parse_line(verb + rest, base=ROOT)
            elif rest:
                parse_arguments([verb, *shlex.split(rest)], base=ROOT)

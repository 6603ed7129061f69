"""The documentation builds with every warning an error, links between pages included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_pkgmgr.server.extension import PkgmgrExtension
from tests.docs.blocks import ROOT, Block, read_blocks


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", str(source), str(target)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    done = build(ROOT / "docs", tmp_path)
    assert done.returncode == 0, done.stderr
    pages = (page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md"))
    sources = {page.with_suffix("") for page in pages if page.parts[0] != "measured"}  # a part of benchmarks.md
    assert {page.relative_to(tmp_path).with_suffix("") for page in tmp_path.rglob("*.html")} >= sources


SETTINGS = [
    block
    for page in sorted((ROOT / "docs" / "how-to").glob("*.md"))
    for block in read_blocks(page)
    if block.language == "python" and not block.skipped
]


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_are_accepted(block: Block) -> None:
    c = Config()
    exec(block.text, {"c": c})  # noqa: S102  as Jupyter and IPython run such a file
    assert list(c) in (["PkgmgrExtension"], ["InteractiveShellApp"])
    settings = c.get("PkgmgrExtension", {})
    extension = PkgmgrExtension(config=c)
    extension.policy()
    for name, value in settings.items():
        assert name in PkgmgrExtension.class_traits(config=True)
        assert getattr(extension, name) == value

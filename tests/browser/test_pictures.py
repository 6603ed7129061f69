"""The two pictures of the README: ``make pictures`` writes them where the documentation has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from .jupyter import TIMEOUT, Jupyter, Notebook, set_theme
from .panel import open_panel

NewKernel = Callable[..., str]
LARGEST = 200_000
"""Bytes of a picture, so that a page with both is read quickly."""
CELLS = (
    "import requests",
    "%pkg install jinja2 pyyaml",
    'from jinja2 import Template\n\nTemplate("Hello {{ name }}!").render(name="Jupyter")',
)


def test_a_picture_in_each_theme(page: Page, jupyter: Jupyter, new_kernel: NewKernel, artefacts: Path) -> None:
    folder = Path(os.environ.get("JUPYTER_PKGMGR_PICTURES") or artefacts)
    kernel = new_kernel("analysis", "httpx", "beautifulsoup4")
    page.set_viewport_size({"width": 1280, "height": 800})
    panel = open_panel(page, jupyter, jupyter.write("analysis.ipynb", *CELLS, kernel=kernel))
    notebook = Notebook(page)
    expect(notebook.run(0).get_by_role("button", name="Install requests")).to_be_visible()
    expect(notebook.run(1)).to_contain_text("no restart needed", timeout=TIMEOUT)
    expect(notebook.run(2)).to_contain_text("Hello Jupyter!")
    panel.node.get_by_role("textbox", name="Filter").focus()
    expect(panel.row("Jinja2")).to_be_visible()
    for theme in ("dark", "light"):
        set_theme(page, theme)
        picture = folder / f"panel-{theme}.png"
        page.screenshot(path=picture, animations="disabled")
        assert picture.stat().st_size <= LARGEST

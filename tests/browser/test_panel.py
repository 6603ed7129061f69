"""The side panel in JupyterLab and in Notebook 7, with the environment of the notebook's kernel."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from .jupyter import TIMEOUT, Jupyter, open_notebook
from .panel import side_panel

Shoot = Callable[[str], None]


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Packages", exact=True)


def shows_the_kernels_environment(page: Page) -> None:
    expect(panel(page)).to_contain_text("venv")
    expect(panel(page).get_by_text("ipykernel", exact=True).first).to_be_visible()


def test_a_click_opens_the_panel(page: Page, jupyter: Jupyter, shoot: Shoot) -> None:
    open_notebook(page, jupyter, jupyter.write("click.ipynb", "1"))
    page.get_by_role("tab", name="Packages").click()
    shows_the_kernels_environment(page)
    shoot("panel-lab")


def test_the_palette_opens_the_panel(page: Page, jupyter: Jupyter) -> None:
    open_notebook(page, jupyter, jupyter.write("palette.ipynb", "1"))
    page.keyboard.press("Control+Shift+C")
    page.get_by_role("textbox", name="SEARCH", exact=True).fill("packages of this kernel")
    page.keyboard.press("Enter")
    shows_the_kernels_environment(page)


def test_the_status_bar_names_the_environment_and_opens_the_panel(page: Page, jupyter: Jupyter, shoot: Shoot) -> None:
    open_notebook(page, jupyter, jupyter.write("status-bar.ipynb", "1"))
    item = page.get_by_role("contentinfo").get_by_role("button", name=re.compile(r"\bvenv$"))
    expect(item).to_be_visible()
    shoot("status")
    item.click()
    shows_the_kernels_environment(page)


def test_without_a_kernel_there_is_a_choice(page: Page, jupyter: Jupyter, shoot: Shoot) -> None:
    page.goto(jupyter.address("lab", new=True))
    page.get_by_role("tab", name="Packages").click()
    expect(panel(page).get_by_role("button").first).to_be_visible()
    shoot("panel-chooser")


def test_notebook_7_shows_the_panel(page: Page, jupyter: Jupyter, new_kernel: Callable[..., str], shoot: Shoot) -> None:
    open_notebook(page, jupyter, jupyter.write("seven.ipynb", "1", kernel=new_kernel("seven")), app="notebooks")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Packages of This Kernel").click()
    seven = side_panel(page)
    expect(seven.node).to_contain_text("seven")
    expect(seven.row("ipykernel")).to_be_visible()
    shoot("panel-notebook")
    seven.install("six")
    expect(seven.installed("six")).to_be_visible(timeout=TIMEOUT)

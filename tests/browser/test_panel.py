"""The side panel in JupyterLab and in Notebook 7."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .jupyter import Jupyter, open_notebook

Shoot = Callable[[str], None]


def test_a_click_opens_the_panel(page: Page, jupyter: Jupyter, shoot: Shoot) -> None:
    open_notebook(page, jupyter, jupyter.write("click.ipynb", "1", kernel="venv"))
    page.get_by_role("tab", name="Packages").click()
    expect(page.get_by_role("region", name="Packages")).to_be_visible()
    shoot("panel-lab")


def test_the_palette_opens_the_panel(page: Page, jupyter: Jupyter) -> None:
    open_notebook(page, jupyter, jupyter.write("palette.ipynb", "1", kernel="venv"))
    page.keyboard.press("Control+Shift+C")
    page.get_by_role("textbox", name="SEARCH", exact=True).fill("packages of this kernel")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Packages")).to_be_visible()


def test_the_menu_has_it(page: Page, jupyter: Jupyter) -> None:
    open_notebook(page, jupyter, jupyter.write("menu.ipynb", "1", kernel="venv"))
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Packages of This Kernel").click()
    expect(page.get_by_role("region", name="Packages")).to_be_visible()


def test_notebook_7_shows_the_panel(page: Page, jupyter: Jupyter, shoot: Shoot) -> None:
    name = jupyter.write("seven.ipynb", "1", kernel="venv")
    open_notebook(page, jupyter, name, app="notebooks")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Packages of This Kernel").click()
    expect(page.get_by_role("region", name="Packages")).to_be_visible()
    shoot("panel-notebook")

"""What a user does with the panel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

from .jupyter import Jupyter, open_notebook

__all__ = ["Panel", "open_panel"]


@dataclass(frozen=True)
class Panel:
    """The panel on a page: JupyterLab's, or a widget's in the output of a cell."""

    page: Page
    node: Locator

    def tab(self, name: str) -> None:
        """Look at one of its views."""
        self.node.get_by_role("tab", name=re.compile(f"^{name}")).click()

    def row(self, name: str) -> Locator:
        """The row of a package in the list of what is installed, or of what was found."""
        return self.node.get_by_role("row").filter(has=self.page.get_by_text(name, exact=True))

    def details(self, name: str) -> Locator:
        """What is shown of one package."""
        return self.node.get_by_role("article", name=f"Details of {name}")

    def search(self, text: str) -> Locator:
        """Look for packages; returns the box that was typed into."""
        self.tab("Search")
        box = self.node.get_by_role("textbox", name=re.compile("^Search"))
        box.fill(text)
        return box

    def find(self, name: str) -> Locator:
        """Look for a package and open its details."""
        self.search(name)
        self.row(name).click()
        return self.details(name)

    def install(self, name: str) -> None:
        """Begin to install the newest version of a package."""
        self.find(name).get_by_role("button", name="Install", exact=True).click()

    def collect(self, name: str) -> None:
        """Add the installation of a package to the changes."""
        self.search(name)
        self.row(name).get_by_role("button", name=f"Add to changes: install {name}").click()

    @property
    def busy(self) -> Locator:
        """What happens at the foot of the panel right now."""
        return self.node.get_by_role("group", name=re.compile("^(Planning|Applying)"))


def open_panel(page: Page, jupyter: Jupyter, notebook: str) -> Panel:
    """Open a notebook in JupyterLab, and the panel beside it."""
    open_notebook(page, jupyter, notebook)
    page.get_by_role("tab", name="Packages").click()
    return side_panel(page)


def side_panel(page: Page) -> Panel:
    """JupyterLab's panel, which is open."""
    return Panel(page, page.get_by_role("region", name="Packages", exact=True))

"""The panel inside a notebook, in a kernel that has nothing of widgets in its environment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .jupyter import Jupyter, open_notebook

Shoot = Callable[[str], None]


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_the_widget_shows_the_kernels_environment(page: Page, jupyter: Jupyter, shoot: Shoot, app: str) -> None:
    name = jupyter.write(
        f"widget-{app[:3]}.ipynb", "%pkg panel", "import importlib.util as u; u.find_spec('ipywidgets')"
    )
    notebook = open_notebook(page, jupyter, name, app=app)
    output = notebook.run(0)
    expect(output.get_by_text("ipykernel", exact=True).first).to_be_visible()
    shoot(f"widget-{app[:3]}")
    expect(notebook.run(1)).not_to_contain_text("ModuleSpec")

"""The panel inside a notebook, in a kernel that has nothing of widgets in its environment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .jupyter import TIMEOUT, Jupyter, open_notebook
from .panel import Panel

NewKernel = Callable[..., str]
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


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_the_widget_asks_for_a_restart_and_does_it(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot, app: str
) -> None:
    kernel = new_kernel(f"widget-restart-{app[:3]}", "tb-alpha==1.0")
    name = jupyter.write(f"{kernel}.ipynb", "import tb_alpha", "%pkg panel", "tb_alpha.__version__", kernel=kernel)
    notebook = open_notebook(page, jupyter, name, app=app)
    notebook.run(0)
    panel = Panel(page, notebook.run(1))
    panel.installed("tb-alpha").click()
    panel.details("tb-alpha").get_by_role("button", name="Update to 2.1", exact=True).click()
    expect(panel.node).to_contain_text("restart the kernel to use what changed: tb_alpha is loaded", timeout=TIMEOUT)
    shoot(kernel)
    panel.node.get_by_role("button", name="Restart the kernel").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(panel.node).to_contain_text("if it was restarted, run this cell again", timeout=TIMEOUT)
    notebook.run(0)
    expect(notebook.run(2)).to_contain_text("2.1")

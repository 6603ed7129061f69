"""What ``%pkg`` shows in a cell: the renderer of the labextension, in JupyterLab and in Notebook 7."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .jupyter import Jupyter, open_notebook

Shoot = Callable[[str], None]


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_an_install_shows_plan_progress_result_and_verdict(
    page: Page, jupyter: Jupyter, shoot: Shoot, app: str
) -> None:
    name = jupyter.write(
        f"install-{app[:3]}.ipynb",
        "%pkg install tb-extra[more] tb-cli",
        "%pkg remove tb-pure tb-extra tb-cli",
        kernel="venv",
    )
    notebook = open_notebook(page, jupyter, name, app=app)
    output = notebook.run(0)
    plan = output.get_by_role("region", name="Plan")
    expect(plan.get_by_role("row")).to_have_count(1 + 3)
    expect(plan).to_contain_text("3 to install")
    expect(output.get_by_text("Installed tb-cli 1.0")).to_be_visible()
    expect(output.get_by_text("no restart needed")).to_be_visible()
    shoot(f"install-{app[:3]}")
    notebook.run(1)

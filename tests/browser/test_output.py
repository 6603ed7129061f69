"""What ``%pkg`` shows in a cell: the renderer of the labextension, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from testbed.index import serve

from .jupyter import Jupyter, open_notebook

Examine = Callable[..., None]
OUTPUT = ".jpkg-Output"
HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_an_install_shows_plan_progress_result_and_verdict(
    page: Page, jupyter: Jupyter, examine: Examine, app: str
) -> None:
    install, remove = "%pkg install tb-extra[more] tb-cli", "%pkg remove tb-pure tb-extra tb-cli"
    notebook = open_notebook(page, jupyter, jupyter.write(f"install-{app[:3]}.ipynb", install, remove), app=app)
    output = notebook.run(0)
    plan = output.get_by_role("region", name="Plan")
    expect(plan.get_by_role("row")).to_have_count(1 + 3)
    expect(plan).to_contain_text("3 to install")
    expect(output.get_by_text("Installed tb-cli 1.0, tb-extra 1.0 and 1 dependency")).to_be_visible()
    expect(output.get_by_text("no restart needed")).to_be_visible()
    examine(f"output-install-{app[:3]}", OUTPUT)
    expect(notebook.run(1)).to_contain_text("Removed")


def test_a_changed_module_that_is_loaded_asks_for_a_restart(page: Page, jupyter: Jupyter, examine: Examine) -> None:
    cells = ("%pkg install tb-alpha==1.0", "import tb_alpha", "%pkg install tb-alpha==2.0", "tb_alpha.__version__")
    notebook = open_notebook(page, jupyter, jupyter.write("restart.ipynb", *cells))
    for number in range(2):
        notebook.run(number)
    output = notebook.run(2)
    expect(output.get_by_text("restart the kernel to use what changed: tb_alpha is loaded")).to_be_visible()
    examine("output-restart", OUTPUT)
    output.get_by_role("button", name="Restart kernel…").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(output.get_by_role("button", name="Restart kernel…")).to_have_count(0)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    notebook = open_notebook(page, jupyter, "restart.ipynb")
    expect(notebook.output(2).get_by_text("restart the kernel to use what changed")).to_be_visible()
    expect(notebook.run(1)).not_to_contain_text("Error")
    expect(notebook.run(3)).to_contain_text("2.0")
    expect(notebook.output(2).get_by_role("button", name="Restart kernel…")).to_have_count(0)  # it was done


def test_a_missing_module_is_installed_by_a_button(page: Page, jupyter: Jupyter, examine: Examine) -> None:
    notebook = open_notebook(page, jupyter, jupyter.write("missing.ipynb", "import six"))
    hint = notebook.run(0)
    button = hint.get_by_role("button", name="Install six")
    expect(button).to_have_attribute("title", "%pkg install six")
    examine("output-hint", OUTPUT)
    button.click()
    notebook.wait(0)
    expect(notebook.cell(0)).to_contain_text("%pkg install six")
    expect(notebook.output(0)).to_contain_text("Installed six")
    expect(notebook.run(1)).not_to_contain_text("ModuleNotFoundError")


def test_progress_can_be_cancelled(page: Page, jupyter: Jupyter, examine: Examine, index_folder: Path) -> None:
    with serve(index_folder) as slow:
        slow.fail("*.whl", "stall")
        cell = f"%pkg install --index-url {slow.index_url} tb-pure==1.1"
        notebook = open_notebook(page, jupyter, jupyter.write("cancel.ipynb", cell))
        notebook.start(0)
        cancel = notebook.output(0).get_by_role("button", name="Cancel")
        expect(cancel).to_be_visible()
        expect(notebook.output(0).get_by_role("progressbar")).to_be_visible()
        examine("output-progress", OUTPUT)
        cancel.click()
        notebook.wait(0)
        expect(notebook.output(0)).to_contain_text("stopped")
        expect(cancel).to_have_count(0)


def test_an_error_is_short(page: Page, jupyter: Jupyter, shoot: Callable[[str], None]) -> None:
    notebook = open_notebook(page, jupyter, jupyter.write("error.ipynb", "%pkg install tb-left tb-right"))
    output = notebook.run(0)
    expect(output).to_contain_text("hint:")
    expect(output).not_to_contain_text("Traceback")
    shoot("output-error")


def test_what_a_notebook_brings_is_text(page: Page, jupyter: Jupyter, examine: Examine) -> None:
    """Of a saved notebook nothing is run, nothing offers a button, and an unknown document shows its text."""
    change = {"action": "upgrade", "requested": True, "reason": HOSTILE}
    change |= {
        "before": {"name": HOSTILE, "version": "1"},
        "after": {"name": HOSTILE, "version": HOSTILE, "source": HOSTILE},
    }
    steps = [{"engine": "uv", "ecosystem": "pypi", "changes": [change]}]
    parts: list[dict[str, object]] = [
        {
            "schema": 1,
            "part": "plan",
            "plan": {"environment": HOSTILE, "steps": steps, "warnings": [{"message": HOSTILE}]},
        },
        {"schema": 1, "part": "hint", "module": "x", "package": "x", "command": "%pkg install x", "text": HOSTILE},
        {"schema": 1, "part": "verdict", "level": "required", "modules": ["x"], "text": HOSTILE},
        {"schema": 1, "part": "plan", "plan": {"steps": "many"}},
        {"schema": 2, "part": "plan"},
    ]
    mime = "application/vnd.jupyter-pkgmgr+json"
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {mime: part, "text/plain": f"text of {number}"}}
        for number, part in enumerate(parts)
    ]
    path = jupyter.notebooks / jupyter.write("hostile.ipynb", "%pkg install x")
    document = json.loads(path.read_text(encoding="utf-8"))
    document["cells"][0]["outputs"] = outputs
    path.write_text(json.dumps(document), encoding="utf-8")
    output = open_notebook(page, jupyter, path.name).output(0)
    expect(output.get_by_text(HOSTILE).first).to_be_visible()
    expect(output.get_by_text("text of 4")).to_be_visible()
    expect(output.get_by_role("button")).to_have_count(0)
    examine("output-hostile", OUTPUT)
    assert page.evaluate("window.hacked") is None

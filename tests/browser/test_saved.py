"""A notebook that was saved: what ``%pkg`` did is still told, without a kernel and without a script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, Request, expect

from .jupyter import Jupyter, open_notebook

Shoot = Callable[[str], None]
NewKernel = Callable[..., str]


def test_a_saved_notebook_still_shows_the_outcome(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    kernel = new_kernel("saved", "tb-alpha==1.0")
    cells = ("import tb_alpha", "%pkg install tb-pure tb-alpha==2.0", "import six")
    path = jupyter.notebooks / jupyter.write("saved.ipynb", *cells, kernel=kernel)
    notebook = open_notebook(page, jupyter, path.name)
    for number in range(len(cells)):
        notebook.run(number)
    expect(notebook.output(1).get_by_role("button", name="Restart kernel…")).to_be_visible()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    document = json.loads(path.read_text(encoding="utf-8"))
    for output in (output for cell in document["cells"] for output in cell["outputs"]):
        html = "".join(output.get("data", {}).get("text/html", ""))
        assert not re.search(r"<script|<button|\son\w+=|javascript:", html)
    document["metadata"]["kernelspec"]["name"] = "not-of-this-machine"
    path.write_text(json.dumps(document), encoding="utf-8")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    expect(page.get_by_role("contentinfo")).to_contain_text("No Kernel")
    page.goto("about:blank")
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    page.goto(jupyter.address(f"lab/tree/{path.name}", new=True))
    page.get_by_role("dialog").get_by_role("button", name="No Kernel").click()
    expect(notebook.output(1)).to_contain_text("Installed tb-pure 2.0")
    expect(notebook.output(1)).to_contain_text("restart the kernel to use what changed")
    expect(notebook.output(1).get_by_role("region", name="Plan")).to_contain_text("1.0 → 2.0")
    expect(notebook.output(2)).to_contain_text("%pkg install six")
    for number in range(len(cells)):
        expect(notebook.output(number).get_by_role("button")).to_have_count(0)
    shoot("saved")
    posted = [request.url for request in sent if request.method == "POST"]
    assert not [url for url in posted if "/pkgmgr/" in url or "/api/kernels" in url]

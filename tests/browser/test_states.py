"""What can happen around the panel: reloads, other windows, kernels that come and go, an index that is down."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from testbed.channel import Channel
from testbed.environments import conda_environment, kernelspec
from testbed.index import Fault, Server

from .conftest import EXTENSION
from .jupyter import TIMEOUT, Jupyter, Notebook, open_notebook, serve_jupyter
from .panel import Panel, open_panel, side_panel

Examine = Callable[..., None]
NewKernel = Callable[..., str]
WHEELS = "/files/*.whl"
RESOLVED = "Resolved 1 package"
"""What uv writes before it downloads."""
OURS = "**/pkgmgr/**"
"""What the panel asks the server for."""


def begin_install(page: Page, jupyter: Jupyter, index: Server, kernel: str) -> Panel:
    """The panel while a package is being downloaded, which takes as long as the index isn't healed."""
    index.fail(WHEELS, "hold")
    panel = open_panel(page, jupyter, jupyter.write(f"{kernel}.ipynb", "6 * 7", kernel=kernel))
    panel.install(f"tb-{kernel}")
    expect(panel.node.get_by_role("group", name=f"Applying: tb-{kernel}")).to_be_visible()
    return panel


IS_SAVED = """async () => {
    const read = () => window.jupyterapp.serviceManager.workspaces.fetch('default');
    const shown = async () => (await read()).data['layout-restorer:data']?.left?.current;
    while (await shown() !== 'jupyter-pkgmgr-panel') {
        await new Promise(resolve => setTimeout(resolve, 100));
    }
}"""


@pytest.fixture
def no_layout(jupyter: Jupyter) -> None:
    """No layout of a test before is left: JupyterLab forgets it on the page at once, but writes that later."""
    for path in (jupyter.folder / "config" / "lab").glob("workspaces/*"):
        path.unlink()


def layout_is_saved(page: Page) -> None:
    """JupyterLab writes its layout a moment after a change of it; ``wait_for_function`` awaits no promise."""
    page.evaluate(IS_SAVED)


def shows_the_running_job(panel: Panel, says: str) -> None:
    panel.tab("Changes")
    job = panel.node.get_by_role("region", name="Jobs").get_by_role("article")
    expect(job).to_contain_text("running")
    expect(job.get_by_role("progressbar")).to_be_visible()
    log = job.get_by_role("button", name="Log")
    log.click()
    expect(job.locator("pre")).to_contain_text(says)


def shows_that_it_is_done(panel: Panel, package: str) -> None:
    panel.tab("Changes")
    expect(panel.node.get_by_role("region", name="Jobs")).to_contain_text(f"{package} 1.0")
    expect(panel.node.get_by_role("progressbar")).to_have_count(0)
    expect(panel.installed(package)).to_be_visible()


# --- the layout -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_layout")
def test_the_panel_is_open_again_after_a_reload(page: Page, jupyter: Jupyter, new_kernel: NewKernel) -> None:
    panel = open_panel(page, jupyter, jupyter.write("layout.ipynb", "1", kernel=new_kernel("layout")))
    expect(panel.row("ipykernel")).to_be_visible()
    layout_is_saved(page)
    page.goto(jupyter.address("lab"))
    expect(side_panel(page).row("ipykernel")).to_be_visible()


# --- jobs go on, whoever looks --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_layout")
def test_a_reload_in_mid_job_loses_nothing(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, examine: Examine
) -> None:
    begin_install(page, jupyter, index, new_kernel("reload"))
    layout_is_saved(page)
    page.reload()
    panel = side_panel(page)  # open again, as it was
    shows_the_running_job(panel, RESOLVED)
    examine("job-running")
    index.heal()
    shows_that_it_is_done(panel, "tb-reload")


def test_a_second_window_follows_the_same_job(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel
) -> None:
    first = begin_install(page, jupyter, index, new_kernel("windows"))
    second = page.context.new_page()
    panel = open_panel(second, jupyter, "windows.ipynb")
    shows_the_running_job(panel, RESOLVED)
    index.heal()
    shows_that_it_is_done(panel, "tb-windows")
    shows_that_it_is_done(first, "tb-windows")


def test_a_job_outlives_a_restart_of_its_kernel(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel
) -> None:
    panel = begin_install(page, jupyter, index, new_kernel("restarted"))
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    shows_the_running_job(panel, RESOLVED)
    index.heal()
    shows_that_it_is_done(panel, "tb-restarted")
    expect(Notebook(page).run(0)).to_contain_text("42")


def test_a_job_of_a_cell_is_shown(page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel) -> None:
    index.fail(WHEELS, "hold")
    name = jupyter.write("cell.ipynb", "%pkg install tb-cell", kernel=new_kernel("cell"))
    panel = open_panel(page, jupyter, name)
    notebook = Notebook(page)
    notebook.start(0)
    shows_the_running_job(panel, "tb-cell")
    index.heal()
    notebook.wait(0)
    shows_that_it_is_done(panel, "tb-cell")


# --- kernels --------------------------------------------------------------------------------------------------------


def change_kernel(page: Page, display_name: str) -> None:
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:change-kernel')")
    dialog = page.get_by_role("dialog").filter(has_text="Select kernel for")
    dialog.get_by_role("combobox").select_option(label=display_name)
    dialog.get_by_role("button", name=re.compile("^Select")).click()


def test_the_panel_follows_a_change_of_kernel_and_keeps_what_waits(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine
) -> None:
    one, other = new_kernel("one"), new_kernel("other", "six")
    panel = open_panel(page, jupyter, jupyter.write("switch.ipynb", "1", kernel=one))
    expect(panel.node.get_by_role("heading", name=one, exact=True)).to_be_visible()
    panel.collect("tb-pure")
    change_kernel(page, f"Kernel {other}")
    expect(panel.node.get_by_role("heading", name=other, exact=True)).to_be_visible()
    expect(panel.node).to_contain_text("1 change waits for one")
    expect(panel.installed("six")).to_be_visible()
    examine("kernel-switched")
    change_kernel(page, f"Kernel {one}")
    expect(panel.node.get_by_role("group", name="Collected changes")).to_contain_text("tb-pure")


def test_a_notebook_without_a_kernel_gets_a_choice(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine
) -> None:
    name = jupyter.write("none.ipynb", "1", kernel=new_kernel("picked"))
    panel = open_panel(page, jupyter, name)
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    choice = panel.node.get_by_role("region", name="Environments")
    expect(choice).to_contain_text("No kernel is current")
    examine("chooser")
    choice.get_by_role("button", name="picked").click()
    expect(panel.row("ipykernel")).to_be_visible()


KERNEL_OF_R = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class R(Kernel):
    implementation, implementation_version, banner = "little-r", "1.0", "a little R"
    language_info = {"name": "R", "mimetype": "text/x-r", "file_extension": ".r"}

    def do_execute(self, code, silent, *args, **kwargs):
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": "[1] " + code})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


IPKernelApp.launch_instance(kernel_class=R)
"""


@pytest.fixture
def r_kernel(jupyter: Jupyter, testbed: Path, conda_channel: Channel) -> str:
    """A conda environment with a kernel of another language, and without Python."""
    prefix = conda_environment(
        jupyter.folder / "conda" / "r-env",
        channels=[conda_channel.url],
        cache=testbed / "cache",
        specs=["tb-data", "tb-old"],
    )
    (prefix / ".condarc").write_text(f"channels: [{conda_channel.url}]\n", encoding="utf-8")
    interpreter = prefix / "bin" / "R"
    interpreter.parent.mkdir(exist_ok=True)
    interpreter.write_text(f"#!{sys.executable}\n{KERNEL_OF_R}", encoding="utf-8")
    interpreter.chmod(0o755)
    argv = [str(interpreter), "-f", "{connection_file}"]
    kernelspec(jupyter.folder / "data", "little-r", "", argv=argv, display_name="Little R", language="R")
    return "little-r"


def test_a_kernel_in_another_language_has_conda_packages_alone(
    page: Page, jupyter: Jupyter, r_kernel: str, examine: Examine
) -> None:
    panel = open_panel(page, jupyter, jupyter.write("r.ipynb", "1 + 1", kernel=r_kernel))
    expect(Notebook(page).run(0)).to_contain_text("[1] 1 + 1")
    expect(panel.node.get_by_role("heading", name="r-env")).to_be_visible()
    expect(panel.row("tb-data")).to_contain_text("1.0")
    examine("kernel-r")
    panel.search("tb-")
    expect(panel.row("tb-tool")).to_contain_text("conda")
    expect(panel.row("tb-pure")).to_have_count(0)
    panel.find("tb-tool").get_by_role("button", name="Install", exact=True).click()
    expect(panel.installed("tb-tool")).to_be_visible(timeout=TIMEOUT)


# --- an index, a server, an extension that isn't there --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"), [("503", "answered 503 Service Unavailable"), ("reset", "can't be reached")]
)
def test_an_index_that_is_not_there_is_told_in_a_sentence(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, examine: Examine, fault: Fault, said: str
) -> None:
    """Its server is down, or there is no network at all."""
    name = jupyter.write(f"down-{fault}.ipynb", "1", kernel=new_kernel(f"down-{fault}", "tb-alpha==1.0"))
    panel = open_panel(page, jupyter, name)
    panel.search("tb-al")
    expect(panel.row("tb-alpha")).to_be_visible()
    index.fail("*", fault)
    panel = open_panel(page, jupyter, name)
    expect(panel.installed("tb-alpha")).to_be_visible()
    panel.search("tb-al")
    expect(panel.row("tb-alpha")).to_be_visible()  # from what the index said before
    details = panel.find(f"tb-down-{fault}")  # of which it never said anything but the name
    expect(details).to_contain_text(said)
    expect(panel.node).not_to_contain_text("Traceback")
    examine(f"index-down-{fault}")
    index.heal()
    details.get_by_role("button", name="Try again").click()
    expect(details.get_by_role("button", name="Install", exact=True)).to_be_visible()


def test_a_page_that_loses_the_server_finds_it_again(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, examine: Examine
) -> None:
    """The job goes on meanwhile. Of JupyterLab's own requests nothing is lost: its dialog would cover the page."""
    panel = begin_install(page, jupyter, index, new_kernel("lost"))
    page.route(OURS, lambda route: route.abort("internetdisconnected"))
    panel.tab("History")
    expect(panel.node).to_contain_text("The server does not answer")
    examine("server-lost")
    index.heal()
    page.unroute(OURS)
    expect(panel.node).not_to_contain_text("The server does not answer")
    shows_that_it_is_done(panel, "tb-lost")


@pytest.fixture
def bare(jupyter: Jupyter, tmp_path: Path) -> Iterator[Jupyter]:
    """A server that has our front end, but not our server extension."""
    options = ["--ServerApp.jpserver_extensions={'jupyter_pkgmgr': False}"]
    environ = {"NO_PROXY": "127.0.0.1,localhost", "JUPYTER_DATA_DIR": str(jupyter.folder / "data")}
    with serve_jupyter(tmp_path / "bare", extension=EXTENSION, environ=environ, options=options) as running:
        yield running


def test_without_the_server_extension_there_is_one_sentence(bare: Jupyter, page: Page, examine: Examine) -> None:
    page.goto(bare.address("lab", new=True))
    page.get_by_role("tab", name="Packages").click()
    panel = side_panel(page)
    expect(panel.node).to_contain_text("The server side of this panel is not running")
    expect(panel.node).to_contain_text("python -m pip install jupyter_pkgmgr")
    examine("no-server")


@pytest.fixture
def no_labextension(jupyter: Jupyter) -> Iterator[None]:
    """Pages that are opened now are without our labextension."""
    path = jupyter.folder / "config" / "labconfig" / "page_config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"disabledExtensions": {"jupyter-pkgmgr": True}}), encoding="utf-8")
    yield
    path.unlink()
    path.parent.rmdir()


@pytest.mark.usefixtures("no_labextension")
def test_the_widget_needs_no_labextension_of_ours(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine
) -> None:
    kernel = new_kernel("nothing-of-ours")
    assert not list((jupyter.folder / "venvs" / kernel).glob("lib/python*/site-packages/*widget*"))
    notebook = open_notebook(page, jupyter, jupyter.write("widget-alone.ipynb", "%pkg panel", kernel=kernel))
    expect(page.get_by_role("tab", name="Packages")).to_have_count(0)
    panel = Panel(page, notebook.run(0))
    expect(panel.row("ipykernel")).to_be_visible()
    examine("widget-alone")
    panel.install("six")
    expect(panel.installed("six")).to_be_visible()


# --- text that means harm -------------------------------------------------------------------------------------------


def test_the_text_of_a_package_is_text(page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine) -> None:
    name = jupyter.write("hostile-package.ipynb", "%pkg list", kernel=new_kernel("hostile", "tb-hostile"))
    panel = open_panel(page, jupyter, name)
    panel.installed("tb-hostile").click()
    details = panel.details("tb-hostile")
    expect(details.get_by_text("<script>window.hacked = 1</script>")).to_be_visible()
    expect(details.locator("script, img")).to_have_count(0)
    assert "\x1b" not in details.inner_text()
    examine("hostile-package")
    panel.search("tb-hos")
    expect(panel.row("tb-hostile")).to_be_visible()
    expect(Notebook(page).run(0)).to_contain_text("tb-hostile")
    assert page.evaluate("window.hacked") is None
    width = panel.node.evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert width[0] <= width[1]

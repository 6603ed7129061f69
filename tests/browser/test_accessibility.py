"""The panel for everybody: nothing serious for axe-core in any state, all by the keyboard, changes are told."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from testbed.index import Server

from .jupyter import TIMEOUT, Jupyter, Notebook, open_notebook
from .panel import Panel, open_panel, side_panel

NewKernel = Callable[..., str]
Examine = Callable[..., None]
Hear = Callable[[str], None]
STOPS = 60
"""More presses of Tab than there are stops in the panel."""


def test_what_is_read_is_accessible(page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine) -> None:
    name = jupyter.write("read.ipynb", "1", kernel=new_kernel("read", "tb-alpha==1.0", "tb-cli"))
    panel = open_panel(page, jupyter, name)
    node = panel.node
    expect(panel.row("asttokens")).to_be_visible()
    examine("installed")
    panel.installed("tb-alpha").click()
    expect(panel.details("tb-alpha").get_by_role("button", name="Update to 2.1", exact=True)).to_be_visible()
    examine("details")
    node.get_by_role("button", name="Close the details").click()
    node.get_by_role("button", name="More about this environment").click()
    examine("environment")
    node.get_by_role("button", name="Less about this environment").click()
    node.get_by_role("textbox", name="Filter").fill("nothing like this")
    examine("nothing-matches")
    panel.search("tb-")
    expect(panel.row("tb-pure")).to_be_visible()
    examine("found")
    panel.row("tb-pure").click()
    expect(panel.details("tb-pure").get_by_role("button", name="Install", exact=True)).to_be_visible()
    examine("details-found")
    node.get_by_role("button", name="Close the details").click()
    panel.search("pip install 'tb-pure>=1' tb-extra[more]")
    expect(node.get_by_text("Understood as a command")).to_be_visible()
    examine("understood")
    panel.tab("Changes")
    examine("changes-none")
    panel.tab("History")
    expect(node.get_by_text("Nothing was changed here yet")).to_be_visible()
    examine("history-none")
    panel.tab("Problems")
    node.get_by_role("button", name="Examine", exact=True).click()
    expect(node.get_by_text("Nothing is broken")).to_be_visible(timeout=TIMEOUT)
    examine("problems-none")


def test_what_changes_is_accessible(page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine) -> None:
    kernel = new_kernel("changed", "tb-alpha==2.0", "tb-pure==1.0")
    cells = ("import tb_pure",)
    panel = open_panel(page, jupyter, jupyter.write("changed.ipynb", *cells, kernel=kernel))
    node = panel.node
    node.get_by_role("textbox", name="Filter").fill("tb-")
    panel.row("tb-alpha").hover()
    panel.row("tb-alpha").get_by_role("button", name="Add to changes: remove tb-alpha").click()
    panel.collect("tb-right")
    panel.tab("Changes")
    expect(node.get_by_role("region", name="Collected changes").get_by_role("listitem")).to_have_count(2)
    examine("changes")
    node.get_by_role("group", name="Collected changes").get_by_role("button", name="Apply").click()
    dialog = page.get_by_role("dialog", name="Plan for changed")
    expect(dialog).to_be_visible(timeout=TIMEOUT)
    examine("plan")
    dialog.get_by_role("button", name="Back").click()
    panel.search("pip install tb-left tb-right")
    node.get_by_role("button", name="Run").click()
    expect(node.get_by_text("Next:")).to_be_visible(timeout=TIMEOUT)
    examine("plan-fails")
    panel.search("%pkg uninstall ipykernel")
    node.get_by_role("button", name="Run").click()
    expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
    expect(dialog).to_be_visible(timeout=TIMEOUT)
    examine("plan-blocked")
    dialog.get_by_role("button", name="Back").click()


def test_what_runs_is_accessible(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, examine: Examine
) -> None:
    kernel = new_kernel("runs", "tb-pure==1.0")
    index.fail("/files/tb_axe*.whl", "hold")
    panel = open_panel(page, jupyter, jupyter.write("runs.ipynb", "import tb_pure", kernel=kernel))
    node = panel.node
    Notebook(page).run(0)
    panel.install("tb-axe")
    expect(panel.busy).to_have_accessible_name("Applying: tb-axe")
    panel.tab("Changes")
    job = node.get_by_role("region", name="Jobs").get_by_role("article")
    job.get_by_role("button", name="Log").click()
    expect(job.locator("pre")).to_contain_text("Resolved 1 package")  # which is what uv says
    examine("running")
    panel.busy.get_by_role("button", name="Cancel").click()
    expect(job).to_contain_text("cancelled", timeout=TIMEOUT)
    examine("cancelled")
    panel.search("tb-pure==2.0")
    node.get_by_role("button", name="Run").click()
    expect(node.get_by_role("button", name="Restart the kernel")).to_be_visible(timeout=TIMEOUT)
    examine("restart")
    panel.tab("History")
    expect(node.get_by_role("button", name="Undo %pkg install tb-pure==2.0")).to_be_visible()
    examine("history")


# --- the keyboard ---------------------------------------------------------------------------------------------------


def tab_to(page: Page, goal: Locator) -> None:
    """Press Tab until the focus is where it should be."""
    for _ in range(STOPS):
        if goal.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(goal).to_be_focused()


def hear(page: Page) -> Hear:
    """Listen to what a screen reader would be told; the answer waits for a pattern."""
    page.evaluate("""() => {
        window.heard = [];
        const listen = () => window.heard.push(...[...document.querySelectorAll('.jpkg-Panel [aria-live]')]
            .map(node => node.textContent));
        new MutationObserver(listen).observe(document.body, { subtree: true, childList: true, characterData: true });
    }""")

    def hears(text: str) -> None:
        page.wait_for_function("text => window.heard.some(one => one.match(text))", arg=text, timeout=TIMEOUT)

    return hears


def test_the_keyboard_alone_installs_plans_applies_and_undoes(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel
) -> None:
    kernel = new_kernel("keys", "tb-pure==1.0")
    open_notebook(page, jupyter, jupyter.write("keys.ipynb", "1", kernel=kernel))
    hears = hear(page)
    page.keyboard.press("Control+Alt+P")
    panel = side_panel(page)
    expect(panel.row("asttokens")).to_be_visible()
    install_what_is_found(page, panel, hears)
    remove_in_the_list(page, panel, hears)
    apply_a_plan(page, panel, hears)
    undo(page, panel, hears)


def install_what_is_found(page: Page, panel: Panel, hears: Hear) -> None:
    node, keys = panel.node, page.keyboard
    tab_to(page, node.get_by_role("tab", name="Installed"))
    keys.press("ArrowRight")
    expect(node.get_by_role("tab", name="Search")).to_be_focused()
    tab_to(page, node.get_by_role("textbox", name="Search"))
    keys.type("tb-keys")
    expect(panel.row("tb-keys")).to_be_visible()
    keys.press("Enter")
    tab_to(page, panel.details("tb-keys").get_by_role("button", name="Install", exact=True))
    keys.press("Enter")
    hears("Making a plan")
    hears("Done: install tb-keys")
    expect(panel.details("tb-keys").get_by_role("button", name="Remove", exact=True)).to_be_visible()
    keys.press("Escape")
    expect(panel.details("tb-keys")).to_have_count(0)


def remove_in_the_list(page: Page, panel: Panel, hears: Hear) -> None:
    """As one of the changes that are collected."""
    node, keys = panel.node, page.keyboard
    tab_to(page, node.get_by_role("tab", name="Search"))
    keys.press("ArrowLeft")
    tab_to(page, node.get_by_role("textbox", name="Filter"))
    keys.type("tb-")
    tab_to(page, panel.row("tb-keys"))
    keys.press("Delete")
    hears("tb-keys: added to the changes")
    keys.press("Control+Enter")
    hears("Done: remove tb-keys")
    expect(panel.row("tb-keys")).to_have_count(0)


def apply_a_plan(page: Page, panel: Panel, hears: Hear) -> None:
    """One that does more than was asked for."""
    node, keys = panel.node, page.keyboard
    tab_to(page, node.get_by_role("tab", name="Installed"))
    keys.press("ArrowRight")
    tab_to(page, node.get_by_role("textbox", name="Search"))
    keys.press("Escape")
    keys.type("pip install tb-right")
    expect(node.get_by_text("Understood as a command")).to_be_visible()
    keys.press("Enter")
    hears("Please look at the plan")
    dialog = page.get_by_role("dialog", name="Plan for keys")
    expect(dialog).to_contain_text("tb-pure 1.0 → 2.0")
    expect(dialog.get_by_role("heading", name="Plan for keys")).to_be_focused()
    tab_to(page, dialog.get_by_role("button", name="Apply"))
    keys.press("Enter")
    hears("^Done: .*install tb-right")


def undo(page: Page, panel: Panel, hears: Hear) -> None:
    """The last change, from the history."""
    node, keys = panel.node, page.keyboard
    tab_to(page, node.get_by_role("tab", name="Search"))
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    button = node.get_by_role("button", name=re.compile("^Undo .*install tb-right"))
    expect(button).to_be_visible()
    tab_to(page, button)
    keys.press("Enter")
    hears("^Done: .*undo")
    keys.press("Control+Alt+P")
    tab_to(page, node.get_by_role("tab", name="History"))
    keys.press("Home")
    expect(panel.row("tb-pure")).to_contain_text("1.0")
    expect(panel.row("tb-right")).to_have_count(0)

"""What a user changes through the panel: install, update, remove, undo, and what stops them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from testbed.environments import conda_environment, kernelspec, uv_install
from testbed.index import Server

from .jupyter import TIMEOUT, Jupyter, Notebook, open_notebook
from .panel import Panel, open_panel, side_panel

Shoot = Callable[[str], None]
Examine = Callable[..., None]
NewKernel = Callable[..., str]
WHEELS = "/files/*.whl"


def site_packages(jupyter: Jupyter, kernel: str) -> Path:
    return next((jupyter.folder / "venvs" / kernel).glob("lib/python*/site-packages"))


def installed(jupyter: Jupyter, kernel: str) -> set[str]:
    """What of the testbed is in a kernel's venv, as the names of its records: ``tb_pure-1.1``."""
    return {path.stem for path in site_packages(jupyter, kernel).glob("tb_*.dist-info")}


def files(jupyter: Jupyter, kernel: str) -> dict[Path, bytes]:
    """Everything in a kernel's venv that isn't made by running it."""
    folder = site_packages(jupyter, kernel)
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in found}


def start(page: Page, jupyter: Jupyter, kernel: str, *cells: str) -> Panel:
    """The panel beside a notebook of a kernel, with the environment's packages in it."""
    panel = open_panel(page, jupyter, jupyter.write(f"{kernel}.ipynb", *(cells or ("1",)), kernel=kernel))
    expect(panel.node.get_by_role("heading", name=kernel, exact=True)).to_be_visible()
    expect(panel.row("ipykernel")).to_be_visible()
    return panel


def plan_dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("^Plan for"))


def shows_version(panel: Panel, name: str, version: str) -> None:
    """The list of what is installed has this version."""
    panel.tab("Installed")
    expect(panel.row(name).get_by_role("gridcell", name=version, exact=True).first).to_be_visible(timeout=TIMEOUT)


# --- install -------------------------------------------------------------------------------------------------------


def test_a_version_is_chosen_and_installed(page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot) -> None:
    panel = start(page, jupyter, new_kernel("chosen-version"), "import tb_pure; tb_pure.__version__")
    details = panel.find("tb-pure")
    details.get_by_role("combobox", name="Version").select_option("1.1")
    shoot("change-choose-version")
    details.get_by_role("button", name="Install 1.1", exact=True).click()
    expect(details.get_by_role("button", name="Remove", exact=True)).to_be_visible(timeout=TIMEOUT)
    expect(panel.node.get_by_text("Done: tb-pure").last).to_be_visible()
    shoot("change-installed")
    assert installed(jupyter, "chosen-version") == {"tb_pure-1.1"}
    expect(Notebook(page).run(0)).to_contain_text("1.1")


def test_a_pasted_command_is_understood(page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot) -> None:
    panel = start(page, jupyter, new_kernel("pasted"))
    box = panel.search("!pip install 'tb-extra[more]' \"tb-cli==1.0\"")
    expect(panel.node.get_by_text("Understood as a command:")).to_be_visible()
    shoot("change-pasted")
    box.press("Enter")
    shows_version(panel, "tb-extra", "1.0")
    shows_version(panel, "tb-cli", "1.0")
    assert installed(jupyter, "pasted") == {"tb_extra-1.0", "tb_pure-2.0", "tb_cli-1.0"}


def test_pasted_requirements_are_one_plan(page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot) -> None:
    panel = start(page, jupyter, new_kernel("requirements"))
    panel.search("# what we need\ntb-pure >= 1.0, < 2\n\ntb-cli  # a command\n")
    shoot("change-requirements")
    panel.node.get_by_role("button", name="Install 2 packages").click()
    shows_version(panel, "tb-pure", "1.1")
    assert installed(jupyter, "requirements") == {"tb_pure-1.1", "tb_cli-1.0"}


def test_what_was_collected_is_applied_as_one_plan(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("collected", "tb-alpha==1.0"))
    panel.collect("tb-pure")
    panel.collect("tb-cli")
    panel.tab("Installed")
    panel.row("tb-alpha").hover()
    panel.row("tb-alpha").get_by_role("button", name="Add to changes: update tb-alpha to 2.1").click()
    panel.tab("Changes")
    waiting = panel.node.get_by_role("region", name="Collected changes").get_by_role("listitem")
    expect(waiting).to_have_text([re.compile("tb-pure"), re.compile("tb-cli"), re.compile("tb-alpha1.0 → 2.1")])
    shoot("change-collected")
    panel.node.get_by_role("button", name="Apply", exact=True).click()
    expect(waiting).to_have_count(0, timeout=TIMEOUT)
    expect(panel.node.get_by_role("region", name="Jobs").get_by_role("article")).to_have_count(1)
    expect(panel.node.get_by_role("region", name="Jobs")).to_contain_text("done")
    shoot("change-applied")
    assert installed(jupyter, "collected") == {"tb_pure-2.0", "tb_cli-1.0", "tb_alpha-2.1"}
    panel.tab("History")
    expect(panel.node.get_by_role("list", name="History").get_by_role("article")).to_have_count(1)


def test_removals_installs_and_downgrades_are_one_plan_one_job_and_one_undo(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("several", "tb-alpha==2.1", "tb-cli", "tb-left"))
    before = files(jupyter, "several")
    panel.collect("tb-extra")
    panel.tab("Installed")
    panel.row("tb-cli").click()
    panel.details("tb-cli").get_by_role("button", name="Add to changes: Remove").click()
    details = panel.find("tb-alpha")
    details.get_by_role("combobox", name="Version").select_option("1.1")
    details.get_by_role("button", name="Add to changes: Change to 1.1").click()
    panel.tab("Installed")
    panel.row("tb-pure").click()  # what tb-left needs
    panel.details("tb-pure").get_by_role("button", name="Add to changes: Remove").click()
    apply = panel.node.get_by_role("button", name="Apply", exact=True)
    apply.click()
    dialog = plan_dialog(page)
    expect(dialog.get_by_text("tb-left 1.0 needs tb-pure==1.0, but it would be gone")).to_have_count(1, timeout=TIMEOUT)
    expect(dialog.get_by_role("table")).to_have_count(1)
    expect(dialog.get_by_role("rowheader")).to_have_text(["tb-cli", "tb-pure", "tb-alpha", "tb-extra"])
    shoot("plan-several")
    dialog.get_by_role("button", name="Back").click()
    panel.tab("Changes")
    panel.node.get_by_role("button", name="Take tb-pure out of the changes").click()
    apply.click()
    waiting = panel.node.get_by_role("region", name="Collected changes").get_by_role("listitem")
    expect(waiting).to_have_count(0, timeout=TIMEOUT)
    expect(panel.node.get_by_role("region", name="Jobs").get_by_role("article")).to_have_count(1)
    shoot("change-several-applied")
    assert installed(jupyter, "several") == {"tb_extra-1.0", "tb_alpha-1.1", "tb_left-1.0", "tb_pure-1.0"}
    panel.tab("History")
    articles = panel.node.get_by_role("list", name="History").get_by_role("article")
    expect(articles).to_have_count(1)
    expect(articles).to_contain_text("remove tb-cli; install tb-extra tb-alpha==1.1")
    shoot("history-several")
    articles.first.get_by_role("button", name="Undo").click()
    expect(articles).to_have_count(2, timeout=TIMEOUT)
    assert files(jupyter, "several") == before


# --- other versions ------------------------------------------------------------------------------------------------


def test_update_and_downgrade(page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot) -> None:
    panel = start(page, jupyter, new_kernel("versions", "tb-alpha==1.1", "six"))
    panel.node.get_by_role("button", name=re.compile("^Outdated")).click()
    expect(panel.row("six")).to_have_count(0)
    expect(panel.row("tb-alpha")).to_contain_text("2.1")
    shoot("change-outdated")
    panel.row("tb-alpha").click()
    details = panel.details("tb-alpha")
    details.get_by_role("button", name="Update to 2.1", exact=True).click()
    expect(details.get_by_role("strong")).to_have_text("2.1", timeout=TIMEOUT)
    assert installed(jupyter, "versions") == {"tb_alpha-2.1"}
    details.get_by_role("combobox", name="Version").select_option("1.0")
    details.get_by_role("button", name="Change to 1.0", exact=True).click()
    expect(details.get_by_role("strong")).to_have_text("1.0", timeout=TIMEOUT)
    assert installed(jupyter, "versions") == {"tb_alpha-1.0"}


# --- removals ------------------------------------------------------------------------------------------------------


def test_a_removal_that_breaks_others_is_explained(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("needed", "tb-mixed", "tb-alpha==1.0"))
    before = files(jupyter, "needed")
    panel.row("tb-alpha").click()
    panel.details("tb-alpha").get_by_role("button", name="Remove", exact=True).click()
    dialog = plan_dialog(page)
    expect(dialog.get_by_text("tb-mixed 1.0 needs tb-alpha>=1, but it would be gone")).to_have_count(1, timeout=TIMEOUT)
    expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
    shoot("plan-needed")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_have_count(0)
    assert files(jupyter, "needed") == before
    panel.details("tb-alpha").get_by_role("button", name="Remove", exact=True).click()
    both = dialog.get_by_role("button", name="Remove both")
    expect(both).to_have_attribute("title", "Remove tb-alpha, tb-mixed", timeout=TIMEOUT)
    both.click()
    panel.tab("Installed")
    expect(panel.row("tb-alpha")).to_have_count(0, timeout=TIMEOUT)
    assert installed(jupyter, "needed") == set()


NewConda = Callable[..., str]


@pytest.fixture
def new_conda_kernel(jupyter: Jupyter, kernel_wheels: Path, channel_server: Server, testbed: Path) -> NewConda:
    """Make a kernel in a new conda environment of the local channel; returns the kernel's name."""

    def make(name: str, *specs: str) -> str:
        prefix = jupyter.folder / "conda" / name
        channels, cache = [channel_server.url], testbed / "cache"
        conda_environment(prefix, channels=channels, cache=cache, specs=["python", *specs])
        settings = f"channels: [{channel_server.url}]\npkgs_dirs: [{cache}]\n"
        (prefix / ".condarc").write_text(settings, encoding="utf-8")
        python = prefix / "bin" / "python"
        uv_install(python, "ipykernel", find_links=kernel_wheels)
        kernelspec(jupyter.folder / "data", name, python, display_name=f"Kernel {name}")
        return name

    return make


def test_a_removal_from_conda_takes_what_depends_on_it(
    page: Page, jupyter: Jupyter, new_conda_kernel: NewConda, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_conda_kernel("conda-remove", "tb-beta"))
    panel.row("tb-alpha").click()
    panel.details("tb-alpha").get_by_role("button", name="Remove", exact=True).click()
    dialog = plan_dialog(page)
    expect(dialog).to_contain_text("it also removes tb-beta 1.0", timeout=TIMEOUT)
    name = dialog.get_by_role("rowheader", name="tb-beta").bounding_box()
    sign = dialog.get_by_role("cell", name="remove").first.bounding_box()
    assert name is not None
    assert sign is not None
    assert name["x"] - sign["x"] < 40  # narrow, as a sign is
    shoot("plan-conda-remove")
    dialog.get_by_role("button", name="Apply").click()
    panel.tab("Installed")
    expect(panel.row("tb-beta")).to_have_count(0, timeout=TIMEOUT)
    assert not list((jupyter.folder / "conda" / "conda-remove" / "conda-meta").glob("tb-*.json"))


# --- what stops a change -------------------------------------------------------------------------------------------


def test_what_would_overwrite_a_conda_package_is_blocked(
    page: Page, jupyter: Jupyter, new_conda_kernel: NewConda, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_conda_kernel("conda-blocked", "tb-native"))
    panel.install("tb-clobber")
    dialog = plan_dialog(page)
    expect(dialog).to_contain_text("tb-native", timeout=TIMEOUT)
    expect(dialog).to_contain_text("no channel has tb-native 2.0")
    expect(dialog.get_by_role("button", name="Apply")).to_have_count(0)
    shoot("plan-blocked")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog).to_have_count(0)
    records = (jupyter.folder / "conda" / "conda-blocked" / "conda-meta").glob("tb-*.json")
    assert [record.name.rsplit("-", 2)[:2] for record in records] == [["tb-native", "1.1"]]


def test_a_plan_that_can_not_be_made_is_explained(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("conflict"))
    panel.search("pip install tb-left tb-right").press("Enter")
    expect(panel.node).to_contain_text("tb-pure==2.0", timeout=TIMEOUT)
    expect(panel.node).not_to_contain_text("Traceback")
    shoot("change-conflict")
    panel.node.get_by_role("button", name="Dismiss").click()
    expect(panel.node).not_to_contain_text("tb-pure==2.0")


def test_cancel_in_mid_download_leaves_all_as_it_was(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("cancelled", "tb-alpha==1.0"))
    before = files(jupyter, "cancelled")
    index.fail(WHEELS, "stall")
    panel.search("pip install tb-cancelled tb-alpha==1.1").press("Enter")
    applying = panel.node.get_by_role("group", name=re.compile("^Applying"))
    expect(applying.get_by_role("progressbar")).to_be_visible(timeout=TIMEOUT)
    shoot("change-downloading")
    applying.get_by_role("button", name="Cancel").click()
    expect(panel.node.get_by_text("Cancelled: the environment is as it was").last).to_be_visible(timeout=TIMEOUT)
    shoot("change-cancelled")
    assert files(jupyter, "cancelled") == before
    shows_version(panel, "tb-alpha", "1.0")


def test_what_fails_half_way_is_explained_and_leaves_all_as_it_was(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, examine: Examine
) -> None:
    panel = start(page, jupyter, new_kernel("fails", "tb-alpha==1.0"))
    before = files(jupyter, "fails")
    index.fail("/files/tb_fails*.whl", "garbage")
    panel.search("pip install tb-fails tb-alpha==1.1").press("Enter")
    panel.tab("Changes")
    job = panel.node.get_by_role("region", name="Jobs").get_by_role("article")
    expect(job).to_contain_text("failed", timeout=TIMEOUT)
    expect(job).to_contain_text("tb-fails")
    expect(panel.node).not_to_contain_text("Traceback")
    examine("change-failed")
    assert files(jupyter, "fails") == before
    expect(panel.installed("tb-alpha")).to_contain_text("1.0")


# --- and back ------------------------------------------------------------------------------------------------------


def test_undo_and_redo_from_the_history(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("undone", "tb-alpha==1.0"))
    before = files(jupyter, "undone")
    panel.search("pip install tb-pure==1.0 tb-alpha==1.1").press("Enter")
    shows_version(panel, "tb-alpha", "1.1")
    after = files(jupyter, "undone")
    index.fail("*", "503")  # the way back needs no network
    panel.tab("History")
    articles = panel.node.get_by_role("list", name="History").get_by_role("article")
    shoot("change-history")
    articles.first.get_by_role("button", name="Undo").click()
    expect(articles).to_have_count(2, timeout=TIMEOUT)
    expect(articles.first).to_contain_text("Undo: %pkg install tb-pure==1.0")
    shoot("change-undone")
    shows_version(panel, "tb-alpha", "1.0")
    assert files(jupyter, "undone") == before
    panel.tab("History")
    articles.first.get_by_role("button", name="Undo").click()
    expect(articles).to_have_count(3, timeout=TIMEOUT)
    shows_version(panel, "tb-alpha", "1.1")
    assert files(jupyter, "undone") == after


# --- the kernel after it -------------------------------------------------------------------------------------------


def test_undo_from_the_palette_before_the_panel_was_opened(page: Page, jupyter: Jupyter, new_kernel: NewKernel) -> None:
    name = jupyter.write("palette.ipynb", "%pkg install tb-pure", kernel=new_kernel("palette"))
    notebook = open_notebook(page, jupyter, name)
    notebook.run(0)
    page.keyboard.press("Control+Shift+C")
    search = page.get_by_role("textbox", name="SEARCH", exact=True)
    search.fill("Undo Last Package Change")
    search.press("Enter")
    panel = side_panel(page)
    articles = panel.node.get_by_role("list", name="History").get_by_role("article")
    expect(articles).to_have_count(2, timeout=TIMEOUT)
    expect(articles.first).to_contain_text("Undo: %pkg install tb-pure")
    assert not (site_packages(jupyter, "palette") / "tb_pure").exists()


def test_the_restart_button_restarts_the_kernel(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, shoot: Shoot
) -> None:
    name = new_kernel("restart-me", "tb-alpha==1.0")
    panel = start(page, jupyter, name, "import tb_alpha; tb_alpha.__version__")
    notebook = Notebook(page)
    expect(notebook.run(0)).to_contain_text("1.0")
    panel.search("tb-alpha==2.0").press("Enter")
    restart = panel.node.get_by_role("button", name="Restart the kernel")
    expect(restart).to_be_visible(timeout=TIMEOUT)
    status = page.get_by_role("contentinfo").get_by_role("button", name="restart-me restart", exact=True)
    expect(status).to_have_attribute("title", re.compile("a restart of the kernel is recommended"))
    shoot("change-restart")
    restart.click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(restart).to_have_count(0, timeout=TIMEOUT)
    expect(status).to_have_count(0)
    notebook.start(0)
    expect(notebook.output(0)).to_contain_text("2.0", timeout=TIMEOUT)
    expect(restart).to_have_count(0)  # still
    expect(status).to_have_count(0)


def test_the_status_bar_says_when_something_happens(
    page: Page, jupyter: Jupyter, index: Server, new_kernel: NewKernel, shoot: Shoot
) -> None:
    panel = start(page, jupyter, new_kernel("status"))
    status = page.get_by_role("contentinfo").get_by_role("button", name=re.compile("^status"))
    index.fail(WHEELS, "hold")
    panel.install("tb-status")
    expect(panel.node.get_by_role("group", name="Applying: tb-status")).to_be_visible(timeout=TIMEOUT)
    busy = status.get_by_role("img", name="status: packages are being changed")
    expect(busy).to_be_visible(timeout=TIMEOUT)
    shoot("status-busy")
    expect(busy).to_be_visible()  # still
    index.heal()
    expect(busy).to_have_count(0, timeout=TIMEOUT)
    shows_version(panel, "tb-status", "1.0")


# --- the doctor ----------------------------------------------------------------------------------------------------


def test_what_the_doctor_finds_is_mended_by_its_button(
    page: Page, jupyter: Jupyter, new_kernel: NewKernel, examine: Examine
) -> None:
    panel = start(page, jupyter, new_kernel("ill", "tb-alpha==1.0"))
    module = site_packages(jupyter, "ill") / "tb_alpha" / "__init__.py"
    before = module.read_bytes()
    module.unlink()
    panel.tab("Problems")
    panel.node.get_by_role("button", name="Examine", exact=True).click()
    finding = panel.node.get_by_role("list", name="Problems").get_by_role("listitem").filter(has_text="tb-alpha")
    expect(finding).to_be_visible(timeout=TIMEOUT)
    examine("doctor-finding")
    finding.get_by_role("button", name=re.compile("^Mend")).click()
    expect(finding).to_have_count(0, timeout=TIMEOUT)
    examine("doctor-mended")
    assert module.read_bytes() == before

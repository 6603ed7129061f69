"""A large environment, and many names to search in: nothing is left out, no row is blank."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from testbed.environments import copy_venv, kernelspec
from testbed.index import serve

from .conftest import EXTENSION
from .jupyter import KERNEL, TIMEOUT, Jupyter, serve_jupyter
from .panel import Panel, open_panel

PACKAGES = 5_000
NAMES = 35_000
WORDS = (
    "py",
    "data",
    "lib",
    "tool",
    "kit",
    "learn",
    "net",
    "graph",
    "plot",
    "stat",
    "time",
    "zone",
    "http",
    "json",
    "yaml",
    "auth",
    "image",
    "text",
    "log",
    "doc",
)


def names(count: int) -> list[str]:
    """Names as they are in an index: ``py-data-lib-17``."""
    words = ("-".join(three) for three in itertools.permutations(WORDS, 3))
    return [f"{name}-{number}" for name in words for number in range(6)][:count]


def fill_site_packages(python: Path, packages: list[str]) -> None:
    """Write what a wheel leaves behind: a module and its dist-info ("Recording installed projects")."""
    (folder,) = python.parents[1].glob("lib/python*/site-packages")
    for number, name in enumerate(packages):
        module = name.replace("-", "_")
        info = folder / f"{module}-1.{number}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{number}\nSummary: number {number}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "INSTALLER").write_text("uv\n", encoding="utf-8")
        record = f"{module}.py,,\n" + "".join(f"{info.name}/{file},,\n" for file in ("METADATA", "INSTALLER", "RECORD"))
        (info / "RECORD").write_text(record, encoding="utf-8")
        (folder / f"{module}.py").touch()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, template: Path, index_folder: Path) -> Iterator[Jupyter]:
    """A server whose kernel lives among 5,000 packages and sees an index of 35,000 names."""
    folder = tmp_path_factory.mktemp("large")
    all_names = names(NAMES)
    python = copy_venv(template, folder / "venv")
    fill_site_packages(python, all_names[:PACKAGES])
    kernelspec(folder / "data", KERNEL, python, display_name="A large venv")
    with serve(index_folder, listed=all_names) as index:
        environ = {
            "NO_PROXY": "127.0.0.1,localhost",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index.index_url,
            "XDG_CONFIG_DIRS": str(folder / "etc"),
        }
        with serve_jupyter(folder, extension=EXTENSION, environ=environ) as running:
            yield running
            running.shut_down_kernels()


SEEN = """node => {
    const box = node.getBoundingClientRect();
    const rows = [];
    for (let y = box.top + 40; y < box.bottom - 4; y += 10) {
        const row = document.elementFromPoint(box.left + 20, y)?.closest('[data-index]');
        rows.push(row && row.textContent.trim() ? Number(row.dataset.index) : null);
    }
    return rows;
}"""


def shows_rows_everywhere(panel: Panel, label: str) -> list[int]:
    """Every place of a list has a row with text in it, one after the other; returns their numbers."""
    grid = panel.node.get_by_role("grid", name=label)
    expect(grid.locator("[data-index]").first).to_be_visible()
    seen = grid.evaluate(SEEN)
    assert None not in seen
    assert set(seen) == set(range(seen[0], seen[-1] + 1))
    return list(dict.fromkeys(seen))


def test_five_thousand_packages_are_listed_filtered_and_scrolled(page: Page, large: Jupyter) -> None:
    panel = open_panel(page, large, large.write("large.ipynb", "1"))
    grid = panel.node.get_by_role("grid", name="Installed packages")
    expect(grid).to_have_attribute("aria-rowcount", re.compile(r"^50\d\d$"), timeout=TIMEOUT)
    total = int(grid.get_attribute("aria-rowcount") or 0) - 1
    assert total > PACKAGES
    assert shows_rows_everywhere(panel, "Installed packages")[0] == 0
    box = grid.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 200)
    for _ in range(20):
        page.mouse.wheel(0, 1200)
        shows_rows_everywhere(panel, "Installed packages")
    assert grid.locator("[role=row]").count() < 100
    grid.locator("[data-index]").first.focus()
    page.keyboard.press("End")
    expect(grid.locator(f'[data-index="{total - 1}"]')).to_be_focused()
    assert shows_rows_everywhere(panel, "Installed packages")[-1] == total - 1
    name = names(PACKAGES)[4321]
    panel.node.get_by_role("textbox", name="Filter").fill(name)
    expect(panel.row(name)).to_contain_text("1.4321")
    expect(grid).to_have_attribute("aria-rowcount", "2")


def test_thirty_five_thousand_names_are_searched(page: Page, large: Jupyter) -> None:
    panel = open_panel(page, large, large.write("names.ipynb", "1"))
    panel.tab("Search")
    expect(panel.node.get_by_text(re.compile(r"35,\d\d\d packages"))).to_be_visible(timeout=TIMEOUT)
    wanted = names(NAMES)[-1]
    box = panel.search(wanted)
    expect(panel.row(wanted)).to_be_visible()
    box.fill("json")
    expect(panel.node.get_by_text(re.compile(r"the best \d+ of [\d,]+"))).to_be_visible()
    shows_rows_everywhere(panel, "Packages found")

"""A browser, a Jupyter server with the built front end, and kernels with nothing of ours in their environments.

They need more than other tests do: ``make browser`` installs it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

import jupyter_pkgmgr
from testbed.environments import copy_venv, kernel_venv, kernelspec, uv_install
from testbed.index import Server, serve
from testbed.wheels import WheelSource, closure, repack, write_wheel

from .axe import violations
from .jupyter import KERNEL, Jupyter, serve_jupyter, set_theme

ROOT = Path(__file__).parents[2]
EXTENSION = Path(jupyter_pkgmgr.__file__).parent / "labextension"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
THEIRS = ("reading 'schema'", "'filebrowser:open-path' not registered")
"""Errors of Notebook 7's own scripts; they come without our extension, too."""
HOSTILE = WheelSource(
    name="tb-hostile",
    version="1.0",
    summary="<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    " \x1b[31mred\x1b[0m \u202edesrever\u2066 end" + " very" * 60 + "long",
)
"""A package whose summary is everything that a page or a terminal might take for more than text."""
ONCE = (
    *("axe", "cancelled", "cell", "down-503", "down-reset", "fails", "keys", "lost"),
    *("reload", "restarted", "status", "windows"),
)
"""Packages (``tb-…``) for one test each: what was never downloaded before can be held on its way."""
KNOWN = ("beautifulsoup4", "httpx", "jinja2", "pyyaml", "requests")
"""What everybody knows and JupyterLab needs, for the pictures."""
VIEWPORT: ViewportSize = {"width": 1280, "height": 860}
PATIENCE = 30_000
"""Milliseconds for anything on a page: this machine may have much to do."""
FAILED = pytest.StashKey[bool]()
"""Whether a test has failed, for what is told of it at its end."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure ("Making test result information available in fixtures", pytest's documentation)."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"there is no {BROWSERS[0]} on PATH")
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=executable, args=options)


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests of a worker: JupyterLab's scripts are loaded and compiled once."""
    context = browser.new_context(viewport=VIEWPORT, locale="en")
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context
    context.close()


@pytest.fixture(scope="session")
def kernel_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The running environment's own ipykernel and what it needs, as wheels."""
    folder = tmp_path_factory.mktemp("kernel-wheels")
    for name in closure("ipykernel"):
        repack(name, folder)
    return folder


@pytest.fixture(scope="session")
def template(testbed: Path, kernel_wheels: Path) -> Path:
    """A venv with ipykernel, to be copied: to make one and to compile what a kernel loads takes seconds."""
    return kernel_venv(testbed / "kernels" / "browser", find_links=kernel_wheels)


@pytest.fixture(scope="session")
def own_index(tmp_path_factory: pytest.TempPathFactory, index_folder: Path) -> Iterator[Server]:
    """The index of the ``jupyter`` server alone."""
    folder = tmp_path_factory.mktemp("index")
    shutil.copytree(index_folder, folder, dirs_exist_ok=True)
    write_wheel(folder, HOSTILE)
    for name in ONCE:
        write_wheel(folder, WheelSource(name=f"tb-{name}", version="1.0"))
    for name in closure(*KNOWN):
        repack(name, folder)
    with serve(folder) as server:
        yield server


@pytest.fixture
def index(own_index: Server) -> Iterator[Server]:
    """The same for a test that makes it fail; it is well again afterwards."""
    yield own_index
    own_index.heal()


@pytest.fixture(scope="session")
def jupyter_server(tmp_path_factory: pytest.TempPathFactory, template: Path, own_index: Server) -> Iterator[Jupyter]:
    """One server for all tests of a worker. Its kernels see the local index and nothing of this machine's settings."""
    if not (EXTENSION / "package.json").is_file():
        pytest.skip("the front end isn't built: make front")
    folder = tmp_path_factory.mktemp("jupyter")
    python = copy_venv(template, folder / "venv")
    startup = Path(jupyter_pkgmgr.__file__).parent / "kernel" / "startup.py"
    options = [f"--InteractiveShellApp.exec_files={[str(startup)]!r}"]
    environ = {
        "JUPYTER_PKGMGR_PYTHON": sys.executable,
        "NO_PROXY": "127.0.0.1,localhost",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": own_index.index_url,
        "UV_HTTP_TIMEOUT": "600",  # seconds: what is held is held as long as a test needs
        "XDG_CONFIG_DIRS": str(folder / "etc"),
    }
    kernelspec(folder / "data", KERNEL, python, display_name="A venv", extra=options)
    with serve_jupyter(folder, extension=EXTENSION, environ=environ) as running:
        yield running


@pytest.fixture
def jupyter(jupyter_server: Jupyter) -> Iterator[Jupyter]:
    """The server, on which no kernel of another test runs."""
    yield jupyter_server
    jupyter_server.shut_down_kernels()


@pytest.fixture
def new_kernel(
    jupyter: Jupyter, template: Path, own_index: Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Make a kernel in a new venv of the given name, with packages of the index; returns the kernel's name."""

    def make(name: str, *requirements: str) -> str:
        (jupyter.folder / "venvs").mkdir(exist_ok=True)
        python = copy_venv(template, jupyter.folder / "venvs" / name)
        if requirements:
            cache = tmp_path_factory.getbasetemp() / "uv-cache"
            uv_install(python, *requirements, index_url=own_index.index_url, cache=cache)
        kernelspec(jupyter.folder / "data", name, python, display_name=f"Kernel {name}")
        return name

    return make


@pytest.fixture
def page(context: BrowserContext, jupyter: Jupyter, request: pytest.FixtureRequest, artefacts: Path) -> Iterator[Page]:
    """A page of the test's own, which is closed before the kernels of ``jupyter`` go.

    An error in a script fails the test.
    """
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
    yield opened
    if FAILED in request.node.stash:
        name = f"failed-{_slug(request.node.name)}"
        opened.screenshot(path=artefacts / f"{name}.png")
        shutil.copyfile(jupyter.log, artefacts / f"{name}.log")
    for one in context.pages:
        one.close()
    context.clear_cookies()
    assert not [error for error in errors if not any(known in error for known in THEIRS)]


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The folder for screenshots: ``JUPYTER_PKGMGR_ARTEFACTS``, or ``.artefacts`` in the checkout."""
    folder = Path(os.environ.get("JUPYTER_PKGMGR_ARTEFACTS") or ROOT / ".artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def shoot(page: Page, artefacts: Path) -> Callable[[str], None]:
    """Take a picture of the page in the light and in the dark theme."""

    def take(name: str) -> None:
        for theme in ("dark", "light"):
            set_theme(page, theme)
            page.screenshot(path=artefacts / f"{name}-{theme}.png", animations="disabled")

    return take


@pytest.fixture
def examine(page: Page, artefacts: Path) -> Callable[..., None]:
    """Take a picture of the page in light and dark, and let axe-core find nothing serious in any theme."""

    def look(name: str, part: str = ".jpkg-Panel") -> None:
        found = {}
        for theme in ("contrast", "dark", "light"):
            set_theme(page, theme)
            if theme != "contrast":
                page.screenshot(path=artefacts / f"{name}-{theme}.png", animations="disabled")
            found[theme] = violations(page, part)
        assert not [f"{name}, {theme}: {one}" for theme, all_ in found.items() for one in all_]

    return look


def _slug(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text).strip("-")

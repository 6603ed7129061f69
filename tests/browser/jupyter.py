"""A real Jupyter server with JupyterLab and Notebook 7, and a page of it in a real browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

__all__ = ["KERNEL", "Jupyter", "Notebook", "open_notebook", "serve_jupyter", "set_theme"]

SERVER_TIMEOUT = 120.0
"""Seconds for a server to come up, or to go down, on a machine that has other things to do."""
KERNEL = "venv"
"""Name of the kernel in a new venv."""
TIMEOUT = 60_000
"""Milliseconds for what a kernel or a package tool does."""
THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "contrast": "JupyterLab Dark High Contrast",
}
QUIET = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": False,
        "fetchNews": "false",
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/completer-extension/inline-completer": {"providers": {}},
}
"""User settings under which nothing but what a test does happens on a page."""


@dataclass(frozen=True, kw_only=True)
class Jupyter:
    """A running server."""

    url: str
    token: str
    notebooks: Path
    log: Path
    folder: Path
    """Where everything of it is: ``data`` with the kernelspecs, ``config``."""

    def address(self, path: str, *, new: bool = False) -> str:
        """The address of a page, with the token; a ``new`` one of JupyterLab's has nothing open from before."""
        return f"{self.url}{path}?token={self.token}{'&reset' if new else ''}"

    def write(self, name: str, *cells: str, kernel: str = KERNEL) -> str:
        """Write a notebook with these cells; returns its name."""
        document = {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"c{number}",
                    "source": cell,
                    "metadata": {},
                    "outputs": [],
                    "execution_count": None,
                }
                for number, cell in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.notebooks / name).write_text(json.dumps(document), encoding="utf-8")
        return name

    def shut_down_kernels(self) -> None:
        """End all kernels, and their notebooks' sessions with them."""
        for kernel in json.loads(self._ask("GET", "api/kernels")):
            self._ask("DELETE", f"api/kernels/{kernel['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)  # noqa: S310  on loopback
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return bytes(answer.read())


@dataclass
class Notebook:
    """An open notebook on a page."""

    page: Page

    def cell(self, number: int) -> Locator:
        """A cell, by its place."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        """What a cell shows below itself."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def start(self, number: int) -> None:
        """Run a cell, and don't wait for its end."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def run(self, number: int) -> Locator:
        """Run a cell to its end; returns its output."""
        self.start(number)
        self.wait(number)
        return self.output(number)

    def wait(self, number: int) -> None:
        """Wait until a cell has run."""
        prompt = self.cell(number).locator(".jp-InputArea-prompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=TIMEOUT)


IS_IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    const kernel = context?.session?.kernel;
    return context?.isReady && kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}"""


def open_notebook(page: Page, jupyter: Jupyter, name: str, *, app: str = "lab/tree") -> Notebook:
    """Open a notebook in JupyterLab (or, with ``notebooks``, in Notebook 7), and wait until its kernel is idle."""
    page.goto(jupyter.address(f"{app}/{name}", new=app.startswith("lab")))
    page.wait_for_function(IS_IDLE, timeout=TIMEOUT)
    return Notebook(page)


def set_theme(page: Page, theme: str) -> None:
    """Change to JupyterLab's light, dark or high-contrast theme."""
    name = THEMES[theme]
    command = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
    page.evaluate(command, name)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", name)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)  # it stumbles over a second change meanwhile


@contextlib.contextmanager
def serve_jupyter(
    folder: Path, *, extension: Path, environ: Mapping[str, str], options: Sequence[str] = ()
) -> Iterator[Jupyter]:
    """Run a server on a free port of loopback, with a home of its own under ``folder``.

    Parameters
    ----------
    extension
        The built front end.
    environ
        Added to the server's process environment, and thus to that of its kernels.
    options
        More of the server's command line.
    """
    data, config, runtime, notebooks = (folder / name for name in ("data", "config", "runtime", "notebooks"))
    for path in (data / "labextensions", config, runtime, notebooks):
        path.mkdir(parents=True)
    (data / "labextensions" / "jupyter-pkgmgr").symlink_to(extension, target_is_directory=True)
    _write_settings(config)
    log = folder / "server.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={notebooks}", "--allow-root"]
    command += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True", *options]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    own = {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_PATH": str(data),
        "JUPYTER_RUNTIME_DIR": str(runtime),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**kept, **own, **environ}, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            facts = _wait_for(process, runtime, log)
            yield Jupyter(url=facts["url"], token=facts["token"], notebooks=notebooks, log=log, folder=folder)
        finally:
            process.terminate()
            process.wait(SERVER_TIMEOUT)


def _write_settings(config: Path) -> None:
    for plugin, settings in QUIET.items():
        path = config / "lab" / "user-settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")


def _wait_for(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> dict[str, Any]:
    """What the server says of itself, as soon as it listens."""
    deadline = time.monotonic() + SERVER_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # being written
            return dict(json.loads((runtime / f"jpserver-{process.pid}.json").read_text(encoding="utf-8")))
        time.sleep(0.1)
    msg = f"the Jupyter server didn't start:\n{log.read_text(encoding='utf-8', errors='replace')}"
    raise RuntimeError(msg)

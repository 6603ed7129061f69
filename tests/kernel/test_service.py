"""The whole way: %pkg in a kernel that has nothing of ours, the real service on another Python, a real index."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.kernel import attach
from testbed.index import Server, serve
from tests.kernel.conftest import VERSIONS, Kernel, StartKernel


@pytest.fixture
def start(
    kernel_python: Callable[[str], str], start_kernel: StartKernel, index_server: Server, tmp_path: Path
) -> Callable[[str], Kernel]:
    def start(version: str) -> Kernel:
        cache = str(tmp_path / "cache")
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index_server.index_url}
        kernel = start_kernel(kernel_python(version), **settings, XDG_CACHE_HOME=cache, UV_CACHE_DIR=cache)
        assert kernel.run(attach.source(sys.executable), silent=True, history=False).status == "ok"
        return kernel

    return start


@pytest.mark.parametrize("version", VERSIONS)
def test_install_import_change_and_remove(version: str, start: Callable[[str], Kernel]) -> None:
    kernel = start(version)
    installed = kernel.run("%pkg install tb-mixed\nimport tb_mixed, tb_alpha")
    assert installed.status == "ok", installed.error
    assert "tb-alpha" in installed.texts[0]
    assert installed.texts[-1] == "no restart needed"
    assert kernel.value("tb_alpha.__version__") == "2.1"
    assert kernel.run("%pkg install tb-mixed tb-alpha>=2").stdout == (
        "2 packages are already installed: tb-mixed 1.0, tb-alpha 2.1\n"
    )
    changed = kernel.run("%%pkg\ntb-alpha<2  # older\ntb-pure")
    assert changed.status == "ok", changed.error
    assert changed.texts[-1] == "restart the kernel to use what changed: tb_alpha is loaded"
    removed = kernel.run("%pkg remove tb-mixed tb-alpha tb-pure")
    assert removed.status == "ok", removed.error
    assert removed.texts[-1] == "restart the kernel to use what changed: tb_alpha, tb_mixed are loaded"
    assert kernel.run("import tb_pure").error["ename"] == "ModuleNotFoundError"


def test_an_undo_says_what_has_to_be_restarted(start: Callable[[str], Kernel]) -> None:
    kernel = start(f"{VERSIONS[-1]}-undo")  # an environment, and so a history, of its own
    kernel.run("%pkg install tb-alpha==1.0")
    kernel.run("%pkg install tb-alpha==2.0 tb-pure\nimport tb_alpha")
    undone = kernel.run("%pkg undo")
    assert undone.status == "ok", undone.error
    assert "2.0 → 1.0" in undone.texts[0]
    assert undone.texts[-1] == "restart the kernel to use what changed: tb_alpha is loaded"
    assert kernel.run("import tb_pure").error["ename"] == "ModuleNotFoundError"
    again = kernel.run("%pkg undo")
    assert "Removed tb-alpha 1.0" in "".join(again.texts)
    nothing = kernel.run("%pkg undo")
    assert "there is nothing to undo" in nothing.error["evalue"]
    [history] = kernel.run("%pkg history").texts
    assert "4 transactions" in history
    [history] = kernel.run("%pkg history -v").texts
    verdicts = [re.split("  +", line)[-2] for line in history.splitlines()[2:]]
    assert verdicts == ["recommended: tb_alpha", "recommended: tb_alpha", "not needed", "not needed"]


def test_an_undo_of_what_was_never_loaded_asks_for_nothing(start: Callable[[str], Kernel]) -> None:
    kernel = start(f"{VERSIONS[-1]}-undo")
    kernel.run("%pkg install tb-alpha==1.0\nimport tb_alpha")
    changed = kernel.run("%pkg install tb-alpha==2.0")
    assert changed.texts[-1] == "restart the kernel to use what changed: tb_alpha is loaded"
    assert kernel.run("%pkg undo").texts[-1] == "no restart needed"
    again = kernel.run("%pkg undo")
    assert again.texts[-1] == "restart the kernel to use what changed: tb_alpha is loaded"
    kernel.run("%pkg remove tb-alpha")


def test_who_waits_for_a_plan_is_told_what_for(start: Callable[[str], Kernel], index_folder: Path) -> None:
    kernel = start(f"{VERSIONS[-1]}-slow")
    with serve(index_folder, latency=1500) as server:
        done = kernel.run(f"%pkg install -i {server.index_url} tb-pure")
        assert done.status == "ok", done.error
        assert done.shown[0]["text/plain"].startswith("planning: uv asks 127.0.0.1:")
        assert done.texts[0].startswith("Plan for")
        assert not any("planning" in text for text in done.texts)
        failed = kernel.run(f"%pkg install -i {server.index_url} tb-nosuch")
    assert "tb-nosuch" in failed.error["evalue"]
    assert failed.shown[0]["text/plain"].startswith("planning: ")
    assert failed.texts == [""]


def test_what_goes_wrong_is_one_short_error(start: Callable[[str], Kernel]) -> None:
    kernel = start("3.8")
    for line, expected in (
        ("%pkg nonsense", "%pkg has no verb 'nonsense'"),
        ("%pkg install", "install what? No package was named"),
        ("%pkg install --target=/ six", "names another place"),
        ("%pkg install 'six", "a quotation mark is never closed"),
    ):
        failed = kernel.run(line)
        assert failed.status == "error"
        assert expected in failed.error["evalue"]
        assert expected in failed.error["traceback"][0]
        assert "Traceback" not in "".join(failed.error["traceback"])
    unknown = kernel.run("%pkg install tb-alhpa")
    assert unknown.error["ename"] == "PkgError"
    assert "tb-alhpa" in unknown.error["evalue"]


def test_a_missing_import_is_answered_from_the_shipped_names(start: Callable[[str], Kernel]) -> None:
    kernel = start("3.9")
    kernel.run("%pkg env")  # the service runs: the help has a second and a half, which starting it may take
    [line] = kernel.run("import cv2").texts
    assert "%pkg install opencv-python" in line
    assert kernel.run("import this_module_is_nobodys").texts == []

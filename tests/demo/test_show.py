from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager

from demo.show import EXPECTED, run
from testbed.environments import kernelspec


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncKernelManager:
    kernelspec(tmp_path / "jupyter", "shown", sys.executable, extra=["--log-level=ERROR"])
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return AsyncKernelManager(kernel_name="shown")


def execute(tmp_path: Path, kernel: AsyncKernelManager, *cells: tuple[str, ...]) -> bool:
    """Cells as (kind, source, what is expected …): nbclient's tag, or a regular expression."""
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    made = [
        new[kind](  # type: ignore[no-untyped-call]
            source,
            metadata={
                "tags": [tag for tag in expected if tag == EXPECTED],
                "demo": {"shows": [pattern for pattern in expected if pattern != EXPECTED]},
            },
        )
        for kind, source, *expected in cells
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "in.ipynb")  # type: ignore[no-untyped-call]
    return run(tmp_path / "in.ipynb", kernel, save=tmp_path / "out.ipynb")


def test_cells_are_shown_in_order_and_displays_in_their_last_state(
    tmp_path: Path, kernel: AsyncKernelManager, capsys: pytest.CaptureFixture[str]
) -> None:
    update = "from IPython.display import display\nh = display('first', display_id=True)\nh.update('last')"
    assert execute(tmp_path, kernel, ("markdown", "# Title"), ("code", update), ("code", "40 + 2"), ("markdown", "End"))
    out = capsys.readouterr().out
    assert out == (
        "# Title\n\nIn [1]: from IPython.display import display\n        h = display('first', display_id=True)\n"
        "        h.update('last')\n    'last'\n\nIn [2]: 40 + 2\n    42\n\nEnd\n\n"
    )


def test_an_expected_error_is_part_of_the_story(
    tmp_path: Path, kernel: AsyncKernelManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(tmp_path, kernel, ("code", "1 / 0", "raises-exception"), ("code", "print('on')"))
    out = capsys.readouterr().out
    assert "ZeroDivisionError: division by zero" in out
    assert "    on\n" in out
    assert "\x1b[" not in out


@pytest.mark.parametrize(
    ("source", "tags", "said"),
    [
        ("1 / 0", (), "this was not expected"),
        ("1 / 1", ("raises-exception",), "this was expected to fail, and did not"),
        ("import os; os._exit(3)", (), "the kernel died"),
        ("print('one two')", ("one .wo", "three"), "this was expected to show 'three'"),
    ],
)
def test_what_goes_otherwise_is_a_failure(
    tmp_path: Path,
    kernel: AsyncKernelManager,
    capsys: pytest.CaptureFixture[str],
    source: str,
    tags: tuple[str, ...],
    said: str,
) -> None:
    assert not execute(tmp_path, kernel, ("code", source, *tags), ("code", "print('after')"))
    assert said in capsys.readouterr().out
    assert (tmp_path / "out.ipynb").is_file()

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

from demo.show import run
from testbed.environments import kernelspec


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    kernelspec(tmp_path / "jupyter", "shown", sys.executable, extra=["--log-level=ERROR"])
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return "shown"


def execute(tmp_path: Path, kernel: str, *cells: tuple[str, ...]) -> bool:
    """Cells as (kind, source, tags …)."""
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    made = [new[kind](source, metadata={"tags": tags}) for kind, source, *tags in cells]  # type: ignore[no-untyped-call]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "in.ipynb")  # type: ignore[no-untyped-call]
    return run(tmp_path / "in.ipynb", kernel, save=tmp_path / "out.ipynb")


def test_cells_are_shown_in_order_and_displays_in_their_last_state(
    tmp_path: Path, kernel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    update = "from IPython.display import display\nh = display('first', display_id=True)\nh.update('last')"
    assert execute(tmp_path, kernel, ("markdown", "# Title"), ("code", update), ("code", "40 + 2"), ("markdown", "End"))
    out = capsys.readouterr().out
    assert out == (
        "# Title\n\nIn [1]: from IPython.display import display\n        h = display('first', display_id=True)\n"
        "        h.update('last')\n    'last'\n\nIn [2]: 40 + 2\n    42\n\nEnd\n\n"
    )


def test_an_expected_error_is_part_of_the_story(
    tmp_path: Path, kernel: str, capsys: pytest.CaptureFixture[str]
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
        ("import os; os._exit(3)", (), "the kernel shown died"),
    ],
)
def test_what_goes_otherwise_is_a_failure(
    tmp_path: Path, kernel: str, capsys: pytest.CaptureFixture[str], source: str, tags: tuple[str, ...], said: str
) -> None:
    assert not execute(tmp_path, kernel, ("code", source, *tags), ("code", "print('after')"))
    assert said in capsys.readouterr().out
    assert (tmp_path / "out.ipynb").is_file()

"""Execute a notebook in its kernel and print the cells with their outputs, as a terminal shows them.

What a cell has to show is part of the notebook, in the cell's metadata: ``demo.shows`` are regular expressions that
must be found in its outputs; a cell that is meant to fail has nbclient's tag and ``demo.because``.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

__all__ = ["run"]

CELL_TIMEOUT = 600
EXPECTED = "raises-exception"
"""nbclient's tag for a cell that is meant to fail."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(notebook: Path, manager: AsyncKernelManager, *, save: Path) -> bool:
    """Execute every cell, printing as they are done; returns whether all went as the notebook says.

    The executed notebook is written to ``save`` in any case. The kernel is ended, if the manager owns it.
    """
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    screen = _Screen(content)
    client = NotebookClient(
        content,
        km=manager,
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(notebook.parent)}},
        on_cell_executed=screen.executed,
    )
    try:
        client.execute(cleanup_kc=True)
    except (CellExecutionError, DeadKernelError) as error:
        if isinstance(error, DeadKernelError):
            screen.say("the kernel died")
        screen.failed = True
    finally:
        nbformat.write(content, save)  # type: ignore[no-untyped-call]
    screen.rest()
    return not screen.failed


def missing(cell: Any, text: str) -> list[str]:
    """What a cell should have shown and didn't."""
    plain = _ANSI.sub("", text)
    return [pattern for pattern in cell.metadata.get("demo", {}).get("shows", []) if not re.search(pattern, plain)]


class _Screen:
    """Prints cells in order: those before an executed one, then it."""

    def __init__(self, notebook: Any) -> None:
        self._cells = notebook.cells
        self._printed = 0
        self.failed = False

    def executed(self, cell: Any, cell_index: int, **_: object) -> None:
        """Nbclient's hook."""
        while self._printed < cell_index:
            self._other(self._cells[self._printed])
        self._printed += 1
        number = cell.get("execution_count") or " "
        self.say(_prefixed(cell.source, f"In [{number}]: "))
        texts = [_text(output).rstrip() for output in cell.outputs]
        for text in texts:
            self.say(textwrap.indent(text, "    "))
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised is not (EXPECTED in cell.metadata.get("tags", [])):
            self.failed = True
            self.say("    ^ " + ("this was not expected" if raised else "this was expected to fail, and did not"))
        for pattern in missing(cell, "\n".join(texts)):
            self.failed = True
            self.say(f"    ^ this was expected to show {pattern!r}")
        self.say("")

    def rest(self) -> None:
        """What stands after the last executed cell."""
        if not self.failed:
            while self._printed < len(self._cells):
                self._other(self._cells[self._printed])

    def _other(self, cell: Any) -> None:
        self._printed += 1
        if cell.cell_type == "markdown":
            self.say(f"{cell.source}\n")

    @staticmethod
    def say(text: str) -> None:
        """Print; colours only for a terminal."""
        print(text if sys.stdout.isatty() else _ANSI.sub("", text), flush=True)


def _prefixed(source: str, prompt: str) -> str:
    return textwrap.indent(source, " " * len(prompt)).replace(" " * len(prompt), prompt, 1)


def _text(output: Any) -> str:
    """An output as text; of an update display only the last state is in the notebook."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return "\n".join(output.traceback) or f"{output.ename}: {output.evalue}"
    return str(output.data.get("text/plain", ""))

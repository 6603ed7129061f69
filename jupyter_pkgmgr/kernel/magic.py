"""``%pkg`` and ``%%pkg`` beyond the fast path: the service, and what has to be done in this process afterwards."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any

from . import facts, search_path, verdict
from .child import Service
from .display import Displays
from .errors import PkgError

__all__ = ["PkgMagic"]

WIDTH = 100
"""Columns of text in a notebook's cell."""


class PkgMagic:
    """What ``%pkg`` does in one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.service = Service()
        self._panels: list[Any] = []
        """Those that were shown: they answer as long as the kernel runs."""
        self._due = verdict.Verdict()
        """What the changes since the kernel's start ask for."""

    def run(self, line: str, cell: str | None = None) -> None:
        """Run one command; raises :class:`PkgError` if it fails."""
        if cell is None and line.split() == ["panel"]:
            self.show_panel()
            return
        displays = Displays(self.shell)
        paths = search_path.snapshot()
        try:
            result, interrupted = self.service.run(self._params(line, cell), displays.show)
        finally:  # after an error too: a part may have been done
            displays.finish()
            importlib.invalidate_caches()
        waiting = search_path.refresh(paths)
        if result.get("verdict_wanted"):
            found = verdict.judge(result.get("changed_files", ()), result.get("changed_packages", ()), waiting)
            displays.show("verdict", verdict.render(found, self._due))
            self._due = verdict.together(self._due, found)
        if interrupted:
            raise PkgError("interrupted, but the work was done already", reference="interrupted-too-late")

    def show_panel(self) -> None:
        """Show the panel in the cell."""
        if not hasattr(self.shell, "kernel"):
            raise PkgError(
                "a terminal can't show the panel",
                reference="no-front-end",
                hint="%pkg panel in a notebook; here: %pkg list",
            )
        from jupyter_pkgmgr.widget import PackagePanel  # noqa: PLC0415  on first use

        try:
            panel = PackagePanel(lambda request: self.service.api({**request, "facts": facts.collect()}))
        except (FileNotFoundError, ImportError) as error:
            raise PkgError(str(error), reference="no-front-end", hint="%pkg list") from None
        self.shell.display_pub.publish(data=panel._repr_mimebundle_(), metadata={})
        self._panels.append(panel)

    def hint(self, module: str, timeout: float) -> dict[str, Any] | None:
        """What the service knows about a module that can't be imported."""
        return self.service.hint({"module": module, "facts": facts.collect()}, timeout)

    def close(self) -> None:
        """End the service."""
        self.service.close()

    def _params(self, line: str, cell: str | None) -> dict[str, Any]:
        in_terminal = not hasattr(self.shell, "kernel")
        return {
            "argv_line": line,
            "cell": cell,
            "cwd": _working_directory(),
            "facts": facts.collect(),
            "width": shutil.get_terminal_size().columns if in_terminal else WIDTH,
        }


def _working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise PkgError(
            "the working directory of this kernel doesn't exist any more", reference="working-directory", hint="%cd ~"
        ) from None

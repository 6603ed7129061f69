"""``%pkg`` and ``%%pkg`` beyond the fast path: the service, and what has to be done in this process afterwards."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any, Callable, Dict, Iterable

from . import facts, search_path, verdict
from .changes import Changes
from .child import Service
from .display import MIME, Displays
from .errors import PkgError

__all__ = ["PkgMagic"]

WIDTH = 100
"""Columns of text in a notebook's cell."""


class PkgMagic:
    """What ``%pkg`` does in one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._panels: list[Any] = []
        """Those that were shown: they answer as long as the kernel runs."""
        self.changes = Changes()
        self._child = Service()
        self._server: Any = None
        self.service: Any = self._child

    def reach(
        self, python: str | None, connection: dict[str, Any] | None, limits: dict[str, Any] | None = None
    ) -> None:
        """Say which interpreter runs the service and within what limits, and where a server does that instead."""
        self._child.python, self._child.limits = python, limits
        if connection is not None and (self._server is None or self._server.connection is not connection):
            from .remote import Service as Server  # noqa: PLC0415  only where there is one

            self._server = self.service = Server(connection, self._child)

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
            displays.show("verdict", self._judge(result, waiting))
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
            panel = PackagePanel(self.panel_service(), self._due_document)
        except (FileNotFoundError, ImportError) as error:
            raise PkgError(str(error), reference="no-front-end", hint="%pkg list") from None
        self.shell.display_pub.publish(data=panel._repr_mimebundle_(), metadata={})
        self._panels.append(panel)

    def panel_service(self) -> Callable[[Dict[str, Any]], Dict[str, Any]]:
        """Who answers a panel, as long as it is shown: the ids that it holds mean nothing to anybody else."""
        service = self._server if self._server is not None and self._server.reaches() else self._child

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            answer: dict[str, Any] = service.api({**request, "facts": facts.collect()})
            for change in answer.pop("changed", ()):  # a server tells the kernels that it has attached by itself
                self._judge(change)
            return answer

        return ask

    def _judge(self, change: dict[str, Any], waiting: Iterable[str] = ()) -> dict[str, Any]:
        """The verdict on a change as a display; it is remembered, and told to who did the work."""
        data = verdict.render(*self.changes.judge(change, waiting))
        data[MIME] = self.stamped("verdict", data[MIME], change.get("job"))
        if change.get("transaction"):
            self.service.report(change["transaction"], data[MIME], facts.collect())
        return data

    def _due_document(self) -> dict[str, Any] | None:
        """What all changes since the kernel's start ask for, for a panel."""
        due = self.changes.due
        if due.level == "none":
            return None
        part = verdict.render(due)[MIME]
        return {name: part[name] for name in ("level", "modules", "text")}

    def hint(self, module: str, timeout: float) -> dict[str, Any] | None:
        """What the service knows about a module that can't be imported."""
        answer: dict[str, Any] | None = self.service.hint({"module": module, "facts": facts.collect()}, timeout)
        return answer

    def stamped(self, part: str, content: dict[str, Any], job: str | None = None) -> dict[str, Any]:
        """A document for a front end that knows us, with the kernel and the job that it is about."""
        kernel = self._server.kernel if self._server is not None else None
        return {**content, "schema": 1, "part": part, "kernel": kernel, "job": job}

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

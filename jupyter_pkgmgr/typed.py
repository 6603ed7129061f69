"""What was typed in a cell, carried out: shared by a server's jobs and a kernel's own child."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.commands import Command, parse_cell, parse_line
from jupyter_pkgmgr.model import Action, Cancellation, Environment, Outcome
from jupyter_pkgmgr.render import Rendered
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.verbs import Report, Runner

__all__ = ["Typed", "changed_packages", "hint_document", "is_verbose", "run_typed"]

_VERBOSE = re.compile(r"--verbose|-[qyU]*v[qyUv]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed in a cell."""

    line: str
    cell: str | None
    cwd: str | None

    def parse(self) -> Command:
        """Understand it; paths start from the kernel's folder.

        Raises
        ------
        UsageError
            If it makes no sense.
        """
        base = Path(self.cwd) if self.cwd else Path.home()
        return parse_line(self.line, base=base) if self.cell is None else parse_cell(self.line, self.cell, base=base)


def is_verbose(line: str) -> bool:
    """Whether ``-v`` was typed: known even of a line that can't be understood."""
    return any(_VERBOSE.fullmatch(word) for word in line.split())


def run_typed(
    service: PackageService,
    environment: Environment,
    command: Command,
    *,
    show: Callable[[str, Rendered], None],
    show_json: Callable[[str, dict[str, Any]], None],
    cancel: Cancellation,
) -> tuple[dict[str, Any], Outcome | None]:
    """Carry out a command for a kernel; returns what it needs to know afterwards.

    Parameters
    ----------
    show
        Takes a key and what to show; the same key again replaces it.
    show_json
        Takes a key and a bundle of MIME types.
    """

    def show_nothing(key: str, rendered: Rendered) -> None:
        """With ``--json`` only the final document is shown."""

    report = Runner(service, environment, show_nothing if command.json else show, cancel=cancel).run(command)
    if command.json:
        show_json("json", {"text/plain": json.dumps(report.json, indent=2)})
    return _result(report), report.outcome


def _result(report: Report) -> dict[str, Any]:
    outcome = report.outcome
    return {
        "exit": report.exit,
        "changed_files": list(outcome.changed_files) if outcome else [],
        "changed_packages": changed_packages(outcome) if outcome else [],
        "added_paths": any(change.action is not Action.REMOVE for change in outcome.changes) if outcome else False,
        "verdict_wanted": outcome is not None,
        "transaction": (outcome.transaction or None) if outcome else None,
        "undoes": list(outcome.undoes) if outcome else [],
    }


def changed_packages(outcome: Outcome) -> list[dict[str, Any]]:
    """What a kernel compares with its loaded modules, beside the files."""
    return [
        {
            "name": change.package.name,
            "action": change.action.value,
            "distributions": sorted(
                {
                    *(name for package in (change.before, change.after) if package for name, _ in package.provides),
                    canonicalize_name(change.package.name),
                }
            ),
        }
        for change in outcome.changes
    ]


def hint_document(service: PackageService, environment: Environment, module: str) -> dict[str, str] | None:
    """What to install so that ``import module`` works; ``None`` where nobody knows."""
    found = service.missing_import(environment, module)
    return None if found is None else {"package": found.package, "command": found.command, "text": found.text}

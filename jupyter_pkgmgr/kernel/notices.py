"""What others did to the environment of this kernel: a line after the next cell, once."""

from __future__ import annotations

import html
import importlib
import re
from typing import Any, Dict, List, Mapping

from . import verdict
from .display import MIME

__all__ = ["Notices"]

KEPT = 5
"""So many changes are told one by one; a kernel may run one cell for days."""


class Notices:
    """The lines that wait for the end of a cell."""

    def __init__(self) -> None:
        self._waiting: List[Dict[str, Any]] = []

    def take(self, change: Mapping[str, Any], magic: Any) -> Dict[str, Any]:
        """Judge a change against what is loaded here; what concerns nobody is not told."""
        importlib.invalidate_caches()
        packages = list(change.get("changed_packages", ()))
        found, earlier = magic.changes.judge(change)
        text = _line(found, packages) if found.level != "none" else ""
        document = {"level": found.level, "modules": list(found.modules), "text": text}
        if text:
            self._waiting = [*self._waiting[1 - KEPT :], magic.stamped("verdict", document, change.get("job"))]
        nothing_due = verdict.together(found, earlier) == verdict.Verdict()
        return {**document, "withdrawn": bool(change.get("undoes")) and nothing_due}

    def show(self, shell: Any) -> None:
        """Show what waits."""
        waiting, self._waiting = self._waiting, []
        for part in waiting:
            text = part["text"]
            data = {"text/plain": text, "text/html": f"<div>{html.escape(text)}</div>", MIME: part}
            shell.display_pub.publish(data=data, metadata={})


def _line(found: verdict.Verdict, packages: List[Mapping[str, Any]]) -> str:
    """Which packages moved, which of their modules are loaded, and what that asks for."""
    moved = {_plain(name): package for package in packages for name in _names(package)}
    subjects = []
    for module in found.modules[: verdict.NAMED]:
        package = moved.get(_plain(module))
        subjects.append(f"{package['name']} {_versions(package)}".rstrip() if package else module)
    more = len(found.modules) - len(subjects)
    named = ", ".join(dict.fromkeys(subjects)) + (f" and {more} more" if more > 0 else "")
    them = "it" if len(subjects) == 1 and more <= 0 else "them"
    return f"{named} changed and you have {them} loaded: restart {found.level}"


def _names(package: Mapping[str, Any]) -> List[str]:
    return [str(package.get("name")), *map(str, package.get("distributions", ()))]


def _versions(package: Mapping[str, Any]) -> str:
    before, after = package.get("before") or "", package.get("after") or ""
    if before and after and before != after:
        return f"{before} → {after}"
    return f"{before} (removed)" if package.get("action") == "remove" else after


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

"""What a Python told of itself, as the service holds it: the reader of ``kernel/facts.py``'s answer.

The keys and their meaning stand in the docstring of ``jupyter_pkgmgr/kernel/facts.py``; they come from a
living kernel (through its channel) or from the probe (through its standard output), and are checked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_pkgmgr.model.environment import PythonInfo
from jupyter_pkgmgr.model.errors import EnvironmentProblem

__all__ = ["FACTS_SCHEMA", "FACTS_SCRIPT", "KernelFacts"]

FACTS_SCHEMA = 1
"""The ``schema`` we can read."""
FACTS_SCRIPT = Path(__file__).parents[1] / "kernel" / "facts.py"
"""The code that collects them; started as a script it is the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """One answer of ``kernel.facts.collect()``. Plain strings; empty where the kernel didn't know."""

    executable: str
    prefix: str
    base_prefix: str
    version: str
    implementation: str = "cpython"
    language: str = "python"
    purelib: str = ""
    platlib: str = ""
    scripts: str = ""
    stdlib: str = ""
    user_site: str = ""
    search_path: tuple[str, ...] = ()
    markers: tuple[tuple[str, str], ...] = ()
    hostname: str = ""
    user: str = ""
    uid: str = ""
    pid: str = ""
    prefix_id: str = ""
    executable_id: str = ""

    @classmethod
    def from_json(cls, answer: object) -> KernelFacts:
        """Check an answer (a mapping, or its JSON text) and take it.

        Raises
        ------
        EnvironmentProblem
            If it isn't what :func:`jupyter_pkgmgr.kernel.facts.collect` gives; a kernel's words are untrusted.
        """
        if isinstance(answer, str | bytes):
            try:
                answer = json.loads(answer)
            except ValueError as error:
                raise _unreadable("it is no JSON") from error
        if not isinstance(answer, Mapping):
            raise _unreadable("it is no object")
        if answer.get("schema") != FACTS_SCHEMA:
            raise _unreadable(f"its schema is {answer.get('schema')!r}, ours is {FACTS_SCHEMA}")
        fields = {name: _text(answer, name) for name in _TEXTS if name in answer}
        if missing := [name for name in _REQUIRED if not fields.get(name)]:
            raise _unreadable(f"{missing[0]} is missing")
        search_path = answer.get("search_path", [])
        markers = answer.get("markers", {})
        if not isinstance(search_path, list) or not all(isinstance(path, str) for path in search_path):
            raise _unreadable("search_path is no list of strings")
        if not isinstance(markers, Mapping) or not all(isinstance(value, str) for value in markers.values()):
            raise _unreadable("markers is no object of strings")
        return cls(**fields, search_path=tuple(search_path), markers=tuple(sorted(markers.items())))

    def python_info(self) -> PythonInfo | None:
        """The interpreter, if the facts hold all that is to be known; else ``None`` (ask the interpreter itself)."""
        if not (self.purelib and self.platlib and self.scripts and self.stdlib and self.markers):
            return None
        return PythonInfo(
            executable=Path(self.executable),
            version=self.version,
            implementation=self.implementation,
            prefix=Path(self.prefix),
            base_prefix=Path(self.base_prefix),
            purelib=Path(self.purelib),
            platlib=Path(self.platlib),
            scripts=Path(self.scripts),
            stdlib=Path(self.stdlib),
            user_site=Path(self.user_site) if self.user_site else None,
            search_path=tuple(Path(path) for path in self.search_path),
            markers=self.markers,
        )


_TEXTS = tuple(name for name in KernelFacts.__dataclass_fields__ if name not in ("search_path", "markers"))
_REQUIRED = ("executable", "prefix", "base_prefix", "version")


def _text(answer: Mapping[str, object], name: str) -> str:
    value = answer[name]
    if not isinstance(value, str):
        raise _unreadable(f"{name} is no string")
    return value


def _unreadable(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "what the interpreter tells of itself can't be read",
        reference="unreadable-facts",
        note=why,
        hint="restart the kernel, so that it loads the same version of jupyter_pkgmgr as the server",
    )

"""What a prefix looks like: every path with its type, mode and content, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path

__all__ = ["STATE", "Entry", "Tree", "differences", "read_tree", "same", "same_result", "stale_bytecode"]

STATE = ".jupyter_pkgmgr"
_SPECS = re.compile(r"(?<= specs: \[).*(?=\]$)", re.MULTILINE)
ASIDE = frozenset({"__pycache__", STATE})
"""Folders that no comparison looks into: what importing leaves, and our own state."""
UV_LOCK = ".lock"
"""uv leaves its lock, an empty file, at the root of every environment that it was in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One path: ``kind`` is ``d``, ``f`` or ``l``, ``content`` a digest or a link's target."""

    kind: str
    mode: int
    content: str
    meaning: str
    """The content without what differs between two runs that did the same: the dates of conda's history, orders."""


Tree = dict[str, Entry]


def read_tree(prefix: Path) -> Tree:
    """Every path below the prefix."""
    return dict(_entries(prefix, ""))


def _entries(folder: Path, inside: str) -> Iterator[tuple[str, Entry]]:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        path = f"{inside}{item.name}"
        if item.name in ASIDE or path == UV_LOCK:
            continue
        mode = stat.S_IMODE(item.stat(follow_symlinks=False).st_mode)
        if item.is_symlink():
            target = str(Path(item.path).readlink())
            yield path, Entry("l", 0, target, target)
        elif item.is_dir():
            yield path, Entry("d", mode, "", "")
            yield from _entries(Path(item.path), f"{path}/")
        else:
            data = Path(item.path).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            yield path, Entry("f", mode, digest, _meaning(path, data) or digest)


def _meaning(path: str, data: bytes) -> str:
    """What stays the same when the same is done again; empty where that is every byte."""
    if path == "conda-meta/history":
        text = re.sub(r"==> .* <==", "==> <==", data.decode(errors="replace"))
        return _SPECS.sub(lambda found: str(sorted(found.group().split(", "))), text)  # conda has them in a set
    if path.startswith("conda-meta/") and path.endswith(".json"):
        try:
            return json.dumps(_ordered(json.loads(data)), sort_keys=True)
        except ValueError:
            return ""
    if path.endswith(".dist-info/RECORD"):
        return "\n".join(sorted(data.decode(errors="replace").splitlines()))
    return ""


def _ordered(value: object) -> object:
    """A record's lists of files come in the order in which threads linked them, its source from another cache."""
    if isinstance(value, dict):
        moved = {"extracted_package_dir", "package_tarball_full_path", "link"}
        return {name: _ordered(part) for name, part in value.items() if name not in moved}
    if isinstance(value, list):
        return sorted((_ordered(part) for part in value), key=lambda part: json.dumps(part, sort_keys=True))
    return value


def same(one: Tree, other: Tree) -> bool:
    """Whether both are the same to the byte."""
    return one == other


def same_result(one: Tree, other: Tree) -> bool:
    """Whether both are what the same transaction makes."""
    return _meanings(one) == _meanings(other)


def _meanings(tree: Tree) -> dict[str, tuple[str, int, str]]:
    return {path: (entry.kind, entry.mode, entry.meaning) for path, entry in tree.items()}


def differences(one: Tree, other: Tree, *, limit: int = 8) -> list[str]:
    """Where two trees differ, one line a path."""
    lines = [f"missing: {path}" for path in sorted(one.keys() - other.keys())]
    lines += [f"not expected: {path}" for path in sorted(other.keys() - one.keys())]
    for path in sorted(one.keys() & other.keys()):
        was, now = one[path], other[path]
        parts = [name for name in ("kind", "mode", "content") if getattr(was, name) != getattr(now, name)]
        if parts:
            lines.append(f"other {', '.join(parts)}: {path}")
    return [*lines[:limit], *([f"… and {len(lines) - limit} more"] if len(lines) > limit else [])]


def stale_bytecode(prefix: Path) -> list[str]:
    """Compiled modules of installed packages that Python would take for their source's, but aren't.

    Python trusts size and time of the source that stand in the head (PEP 552); a file that was put back with the
    time and size of the one it replaced would leave the other version's code in force.
    """
    found = []
    for compiled in prefix.glob("lib/python*/site-packages/**/__pycache__/*.pyc"):
        source = compiled.parent.parent / f"{compiled.name.split('.')[0]}.py"
        data = compiled.read_bytes()
        if source.is_file() and data[:8] == MAGIC_NUMBER + bytes(4):
            facts = source.stat()
            trusted = (int(facts.st_mtime) & 0xFFFFFFFF, facts.st_size & 0xFFFFFFFF)
            said = (int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little"))
            if said == trusted and marshal.loads(data[16:]) != _compiled(source):  # noqa: S302  made by our own tools
                found.append(str(compiled.relative_to(prefix)))
    return found


def _compiled(source: Path) -> object:
    return compile(source.read_bytes(), source, "exec", dont_inherit=True)

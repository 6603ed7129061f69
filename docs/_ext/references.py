"""Every reference that an error, a blocker, a warning or a finding may carry, read from the sources."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupyter_pkgmgr
from jupyter_pkgmgr.server.handlers import REFERENCES

__all__ = ["Use", "references"]

PACKAGE = Path(jupyter_pkgmgr.__file__).parent
KINDS = {"Notice": "blocker or warning", "Problem": "found by doctor"}
"""Classes that carry a reference without being an error."""
FILLED_IN = "…"


@dataclass(frozen=True, slots=True)
class Use:
    """One place in the sources that makes a reference."""

    kind: str
    """The error's class, or what else it is."""
    message: str


@dataclass(frozen=True, slots=True)
class _Maker:
    """What makes something with a reference: a class, or a function that returns one."""

    kind: str
    position: int | None
    """Of the reference among positional arguments."""
    default: str | None


def references() -> dict[str, set[Use]]:
    """Each reference with the places that make it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
    makers = _makers(trees)
    found: dict[str, set[Use]] = defaultdict(set)
    for tree in trees:
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            maker = makers.get(name) or _Maker(kind=KINDS.get(name, ""), position=None, default=None)
            for reference in _references_of(call, maker):
                found[reference].add(Use(kind=maker.kind, message=_message(call, maker)))
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.Assign)):
            if any(isinstance(target, ast.Attribute) and target.attr == "reference" for target in node.targets):
                for reference in _strings(node.value):
                    found[reference].add(Use(kind="an error, renamed", message=""))
    for reference in REFERENCES.values():
        found[reference].add(Use(kind="refused by Jupyter Server", message=""))
    return dict(found)


def _makers(trees: list[ast.Module]) -> dict[str, _Maker]:
    classes: dict[str, tuple[list[str], str | None]] = {}
    makers = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[node.name] = ([ast.unparse(base) for base in node.bases], _default_reference(node))
            elif isinstance(node, ast.FunctionDef) and (position := _position(node)) is not None:
                makers[node.name] = _Maker(kind=_returned(node), position=position, default=None)
    for tree in trees:
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            init = next((item for item in node.body if getattr(item, "name", "") == "__init__"), None)
            position = _position(init) if isinstance(init, ast.FunctionDef) else None
            if position is not None or "PkgError" in _ancestors(node.name, classes):
                makers[node.name] = _Maker(kind=node.name, position=position, default=_inherited(node.name, classes))
    makers.pop("__init__", None)
    return makers


def _default_reference(node: ast.ClassDef) -> str | None:
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        if any(getattr(target, "id", "") == "default_reference" for target in targets):
            return next(_strings(getattr(item, "value", None)), None)
    return None


def _ancestors(name: str, classes: dict[str, tuple[list[str], str | None]]) -> set[str]:
    bases = classes.get(name, ([], None))[0]
    return {name} | {found for base in bases if base != name for found in _ancestors(base, classes)}


def _inherited(name: str, classes: dict[str, tuple[list[str], str | None]]) -> str | None:
    bases, own = classes.get(name, ([], None))
    return own or next((found for base in bases if base != name and (found := _inherited(base, classes))), None)


def _position(node: ast.FunctionDef) -> int | None:
    """The position of a parameter ``reference`` that has no default."""
    names = [argument.arg for argument in node.args.args if argument.arg != "self"]
    return names.index("reference") if "reference" in names else None


def _returned(node: ast.FunctionDef) -> str:
    return ast.unparse(node.returns) if isinstance(node.returns, ast.Name) else ""


def _references_of(call: ast.Call, maker: _Maker) -> Iterator[str]:
    word = next((word.value for word in call.keywords if word.arg == "reference"), None)
    if word is None and maker.position is not None and len(call.args) > maker.position:
        word = call.args[maker.position]
    said = [text for text in _strings(word) if re.fullmatch(rf"[a-z0-9{FILLED_IN}]+(-[a-z0-9{FILLED_IN}]+)*", text)]
    yield from said
    if word is None and maker.default:
        yield maker.default


def _strings(node: ast.AST | None) -> Iterator[str]:
    """The texts that an expression can be; what an f-string fills in stands there as an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body)
        yield from _strings(node.orelse)


def _message(call: ast.Call, maker: _Maker) -> str:
    word = next((word.value for word in call.keywords if word.arg == "message"), None)
    if word is None:
        others = [argument for position, argument in enumerate(call.args) if position != maker.position]
        word = next((argument for argument in others if any(" " in text for text in _strings(argument))), None)
    return next(_strings(word), "")

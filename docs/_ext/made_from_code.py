"""Directives that write the reference from the code: help pages, errors, settings, the REST API.

Each is used once, in ``docs/reference/``. What they say can't drift from the code, as there is nothing to drift.
"""

# ruff: noqa: INP001

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import jupyter_pkgmgr
from jupyter_pkgmgr.commands import help_text
from jupyter_pkgmgr.commands.parse import VERBS
from jupyter_pkgmgr.model import errors

PACKAGE = Path(jupyter_pkgmgr.__file__).parent


class _Written(SphinxDirective):
    """A directive whose content is MyST text that a function writes."""

    option_spec: ClassVar[dict[str, Any] | None] = {}

    def text(self) -> Iterator[str]:
        """The lines."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the lines in the place of the directive, headings included."""
        lines = [line for part in self.text() for line in part.splitlines()]
        return self.parse_content_to_nodes_of(lines)

    def parse_content_to_nodes_of(self, lines: list[str]) -> list[nodes.Node]:
        """Nodes of MyST text."""
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="made from code"), 0, container, match_titles=True)
        return container.children


class Help(_Written):
    """Every verb's help page."""

    required_arguments = 1
    final_argument_whitespace = True

    def text(self) -> Iterator[str]:
        program = self.arguments[0]
        yield f"```text\n{help_text(program=program)}\n```\n"
        for verb, sentence in VERBS.items():
            if verb == "help":
                continue
            page = help_text(verb, program=program).split("\n", 2)[2]
            yield f"## {verb}\n\n{sentence[0].upper()}{sentence[1:]}.\n\n```text\n{page}\n```\n"


class Errors(_Written):
    """Every reference that an error, a blocker or a warning may carry."""

    def text(self) -> Iterator[str]:
        yield "| reference | raised as | says |"
        yield "|---|---|---|"
        for reference, uses in sorted(_references().items()):
            kinds = sorted({kind for kind, _ in uses})
            says = sorted({said for _, said in uses if said})
            shown = "<br>".join(_cell(item) for item in says[:3])
            yield f"| `{reference}` | {', '.join(f'`{kind}`' for kind in kinds)} | {shown} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("{", "&#123;").replace("*", "\\*")


def _references() -> dict[str, set[tuple[str, str]]]:
    """Reference to (class, message) of every place in the sources that makes one."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                reference = _string(next((word.value for word in node.keywords if word.arg == "reference"), None))
                kind = getattr(errors, name, None)
                if reference is None and isinstance(kind, type) and issubclass(kind, errors.PkgError):
                    reference = kind.default_reference
                message = next((word.value for word in node.keywords if word.arg == "message"), None)
                message = message or (node.args[0] if node.args else None)
                if reference and name[:1].isupper():
                    found[reference].add((name, _string(message) or ""))
    return found


def _string(node: ast.AST | None) -> str | None:
    """The text of a string; what an f-string fills in stands there as an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("pkg-help", Help)
    app.add_directive("pkg-errors", Errors)
    return {"parallel_read_safe": True}

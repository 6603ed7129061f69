"""Directives that write the reference from the code: help pages, errors, settings, the REST API.

Each is used in ``docs/reference/``. What they say can't drift from the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from references import references
from rest import describe_events, describe_routes, describe_schemas, load_api
from settings import describe_front_end, describe_traits, describe_variables
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jupyter_pkgmgr.commands import help_text
from jupyter_pkgmgr.commands.parse import ALIASES, VERBS

FEW = 3
"""Messages shown for one reference."""


class Written(SphinxDirective):
    """A directive whose content is MyST text that a function writes."""

    option_spec: ClassVar[dict[str, Any] | None] = {}

    def text(self) -> Iterator[str]:
        """The lines."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the lines in the place of the directive, headings included."""
        lines = [line for part in self.text() for line in part.split("\n")]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="made from code"), 0, container, match_titles=True)
        written: list[nodes.Node] = container.children
        return written


class Help(Written):
    """The overview and every verb's help page, as this program shows them."""

    required_arguments = 1
    final_argument_whitespace = True

    def text(self) -> Iterator[str]:
        """The lines."""
        program = self.arguments[0]
        yield f"```text\n{help_text(program=program)}\n```\n"
        for verb, sentence in VERBS.items():
            if verb == "help":
                continue
            page = help_text(verb, program=program).split("\n", 2)[2]
            also = [f"`{alias}`" for alias, meant in ALIASES.items() if meant == verb]
            names = f" Also: {', '.join(also)}." if also else ""
            yield f"## {verb}\n\n{sentence[0].upper()}{sentence[1:]}.{names}\n\n```text\n{page}\n```\n"


class Errors(Written):
    """Every reference that an error, a blocker, a warning or a finding may carry."""

    def text(self) -> Iterator[str]:
        """The lines."""
        yield "| reference | what it is | says, for example |\n|---|---|---|"
        for reference, uses in sorted(references().items()):
            kinds = sorted({use.kind for use in uses if use.kind})
            says = sorted({use.message for use in uses if len(use.message.replace("…", "").split()) > 1})
            shown = "<br>".join(_cell(message) for message in says[:FEW])
            yield f"| `{reference}` | {', '.join(_kind(kind) for kind in kinds)} | {shown} |"


def _kind(kind: str) -> str:
    return f"`{kind}`" if kind.endswith(("Error", "Problem")) else kind


def _cell(text: str) -> str:
    for character, shown in (("|", "\\|"), ("<", "&lt;"), ("\n", " "), ("*", "\\*"), ("[", "\\["), ("_", "\\_")):
        text = text.replace(character, shown)
    return text


class Rest(Written):
    """The routes, the types or the events."""

    required_arguments = 1

    def text(self) -> Iterator[str]:
        """The lines."""
        parts = {
            "routes": lambda: describe_routes(load_api()),
            "types": lambda: describe_schemas(load_api()),
            "events": describe_events,
        }
        yield from parts[self.arguments[0]]()


class Settings(Written):
    """Settings of the server, its policy, the environment variables, the front end's."""

    required_arguments = 1

    def text(self) -> Iterator[str]:
        """The lines."""
        parts = {
            "server": lambda: describe_traits(policy=False),
            "policy": lambda: describe_traits(policy=True),
            "variables": describe_variables,
            "front-end": describe_front_end,
        }
        yield from parts[self.arguments[0]]()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    for name, directive in (
        ("pkg-help", Help),
        ("pkg-errors", Errors),
        ("pkg-rest", Rest),
        ("pkg-settings", Settings),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}

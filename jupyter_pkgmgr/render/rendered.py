"""The two forms of everything shown, and the small pieces that both are made of.

Package metadata is untrusted: every string that enters HTML goes through :func:`esc`, and control characters
(terminal escapes among them) never enter text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_pkgmgr.model import SCHEMA, redact

__all__ = [
    "MIME",
    "MUTED",
    "Rendered",
    "block",
    "clean",
    "columns",
    "esc",
    "monospaced",
    "muted",
    "plain",
    "preformatted",
    "table",
]

MIME = "application/vnd.jupyter-pkgmgr+json"
"""What a front end that knows us shows instead of text and HTML."""
MAX_PART = 262_144
"""Bytes of JSON for that: an output is saved with its notebook. What is longer has text and HTML only."""
MUTED = "var(--jp-content-font-color2, #666)"
_BORDER = "var(--jp-border-color2, #ccc)"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One thing to show: for a terminal, for a page, and for a front end that knows us."""

    text: str
    html: str
    passing: bool = False
    """Whether it only says what goes on: something else takes its place, or nothing (``text`` is empty then)."""
    part: Mapping[str, Any] | None = None
    """The facts behind it, beginning with ``part``; ``None`` where text and HTML say all there is."""

    @property
    def data(self) -> dict[str, Any]:
        """The MIME bundle of a display. Which kernel and which job it belongs to is added where that is known."""
        bundle: dict[str, Any] = {"text/plain": self.text, "text/html": self.html}
        if self.part is not None:
            document = {"schema": SCHEMA, "kernel": None, "job": None, **self.part}
            if len(json.dumps(document)) <= MAX_PART:
                bundle[MIME] = document
        return bundle


def clean(text: object) -> str:
    """Text without credentials, control characters and direction overrides."""
    return _CONTROL.sub("", redact(str(text)))


def esc(text: object) -> str:
    """The same, safe inside HTML."""
    return html.escape(clean(text))


def plain(text: str, *, level: str = "info") -> Rendered:
    """A few lines that need no layout."""
    return Rendered(
        text=clean(text),
        html=block(esc(text).replace("\n", "<br>")),
        part={"part": "message", "level": level, "text": clean(text)},
    )


def block(inner: str, *, color: str = "inherit") -> str:
    """A block in the page's own font size and, unless told otherwise, colour."""
    return f'<div class="jupyter-pkgmgr" style="line-height:1.45;color:{color}">{inner}</div>'


def preformatted(text: str) -> Rendered:
    """Text whose columns matter."""
    return Rendered(text=clean(text), html=block(monospaced(text)))


def monospaced(text: str) -> str:
    """Markup for text whose columns matter; pages outside JupyterLab set ``pre`` in the font around it."""
    style = "margin:0;font-size:90%;font-family:var(--jp-code-font-family, monospace);white-space:pre-wrap"
    return f'<pre style="{style}">{esc(text)}</pre>'


def muted(inner: str) -> str:
    """Markup for what matters less."""
    return f'<span style="color:{MUTED}">{inner}</span>'


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Rows as lines with aligned columns; the last column isn't padded."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; cells are markup already. Without any name there is no head."""
    cell = "padding:2px 14px 2px 0;text-align:left;vertical-align:top;background:none"
    names = "".join(f'<th style="{cell};color:{MUTED};font-weight:600">{esc(name)}</th>' for name in head)
    header = f'<thead><tr style="background:none">{names}</tr></thead>' if any(head) else ""
    body = "".join(
        f'<tr style="background:none;border-top:1px solid {_BORDER}">'
        + "".join(f'<td style="{cell}">{content}</td>' for content in row)
        + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;margin:4px 0;font-size:inherit;border:none">'
        f"{header}<tbody>{body}</tbody></table>"
    )

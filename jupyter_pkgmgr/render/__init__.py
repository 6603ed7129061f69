"""How plans, progress, results, lists and errors look, as text and as HTML. No I/O: faces show what this makes."""

from .errors import render_error
from .history import render_history, render_undo
from .lists import (
    render_environment,
    render_export,
    render_packages,
    render_problems,
    render_search,
    render_show,
    render_why,
)
from .plans import render_outcome, render_plan, render_satisfied
from .progress import Planning, Progress, render_message
from .rendered import MIME, Rendered, plain, preformatted

__all__ = [
    "MIME",
    "Planning",
    "Progress",
    "Rendered",
    "plain",
    "preformatted",
    "render_environment",
    "render_error",
    "render_export",
    "render_history",
    "render_message",
    "render_outcome",
    "render_packages",
    "render_plan",
    "render_problems",
    "render_satisfied",
    "render_search",
    "render_show",
    "render_undo",
    "render_why",
]

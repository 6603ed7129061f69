"""How an error looks: one short message, the facts, why, and what to type next."""

from __future__ import annotations

from jupyter_pkgmgr.model.errors import PkgError

from .rendered import Rendered, block, clean, esc, monospaced, muted

__all__ = ["render_error"]

MANY = 8
"""Facts that are shown without ``-v``."""


def render_error(error: PkgError, *, verbose: bool = False) -> Rendered:
    """Render an error; ``detail`` (a solver's report, a tool's output) only where asked for."""
    context = list(error.context) if verbose else list(error.context[:MANY])
    lines = [error.message, *(f"  {fact}" for fact in context)]
    parts = [f"<b>{esc(error.message)}</b>", *(f"<div>{esc(fact)}</div>" for fact in context)]
    if len(error.context) > len(context):
        lines.append(f"  … and {len(error.context) - len(context)} more (-v shows them)")
    if error.note:
        lines.append(f"note: {error.note}")
        parts.append(f"<div>{muted('note: ' + esc(error.note))}</div>")
    if error.hint:
        lines.append(f"hint: {error.hint}")
        parts.append(f"<div>{muted('hint: ' + esc(error.hint))}</div>")
    if error.detail and verbose:
        lines += ["", error.detail.rstrip()]
        parts.append(monospaced(error.detail.rstrip()))
    color = "var(--jp-error-color1, #d32f2f)"
    inner = f'<div style="border-left:3px solid {color};padding-left:8px">{"".join(parts)}</div>'
    return Rendered(
        text="\n".join(clean(line) for line in lines),
        html=block(inner),
        part={"part": "error", **error.to_json(), "detail": None},
    )

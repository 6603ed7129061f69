"""How the history and the plan of an undo look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.service import Entry, Result, UndoPlan, in_force

from .plans import change_rows, changes_table, describe_environment, notices, plan_part, summarize
from .rendered import Rendered, block, clean, columns, esc, muted, plain, table

__all__ = ["render_history", "render_undo"]

_RESULTS = {
    Result.COMMITTED: "done",
    Result.ROLLED_BACK: "failed, rolled back",
    Result.CANCELLED: "stopped, rolled back",
    Result.FAILED: "failed",
    Result.RECOVERED: "interrupted, rolled back",
    Result.UNREADABLE: "unreadable",
}


def render_history(
    entries: Sequence[Entry], environment: Environment, *, limit: int = 20, verbose: bool = False
) -> Rendered:
    """What was done to an environment, newest first: when, who, what was typed, what changed, how it ended."""
    if not entries:
        return plain(f"nothing was done to {describe_environment(environment)} through %pkg yet")
    standing = in_force(entries)
    rows = [_row(entry, standing=entry.id in standing, verbose=verbose) for entry in entries[:limit]]
    count = f"{len(entries)} {'transaction' if len(entries) == 1 else 'transactions'}"
    head = f"{count} in {describe_environment(environment)}"
    more = [f"… and {len(entries) - limit} older ones (--limit {len(entries)} shows them)"] if entries[limit:] else []
    names = ["When", "ID", "Who", "Command", "Changes", *(["Took", "Restart"] if verbose else []), "Result"]
    html_rows = [[esc(when), muted(esc(name)), *(esc(cell) for cell in rest)] for when, name, *rest in rows]
    return Rendered(
        text="\n".join(clean(line) for line in (head, *columns([names, *rows]), *more)),
        html=block(f"<b>{esc(head)}</b>{table(names, html_rows)}{''.join(muted(esc(line)) for line in more)}"),
    )


def _row(entry: Entry, *, standing: bool, verbose: bool) -> list[str]:
    result = _RESULTS[entry.result]
    if entry.committed and not standing:
        result = "undone"
    if entry.message:
        result += f": {entry.message}"
    who = f"{entry.user}@{entry.host} ({entry.face})" if verbose and entry.host else entry.user
    changes = summarize(entry.changes, limit=None if verbose else 3)
    more = [f"{entry.seconds:.1f} s", _verdict(entry)] if verbose else []
    row = [_when(entry.started), entry.id, who, entry.command, changes, *more, result]
    return [" ".join(cell.split()) for cell in row]


def _verdict(entry: Entry) -> str:
    level = {"none": "not needed", "no-kernel": "no kernel"}.get(entry.verdict, entry.verdict)
    return f"{level}: {', '.join(entry.verdict_modules)}" if entry.verdict_modules else level


def _when(started: str) -> str:
    """A moment in the user's own time zone."""
    try:
        return datetime.fromisoformat(started).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:  # of an entry that somebody edited, or that can't be read
        return started


def render_undo(undo: UndoPlan, *, blockers: bool = True) -> Rendered:
    """Which transactions are taken back, and what that changes."""
    plan = undo.plan
    head = f"Undo in {describe_environment(plan.environment)}"
    taken = [f"{_when(entry.started)}  {entry.id}  {entry.command}" for entry in undo.entries]
    said, said_html = notices(plan, blockers=blockers)
    engine = plan.steps[0].plan.engine if plan.steps else ""
    lines = [head, *(f"  {line}" for line in taken), *change_rows(plan.changes, engine), *said]
    shown = plan_part(plan, blockers=blockers) | {"undoes": [entry.id for entry in undo.entries], "taken_back": taken}
    parts = [f"<b>{esc(head)}</b>", *(f"<div>{esc(line)}</div>" for line in taken), changes_table(plan.changes, engine)]
    return Rendered(
        text="\n".join(clean(line) for line in lines),
        html=block("".join([*parts, *said_html])),
        part={"part": "plan", "plan": shown},
    )

"""How a plan and its outcome look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_pkgmgr.model import Action, Change, Environment, Notice, Outcome, Package, Plan, Step

from .parts import change_part, change_source, notice_part, package_part, step_part
from .rendered import Rendered, block, clean, columns, esc, muted, plain, table

__all__ = [
    "change_rows",
    "changes_table",
    "describe_environment",
    "notices",
    "plan_part",
    "render_outcome",
    "render_plan",
    "render_satisfied",
    "summarize",
]

MANY = 15
"""Rows a plan shows before it folds the dependencies."""

_SIGNS = {
    Action.INSTALL: "+",
    Action.REMOVE: "-",
    Action.UPGRADE: "↑",
    Action.DOWNGRADE: "↓",
    Action.REINSTALL: "↻",
}
_DONE = {
    Action.INSTALL: "installed",
    Action.REMOVE: "removed",
    Action.UPGRADE: "upgraded",
    Action.DOWNGRADE: "downgraded",
    Action.REINSTALL: "reinstalled",
}
_COLORS = {
    Action.INSTALL: "var(--jp-success-color1, #388e3c)",
    Action.REMOVE: "var(--jp-error-color1, #d32f2f)",
    Action.DOWNGRADE: "var(--jp-warn-color1, #c77700)",
}
_ERROR = "var(--jp-error-color1, #d32f2f)"
_WARNING = "var(--jp-warn-color1, #c77700)"


def describe_environment(environment: Environment) -> str:
    """One phrase: name, kind and Python."""
    python = f", Python {environment.python.version}" if environment.python else ""
    return f"{environment.name} ({environment.kind}{python})"


def render_plan(plan: Plan, *, verbose: bool = False, blockers: bool = True) -> Rendered:
    """The whole plan: what, from → to, where from, why; then warnings and, unless an error says them, blockers."""
    head = f"Plan for {describe_environment(plan.environment)}"
    lines, parts = [head], [f"<b>{esc(head)}</b>"]
    for title, changes in _lists(plan).items():
        shown, folded = _fold(changes, verbose=verbose)
        lines += [f"  {title}", *change_rows(shown)]
        parts += [f'<div style="margin-top:6px">{esc(title)}</div>', changes_table(shown)]
        if folded:
            summary = f"and {len(folded)} {'dependency' if len(folded) == 1 else 'dependencies'}"
            lines.append(f"    … {summary} (-v shows them)")
            parts.append(f"<details><summary>{muted(summary)}</summary>{changes_table(folded)}</details>")
    said, said_html = notices(plan, blockers=blockers)
    lines, parts = [*lines, *said], [*parts, *said_html]
    return Rendered(
        text="\n".join(clean(line) for line in lines),
        html=block("".join(parts)),
        part={"part": "plan", "plan": plan_part(plan, blockers=blockers)},
    )


def plan_part(plan: Plan, *, blockers: bool = True) -> dict[str, Any]:
    """What a front end needs of a plan to show it: every change, but of each package only what is shown."""
    return {
        "id": plan.id,
        "environment": describe_environment(plan.environment),
        "command": clean(plan.request.command),
        "steps": [step_part(step) for step in plan.steps],
        "satisfied": [package_part(package) for package in plan.satisfied],
        "warnings": [notice_part(notice) for notice in plan.warnings],
        "blockers": [notice_part(notice) for notice in plan.blockers if blockers],
        "undoes": [],
    }


def _lists(plan: Plan) -> dict[str, list[Change]]:
    """The changes as one reads them: what one engine removes first and installs last is one list."""
    lists: dict[str, list[Change]] = {}
    for step in plan.steps:
        lists.setdefault(_title(step), []).extend(step.plan.changes)
    return lists


def _title(step: Step) -> str:
    plan = step.plan
    reason = f": {step.reason}" if step.reason else ""
    return f"{plan.ecosystem.value} by {plan.engine} {plan.engine_version}{reason}"


def _fold(changes: Sequence[Change], *, verbose: bool) -> tuple[list[Change], list[Change]]:
    """Show what was asked for and what isn't a plain new dependency; fold the rest of a long list."""
    ordered = sorted(changes, key=lambda change: (not change.requested, change.action is Action.INSTALL))
    if verbose or len(changes) <= MANY:
        return ordered, []
    # They stand first: so it is a cut, and not a comparison of every change with every other
    count = sum(1 for change in ordered if change.requested or change.action is not Action.INSTALL) or MANY
    return ordered[:count], ordered[count:]


def _versions(change: Change) -> str:
    before = change.before.version if change.before else ""
    after = change.after.version if change.after else ""
    if change.action in (Action.UPGRADE, Action.DOWNGRADE) or (before and after and before != after):
        return f"{before} → {after}"
    if (
        change.action is Action.REINSTALL
        and change.before
        and change.after
        and change.before.build != change.after.build
    ):
        return f"{after} {change.before.build} → {change.after.build}"
    return after or before


def change_rows(changes: Sequence[Change], engine: str = "") -> list[str]:
    """A line for each change by an engine: sign, name, from → to, where from, why."""
    rows = []
    for change in changes:
        package = change.package
        source = change_source(change, engine)
        rows.append([_SIGNS[change.action], package.name, _versions(change), source, change.reason])
    return columns(rows, indent="    ")


def summarize(changes: Sequence[Change], *, limit: int | None = None) -> str:
    """The changes in one line, what was asked for first; at most so many by name."""
    ordered = sorted(changes, key=lambda change: not change.requested)
    named = [f"{_SIGNS[change.action]} {change.package.name} {_versions(change)}" for change in ordered[:limit]]
    more = [f"and {len(ordered) - len(named)} more"] if len(ordered) > len(named) else []
    return ", ".join([*named, *more])


def changes_table(changes: Sequence[Change], engine: str = "") -> str:
    """The same as markup."""
    rows = []
    for change in changes:
        color = _COLORS.get(change.action, "inherit")
        sign = f'<span style="color:{color};font-weight:bold" title="{change.action}">{_SIGNS[change.action]}</span>'
        name = f"<b>{esc(change.package.name)}</b>" if change.requested else esc(change.package.name)
        reason = muted(esc(change.reason))
        rows.append([f"{sign} {name}", esc(_versions(change)), esc(change_source(change, engine)), reason])
    return table(["Package", "Version", "From", "Why"], rows)


def notices(plan: Plan, *, blockers: bool) -> tuple[list[str], list[str]]:
    """What a plan warns of, and what blocks it unless an error says that: as lines and as markup."""
    said = [("warning", notice, _WARNING) for notice in plan.warnings]
    said += [("blocked", notice, _ERROR) for notice in plan.blockers if blockers]
    lines = [line for kind, notice, _ in said for line in _notice_lines(kind, notice)]
    return lines, [_notice_html(kind, notice, color) for kind, notice, color in said]


def _notice_lines(kind: str, notice: Notice) -> list[str]:
    lines = [f"{kind}: {notice.message}"]
    if notice.hint:
        lines.append(f"  hint: {notice.hint}")
    return lines


def _notice_html(kind: str, notice: Notice, color: str) -> str:
    hint = f"<br>{muted('hint: ' + esc(notice.hint))}" if notice.hint else ""
    return (
        f'<div style="border-left:3px solid {color};padding-left:8px;margin-top:6px">'
        f"<b>{kind}:</b> {esc(notice.message)}{hint}</div>"
    )


def render_satisfied(packages: Sequence[Package]) -> Rendered:
    """What was asked for and is there already."""
    if len(packages) == 1:
        return plain(f"{packages[0].name} {packages[0].version} is already installed")
    names = ", ".join(f"{package.name} {package.version}" for package in packages[:MANY])
    return plain(f"{len(packages)} packages are already installed: {names}{' …' if len(packages) > MANY else ''}")


def render_outcome(outcome: Outcome) -> Rendered:
    """One sentence for each kind of change that was made."""
    sentences = []
    for action, word in _DONE.items():
        changes = [change for change in outcome.changes if change.action is action]
        if changes:
            sentences.append(f"{word} {_names(changes)}")
    text = "; ".join(sentences) or "nothing to do"
    text = f"{text[0].upper()}{text[1:]} ({outcome.seconds:.1f} s)"
    return Rendered(
        text=f"✔ {clean(text)}",
        html=block(f'<b style="color:{_COLORS[Action.INSTALL]}">✔</b> {esc(text)}'),
        part={
            "part": "result",
            "text": clean(text),
            "changes": [change_part(change) for change in outcome.changes],
            "seconds": round(outcome.seconds, 3),
            "transaction": outcome.transaction or None,
        },
    )


def _names(changes: Sequence[Change]) -> str:
    named = [change for change in changes if change.requested or change.action is Action.REMOVE] or list(changes)[:5]
    rest = len(changes) - len(named)
    names = ", ".join(_moved(change) for change in named[:MANY])
    more = rest + max(0, len(named) - MANY)
    if not more:
        return names
    # Only what is new is there for what was asked for; a package that moves along was there before.
    dependencies = len(named) <= MANY and named[0].requested and named[0].action is Action.INSTALL
    word = "more" if not dependencies else "dependency" if more == 1 else "dependencies"
    return f"{names} and {more} {word}"


def _moved(change: Change) -> str:
    to = "to " if change.action in (Action.UPGRADE, Action.DOWNGRADE) else ""
    return f"{change.package.name} {to}{change.package.version}"

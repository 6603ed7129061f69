"""How lists look: packages, search results, one package, reasons, problems, the environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jupyter_pkgmgr.inventory import Inventory, Problem
from jupyter_pkgmgr.lookup import Details, Export, Reasons, SearchAnswer, SettingsInForce
from jupyter_pkgmgr.model import Ecosystem, Environment, OriginKind, Package, short_location

from .plans import describe_environment
from .rendered import Rendered, block, clean, columns, esc, muted, plain, table

__all__ = [
    "render_environment",
    "render_export",
    "render_packages",
    "render_problems",
    "render_search",
    "render_show",
    "render_why",
]


MANY = 10
"""Versions of one package that are shown without ``-v``."""
LONGEST_FACT = 160
"""Characters of a fact about the environment that are shown without ``-v``."""
_EXTRA = re.compile(r";.*\bextra\s*==")
"""In a requirement: needed only for an extra, PEP 508."""


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(clean(line) for line in lines)


def render_packages(packages: Sequence[Package], inventory: Inventory) -> Rendered:
    """The installed packages: name, version, where from, and what is special about each."""
    if not packages:
        return plain("no such package is installed" if inventory.packages else "nothing is installed")
    rows = [[item.name, item.version, item.source, _remark(item, inventory)] for item in packages]
    conda = sum(1 for item in packages if item.ecosystem is Ecosystem.CONDA)
    count = f"{len(packages)} packages: {conda} from conda, {len(packages) - conda} from PyPI"
    count = count if conda else f"{len(packages)} {'package' if len(packages) == 1 else 'packages'}"
    html_rows = [[esc(name), esc(version), esc(origin), muted(esc(remark))] for name, version, origin, remark in rows]
    scroll = f'<div style="max-height:24em;overflow:auto">{table(["Package", "Version", "From", ""], html_rows)}</div>'
    return Rendered(text=_lines([count, *columns(rows)]), html=block(f"<b>{esc(count)}</b>{scroll}"))


def _remark(package: Package, inventory: Inventory) -> str:
    remarks = ["requested"] if package.requested else []
    if package.origin.kind in (OriginKind.EDITABLE, OriginKind.VCS, OriginKind.PATH, OriginKind.URL):
        remarks.append(package.origin.kind.value)
    return ", ".join([*remarks, *sorted(inventory.states(package))])


def render_search(answer: SearchAnswer) -> Rendered:
    """What a search found, best match first."""
    if not answer.hits:
        return plain("\n".join([f"nothing found for {answer.query}", *(f"note: {note}" for note in answer.notes)]))
    rows = [
        [
            hit.name,
            hit.version,
            short_location(hit.origin),
            hit.installed and f"installed: {hit.installed}",
            hit.summary[:80],
        ]
        for hit in answer.hits
    ]
    head = ["Package", "Newest", "From", "Installed", ""]
    html_rows = [
        [f"<b>{esc(row[0])}</b>", esc(row[1]), esc(row[2]), esc(hit.installed), muted(esc(row[4]))]
        for row, hit in zip(rows, answer.hits, strict=True)
    ]
    # An index that can't be searched has no summaries, and most hits aren't installed: no column for nothing.
    used = [index for index in range(len(head)) if any(row[index] for row in rows)]
    shown = [[row[index] for index in used] for row in html_rows]
    notes = "".join(f"<div>{muted(esc(note))}</div>" for note in answer.notes)
    return Rendered(
        text=_lines([*columns(rows, indent=""), *(f"note: {note}" for note in answer.notes)]),
        html=block(table([head[index] for index in used], shown) + notes),
    )


def render_show(details: Details, *, verbose: bool = False) -> Rendered:
    """Everything about one package, a fact a line."""
    rows = [[label, text] for label, text in _facts(details, verbose=verbose) if text]
    html_rows = [[muted(esc(label)), esc(text)] for label, text in rows]
    return Rendered(
        text=_lines([details.name, *columns(rows)]),
        html=block(f"<b>{esc(details.name)}</b>{table(['', ''], html_rows)}"),
    )


def _facts(details: Details, *, verbose: bool) -> list[tuple[str, str]]:
    facts = [("summary", details.summary)]
    for package in details.installed:
        requested = {True: ", requested", False: ", a dependency", None: ""}[package.requested]
        build = f" {package.build}" if package.build else ""
        facts.append(("installed", f"{package.version}{build} from {package.source}{requested}"))
    depends = details.depends if verbose else [need for need in details.depends if not _EXTRA.search(need)]
    facts += [
        ("available from" if details.installed else "would come from", short_location(details.source)),
        ("available", _versions(details.versions, verbose=verbose)),
        ("licence", details.license),
        ("home page", details.home),
        ("imports", ", ".join(details.imports)),
        ("needs", ", ".join(depends)),
        ("needed by", ", ".join(details.needed_by)),
        ("files", f"{details.files} files" if details.files else ""),
        ("note", "; ".join(details.notes)),
    ]
    return facts


def _versions(versions: Sequence[str], *, verbose: bool) -> str:
    shown = versions if verbose else versions[:MANY]
    more = len(versions) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def render_why(reasons: Reasons) -> Rendered:
    """Who needs a package: each chain from something requested down to it."""
    package = reasons.package
    head = f"{package.name} {package.version}"
    if package.requested:
        head += " was requested"
    elif not reasons.chains:
        head += ": nothing installed needs it"
    lines = [" ← ".join(reversed(chain)) for chain in reasons.chains]
    body = "".join(f"<div>{esc(line)}</div>" for line in lines)
    notes = [f"note: {note}" for note in reasons.notes]
    remarks = "".join(f"<div>{muted(esc(note))}</div>" for note in notes)
    return Rendered(
        text=_lines([head, *(f"  {line}" for line in lines), *notes]), html=block(f"<b>{esc(head)}</b>{body}{remarks}")
    )


def render_problems(problems: Sequence[Problem], environment: Environment) -> Rendered:
    """What is wrong, each with what mends it."""
    if not problems:
        return plain(f"no problems found in {describe_environment(environment)}")
    head = f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'} in {describe_environment(environment)}"
    lines, parts = [head], [f"<b>{esc(head)}</b>"]
    for problem in problems:
        lines.append(f"  {problem.message}")
        hint = ""
        if problem.hint:
            lines.append(f"    hint: {problem.hint}")
            hint = f"<br>{muted('hint: ' + esc(problem.hint))}"
        parts.append(f'<div style="margin-top:4px">{esc(problem.message)}{hint}</div>')
    return Rendered(text=_lines(lines), html=block("".join(parts)))


def render_export(export: Export, file: Path) -> Rendered:
    """That a file was written, and what has to be known of it."""
    count = f"{export.packages} {'package' if export.packages == 1 else 'packages'}"
    lines = [f"wrote {file.name}: {count}", *(f"note: {note}" for note in export.notes)]
    html = [
        f"<div>wrote <b>{esc(file.name)}</b>: {count}</div>",
        *(f"<div>{muted(esc(line))}</div>" for line in lines[1:]),
    ]
    return Rendered(text=_lines(lines), html=block("".join(html)))


def _fact(text: str, *, verbose: bool) -> str:
    """A fact in a line or two: a command that made an environment may name dozens of packages. Paths stay whole."""
    if verbose or len(text) <= LONGEST_FACT or "created by: " not in text:
        return text
    return f"{text[:LONGEST_FACT].rstrip()} … (-v shows all)"


def render_environment(environment: Environment, settings: SettingsInForce, *, verbose: bool = False) -> Rendered:
    """Which environment this is, how that is known, what may be done to it, and with which tools."""
    python = environment.python
    rows = [
        ["environment", describe_environment(environment)],
        ["prefix", str(environment.prefix)],
        ["python", str(python.executable) if python else "none"],
        ["made by", environment.owner],
        *(
            ["state", f"{policy.kind}{': ' + policy.message if policy.message else ''}"]
            for policy in environment.policies
        ),
        *(["because", _fact(f"{item.source}: {item.detail}", verbose=verbose)] for item in environment.evidence),
        *([label, text] for label, text in (settings.everything if verbose else settings.summary)),
    ]
    html_rows = [[muted(esc(label)), esc(text)] for label, text in rows]
    return Rendered(text=_lines(columns(rows, indent="")), html=block(table(["", ""], html_rows)))

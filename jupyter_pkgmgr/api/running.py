"""What a kernel asks: to carry out a command, for a hint; and what it says of changes. Shared with the child."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.commands import Command, parse_cell, parse_line
from jupyter_pkgmgr.environments import KernelFacts
from jupyter_pkgmgr.jobs import Job, JobKind
from jupyter_pkgmgr.model import Action, Cancellation, Environment, Outcome, redact
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render import Rendered
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.verbs import Report, Runner

from .documents import document
from .environments import Known
from .errors import ForbiddenError
from .parts import Call
from .reading import find_kernel
from .request import ApiResponse
from .validate import HintBody, RunBody, VerdictBody, read
from .working import accepted, job_facts

__all__ = ["Typed", "changed_packages", "hint", "hint_document", "is_verbose", "run", "run_typed", "verdict"]

_VERBOSE = re.compile(r"--verbose|-[qyU]*v[qyUv]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed in a cell."""

    line: str
    cell: str | None
    cwd: str | None

    def parse(self) -> Command:
        """Understand it; paths start from the kernel's folder.

        Raises
        ------
        UsageError
            If it makes no sense.
        """
        base = Path(self.cwd) if self.cwd else Path.home()
        return parse_line(self.line, base=base) if self.cell is None else parse_cell(self.line, self.cell, base=base)


def is_verbose(line: str) -> bool:
    """Whether ``-v`` was typed: known even of a line that can't be understood."""
    return any(_VERBOSE.fullmatch(word) for word in line.split())


def run_typed(
    service: PackageService,
    environment: Environment,
    command: Command,
    *,
    show: Callable[[str, Rendered], None],
    show_json: Callable[[str, dict[str, Any]], None],
    cancel: Cancellation,
) -> tuple[dict[str, Any], Outcome | None]:
    """Carry out a command for a kernel; returns what it needs to know afterwards.

    Parameters
    ----------
    show
        Takes a key and what to show; the same key again replaces it.
    show_json
        Takes a key and a bundle of MIME types.
    """

    def show_nothing(key: str, rendered: Rendered) -> None:
        """With ``--json`` only the final document is shown."""

    report = Runner(service, environment, show_nothing if command.json else show, cancel=cancel).run(command)
    if command.json:
        show_json("json", {"text/plain": json.dumps(report.json, indent=2)})
    return _result(report), report.outcome


def _result(report: Report) -> dict[str, Any]:
    outcome = report.outcome
    return {
        "exit": report.exit,
        "changed_files": list(outcome.changed_files) if outcome else [],
        "changed_packages": changed_packages(outcome) if outcome else [],
        "added_paths": any(change.action is not Action.REMOVE for change in outcome.changes) if outcome else False,
        "verdict_wanted": outcome is not None,
        "transaction": (outcome.transaction or None) if outcome else None,
    }


def changed_packages(outcome: Outcome) -> list[dict[str, Any]]:
    """What a kernel compares with its loaded modules, beside the files."""
    return [
        {
            "name": change.package.name,
            "action": change.action.value,
            "distributions": sorted(
                {
                    *(name for package in (change.before, change.after) if package for name, _ in package.provides),
                    canonicalize_name(change.package.name),
                }
            ),
        }
        for change in outcome.changes
    ]


def hint_document(service: PackageService, environment: Environment, module: str) -> dict[str, str] | None:
    """What to install so that ``import module`` works; ``None`` where nobody knows."""
    found = service.missing_import(environment, module)
    return None if found is None else {"package": found.package, "command": found.command, "text": found.text}


# --- routes --------------------------------------------------------------------------------------------------------


def run(call: Call) -> ApiResponse:
    """Have a job carry out what was typed in a kernel.

    Also what can't be understood becomes a job: the cell shows its error as any other.
    """
    body = read(call.request.body, RunBody)
    known = _environment(call, body.facts)
    typed = Typed(line=body.argv_line, cell=body.cell, cwd=body.cwd)
    title = redact(f"%{'%' if typed.cell is not None else ''}pkg {typed.line}".strip())
    command: Command | None = None
    error: PkgError | None = None
    try:
        command = typed.parse()
    except PkgError as reason:
        error = reason

    def work(job: Job) -> dict[str, Any]:
        if command is None:
            assert error is not None  # noqa: S101  one of the two
            raise error
        result, job.outcome = run_typed(
            call.service(job.id),
            known.environment,
            command,
            show=job.show,
            show_json=job.display,
            cancel=job.cancel,
        )
        return result

    changes = command is not None and command.request is not None
    facts = replace(job_facts(call, known, JobKind.RUN, title), changes=changes, verbose=is_verbose(typed.line))
    return accepted(call, call.parts.jobs.submit(facts, work))


def _environment(call: Call, facts: dict[str, Any]) -> Known:
    """The environment of the kernel's token. What the kernel says of itself has to agree with it."""
    name = call.caller.environment
    if name is None:
        raise ForbiddenError("nothing is known of this kernel's environment yet", reference="kernel-not-attached")
    told = KernelFacts.from_json(facts)
    if call.parts.environments.id_of(Path(told.prefix)) != name:
        raise ForbiddenError(
            "this kernel's token opens its own environment only",
            note=f"the kernel says that it lives in {told.prefix}",
            hint="restart the kernel",
        )
    return call.parts.environments.find(name)


def hint(call: Call) -> ApiResponse:
    """What to install so that an import works."""
    body = read(call.request.body, HintBody)
    known = _environment(call, body.facts)
    return ApiResponse(body=document(hint=hint_document(call.service(), known.environment, body.module)))


def verdict(call: Call) -> ApiResponse:
    """Take a kernel's verdict on a change."""
    body = read(call.request.body, VerdictBody)
    name = call.names["kernel"]
    said = msgspec.structs.asdict(body.verdict)
    transaction = body.transaction or ""
    if transaction:
        call.parts.verdicts.add(transaction, name, said)
    call.parts.host.judged(name, transaction, said)
    return ApiResponse(body=document(**find_kernel(call).to_json()))

"""The documents of the REST API, made from model objects.

Everything that a package says of itself, and every message of a tool, is untrusted text: control characters and
credentials never get into a document; that a browser shows it as text is the front end's part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.inventory import Inventory, Problem
from jupyter_pkgmgr.lookup import Details, PackageVersions
from jupyter_pkgmgr.model import SCHEMA, Change, Environment, Outcome, Package, Plan, to_json
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.render.parts import change_part, notice_part, package_part, step_part
from jupyter_pkgmgr.render.rendered import clean
from jupyter_pkgmgr.service import Entry

from .environments import Known
from .plans import KeptPlan
from .review import download_size, review

__all__ = [
    "change_document",
    "details_document",
    "document",
    "entry_document",
    "environment_document",
    "outcome_document",
    "package_document",
    "plan_document",
    "problem_document",
    "row_document",
    "versions_document",
]

_MENDING = re.compile(r"(?:to have it as it was: )?(?P<command>%pkg (?:install|remove|update|undo)\b.*)", re.DOTALL)
_LANGUAGES = (("r-base", "r"), ("julia", "julia"), ("xeus-cling", "c++"))
"""conda packages that make an environment without Python one of another language."""


def document(**parts: Any) -> dict[str, Any]:
    """A whole document: with the number of its version."""
    return {"schema": SCHEMA, **parts}


# --- environments --------------------------------------------------------------------------------------------------


def environment_document(
    known: Known, *, kernels: Iterable[str] = (), settings: Sequence[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """``IEnvironment``; ``settings`` only where a single one was asked for."""
    environment = known.environment
    python = environment.python
    shown: dict[str, Any] = {
        "id": known.id,
        "name": clean(environment.name),
        "kind": environment.kind.value,
        "owner": environment.owner,
        "prefix": str(environment.prefix),
        "language": _language(environment),
        "python": python
        and {
            "version": python.version,
            "executable": str(python.executable),
            "implementation": python.implementation,
        },
        "policies": [{"kind": policy.kind.value, "message": clean(policy.message)} for policy in environment.policies],
        "evidence": [{"source": clean(item.source), "detail": clean(item.detail)} for item in environment.evidence],
        "kernels": list(kernels),
        "kernelspecs": list(known.kernelspecs),
    }
    if settings is not None:
        shown["settings"] = [[name, clean(value)] for name, value in settings]
    return shown


def _language(environment: Environment) -> str:
    if environment.python is not None:
        return "python"
    found = (word for package, word in _LANGUAGES if any(environment.conda_meta.glob(f"{package}-[0-9]*.json")))
    return next(found, "")


# --- packages ------------------------------------------------------------------------------------------------------


def package_document(package: Package) -> dict[str, Any]:
    """``IPackage``."""
    return {**package_part(package), "requested": package.requested, "summary": clean(package.summary)}


def row_document(package: Package, inventory: Inventory) -> dict[str, Any]:
    """``IPackageRow``: an installed package, and what sets it apart."""
    states = sorted(state.value for state in inventory.states(package))
    return {**package_document(package), "states": states}


def details_document(details: Details, inventory: Inventory) -> dict[str, Any]:
    """``IDetails``."""
    return {
        "name": clean(details.name),
        "installed": [row_document(package, inventory) for package in details.installed],
        "source": clean(details.source),
        "versions": [clean(version) for version in details.versions],
        "summary": clean(details.summary),
        "license": clean(details.license),
        "home": clean(details.home),
        "imports": [clean(name) for name in details.imports],
        "depends": [clean(need) for need in details.depends],
        "needed_by": [clean(name) for name in details.needed_by],
        "files": details.files,
        "size": details.size,
        "notes": [clean(note) for note in details.notes],
    }


def versions_document(versions: PackageVersions) -> dict[str, Any]:
    """The versions of one package."""
    shown: dict[str, Any] = to_json(versions)
    return shown


# --- plans ---------------------------------------------------------------------------------------------------------


def change_document(change: Change) -> dict[str, Any]:
    """``IChange``."""
    return change_part(change, package=package_document)


def plan_document(kept: KeptPlan) -> dict[str, Any]:
    """``IPlan``."""
    plan = kept.plan
    return {
        "id": kept.id,
        "environment": kept.environment,
        "command": clean(plan.request.command),
        "fingerprint": plan.fingerprint,
        "steps": [step_part(step, package=package_document) for step in plan.steps],
        "satisfied": [package_document(package) for package in plan.satisfied],
        "warnings": [notice_part(notice) for notice in plan.warnings],
        "blockers": [notice_part(notice) for notice in plan.blockers],
        "download_size": download_size(plan),
        "undoes": [entry.id for entry in kept.undo.entries] if kept.undo else [],
        "review": _review_document(plan),
    }


def _review_document(plan: Plan) -> dict[str, Any]:
    reasons = [clean(reason) for reason in review(plan)]
    return {"needed": bool(reasons), "reasons": reasons}


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """What an apply job results in; ``verdicts`` are added when it is read."""
    return {
        "transaction": outcome.transaction or None,
        "seconds": round(outcome.seconds, 3),
        "fingerprint": outcome.fingerprint,
        "changes": [change_document(change) for change in outcome.changes],
        "warnings": [notice_part(notice) for notice in outcome.warnings],
    }


# --- history and problems ------------------------------------------------------------------------------------------


def entry_document(entry: Entry, verdict: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``IEntry``."""
    return {
        "id": entry.id,
        "started": entry.started,
        "seconds": entry.seconds,
        "user": clean(entry.user),
        "host": clean(entry.host),
        "face": clean(entry.face),
        "command": clean(entry.command),
        "job": entry.job or None,
        "changes": [change_document(change) for change in entry.changes],
        "result": entry.result.value,
        "message": clean(entry.message),
        "undoes": list(entry.undoes),
        "has_snapshot": entry.has_snapshot,
        "verdict": dict(verdict) if verdict is not None else _kept_verdict(entry),
    }


def _kept_verdict(entry: Entry) -> dict[str, Any] | None:
    """What the history keeps of the verdict of the kernel that made the change."""
    if entry.verdict not in {"none", "recommended", "required"}:
        return None
    return {"level": entry.verdict, "modules": [clean(name) for name in entry.verdict_modules], "text": ""}


def problem_document(problem: Problem) -> dict[str, Any]:
    """``IProblem``."""
    return {
        "reference": problem.reference,
        "message": clean(problem.message),
        "packages": [clean(name) for name in problem.packages],
        "path": str(problem.path) if problem.path else None,
        "hint": problem.hint and clean(problem.hint),
        "command": _mending(problem),
    }


def _mending(problem: Problem) -> str | None:
    """The command that a plan can be made of to mend the problem; ``None`` where it takes more than one command."""
    match = _MENDING.fullmatch(problem.hint or "")
    if match is None or ", then " in match["command"]:
        return None
    command = match["command"].removeprefix("%pkg ")
    try:
        parse_line(command, base=None)
    except PkgError:  # it names a file, say
        return None
    return clean(command)

"""What forbids a plan, or deserves a word: policies of the environment, the kernel's own packages, clobbering."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Action, Change, Ecosystem, Environment, Notice, Options, Package, PolicyKind, Verb

from .assign import Assignment
from .context import Context
from .effects import Break, breaks

__all__ = ["check_assignments", "check_changes", "check_policies", "clobber"]


def check_policies(
    environment: Environment, options: Options, *, ecosystems: set[Ecosystem]
) -> tuple[list[Notice], list[Notice]]:
    """Blockers and warnings that come from the environment alone."""
    blockers, warnings = [], []
    if policy := environment.policy(PolicyKind.READ_ONLY):
        blockers.append(
            Notice(
                reference="read-only",
                message=policy.message or f"you may not write to {environment.prefix}",
                hint="make an environment of your own and a kernel for it, or ask whoever owns this one",
            )
        )
    if (policy := environment.policy(PolicyKind.FROZEN)) and not options.override_frozen:
        blockers.append(
            Notice(
                reference="frozen",
                message=policy.message or f"{environment.name} is frozen: its owner protects it against changes",
                hint="use another environment, or --override-frozen if you are its owner",
            )
        )
    managed = environment.policy(PolicyKind.EXTERNALLY_MANAGED)
    if managed and Ecosystem.PYPI in ecosystems and not options.break_system_packages:
        blockers.append(
            Notice(
                reference="externally-managed",
                message="this Python belongs to the system's package manager",
                hint="use a virtual environment (python -m venv), or --break-system-packages if you accept the risk",
            )
        )
    if environment.policy(PolicyKind.BASE):
        message = f"{environment.prefix} is conda's base environment; what breaks here breaks conda"
        warnings.append(Notice(reference="base", message=message, hint="keep your work in an environment of its own"))
    return blockers, warnings


def check_assignments(context: Context, assignments: Sequence[Assignment]) -> list[Notice]:
    """Blockers that can be seen before any engine is asked."""
    blockers = []
    for item in assignments:
        python = context.environment.python
        wanted = item.spec.version.lstrip("=<>!~ ")
        names_python = item.name.lower() == "python" and item.ecosystem is Ecosystem.CONDA
        if names_python and python and wanted and not (wanted + ".").startswith(python.minor + "."):
            blockers.append(_python_minor(python.minor, wanted))
        owner = context.conda_owned.get(canonicalize_name(item.name)) if item.name else None
        if item.ecosystem is Ecosystem.PYPI and owner and not context.request.options.force:
            blockers.append(clobber(item.name, owner))
    return blockers


def check_changes(context: Context, changes: Sequence[Change]) -> tuple[list[Notice], list[Notice]]:
    """Blockers and warnings that the changes themselves bring."""
    blockers = _protected(context, changes)
    warnings: list[Notice] = []
    python = context.environment.python
    for change in changes:
        if change.package.key == (Ecosystem.CONDA, "python") and change.after is not None and python is not None:
            if not (change.after.version + ".").startswith(python.minor + "."):
                blockers.append(_python_minor(python.minor, change.after.version))
        elif change.package.ecosystem is Ecosystem.PYPI and change.action is Action.INSTALL:
            owner = context.conda_owned.get(canonicalize_name(change.package.name))
            if owner is not None and not context.request.options.force:
                blockers.append(clobber(change.package.name, owner))
    for broken in breaks(context, changes):
        notice = Notice(
            reference="breaks-dependency",
            message=str(broken),
            hint=_mend(context, broken),
            packages=(broken.dependent.name,),
        )
        forced = context.request.options.force and broken.dependent.key not in context.protected
        (warnings if forced else blockers).append(notice)
    return blockers, warnings


def _mend(context: Context, broken: Break) -> str | None:
    if broken.dependent.key in context.protected:
        return None
    name = broken.dependent.name
    if context.request.verb is Verb.REMOVE:
        return f"remove {name} as well, or --force"
    return f"%pkg update {name} may bring one that fits; --force accepts the break"


def _protected(context: Context, changes: Sequence[Change]) -> list[Notice]:
    arriving = {canonicalize_name(change.after.name) for change in changes if change.after is not None}
    blockers = []
    for change in changes:
        gone = change.package
        if (
            change.action is Action.REMOVE
            and gone.key in context.protected
            and canonicalize_name(gone.name) not in arriving
        ):
            message = f"the running kernel needs {gone.name}; without it this notebook's kernel couldn't start again"
            blockers.append(Notice(reference="kernel-needs-it", message=message, packages=(gone.name,)))
    return blockers


def _python_minor(now: str, wanted: str) -> Notice:
    return Notice(
        reference="python-minor",
        message=f"the kernel runs on Python {now}; an environment doesn't survive a change to {wanted}",
        hint=f"make a new environment with python={wanted} and a kernel for it",
        packages=("python",),
    )


def clobber(name: str, owner: Package) -> Notice:
    """The blocker for a PyPI package that would overwrite what conda owns."""
    return Notice(
        reference="clobbers-conda",
        message=f"{name} from PyPI would overwrite {owner.name} {owner.version}, which conda owns",
        hint=f"let conda change it: %pkg install conda::{owner.name}; --force accepts that conda loses track of it",
        packages=(name,),
    )

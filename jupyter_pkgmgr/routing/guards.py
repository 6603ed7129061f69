"""What forbids a plan, or deserves a word: policies of the environment, the kernel's own packages, clobbering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    Environment,
    Notice,
    Options,
    Package,
    PolicyKind,
    Spec,
    SpecKind,
    Verb,
)
from jupyter_pkgmgr.model.errors import CatalogError, InvalidSpecError

from .assign import Assignment, available_in_channels
from .context import Context
from .effects import Break, breaks

__all__ = ["check_assignments", "check_changes", "check_policies", "clobber", "server_needs", "touches_server"]

FEW = 3
"""Names that a sentence can take."""
PATCHES = 64
"""More patch releases than a Python minor ever had (3.6 and 3.7 had the most, 16 and 18)."""


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
    going = {item.key for item in assignments if item.verb is Verb.REMOVE}
    for item in assignments:
        python = context.environment.python
        names_python = item.name.lower() == "python" and item.ecosystem is Ecosystem.CONDA
        if names_python and python and not _admits_minor(item.spec, python.minor):
            blockers.append(_python_minor(python.minor, item.spec.version.lstrip("=<>!~ ")))
        if held := _held_by_server(context, item):
            blockers.append(server_needs([held]))
        owner = context.conda_owned.get(canonicalize_name(item.name)) if item.name else None
        only_extras = item.spec.kind is SpecKind.NAME and item.spec.extras  # what conda owns is held: it may well do
        makes_way = item.verb is Verb.REMOVE or (owner and owner.key in going)
        if (
            item.ecosystem is Ecosystem.PYPI
            and owner
            and not (only_extras or makes_way or context.request.options.force)
        ):
            blockers.append(clobber(context, item.name, owner, item.spec.version))
    return blockers


def _held_by_server(context: Context, item: Assignment) -> Package | None:
    """The package of the running server that an assignment would change; extras may be added to it."""
    if not item.name or item.spec.extras:
        return None
    name = canonicalize_name(item.name) if item.ecosystem is Ecosystem.PYPI else item.name.lower()
    return context.held_by_server.get((item.ecosystem, name))


def server_needs(packages: Sequence[Package]) -> Notice:
    """The blocker for changes of what the running Jupyter server consists of."""
    names = [package.name for package in packages]
    return Notice(
        reference="server-needs-it",
        message=f"the running Jupyter server needs {_few(names)} as {'it is' if len(names) == 1 else 'they are'}",
        note="this is the server's own environment: packages may be added, but what the server runs stays unchanged",
        hint=f"stop the server to change {names[0]}, or work in an environment of its own with a kernel for it",
        packages=tuple(names),
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _admits_minor(spec: Spec, minor: str) -> bool:
    """Whether some patch release of this Python minor fits a spec; conda's own grammar is left to its solver."""
    try:
        specifier = SpecifierSet(spec.pep440())
    except InvalidSpecError:
        return True
    return any(specifier.contains(f"{minor}.{patch}", prereleases=True) for patch in range(PATCHES))


def check_changes(context: Context, changes: Sequence[Change]) -> tuple[list[Notice], list[Notice]]:
    """Blockers and warnings that the changes themselves bring."""
    blockers = _protected(context, changes)
    warnings: list[Notice] = []
    going = {change.package.key for change in changes if change.action is Action.REMOVE}
    python = context.environment.python
    for change in changes:
        if change.package.key == (Ecosystem.CONDA, "python") and change.after is not None and python is not None:
            if not (change.after.version + ".").startswith(python.minor + "."):
                blockers.append(_python_minor(python.minor, change.after.version))
        elif change.package.ecosystem is Ecosystem.PYPI and change.action is Action.INSTALL:
            owner = context.conda_owned.get(canonicalize_name(change.package.name))
            if owner is not None and owner.key not in going and not context.request.options.force:
                blockers.append(clobber(context, change.package.name, owner, f"={change.package.version}"))
    warnings += _overwritten(changes)
    warnings += _taken_along(context, changes)
    for broken in breaks(context, changes):
        forced = context.request.options.force and broken.dependent.key not in context.protected
        notice = Notice(
            reference="breaks-dependency",
            message=str(broken),
            hint=None if forced else _mend(context, broken),
            packages=(broken.dependent.name,),
        )
        (warnings if forced else blockers).append(notice)
    return blockers, warnings


def _overwritten(changes: Sequence[Change]) -> Iterator[Notice]:
    """What a forced PyPI step overwrites; without force it is a blocker."""
    for change in changes:
        before, after = change.before, change.after
        if before and after and before.ecosystem is Ecosystem.CONDA and after.ecosystem is Ecosystem.PYPI:
            message = (
                f"{after.name} {after.version} overwrites conda's {before.name} {before.version}, as you forced it"
            )
            hint = f"to undo that: %pkg install --force-reinstall conda::{before.name}={before.version}"
            yield Notice(reference="overwrites-conda", message=message, hint=hint, packages=(after.name,))


def _taken_along(context: Context, changes: Sequence[Change]) -> Iterator[Notice]:
    """Packages that go because what they need goes: conda removes them without a word."""
    if not context.request.going:
        return
    going = {change.package.key for change in changes}
    for change in changes:
        if change.requested or change.action is not Action.REMOVE:
            continue
        needs = [item.name for item in context.requirements_of(change.package) if item.key in going]
        if needs and change.package.requested:
            message = f"{change.package.name} is removed as well: it needs {', '.join(needs)}"
            yield Notice(reference="removed-too", message=message, packages=(change.package.name,))


def _mend(context: Context, broken: Break) -> str | None:
    if broken.dependent.key in context.protected:
        return None
    name = broken.dependent.name
    if context.request.going and not broken.found:
        return f"remove {name} as well, or --force"
    return f"there may be one that fits: %pkg update {name}; --force accepts the break"


def _protected(context: Context, changes: Sequence[Change]) -> list[Notice]:
    """One blocker for everything that the running server must keep, one for what the kernel couldn't start without."""
    arriving = {canonicalize_name(change.after.name) for change in changes if change.after is not None}
    named_first = sorted(changes, key=lambda change: not change.requested)
    servers = [change.package for change in named_first if touches_server(change, context.held_by_server)]
    gone = [
        change.package.name
        for change in named_first
        if change.action is Action.REMOVE
        and change.package.key in context.protected
        and change.package.key not in context.held_by_server
        and canonicalize_name(change.package.name) not in arriving
    ]
    blockers = [server_needs(servers)] if servers else []
    if gone:
        notice = Notice(
            reference="kernel-needs-it",
            message=f"the running kernel needs {_few(gone)}; without that it couldn't start again",
            hint=f"%pkg why {gone[0]} shows what for",
            packages=tuple(gone),
        )
        blockers.append(notice)
    return blockers


def touches_server(change: Change, held: Mapping[tuple[Ecosystem, str], Package]) -> bool:
    """Whether a change is one of a package that the server must keep; something that is added is none."""
    return change.before is not None and change.before.key in held


def _python_minor(now: str, wanted: str) -> Notice:
    return Notice(
        reference="python-minor",
        message=f"the kernel runs on Python {now}; an environment doesn't survive a change to {wanted}",
        hint=f"make a new environment with python={wanted} and a kernel for it",
        packages=("python",),
    )


def _may_come_from_conda(context: Context, spec: str) -> bool:
    """Whether a channel has it, or can't be asked: a hint is no reason to fail."""
    try:
        return bool(available_in_channels(context, [spec]))
    except CatalogError:
        return True


def clobber(context: Context, name: str, owner: Package, wanted: str = "") -> Notice:
    """The blocker for a PyPI package that would overwrite what conda owns.

    ``wanted`` is the version it would bring, with its operator. That conda may bring it is said only where it can.
    """
    way, note = "", None
    if not wanted:
        way = f"%pkg update {owner.name} brings conda's newest; "
    elif _may_come_from_conda(context, f"{owner.name} {wanted}"):
        way = f"let conda change it: %pkg install conda::{owner.name}{wanted}; "
    else:
        note = f"no channel has {owner.name} {wanted.lstrip('=')}"
    return Notice(
        reference="clobbers-conda",
        message=f"{name} from PyPI would overwrite {owner.name} {owner.version}, which conda owns",
        note=note,
        hint=f"{way}--force accepts that conda loses track of it",
        packages=(name,),
    )

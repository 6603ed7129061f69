"""Make an environment what was named: what is missing comes, and what nothing needs that was named goes.

First it is worked out what comes, beside everything that is there; so it is known what the named packages will need.
Then both are planned together, as any other request. Where that first plan can't be made, because what is to go stands
in its way, all is planned at once, and what comes back after all stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.inventory import Distribution, Inventory, PackageState, seeds
from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    Notice,
    OriginKind,
    Package,
    Plan,
    PolicyKind,
    Spec,
    SpecKind,
    Verb,
)
from jupyter_pkgmgr.model.errors import ConflictError, UsageError

from .assign import find_named, holds_here
from .context import KERNEL_ROOTS, Context
from .shadow import distributions_of

__all__ = ["plan_sync"]

_UNTOUCHED = frozenset({PackageState.USER_SITE, PackageState.OUTSIDE, PackageState.SHADOWED, PackageState.DUPLICATE})
"""What lies elsewhere, or what Python doesn't find."""
_IN_THE_WAY = frozenset({"breaks-dependency", "clobbers-conda"})
"""Blockers that a package may be the reason of that is to go."""
_TOOLS = ("conda", "mamba", "micromamba")
"""What a base environment is there for."""
_FEW = 5
"""Names that a sentence can take."""
_Key = tuple[Ecosystem, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Staying:
    """Packages that stay though nobody named them, and why."""

    packages: tuple[Package, ...]
    why: str


def plan_sync(context: Context, make: Callable[[Context], Plan]) -> Plan:
    """Plan a sync, as an install with removals beside it.

    Parameters
    ----------
    make
        Makes the plan of any other request.

    Raises
    ------
    UsageError
        If nothing that was named holds in this environment: an environment is never emptied.
    PkgError
        If there is no plan.
    """
    request = context.request
    if not any(holds_here(context, spec) for spec in request.specs):
        raise UsageError(
            "nothing that was named is for this environment, and nothing is removed for that",
            reference="empty-request",
            context=tuple(f"{spec.text}" for spec in request.specs[:_FEW]),
        )
    installing = replace(context, request=replace(request, verb=Verb.INSTALL))
    named = list(_named(context))
    staying = list(_staying(context))
    coming = _coming(installing, make)
    kept = _kept(context, named, staying, coming)
    going = [package for package in context.inventory.packages if _may_go(context, package) and package.key not in kept]
    if going or coming is None:
        beside = replace(installing, settled=_settled(context.inventory, kept, coming))
        plan, going = _with_removals(beside, going, make)
    else:
        plan = coming
    told = _told(context, staying, kept={package.key for package in _closure(context.inventory, named)}, plan=plan)
    return replace(_explained(plan, going), request=request, warnings=(*plan.warnings, *told))


def _coming(context: Context, make: Callable[[Context], Plan]) -> Plan | None:
    """What comes; ``None`` where something stands in the way, which may be what is to go."""
    try:
        plan = make(context)
    except ConflictError:
        return None
    return None if any(blocker.reference in _IN_THE_WAY for blocker in plan.blockers) else plan


def _with_removals(
    context: Context, going: list[Package], make: Callable[[Context], Plan]
) -> tuple[Plan, list[Package]]:
    """The plan with what goes; what something that comes turns out to need doesn't go at all."""
    while True:
        removals = tuple(_removal(package) for package in going)
        plan = make(replace(context, request=replace(context.request, removals=removals)))
        back = {blocker.packages[0] for blocker in plan.blockers if blocker.reference == "needs-removed"}
        needed = context.inventory.closure(package for package in going if package.name in back)
        if not needed:
            return plan, going
        going = [package for package in going if package.key not in needed]


# --- what was named ------------------------------------------------------------------------------------------------


def _named(context: Context) -> Iterator[Package]:
    """The installed packages that specs mean, whichever tool brought them."""
    for spec in context.request.specs:
        if not holds_here(context, spec):
            continue
        if spec.name:
            yield from find_named(context, spec)
        elif spec.location:
            yield from (item for item in context.inventory.packages if _came_from(item, spec))


def _came_from(package: Package, spec: Spec) -> bool:
    """Whether a package came from the place that a spec names: only building that would tell its name."""
    if package.ecosystem is Ecosystem.CONDA:
        return package.url == spec.location
    direct = package.origin.kind not in (OriginKind.INDEX, OriginKind.CHANNEL, OriginKind.UNKNOWN)
    return direct and package.origin.location.rstrip("/") == spec.location.rstrip("/")


def _kept(context: Context, named: Sequence[Package], staying: Sequence[_Staying], coming: Plan | None) -> set[_Key]:
    """Keys of what was named, of what stays anyhow, and of all that these need: now, and after what comes."""
    inventory = context.inventory
    roots = [*named, *(package for item in staying for package in item.packages)]
    if coming is None:
        return {package.key for package in _closure(inventory, roots)}
    changes = [change for change in coming.changes if change.after is not None]
    after = _after(context, changes)
    moved = {change.package.key for change in changes}
    roots = [package for package in (*roots, *coming.satisfied) if package.key not in moved]
    roots += [package for package in after.packages if package.key in moved]
    return {package.key for package in _closure(after, roots)}


def _settled(inventory: Inventory, kept: set[_Key], coming: Plan | None) -> tuple[Package, ...]:
    """The packages of conda that stay and that nothing moves. What PyPI packages need is an orphan to conda's tools."""
    if coming is None:
        return ()
    moved = {change.package.key for change in coming.changes}
    conda = (package for package in inventory.packages if package.ecosystem is Ecosystem.CONDA)
    return tuple(package for package in conda if package.key in kept - moved)


def _closure(inventory: Inventory, packages: Iterable[Package]) -> Iterable[Package]:
    return inventory.closure(packages).values()


def _after(context: Context, changes: Sequence[Change]) -> Inventory:
    """The inventory with what comes, as far as dependencies are concerned."""
    inventory = context.inventory
    if not changes:
        return inventory
    coming = _with_needs(context, [change.after for change in changes if change.after is not None])
    gone = {change.before.key for change in changes if change.before is not None}
    packages = [package for package in inventory.packages if package.key not in gone | coming.keys()]
    distributions = dict(inventory.distributions)
    for package in coming.values():
        provided = distributions_of(package) if package.ecosystem is Ecosystem.CONDA else (package.key[1],)
        for name in provided:
            distributions[name] = Distribution(
                name=name, version=package.version, location="", requires=package.depends, owner=package
            )
    return replace(inventory, packages=(*packages, *coming.values()), distributions=distributions)


def _with_needs(context: Context, packages: Sequence[Package]) -> dict[_Key, Package]:
    """Packages that come, with what they need, by key; where their engine doesn't tell, the catalogs are asked.

    What nobody tells is taken to be what the installed one needs.
    """
    silent = [package for package in packages if not package.depends]
    lines: dict[_Key, tuple[str, ...]] = dict(_needs_on_index(context, silent))
    lines |= _needs_in_channels(context, silent)
    installed = {package.key: package.depends for package in context.inventory.packages}
    found = {}
    for package in packages:
        depends = package.depends or lines.get(package.key) or installed.get(package.key, ())
        found[package.key] = replace(package, depends=depends)
    return found


def _needs_on_index(context: Context, packages: Sequence[Package]) -> Iterator[tuple[_Key, tuple[str, ...]]]:
    asked = {item.name: item.version for item in packages if item.ecosystem is Ecosystem.PYPI and item.version}
    for name, depends in (context.index_metadata(asked) if asked else {}).items():
        yield (Ecosystem.PYPI, canonicalize_name(name)), depends


def _needs_in_channels(context: Context, packages: Sequence[Package]) -> Mapping[_Key, tuple[str, ...]]:
    asked = [f"{item.name} =={item.version}" for item in packages if item.ecosystem is Ecosystem.CONDA]
    if not asked or context.conda_settings is None:
        return {}
    found = context.query_channels(context.conda_settings, asked, reading=context.reading)
    return {package.key: package.depends for package in found}


# --- what stays anyhow ---------------------------------------------------------------------------------------------


def _staying(context: Context) -> Iterator[_Staying]:
    """What isn't a file's to remove, whatever it names."""
    inventory, environment = context.inventory, context.environment
    kernel = tuple(item for item in inventory.find(*KERNEL_ROOTS) if _may_go(context, item))
    yield _Staying(packages=kernel, why="the kernel runs on it")
    yield _Staying(packages=tuple(context.held_by_server.values()), why="the running Jupyter server needs it")
    tools = {*seeds(environment), *(_TOOLS if environment.policy(PolicyKind.BASE) else ())}
    if environment.is_conda:  # the others are packages like all others there
        tools -= {"setuptools", "wheel"}
    yield _Staying(packages=inventory.find(*tools), why="it came with the environment")
    yield _Staying(packages=inventory.find("jupyter-pkgmgr"), why="it does this")


def _may_go(context: Context, package: Package) -> bool:
    return not context.inventory.states(package) & _UNTOUCHED


def _told(context: Context, staying: Sequence[_Staying], *, kept: set[_Key], plan: Plan) -> Iterator[Notice]:
    """One line for what stays unnamed. Of an environment that has nothing else, there is nothing to say."""
    named = {(Ecosystem.CONDA, "python"), *kept, *(item.key for item in plan.satisfied)}
    said: set[_Key] = set()
    parts = []
    for item in staying:
        roots = _tops(context.inventory, [package for package in item.packages if package.key not in named | said])
        said |= {package.key for package in roots}
        if roots:
            parts.append(f"{_few(roots)} ({item.why if len(roots) == 1 else _plural(item.why)})")
    tools = seeds(context.environment)
    if parts and (plan.changes or any(name not in tools for _, name in said)):
        names = tuple(sorted(name for _, name in said))
        yield Notice(reference="stays", message=f"not named, and not removed: {', '.join(parts)}", packages=names)


def _tops(inventory: Inventory, packages: Sequence[Package]) -> list[Package]:
    """Those of some packages that none of the others needs: who knows them knows why the others are there."""
    needed = {need.key for package in packages for need in inventory.requirements(package) if need.key != package.key}
    return [package for package in packages if package.key not in needed] or list(packages)


def _few(packages: Sequence[Package]) -> str:
    more = f" and {len(packages) - _FEW} more" if len(packages) > _FEW else ""
    return ", ".join(dict.fromkeys(package.name for package in packages[:_FEW])) + more


def _plural(why: str) -> str:
    return why.replace(" it", " them").replace("it came", "they came").replace("it does", "they do")


# --- what goes -----------------------------------------------------------------------------------------------------


def _removal(package: Package) -> Spec:
    return Spec(text=package.name, kind=SpecKind.NAME, name=package.name, ecosystem=package.ecosystem)


def _explained(plan: Plan, going: Sequence[Package]) -> Plan:
    """The plan with the reason of each removal: nobody typed the names of what goes."""
    reasons = {
        package.key: "not named" if package.requested else "nothing that was named needs it" for package in going
    }
    asked = {package.key for package in going if package.requested}

    def explained(change: Change) -> Change:
        if change.action is not Action.REMOVE or change.package.key not in reasons:
            return change
        return replace(change, requested=change.package.key in asked, reason=reasons[change.package.key])

    steps = tuple(
        replace(step, plan=replace(step.plan, changes=tuple(map(explained, step.plan.changes)))) for step in plan.steps
    )
    return replace(plan, steps=steps)

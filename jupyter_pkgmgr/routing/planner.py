"""From a request to a plan, with the reason beside each change.

PyPI packages are removed first, since they may make room; then comes conda's step, and PyPI's last.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Action, Ecosystem, EnginePlan, Notice, Plan, SpecKind, Step, Verb
from jupyter_pkgmgr.model.errors import EnvironmentProblem, PackageNotFoundError, PkgError, VersionNotFoundError

from .administration import check_indexes, check_request, check_what_comes, under_policy, who_forbids_builds
from .assign import Assigned, Assignment, assign
from .conda_step import CondaStep, owned_by, plan_conda
from .context import Context
from .contradictions import find_contradictions
from .guards import check_assignments, check_changes, check_policies
from .mixed import plan_both
from .options import check_engine_is_used, check_options, unused_options
from .origins import with_origins
from .pypi_step import plan_pypi, remove_from_pypi
from .shadow import distributions_of
from .sync import plan_sync

__all__ = ["make_plan"]


def make_plan(context: Context) -> Plan:
    """Work out what to do about a request. Changes nothing.

    Raises
    ------
    PkgError
        If there is no plan: unknown packages, no solution, a channel that is down, or a request that the
        administrator doesn't allow. What could be done but mustn't is no error: it comes back as the plan's blockers.
    """
    return plan_sync(context, _make_plan) if context.request.verb is Verb.SYNC else _make_plan(context)


def _make_plan(context: Context) -> Plan:
    context = under_policy(context)
    check_request(context)
    check_options(context)
    assigned = assign(context)
    blockers = check_assignments(context, assigned.assignments)
    engine_plans: list[EnginePlan] = []
    if not blockers:
        with who_forbids_builds(context.policy):
            engine_plans, blockers = _engine_plans(context, assigned)
    engine_plans = [plan for plan in engine_plans if plan.changes or plan.warnings]
    steps = tuple(
        Step(plan=plan, reason=context.choose_engine(context, plan.ecosystem).reason)
        for plan in engine_plans
        if plan.changes
    )
    check_engine_is_used(context, steps)
    ecosystems = {item.ecosystem for item in assigned.assignments} | {step.plan.ecosystem for step in steps}
    policy_blockers, policy_warnings = (
        check_policies(context.environment, context.request.options, ecosystems=ecosystems) if ecosystems else ([], [])
    )
    changes = [change for step in steps for change in step.plan.changes]
    change_blockers, change_warnings = check_changes(context, changes)
    contradictions = find_contradictions(context, assigned, changes) if steps else []
    return Plan(
        id=uuid.uuid4().hex,
        request=context.request,
        environment=context.environment,
        fingerprint=context.inventory.fingerprint,
        steps=with_origins(context, steps),
        satisfied=assigned.satisfied,
        warnings=_unique(
            policy_warnings,
            assigned.warnings,
            unused_options(context, ecosystems),
            *(plan.warnings for plan in engine_plans),
            change_warnings,
        ),
        blockers=_unique(
            policy_blockers, check_what_comes(context, changes), contradictions, blockers, change_blockers
        ),
    )


def _unique(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    return tuple(dict.fromkeys(notice for group in groups for notice in group))


def _engine_plans(context: Context, assigned: Assigned) -> tuple[list[EnginePlan], list[Notice]]:
    conda = list(assigned.of(Ecosystem.CONDA))
    going = [item for item in assigned.of(Ecosystem.PYPI) if item.verb is Verb.REMOVE]
    pypi = [item for item in assigned.of(Ecosystem.PYPI) if item.verb is not Verb.REMOVE]
    update_all = context.request.updates_all
    wanted = context.request.options.ecosystem
    step = CondaStep(plan=None)
    if conda or (update_all and wanted is not Ecosystem.PYPI and context.environment.is_conda):
        step = plan_conda(context, conda)
        pypi += step.moved
        conda = [item for item in conda if item.spec not in {moved.spec for moved in step.moved}]
    conda_plan = step.plan
    if context.environment.python is None and pypi:
        raise _no_python(context, pypi)
    update_pypi = update_all and wanted is not Ecosystem.CONDA and owned_by(context, Ecosystem.PYPI)
    if context.environment.python is None or not (pypi or update_pypi):
        return [*_making_room(context, going, conda_plan), *([conda_plan] if conda_plan else [])], []
    check_indexes(context)
    removed = _making_room(context, going, conda_plan)
    try:
        conda_plan, last = plan_both(
            context, conda, pypi, conda_plan, [change for plan in removed for change in plan.changes]
        )
    except (PackageNotFoundError, VersionNotFoundError):
        if step.conflict is None or _is_on_an_index(context, step.moved):
            raise
        raise step.conflict from None  # it moved to where nobody has it: what a channel has is what can't be had
    plans = [*_making_room(context, going, conda_plan), *([conda_plan] if conda_plan else []), last.plan]
    return plans, list(last.blockers)


def _is_on_an_index(context: Context, items: Sequence[Assignment]) -> bool:
    try:
        plan_pypi(context, items, ())
    except (PackageNotFoundError, VersionNotFoundError):
        return False
    return True


def _no_python(context: Context, items: Sequence[Assignment]) -> PkgError:
    """PyPI packages need an interpreter; a name that no channel has is simply not there."""
    typed = ", ".join(item.spec.text for item in items)
    if all(item.spec.ecosystem is None and item.spec.kind is SpecKind.NAME for item in items):
        return PackageNotFoundError(
            f"no configured channel has {typed}",
            note=f"{context.environment.name} has no Python, so nothing can come from PyPI",
            hint="-c CHANNEL looks in another channel",
        )
    return EnvironmentProblem(
        f"{context.environment.name} has no Python, so {typed} can't be installed from PyPI",
        reference="no-python",
        hint="install python from a conda channel first",
    )


def _making_room(context: Context, going: Sequence[Assignment], conda_plan: EnginePlan | None) -> Iterator[EnginePlan]:
    """The removal of the PyPI packages that are to go, and of PyPI's copies of what conda is going to bring.

    conda would write its files over theirs, and neither tool could tell afterwards whose are whose.
    """
    arriving = {
        name
        for change in (conda_plan.changes if conda_plan else ())
        if change.action is Action.INSTALL and change.after is not None
        for name in distributions_of(change.after)
    }
    said = {canonicalize_name(item.name) for item in going}
    packages = [found for name in sorted(arriving | said) if (found := context.inventory.pypi(name))]
    if not packages:
        return
    plan = remove_from_pypi(context, packages)
    changes = tuple(
        change
        if canonicalize_name(change.package.name) in said
        else replace(change, requested=False, reason="makes way for conda's")
        for change in plan.changes
    )
    yield replace(plan, changes=changes)

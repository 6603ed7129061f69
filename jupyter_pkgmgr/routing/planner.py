"""From a request to a plan: conda step first, PyPI step last, with the reason beside each change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from jupyter_pkgmgr.model import Ecosystem, EnginePlan, Notice, Plan, Step, Verb

from .assign import Assigned, assign
from .conda_step import plan_conda
from .context import Context
from .guards import check_assignments, check_changes, check_policies
from .mixed import plan_both

__all__ = ["make_plan"]


def make_plan(context: Context) -> Plan:
    """Work out what to do about a request. Changes nothing.

    Raises
    ------
    PkgError
        If there is no plan: unknown packages, no solution, a channel that is down. What could be done but
        mustn't is no error: it comes back as the plan's blockers.
    """
    assigned = assign(context)
    blockers = check_assignments(context, assigned.assignments)
    engine_plans: list[EnginePlan] = []
    if not blockers:
        engine_plans, blockers = _engine_plans(context, assigned)
    engine_plans = [plan for plan in engine_plans if plan.changes or plan.warnings]
    steps = tuple(
        Step(plan=plan, reason=context.choose_engine(context, plan.ecosystem).reason)
        for plan in engine_plans
        if plan.changes
    )
    ecosystems = {item.ecosystem for item in assigned.assignments} | {step.plan.ecosystem for step in steps}
    policy_blockers, policy_warnings = check_policies(context, ecosystems=ecosystems) if ecosystems else ([], [])
    changes = [change for step in steps for change in step.plan.changes]
    change_blockers, change_warnings = check_changes(context, changes)
    return Plan(
        id=uuid.uuid4().hex,
        request=context.request,
        environment=context.environment,
        fingerprint=context.inventory.fingerprint,
        steps=steps,
        satisfied=assigned.satisfied,
        warnings=_unique(
            policy_warnings, assigned.warnings, *(plan.warnings for plan in engine_plans), change_warnings
        ),
        blockers=_unique(policy_blockers, blockers, change_blockers),
    )


def _unique(*groups: Iterable[Notice]) -> tuple[Notice, ...]:
    return tuple(dict.fromkeys(notice for group in groups for notice in group))


def _engine_plans(context: Context, assigned: Assigned) -> tuple[list[EnginePlan], list[Notice]]:
    conda, pypi = list(assigned.of(Ecosystem.CONDA)), list(assigned.of(Ecosystem.PYPI))
    update_all = context.request.verb is Verb.UPDATE and not context.request.specs
    conda_plan: EnginePlan | None = None
    if conda or (update_all and context.environment.is_conda):
        conda_plan, moved = plan_conda(context, conda)
        pypi += moved
    if context.environment.python is None or not (pypi or update_all):
        return ([conda_plan] if conda_plan else []), []
    conda_plan, step = plan_both(context, conda, pypi, conda_plan)
    return [*([conda_plan] if conda_plan else []), step.plan], list(step.blockers)

"""Plans: made by jobs, looked at, and applied by another job."""

from __future__ import annotations

from jupyter_pkgmgr.commands import Command
from jupyter_pkgmgr.jobs import Job, JobKind
from jupyter_pkgmgr.model import Environment, Plan, Verb
from jupyter_pkgmgr.service import PackageService, UndoPlan

from .documents import document, plan_document
from .parts import Call
from .request import ApiResponse
from .validate import read_command
from .working import accepted, job_facts

__all__ = ["make_plan", "plan"]


def make_plan(call: Call) -> ApiResponse:
    """Have a job make a plan."""
    known = call.known()
    command = read_command(call.request.body)
    assert command.request is not None  # noqa: S101  read_command() looked
    plans = call.parts.plans

    def work(job: Job) -> dict[str, str]:
        environment = call.parts.find(known.id).environment  # as it is when it is this job's turn
        made = _make(call.service(job.id), environment, command, job)
        return {"plan": plans.add(known.id, made).id}

    facts = job_facts(call, known, JobKind.PLAN, command.request.command)
    return accepted(call, call.parts.jobs.submit(facts, work))


def _make(service: PackageService, environment: Environment, command: Command, job: Job) -> Plan | UndoPlan:
    request = command.request
    assert request is not None  # noqa: S101  read_command() looked
    if request.verb is Verb.UNDO:
        return service.plan_undo(environment, request, *command.words, events=job.tell, cancel=job.cancel)
    return service.plan(environment, request, events=job.tell, cancel=job.cancel)


def plan(call: Call) -> ApiResponse:
    """A plan, as long as it can be applied."""
    kept = call.parts.plans.get(call.names["plan"])
    call.allow(kept.environment)
    return ApiResponse(body=document(**plan_document(kept)))

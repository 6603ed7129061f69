"""Jobs: begun, listed, followed, stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_pkgmgr.jobs import Job, JobFacts, JobKind, JobManager, JobState
from jupyter_pkgmgr.model import Plan
from jupyter_pkgmgr.model.errors import PkgError, PlanOutdatedError
from jupyter_pkgmgr.transactions import refuse_blocked

from .documents import document, outcome_document, problem_document
from .environments import Known
from .errors import BadRequestError
from .parts import Call
from .plans import KeptPlan
from .request import ApiResponse
from .validate import ApplyBody, CancelBody, DoctorBody, number, read, text

__all__ = [
    "accepted",
    "apply",
    "cancel",
    "doctor",
    "events",
    "events_after",
    "find_job",
    "job",
    "job_facts",
    "jobs",
    "wait_seconds",
]

MAX_WAIT = 30
"""Seconds that a request for events may wait."""


def job_facts(call: Call, known: Known, kind: JobKind, title: str) -> JobFacts:
    """What is known of a job that begins in the caller's name."""
    caller = call.caller
    return JobFacts(
        id=JobManager.new_id(),
        kind=kind,
        environment=known.id,
        prefix=known.environment.prefix,
        title=title,
        user=caller.user,
        face=caller.face,
        kernel=caller.kernel,
    )


def accepted(call: Call, job: Job) -> ApiResponse:
    """The answer to whatever begins or stops a job."""
    return ApiResponse(status=202, body=document(**_shown(call, job)), headers={"Location": f"jobs/{job.id}"})


def _shown(call: Call, job: Job, *, position: int | None = None) -> dict[str, Any]:
    """A job's document: with its place in the queue, and what kernels said of what it did."""
    place = call.parts.jobs.position(job) if position is None else position
    shown = job.to_json(position=place)
    if isinstance(shown["result"], dict) and shown["result"].get("transaction"):
        verdicts = call.parts.verdicts.of(shown["result"]["transaction"])
        shown["result"] = {**shown["result"], "verdicts": verdicts}
    return shown


def find_job(call: Call) -> Job:
    """The job that the path names, if the caller may see it."""
    job = call.parts.jobs.get(call.names["job"])
    call.allow(job.facts.environment)
    return job


# --- begin ---------------------------------------------------------------------------------------------------------


def apply(call: Call) -> ApiResponse:
    """Have a job apply a plan, once."""
    plans = call.parts.plans
    name = read(call.request.body, ApplyBody).plan
    known = _check(call, plans.get(name))
    kept = plans.take(name)
    try:
        facts = replace(job_facts(call, known, JobKind.APPLY, kept.plan.request.command), plan=name)
        job = call.parts.jobs.submit(facts, lambda job: _apply(call, kept, job))
    except PkgError:
        plans.give_back(kept)
        raise
    return accepted(call, job)


def _check(call: Call, kept: KeptPlan) -> Known:
    """Refuse at once what a job would refuse; returns the plan's environment."""
    call.allow(kept.environment)
    known = call.parts.find(kept.environment)
    refuse_blocked(kept.plan)
    return known


def _apply(call: Call, kept: KeptPlan, job: Job) -> dict[str, Any]:
    """Apply what was shown. Where the environment changed since, the plan is made again, and has to say the same."""
    service = call.service(job.id)
    if kept.undo is not None:
        outcome = service.undo(
            kept.undo,
            events=job.tell,
            cancel=job.cancel,
            replanned=lambda new: _refuse_another(kept.plan, new.plan),
        )
    else:
        outcome = service.apply(
            kept.plan, events=job.tell, cancel=job.cancel, replanned=lambda new: _refuse_another(kept.plan, new)
        )
    job.outcome = outcome
    return {**outcome_document(outcome), "verdicts": {}}


def _refuse_another(shown: Plan, new: Plan) -> None:
    if new.changes != shown.changes:
        raise PlanOutdatedError(
            "the environment changed since the plan was made, and now the plan is another one",
            hint="make the plan again",
        )


def doctor(call: Call) -> ApiResponse:
    """Have a job look for what is wrong."""
    known = call.known()
    files = read(call.request.body, DoctorBody).files

    def work(job: Job) -> dict[str, Any]:
        environment = call.parts.find(known.id).environment
        problems = call.service(job.id).doctor(environment, files=files, cancel=job.cancel)
        return {"problems": [problem_document(problem) for problem in problems]}

    title = "doctor --files" if files else "doctor"
    facts = replace(job_facts(call, known, JobKind.DOCTOR, title), changes=False)
    return accepted(call, call.parts.jobs.submit(facts, work))


# --- look ----------------------------------------------------------------------------------------------------------


def jobs(call: Call) -> ApiResponse:
    """The jobs, newest first; to a kernel only those of its environment."""
    environment = text(call.request.query, "environment")
    state = text(call.request.query, "state")
    if state not in ("", *JobState):
        raise BadRequestError(f"state in the query is none of {', '.join(JobState)}: {state!r}")
    positions = call.parts.jobs.positions()
    found = [
        _shown(call, job, position=positions.get(job.id, 0))
        for job in call.parts.jobs.all()
        if environment in ("", job.facts.environment) and state in ("", job.state) and call.opens(job.facts.environment)
    ]
    return ApiResponse(body=document(jobs=found))


def job(call: Call) -> ApiResponse:
    """One job."""
    return ApiResponse(body=document(**_shown(call, find_job(call))))


def cancel(call: Call) -> ApiResponse:
    """Ask a job to stop. Whether it could be stopped is what its events tell."""
    read(call.request.body, CancelBody)
    found = find_job(call)
    call.parts.jobs.cancel(found.id)
    return accepted(call, found)


def events(call: Call) -> ApiResponse:
    """What a job told, from any number on; waits for something new where there is nothing."""
    found = find_job(call)
    after = events_after(call)
    found.log.wait(after, wait_seconds(call))
    shown = _shown(call, found)  # before the events: whoever sees that a job has ended has its last events, too
    page = found.log.read(after)
    return ApiResponse(body=document(job=shown, events=list(page.events), next=page.next, first=page.first))


def events_after(call: Call) -> int:
    """The number of the last event that the caller has."""
    return number(call.request.query, "after", 0, low=0, high=2**53)


def wait_seconds(call: Call) -> int:
    """How long the caller wants to wait for news."""
    return number(call.request.query, "wait", 0, low=0, high=MAX_WAIT)

"""What a kernel asks: to carry out a command, for a hint; and what it says of changes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.commands import VARIABLE_WANTED, Command, with_variables
from jupyter_pkgmgr.jobs import Job, JobKind
from jupyter_pkgmgr.model import Environment, Evidence, redact
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.typed import Typed, hint_document, is_verbose, run_typed

from .documents import document
from .environments import Known
from .errors import ForbiddenError
from .parts import Call
from .reading import find_kernel
from .request import ApiResponse
from .validate import HintBody, RunBody, VerdictBody, read, read_facts
from .working import accepted, job_facts

__all__ = ["hint", "run", "verdict"]


def run(call: Call) -> ApiResponse:
    """Have a job carry out what was typed in a kernel, once for each key that the kernel made up.

    Also what can't be understood becomes a job: the cell shows its error as any other.
    """
    body = read(call.request.body, RunBody)
    known = _environment(call, body.facts)
    typed = Typed(line=body.argv_line, cell=body.cell, cwd=body.cwd)
    title = redact(f"%{'%' if typed.cell is not None else ''}pkg {typed.line}".strip())
    command: Command | None = None
    error: PkgError | None = None
    try:
        with with_variables(body.variables):
            command = typed.parse()
    except PkgError as reason:
        if reason.reference == VARIABLE_WANTED:  # the kernel asks again, and tells it
            raise
        error = reason

    def work(job: Job) -> dict[str, Any]:
        if command is None:
            assert error is not None  # noqa: S101  one of the two
            raise error
        environment = call.parts.find(known.id).environment  # as it is when it is this job's turn
        result, job.outcome = run_typed(
            call.service(job.id),
            _with_mismatch(call, environment) if command.verb == "env" else environment,
            command,
            show=job.show,
            show_json=job.display,
            cancel=job.cancel,
        )
        return result

    changes = command is not None and command.request is not None
    facts = replace(job_facts(call, known, JobKind.RUN, title), changes=changes, verbose=is_verbose(typed.line))
    if body.key is not None:
        facts = replace(facts, id=_id_of(call, body.key))
    return accepted(call, call.parts.jobs.submit(facts, work))


def _id_of(call: Call, key: str) -> str:
    """The job's id by its key: whoever asks again gets the same job, and no kernel that of another one."""
    return hashlib.blake2b(f"{call.caller.kernel} {key}".encode(), digest_size=8).hexdigest()


def _environment(call: Call, facts: dict[str, Any]) -> Known:
    """The environment of the kernel's token. What the kernel says of itself has to agree with it."""
    name = call.caller.environment
    if name is None:
        raise ForbiddenError("nothing is known of this kernel's environment yet", reference="kernel-not-attached")
    told = read_facts(facts)
    if call.parts.environments.id_of(Path(told.prefix)) != name:
        raise ForbiddenError(
            "this kernel's token opens its own environment only",
            note=f"the kernel says that it lives in {told.prefix}",
            hint="restart the kernel",
        )
    return call.parts.find(name)


def _with_mismatch(call: Call, environment: Environment) -> Environment:
    """An environment that says where its kernel and the server's own findings differ."""
    kernel = call.parts.host.kernel(call.caller.kernel) if call.caller.kernel else None
    if kernel is None or not kernel.mismatch:
        return environment
    return replace(environment, evidence=(*environment.evidence, Evidence(source="but", detail=kernel.mismatch)))


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
        call.service().record_verdict(
            call.parts.find(call.caller.environment or "").environment,
            transaction,
            level=body.verdict.level,
            modules=body.verdict.modules,
        )
        call.parts.verdicts.add(transaction, name, said)  # not before it is sure that this environment has it
    call.parts.host.judged(name, transaction, said)
    return ApiResponse(body=document(**find_kernel(call).to_json()))

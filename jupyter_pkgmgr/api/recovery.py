"""What becomes of jobs whose server died: their environment is brought in order, and they end by saying so."""

from __future__ import annotations

from typing import Any

from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.jobs import Job, JobKind, JobState
from jupyter_pkgmgr.model import Event, EventKind
from jupyter_pkgmgr.model.errors import CancelledError, PkgError
from jupyter_pkgmgr.service import Entry, PackageService, Result

from .documents import change_document

__all__ = ["Recovery"]


class Recovery:
    """Settles jobs that another host left unfinished; to be handed to :class:`~jupyter_pkgmgr.jobs.JobManager`.

    The environment itself knows how its transaction ended: what was committed stays, anything else is taken back.
    """

    def __init__(self, service: PackageService) -> None:
        self._service = service

    def __call__(self, job: Job) -> None:
        """Bring the environment in order, and end the job by what its history says."""
        if job.started is None:
            job.fail(_ended(job, "before it began; nothing was changed"), state=JobState.CANCELLED)
            return
        if not job.facts.changes or job.facts.kind is JobKind.PLAN:
            job.fail(_ended(job, "in the middle of this; it changes nothing, so ask again"))
            return
        try:
            entry = self._settle(job)
        except CancelledError:
            return  # this host ends, too: the next one will do it
        except PkgError as error:
            job.fail(error)
            return
        self._end(job, entry)

    def _settle(self, job: Job) -> Entry | None:
        """Have whatever was unfinished taken back; returns what the history has of this job."""
        environment = from_prefix(job.facts.prefix)
        self._service.recover(environment, events=job.tell, cancel=job.cancel)
        entries = self._service.history(environment)
        return next((entry for entry in entries if entry.job == job.id), None)

    def _end(self, job: Job, entry: Entry | None) -> None:
        if entry is None:
            job.fail(_ended(job, "before anything was changed"), state=JobState.ROLLED_BACK)
        elif entry.committed:
            message = "the server ended right after this was done"
            job.tell(Event(kind=EventKind.MESSAGE, level="warning", message=message))
            job.succeed(_result(entry))
        elif entry.result is Result.FAILED:
            job.fail(_ended(job, f"in the middle of this, and not everything could be put back: {entry.message}"))
        else:
            job.fail(_ended(job, "in the middle of this; everything is as it was before"), state=JobState.ROLLED_BACK)


def _ended(job: Job, when: str) -> PkgError:
    again = f"to do it again: {job.facts.title}" if job.facts.kind is JobKind.RUN else "make a new plan to do it again"
    return PkgError(f"the server ended {when}", reference="server-ended", hint=again)


def _result(entry: Entry) -> dict[str, Any]:
    return {
        "transaction": entry.id,
        "seconds": entry.seconds,
        "fingerprint": entry.fingerprint,
        "changes": [change_document(change) for change in entry.changes],
        "warnings": [],
        "verdicts": {},
    }

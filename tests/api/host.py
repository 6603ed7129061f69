"""A server that is killed: ``python -m tests.api.host FOLDER PYTHON WHEN COMMAND``.

It has a job apply a plan of the command, and stops for ever when it is at ``WHEN``: ``begun`` at the job's first
event, or ``committed`` when the transaction is done and its job doesn't know yet. It says so, and waits to be killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.api import Alone, Api, ApiRequest, Caller, Environments, Parts, Plans
from jupyter_pkgmgr.environments import from_interpreter
from jupyter_pkgmgr.jobs import JobManager, JobStore
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.transactions import apply as transactions

from .conftest import SECRET


def main(folder: str, python: str, when: str, command: str) -> None:
    service = PackageService()
    jobs = JobManager(store=JobStore(Path(folder)))
    environments = Environments(SECRET)
    name = environments.register(from_interpreter(Path(python)))
    api = Api(Parts(service=service, jobs=jobs, environments=environments, plans=Plans(), host=Alone()))

    def post(path: str, body: Any) -> dict[str, Any]:
        answer = api.handle(ApiRequest(method="POST", path=path, body=body, caller=Caller(user="me", face="panel")))
        assert answer.status == 202, answer.body
        document: dict[str, Any] = answer.body
        return document

    planned = jobs.get(post(f"environments/{name}/plans", {"command": command})["id"])
    while not planned.state.ended:
        planned.log.wait(planned.log.last, 60)
    if when == "committed":
        stop_after_commit()
    job = jobs.get(post("jobs", planned.result)["id"])
    if when == "begun":
        after = 0
        while not any(event["type"] == "event" for event in job.log.read().events):
            job.log.wait(after, 60)
            after = job.log.last
        say(f"begun {job.id}")
    threading.Event().wait()


def stop_after_commit() -> None:
    """Stop in the moment between the end of the transaction and what follows it."""

    def stop(**fields: Any) -> None:
        say(f"committed {fields['transaction']}")
        threading.Event().wait()

    setattr(transactions, "Outcome", stop)  # noqa: B010  where the outcome is made is that moment


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

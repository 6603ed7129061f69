"""A host of jobs that is killed: ``python -m tests.jobs.host FOLDER PREFIX``.

It begins a job, queues another, says ``begun`` and their ids, and goes on until it dies.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from jupyter_pkgmgr.jobs import Job, JobManager, JobStore

from .conftest import facts


def main(folder: str, prefix: str) -> None:
    manager = JobManager(store=JobStore(Path(folder)))
    begun = threading.Event()

    def work(job: Job) -> None:
        job.display("plan", {"text/plain": "the plan"})
        for number in range(100):
            job.display("step", {"text/plain": f"{number} of 100"})
        begun.set()
        threading.Event().wait()

    running = manager.submit(facts(prefix), work)
    waiting = manager.submit(facts(prefix), work)
    begun.wait()
    sys.stdout.write(f"begun {running.id} {waiting.id}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

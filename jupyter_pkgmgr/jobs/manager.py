"""Who runs jobs: in what order, how many at once, until when.

Jobs that change an environment run one after the other in it, in the order in which they came, and several
environments at the same time; the environments take turns. Jobs that only read wait for nobody but for a free place.
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jupyter_pkgmgr.model import obey
from jupyter_pkgmgr.model.errors import CancelledError, PkgError
from jupyter_pkgmgr.verbs import defect

from .errors import JobNotFoundError, TooManyJobsError
from .job import Job, JobFacts, JobState, Work
from .store import JobStore

__all__ = ["JobListener", "JobManager", "Limits", "Recovery"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a host takes on."""

    changing: int = 4
    """Environments that are changed at the same time."""
    reading: int = 8
    """Jobs beside them that only read."""
    queued: int = 1000
    """Jobs that wait."""
    kept: int = 300
    """Jobs that have ended and can still be looked at; the oldest are forgotten first."""
    kept_bytes: int = 64 * 1024**2
    """Of all their logs together."""
    kept_days: float = 7.0


Recovery = Callable[[Job], None]
"""What is done about a job whose server died: brings its environment in order and ends the job by that."""
JobListener = Callable[[Job], None]
"""Is told every change of a job's state, in the thread that made it."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A job, and what is done when it is its turn."""

    job: Job
    do: Callable[[Job], None]


@dataclass(slots=True)
class _Queue:
    """One prefix: who waits, and whether somebody changes it."""

    changing: deque[_Turn] = field(default_factory=deque)
    reading: deque[_Turn] = field(default_factory=deque)
    busy: bool = False

    def waiting(self, job: Job) -> deque[_Turn]:
        """Those among whom a job waits."""
        return self.changing if job.facts.changes else self.reading

    @property
    def idle(self) -> bool:
        return not (self.changing or self.reading or self.busy)


class JobManager:
    """All jobs of one host. Thread-safe.

    Parameters
    ----------
    store
        Where jobs are kept on the disk, so that a later host finds them; ``None`` keeps them in memory only.
    recovery
        Called for each job that a host which died left unfinished, in that job's turn, which may come at once.
    listeners
        Told of what becomes of those, too.
    """

    def __init__(
        self,
        *,
        limits: Limits = Limits(),
        store: JobStore | None = None,
        recovery: Recovery | None = None,
        listeners: Iterable[JobListener] = (),
    ) -> None:
        self.limits = limits
        self._store = store
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        """By prefix; who had a turn goes to the end."""
        self._running = {True: 0, False: 0}
        """How many run now that change, and that only read."""
        self._queued = 0
        self._ended: OrderedDict[str, int] = OrderedDict()
        """The ids of those that have ended, in that order, with the bytes of their logs."""
        self._ended_bytes = 0
        self._threads: set[threading.Thread] = set()
        self._closed = False
        self._listeners = tuple(listeners)
        if store is not None:
            self._load(store, recovery)

    # --- asking for work -------------------------------------------------------------------------------------------

    @staticmethod
    def new_id() -> str:
        """A name that no other job has."""
        return secrets.token_hex(8)

    def submit(self, facts: JobFacts, work: Work) -> Job:
        """Have work done as soon as it is its turn.

        A job of this id that is there already is the one that is wanted: whoever got no answer may ask again.

        Parameters
        ----------
        work
            Called in a thread with the job: it tells events there, obeys ``job.cancel``, returns the result.

        Raises
        ------
        TooManyJobsError
            If too many jobs wait already, or the host is about to end.
        """
        job = Job(facts)
        with self._lock:
            if facts.id in self._jobs:
                return self._jobs[facts.id]
            if self._closed:
                raise TooManyJobsError("the server is shutting down", reference="shutting-down")
            if self._queued >= self.limits.queued:
                raise TooManyJobsError(
                    f"{self._queued} jobs are waiting already, which is the limit",
                    hint="try again when some of them have ended, or cancel those that aren't needed",
                )
            self._jobs[job.id] = job
        job.log.add("state", state=job.state)
        if self._store is not None:
            self._store.begin(job)  # not under the lock: nobody who only looks waits for a disk
        with self._lock:
            admitted = self._admit(_Turn(job, functools.partial(self._carry_out, work=work)))
            started = self._start_next()
        if not admitted:
            self._end_waiting(job)
            return job
        self._tell(job)
        self._go(started)
        return job

    def _admit(self, turn: _Turn) -> bool:
        """Let a job wait for its turn, unless the host has begun to end meanwhile."""
        if not self._closed:
            self._enqueue(turn)
        return not self._closed

    def _enqueue(self, turn: _Turn) -> None:
        self._queues.setdefault(_lane(turn.job), _Queue()).waiting(turn.job).append(turn)
        self._queued += 1

    # --- running ---------------------------------------------------------------------------------------------------

    def _start_next(self) -> list[_Turn]:
        """Take from the queues whatever may run now. Under the lock."""
        started = []
        while (turn := self._pick()) is not None:
            self._queues.move_to_end(_lane(turn.job))
            self._queued -= 1
            self._running[turn.job.facts.changes] += 1
            started.append(turn)
        return started

    def _pick(self) -> _Turn | None:
        changes = self._running[True] < self.limits.changing
        reads = self._running[False] < self.limits.reading
        for queue in self._queues.values() if changes or reads else ():
            if reads and queue.reading:
                return queue.reading.popleft()
            if changes and queue.changing and not queue.busy:
                queue.busy = True
                return queue.changing.popleft()
        return None

    def _go(self, started: Iterable[_Turn]) -> None:
        for turn in started:
            thread = threading.Thread(target=self._run, args=(turn,), name=f"job-{turn.job.id}", daemon=True)
            with self._lock:
                try:
                    thread.start()
                except RuntimeError as error:  # no more threads for this process, which may pass
                    self._done(turn.job)
                    refused = error
                else:
                    self._threads.add(thread)
                    continue
            self._refuse(turn.job, refused)

    def _refuse(self, job: Job, error: RuntimeError) -> None:
        """End a job that couldn't be started; what another host left stays for the next one."""
        logger.error("job %s can't be started: %s", job.id, error)
        if not job.found:
            job.fail(PkgError(f"this can't be started now: {error}", reference="no-thread", hint="try again"))
            with self._lock:
                self._remember(job)
            self._tell(job)

    def _run(self, turn: _Turn) -> None:
        try:
            turn.do(turn.job)
        finally:
            with self._lock:
                self._done(turn.job)
                started = self._start_next()
                dropped = self._superfluous()
            self._forget(dropped)
            self._go(started)
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _carry_out(self, job: Job, work: Work) -> None:
        """Do the work; however it ends, the job ends too."""
        if not job.begin():
            return
        self._tell(job)
        try:
            job.cancel.check()
            with obey(job.cancel):
                job.succeed(work(job))
        except CancelledError as error:
            job.fail(error, state=JobState.CANCELLED)
        except PkgError as error:
            job.fail(error)
        except Exception as error:
            logger.exception("job %s failed", job.id)
            job.fail(defect(error))
        self._tell(job)

    def _done(self, job: Job) -> None:
        self._running[job.facts.changes] -= 1
        if job.facts.changes:
            self._queues[_lane(job)].busy = False
        self._tidy(_lane(job))
        self._remember(job)

    def _tidy(self, lane: str) -> None:
        if lane in self._queues and self._queues[lane].idle:
            del self._queues[lane]

    # --- stopping --------------------------------------------------------------------------------------------------

    def cancel(self, name: str) -> Job:
        """Ask a job to stop. One that waits ends at once; one that has ended is left alone.

        So is one that another host left behind: its environment has to be brought in order.

        Raises
        ------
        JobNotFoundError
            If there is none of this id.
        """
        job = self.get(name)
        if not job.found:
            job.cancel.cancel()
            with self._lock:
                waited = self._unqueue(job)
            if waited:
                self._end_waiting(job)
        return job

    def _end_waiting(self, job: Job) -> None:
        """End a job that waits no longer, and never began."""
        job.fail(CancelledError("stopped before it began; nothing was changed"), state=JobState.CANCELLED)
        with self._lock:
            self._remember(job)
            dropped = self._superfluous()
        self._forget(dropped)
        self._tell(job)

    def _unqueue(self, job: Job) -> bool:
        queue = self._queues.get(_lane(job))
        turn = next((turn for turn in queue.waiting(job) if turn.job is job), None) if queue else None
        if queue is None or turn is None:
            return False
        queue.waiting(job).remove(turn)
        self._queued -= 1
        self._tidy(_lane(job))
        return True

    def close(self, seconds: float = 15.0) -> tuple[Job, ...]:
        """Cancel everything and wait until it has stopped, at most so long; returns what hasn't."""
        with self._lock:
            self._closed = True
            jobs = [job for job in self._jobs.values() if not job.state.ended]
            queues = list(self._queues.values())
            waiting = [turn.job for queue in queues for turn in (*queue.changing, *queue.reading)]
            for queue in queues:
                queue.changing.clear()
                queue.reading.clear()
            self._queued = 0
        for job in jobs:
            job.cancel.cancel()
        for job in waiting:
            if not job.found:
                self._end_waiting(job)
        deadline = time.monotonic() + seconds
        while (thread := self._running_thread()) is not None and (left := deadline - time.monotonic()) > 0:
            thread.join(left)
        left_over = tuple(job for job in jobs if not job.state.ended and not job.found)  # those are the next host's
        if self._store is not None and not any(thread.is_alive() for thread in self._threads):
            self._store.close()
        return left_over

    def _running_thread(self) -> threading.Thread | None:
        with self._lock:
            return next(iter(self._threads), None)

    # --- looking ---------------------------------------------------------------------------------------------------

    def get(self, name: str) -> Job:
        """A job by its id.

        Raises
        ------
        JobNotFoundError
            If there is none, or not any more.
        """
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise JobNotFoundError(
                "there is no job of this id",
                note=f"the last {self.limits.kept} that ended are kept",
                hint="the environment's history tells what was changed",
            )
        return job

    def all(self) -> tuple[Job, ...]:
        """All jobs, newest first."""
        with self._lock:
            return tuple(reversed(self._jobs.values()))

    def positions(self) -> dict[str, int]:
        """The place of each waiting job among those of its environment, beginning with 1."""
        with self._lock:
            lanes = [waiting for queue in self._queues.values() for waiting in (queue.changing, queue.reading)]
            return {turn.job.id: place for waiting in lanes for place, turn in enumerate(waiting, start=1)}

    def position(self, job: Job) -> int:
        """The same for one job; 0 if it doesn't wait."""
        with self._lock:
            queue = self._queues.get(_lane(job))
            waiting = queue.waiting(job) if queue else ()
            return next((place for place, turn in enumerate(waiting, start=1) if turn.job is job), 0)

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            try:
                listener(job)
            except Exception:
                logger.exception("a listener failed at job %s", job.id)

    # --- keeping ---------------------------------------------------------------------------------------------------

    def _load(self, store: JobStore, recovery: Recovery | None) -> None:
        for job in store.load():
            self._jobs[job.id] = job
            if job.state.ended:
                self._remember(job)
            elif recovery is not None:
                self._enqueue(_Turn(job, functools.partial(self._recover, recovery=recovery)))
        with self._lock:
            started = self._start_next()
            dropped = self._superfluous()
        self._forget(dropped)
        self._go(started)

    def _recover(self, job: Job, recovery: Recovery) -> None:
        try:
            recovery(job)
        except Exception as error:
            logger.exception("job %s, found after a crash, can't be settled", job.id)
            job.fail(defect(error))
        self._tell(job)

    def _remember(self, job: Job) -> None:
        """Keep a job that has ended, for a while. Under the lock."""
        if job.state.ended:
            self._ended[job.id] = job.log.size
            self._ended_bytes += job.log.size

    def _superfluous(self) -> list[str]:
        """Take what is too much of the jobs that have ended out of the list. Under the lock."""
        dropped = []
        oldest = (datetime.now(UTC) - timedelta(days=self.limits.kept_days)).isoformat()
        for name in list(self._ended):
            too_old = (self._jobs[name].ended or "") < oldest
            if len(self._ended) <= self.limits.kept and self._ended_bytes <= self.limits.kept_bytes and not too_old:
                break
            self._ended_bytes -= self._ended.pop(name)
            del self._jobs[name]
            dropped.append(name)
        return dropped

    def _forget(self, names: Iterable[str]) -> None:
        if self._store is not None:
            for name in names:
                self._store.forget(name)


def _lane(job: Job) -> str:
    return os.path.normcase(job.facts.prefix)

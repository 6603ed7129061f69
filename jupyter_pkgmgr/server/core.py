"""What answers requests: the service, its jobs and the API, made when they are first needed.

Importing this module imports everything heavy; :mod:`.extension` does so in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec
from tornado import web

from jupyter_pkgmgr.api import (
    MAX_BODY,
    ApiRequest,
    ApiResponse,
    Caller,
    Environments,
    Plans,
    error_response,
    load_secret,
    read_body,
)
from jupyter_pkgmgr.api.api import Api
from jupyter_pkgmgr.api.parts import Parts
from jupyter_pkgmgr.api.recovery import Recovery
from jupyter_pkgmgr.api.routes import Route, find_route
from jupyter_pkgmgr.jobs import Job, JobKind, JobListener, JobManager, JobStore, Limits
from jupyter_pkgmgr.model import Cancellation, Outcome, obey
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.typed import changed_packages

from .activity import Activity
from .environments import EnvironmentFinder
from .events import Emitter
from .host import ServerHost
from .jupyter import JupyterFacts
from .kernels import KnownKernel
from .loop import soon
from .tokens import Grant

if TYPE_CHECKING:
    from .extension import PkgmgrExtension

__all__ = ["Core", "Route"]

P = ParamSpec("P")
T = TypeVar("T")
LOOKERS = 4
PATIENCE = 120.0
"""Seconds that looking something up may take; whoever asks again may find it in a cache then."""
LOOKING = frozenset({"cancel", "events", "job", "jobs", "openapi", "plan"})
"""Routes that are answered from memory: they have threads of their own, and never wait behind a search."""


class Core:
    """Everything behind the REST handlers."""

    error = PkgError
    cancellation = Cancellation
    find_route = staticmethod(find_route)
    error_response = staticmethod(error_response)
    max_body = MAX_BODY

    def __init__(self, extension: PkgmgrExtension, loop: asyncio.AbstractEventLoop) -> None:
        assert extension.serverapp is not None  # noqa: S101  Jupyter has linked it
        assert extension.serverapp.event_logger is not None  # noqa: S101  it is made before extensions are
        assert extension.serverapp.web_app is not None  # noqa: S101  likewise
        self._extension, self._loop, self._log = extension, loop, extension.log
        self._closed = False
        self._asking: set[Cancellation] = set()
        """Of the requests that are being worked on."""
        self._shutdown_seconds = extension.shutdown_seconds
        self._quick = ThreadPoolExecutor(LOOKERS, thread_name_prefix="pkgmgr-quick")
        self._telling = ThreadPoolExecutor(1, thread_name_prefix="pkgmgr-telling")
        self._slow = ThreadPoolExecutor(extension.threads, thread_name_prefix="pkgmgr")
        server, folder = Path(sys.prefix), Path(extension.data_dir).expanduser()
        jupyter = JupyterFacts(extension.serverapp, loop)
        self.environments = Environments(_secret(folder / "secret", extension.log), server=server)
        self._finder = EnvironmentFinder(jupyter, extension.kernels, server=server)
        self._host = ServerHost(
            jupyter=jupyter,
            finder=self._finder,
            registry=extension.kernels,
            environments=self.environments,
            settings=extension.settings_for_faces,
        )
        self._service = PackageService(face="jupyter", policy=extension.policy())
        self._emitter = Emitter(extension.serverapp.event_logger, loop)
        times = extension.serverapp.web_app.settings["last_activity_times"]
        activity = Activity(times, loop, is_busy=lambda: self.unfinished > 0)
        listeners = (self._emitter.job, activity.job, self._tell_kernels)
        self.jobs = _jobs(extension, folder / "jobs", Recovery(self._service), listeners)
        self._unsubscribe = extension.kernels.subscribe(self._tell_soon)
        parts = Parts(
            service=self._service,
            jobs=self.jobs,
            environments=self.environments,
            plans=Plans(max_plans=extension.kept_plans, max_age=60 * extension.plan_minutes),
            host=self._host,
        )
        self.api = Api(parts)

    def close(self) -> None:
        """Cancel and wait: nothing that was begun is left half done, and no thread or child is left at all."""
        self._unsubscribe()
        self._closed = True
        for cancel in self._asking.copy():
            cancel.cancel()
        for job in self.jobs.close(self._shutdown_seconds):
            self._log.warning("job %s (%s) didn't stop in time", job.id, job.facts.title)
        for pool in (self._quick, self._telling, self._slow):
            pool.shutdown(cancel_futures=True)
        self._finder.close()
        self._service.close()

    @property
    def unfinished(self) -> int:
        """How many jobs aren't over."""
        return sum(not job.state.ended for job in self.jobs.all())

    # --- for the handlers ------------------------------------------------------------------------------------------

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have something done in a thread that is always soon free."""
        return await self._in(self._quick, functools.partial(function, *args, **kwargs))

    async def handle(self, route: Route, request: ApiRequest, cancel: Cancellation) -> ApiResponse:
        """Have a request answered; ``cancel`` ends its waiting for a network."""
        if route.name in LOOKING:
            return await self._in(self._quick, functools.partial(self.api.handle, request))
        late = self._loop.call_later(PATIENCE, cancel.cancel)
        self._asking.add(cancel)
        try:
            return await self._in(self._slow, functools.partial(self._answer, request, cancel))
        finally:
            late.cancel()
            self._asking.discard(cancel)

    def _answer(self, request: ApiRequest, cancel: Cancellation) -> ApiResponse:
        with obey(cancel):
            return self.api.handle(request)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except (asyncio.CancelledError, RuntimeError) as error:  # how a pool says that it is closed
            if not self._closed:
                raise
            raise web.HTTPError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down") from error

    async def request(
        self,
        *,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str],
        user: str,
        grant: Grant | None,
    ) -> ApiRequest:
        """A request as the API takes it.

        Raises
        ------
        BadRequestError
            If the body is no JSON.
        """
        if grant is None:
            caller = Caller(user=user, face="panel")
        else:
            environment = await self._environment_of(grant)
            face = "%pkg" if path.startswith("kernels/") else "widget"
            caller = Caller(user=user, face=face, kernel=grant.kernel, environment=environment)
        document = await self.run(read_body, body)
        return ApiRequest(method=method, path=path, query=query, body=document, headers=headers, caller=caller)

    async def _environment_of(self, grant: Grant) -> str | None:
        """The id of a kernel's environment, which nobody may have asked for before: then its interpreter is asked."""
        if grant.prefix is None:
            return None
        name = await self.run(self.environments.id_of, Path(grant.prefix))
        if all(known.id != name for known in self.environments.known()):
            await self._in(self._slow, functools.partial(self._host.kernel, grant.kernel))
        return name

    @staticmethod
    def encode(body: Any) -> bytes | None:
        """An answer's body as it goes over the wire."""
        if body is None or isinstance(body, str):
            return body.encode() if body else None
        return msgspec.json.encode(body)

    def _tell_kernels(self, job: Job) -> None:
        """Have the other kernels of an environment that was changed judge whether they need a restart."""
        outcome, attacher = job.outcome, self._extension.attacher
        if not job.state.ended or outcome is None or not outcome.changes or attacher is None:
            return
        change = {
            "changed_files": [str(path) for path in outcome.changed_files],
            "changed_packages": _changed_packages(outcome),
            "transaction": outcome.transaction,
            "undoes": list(outcome.undoes),
            "job": job.id,
        }

        heard = functools.partial(self.api.parts.verdicts.add, outcome.transaction)
        by = job.facts.kernel if job.facts.kind is JobKind.RUN else None  # a panel's kernel waits for no result
        tell = functools.partial(attacher.tell, job.facts.prefix, change, heard=heard, by=by)
        soon(self._loop, tell)

    def _tell_soon(self, kernel: KnownKernel) -> None:
        """In a thread that may wait for interpreters: nobody who follows a job must wait behind them."""
        with contextlib.suppress(RuntimeError):  # the server ends
            self._telling.submit(self._tell, kernel)

    def _tell(self, kernel: KnownKernel) -> None:
        try:
            known = self._host.kernel(kernel.id)
        except Exception:  # noqa: BLE001  nobody waits for this who could be told
            self._log.exception("what is known of kernel %s can't be told", kernel.id)
            return
        if known is not None:
            self._emitter.kernel(known)


def _changed_packages(outcome: Outcome) -> list[dict[str, Any]]:
    """What a kernel judges by, with the versions that it tells its user."""
    return [
        {
            **package,
            "before": change.before.version if change.before else None,
            "after": change.after.version if change.after else None,
        }
        for package, change in zip(changed_packages(outcome), outcome.changes, strict=True)
    ]


def _secret(path: Path, log: logging.Logger | logging.LoggerAdapter[Any]) -> bytes:
    """The installation's secret; where it can't be kept, one for this run: ids change with the next."""
    try:
        return load_secret(path)
    except OSError as error:
        log.warning("the ids of environments will change with the next start: %s", error)
        return secrets.token_bytes(32)


def _jobs(extension: PkgmgrExtension, folder: Path, recovery: Recovery, listeners: Iterable[JobListener]) -> JobManager:
    limits = Limits(
        changing=extension.changing_jobs,
        reading=extension.reading_jobs,
        queued=extension.queued_jobs,
        kept=extension.kept_jobs,
        kept_days=extension.kept_days,
    )
    return JobManager(limits=limits, store=JobStore(folder), recovery=recovery, listeners=listeners)

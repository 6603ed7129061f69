"""The extension as Jupyter Server sees it: its settings, its handlers, its beginning and its end.

Loading it imports next to nothing (``benchmarks/import_time.py``): the service and all below it come in a thread
when the first request wants them.
"""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from tornado import web
from traitlets import Bool, Float, Int, List, Unicode, default

from jupyter_pkgmgr import __version__

from .handlers import RESOURCE, RestHandler
from .kernels import KernelRegistry
from .policy import PolicyTraits
from .tokens import Grant, Tokens

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from .attach import Attacher
    from .core import Core

__all__ = ["PkgmgrExtension"]

EVENT_SCHEMAS = Path(__file__).with_name("event_schemas")


class PkgmgrExtension(PolicyTraits, ExtensionApp):
    """Package management for the kernels of a Jupyter server."""

    name = "jupyter_pkgmgr"
    version = __version__
    description = "Package management for the kernels of a Jupyter server"
    load_other_extensions = True

    # --- what it does with kernels ---------------------------------------------------------------------------------

    attach_kernels = Bool(
        default_value=True,
        help="Give each IPython kernel %pkg and help with missing imports when it starts, without installing anything"
        " into its environment.",
    ).tag(config=True)

    attach_except = List(
        Unicode(),
        help="Names of kernelspecs (or patterns: 'conda-env-*') whose kernels are left alone.",
    ).tag(config=True)

    # --- what it takes on ------------------------------------------------------------------------------------------

    data_dir = Unicode(
        help="Folder for the logs of jobs and the key of the environments' ids. By default 'jupyter_pkgmgr' in"
        " Jupyter's data folder.",
    ).tag(config=True)

    @default("data_dir")
    def _default_data_dir(self) -> str:
        from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415  the one that is in force now

        return str(Path(jupyter_data_dir(), "jupyter_pkgmgr"))

    changing_jobs = Int(4, min=1, help="Environments that are changed at the same time.").tag(config=True)
    reading_jobs = Int(8, min=1, help="Plans and examinations that are made at the same time.").tag(config=True)
    queued_jobs = Int(1000, min=1, help="Jobs that may wait; more are refused.").tag(config=True)
    kept_jobs = Int(300, min=0, help="Jobs that have ended and can still be looked at.").tag(config=True)
    kept_days = Float(7.0, min=0, help="Days for which they can.").tag(config=True)
    kept_plans = Int(200, min=1, help="Plans that can still be applied; the oldest expire first.").tag(config=True)
    plan_minutes = Float(60.0, min=1, help="Minutes for which a plan can be applied.").tag(config=True)
    threads = Int(
        8, min=1, help="Requests that are worked on at the same time; following a job takes none of them."
    ).tag(config=True)
    shutdown_seconds = Float(15.0, min=0, help="Seconds that running jobs get at shutdown to put everything back.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernels = KernelRegistry()
        self.tokens = Tokens()
        self.attacher: Attacher | None = None
        self._core: asyncio.Future[Core] | None = None
        self._stopped = False

    # --- life ------------------------------------------------------------------------------------------------------

    def initialize_settings(self) -> None:
        """Make our events known, so that whoever wants can listen from the beginning; refuse a policy in error now."""
        if self.configured:
            self.policy()
        assert self.serverapp is not None  # noqa: S101  Jupyter has linked us
        assert self.serverapp.event_logger is not None  # noqa: S101  and made it before
        for schema in sorted(EVENT_SCHEMAS.glob("*/v*.yaml")):
            self.serverapp.event_logger.register_event_schema(schema)

    def initialize_handlers(self) -> None:
        """One handler for everything below our name; the table of routes says what there is."""
        self.handlers.append((rf"/{RESOURCE}/.*", RestHandler))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:  # noqa: ARG002  the same as ours
        """Attach to kernels, those that run already included; see after what a server that died left."""
        if not self.handlers:  # what was configured makes no sense, which Jupyter has told: we aren't there
            return
        self.attacher = self._make_attacher()
        self.attacher.start()
        if self._somebody_died():
            await self.core()

    def _somebody_died(self) -> bool:
        """Whether a server left its jobs without a goodbye, or is still there: looking closer takes all of us."""
        return any(Path(self.data_dir, "jobs").expanduser().glob("*.host"))

    def _make_attacher(self) -> Attacher:
        from .attach import Attacher, AttachSettings  # noqa: PLC0415  with the event loop, not before
        from .attach_connection import Reachable  # noqa: PLC0415

        assert self.serverapp is not None  # noqa: S101  Jupyter has linked us
        assert self.serverapp.event_logger is not None  # noqa: S101  and made it before
        return Attacher(
            manager=self.serverapp.kernel_manager,
            events=self.serverapp.event_logger,
            registry=self.kernels,
            tokens=self.tokens,
            connection=Reachable(self.serverapp).connection,
            settings=AttachSettings(
                enabled=self.attach_kernels,
                except_kernelspecs=tuple(self.attach_except),
                limits={"policy": self.configured, "server": sys.prefix},
            ),
            log=self.log,
        )

    async def core(self) -> Core:
        """What answers requests. The first who asks has it made, in a thread."""
        if self._stopped:
            raise web.HTTPError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down")
        if self._core is None:
            self._core = asyncio.ensure_future(asyncio.to_thread(self._make_core, asyncio.get_running_loop()))
        made = self._core
        try:
            return await asyncio.shield(made)
        except Exception:
            if self._core is made:  # and not one that somebody else has begun meanwhile
                self._core = None  # it may work the next time
            raise

    @property
    def is_awake(self) -> bool:
        """Whether anybody has asked for anything yet."""
        return self._core is not None

    def _make_core(self, loop: asyncio.AbstractEventLoop) -> Core:
        from .core import Core  # noqa: PLC0415  everything heavy

        return Core(self, loop)

    async def grant(self, token: str) -> Grant | None:
        """What a kernel's token opens; its first command may be here before what it told was taken in."""
        grant = self.tokens.check(token)
        if grant is None or grant.prefix is not None or self.attacher is None:
            return grant
        await self.attacher.settled(grant.kernel)
        return self.tokens.check(token)

    def settings_for_faces(self) -> dict[str, Any]:
        """What the front ends need to know of the configuration."""
        return {"attach": self.attach_kernels}

    async def stop_extension(self) -> None:
        """Cancel what runs, and wait until every environment is in order and nothing of ours is left."""
        self._stopped = True
        if self.attacher is not None:
            await self.attacher.stop()
        core, self._core = self._core, None
        if core is None:
            return
        await asyncio.wait([core])
        if core.exception() is None:  # else there is nothing to close, and whoever asked for it was told
            await asyncio.to_thread(core.result().close)

    def current_activity(self) -> dict[str, int] | None:
        """Jobs that aren't over: reason enough not to shut an idle server down."""
        if self._core is None or not self._core.done() or self._core.exception():
            return None
        unfinished = self._core.result().unfinished
        return {"jobs": unfinished} if unfinished else None

"""REST over Jupyter's own web server: one handler for the whole table of routes, whose rows say what each needs.

Nobody is answered before Jupyter has authenticated them, or before a kernel's token was looked up; nothing of the
service is imported before that, either.
"""

from __future__ import annotations

import asyncio
import functools
import getpass
import re
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError

from .loop import soon
from .tokens import Grant

if TYPE_CHECKING:
    from jupyter_pkgmgr.api import ApiRequest, ApiResponse
    from jupyter_pkgmgr.api.routes import Route
    from jupyter_pkgmgr.model import Cancellation

    from .core import Core
    from .extension import PkgmgrExtension

__all__ = ["KERNEL_TOKEN", "RESOURCE", "RestHandler"]

RESOURCE = "pkgmgr"
"""What an Authorizer is asked about."""
KERNEL_TOKEN = "X-Pkgmgr-Kernel-Token"  # noqa: S105  a header's name
REFERENCES = {
    400: "bad-request",
    401: "not-authenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
}
"""Of what Jupyter or tornado refuse by themselves."""
STRANGER = "you aren't logged in to this server, or may not use it"
LOG_IN = "reload the page and log in; what doesn't run in a browser needs a token of this server"


class Refused(web.HTTPError):
    """An answer in the one format of errors, from a place that has no model of errors yet."""

    def __init__(self, status: HTTPStatus, reference: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(status, message)
        self.reference = reference
        self.hint = hint


@web.stream_request_body
class RestHandler(ExtensionHandlerMixin, APIHandler):
    """Carries requests to :class:`jupyter_pkgmgr.api.Api`, and answers back."""

    SUPPORTED_METHODS = ("GET", "POST", "OPTIONS")
    auth_resource = RESOURCE

    def initialize(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Begin a request."""
        super().initialize(name, *args, **kwargs)
        self._body = bytearray()
        self._limit: int | None = None
        self._grant: Grant | None = None
        self._wake = asyncio.Event()
        self._gone = False
        self._admitted = False
        self._cancel: Cancellation | None = None

    @property
    def _track_activity(self) -> bool:  # type: ignore[override]  # a constant in other handlers
        """Looking on doesn't keep an idle server alive; what was asked for does."""
        return self.request.method == "POST"

    # --- who asks --------------------------------------------------------------------------------------------------

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler does
        """Find out who asks, before a byte of the body is read."""
        token = self.request.headers.get(KERNEL_TOKEN)
        if token is None:
            await super().prepare()
        else:
            await self._admit_kernel(token)
        if self.request.method != "OPTIONS":
            if not self.current_user:  # with allow_unauthenticated_access Jupyter looks later than we do
                raise Refused(HTTPStatus.FORBIDDEN, "forbidden", STRANGER, hint=LOG_IN)
            self._limit = (await self._core()).max_body
            self._refuse_large(int(self.request.headers.get("Content-Length") or 0))
        self._admitted = True

    async def _admit_kernel(self, token: str) -> None:
        """Take a kernel's token as its proof. No cookie counts, no browser is behind it: nothing can be forged."""
        self.current_user = self._jupyter_current_user = None
        if not self.check_host():
            raise web.HTTPError(HTTPStatus.FORBIDDEN)
        if "Origin" in self.request.headers:
            raise Refused(HTTPStatus.FORBIDDEN, "foreign-token", "a kernel's token isn't for web pages")
        self._grant = await self.extensionapp.grant(token)
        if self._grant is None:
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "invalid-token",
                "this kernel's token isn't valid",
                hint="restart the kernel: it gets a new one",
            )
        self.current_user = self._jupyter_current_user = User(username=f"kernel {self._grant.kernel}")

    async def _authorize(self, route: Route) -> None:
        if self._grant is not None:
            self._refuse_last_words(route, self._grant)
            return  # what it opens, the API knows
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, route.action, RESOURCE)):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "not-authorized",
                f"{user.username} is not authorized to {route.action} on resource {RESOURCE}",
            )

    def _refuse_last_words(self, route: Route, grant: Grant) -> None:
        """A job outlives its kernel: what Jupyter interrupts to end or restart it, no user has asked to stop."""
        attacher = self.extensionapp.attacher
        if route.name == "cancel" and attacher is not None and attacher.is_ending(grant.kernel):
            raise Refused(HTTPStatus.CONFLICT, "kernel-ending", "this kernel is being ended; its job goes on")

    # --- what is asked ---------------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body; what is too much isn't kept."""
        if self._limit is not None and len(self._body) <= self._limit:
            self._body += chunk

    def _refuse_large(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-large",
                f"the body is larger than the {self._limit} bytes that are read",
            )

    @web.authenticated
    async def get(self, *_: str) -> None:
        """Answer what reads."""
        await self._answer()

    @web.authenticated
    async def post(self, *_: str) -> None:
        """Answer what changes something, or begins it."""
        await self._answer()

    async def _answer(self) -> None:
        self._refuse_large(len(self._body))
        core = await self._core()
        self._cancel = core.cancellation()
        path = self.request.path[len(url_path_join(self.base_url, RESOURCE, "/")) :]
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        try:
            route, _ = core.find_route(str(self.request.method), path)
            await self._authorize(route)
            request = await self._request(core, path, query)
        except core.error as error:
            await self._send(core, core.error_response(error))
            return
        if route.name == "events":
            response = await self._follow(core, route, request, self._cancel)
        else:
            response = await core.handle(route, request, self._cancel)
        if response is not None:
            await self._send(core, response)

    async def _request(self, core: Core, path: str, query: dict[str, str]) -> ApiRequest:
        return await core.request(
            method=str(self.request.method),
            path=path,
            query=query,
            body=bytes(self._body),
            headers=dict(self.request.headers.get_all()),
            user=await core.run(_name_of, self.current_user),
            grant=self._grant,
        )

    # --- answers ---------------------------------------------------------------------------------------------------

    async def _follow(self, core: Core, route: Route, request: ApiRequest, cancel: Cancellation) -> ApiResponse | None:
        """Wait for a job's next event, without a thread; ``None`` if nobody waits for the answer any more."""
        waiting = await core.run(core.api.waiting, request)
        if waiting is None:
            return await core.handle(route, request, cancel)
        now = replace(request, query={**request.query, "wait": "0"})
        response = await core.handle(route, now, cancel)
        if response.status != HTTPStatus.OK:  # it is another kernel's
            return response
        wake = functools.partial(soon, asyncio.get_running_loop(), self._wake.set)
        stop = await core.run(waiting.subscribe, wake)  # in a thread: a log that is being written to a disk is locked
        try:
            async with asyncio.timeout(waiting.seconds):
                await self._wake.wait()
        except TimeoutError:
            pass  # then there is nothing new, and the answer says so
        finally:
            await core.run(stop)
        return None if self._gone else await core.handle(route, now, cancel)

    def on_connection_close(self) -> None:
        """The client has gone: whatever waits for it needs to wait no longer."""
        self._gone = True
        self._wake.set()
        if self._cancel is not None:
            self._cancel.cancel()
        super().on_connection_close()

    async def _send(self, core: Core, response: ApiResponse) -> None:
        self.set_status(response.status)
        self.set_header("Cache-Control", "no-store")
        for name, value in response.headers.items():
            place = url_path_join(self.base_url, RESOURCE, value) if name == "Location" else value
            self.set_header(name, place)
        content_type = response.headers.get("Content-Type", "application/json")
        body = await core.run(core.encode, response.body)
        with suppress(StreamClosedError):  # who asked has gone meanwhile
            await self.finish(body, set_content_type=content_type)

    def compute_etag(self) -> None:
        """None of tornado's: the routes that have one set it."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error that no route has raised, in the same format."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        message, hint, reference = HTTPStatus(status_code).phrase, None, REFERENCES.get(status_code, "internal-error")
        if isinstance(raised, Refused):
            reference, hint = raised.reference, raised.hint
        if isinstance(raised, web.HTTPError):
            message = _said(raised) or message
        if status_code == HTTPStatus.FORBIDDEN and message == HTTPStatus.FORBIDDEN.phrase:  # how Jupyter says that
            message, hint = STRANGER, LOG_IN
        error: dict[str, Any] = {
            "reference": reference,
            "message": message,
            "context": [],
            "note": None,
            "hint": hint,
            "detail": None,
        }
        self.set_header("Cache-Control", "no-store")
        if not self._admitted:  # tornado hangs up before the body: a proxy must not send the next request that way
            self.set_header("Connection", "close")
        self.finish({"schema": 1, "error": error, "message": message, "reason": reference})

    # --- shortcuts -------------------------------------------------------------------------------------------------

    @property
    def extensionapp(self) -> PkgmgrExtension:
        """The extension that this belongs to."""
        return cast("PkgmgrExtension", self.settings[self.name])

    async def _core(self) -> Core:
        return await self.extensionapp.core()


def _said(error: web.HTTPError) -> str:
    """An error's own words. Before 6.5 tornado has no method for it, and doubles each % of a text without arguments."""
    text = error.log_message or ""
    return str(text % error.args) if error.args else text.replace("%%", "%")


def _name_of(user: User) -> str:
    """How a job names who began it: nobody knows somebody by the number and the moon that Jupyter makes up."""
    if re.fullmatch("[0-9a-f]{32}", user.username) and user.name.startswith("Anonymous "):
        with suppress(OSError, KeyError):  # a container's user may have no name
            return getpass.getuser()
    return user.display_name or user.username

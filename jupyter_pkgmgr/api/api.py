"""Everything that can be asked for over REST, whatever carries it. Nothing here knows HTTP servers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.verbs import defect

from .errors import ForbiddenError
from .parts import Call, Parts
from .request import ApiRequest, ApiResponse, error_response
from .routes import find_route
from .working import events_after, find_job, wait_seconds

__all__ = ["Api", "Waiting"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a request would wait for, for transports that needn't keep a thread waiting."""

    seconds: float
    subscribe: Callable[[Callable[[], None]], Callable[[], None]]
    """Takes a function that is called, in any thread, when there is something; returns one that ends that."""


class Api:
    """Answers requests. Thread-safe; a call may take long, so it belongs in a thread."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer one request. Never raises: what goes wrong is an answer, too."""
        try:
            return self._handle(request)
        except PkgError as error:
            return error_response(error)
        except Exception as error:
            logger.exception("%s %s failed", request.method, request.path)
            return error_response(defect(error))

    def _handle(self, request: ApiRequest) -> ApiResponse:
        route, names = find_route(request.method, request.path)
        call = Call(request=request, parts=self.parts, names=names)
        caller = request.caller
        if caller.kernel is None and route.kernel_only:
            raise ForbiddenError("only a kernel may ask this, with its own token", reference="kernel-token-needed")
        if caller.kernel is not None and not route.kernel_token:
            raise ForbiddenError("a kernel's token doesn't open this")
        if caller.kernel is not None and names.get("kernel", caller.kernel) != caller.kernel:
            raise ForbiddenError("this token is another kernel's")
        return route.function(call)

    def waiting(self, request: ApiRequest) -> Waiting | None:
        """What handling this request would wait for now; ``None`` if it would answer at once, be it with an error.

        A transport that has better to do than to block a thread waits for that, at most so many seconds, and then
        has the same request handled with ``wait=0``.
        """
        try:
            route, names = find_route(request.method, request.path)
            if route.name != "events":
                return None
            call = Call(request=request, parts=self.parts, names=names)
            seconds, after = wait_seconds(call), events_after(call)
            log = find_job(call).log
        except PkgError:
            return None
        if not seconds or log.closed or log.last > after:
            return None

        def subscribe(callback: Callable[[], None]) -> Callable[[], None]:
            unsubscribe = log.subscribe(lambda _: callback())
            if log.closed or log.last > after:  # between the question and this
                callback()
            return unsubscribe

        return Waiting(seconds=seconds, subscribe=subscribe)

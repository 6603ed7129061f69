"""The one table of everything that can be asked; the transports make their handlers from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from urllib.parse import unquote_to_bytes

from . import planning, reading, running, working
from .errors import BadRequestError, MethodNotAllowedError, NotFoundError
from .parts import Call
from .request import ApiResponse

__all__ = ["ROUTES", "Action", "Route", "find_route"]

Action = Literal["read", "write", "execute"]
MAX_SEGMENT = 200
"""Characters of what stands between two slashes; the longest name on PyPI has less than half of that."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One thing that can be asked."""

    method: Literal["GET", "POST"]
    pattern: str
    """Below ``pkgmgr/``: ``environments/{environment}/packages``."""
    name: str
    """As OpenAPI's ``operationId``."""
    action: Action
    """What the caller must be authorized for."""
    function: Callable[[Call], ApiResponse]
    kernel_token: bool = False
    """Whether a kernel's token opens it, for that kernel and its environment."""
    kernel_only: bool = False
    """Whether nothing else does."""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The pattern's parts between slashes."""
        return tuple(self.pattern.split("/"))

    @cached_property
    def regex(self) -> str:
        """The pattern for a transport that goes by regular expressions; it has no groups."""
        return re.sub(r"\{[a-z]+\}", "[^/]+", re.escape(self.pattern).replace(r"\{", "{").replace(r"\}", "}"))

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """What stands in the place of each name, still encoded; ``None`` if it is another path."""
        if len(segments) != len(self.segments):
            return None
        names = {}
        for expected, found in zip(self.segments, segments, strict=True):
            if expected.startswith("{") and found:
                names[expected[1:-1]] = found
            elif expected != found:
                return None
        return names


def _get(pattern: str, name: str, function: Callable[[Call], ApiResponse], *, kernel_token: bool = False) -> Route:
    return Route(method="GET", pattern=pattern, name=name, action="read", function=function, kernel_token=kernel_token)


def _post(
    pattern: str, name: str, action: Action, function: Callable[[Call], ApiResponse], *, kernel: str = ""
) -> Route:
    return Route(
        method="POST",
        pattern=pattern,
        name=name,
        action=action,
        function=function,
        kernel_token=bool(kernel),
        kernel_only=kernel == "only",
    )


ROUTES: tuple[Route, ...] = (
    _get("settings", "settings", reading.settings, kernel_token=True),
    _get("openapi.yaml", "openapi", reading.openapi),
    _get("kernels", "kernels", reading.kernels),
    _get("kernels/{kernel}", "kernel", reading.kernel, kernel_token=True),
    _post("kernels/{kernel}/run", "run", "execute", running.run, kernel="only"),
    _post("kernels/{kernel}/hint", "hint", "read", running.hint, kernel="only"),
    _post("kernels/{kernel}/verdict", "verdict", "write", running.verdict, kernel="only"),
    _get("environments", "environments", reading.environments, kernel_token=True),
    _get("environments/{environment}", "environment", reading.environment, kernel_token=True),
    _get("environments/{environment}/packages", "packages", reading.packages, kernel_token=True),
    _get("environments/{environment}/packages/{name}", "package", reading.package, kernel_token=True),
    _get("environments/{environment}/outdated", "outdated", reading.outdated, kernel_token=True),
    _get("environments/{environment}/search", "search", reading.search, kernel_token=True),
    _get("environments/{environment}/names", "names", reading.names, kernel_token=True),
    _get("environments/{environment}/versions/{name}", "versions", reading.versions, kernel_token=True),
    _get("environments/{environment}/export", "export", reading.export, kernel_token=True),
    _get("environments/{environment}/history", "history", reading.history, kernel_token=True),
    # to know what a source distribution needs, an engine may have to run its build: that is code of a package
    _post("environments/{environment}/plans", "make_plan", "execute", planning.make_plan, kernel="also"),
    _get("plans/{plan}", "plan", planning.plan, kernel_token=True),
    _post("environments/{environment}/doctor", "doctor", "read", working.doctor, kernel="also"),
    _get("jobs", "jobs", working.jobs, kernel_token=True),
    _post("jobs", "apply", "execute", working.apply, kernel="also"),
    _get("jobs/{job}", "job", working.job, kernel_token=True),
    _post("jobs/{job}/cancel", "cancel", "execute", working.cancel, kernel="also"),
    _get("jobs/{job}/events", "events", working.events, kernel_token=True),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request, and what its path names.

    Raises
    ------
    NotFoundError
        If there is no such path.
    MethodNotAllowedError
        If there is, but not for this method.
    BadRequestError
        If a part of the path is no text, or can't be a name.
    """
    segments = tuple(path.strip("/").split("/"))
    found = [(route, names) for route in ROUTES if (names := route.match(segments)) is not None]
    for route, names in found:
        if route.method == method:
            return route, {name: _decoded(text, name) for name, text in names.items()}
    if found:
        raise MethodNotAllowedError(
            f"{method} isn't possible here", context=tuple(sorted(route.method for route, _ in found))
        )
    raise NotFoundError("there is nothing of this name", hint="GET openapi.yaml tells what there is")


def _decoded(text: str, name: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"{name} in the path is no UTF-8") from error
    if len(decoded) > MAX_SEGMENT:
        raise BadRequestError(f"{name} in the path has more than {MAX_SEGMENT} characters")
    if not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?", decoded):
        raise BadRequestError(
            f"{name} in the path can't be a name: {decoded!r}", note="names have letters, digits, '.', '_' and '-'"
        )
    return decoded

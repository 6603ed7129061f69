"""What can be wrong with a request itself, and the one place that knows statuses of HTTP."""

from __future__ import annotations

from http import HTTPStatus

from jupyter_pkgmgr.jobs import JobNotFoundError, TooManyJobsError
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    CatalogError,
    ConflictError,
    DiskFullError,
    EngineNotFoundError,
    EnvironmentProblem,
    PackageNotFoundError,
    PkgError,
    PlanError,
    PolicyError,
    UsageError,
    VersionNotFoundError,
)

__all__ = [
    "BadRequestError",
    "ForbiddenError",
    "MethodNotAllowedError",
    "NotFoundError",
    "TooLargeError",
    "status_of",
]


class BadRequestError(PkgError):
    """Something in the request isn't as documented: the message says what and where."""

    default_reference = "bad-request"


class TooLargeError(BadRequestError):
    """The body is larger than any request needs to be."""

    default_reference = "too-large"


class NotFoundError(PkgError):
    """No such thing: the reference says which kind of thing."""

    default_reference = "not-found"


class MethodNotAllowedError(PkgError):
    """The path is right, the method isn't; the context has those that are."""

    default_reference = "method-not-allowed"


class ForbiddenError(PkgError):
    """A kernel's token opens its own environment only, and some things open to kernels only."""

    default_reference = "foreign-token"


_STATUSES: tuple[tuple[type[PkgError], HTTPStatus], ...] = (
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (BadRequestError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (PolicyError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (JobNotFoundError, HTTPStatus.NOT_FOUND),
    (PackageNotFoundError, HTTPStatus.NOT_FOUND),
    (VersionNotFoundError, HTTPStatus.NOT_FOUND),
    (MethodNotAllowedError, HTTPStatus.METHOD_NOT_ALLOWED),
    (TooManyJobsError, HTTPStatus.TOO_MANY_REQUESTS),
    (CancelledError, HTTPStatus.CONFLICT),
    (PlanError, HTTPStatus.CONFLICT),
    (ConflictError, HTTPStatus.CONFLICT),
    (EnvironmentProblem, HTTPStatus.CONFLICT),
    (CatalogError, HTTPStatus.BAD_GATEWAY),
    (EngineNotFoundError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DiskFullError, HTTPStatus.INSUFFICIENT_STORAGE),
)
"""The first that fits counts: special ones stand before general ones."""


def status_of(error: PkgError) -> HTTPStatus:
    """The status that an error is answered with."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)

"""What the functions behind the routes work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_pkgmgr.jobs import JobManager
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.service import PackageService

from .environments import Environments, Known
from .errors import ForbiddenError, NotFoundError
from .host import Host
from .plans import Plans
from .request import ApiRequest, Caller
from .verdicts import Verdicts

__all__ = ["Call", "Parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the API, shared by all requests."""

    service: PackageService
    jobs: JobManager
    environments: Environments
    plans: Plans
    host: Host
    verdicts: Verdicts = field(default_factory=Verdicts)

    def find(self, environment: str) -> Known:
        """The environment of an id, also of one that was given before a restart and not yet found again.

        Raises
        ------
        NotFoundError
            If there is none, or not any more.
        """
        try:
            return self.environments.find(environment)
        except NotFoundError as error:
            if error.reference != "environment-not-found":
                raise
        self.host.discover()
        return self.environments.find(environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way: what it asks, of whom, and what its path names."""

    request: ApiRequest
    parts: Parts
    names: Mapping[str, str]
    """What stands in the path: ``{"environment": …, "name": …}``."""

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.request.caller

    def known(self) -> Known:
        """The environment that the path names, if the caller may use it.

        Raises
        ------
        ForbiddenError
            If a kernel's token asks for another environment than its own.
        NotFoundError
            If there is none of this id.
        """
        name = self.names["environment"]
        self.allow(name)
        return self.parts.find(name)

    def environment(self) -> Environment:
        """The same without what is known beside it."""
        return self.known().environment

    def allow(self, environment: str) -> None:
        """Refuse a kernel's token that asks for another environment than its own.

        Raises
        ------
        ForbiddenError
            If it does.
        """
        if not self.opens(environment):
            raise ForbiddenError(
                "this kernel's token opens its own environment only", hint="%pkg env shows which one that is"
            )

    def opens(self, environment: str) -> bool:
        """Whether the caller may see an environment."""
        return self.caller.kernel is None or environment == self.caller.environment

    def service(self, job: str = "") -> PackageService:
        """The service, working for this caller."""
        user = "" if self.caller.kernel else self.caller.user  # a kernel runs as whoever runs the server
        return self.parts.service.on_behalf(user=user, face=self.caller.face, job=job)

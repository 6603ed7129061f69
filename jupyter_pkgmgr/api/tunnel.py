"""The API of a kernel's own child: requests come as messages, and there is one environment."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from jupyter_pkgmgr.environments import from_kernel
from jupyter_pkgmgr.jobs import Job, JobManager
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.typed import changed_packages

from .api import Api
from .environments import Environments
from .errors import BadRequestError
from .host import Alone
from .parts import Parts
from .plans import Plans
from .request import ApiRequest, ApiResponse, Caller, error_response
from .validate import read_facts

__all__ = ["Tunnel"]

FACE = "widget"


class _Message(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request as it comes."""

    method: str
    path: str
    query: dict[str, str] = {}
    body: Any = None
    headers: dict[str, str] = {}
    facts: dict[str, Any] | None = None
    """What the kernel tells of itself: which environment is meant."""


class Tunnel:
    """Hands messages on to an API of its own. Thread-safe.

    Parameters
    ----------
    server
        ``sys.prefix`` of the server that attached the kernel, if one did.
    """

    def __init__(self, service: PackageService, *, server: Path | None = None) -> None:
        self._environments = Environments(secrets.token_bytes(32), server=server)  # ids need not outlive this process
        self._jobs = JobManager(listeners=(self._note_change,))
        self._changed: deque[dict[str, Any]] = deque()
        self._api = Api(
            Parts(service=service, jobs=self._jobs, environments=self._environments, plans=Plans(), host=Alone())
        )

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one message: ``{"status", "body", "headers", "changed"}``.

        ``changed`` is what was done to the environment since the last answer, each change once: the kernel compares it
        with what it has loaded.
        """
        answer = self._answer(message)
        changed = [self._changed.popleft() for _ in range(len(self._changed))]
        return {"status": answer.status, "body": answer.body, "headers": dict(answer.headers), "changed": changed}

    def _note_change(self, job: Job) -> None:
        outcome = job.outcome
        if job.state.ended and outcome is not None and outcome.changes:
            files = [str(path) for path in outcome.changed_files]
            change = {"changed_files": files, "changed_packages": changed_packages(outcome)}
            made = {"transaction": outcome.transaction, "undoes": list(outcome.undoes), "job": job.id}
            self._changed.append({**change, **made})

    def _answer(self, message: Mapping[str, Any]) -> ApiResponse:
        try:
            asked = msgspec.convert(message, _Message)
            if asked.facts is not None:
                self._environments.register(from_kernel(read_facts(asked.facts), server=self._environments.server))
        except msgspec.ValidationError as error:
            return error_response(BadRequestError(f"the message isn't as documented: {error}"))
        except PkgError as error:
            return error_response(error)
        return self._api.handle(
            ApiRequest(
                method=asked.method,
                path=asked.path,
                query=asked.query,
                body=asked.body,
                headers=asked.headers,
                caller=Caller(face=FACE),
            )
        )

    def close(self, seconds: float) -> None:
        """Cancel every job, and wait so long until they have stopped."""
        self._jobs.close(seconds)

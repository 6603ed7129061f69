"""The environments that may be named, each by an opaque id: no request carries a path."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from jupyter_pkgmgr.environments import refreshed
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .errors import NotFoundError

__all__ = ["Environments", "Known", "load_secret"]

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One environment that may be named."""

    id: str
    environment: Environment
    kernelspecs: tuple[str, ...] = ()
    """Names of the kernelspecs that lead to it."""


class Environments:
    """Opaque id ↔ environment. Thread-safe.

    Parameters
    ----------
    secret
        Of the installation, from :func:`load_secret`: ids stay the same across restarts, and nobody can work one
        out from a path.
    server
        ``sys.prefix`` of the running Jupyter server, where there is one.
    """

    def __init__(self, secret: bytes, *, server: Path | None = None) -> None:
        self._secret = secret
        self._server = server
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}

    @property
    def server(self) -> Path | None:
        """``sys.prefix`` of the running Jupyter server, where there is one."""
        return self._server

    def id_of(self, prefix: Path) -> str:
        """The id that an environment has, registered or not: 16 hexadecimal digits."""
        place = os.path.normcase(os.path.realpath(prefix))
        return hashlib.blake2b(os.fsencode(place), key=self._secret, digest_size=8).hexdigest()

    def register(self, environment: Environment, *, kernelspecs: Iterable[str] | None = None) -> str:
        """Let an environment be named from now on, or renew what is known of it; returns its id.

        Parameters
        ----------
        kernelspecs
            Names of the kernelspecs that lead to it; ``None`` leaves those that are known.
        """
        name = self.id_of(environment.prefix)
        with self._lock:
            before = self._known.get(name)
            specs = tuple(kernelspecs) if kernelspecs is not None else before.kernelspecs if before else ()
            self._known[name] = Known(id=name, environment=environment, kernelspecs=specs)
        return name

    def forget(self, name: str) -> None:
        """Let it be named no longer."""
        with self._lock:
            self._known.pop(name, None)

    def known(self) -> tuple[Known, ...]:
        """All of them, by name and place."""
        with self._lock:
            known = list(self._known.values())
        return tuple(sorted(known, key=lambda item: (item.environment.name, str(item.environment.prefix))))

    def find(self, name: str) -> Known:
        """The environment of an id, with the policies that are in force now.

        Raises
        ------
        NotFoundError
            If none has it, or it isn't there any more.
        """
        with self._lock:
            found = self._known.get(name)
        if found is None:
            raise NotFoundError(
                "there is no environment of this id",
                reference="environment-not-found",
                hint="reload the list of environments",
            )
        try:
            return replace(found, environment=refreshed(found.environment, server=self._server))
        except EnvironmentProblem as error:
            raise NotFoundError(error.message, reference="environment-gone", hint=error.hint) from error

    def get(self, name: str) -> Environment:
        """The same without what is known beside it."""
        return self.find(name).environment


def load_secret(path: Path) -> bytes:
    """The installation's secret; made where there is none, readable for its user only.

    Raises
    ------
    OSError
        If it can be neither read nor written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        try:
            os.link(fresh, path)  # the first one to do so decides, also where two servers start together
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise OSError(f"{path} is damaged: it has {len(secret)} bytes instead of {_SECRET_BYTES}; delete it")
    return secret

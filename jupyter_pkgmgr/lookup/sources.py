"""Where answers come from: the catalogs of an environment, kept open between two questions."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from jupyter_pkgmgr.catalog import CondaCatalog, PyPICatalog
from jupyter_pkgmgr.engines.rattler import RattlerEngine
from jupyter_pkgmgr.environments import CondaSettings, IndexSettings, read_conda_settings, read_index_settings
from jupyter_pkgmgr.model import AdminPolicy, Environment
from jupyter_pkgmgr.routing import only_allowed_channels, only_allowed_indexes

from .memory import Memory

__all__ = ["Sources"]

_KEPT = 4
"""Catalogs kept open: a server has kernels in several environments, and most of them share their settings."""
_KEPT_SECONDS = 600.0
"""A catalog remembers what an index refused it; the user may have mended that."""


class Sources:
    """Hands out catalogs. Thread-safe; close it when done.

    A catalog of indexes keeps its connections: a search as one types asks the same host again and again.
    Channels and indexes that the administrator doesn't allow aren't asked.
    """

    def __init__(self, reader: RattlerEngine, policy: AdminPolicy) -> None:
        self.reader = reader
        self._policy = policy
        self.memory = Memory()
        self._lock = threading.Lock()
        self._open: OrderedDict[IndexSettings, tuple[float, PyPICatalog]] = OrderedDict()

    def conda_settings(self, environment: Environment) -> CondaSettings:
        """The environment's channels, and how to reach them."""
        return only_allowed_channels(read_conda_settings(environment), self._policy)

    def index_settings(self, environment: Environment) -> IndexSettings:
        """The environment's indexes, and how to reach them."""
        return only_allowed_indexes(read_index_settings(environment), self._policy)

    def conda(self, environment: Environment) -> CondaCatalog:
        """What the environment's channels have."""
        return CondaCatalog(self.conda_settings(environment), self.reader)

    def pypi(self, environment: Environment) -> PyPICatalog:
        """What the environment's indexes have."""
        settings = self.index_settings(environment)
        now = time.monotonic()
        with self._lock:
            made, catalog = self._open.pop(settings, (now, None))
            spent = []
            if catalog is not None and now - made > _KEPT_SECONDS:
                spent.append(catalog)
                made, catalog = now, None
            catalog = catalog or PyPICatalog(settings)
            self._open[settings] = (made, catalog)
            if len(self._open) > _KEPT:
                spent.append(self._open.popitem(last=False)[1][1])
        for old in spent:
            old.close()  # whoever still uses it goes on: it opens connections again where it needs them
        return catalog

    def close(self) -> None:
        """Give back the connections."""
        with self._lock:
            catalogs = [catalog for _, catalog in self._open.values()]
            self._open.clear()
        for catalog in catalogs:
            catalog.close()

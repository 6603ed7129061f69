"""Every name that somebody may type: for completion, and for a search while one types."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from jupyter_pkgmgr import names as tables
from jupyter_pkgmgr.model import Ecosystem, Environment, obeying
from jupyter_pkgmgr.model.errors import CancelledError, PkgError

from .documents import Names
from .sources import Sources

__all__ = ["all_names"]

_FRESH_SECONDS = 600.0
"""How long names are taken as they are: channels and indexes gain a few names an hour."""
_RETRY_SECONDS = 15.0
"""The same where a channel or an index couldn't be read as it should."""

_Found = tuple[tuple[str, ...], str]
"""Names, sorted, and a note."""


def all_names(sources: Sources, environment: Environment) -> Names:
    """The names of all channels (of a conda environment) and, as far as they can be listed, of all indexes."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        conda = pool.submit(obeying(_conda), sources, environment) if environment.is_conda else None
        pypi = pool.submit(obeying(_pypi), sources, environment) if environment.python else None
        conda_names, conda_note = conda.result() if conda else ((), "")
        pypi_names, pypi_note = pypi.result() if pypi else ((), "")
    digest = hashlib.blake2b(digest_size=16)
    for part in (*conda_names, "", *pypi_names, "", conda_note, pypi_note):
        digest.update(f"{part}\n".encode())
    notes = tuple(note for note in (conda_note, pypi_note) if note)
    return Names(conda=conda_names, pypi=pypi_names, notes=notes, fingerprint=digest.hexdigest())


def _conda(sources: Sources, environment: Environment) -> _Found:
    settings = sources.conda_settings(environment)
    key = ("names", settings.channels, settings.subdir, settings.offline)
    found: _Found | None = sources.memory.recall(key)
    if found is None:
        try:
            found, seconds = (sources.reader.names(settings), ""), _FRESH_SECONDS
        except CancelledError:
            raise  # nobody waits, so nothing is to be remembered
        except PkgError as error:
            found = tables.all_names(Ecosystem.CONDA), f"{error.message}: these are well-known names of conda-forge"
            seconds = _RETRY_SECONDS
        sources.memory.remember(key, found, seconds=seconds)
    return found


def _pypi(sources: Sources, environment: Environment) -> _Found:
    catalog = sources.pypi(environment)
    key = ("names", catalog.settings)
    found: _Found | None = sources.memory.recall(key)
    if found is None:
        known, note = catalog.names()
        found = tuple(sorted(known)), note
        sources.memory.remember(key, found, seconds=_RETRY_SECONDS if note else _FRESH_SECONDS)
    return found

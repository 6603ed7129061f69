"""Reads the inventory: looks, reads what the cache doesn't know, and has it merged."""

# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import os
import threading
from pathlib import Path

from jupyter_pkgmgr.model import Environment

from ._cache import Cache, load_cache, store_cache
from ._distributions import DistributionEntry, read_distribution
from ._merge import merge
from ._records import CondaEntry, RecordReader
from ._scan import Folder, Scan, Seen, scan
from .inventory import Inventory

__all__ = ["fingerprint", "read_inventory"]

_REMEMBERED = 16
_remembered: dict[Path, Inventory] = {}
"""The last inventories, by prefix; one counts only while its fingerprint is the environment's."""
_lock = threading.Lock()


def read_inventory(environment: Environment) -> Inventory:
    """Everything that is installed in an environment. Never raises: what is broken is among the problems.

    A second call costs the stats of the files, in this process (the inventory itself is remembered) and nearly
    so in another (what was read is cached on disk).
    """
    seen = scan(environment)
    mark = seen.fingerprint()
    with _lock:
        known = _remembered.get(environment.prefix)
    if known is not None and known.fingerprint == mark and known.environment == environment:
        return known
    cache = load_cache(environment.prefix)
    records, distributions = _entries(environment, seen, cache)
    if records != cache.records or distributions != cache.distributions:
        store_cache(environment.prefix, Cache(records=records, distributions=distributions))
    inventory = merge(
        environment,
        seen,
        records=tuple(entry for _, entry in records.values()),
        distributions={key: entry for key, (_, entry) in distributions.items()},
        fingerprint=mark,
    )
    with _lock:
        _remembered.pop(environment.prefix, None)
        _remembered[environment.prefix] = inventory
        while len(_remembered) > _REMEMBERED:
            del _remembered[next(iter(_remembered))]
    return inventory


def fingerprint(environment: Environment) -> str:
    """A hash that changes whenever a package does: names and stats, no file is opened.

    It covers conda's records and history, and of each distribution the folder's name and the stat of its ``RECORD``.
    """
    return scan(environment).fingerprint()


def _entries(
    environment: Environment, seen: Scan, cache: Cache
) -> tuple[dict[str, tuple[Seen, CondaEntry]], dict[str, tuple[Seen, DistributionEntry]]]:
    """What every file says: from the cache where its stat is the same, read otherwise."""
    reader: RecordReader | None = None
    records: dict[str, tuple[Seen, CondaEntry]] = {}
    meta = os.fspath(environment.conda_meta)
    for item in seen.records:
        known = cache.records.get(item.name)
        if known is None or known[0] != item:
            reader = reader or RecordReader()
            known = (item, reader.read(f"{meta}{os.sep}{item.name}"))
        records[item.name] = known
    distributions: dict[str, tuple[Seen, DistributionEntry]] = {}
    for folder in seen.folders:
        for item in folder.entries:
            key = f"{folder.path}{os.sep}{item.name}"
            cached = cache.distributions.get(key)
            if cached is None or cached[0] != item or _is_volatile(cached[1]):
                cached = (item, read_distribution(folder.path, item.name, _hooks(folder, item)))
            distributions[key] = cached
    return records, distributions


def _is_volatile(entry: DistributionEntry) -> bool:
    """Whether more than the witnessed file decides what the entry says (the project of an egg-link, a broken one)."""
    return bool(entry.error) or not entry.has_record or entry.location.endswith(".egg-info")


def _hooks(folder: Folder, item: Seen) -> tuple[str, ...]:
    return folder.editable_hooks if item.name.endswith(".dist-info") else ()

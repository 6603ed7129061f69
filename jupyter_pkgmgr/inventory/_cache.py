"""What was read once, kept on disk: one file for each prefix, in the user's cache folder.

An entry counts only while the stat of its file is what it was when the entry was made. A cache that can't be
read, is of another version or is garbage is an empty cache; one that can't be written is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from pathlib import Path

import msgspec

from ._distributions import DistributionEntry
from ._records import CondaEntry
from ._scan import Seen

__all__ = ["VERSION", "Cache", "load_cache", "store_cache"]

VERSION = 1
"""Raised with every change of what an entry holds or of how it is read."""
RACY = 2_000_000_000
"""Nanoseconds: a file changed so short ago could change again without a change of its stat."""


class Cache(msgspec.Struct, array_like=True):
    """What one prefix's files said; the keys are paths."""

    version: int = VERSION
    prefix: str = ""
    records: dict[str, tuple[Seen, CondaEntry]] = msgspec.field(default_factory=dict)
    distributions: dict[str, tuple[Seen, DistributionEntry]] = msgspec.field(default_factory=dict)


def cache_path(prefix: Path) -> Path:
    """Where the cache of a prefix lies."""
    from platformdirs import user_cache_path  # noqa: PLC0415  only a first call in a process needs it

    key = hashlib.blake2b(os.fsencode(prefix), digest_size=16).hexdigest()
    return user_cache_path("jupyter_pkgmgr", appauthor=False) / "inventory" / f"{key}.msgpack"


def load_cache(prefix: Path) -> Cache:
    """The cache of a prefix; empty where there is none that can be used."""
    try:
        cache = msgspec.msgpack.decode(cache_path(prefix).read_bytes(), type=Cache)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Cache()
    return cache if cache.version == VERSION and cache.prefix == os.fspath(prefix) else Cache()


def store_cache(prefix: Path, cache: Cache) -> None:
    """Replace the cache of a prefix in one step; entries that are too fresh to be told apart stay out."""
    limit = time.time_ns() - RACY
    kept = Cache(
        prefix=os.fspath(prefix),
        records={key: item for key, item in cache.records.items() if 0 < item[0].mtime_ns < limit},
        distributions={key: item for key, item in cache.distributions.items() if 0 < item[0].mtime_ns < limit},
    )
    path = cache_path(prefix)
    with contextlib.suppress(OSError):  # a full disk or a read-only home costs time, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            temporary.write_bytes(msgspec.msgpack.encode(kept))
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

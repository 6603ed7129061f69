"""Many look-ups side by side: they wait for a network most of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jupyter_pkgmgr.model import Cancellation, obeying
from jupyter_pkgmgr.model.errors import PkgError

from .http import POOL_SIZE

__all__ = ["side_by_side"]

Key = TypeVar("Key")
Value = TypeVar("Value")


def side_by_side(
    function: Callable[[Key], Value], keys: Iterable[Key], *, cancel: Cancellation | None = None
) -> dict[Key, Value | PkgError]:
    """Call a function for each key, in threads; an error takes the place of the answer it prevented.

    Once cancelled, what hasn't begun isn't begun: ``CancelledError`` takes its place.
    """

    def one(key: Key) -> Value | PkgError:
        try:
            if cancel is not None:
                cancel.check()
            return function(key)
        except PkgError as error:
            return error

    unique = list(dict.fromkeys(keys))
    if len(unique) < 2:  # noqa: PLR2004  one needs no thread
        return {key: one(key) for key in unique}
    with ThreadPoolExecutor(max_workers=min(POOL_SIZE, len(unique)), thread_name_prefix="catalog") as pool:
        return dict(zip(unique, pool.map(obeying(one), unique), strict=True))

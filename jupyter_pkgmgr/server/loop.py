"""From threads to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

__all__ = ["soon"]


def soon(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Have something called on the loop. Where that has been closed nobody is left for whom it would matter."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)

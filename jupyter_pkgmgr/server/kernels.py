"""What the server knows of each running kernel: filled by the attachment, read by everybody else.

Nothing heavy is imported here: a kernel may start and end without anybody asking for a package.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

__all__ = ["Attachment", "KernelRegistry", "KnownKernel"]


class Attachment(StrEnum):
    """How far we are with a kernel."""

    PENDING = "pending"
    """It was asked and hasn't answered yet."""
    ATTACHED = "attached"
    OFF = "off"
    """A setting says so."""
    UNSUPPORTED = "unsupported"
    """It isn't IPython, or is too old."""
    REMOTE = "remote"
    """It doesn't run on this machine, or not as this user."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKernel:
    """One running kernel."""

    id: str
    name: str = ""
    """Its kernelspec's."""
    attached: Attachment = Attachment.PENDING
    why: str = ""
    """One sentence where it isn't attached."""
    facts: Mapping[str, Any] | None = None
    """What ``kernel/facts.py`` collected in it, as it came: untrusted until ``KernelFacts.from_json`` took it."""
    verdict: Mapping[str, Any] | None = None
    """``{level, modules, text}`` after the latest change of its environment."""

    @property
    def is_remote(self) -> bool:
        """Whether its paths mean nothing on this machine."""
        return self.attached is Attachment.REMOTE


class KernelRegistry:
    """Every running kernel by its id. Thread-safe; whoever subscribes is called in the thread that brought the news."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kernels: dict[str, KnownKernel] = {}
        self._subscribers: list[Callable[[KnownKernel], None]] = []

    def begin(self, kernel: str, **facts: Any) -> None:
        """A process of this kernel has started: whatever was known of another one is void."""
        after = KnownKernel(id=kernel, **facts)
        with self._lock:
            before, self._kernels[kernel] = self._kernels.get(kernel), after
        if after != before:
            self._tell(after)

    def note(self, kernel: str, **news: Any) -> None:
        """Remember fields of :class:`KnownKernel`; of a kernel that has ended meanwhile, nothing."""
        with self._lock:
            before = self._kernels.get(kernel)
            if before is None:
                return
            after = self._kernels[kernel] = replace(before, **news)
        if after != before:
            self._tell(after)

    def forget(self, kernel: str) -> None:
        """It has ended."""
        with self._lock:
            self._kernels.pop(kernel, None)

    def get(self, kernel: str) -> KnownKernel | None:
        """One kernel, or ``None`` where there is none of that id."""
        with self._lock:
            return self._kernels.get(kernel)

    def all(self) -> tuple[KnownKernel, ...]:
        """Every kernel, oldest first."""
        with self._lock:
            return tuple(self._kernels.values())

    def subscribe(self, callback: Callable[[KnownKernel], None]) -> Callable[[], None]:
        """Be told of every kernel whose facts change; returns what ends that."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock, contextlib.suppress(ValueError):  # that was done before
                self._subscribers.remove(callback)

        return unsubscribe

    def _tell(self, kernel: KnownKernel) -> None:
        with self._lock:
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            callback(kernel)

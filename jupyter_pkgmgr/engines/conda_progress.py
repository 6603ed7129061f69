"""What a running conda or mamba is doing, seen from outside.

On a pipe neither prints progress under ``--json``. What can be seen is the disk: a package grows in the
package cache while it downloads, and its record comes to (or goes from) ``conda-meta`` when it is linked.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_pkgmgr.model import Event, EventKind, EventSink, Phase

__all__ = ["Download", "watching"]

_INTERVAL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One package that the tool said it will fetch."""

    name: str
    file_name: str
    url: str
    size: int | None


@contextlib.contextmanager
def watching(
    conda_meta: Path,
    *,
    downloads: tuple[Download, ...],
    links: tuple[str, ...],
    unlinks: tuple[str, ...],
    caches: tuple[Path, ...],
    events: EventSink,
) -> Iterator[None]:
    """Send events about downloads and links until the block ends.

    Parameters
    ----------
    links, unlinks
        Stems of the records that will come and go: ``name-version-build``.
    caches
        The package caches; without them downloads can't be seen.
    """
    watcher = _Watcher(conda_meta, downloads=downloads, links=links, unlinks=unlinks, caches=caches, events=events)
    thread = threading.Thread(target=watcher.run, name="conda progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watcher.stop.set()
        thread.join()


class _Watcher:
    def __init__(
        self,
        conda_meta: Path,
        *,
        downloads: tuple[Download, ...],
        links: tuple[str, ...],
        unlinks: tuple[str, ...],
        caches: tuple[Path, ...],
        events: EventSink,
    ) -> None:
        self.stop = threading.Event()
        self._events = events
        self._fetching = {item: _places(item, caches) for item in downloads}
        self._seen: dict[Download, int] = {}
        self._linking = {conda_meta / f"{stem}.json": stem for stem in links}
        self._unlinking = {conda_meta / f"{stem}.json": stem for stem in unlinks}
        self._phase: Phase | None = None

    def run(self) -> None:
        self._enter(Phase.SOLVE)  # a run solves again before it does what the plan said
        while not self.stop.wait(_INTERVAL):
            self._look()
        self._look()  # what happened since the last look

    def _look(self) -> None:
        for item in list(self._fetching):
            self._look_at_download(item)
        for path, stem in list(self._unlinking.items()):
            if not path.exists():
                del self._unlinking[path]
                self._finished(Phase.UNLINK, stem)
        for path, stem in list(self._linking.items()):
            if path.exists():
                del self._linking[path]
                self._finished(Phase.LINK, stem)

    def _look_at_download(self, item: Download) -> None:
        size = max((_size(path) for path in self._fetching[item]), default=0)
        if size <= self._seen.get(item, 0):
            return
        self._seen[item] = size
        self._enter(Phase.DOWNLOAD)
        whole = item.size is not None and size >= item.size
        self._events(
            Event(
                kind=EventKind.PACKAGE,
                phase=Phase.DOWNLOAD,
                package=item.name,
                state="finished" if whole else "started",
                done=size,
                total=item.size,
            )
        )
        if whole:
            del self._fetching[item]

    def _finished(self, phase: Phase, stem: str) -> None:
        self._enter(phase)
        self._events(Event(kind=EventKind.PACKAGE, phase=phase, package=stem.rsplit("-", 2)[0], state="finished"))

    def _enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._phase = phase
            self._events(Event(kind=EventKind.PHASE, phase=phase))


def _places(item: Download, caches: tuple[Path, ...]) -> tuple[Path, ...]:
    """Where the file grows: conda's ``FILE.partial``, mamba's mirror of the URL, and the file itself."""
    url = urlsplit(item.url)
    host = url.netloc.rpartition("@")[2].replace(":", "_")
    mirror = Path(url.scheme, host, *url.path.strip("/").split("/")) if host else Path(item.file_name)
    return tuple(cache / place for cache in caches for place in (f"{item.file_name}.partial", item.file_name, mirror))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

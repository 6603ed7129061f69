"""What can be seen from outside while a tool runs: files that grow and records that come and go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.conda_progress import Download, watching
from jupyter_pkgmgr.model import Event, EventKind, Phase

URL = "https://user:secret@host:8080/chan/noarch/six-1.0-0.conda"


class Sink:
    """Collects events and lets a test wait for one instead of for time to pass."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._more:
            self.events.append(event)
            self._more.notify_all()

    def wait_for(self, **fields: object) -> None:
        def there() -> bool:
            return any(all(getattr(event, key) == value for key, value in fields.items()) for event in self.events)

        with self._more:
            assert self._more.wait_for(there, timeout=30), (fields, self.events)


@pytest.mark.parametrize(
    ("growing", "final"),
    [
        ("six-1.0-0.conda.partial", "six-1.0-0.conda"),
        ("https/host_8080/chan/noarch/six-1.0-0.conda", "https/host_8080/chan/noarch/six-1.0-0.conda"),
    ],
    ids=["conda", "mamba"],
)
def test_a_download_grows_and_a_record_comes(tmp_path: Path, growing: str, final: str) -> None:
    meta, cache, sink = tmp_path / "conda-meta", tmp_path / "pkgs", Sink()
    meta.mkdir()
    (meta / "old-1-0.json").touch()
    item = Download(name="six", file_name="six-1.0-0.conda", url=URL, size=10)
    with watching(
        meta,
        downloads=(item,),
        links=("six-1.0-0",),
        unlinks=("old-1-0",),
        caches=(tmp_path / "no", cache),
        events=sink,
    ):
        sink.wait_for(kind=EventKind.PHASE, phase=Phase.SOLVE)
        (cache / growing).parent.mkdir(parents=True)
        (cache / growing).write_bytes(b"12345")
        sink.wait_for(kind=EventKind.PACKAGE, phase=Phase.DOWNLOAD, package="six", state="started", done=5, total=10)
        (cache / growing).write_bytes(b"1234567890")
        (cache / growing).rename(cache / final)
        sink.wait_for(kind=EventKind.PACKAGE, phase=Phase.DOWNLOAD, package="six", state="finished", done=10)
        (meta / "old-1-0.json").unlink()
        sink.wait_for(kind=EventKind.PACKAGE, phase=Phase.UNLINK, package="old", state="finished")
        (meta / "six-1.0-0.json").touch()
    sink.wait_for(kind=EventKind.PACKAGE, phase=Phase.LINK, package="six", state="finished")
    phases = [event.phase for event in sink.events if event.kind is EventKind.PHASE]
    assert phases == [Phase.SOLVE, Phase.DOWNLOAD, Phase.UNLINK, Phase.LINK]


def test_what_happens_at_the_very_end_is_seen_too(tmp_path: Path) -> None:
    sink = Sink()
    with watching(tmp_path, downloads=(), links=("a-b-1-0",), unlinks=(), caches=(), events=sink):
        (tmp_path / "a-b-1-0.json").touch()
    assert [event.package for event in sink.events if event.kind is EventKind.PACKAGE] == ["a-b"]


def test_the_watch_ends_with_an_error_in_the_block(tmp_path: Path) -> None:
    sink = Sink()

    def fail() -> None:
        with watching(tmp_path, downloads=(), links=(), unlinks=(), caches=(), events=sink):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "conda progress" not in {thread.name for thread in threading.enumerate()}

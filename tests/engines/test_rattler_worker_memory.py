"""What the embedded engine's worker remembers of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.engines import rattler_worker_memory
from jupyter_pkgmgr.engines.rattler_worker_memory import FileMemory


class Reads(list[str]):
    """Reads files and takes down which."""

    def __call__(self, path: Path) -> str:
        self.append(path.name)
        return path.read_text(encoding="utf-8")


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rattler_worker_memory, "RACY", -(10**18))  # nothing is too fresh
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1", encoding="utf-8")
    two.write_text("2", encoding="utf-8")
    reads = Reads()
    memory = FileMemory(reads)
    assert memory.of([one, two]) == memory.of([one, two]) == {one: "1", two: "2"}
    assert reads == ["one", "two"]
    two.write_text("another", encoding="utf-8")
    assert memory.of([one, two]) == {one: "1", two: "another"}
    assert reads == ["one", "two", "two"]


def test_files_of_another_prefix_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rattler_worker_memory, "RACY", -(10**18))
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1", encoding="utf-8")
    two.write_text("2", encoding="utf-8")
    reads = Reads()
    memory = FileMemory(reads)
    for path in (one, two, one):
        memory.of([path])
    assert reads == ["one", "two", "one"]


def test_what_changed_this_moment_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rattler_worker_memory, "RACY", 10**18)  # everything is too fresh
    path = tmp_path / "one"
    path.write_text("1", encoding="utf-8")
    reads = Reads()
    memory = FileMemory(reads)
    memory.of([path])
    memory.of([path])
    assert reads == ["one", "one"]

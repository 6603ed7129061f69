"""Manifests: what a scan sees, with and without one from before; names of every kind."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.guard import GUARD
from jupyter_pkgmgr.transactions.locks import STATE
from jupyter_pkgmgr.transactions.manifest import MANIFEST, MANIFEST_CHANGES, RACY, Manifest
from jupyter_pkgmgr.transactions.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    base = tmp_path / "env"
    for name in ("lib/a/b/c", "lib/a/d", "share/e", "lib/__pycache__", f"{STATE}/transactions", "pkgs", "inner"):
        (base / name).mkdir(parents=True)
        (base / name / "file").touch()
    (base / "inner/pyvenv.cfg").touch()
    (base / "lib64").symlink_to("lib")
    (base / ".lock").touch()
    return State(folder=base / STATE, base=str(base))


def names(manifest: Manifest) -> set[str]:
    files = {f"{place}/{name}".lstrip("/") for place, folder in manifest.folders.items() for name in folder.files}
    return files | manifest.folders.keys()


def aged(manifest: Manifest, state: State) -> Manifest:
    """The same, made so long after every change that all of its stamps count."""
    real = time.time_ns
    try:
        time.time_ns = lambda: real() + 2 * RACY
        later = Manifest.scan(state)
    finally:
        time.time_ns = real
    assert names(later) == names(manifest)
    assert all(folder.stamp != (0, 0) for folder in later.folders.values())
    return later


def test_what_never_takes_part_is_left_out(state: State) -> None:
    found = names(Manifest.scan(state))
    assert found == {
        *("", "lib64", "lib", "lib/a", "lib/a/b", "lib/a/b/c", "lib/a/b/c/file", "lib/a/d", "lib/a/d/file"),
        *("share", "share/e", "share/e/file"),
    }


def file_to_folder(base: Path) -> None:
    (base / "share/e/file").unlink()
    (base / "share/e/file").mkdir()


def folder_to_link(base: Path) -> None:
    (base / "lib").rename(base / "libs")
    (base / "lib").symlink_to("libs")


def folder_to_link_to_itself(base: Path) -> None:
    (base / "lib/a/b").rename(base / "share/b")
    (base / "lib/a/b").symlink_to("../../share/b")


def swap(base: Path) -> None:
    (base / "lib/a").rename(base / "t")
    (base / "share/e").rename(base / "lib/a")
    (base / "t").rename(base / "share/e")


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a new file": lambda base: (base / "lib/a/new").touch(),
    "a new tree": lambda base: (base / "share/e/x/y/z").mkdir(parents=True),
    "a file gone": lambda base: (base / "lib/a/d/file").unlink(),
    "a folder for a file": file_to_folder,
    "a folder renamed": lambda base: (base / "lib/a").rename(base / "lib/z"),
    "a link for a folder": folder_to_link,
    "a link to what it was": folder_to_link_to_itself,
    "folders swapped": swap,
    "another environment": lambda base: (base / "share/e/conda-meta").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_scan_that_knows_an_earlier_one_sees_the_same(change: Callable[[Path], object], state: State) -> None:
    known = aged(Manifest.scan(state), state)
    change(Path(state.base))
    with_help = Manifest.scan(state, known=known)
    assert names(with_help) == names(Manifest.scan(state))
    assert names(Manifest.scan(state, known=with_help)) == names(with_help)


def test_folders_that_just_changed_are_read_again(state: State) -> None:
    """Two changes within one tick of the clock leave one time: a stamp that is too fresh proves nothing."""
    known = Manifest.scan(state)
    assert {folder.stamp for folder in known.folders.values()} == {(0, 0)}


def test_time_that_was_set_back_deceives_nobody(state: State) -> None:
    known = aged(Manifest.scan(state), state)
    folder = Path(state.base, "lib/a/d")
    own = folder.stat()
    (folder / "new").touch()
    os.utime(folder, ns=(own.st_atime_ns, own.st_mtime_ns))
    assert "lib/a/d/new" in names(Manifest.scan(state, known=known))


def test_differences_have_every_path(state: State) -> None:
    before = Manifest.scan(state)
    base = Path(state.base)
    (base / "lib/a/d/file").unlink()
    (base / "lib/a/d").rmdir()
    (base / "lib/new/deep").mkdir(parents=True)
    (base / "lib/new/deep/file").touch()
    added, removed = before.diff(Manifest.scan(state))
    assert added == ["lib/new", "lib/new/deep", "lib/new/deep/file"]
    assert removed == ["lib/a/d", "lib/a/d/file"]
    assert "lib/a/d/file" in before
    assert "lib/a/d" in before
    assert "lib/new" not in before


@pytest.mark.parametrize("name", ["größe", "空白", "with space", "new\nline", "bytes \udcff\udc80", "-x", "a\\b"])
def test_every_name_survives_saving(name: str, state: State, tmp_path: Path) -> None:
    path = os.path.join(state.base, "share", name)  # noqa: PTH118  as the code under test does
    Path(path).touch()
    found = Manifest.scan(state)
    found.save(tmp_path)
    assert reloaded(tmp_path) == found
    place = state.places()(path)
    assert place is not None
    assert place in found
    assert state.path(place) == path


def reloaded(home: Path) -> Manifest | None:
    """From the disk, as another process reads it: what this one remembers is of files with other names."""
    copy = home.with_name(f"{home.name}-copy")
    copy.mkdir()
    try:
        for name in (MANIFEST, MANIFEST_CHANGES):
            shutil.copy(home / name, copy)
        return Manifest.load(copy)
    finally:
        shutil.rmtree(copy)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_saved_as_a_difference_is_loaded_whole(
    change: Callable[[Path], object], state: State, tmp_path: Path
) -> None:
    first = aged(Manifest.scan(state), state).save(tmp_path)
    full = (tmp_path / MANIFEST).read_bytes()
    change(Path(state.base))
    second = Manifest.scan(state, known=first).save(tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() == full
    for loaded in (reloaded(tmp_path), Manifest.load(tmp_path)):
        assert loaded == second
    third = Manifest.scan(state, known=reloaded(tmp_path)).save(tmp_path)
    assert reloaded(tmp_path) == third


def test_much_that_is_different_is_saved_in_full(state: State, tmp_path: Path) -> None:
    first = Manifest.scan(state).save(tmp_path)
    full = (tmp_path / MANIFEST).read_bytes()
    for number in range(100):
        (Path(state.base) / f"lib/{number}").mkdir()
    second = Manifest.scan(state, known=first).save(tmp_path)
    assert (tmp_path / MANIFEST).read_bytes() != full
    assert reloaded(tmp_path) == second


@pytest.mark.parametrize("name", [MANIFEST, MANIFEST_CHANGES])
@pytest.mark.parametrize("garbage", [b"", b"x\x9c", b"\0" * 99])
def test_a_damaged_manifest_is_none(name: str, garbage: bytes, state: State, tmp_path: Path) -> None:
    Manifest.scan(state).save(tmp_path)
    (tmp_path / name).write_bytes(garbage)
    assert Manifest.load(tmp_path) is None
    assert Manifest.load(tmp_path / "nothing") is None


def test_a_difference_to_another_manifest_is_none(state: State, tmp_path: Path) -> None:
    Manifest.scan(state).save(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (Path(state.base) / "new").touch()
    Manifest.scan(state).save(other)
    (other / MANIFEST_CHANGES).replace(tmp_path / MANIFEST_CHANGES)
    assert Manifest.load(tmp_path) is None


def test_links_to_folders_are_followed_on_the_way_only(state: State, tmp_path: Path) -> None:
    place = state.places()
    assert place(Path(state.base, "lib64/a/d/file")) == "lib/a/d/file"
    assert place(Path(state.base, "lib64")) == "lib64"
    assert place(Path(state.base, "share/../lib/a")) == "lib/a"
    assert place(tmp_path / "elsewhere") is None
    assert place(Path(state.base + "-other", "x")) is None


def test_the_worker_s_lock_lies_with_the_others() -> None:
    assert GUARD.startswith(f"{STATE}/")

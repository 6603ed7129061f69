"""The comparison itself: it must see everything that matters, and nothing else."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .trees import differences, read_tree, same, same_result, stale_bytecode


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    prefix = tmp_path / "prefix"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "empty").mkdir()
    (prefix / "file").write_text("content")
    (prefix / "link").symlink_to("file")
    (prefix / "conda-meta" / "history").write_text("==> 2025-01-01 00:00:00 <==\n+a-1.0\n")
    (prefix / "conda-meta" / "a.json").write_text('{"files": ["x", "y"], "name": "a"}')
    return prefix


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("a new file", lambda prefix: (prefix / "new").touch()),
    ("a new folder", lambda prefix: (prefix / "new").mkdir()),
    ("a removed file", lambda prefix: (prefix / "file").unlink()),
    ("a removed empty folder", lambda prefix: (prefix / "empty").rmdir()),
    ("another content of the same size", lambda prefix: (prefix / "file").write_text("CONTENT")),
    ("another mode", lambda prefix: (prefix / "file").chmod(0o755)),
    ("another mode of a folder", lambda prefix: (prefix / "empty").chmod(0o700)),
    ("another target", lambda prefix: relink(prefix / "link")),
    ("a link where a file was", lambda prefix: relink(prefix / "file")),
    ("another case", lambda prefix: (prefix / "file").rename(prefix / "File")),
    ("another package in the history", lambda prefix: (prefix / "conda-meta" / "history").write_text("+b-1.0")),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[what for what, _ in CHANGES])
def test_a_change_is_seen(what: str, change: Callable[[Path], object], prefix: Path) -> None:
    before = read_tree(prefix)
    change(prefix)
    after = read_tree(prefix)
    assert not same(before, after), what
    assert not same_result(before, after)
    assert differences(before, after)


@pytest.mark.parametrize("path", ["lib/__pycache__/x.pyc", ".jupyter_pkgmgr/journal.json", ".lock"])
def test_caches_and_our_own_state_are_aside(path: str, prefix: Path) -> None:
    (prefix / path).parent.mkdir(parents=True, exist_ok=True)
    before = read_tree(prefix)
    (prefix / path).touch()
    assert same(before, read_tree(prefix))


def test_dates_and_orders_differ_between_runs_but_not_in_what_they_mean(prefix: Path) -> None:
    before = read_tree(prefix)
    (prefix / "conda-meta" / "history").write_text("==> 2026-02-03 04:05:06 <==\n+a-1.0\n")
    (prefix / "conda-meta" / "a.json").write_text('{"name": "a", "files": ["y", "x"]}')
    after = read_tree(prefix)
    assert not same(before, after)
    assert same_result(before, after)


def test_bytecode_of_another_version_is_found(tmp_path: Path) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    source = tmp_path / "lib" / f"python{minor}" / "site-packages" / "thing.py"
    source.parent.mkdir(parents=True)
    source.write_text("VALUE = 1\n")
    os.utime(source, (1_700_000_000, 1_700_000_000))
    py_compile.compile(str(source))
    assert stale_bytecode(tmp_path) == []
    source.write_text("VALUE = 2\n")
    assert stale_bytecode(tmp_path) == []
    os.utime(source, (1_700_000_000, 1_700_000_000))
    (found,) = stale_bytecode(tmp_path)
    assert "thing" in found
    done = subprocess.run(
        [sys.executable, "-c", "import thing; print(thing.VALUE)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=source.parent,
    )
    assert done.stdout == "1\n"  # that is why it matters

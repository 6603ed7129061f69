"""What several changes ask of a kernel, some of which were taken back."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel.changes import Changes
from jupyter_pkgmgr.kernel.verdict import Verdict


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with a package and a module, of which nothing is loaded yet."""
    for name in ("thing/__init__.py", "thing/part.py", "thing/late.py", "alone.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def change(site: Path, name: str, *undoes: str, files: tuple[str, ...] = ("thing/part.py", "thing/late.py")) -> Any:
    return {"transaction": name, "undoes": undoes, "changed_files": [str(site / file) for file in files]}


LOADED = Verdict("recommended", ("thing",))
NOTHING = Verdict()


def test_what_was_loaded_before_a_change_is_as_it_was_when_that_is_taken_back(site: Path) -> None:
    importlib.import_module("thing.part")
    changes = Changes()
    assert changes.judge(change(site, "one")) == (LOADED, NOTHING)
    assert changes.judge(change(site, "two", "one")) == (NOTHING, NOTHING)
    assert changes.judge(change(site, "three", "two")) == (LOADED, NOTHING), "the change is made again"


@pytest.mark.parametrize("how", ["import", "reload"])
def test_what_was_loaded_in_between_is_not(how: str, site: Path) -> None:
    part = importlib.import_module("thing.part")
    changes = Changes()
    changes.judge(change(site, "one"))
    importlib.import_module("thing.late") if how == "import" else importlib.reload(part)
    assert changes.judge(change(site, "two", "one")) == (LOADED, NOTHING)


def test_a_change_from_before_the_kernels_start_is_judged_by_all_that_is_loaded(site: Path) -> None:
    importlib.import_module("thing.part")
    changes = Changes()
    assert changes.judge(change(site, "two", "one")) == (LOADED, NOTHING)
    assert changes.judge(change(site, "four", "two", "three")) == (LOADED, NOTHING)


def test_what_other_changes_ask_for_stays(site: Path) -> None:
    importlib.import_module("thing.part")
    importlib.import_module("alone")
    changes = Changes()
    changes.judge(change(site, "one", files=("alone.py",)))
    changes.judge(change(site, "two"))
    assert changes.judge(change(site, "three", "two")) == (NOTHING, Verdict("recommended", ("alone",)))


def test_the_kernels_own_stack_needs_no_restart_when_it_is_as_it_was(site: Path) -> None:
    stack = {"changed_packages": [{"name": "ipykernel", "action": "upgrade", "distributions": ["ipykernel"]}]}
    changes = Changes()
    assert changes.judge(change(site, "one") | stack)[0].level == "required"
    assert changes.judge(change(site, "two", "one") | stack) == (NOTHING, NOTHING)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system doesn't tell what is mapped")
def test_a_mapped_library_is_the_same_only_if_it_is_the_very_file(site: Path) -> None:
    importlib.import_module("thing.part")
    lines = Path("/proc/self/maps").read_text().splitlines()
    library, kept = site / "thing" / "libnative.so", site / "kept"
    shutil.copy(next(line.split(None, 5)[5] for line in lines if "libm.so" in line or "libm-" in line), library)
    ctypes.CDLL(str(library))
    os.link(library, kept)
    changes = Changes()
    library.unlink()
    assert changes.judge(change(site, "one", files=("thing/libnative.so",)))[0].level == "required"
    os.link(kept, library)
    assert changes.judge(change(site, "two", "one", files=("thing/libnative.so",))) == (NOTHING, NOTHING)
    library.unlink()
    shutil.copy(kept, library)
    assert changes.judge(change(site, "three", "one", files=("thing/libnative.so",)))[0].level == "required"

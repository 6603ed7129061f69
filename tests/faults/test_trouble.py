"""Disks that fill up or go read-only in the middle, and state that is damaged by hand: clear errors, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .disks import Disk, NoDiskError, open_disk
from .lab import ROOT, Lab
from .trees import STATE, Tree, differences, read_tree
from .trials import Trials

SETUP = ("tb-alpha==1.0", "tb-large==1.1", "tb-shape==2.0")
UPGRADE = "install tb-alpha==2.0 tb-large==2.0 tb-shape==1.0"


class Tried:
    """What one command said."""

    def __init__(self, lab: Lab, line: str, *options: str) -> None:
        words = ["-m", "tests.faults.driver", "--prefix", str(lab.prefix), *options, "--", *line.split()]
        done = subprocess.run([sys.executable, *words], cwd=ROOT, env=lab.variables(), capture_output=True, check=False)
        self.code = done.returncode
        self.stderr = done.stderr.decode(errors="replace")
        self.error = next((fact for fact in _facts(done.stdout) if fact["event"] == "error"), None)

    def failed(self) -> dict[str, Any]:
        """It ended with an error that a user can read; returns that."""
        assert (self.code, self.stderr) == (1, ""), f"{self.code} {self.error} {self.stderr}"
        assert self.error is not None
        assert self.error["message"]
        return self.error

    def worked(self) -> None:
        """It did what it was told."""
        assert self.code == 0, f"{self.error} {self.stderr}"


def _facts(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith(b'{"event"')]


def unfinished(lab: Lab) -> bool:
    return (lab.prefix / STATE / "journal.json").exists()


def assert_same(before: Tree, lab: Lab) -> None:
    assert differences(before, read_tree(lab.prefix)) == []


# --- disks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with open_disk(tmp_path, megabytes=160) as disk:
            yield disk
    except NoDiskError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("world", ["venv", "conda"])
@pytest.mark.parametrize("leave", [0, 100_000, 300_000], ids=lambda leave: f"{leave // 1000}kB")
def test_a_disk_that_fills_up(world: str, leave: int, disk: Disk, trials: Trials) -> None:
    lab = trials.lab.on(disk)
    lab.place(world, SETUP)
    before = read_tree(lab.prefix)
    os.sync()
    disk.fill(leave=leave)
    error = Tried(lab, UPGRADE).failed()
    assert error["reference"] == "disk-full", error
    assert_same(before, lab)
    assert not unfinished(lab)
    disk.drain()
    Tried(lab, UPGRADE).worked()


def test_a_disk_that_goes_read_only(disk: Disk, trials: Trials) -> None:
    lab = trials.lab.on(disk)
    lab.place("venv", SETUP)
    before = read_tree(lab.prefix)
    os.sync()
    words = ["-m", "tests.faults.driver", "--prefix", str(lab.prefix), "--", *UPGRADE.split()]
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=lab.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if b'"event": "step"' in line and b'"started"' in line:
            disk.cut()
            break
    output, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.decode()) == (1, "")
    (error,) = [fact for fact in _facts(b"".join(lines) + output) if fact["event"] == "error"]
    assert "ead-only" in " ".join([error["message"], *error["context"], error["note"] or "", error["detail"] or ""])
    disk.mend()
    Tried(lab, "list").worked()
    assert_same(before, lab)
    assert not unfinished(lab)
    Tried(lab, UPGRADE).worked()


# --- state that is damaged by hand ---------------------------------------------------------------------------------


@pytest.fixture
def stopped(request: pytest.FixtureRequest, trials: Trials) -> tuple[Lab, Tree]:
    """An environment whose transaction was killed when all was done but the commit; and its tree before."""
    trials.lab.place(getattr(request, "param", "venv"), SETUP)
    before = read_tree(trials.lab.prefix)
    tried = Tried(trials.lab, UPGRADE, "--die-on", "verify")
    assert tried.code < 0, f"{tried.error} {tried.stderr}"
    assert unfinished(trials.lab)
    assert differences(before, read_tree(trials.lab.prefix))
    return trials.lab, before


@pytest.mark.parametrize("stopped", ["venv", "conda"], indirect=True)
def test_what_was_stopped_comes_back(stopped: tuple[Lab, Tree]) -> None:
    lab, before = stopped
    Tried(lab, "list").worked()
    assert_same(before, lab)
    assert not unfinished(lab)


def test_a_snapshot_that_is_gone_is_told_and_nothing_more_is_lost(stopped: tuple[Lab, Tree]) -> None:
    lab, _ = stopped
    shutil.rmtree(lab.prefix / STATE / "transactions")
    left = read_tree(lab.prefix)
    Tried(lab, "list").worked()  # reading goes on
    error = Tried(lab, "install tb-cli").failed()
    assert error["hint"], error
    assert_same(left, lab)  # without it nobody knows what is whose


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("half", shorten),
    ("empty", lambda path: path.write_bytes(b"")),
    ("zeros", lambda path: path.write_bytes(bytes(path.stat().st_size))),
    ("garbage", lambda path: path.write_bytes(b"\xff\xfe{]")),
    ("other JSON", lambda path: path.write_text("[1, 2]")),
]


@pytest.mark.parametrize("damage", [damage for _, damage in DAMAGE], ids=[name for name, _ in DAMAGE])
def test_a_damaged_journal(damage: Callable[[Path], object], stopped: tuple[Lab, Tree]) -> None:
    """All is as before, or an error says so and nothing was touched."""
    lab, before = stopped
    damage(lab.prefix / STATE / "journal.json")
    left = read_tree(lab.prefix)
    Tried(lab, "list").worked()
    if unfinished(lab):
        assert Tried(lab, "install tb-cli").failed()["hint"]
        assert_same(left, lab)
    else:
        assert_same(before, lab)


def test_a_damaged_manifest(stopped: tuple[Lab, Tree]) -> None:
    lab, _ = stopped
    manifest = max((lab.prefix / STATE / "transactions").glob("*/manifest"))
    shorten(manifest)
    left = read_tree(lab.prefix)
    Tried(lab, "list").worked()
    assert Tried(lab, "install tb-cli").failed()["hint"]
    assert_same(left, lab)

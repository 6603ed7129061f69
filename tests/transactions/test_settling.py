"""Committed, and then the machine stops: what is on the disk is whole, or it is taken back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import Cancellation, Environment, ignore_events
from jupyter_pkgmgr.transactions import Owner, Result, hold, is_unfinished, read_entries, recover
from jupyter_pkgmgr.transactions.settling import boot_id
from jupyter_pkgmgr.transactions.state import state_of

from .test_rollback import SITE, change, environment, tree, upgrade

__all__ = ["environment"]

pytestmark = pytest.mark.skipif(not boot_id(), reason="commits are synced at once where boots have no name")


def commit(environment: Environment) -> None:
    with change(environment):
        upgrade(environment.prefix)


def restart(environment: Environment) -> None:
    """What was written is of another boot."""
    path = state_of(environment).settling
    path.write_text(path.read_text().replace(boot_id(), "00000000-another-boot"))


def use(environment: Environment) -> list[str]:
    """What the next use of the environment says."""
    said = []
    recovered = recover(
        environment, Owner.here(), events=lambda event: said.append(event.message), cancel=Cancellation()
    )
    assert [recovered.message] == said if recovered else not said
    return said


def write(path: Path, content: str = "") -> None:
    path.write_text(content)


def replace(path: Path, content: str) -> None:
    path.unlink()
    path.write_text(content)


LOSSES: dict[str, Callable[[Path, Path], object]] = {
    "a new file is empty": lambda site, _: os.truncate(site / "new/x.py", 0),
    "a replaced file is the one before": lambda site, own: _put_again(site / "six.py", own),
    "an append is lost": lambda site, _: write(site / "easy-install.pth", "./one\n"),
    "the entry is empty": lambda _, own: write(own / "entry.json"),
    "the list of files is empty": lambda _, own: write(own / "files.json"),
    "the list of files is gone": lambda _, own: (own / "files.json").unlink(),
}
"""What a power cut leaves."""


def _put_again(path: Path, own: Path) -> None:
    (kept,) = (saved for saved in (own / "before").iterdir() if saved.read_bytes() == b"six = 6\n")
    path.unlink()
    os.link(kept, path)


def decide_later(own: Path) -> None:
    """The entry's time is that of its name: give it to it again, so that what the test did lies before."""
    if (own / "entry.json").stat().st_size:
        (own / "entry.json").rename(own / "entry")
        (own / "entry").rename(own / "entry.json")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_change_that_is_not_on_the_disk_is_taken_back(loss: str, environment: Environment) -> None:
    before = tree(environment.prefix)
    commit(environment)
    (own,) = state_of(environment).transactions.iterdir()
    LOSSES[loss](environment.prefix / SITE, own)
    decide_later(own)
    restart(environment)
    assert is_unfinished(environment)
    (said,) = use(environment)
    assert "was not on the disk yet when the machine stopped; everything is as it was before" in said
    assert tree(environment.prefix) == before
    assert [entry.result for entry in read_entries(environment)] == [Result.RECOVERED]
    assert not is_unfinished(environment)
    assert use(environment) == []


def test_what_is_on_the_disk_stays(environment: Environment) -> None:
    commit(environment)
    after = tree(environment.prefix)
    restart(environment)
    assert use(environment) == []
    assert tree(environment.prefix) == after
    assert not state_of(environment).settling.exists()
    assert [entry.result for entry in read_entries(environment)] == [Result.COMMITTED]


FOREIGN: dict[str, Callable[[Path], object]] = {
    "deleted": lambda site: shutil.rmtree(site / "new"),
    "emptied": lambda site: write(site / "new/x.py"),
    "replaced": lambda site: replace(site / "six.py", "six = 8.0\n"),
}
"""What somebody may do after the commit."""


@pytest.mark.parametrize("what", FOREIGN)
def test_a_later_change_by_others_is_no_loss(what: str, environment: Environment) -> None:
    commit(environment)
    shutil.rmtree(environment.prefix / SITE / "new/locked")  # makes the folder's time later than the entry's
    _wait_for_another_time(environment.prefix)
    FOREIGN[what](environment.prefix / SITE)
    after = tree(environment.prefix)
    restart(environment)
    assert use(environment) == []
    assert tree(environment.prefix) == after


def _wait_for_another_time(folder: Path) -> None:
    """Wait until the file system's clock, which may tick in hundredths of a second, has gone on."""
    probe = folder / "probe"
    probe.touch()
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.touch()
    probe.unlink()


def test_a_copy_is_believed(environment: Environment, tmp_path: Path) -> None:
    """A container image has other times, and was never cut off; a file that is missing was deleted in it."""
    commit(environment)
    restart(environment)
    prefix = tmp_path / "copy"
    subprocess.run(["cp", "-r", environment.prefix, prefix], check=True)
    (prefix / SITE / "new/x.py").unlink()
    decide_later(*state_of(environment).transactions.iterdir())
    after = tree(prefix)
    copy = Environment(prefix=prefix, kind=environment.kind, owner=environment.owner, name="copy")
    assert use(copy) == []
    assert tree(prefix) == after


def test_in_the_same_boot_the_next_change_brings_it_to_the_disk(environment: Environment) -> None:
    commit(environment)
    state = state_of(environment)
    (own,) = state.transactions.iterdir()
    assert not is_unfinished(environment)
    assert use(environment) == []
    assert state.settling.exists()
    (environment.prefix / SITE / "new/x.py").unlink()
    with hold(environment, Owner.here(), events=ignore_events, cancel=Cancellation()):
        assert not state.settling.exists()
        assert not (own / "manifest").exists()


def test_without_the_transaction_s_folder_nothing_is_touched(environment: Environment) -> None:
    commit(environment)
    restart(environment)
    shutil.rmtree(state_of(environment).transactions)
    (environment.prefix / SITE / "new/x.py").unlink()
    after = tree(environment.prefix)
    assert use(environment) == []
    assert tree(environment.prefix) == after
    assert not is_unfinished(environment)


@pytest.mark.parametrize("count", [1, 200])
def test_files_of_any_number_and_mode_are_brought_to_the_disk(count: int, environment: Environment) -> None:
    with change(environment):
        for number in range(count):
            (environment.prefix / f"share/{number}").touch(mode=0o200)
    with hold(environment, Owner.here(), events=ignore_events, cancel=Cancellation()):
        assert not state_of(environment).settling.exists()


def test_a_revocation_that_is_stopped_is_begun_again(environment: Environment) -> None:
    """The power goes again: the entry is gone, the journal is back in its place."""
    before = tree(environment.prefix)
    commit(environment)
    state = state_of(environment)
    (own,) = state.transactions.iterdir()
    restart(environment)
    state.settling.rename(state.journal)
    (own / "entry.json").unlink()
    assert len(use(environment)) == 1
    assert tree(environment.prefix) == before

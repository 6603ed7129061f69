"""Before a transaction and after its commit: nothing makes a failure of it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.model import Cancellation, Ecosystem, Environment, Package, Plan, Request, Verb, ignore_events
from jupyter_pkgmgr.transactions import Owner, hold, read_entries
from jupyter_pkgmgr.transactions.contents import cached_files
from jupyter_pkgmgr.transactions.state import new_id, state_of
from jupyter_pkgmgr.transactions.transaction import Transaction, transaction

from .test_rollback import environment

__all__ = ["environment"]


def commit(environment: Environment) -> Transaction:
    """A change of one file; returns what is known of it when all is over."""
    request = Request(verb=Verb.UPDATE, specs=(), command="%pkg update")
    plan = Plan(id="plan", request=request, environment=environment, fingerprint="f")
    with (
        hold(environment, Owner.here(), events=ignore_events, cancel=Cancellation()),
        transaction(plan, Owner.here(), linked=()) as work,
    ):
        (environment.prefix / "share/new").write_text("new")
    return work


def test_what_goes_wrong_after_the_decision_is_a_warning(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where boots have no names a commit is synced at once, which a file may refuse; and old snapshots are dropped."""

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("jupyter_pkgmgr.transactions.transaction.boot_id", lambda: "")
    monkeypatch.setattr("jupyter_pkgmgr.transactions.transaction.settle", refuse)
    monkeypatch.setattr("jupyter_pkgmgr.transactions.transaction.prune", refuse)
    work = commit(environment)
    assert [notice.reference for notice in work.warnings] == ["afterwards", "afterwards"]
    assert all("Permission denied" in notice.message for notice in work.warnings)
    assert [entry.committed for entry in read_entries(environment)] == [True]
    monkeypatch.undo()
    assert commit(environment).warnings == []


def test_an_old_entry_with_a_bad_byte_is_in_no_later_change_s_way(environment: Environment) -> None:
    first = commit(environment)
    folder = state_of(environment).of(first.id)
    for name in ("entry.json", "files.json"):
        data = (folder / name).read_bytes()
        place = data.index(b'"', 20) + 1  # inside a string
        (folder / name).write_bytes(data[:place] + b"\xff" + data[place:])
    assert commit(environment).warnings == []
    assert [entry.result for entry in read_entries(environment)] == ["committed", "unreadable"]


def test_stray_files_among_the_transactions_are_in_nobody_s_way(environment: Environment) -> None:
    commit(environment)
    folder = state_of(environment).transactions
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "~notes").write_bytes(b"x")
    (folder / "20990101T000000000000-unbegun").mkdir()
    commit(environment)
    assert {path.name for path in folder.iterdir() if not path.is_dir()} == {".DS_Store", "~notes"}
    assert len(read_entries(environment)) == 2
    assert not (folder / "20990101T000000000000-unbegun").exists()


def test_a_clock_that_was_set_back_changes_no_order(environment: Environment) -> None:
    first = commit(environment)
    folder = state_of(environment).transactions
    ahead = "29990101T000000999999-ffff"
    os.rename(folder / first.id, folder / ahead)  # noqa: PTH104
    second, third = commit(environment).id, new_id(state_of(environment))
    assert ahead < second < third
    assert [entry.id for entry in read_entries(environment)] == [second, ahead]


def test_what_conda_is_about_to_link_is_known_from_its_cache(tmp_path: Path) -> None:
    """Where ``noarch: python`` puts what it has, and the commands it makes (CEP 20)."""
    info = tmp_path / "cache" / "some-1.0-pyh_0" / "info"
    info.mkdir(parents=True)
    paths = ("site-packages/some/__init__.py", "python-scripts/some-script", "share/some/data")
    (info / "paths.json").write_text(json.dumps({"paths": [{"_path": path} for path in paths]}))
    (info / "link.json").write_text('{"noarch": {"type": "python", "entry_points": ["some-command = some:main"]}}')
    package = Package(name="some", version="1.0", build="pyh_0", ecosystem=Ecosystem.CONDA)
    caches = (str(tmp_path / "elsewhere"), str(tmp_path / "cache"))
    found = set(cached_files(package, caches, ["lib/python3.11/site-packages"]))
    assert {
        "lib/python3.11/site-packages/some/__init__.py",
        "bin/some-script",
        "bin/some-command",
        "share/some/data",
    } <= found
    assert list(cached_files(package, caches[:1], [])) == []

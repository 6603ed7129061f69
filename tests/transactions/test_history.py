"""The history on disk: what is written comes back, damage is told, old snapshots go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import Action, Change, Ecosystem, Environment, EnvironmentKind, Origin, OriginKind, Package
from jupyter_pkgmgr.model.errors import UsageError
from jupyter_pkgmgr.transactions.history import (
    Entry,
    Result,
    Signature,
    file_changes,
    in_force,
    prune,
    read_entries,
    read_files,
    record_verdict,
    signature,
    write_entry,
    write_files,
)
from jupyter_pkgmgr.transactions.limits import Limits
from jupyter_pkgmgr.transactions.manifest import Manifest
from jupyter_pkgmgr.transactions.snapshot import BEFORE, take
from jupyter_pkgmgr.transactions.state import state_of
from jupyter_pkgmgr.transactions.verdicts import make_verdict


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    prefix = tmp_path / "environment"
    prefix.mkdir()
    return Environment(prefix=prefix, kind=EnvironmentKind.VENV, owner="uv", name="demo")


def keep(
    environment: Environment,
    number: int,
    *,
    result: Result = Result.COMMITTED,
    undoes: tuple[int, ...] = (),
    size: int = 0,
) -> str:
    """One ended transaction with a snapshot of one file."""
    folder = state_of(environment).of(f"t{number:02}")
    (folder / BEFORE).mkdir(parents=True)
    (folder / BEFORE / "0").write_bytes(b"x")
    entry = Entry(
        id=folder.name,
        started="2026-03-14T15:09:26+00:00",
        result=result,
        undoes=tuple(f"t{item:02}" for item in undoes),
        snapshot_bytes=size,
    )
    write_entry(folder, entry)
    return folder.name


def with_snapshot(environment: Environment) -> list[str]:
    return [entry.id for entry in read_entries(environment) if entry.has_snapshot]


def test_an_entry_comes_back_without_secrets_and_without_ballast(environment: Environment) -> None:
    package = Package(
        name="Demo.Pkg",
        version="1.0",
        ecosystem=Ecosystem.PYPI,
        origin=Origin(kind=OriginKind.URL, location="https://me:secret@host/demo.whl"),
        depends=("other>=1",),
        summary="long text",
        location=Path("/somewhere"),
        provides=(("demo-pkg", "1.0"),),
    )
    folder = state_of(environment).of("t01")
    folder.mkdir(parents=True)
    change = Change(action=Action.INSTALL, after=package, requested=True, reason="requested")
    entry = Entry(id="t01", started="2026-03-14T15:09:26+00:00", seconds=1.5, user="ann", changes=(change,))
    write_entry(folder, entry)
    (found,) = read_entries(environment)
    assert (found.id, found.user, found.seconds, found.result) == ("t01", "ann", 1.5, Result.COMMITTED)
    (read,) = found.changes
    assert read.action is Action.INSTALL
    assert read.after is not None
    assert (read.after.key, read.after.version, read.after.provides) == (package.key, "1.0", package.provides)
    assert (read.after.depends, read.after.summary, read.after.location) == ((), "", None)
    assert "secret" not in (folder / "entry.json").read_text(encoding="utf-8")


def test_no_history_is_an_empty_one(environment: Environment) -> None:
    assert read_entries(environment) == ()
    assert prune(environment) == ()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 99, "id": "t02"}', b"\xff"])
def test_a_damaged_entry_hides_no_other(damage: bytes, environment: Environment) -> None:
    for number in (1, 2, 3):
        keep(environment, number)
    (state_of(environment).of("t02") / "entry.json").write_bytes(damage)
    entries = read_entries(environment)
    assert [entry.id for entry in entries] == ["t03", "t02", "t01"]
    assert entries[1].result is Result.UNREADABLE
    assert "can't be read" in entries[1].message


def test_a_transaction_that_has_not_ended_is_not_in_the_history(environment: Environment) -> None:
    keep(environment, 1)
    (state_of(environment).of("t02") / BEFORE).mkdir(parents=True)
    assert [entry.id for entry in read_entries(environment)] == ["t01"]


@pytest.mark.parametrize(
    ("undoes", "standing"),
    [
        ({}, {1, 2}),
        ({3: (2,)}, {1, 3}),
        ({3: (2,), 4: (3,)}, {1, 2, 4}),
        ({3: (2, 1)}, {3}),
        ({3: (2,), 4: (3,), 5: (4,)}, {1, 3, 5}),
    ],
)
def test_what_stands(undoes: dict[int, tuple[int, ...]], standing: set[int], environment: Environment) -> None:
    for number in range(1, 3 + len(undoes)):
        keep(environment, number, undoes=undoes.get(number, ()))
    assert in_force(read_entries(environment)) == {f"t{number:02}" for number in standing}


def test_what_was_rolled_back_does_not_stand(environment: Environment) -> None:
    keep(environment, 1)
    keep(environment, 2, undoes=(1,), result=Result.ROLLED_BACK)
    assert in_force(read_entries(environment)) == {"t01"}


def test_old_snapshots_are_dropped_by_count(environment: Environment) -> None:
    for number in range(1, 6):
        keep(environment, number)
    assert prune(environment, Limits(keep=3)) == ("t02", "t01")
    assert with_snapshot(environment) == ["t05", "t04", "t03"]
    assert len(read_entries(environment)) == 5
    assert prune(environment, Limits(keep=3)) == ()


def test_old_snapshots_are_dropped_by_size_and_with_them_all_older_ones(environment: Environment) -> None:
    for number, size in ((1, 1), (2, 70), (3, 30), (4, 30)):
        keep(environment, number, size=size)
    assert prune(environment, Limits(max_bytes=100)) == ("t02", "t01")


def test_the_newest_committed_snapshot_is_kept_whatever_its_size(environment: Environment) -> None:
    keep(environment, 1, size=1)
    keep(environment, 2, size=1000)
    keep(environment, 3, result=Result.ROLLED_BACK)
    assert prune(environment, Limits(keep=1, max_bytes=10)) == ("t03", "t01")
    assert with_snapshot(environment) == ["t02"]


def test_a_prune_that_was_interrupted_is_finished_by_the_next(environment: Environment) -> None:
    keep(environment, 1)
    keep(environment, 2)
    folder = state_of(environment).of("t01")
    (folder / BEFORE).rename(folder / f"{BEFORE}.dropped")
    prune(environment)
    assert sorted(path.name for path in folder.iterdir()) == ["entry.json"]


def test_signatures_tell_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert signature(path) is None
    path.write_bytes(b"one")
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_234_567_891_234_567_891))
    first = signature(path)
    assert first == Signature("file", 0o640, 3, 1_234_567_891_234_567_891)
    assert signature(path / "below") is None
    path.chmod(0o600)
    assert signature(path) != first
    path.unlink()
    path.symlink_to("nowhere")
    assert signature(path) == Signature("link", target="nowhere")
    (tmp_path / "folder").mkdir(mode=0o700)
    assert signature(tmp_path / "folder") == Signature("directory", 0o700)


def test_file_changes_are_what_came_what_went_and_what_is_another(environment: Environment) -> None:
    prefix, state = environment.prefix, state_of(environment)
    for name in ("same", "replaced", "removed", "untouched", "old/only"):
        (prefix / name).parent.mkdir(exist_ok=True)
        (prefix / name).write_text(name)
    (prefix / "old").chmod(0o750)
    (prefix / "was-file").write_text("")
    folder = state.of("t01")
    folder.mkdir(parents=True)
    before = Manifest.scan(state)
    names = ("same", "replaced", "removed", "old/only", "was-file")
    snapshot = take(state, folder, linked=[prefix / name for name in names], copied=())
    (prefix / "replaced").unlink()
    (prefix / "replaced").write_text("new")
    (prefix / "removed").unlink()
    (prefix / "old" / "only").unlink()
    (prefix / "old").rmdir()
    (prefix / "was-file").unlink()
    (prefix / "was-file").mkdir()
    (prefix / "was-file" / "inner").write_text("")
    files = file_changes(state, folder, before, Manifest.scan(state), snapshot)
    assert set(files.added) == {"was-file", "was-file/inner"}
    assert set(files.replaced) == {"replaced"}
    assert set(files.removed) == {"removed", "old/only", "was-file"}
    assert files.removed_folders == {"old": 0o750}
    assert files.left["removed"] is None
    assert files.left["replaced"] == signature(prefix / "replaced")
    write_files(folder, files)
    assert read_files(folder) == files


@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"schema": 99}', b'{"added": 1}', b"\xff"])
def test_a_damaged_list_of_files_is_none(damage: bytes | None, tmp_path: Path) -> None:
    if damage is not None:
        (tmp_path / "files.json").write_bytes(damage)
    assert read_files(tmp_path) is None


# --- the restart verdict -------------------------------------------------------------------------------------------


def test_a_verdict_lies_beside_the_entry_and_changes_nothing_in_it(environment: Environment) -> None:
    name = keep(environment, 1)
    entry = state_of(environment).of(name) / "entry.json"
    before = entry.read_bytes()
    record_verdict(environment, name, make_verdict("recommended", ["tb_alpha"]))
    [found] = read_entries(environment)
    assert (found.verdict, found.verdict_modules) == ("recommended", ("tb_alpha",))
    record_verdict(environment, name, make_verdict("none", []))
    [found] = read_entries(environment)
    assert (found.verdict, found.verdict_modules) == ("none", ())
    assert entry.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema": 99, "level": "none"}', b'{"level": "perhaps"}', b"\xff"])
def test_a_damaged_verdict_is_unknown(damage: bytes, environment: Environment) -> None:
    name = keep(environment, 1)
    (state_of(environment).of(name) / "verdict.json").write_bytes(damage)
    assert [entry.verdict for entry in read_entries(environment)] == ["unknown"]


def test_what_changed_nothing_has_no_verdict(environment: Environment) -> None:
    name = keep(environment, 1, result=Result.ROLLED_BACK)
    with pytest.raises(UsageError):
        record_verdict(environment, name, make_verdict("none", []))
    assert [entry.verdict for entry in read_entries(environment)] == [""]


def test_a_face_without_a_kernel_says_so(environment: Environment) -> None:
    folder = state_of(environment).of("t01")
    folder.mkdir(parents=True)
    write_entry(folder, Entry(id="t01", started="2026-03-14T15:09:26+00:00", face="cli"))
    assert [entry.verdict for entry in read_entries(environment)] == ["no-kernel"]


def test_what_a_kernel_says_is_cut_to_a_size(environment: Environment) -> None:
    record_verdict(environment, keep(environment, 1), make_verdict("required", ["x" * 10_000] * 1_000))
    [found] = read_entries(environment)
    assert len("".join(found.verdict_modules)) <= 10_000

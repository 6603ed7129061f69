"""What others do to an environment while a transaction runs, and after it was killed: nothing of it is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.inventory import fingerprint
from jupyter_pkgmgr.model import Action, Cancellation, Change, Ecosystem, Environment, Package, ignore_events
from jupyter_pkgmgr.model.errors import EnvironmentProblem, VerificationError
from jupyter_pkgmgr.transactions import Owner, read_entries, recover
from jupyter_pkgmgr.transactions.history import read_files
from jupyter_pkgmgr.transactions.locks import prefix_lock
from jupyter_pkgmgr.transactions.state import state_of

from .test_rollback import SITE, change, environment, full, install, killed_in, recovered, tree, upgrade

__all__ = ["environment"]


def ended(how: str, environment: Environment, work: Callable[[Path], None]) -> str:
    """A transaction that doesn't get to its end; what is said of it."""
    if how == "killed":
        killed_in(environment, work)
        (said,) = recovered(environment)
        return said
    with pytest.raises(VerificationError) as caught:
        fail(environment, work)
    return "; ".join(caught.value.context)


def fail(environment: Environment, work: Callable[[Path], None]) -> None:
    with change(environment):
        work(environment.prefix)
        raise VerificationError("no good")


OTHERS = {
    "notes.ipynb": "{}",
    "results/run-1/out.csv": "1,2",
    "etc/jupyter/labconfig.json": "{}",
    "share/jupyter/kernels/mine/kernel.json": "{}",
    "var/results.sqlite": "rows",
    "share/kept.bak": "a copy",
}
"""What other programs and people write into an environment, where nothing takes it for part of a package."""
PARTS = {
    f"{SITE}/my_notes.txt": "mine",
    f"{SITE}/mine.pth": "# mine",
    f"{SITE}/mine/deep/module.py": "x = 1",
    f"{SITE}/old/mine.py": "in a package's folder",
    "bin/my-script": "#!/bin/sh",
    "include/mine.h": "int x;",
    "conda-meta/mine-1-0.json.part": "{",
}
"""The same where Python, conda or the shell would."""


def write_all(prefix: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def aside(environment: Environment) -> dict[str, str]:
    """What was moved aside, by where it was."""
    folder = state_of(environment).aside
    return {
        "/".join(path.relative_to(folder).parts[1:]): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("how", ["killed", "failed"])
def test_nothing_of_others_is_lost(how: str, environment: Environment) -> None:
    """While it runs, or between a crash and the next use: what no package of the transaction has isn't deleted."""
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        write_all(prefix, OTHERS)
        upgrade(prefix)
        (prefix / SITE / "old").unlink()
        write_all(prefix, PARTS)

    said = ended(how, environment, work)
    after = tree(environment.prefix)
    for name, content in OTHERS.items():
        assert (environment.prefix / name).read_text() == content
    assert aside(environment) == PARTS
    for name in PARTS:
        assert name not in after
    assert "moved to" in said
    assert "my_notes.txt" in said
    assert "sqlite" not in said
    assert "moved to" in read_entries(environment)[0].message
    new = {name for name in after if name in OTHERS or any(other.startswith(f"{name}/") for other in OTHERS)}
    changed = {"etc", "share"}  # the times of folders that have something new
    assert {name: item for name, item in after.items() if name not in new | changed} == {
        name: item for name, item in before.items() if name not in new | changed
    }


@pytest.mark.parametrize("how", ["killed", "failed"])
def test_what_somebody_else_installed_stays(how: str, environment: Environment) -> None:
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        upgrade(prefix)
        files = {f"{SITE}/other/__init__.py": "", "bin/other": "#!", "share/other/data": "1", "etc/other.conf": ""}
        write_all(prefix, files)
        install(prefix, "other", "1.0", "other/__init__.py", *(f"../../../{name}" for name in list(files)[1:]))
        write_all(prefix, {"share/c/data": "1", "lib/libc.so": "1"})
        record = {"name": "c", "files": ["share/c/data", "lib/libc.so"]}
        (prefix / "conda-meta/c-2-0.json").write_text(json.dumps(record))

    said = ended(how, environment, work)
    assert "kept what was installed meanwhile: other 1.0, c 2" in said
    assert "moved" not in said
    after = tree(environment.prefix)
    assert {name for name in after if name not in before} == {
        *(f"{SITE}/{name}" for name in ("other", "other/__init__.py", "other-1.0.dist-info")),
        *(f"{SITE}/other-1.0.dist-info/{name}" for name in ("METADATA", "RECORD")),
        *("bin/other", "share/other", "share/other/data", "etc/other.conf"),
        *("share/c", "share/c/data", "lib/libc.so", "conda-meta/c-2-0.json"),
    }
    assert not [name for name, item in before.items() if item[0] != "folder" and after.get(name) != item]
    assert not state_of(environment).aside.exists()


def test_an_upgrade_by_somebody_else_of_another_package_stays(environment: Environment) -> None:
    """The files of its old version are gone by their hand: that is no loss, and their folders don't come back."""
    prefix = environment.prefix
    write_all(prefix, {f"{SITE}/other/one.py": "1"})
    install(prefix, "other", "1.0", "other/one.py")

    def work(_: Path) -> None:
        upgrade(prefix)
        shutil.rmtree(prefix / SITE / "other")
        shutil.rmtree(prefix / SITE / "other-1.0.dist-info")
        write_all(prefix, {f"{SITE}/other/two.py": "2"})
        install(prefix, "other", "2.0", "other/two.py")

    killed_in(environment, work)
    (said,) = recovered(environment)
    assert "kept what was installed meanwhile: other 2.0" in said
    assert [path.name for path in (prefix / SITE).glob("other-*")] == ["other-2.0.dist-info"]
    assert [path.name for path in (prefix / SITE / "other").iterdir()] == ["two.py"]


def test_half_of_a_wheel_does_not_stay_importable(environment: Environment) -> None:
    """Its list of files may not be there yet: then its modules are known, and what isn't is moved aside."""

    def work(prefix: Path) -> None:
        write_all(prefix, {f"{SITE}/new/x.py": "x", f"{SITE}/_new_speedups.so": "x", "bin/new-command": "x"})

    killed_in(environment, work)
    recovered(environment)
    assert not (environment.prefix / SITE / "new").exists()
    assert aside(environment) == {f"{SITE}/_new_speedups.so": "x", "bin/new-command": "x"}


def test_what_pip_renamed_before_it_deletes_it_needs_no_keeping(environment: Environment) -> None:
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        (prefix / SITE / "old").rename(prefix / SITE / "~ld")
        (prefix / SITE / "old-1.dist-info").rename(prefix / SITE / "~ld-1.dist-info")
        (prefix / SITE / "new-1.dist-info").mkdir()
        (prefix / SITE / ".tmpAb12Cd").write_text("uv's")
        write_all(prefix, {".refprobe-dIV0IA/src": "rattler's"})

    killed_in(environment, work)
    assert "moved" not in recovered(environment)[0]
    assert tree(environment.prefix) == before
    assert not state_of(environment).aside.exists()


def test_what_conda_renamed_before_it_deletes_it_needs_no_keeping(environment: Environment) -> None:
    """But a name alone proves nothing: an editor keeps the last version of ``x.c`` as ``x.c~``."""
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        for name in ("etc/old.conf", "share/dangling", f"{SITE}/old/Data.txt"):
            (prefix / name).rename(prefix / f"{name}.c~")
        record = next((prefix / "conda-meta").glob("*.json"))
        shutil.copy2(record, f"{record}.c~")
        write_all(prefix, {".condatmp/0b23b8c5-dffc-4d40-aee1-44434ffad83b": "conda's", "mine/x.c~": "mine"})

    killed_in(environment, work)
    assert "moved" not in recovered(environment)[0]
    after = tree(environment.prefix)
    assert [after.pop(name)[0] for name in ("mine", "mine/x.c~")] == ["folder", "file"]
    assert after == before


LINKED = Package(name="linked", version="1", build="0", ecosystem=Ecosystem.CONDA)


def in_cache(cache: Path, *places: str) -> None:
    """Unpack the package that a transaction is about to link."""
    info = cache / "linked-1-0" / "info"
    info.mkdir(parents=True)
    (info / "paths.json").write_text(json.dumps({"paths": [{"_path": place} for place in places]}))


def killed_in_linking(environment: Environment, work: Callable[[Path], None]) -> None:
    killed_in(environment, work, (Change(action=Action.INSTALL, before=None, after=LINKED),), Ecosystem.CONDA)


@pytest.fixture
def cache(clean_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where conda's packages are unpacked; it isn't there yet."""
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    return tmp_path / "pkgs"


def test_folders_that_were_made_for_a_package_go_with_it(environment: Environment, cache: Path) -> None:
    """Rattler makes all of them first, and writes a record under another name."""
    in_cache(cache, "etc/linked/a.conf", "opt/linked/b", "bin/linked")
    before = tree(environment.prefix)

    def work(prefix: Path) -> None:
        for name in ("etc/linked", "opt/linked"):
            (prefix / name).mkdir(parents=True)
        write_all(prefix, {"bin/linked": "", "conda-meta/prefix_record_ncRKBp": "{"})

    killed_in_linking(environment, work)
    assert "moved" not in recovered(environment)[0]
    assert tree(environment.prefix) == before
    assert not state_of(environment).aside.exists()


def test_where_no_package_was_ever_fetched_nothing_else_is_taken_for_its_files(
    environment: Environment, cache: Path
) -> None:
    killed_in_linking(environment, lambda prefix: write_all(prefix, OTHERS))
    assert "moved" not in recovered(environment)[0]
    for name, content in OTHERS.items():
        assert (environment.prefix / name).read_text() == content
    assert not cache.exists()


def test_if_a_cache_has_gone_since_nobody_knows_what_was_linked(environment: Environment, cache: Path) -> None:
    in_cache(cache, "share/linked/data")

    def work(prefix: Path) -> None:
        write_all(prefix, {"share/linked/data": "linked", "share/mine/notes": "mine"})
        shutil.rmtree(cache)

    killed_in_linking(environment, work)
    assert "moved" in recovered(environment)[0]
    assert aside(environment) == {"share/linked/data": "linked", "share/mine/notes": "mine"}


def test_a_rollback_that_is_begun_again_overwrites_nothing_that_it_moved(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in(environment, lambda prefix: write_all(prefix, {f"{SITE}/mine/a.py": "first"}))
    with monkeypatch.context() as patch:
        patch.setattr("jupyter_pkgmgr.transactions.rollback.write_entry", full)
        patch.setattr("jupyter_pkgmgr.transactions.rollback.remove_journal", stopped)
        with pytest.raises(KeyboardInterrupt):
            recovered(environment)
    write_all(environment.prefix, {f"{SITE}/mine/a.py": "second", f"{SITE}/mine/b.py": "third"})
    (said,) = recovered(environment)
    found = [path.read_text() for path in state_of(environment).aside.rglob("*.py")]
    assert sorted(found) == ["first", "second", "third"]
    assert said.count("moved to") == 2
    assert not (environment.prefix / SITE / "mine").exists()


def stopped(_: object) -> None:
    raise KeyboardInterrupt


def test_no_undo_takes_away_what_others_wrote_while_the_change_ran(environment: Environment) -> None:
    def work(prefix: Path) -> None:
        upgrade(prefix)
        write_all(prefix, OTHERS)
        write_all(prefix, {f"{SITE}/other.py": ""})
        install(prefix, "other", "1.0", "other.py")

    with change(environment):
        work(environment.prefix)
    (entry,) = read_entries(environment)
    files = read_files(state_of(environment).of(entry.id))
    assert files is not None
    assert not [place for place in files.added if place in OTHERS or "other" in place or "jupyter" in place]
    assert {f"{SITE}/new/x.py", f"{SITE}/new", "bin/old", "bin/old/inner", f"{SITE}/new-1.dist-info/RECORD"} <= set(
        files.added
    )


# --- others have gone on -------------------------------------------------------------------------------------------


def days_later(environment: Environment) -> None:
    """The transaction hasn't been alive for long."""
    for folder in state_of(environment).transactions.iterdir():
        os.utime(folder / "journal.json", ns=(10**18, 10**18))


def new_by_hand(prefix: Path) -> None:
    write_all(prefix, {f"{SITE}/new/__init__.py": "by hand"})
    install(prefix, "new", "1", "new/__init__.py")


def needs_new(prefix: Path) -> None:
    install(prefix, "other", "1.0")
    (prefix / SITE / "other-1.0.dist-info/METADATA").write_text("Name: other\nVersion: 1.0\nRequires-Dist: new>=1\n\n")


@pytest.mark.parametrize(
    ("work", "line"),
    [
        (new_by_hand, "new 1 was installed since"),
        (needs_new, "other 1.0, installed since, needs new>=1"),
    ],
)
@pytest.mark.parametrize("decision", ["back", "keep"])
def test_going_back_over_what_others_have_done_is_for_them_to_decide(
    decision: str, work: Callable[[Path], None], line: str, environment: Environment
) -> None:
    before = tree(environment.prefix)
    killed_in(environment, lambda _: None)
    days_later(environment)
    work(environment.prefix)
    now = tree(environment.prefix)
    for _ in range(2):
        with pytest.raises(EnvironmentProblem) as caught:
            recovered(environment)
        assert (caught.value.reference, caught.value.context) == ("overtaken", (line,))
        assert tree(environment.prefix) == now
    with pytest.raises(EnvironmentProblem), change(environment):
        pytest.fail("nobody may change it before that is decided")
    keep, (go_back,) = state_of(environment).journal, state_of(environment).transactions.glob("*/journal.json")
    assert f"to keep what is there: delete {keep}, " in str(caught.value.hint)
    assert str(caught.value.hint).endswith(f"to go back to before it all the same: delete {go_back}")
    back = decision == "back"
    (go_back if back else keep).unlink()
    assert len(recovered(environment)) == back
    if not back:
        assert tree(environment.prefix) == now
    elif work is new_by_hand:
        assert {name: item[0] for name, item in tree(environment.prefix).items()} == {
            name: item[0] for name, item in before.items()
        }
    else:
        assert (environment.prefix / SITE / "other-1.0.dist-info").exists()


def all_of_it(prefix: Path) -> None:
    """What the engine was to do."""
    new_by_hand(prefix)
    shutil.rmtree(prefix / SITE / "old-1.dist-info")
    (prefix / SITE / "old/__init__.py").unlink()
    write_all(prefix, {f"{SITE}/old/__init__.py": "VERSION = 2\n"})
    install(prefix, "old", "2", "old/__init__.py")


def test_what_an_engine_finished_long_after_its_caller_died_is_done(environment: Environment) -> None:
    killed_in(environment, lambda _: None)
    days_later(environment)
    all_of_it(environment.prefix)
    now = tree(environment.prefix)
    (said,) = recovered(environment)
    assert "was interrupted, but all of it is there" in said
    assert tree(environment.prefix) == now
    assert recovered(environment) == []
    (entry,) = read_entries(environment)
    assert (entry.committed, entry.has_snapshot, entry.fingerprint) == (True, True, fingerprint(environment))
    files = read_files(state_of(environment).of(entry.id))
    assert files is not None
    assert f"{SITE}/old/__init__.py" in files.replaced
    assert f"{SITE}/new/__init__.py" in files.added


@pytest.mark.parametrize("missing", ["new/__init__.py", "new-1.dist-info/RECORD"])
def test_what_is_not_whole_is_not_done(missing: str, environment: Environment) -> None:
    killed_in(environment, lambda _: None)
    days_later(environment)
    all_of_it(environment.prefix)
    (environment.prefix / SITE / missing).unlink()
    with pytest.raises(EnvironmentProblem) as caught:
        recovered(environment)
    assert caught.value.reference == "overtaken"


def test_whoever_waits_for_an_engine_knows_that_it_was_alive(environment: Environment) -> None:
    """It may have outlived its ``%pkg`` for long: what it wrote last is not somebody else's."""
    before = tree(environment.prefix)
    killed_in(environment, lambda _: None)
    days_later(environment)
    new_by_hand(environment.prefix)
    with prefix_lock(environment, Owner.here(), events=ignore_events, cancel=Cancellation()):
        assert recover(environment, Owner.here(), events=ignore_events, cancel=Cancellation(), wait=False) is None
    assert len(recovered(environment)) == 1
    assert not (environment.prefix / SITE / "new").exists()
    assert set(tree(environment.prefix)) == set(before)

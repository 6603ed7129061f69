"""uv and pip give the same end for the same request: one table for both, over real environments and a real index."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import Action, EventKind, Options, Origin, OriginKind, Phase, Verb
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    EngineError,
    InvalidSpecError,
    PkgError,
    PolicyError,
    VerificationError,
    VersionNotFoundError,
)
from testbed.environments import available_interpreters, make_venv
from testbed.index import Server, serve
from testbed.wheels import make_sdist, make_wheel
from tests.engines import pypi
from tests.engines.pypi import Bench, bench, fill, for_both, project, summary, tree_hash

engine, on, own_settings = pypi.engine, pypi.on, pypi.own_settings
server, wheels = pypi.server, pypi.wheels

Step = Callable[[Bench], object]
TABLE: dict[str, tuple[list[Step], dict[str, str], set[str]]] = {
    "install": ([lambda b: b.install("foo")], {"foo": "2.0", "bar": "2.0"}, {"foo"}),
    "exact": ([lambda b: b.install("foo==1.0", "bar==1.0")], {"foo": "1.0", "bar": "1.0"}, {"foo", "bar"}),
    "only if needed": (
        [lambda b: b.install("foo==1.0", "bar==1.0"), lambda b: b.install("foo", options=Options(upgrade=True))],
        {"foo": "2.0", "bar": "1.0"},
        {"foo", "bar"},
    ),
    "satisfied": ([lambda b: b.install("foo==1.0"), lambda b: b.install("foo")], {"foo": "1.0", "bar": "2.0"}, {"foo"}),
    "downgrade": (
        [lambda b: b.install("foo"), lambda b: b.install("foo<2")],
        {"foo": "1.1", "bar": "2.0"},
        {"foo"},
    ),
    "dependency moves and stays a dependency": (
        [lambda b: b.install("foo"), lambda b: b.install("oldbar")],
        {"foo": "2.0", "bar": "1.0", "oldbar": "1.0"},
        {"foo", "oldbar"},
    ),
    "pre": ([lambda b: b.install("foo", options=Options(pre=True))], {"foo": "3.0a1", "bar": "2.0"}, {"foo"}),
    "no deps": ([lambda b: b.install("foo", options=Options(no_deps=True))], {"foo": "2.0"}, {"foo"}),
    "extras and markers": ([lambda b: b.install("extra[more]")], {"extra": "1.0", "bar": "2.0"}, {"extra"}),
    "marker that is false": (
        [lambda b: b.install("foo; python_version < '3'", "bar")],
        {"bar": "2.0"},
        {"bar"},
    ),
    "odd name and local version": ([lambda b: b.install("odd_name")], {"odd-name": "1.0+local.1"}, {"odd-name"}),
    "wheel on disk": (
        [lambda b: b.install(str(b.wheels / "foo-1.0-py3-none-any.whl"))],
        {"foo": "1.0", "bar": "2.0"},
        {"foo"},
    ),
    "wheel at a URL": (
        [lambda b: b.install(f"{b.server.url}/files/foo-1.0-py3-none-any.whl")],
        {"foo": "1.0", "bar": "2.0"},
        {"foo"},
    ),
    "named URL": (
        [lambda b: b.install(f"foo @ {b.server.url}/files/foo-1.0-py3-none-any.whl", "bar<2")],
        {"foo": "1.0", "bar": "1.0"},
        {"foo", "bar"},
    ),
    "remove leaves dependencies": (
        [lambda b: b.install("foo"), lambda b: b.do(Verb.REMOVE, "Foo")],
        {"bar": "2.0"},
        set(),
    ),
    "update one": (
        [lambda b: b.install("foo==1.0", "bar==1.0"), lambda b: b.do(Verb.UPDATE, "foo")],
        {"foo": "2.0", "bar": "1.0"},
        {"foo", "bar"},
    ),
    "update a dependency": (
        [
            lambda b: b.install("foo"),
            lambda b: b.install("oldbar"),
            lambda b: b.do(Verb.REMOVE, "oldbar"),
            lambda b: b.do(Verb.UPDATE, "bar"),
        ],
        {"foo": "2.0", "bar": "2.0"},
        {"foo"},
    ),
    "update all": (
        [lambda b: b.install("foo==1.0", "bar==1.0"), lambda b: b.do(Verb.UPDATE)],
        {"foo": "2.0", "bar": "2.0"},
        {"foo", "bar"},
    ),
    "update all leaves what came from a URL": (
        [lambda b: b.install(str(b.wheels / "bar-1.0-py3-none-any.whl"), "foo==1.0"), lambda b: b.do(Verb.UPDATE)],
        {"foo": "2.0", "bar": "1.0"},
        {"foo", "bar"},
    ),
}


PIP_TABLE = {
    "dependency moves and stays a dependency",
    "downgrade",
    "extras and markers",
    "install",
    "named URL",
    "no deps",
    "odd name and local version",
    "only if needed",
    "pre",
    "remove leaves dependencies",
    "update all leaves what came from a URL",
}


@pytest.mark.parametrize(("engine", "case"), for_both(TABLE, pip=PIP_TABLE), indirect=["engine"])
def test_same_request_same_end(on: Bench, case: str) -> None:
    (*before, last), installed, requested = TABLE[case]
    for step in before:
        step(on.by_uv())
    last(on)
    assert on.installed() == installed
    assert on.requested() == requested


def test_plan_tells_before_and_after(on: Bench) -> None:
    on.by_uv().install("foo==1.0")
    plan = on.plan(on.request(Verb.INSTALL, "foo==2.0", "bar<2", "extra"))
    assert summary(plan) == {
        (Action.UPGRADE, "foo", "1.0", "2.0"),
        (Action.DOWNGRADE, "bar", "2.0", "1.0"),
        (Action.INSTALL, "extra", "", "1.0"),
    }
    assert all(change.requested for change in plan.changes)
    assert {change.package.origin.location for change in plan.changes} == {on.server.index_url}


def test_plan_changes_nothing(on: Bench) -> None:
    on.by_uv().install("foo==1.0")
    before = tree_hash(on.environment.prefix)
    on.plan(on.request(Verb.INSTALL, "foo", options=Options(upgrade=True)))
    on.plan(on.request(Verb.REMOVE, "foo"))
    on.plan(on.request(Verb.UPDATE))
    assert tree_hash(on.environment.prefix) == before


def test_nothing_to_do(on: Bench) -> None:
    on.by_uv().install("foo")
    plan = on.plan(on.request(Verb.INSTALL, "foo>=1"))
    assert plan.changes == ()
    before = tree_hash(on.environment.prefix)
    on.apply(plan)
    assert tree_hash(on.environment.prefix) == before


def test_apply_installs_what_the_plan_said_though_the_index_moved_on(engine: str, tmp_path: Path) -> None:
    folder = fill(tmp_path / "index")
    with serve(folder) as server:
        here = bench(engine, make_venv(tmp_path / "env"), server, folder)
        plan = here.plan(here.request(Verb.INSTALL, "foo"))
        make_wheel(folder, "foo", "4.0")
        make_wheel(folder, "bar", "4.0")
        here.apply(plan)
        assert here.installed() == {"foo": "2.0", "bar": "2.0"}


def test_apply_says_so_where_the_environment_moved_on(on: Bench) -> None:
    plan = on.plan(on.request(Verb.INSTALL, "foo"))
    on.by_uv().install("bar==2.0")
    with pytest.raises(VerificationError) as caught:
        on.apply(plan)
    assert caught.value.context == ("bar: planned 2.0, got nothing",)


def test_force_reinstall_restores_a_damaged_file(on: Bench) -> None:
    on.by_uv().install("bar")
    module = on.site / "bar" / "__init__.py"
    module.unlink()
    module.write_text("broken")
    plan = on.install("bar", options=Options(force_reinstall=True))
    assert summary(plan) == {(Action.REINSTALL, "bar", "2.0", "2.0")}
    assert module.read_text() == '__version__ = "2.0"\n'


@pytest.mark.parametrize("folder", ["plain", "with space, $HOME & ünï"])
def test_project_folder_and_editable(on: Bench, tmp_path: Path, folder: str) -> None:
    source = project(tmp_path / folder)
    plan = on.install(str(source))
    (change,) = plan.changes
    assert (change.after and change.after.origin) == Origin(kind=OriginKind.PATH, location=str(source))
    assert (change.package.name, change.package.version, change.requested) == ("proj", "0.1", True)
    (change,) = on.do(Verb.INSTALL, editables=(str(source),)).changes
    assert change.action is Action.REINSTALL
    assert change.after is not None
    assert change.after.origin.kind is OriginKind.EDITABLE
    assert (on.site / "proj.pth").read_text() == str(source)
    assert on.requested() == {"proj"}


def test_vcs_is_applied_at_the_planned_commit(on: Bench, tmp_path: Path) -> None:
    source = project(tmp_path / "repo")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]

    def commit(text: str) -> str:
        (source / "note").write_text(text)
        for arguments in (["add", "-A"], ["commit", "-qm", text]):
            subprocess.run([*git, *arguments], cwd=source, check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=source, check=True, capture_output=True, text=True)
        return head.stdout.strip()

    subprocess.run([*git, "init", "-q"], cwd=source, check=True)
    first = commit("one")
    plan = on.plan(on.request(Verb.INSTALL, f"proj @ git+file://{source}@main"))
    assert plan.changes[0].package.origin.kind is OriginKind.VCS
    commit("two")
    on.apply(plan)
    assert first in (on.site / "proj-0.1.dist-info" / "direct_url.json").read_text()
    assert on.requested() == {"proj"}


# --- held packages ---------------------------------------------------------------------------------------------


def test_held_package_decides_what_else_fits(on: Bench) -> None:
    on.by_uv().install("bar==1.0")
    plan = on.plan(on.request(Verb.INSTALL, "foo", held=("bar==1.0",), options=Options(upgrade=True)))
    assert summary(plan) == {(Action.INSTALL, "foo", "", "2.0")}


@pytest.mark.parametrize(
    "spec", ["bar>=2", "{wheels}/bar-2.0-py3-none-any.whl", "bar @ {url}/files/bar-2.0-py3-none-any.whl"]
)
def test_held_package_is_never_replaced(on: Bench, spec: str) -> None:
    on.by_uv().install("bar==1.0")
    spec = spec.format(wheels=on.wheels, url=on.server.url)
    with pytest.raises(ConflictError) as caught:
        on.plan(on.request(Verb.INSTALL, spec, held=("bar==1.0",)))
    assert caught.value.reference == "held"


def test_held_package_is_left_out_of_a_forced_reinstall_and_of_updates(on: Bench) -> None:
    on.by_uv().install("foo==1.0", "bar==1.0")
    forced = on.plan(on.request(Verb.INSTALL, "foo==1.0", held=("bar==1.0",), options=Options(force_reinstall=True)))
    assert summary(forced) == {(Action.REINSTALL, "foo", "1.0", "1.0")}
    updated = on.plan(on.request(Verb.UPDATE, held=("bar==1.0",)))
    assert summary(updated) == {(Action.UPGRADE, "foo", "1.0", "2.0")}
    with pytest.raises(ConflictError):
        on.plan(on.request(Verb.REMOVE, "bar", held=("bar==1.0",)))


# --- settings --------------------------------------------------------------------------------------------------


def test_index_with_credentials(on: Bench) -> None:
    on.server.auth = ("user", "s3cret")
    indexes = IndexSettings(index_url=f"{on.server.auth_url}/simple/")
    plan = on.plan(on.request(Verb.INSTALL, "foo", indexes=indexes))
    on.apply(plan)
    assert on.installed() == {"foo": "2.0", "bar": "2.0"}
    texts = [event.message + event.package for event in on.events] + [str(change) for change in plan.changes]
    assert not [text for text in texts if "s3cret" in text]
    with pytest.raises(PkgError) as caught:
        on.plan(on.request(Verb.INSTALL, "nosuch", indexes=indexes))
    assert "s3cret" not in str(caught.value.to_json())


def test_credentials_are_not_in_argv(on: Bench) -> None:
    on.server.auth = ("user", "s3cret")
    on.server.latency = 300
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for child in psutil.Process().children(recursive=True):
                try:
                    seen.add(" ".join(child.cmdline()))
                except psutil.Error:
                    continue
            done.wait(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        on.plan(on.request(Verb.INSTALL, "bar", indexes=IndexSettings(index_url=f"{on.server.auth_url}/simple/")))
    finally:
        done.set()
        watcher.join()
    assert any("--dry-run" in line for line in seen)
    assert not [line for line in seen if "s3cret" in line]


def test_best_version_of_all_indexes_and_find_links(on: Bench, tmp_path: Path) -> None:
    extra, links = tmp_path / "extra", tmp_path / "with space"
    extra.mkdir()
    links.mkdir()
    make_wheel(extra, "bar", "1.5")
    make_wheel(links, "foo", "2.5", requires=["bar"])
    with serve(extra) as second:
        indexes = IndexSettings(
            index_url=second.index_url, extra_index_urls=(on.server.index_url,), find_links=(str(links),)
        )
        plan = on.plan(on.request(Verb.INSTALL, "foo", indexes=indexes))
        on.apply(plan)
    assert on.installed() == {"foo": "2.5", "bar": "2.0"}


def test_options_replace_the_index_and_files_constrain(on: Bench, tmp_path: Path) -> None:
    file = tmp_path / "constraints.txt"
    file.write_text("bar<2\n")
    options = Options(index_url=on.server.index_url, constraints=(file,))
    nowhere = IndexSettings(index_url="http://127.0.0.1:1/simple/")
    on.apply(on.plan(on.request(Verb.INSTALL, "foo", indexes=nowhere, options=options)))
    assert on.installed() == {"foo": "2.0", "bar": "1.0"}


def test_nothing_redirects_an_install(on: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_TARGET", "UV_PREFIX", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.setenv(name, str(elsewhere))
    for name in (
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
        "UV_SYSTEM_PYTHON",
        "PIP_NO_INDEX",
        "UV_NO_INDEX",
        "PIP_DRY_RUN",
    ):
        monkeypatch.setenv(name, "1")
    for folder, file, text in (
        ("pip", "pip.conf", f"[install]\ntarget = {elsewhere}\n"),
        ("uv", "uv.toml", f'[pip]\ntarget = "{elsewhere}"\n'),
    ):
        settings = tmp_path / "home" / folder
        settings.mkdir(parents=True)
        (settings / file).write_text(text)
    on.install("foo")
    assert on.installed() == {"foo": "2.0", "bar": "2.0"}
    assert not elsewhere.exists()


def test_ten_thousand_specs(on: Bench) -> None:
    specs = ["bar", *(f"package-{number}==1.0 ; python_version < '3'" for number in range(10_000))]
    assert summary(on.plan(on.request(Verb.INSTALL, *specs))) == {(Action.INSTALL, "bar", "", "2.0")}


@pytest.mark.parametrize(
    "spec",
    ["foo --index-url=http://x", "--target=x", "-r other.txt", "foo\n-r other.txt", "foo @ http://${HOME}/x", "foo \\"],
)
def test_a_spec_is_never_an_option(on: Bench, spec: str) -> None:
    with pytest.raises(InvalidSpecError):
        on.plan(on.request(Verb.INSTALL, spec))


def test_no_build_refuses_projects(on: Bench, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no-build"):
        on.plan(on.request(Verb.INSTALL, str(project(tmp_path / "proj")), options=Options(no_build=True)))


# --- events ----------------------------------------------------------------------------------------------------


def test_events_tell_phases_and_packages(on: Bench) -> None:
    on.by_uv().install("foo==1.0")
    on.events.clear()
    on.install("foo==2.0")
    phases = [event.phase for event in on.events if event.kind is EventKind.PHASE]
    assert phases == [Phase.SOLVE, Phase.DOWNLOAD, Phase.LINK]
    unlinked = [event for event in on.events if event.kind is EventKind.PACKAGE and event.phase is Phase.UNLINK]
    assert [(event.package, event.state) for event in unlinked] == [("foo", "finished")]


def test_download_of_something_big_is_told(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "big", files={"big/data.bin": os.urandom(3_000_000)})
    with serve(folder) as server:
        here = bench(engine, make_venv(tmp_path / "env"), server, folder)
        here.install("big")
    told = [event for event in here.events if event.kind is EventKind.PACKAGE and event.phase is Phase.DOWNLOAD]
    assert {event.package for event in told} == {"big"}
    assert {"started", "finished"} <= {event.state for event in told}
    assert any(event.total and event.total > 2_900_000 for event in told)


# --- interpreters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [minor for minor in ("3.8", "3.13") if minor in available_interpreters()])
@pytest.mark.parametrize("own_pip", [True, False])
def test_other_pythons(engine: str, minor: str, *, own_pip: bool, tmp_path: Path, server: Server, wheels: Path) -> None:
    python = make_venv(tmp_path / "env", available_interpreters()[minor], pip=own_pip)
    here = bench(engine, python, server, wheels)
    if engine == "pip" and minor == "3.8" and not own_pip:
        with pytest.raises(EngineError, match="pip can't work"):
            here.install("foo")
        return
    here.by_uv().install("foo==1.0")
    here.install("foo", options=Options(upgrade=True))
    here.by_uv().do(Verb.REMOVE, "bar")
    assert here.installed() == {"foo": "2.0"}
    assert here.requested() == {"foo"}


def test_engines_fit_the_protocol(on: Bench) -> None:
    assert isinstance(on.engine, Engine)
    assert on.engine.info().problem == ""


def test_no_python(on: Bench) -> None:
    request = on.request(Verb.INSTALL, "foo")
    on.environment = replace(on.environment, python=None)
    with pytest.raises(PkgError) as caught:
        on.plan(request)
    assert caught.value.reference == "no-python"


def test_source_distribution_that_cannot_be_built_without_network(engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    make_sdist(folder, "fromsource", "1.0")
    with serve(folder) as server:
        here = bench(engine, make_venv(tmp_path / "env"), server, folder)
        with pytest.raises(PkgError) as caught:
            here.plan(here.request(Verb.INSTALL, "fromsource", options=Options(no_build=True)))
    assert isinstance(caught.value, {"uv": PolicyError, "pip": VersionNotFoundError}[engine])

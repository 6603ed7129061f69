"""The embedded engine beside a real conda, on one channel: same packages, and a history that conda understands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.engines.rattler import RattlerEngine
from jupyter_pkgmgr.environments.history import read_history
from jupyter_pkgmgr.model import Verb
from testbed.channel import Channel
from tests.engines import rattler_bench
from tests.engines.rattler_bench import Bench, conda_settings, package

pytestmark = pytest.mark.executable("conda")

INSTALL, UPDATE, REMOVE = Verb.INSTALL, Verb.UPDATE, Verb.REMOVE
engine = rattler_bench.engine


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    return (
        Channel(tmp_path_factory.mktemp("channel"))
        .add(
            *(package("lib", version) for version in ("1.0", "1.1", "2.0")),
            package("app", "1.0", "lib >=1,<2"),
            package("app", "2.0", "lib >=2"),
            package("tool", "1.0", "lib"),
            package("helper", "1.0"),
            package("helper", "1.1"),
            package("suite", "1.0", "tool", "helper"),
            package("alone", "1.0"),
        )
        .index()
    )


@pytest.fixture
def bench(engine: RattlerEngine, channel: Channel, tmp_path: Path, clean_settings: Path) -> Bench:
    settings = f"channels: ['{channel.url}']\npkgs_dirs: ['{tmp_path / 'pkgs'}']\naggressive_update_packages: []\n"
    # a solver that conda's own default can't be loaded for is the machine's business: it may name another
    settings += "".join(f"solver: {os.environ[name]}\n" for name in ("TESTBED_CONDA_SOLVER",) if name in os.environ)
    (clean_settings / ".condarc").write_text(settings, encoding="utf-8")
    return Bench(engine=engine, prefix=tmp_path / "ours", settings=conda_settings(channel.url), channel=channel)


def conda(*arguments: str) -> Any:
    """Run conda; its JSON answer."""
    executable = shutil.which("conda")
    assert executable
    done = subprocess.run([executable, *arguments, "--json"], capture_output=True, text=True, check=False)
    # py-rattler, if it is conda's solver, can crash when the interpreter ends, after the work
    assert done.returncode in (0, -6, -11), done.stdout + done.stderr
    return json.loads(done.stdout)


def run_conda(prefix: Path, verb: Verb, *specs: str) -> None:
    # conda alone updates what is satisfied already; mamba and the embedded engine don't
    extra = ["--satisfied-skip-solve"] if verb is INSTALL else []
    conda(verb.value, "-y", "-p", str(prefix), *extra, *(specs or ("--all",)))


REQUESTS: tuple[tuple[Verb, tuple[str, ...]], ...] = (
    (INSTALL, ("app=1.0", "helper=1.0")),
    (INSTALL, ("suite",)),
    (INSTALL, ("helper",)),
    (INSTALL, ("alone",)),
    (UPDATE, ("helper",)),
    (UPDATE, ()),
    (INSTALL, ("app=1.0",)),
    (INSTALL, ("app=2.0",)),
    (REMOVE, ("suite",)),
    (REMOVE, ("lib",)),
)


def test_the_same_requests_end_in_the_same_packages(bench: Bench, tmp_path: Path) -> None:
    theirs = replace(bench, prefix=tmp_path / "theirs")
    conda("create", "-y", "-p", str(theirs.prefix))
    for verb, specs in REQUESTS:
        run_conda(theirs.prefix, verb, *specs)
        bench.do(verb, *specs)
        assert bench.installed() == theirs.installed(), (verb, specs)


def test_conda_reads_our_history(bench: Bench) -> None:
    bench.do(INSTALL, "app=1.0", "helper")
    bench.do(INSTALL, "tool")
    bench.do(INSTALL, "app=2.0")
    bench.do(REMOVE, "helper")
    revisions = conda("list", "--revisions", "-p", str(bench.prefix))
    where = f"{bench.channel.url}/noarch"
    told = [
        {key: revision[key] for key in ("install", "remove", "upgrade", "downgrade") if revision[key]}
        for revision in revisions
    ]
    assert told == [
        {"install": [f"app-1.0-0-{where}", f"helper-1.1-0-{where}", f"lib-1.1-0-{where}"]},
        {"install": [f"tool-1.0-0-{where}"]},
        {
            "upgrade": [
                {"old": f"app-1.0-0-{where}", "new": f"app-2.0-0-{where}"},
                {"old": f"lib-1.1-0-{where}", "new": f"lib-2.0-0-{where}"},
            ]
        },
        {"remove": [f"helper-1.1-0-{where}"]},
    ]
    exported = conda("env", "export", "--from-history", "-p", str(bench.prefix))
    assert exported["dependencies"] == ["app=2.0", "tool"]


def test_conda_goes_on_where_we_ended(bench: Bench) -> None:
    bench.do(INSTALL, "app=1.0")
    run_conda(bench.prefix, INSTALL, "alone")
    history = read_history(bench.prefix / "conda-meta/history")
    assert history.revisions[-1].lines == (f"+{bench.channel.url}/noarch::alone-1.0-0",)
    assert bench.installed() == {"app": "1.0", "lib": "1.1", "alone": "1.0"}
    bench.do(REMOVE, "app")
    assert read_history(bench.prefix / "conda-meta/history").requested_specs() == {"alone": "alone"}


def test_we_go_on_where_conda_ended(bench: Bench) -> None:
    conda("create", "-y", "-p", str(bench.prefix), "suite", "lib=1.0")
    bench.do(REMOVE, "suite")
    assert bench.installed() == {"lib": "1.0"}
    revision = read_history(bench.prefix / "conda-meta/history").revisions[-1]
    assert {line.rpartition("::")[2] for line in revision.unlinked} == {"suite-1.0-0", "tool-1.0-0", "helper-1.1-0"}
    assert not revision.linked


def test_conda_overlooks_our_package_cache(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    bench.settings = replace(bench.settings, pkgs_dirs=(cache,))
    bench.do(INSTALL, "app")
    assert (cache / ".rattler" / "app-2.0-0").is_dir()
    run_conda(bench.prefix, INSTALL, "alone")
    conda("clean", "-y", "--packages", "--tarballs")
    assert (cache / ".rattler" / "app-2.0-0").is_dir()
    bench.do(INSTALL, "tool")
    assert {"app", "alone", "tool"} <= bench.installed().keys()

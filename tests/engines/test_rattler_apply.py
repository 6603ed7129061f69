"""The embedded engine against servers that fail, disks that are full, workers that die, and each other."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines import rattler_process
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.engines.rattler import RattlerEngine
from jupyter_pkgmgr.model import Action, Cancellation, EventKind, Phase, Verb, ignore_events
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    DiskFullError,
    EngineKilledError,
    PkgError,
    PlanOutdatedError,
    PolicyError,
    UnknownFormatError,
    UnreachableError,
    UsageError,
)
from testbed.channel import Channel
from testbed.index import Fault, Server, serve_files
from tests.engines import rattler_bench
from tests.engines.rattler_bench import Bench, conda_settings, package

INSTALL, UPDATE, REMOVE = Verb.INSTALL, Verb.UPDATE, Verb.REMOVE
engine = rattler_bench.engine


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    noise = random.Random(1).randbytes(400_000)  # noqa: S311  noise that can't be compressed
    channel = Channel(tmp_path_factory.mktemp("channel"))
    return channel.add(
        *(package(f"part-{number}", "1.0") for number in range(12)),
        package("whole", "1.0", *(f"part-{number}" for number in range(12))),
        package("lib", "1.0"),
        package("lib", "2.0"),
        replace(package("big", "1.0"), files={"share/big.bin": noise}),
    ).index()


@pytest.fixture
def server(channel: Channel) -> Iterator[Server]:
    with serve_files(channel.path) as server:
        yield server


@pytest.fixture
def bench(
    engine: RattlerEngine,
    channel: Channel,
    server: Server,
    tmp_path: Path,
    clean_settings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    settings = conda_settings(server.url)
    return Bench(engine=engine, prefix=tmp_path / "env", settings=settings, channel=channel)


def test_bytes_are_told_and_not_too_often(bench: Bench, server: Server) -> None:
    plan = bench.plan(INSTALL, "big")
    server.rate = 800_000
    bench.apply(plan)
    events = [event for event in bench.events if event.phase is Phase.DOWNLOAD and event.kind is EventKind.PACKAGE]
    assert [event.state for event in events[:1] + events[-1:]] == ["started", "finished"]
    running = [event for event in events if event.state == "running"]
    assert 1 <= len(running) <= 12
    assert all(event.done is not None and event.total == plan.changes[0].package.size for event in running)
    assert {event.package for event in events} == {"big"}
    assert [event.phase for event in bench.events if event.kind is EventKind.PHASE] == [Phase.DOWNLOAD, Phase.LINK]


@pytest.mark.parametrize(
    ("fault", "reference"),
    [("401", "http-401"), ("403", "http-403"), ("404", "http-404"), ("garbage", "garbage"), ("reset", "unreachable")],
)
def test_a_channel_that_fails(bench: Bench, server: Server, fault: Fault, reference: str) -> None:
    server.fail("*", fault)
    with pytest.raises(UnreachableError) as caught:
        bench.plan(INSTALL, "lib")
    assert caught.value.reference == reference
    assert caught.value.message.startswith(server.url)
    assert caught.value.hint


def test_a_server_that_has_no_shards_may_say_so_in_any_way(bench: Bench, server: Server) -> None:
    server.fail("*shards*", "403")
    assert bench.plan(INSTALL, "lib").changes


def test_a_channel_that_nobody_serves(bench: Bench) -> None:
    bench.settings = conda_settings("http://user:secret@127.0.0.1:9/t/to-ken/channel")
    with pytest.raises(UnreachableError) as caught:
        bench.plan(INSTALL, "lib")
    everything = json.dumps(caught.value.to_json())
    assert "secret" not in everything
    assert "to-ken" not in everything
    assert "refused" in (caught.value.note or "")


@pytest.mark.parametrize(
    ("fault", "reference"),
    [("403", "http-403"), ("404", "http-404"), ("garbage", "garbage"), ("truncated", "unreachable")],
)
def test_a_package_that_can_not_be_fetched(bench: Bench, server: Server, fault: Fault, reference: str) -> None:
    plan = bench.plan(INSTALL, "lib")
    server.fail("*.conda", fault)
    with pytest.raises(UnreachableError) as caught:
        bench.apply(plan)
    assert caught.value.reference == reference
    assert not bench.installed()
    server.heal()
    bench.apply(bench.plan(INSTALL, "lib"))
    assert bench.installed() == {"lib": "2.0"}


def test_a_package_that_is_not_what_the_channel_says(bench: Bench, tmp_path: Path) -> None:
    own = Channel(tmp_path / "own").add(package("x", "1.0")).index()
    bench.settings = conda_settings(own.url)
    plan = bench.plan(INSTALL, "x")
    own.add(replace(package("x", "1.0"), files={"share/x.txt": "something else"}))  # without a new index
    with pytest.raises(UnreachableError) as caught:
        bench.apply(plan)
    assert caught.value.reference == "checksum-mismatch"


def test_a_server_that_stops_sending(bench: Bench, server: Server) -> None:
    bench.settings = replace(bench.settings, remote_read_timeout=1.0)
    plan = bench.plan(INSTALL, "big")
    server.fail("*big*", "stall")
    with pytest.raises(UnreachableError) as caught:
        bench.apply(plan)
    assert caught.value.reference == "stalled"
    assert "big" in caught.value.message
    server.heal()
    bench.do(INSTALL, "big")
    assert bench.installed() == {"big": "1.0"}


@pytest.mark.parametrize("kind", ["user", "token"])
def test_credentials_reach_the_server_and_nothing_else(bench: Bench, server: Server, kind: str) -> None:
    if kind == "user":
        server.auth = ("user", "secret")
        bench.settings = conda_settings(server.auth_url)
    else:
        token = bench.channel.path / "t" / "secret"
        token.parent.mkdir(exist_ok=True)
        if not token.exists():
            token.symlink_to(bench.channel.path)
        bench.settings = conda_settings(f"{server.url}/t/secret")
    plan = bench.do(INSTALL, "lib")
    assert all(request.status != 401 for request in server.requests)
    assert plan.changes[0].package.url == f"{server.url}/noarch/lib-2.0-0.conda"
    for path in (bench.prefix / "conda-meta").iterdir():
        assert "secret" not in path.read_text(encoding="utf-8")
    assert bench.installed() == {"lib": "2.0"}


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ``ca.pem``, and ``server.pem`` and ``server.key`` signed by it."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "extensions").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n", encoding="ascii")
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout"]
    sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    for arguments in (
        [*new, "ca.key", "-x509", "-days", "2", "-out", "ca.pem", "-subj", "/CN=testbed"],
        [*new, "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
        [*sign, "-out", "server.pem", "-extfile", "extensions"],
    ):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.executable("openssl")
def test_ssl_verify_is_obeyed(bench: Bench, certificates: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Say nothing."""

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # a client that doesn't trust us hangs up
                super().handle()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bench.channel.path)))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        base = conda_settings(f"https://localhost:{server.server_port}")
        for verify in (False, str(certificates / "ca.pem")):
            bench.settings = replace(base, ssl_verify=verify)
            assert bench.plan(INSTALL, "lib").changes
        bench.settings = base
        with pytest.raises(UnreachableError) as caught:
            bench.plan(INSTALL, "lib")
        assert "ssl_verify" in (caught.value.hint or "")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("form", ["{url}/noarch/lib-1.0-0.conda", "{url}::lib=1.0"])
def test_credentials_in_a_spec_stay_out_of_the_environment(bench: Bench, server: Server, form: str) -> None:
    server.auth = ("user", "secret")
    open_channel = Channel(bench.prefix.parent / "open").add(package("other", "1.0")).index()
    bench.settings = conda_settings(open_channel.url)
    bench.do(INSTALL, form.format(url=server.auth_url))
    assert bench.installed() == {"lib": "1.0"}
    for path in (bench.prefix / "conda-meta").iterdir():
        assert "secret" not in path.read_text(encoding="utf-8")
    assert form.format(url=server.url) in bench.history


def test_offline_answers_from_the_cache(bench: Bench, server: Server) -> None:
    bench.plan(INSTALL, "lib")
    names = bench.engine.names(bench.settings)
    server.fail("*", "500")
    offline = replace(bench.settings, offline=True)
    assert bench.engine.names(offline) == names
    bench.settings = offline
    assert bench.plan(INSTALL, "lib").changes


def test_offline_without_a_cache(bench: Bench) -> None:
    bench.settings = replace(bench.settings, offline=True)
    with pytest.raises(UnreachableError) as caught:
        bench.plan(INSTALL, "lib")
    assert caught.value.reference == "offline"


def test_an_outdated_plan_is_refused(bench: Bench) -> None:
    plan = bench.plan(INSTALL, "lib")
    bench.do(INSTALL, "part-1")
    with pytest.raises(PlanOutdatedError):
        bench.apply(plan)
    assert bench.installed() == {"part-1": "1.0"}


def test_a_plan_of_another_engine_is_refused(bench: Bench) -> None:
    plan = replace(bench.plan(INSTALL, "lib"), payload={"strange": True})
    with pytest.raises(UsageError):
        bench.apply(plan)


# cancelling, dying, and many at once


def soon(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(process: int) -> list[int]:
    """The worker processes that a process started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children if b"rattler_worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.parametrize("moment", ["plan", "apply"])
def test_cancelling_stops_at_once(bench: Bench, server: Server, moment: str) -> None:
    cancel = Cancellation()
    plan = bench.plan(INSTALL, "big") if moment == "apply" else None
    bench.settings = replace(bench.settings, remote_read_timeout=3600.0)  # the silence is waited for
    server.fail("*big*" if moment == "apply" else "*", "hang")
    asked = len(server.requests)

    def stop() -> None:
        soon(lambda: len(server.requests) > asked)
        cancel.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    request = EngineRequest(verb=INSTALL, specs=("big",), conda=bench.settings)
    with pytest.raises(CancelledError):
        (
            bench.apply(plan, cancel)
            if plan is not None
            else bench.engine.plan(bench.environment, request, events=ignore_events, cancel=cancel)
        )
    stopper.join()
    server.heal()
    bench.do(INSTALL, "lib")
    assert bench.installed() == {"lib": "2.0"}


def test_cancelled_before_it_began(bench: Bench) -> None:
    cancel = Cancellation()
    plan = bench.plan(INSTALL, "lib")
    cancel.cancel()
    with pytest.raises(CancelledError):
        bench.apply(plan, cancel)
    assert not bench.prefix.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_killed_worker_is_an_error_and_the_next_request_has_a_new_one(bench: Bench, server: Server) -> None:
    bench.engine.close()
    plan = bench.plan(INSTALL, "big")
    (worker,) = workers_of(os.getpid())
    server.fail("*big*", "hang")
    asked = len(server.requests)

    def kill() -> None:
        soon(lambda: len(server.requests) > asked)
        os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineKilledError) as caught:
        bench.apply(plan)
    killer.join()
    assert "9" in caught.value.message
    server.heal()
    bench.do(INSTALL, "lib")
    assert bench.installed() == {"lib": "2.0"}


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_an_idle_worker_that_died_is_replaced_unnoticed(bench: Bench) -> None:
    bench.engine.close()
    bench.plan(INSTALL, "lib")
    (worker,) = workers_of(os.getpid())
    os.kill(worker, signal.SIGKILL)
    bench.do(INSTALL, "lib")
    assert bench.installed() == {"lib": "2.0"}
    assert worker not in workers_of(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_workers_end_with_the_process_that_started_them(bench: Bench) -> None:
    program = (
        "import os, sys, time\n"
        "from jupyter_pkgmgr.engines.rattler_process import Workers\n"
        "workers = Workers()\n"
        "workers.ask('ping', {})\n"
        "print(open(f'/proc/{os.getpid()}/task/{os.getpid()}/children').read(), flush=True)\n"
        "time.sleep(60)\n"
    )
    del bench
    started = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert started.stdout is not None
    with started.stdout:
        worker = int(started.stdout.readline())
        started.kill()
        started.wait()
    soon(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2])


def test_a_worker_of_another_version_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.engine.close()
    monkeypatch.setattr(rattler_process, "PROTOCOL", 2)
    with pytest.raises(UnknownFormatError) as caught:
        bench.plan(INSTALL, "lib")
    assert caught.value.hint == "restart the Jupyter server"


def test_many_environments_at_once_share_one_cache(bench: Bench, tmp_path: Path) -> None:
    benches = [replace(bench, prefix=tmp_path / f"env-{number}", events=[]) for number in range(4)]
    with ThreadPoolExecutor(len(benches)) as pool:
        list(pool.map(lambda each: each.do(INSTALL, "whole", "big"), benches))
    for each in benches:
        assert len(each.installed()) == 14
        assert (each.prefix / "share/big.bin").stat().st_size == 400_000


# the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize("what", ["environment", "cache"])
def test_a_full_disk(bench: Bench, small_disk: Path, what: str) -> None:
    if what == "environment":
        bench.prefix = small_disk / "env"
    else:
        bench.settings = replace(bench.settings, pkgs_dirs=(small_disk,))
    with pytest.raises(DiskFullError) as caught:
        bench.do(INSTALL, "big")
    assert caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_read_only_file_system(bench: Bench, small_disk: Path) -> None:
    bench.prefix = small_disk / "env"
    bench.do(INSTALL, "lib=1.0")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(PolicyError) as caught:
        bench.do(UPDATE)
    assert caught.value.reference == "not-writable"
    assert bench.installed() == {"lib": "1.0"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(bench: Bench) -> None:
    bench.do(INSTALL, "lib=1.0")
    (bench.prefix / "share").chmod(0o500)
    try:
        with pytest.raises(PolicyError):
            bench.do(UPDATE)
    finally:
        (bench.prefix / "share").chmod(0o700)


@pytest.mark.parametrize(
    ("text", "kind", "reference"),
    [
        (
            f"failed to link x\nCaused by: No space left on device (os error {errno.ENOSPC})",
            "DiskFullError",
            "disk-full",
        ),
        (f"failed to link x\nCaused by: quota exceeded (os error {errno.EDQUOT})", "DiskFullError", "disk-full"),
        (f"failed to link x\nCaused by: Permission denied (os error {errno.EACCES})", "PolicyError", "not-writable"),
        (
            f"failed to unlink x\nCaused by: Read-only file system (os error {errno.EROFS})",
            "PolicyError",
            "not-writable",
        ),
        (f"failed to link x\nCaused by: Too many links (os error {errno.EMLINK})", "EngineError", "emlink"),
        ("something new", "EngineError", "engine-failed"),
    ],
)
def test_what_rattler_says_of_the_disk(text: str, kind: str, reference: str) -> None:
    """Read in a process of its own: nothing but the worker may import rattler."""
    program = (
        "import json, os, sys\n"
        "from jupyter_pkgmgr.engines.rattler_worker import _explain\n"
        "error = _explain(RuntimeError(sys.argv[1]))\n"
        "print(json.dumps([type(error).__name__, error.reference]), flush=True)\n"
        "os._exit(0)\n"
    )
    here = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program, text], capture_output=True, check=True, cwd=here)
    assert json.loads(done.stdout) == [kind, reference]


# a real Python


def test_a_python_package_lands_where_python_looks(
    engine: RattlerEngine, conda_prefix: Path, conda_channel: Channel, clean_settings: Path
) -> None:
    del clean_settings
    bench = Bench(engine=engine, prefix=conda_prefix, settings=conda_settings(conda_channel.url), channel=conda_channel)
    plan = bench.do(INSTALL, "tb-beta", "tb-cli")
    assert {change.package.name for change in plan.changes} == {"tb-alpha", "tb-beta", "tb-cli"}
    python = str(conda_prefix / "bin" / "python")
    code = "import tb_alpha, tb_beta; print(tb_alpha.__file__)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(conda_prefix / "lib"))
    assert subprocess.run([conda_prefix / "bin" / "tb-cli"], capture_output=True, check=False).returncode == 0
    removed = bench.do(REMOVE, "tb-beta")
    assert {(change.action, change.package.name) for change in removed.changes} == {
        (Action.REMOVE, "tb-alpha"),
        (Action.REMOVE, "tb-beta"),
    }
    assert not list(conda_prefix.rglob("tb_beta*"))


def test_errors_are_of_the_one_tree(bench: Bench) -> None:
    bench.settings = conda_settings("http://127.0.0.1:9")
    for work in (
        lambda: bench.engine.names(bench.settings),
        lambda: bench.engine.query(bench.settings, ["x"]),
        lambda: bench.plan(INSTALL, "x"),
    ):
        with pytest.raises(PkgError):
            work()

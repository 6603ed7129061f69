"""What only the uv engine has: its schema, its configuration file, its cache, its words for what went wrong."""

from __future__ import annotations

import json
import threading
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr.engines import pypi_common, pypi_direct, uv
from jupyter_pkgmgr.engines.uv_failures import cache_failed, failure
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import Environment, EnvironmentKind, EventKind, OriginKind, Verb, to_json
from jupyter_pkgmgr.model.errors import (
    DiskFullError,
    EngineError,
    EngineKilledError,
    EnvironmentProblem,
    InvalidSpecError,
    PkgError,
    PolicyError,
    UnknownFormatError,
    UnreachableError,
)
from testbed.environments import make_venv
from testbed.index import serve
from testbed.wheels import make_wheel
from tests.engines.pypi import bench

ENVIRONMENT = Environment(prefix=Path("/env"), kind=EnvironmentKind.VENV, owner="uv", name="env")


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "not json",
        "[]",
        '{"changes": []}',
        '{"schema": {"version": "2"}, "changes": []}',
        '{"schema": {"version": "preview"}}',
        '{"schema": {"version": "preview"}, "changes": [{"name": "x", "version": "1", "action": "transmogrified"}]}',
        '{"schema": {"version": "preview"}, "changes": [{"version": "1", "action": "installed"}]}',
    ],
)
def test_unknown_format(stdout: str) -> None:
    with pytest.raises(UnknownFormatError) as caught:
        uv._changes(stdout)  # noqa: SLF001  only a future uv prints this
    assert caught.value.hint


def test_configuration_says_what_was_set_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_CONFIG_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text('cache-dir = "/c"\nnative-tls = true\n[pip]\ntarget = "/elsewhere"\n')
    indexes = IndexSettings(
        index_url='https://u:p"\\@host/simple/',
        extra_index_urls=("https://more/ü/simple/",),
        trusted_hosts=("host:8080",),
        no_binary=(":all:",),
        find_links=("/a b",),
    )
    text = uv._config(indexes, upgrade=("x",), reinstall=())  # noqa: SLF001  what uv reads
    assert tomllib.loads(text) == {
        "cache-dir": "/c",
        "native-tls": True,
        "allow-insecure-host": ["host:8080"],
        "no-index": False,
        "find-links": ["/a b"],
        "index-strategy": "unsafe-best-match",
        "index": [{"url": "https://more/ü/simple/"}, {"url": indexes.index_url, "default": True}],
        "pip": {"upgrade-package": ["x"], "no-binary": [":all:"]},
    }


def test_indexes_set_for_uv_keep_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    indexes = IndexSettings(
        index_url="https://a/", extra_index_urls=("https://b/",), sources=(("extra_index_urls", "/home/me/uv.toml"),)
    )
    assert "index-strategy" not in tomllib.loads(uv._config(indexes))  # noqa: SLF001  what uv reads


def test_cache_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "foo")
    with serve(folder) as server:
        here = bench("uv", make_venv(tmp_path / "env"), server, folder)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "file" / "cache"))
        here.install("foo")
    assert here.installed() == {"foo": "1.0"}
    assert [event.level for event in here.events if event.kind is EventKind.MESSAGE] == ["warning", "warning"]


def test_killed_by_somebody_else(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    with serve(folder) as server:
        server.fail("*", "hang")
        here = bench("uv", make_venv(tmp_path / "env"), server, folder)
        me = psutil.Process()

        def kill() -> None:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                for child in me.children():
                    if "--dry-run" in child.cmdline():
                        child.kill()
                        return
                time.sleep(0.02)

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(EngineKilledError):
            here.plan(here.request(Verb.INSTALL, "foo"))
        killer.join()


@pytest.mark.parametrize(
    ("stderr", "kind", "reference"),
    [
        (
            (
                "error: Failed to install: foo-1.0-py3-none-any.whl (foo==1.0)\n"
                "  cause: failed to write to file `/env/lib/foo.py`: No space left on device (os error 28)\n"
            ),
            DiskFullError,
            "disk-full",
        ),
        (
            (
                "error: Failed to install: foo-1.0-py3-none-any.whl (foo==1.0)\n"
                "  cause: failed to create file `/env/lib/foo.py`: Permission denied (os error 13)\n"
            ),
            PolicyError,
            "no-permission",
        ),
        (
            (
                "error: Failed to inspect Python interpreter from provided path at `/env/bin/python`\n"
                "  cause: Can't use Python at `/env/bin/python`\n"
            ),
            EnvironmentProblem,
            "python-unusable",
        ),
        (
            "error: Unsupported editable requirement: `git+file:///x`\n  cause: Git sources cannot be editable\n",
            InvalidSpecError,
            "invalid-spec",
        ),
        (  # a port with the digits of a status
            (
                "error: Failed to fetch: http://127.0.0.1:34047/files/foo-403-py3-none-any.whl.metadata\n"
                "  cause: error decoding response body for url (http://127.0.0.1:34047/files/foo-403-py3-none-any.whl)\n"
                "  cause: end of file before message length reached\n"
            ),
            UnreachableError,
            "unreachable",
        ),
        (
            (
                "error: Failed to fetch: http://127.0.0.1:8080/files/foo.whl\n"
                "  cause: HTTP status client error (404 Not Found) for url (http://127.0.0.1:8080/files/foo.whl)\n"
            ),
            UnreachableError,
            "url-not-found",
        ),
        (
            (
                "error: Failed to download `foo==1.0`\n"
                "  cause: Failed to extract archive: foo-1.0-py3-none-any.whl\n"
                "  cause: Invalid zip file structure: Encountered an unexpected header\n"
            ),
            UnreachableError,
            "damaged-download",
        ),
        ("error: something new\n  cause: for a reason\n", EngineError, "engine-failed"),
        ("", EngineError, "engine-failed"),
    ],
)
def test_failures(stderr: str, kind: type[PkgError], reference: str) -> None:
    error = failure(stderr, ENVIRONMENT)
    assert (type(error), error.reference) == (kind, reference)


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (
            "error: Failed to initialize cache at `/c`\n  cause: failed to create directory `/c`: Not a directory\n",
            True,
        ),
        (
            "error: x\n  cause: failed to open file `/home/.cache/uv/sdists-v9/.git`: Permission denied\n",
            True,
        ),
        ("error: x\n  cause: failed to create file `/env/lib/uv/foo.py`: Permission denied (os error 13)\n", False),
        ("error: No solution found\n", False),
    ],
)
def test_whose_file_can_not_be_written(stderr: str, *, expected: bool) -> None:
    assert cache_failed(stderr, ENVIRONMENT) is expected


@pytest.mark.parametrize(
    ("line", "resolved", "expected"),
    [
        ("foo==1.0", "git+https://h/p@" + "a" * 40, "foo==1.0"),
        (
            "git+https://h/p.git@main#subdirectory=x",
            "git+https://h/p.git@" + "a" * 40,
            "git+https://h/p.git@" + "a" * 40 + "#subdirectory=x",
        ),
        ("foo @ git+ssh://git@h/p", "git+ssh://git@h/p@" + "b" * 40, "foo @ git+ssh://git@h/p@" + "b" * 40),
        (
            "foo @ git+https://tok:en@h/p@v1 ; python_version > '3'",
            "git+https://tok:****@h/p@" + "c" * 40,
            "foo @ git+https://tok:en@h/p@" + "c" * 40 + " ; python_version > '3'",
        ),
        ("foo @ https://h/f.whl", "https://h/f.whl", "foo @ https://h/f.whl"),
    ],
)
def test_revisions_are_pinned(line: str, resolved: str, expected: str) -> None:
    assert pypi_direct.pinned(line, resolved) == expected
    assert pypi_direct.url_of(line) == "" or pypi_direct.identity(pypi_direct.url_of(line)) == pypi_direct.identity(
        resolved
    )


def test_origins_hold_no_credentials() -> None:
    assert pypi_direct.origin("git+https://u:SECRET@h/p").location == "git+https://***@h/p"
    assert pypi_direct.origin("https://u:SECRET@h/p.whl").kind is OriginKind.URL


def test_requested_marker_and_record_agree(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "foo", requires=["bar"])
    make_wheel(folder, "bar")
    with serve(folder) as server:
        here = bench("uv", make_venv(tmp_path / "env"), server, folder)
        plan = here.install("foo")
        assert here.environment.python is not None
        pypi_common.mark_requested(here.environment.python, plan, frozenset({"bar"}))
    assert here.requested() == {"bar"}
    for name, marked in (("foo", False), ("bar", True)):
        info = here.site / f"{name}-1.0.dist-info"
        lines = info.joinpath("RECORD").read_text().splitlines()
        assert [line for line in lines if "/REQUESTED," in line] == (
            [f"{info.name}/REQUESTED,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0"] if marked else []
        )
        assert not list(info.glob("*.new"))


def test_plan_is_json(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "foo")
    with serve(folder) as server:
        here = bench("uv", make_venv(tmp_path / "env"), server, folder)
        plan = here.plan(here.request(Verb.INSTALL, "foo"))
    assert json.loads(json.dumps(to_json(plan)))["changes"][0]["after"]["version"] == "1.0"

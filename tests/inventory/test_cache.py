"""The cache saves reading and never lies."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from jupyter_pkgmgr.inventory import _read, read_inventory
from jupyter_pkgmgr.inventory._cache import Cache, cache_path, load_cache, store_cache
from jupyter_pkgmgr.inventory._distributions import read_distribution
from jupyter_pkgmgr.model import to_json

from .conftest import Prefix

LONG_AGO = 1_600_000_000


def age(prefix: Prefix) -> None:
    """Make everything old enough to be trusted by its stat."""
    for path in (*prefix.environment.conda_meta.glob("*"), *prefix.site.glob("*/*")):
        os.utime(path, (LONG_AGO, LONG_AGO))


def forget() -> None:
    """What a new process knows: nothing but the disk."""
    _read._remembered.clear()  # noqa: SLF001  a new process costs a second


@pytest.fixture
def filled(conda: Prefix) -> Prefix:
    conda.conda_python_package("six", "1.16")
    conda.distribution("rich", "1.0")
    age(conda)
    conda.read()
    return conda


def test_a_second_call_gives_the_same_inventory(filled: Prefix) -> None:
    assert filled.read() is filled.read()


def test_another_process_reads_no_file(filled: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    before = filled.read()
    forget()

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(_read, "read_distribution", refuse)
    monkeypatch.setattr(_read, "RecordReader", refuse)
    after = filled.read()
    assert after is not before
    assert after == before


def test_only_what_changed_is_read_again(filled: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    filled.distribution("new", "1.0")
    read: list[str] = []
    original = read_distribution

    def spy(folder: str, name: str, hooks: tuple[str, ...] = ()) -> object:
        read.append(name)
        return original(folder, name, hooks)

    monkeypatch.setattr(_read, "read_distribution", spy)
    assert filled.read().pypi("new") is not None
    assert read == ["new-1.0.dist-info"]


def test_a_changed_stat_is_never_trusted(filled: Prefix) -> None:
    forget()
    info = filled.site / "rich-1.0.dist-info"
    (info / "METADATA").write_text("Name: rich\nVersion: 9.9\n\n")
    (info / "RECORD").write_text("rich.py,,\nmore.py,,\n")
    os.utime(info / "RECORD", (LONG_AGO, LONG_AGO))  # only the size tells
    package = filled.read().pypi("rich")
    assert package is not None
    assert package.version == "9.9"


def test_what_is_fresh_is_not_cached(conda: Prefix) -> None:
    conda.distribution("rich", "1.0")
    conda.read()
    assert load_cache(conda.path).distributions == {}
    age(conda)
    conda.read()
    assert len(load_cache(conda.path).distributions) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"garbage" * 1000,
        msgspec.msgpack.encode({"version": 1}),
        msgspec.msgpack.encode([999, "", {}, {}]),
        msgspec.msgpack.encode([1, "/another/prefix", {}, {}]),
        msgspec.msgpack.encode([1, "", {"six-1.16-py_0.json": [["six", 1, 1], ["no"]]}, {}]),
        b"\x91" * 100_000,
    ],
)
def test_a_cache_of_garbage_is_an_empty_one(filled: Prefix, garbage: bytes) -> None:
    before = filled.read()
    cache_path(filled.path).write_bytes(garbage)
    forget()
    assert filled.read() == before
    assert len(load_cache(filled.path).records) == 1  # mended


def test_a_truncated_cache_is_an_empty_one(filled: Prefix) -> None:
    path = cache_path(filled.path)
    path.write_bytes(path.read_bytes()[:-5])
    assert load_cache(filled.path) == Cache()


def test_a_cache_that_cannot_be_written_is_left_alone(conda: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = conda.path / "file"
    blocker.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    conda.distribution("rich", "1.0")
    age(conda)
    assert conda.read().pypi("rich") is not None


def test_no_temporary_file_stays(filled: Prefix) -> None:
    store_cache(filled.path, load_cache(filled.path))
    assert [path.name for path in cache_path(filled.path).parent.iterdir()] == [cache_path(filled.path).name]


def test_writers_at_the_same_time_leave_a_whole_cache(filled: Prefix) -> None:
    code = (
        "import sys, msgspec; from pathlib import Path\n"
        "from jupyter_pkgmgr.inventory._cache import load_cache, store_cache\n"
        "for _ in range(50): store_cache(Path(sys.argv[1]), load_cache(Path(sys.argv[1])))\n"
        "print(len(load_cache(Path(sys.argv[1])).records))"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(filled.path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) for _ in range(3)]
    assert [json.loads(writer.communicate()[0]) for writer in writers] == [1, 1, 1]


def test_another_environment_at_the_same_prefix_is_not_mixed_up(filled: Prefix) -> None:
    renamed = dataclasses.replace(filled.environment, name="renamed")
    assert read_inventory(renamed).environment == renamed


def test_threads_agree(filled: Prefix) -> None:
    expected = filled.read()
    forget()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: filled.read(), range(32)))
    assert all(each == expected for each in found)


def test_an_inventory_has_a_json_form(filled: Prefix) -> None:
    form = to_json(filled.read())
    assert set(form) == {"environment", "packages", "problems", "fingerprint"}
    assert [package["name"] for package in form["packages"]] == ["rich", "six"]
    assert json.loads(json.dumps(form)) == form


def test_importing_the_inventory_brings_no_network_code() -> None:
    code = "import sys, jupyter_pkgmgr.inventory; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert not {"http.client", "urllib.request", "platformdirs", "asyncio"} & set(done.stdout.split())

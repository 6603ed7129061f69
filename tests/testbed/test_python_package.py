from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from testbed.environments import available_interpreters, conda_environment, tool
from testbed.python_package import describe, python_channel

QUESTION = """
import ctypes, json, site, sqlite3, ssl, sys, sysconfig, venv
print(json.dumps([sys.prefix, sys.base_prefix, sysconfig.get_paths()["purelib"], site.getsitepackages()[0]]))
"""


def places(python: Path) -> list[str]:
    answer = subprocess.check_output([python, "-c", QUESTION], text=True, cwd=python.parent)
    return list(json.loads(answer))


@pytest.mark.parametrize("minor", available_interpreters())
def test_it_runs_wherever_it_is_installed(tmp_path: Path, minor: str) -> None:
    executable = available_interpreters()[minor]
    channel = python_channel(tmp_path / "cache", executable)
    prefix = conda_environment(tmp_path / "env one", channels=[channel.url], cache=tmp_path / "conda")
    site = f"{prefix}/lib/python{minor}/site-packages"
    assert places(prefix / "bin/python") == [str(prefix), str(prefix), site, site]
    inner = tmp_path / "inner"
    subprocess.run([prefix / "bin/python", "-m", "venv", "--without-pip", inner], check=True)
    site = f"{inner}/lib/python{minor}/site-packages"
    assert places(inner / "bin/python") == [str(inner), str(prefix), site, site]


def test_the_build_prefix_is_gone(conda_prefix: Path) -> None:
    data = next(conda_prefix.glob("lib/python3*/_sysconfigdata*.py")).read_text()
    own = describe().prefix
    assert own in ("/usr", "/usr/local") or own not in data
    assert f"{conda_prefix}/include" in data


def test_it_is_built_once(tmp_path: Path) -> None:
    first = python_channel(tmp_path)
    [package] = list(first)
    built = (first.path / package).stat().st_mtime_ns
    assert list(python_channel(tmp_path)) == [package]
    assert (first.path / package).stat().st_mtime_ns == built


def test_an_interpreter_that_names_its_library_by_path(conda_prefix: Path, tmp_path: Path) -> None:
    executable = (conda_prefix / "bin/python").resolve()
    needed = subprocess.check_output([tool("patchelf"), "--print-needed", executable], text=True).split()
    names = [name for name in needed if name.startswith("libpython")]
    if not names:
        pytest.skip("this interpreter has no shared library")
    copy = tmp_path / executable.name  # a file of its own: the other is a hard link into the cache
    copy.write_bytes(executable.read_bytes())
    copy.chmod(0o755)
    subprocess.run([tool("patchelf"), "--replace-needed", names[0], f"$ORIGIN/../lib/{names[0]}", copy], check=True)
    subprocess.run([tool("patchelf"), "--remove-rpath", copy], check=True)
    copy.replace(executable)
    channel = python_channel(tmp_path / "cache", executable)
    prefix = conda_environment(tmp_path / "moved", channels=[channel.url], cache=tmp_path / "conda")
    conda_prefix.rename(tmp_path / "gone")
    assert places(prefix / "bin/python")[0] == str(prefix)

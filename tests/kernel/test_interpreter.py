"""Which interpreter runs the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jupyter_pkgmgr.kernel.errors import PkgError
from jupyter_pkgmgr.kernel.interpreter import beside, find_python, from_command


@pytest.fixture(autouse=True)
def empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JUPYTER_PKGMGR_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_given_one_comes_before_the_variable_and_that_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = executable(tmp_path / "given"), executable(tmp_path / "named")
    assert find_python() == sys.executable  # the package is installed here
    monkeypatch.setenv("JUPYTER_PKGMGR_PYTHON", str(named))
    assert find_python() == str(named)
    assert find_python(str(given)) == str(given)


@pytest.mark.parametrize("origin", ["the server", "JUPYTER_PKGMGR_PYTHON"])
def test_one_that_is_named_but_not_there_is_an_error(
    origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = str(tmp_path / "gone")
    monkeypatch.setenv("JUPYTER_PKGMGR_PYTHON", gone)
    with pytest.raises(PkgError, match=f"the interpreter that {origin} names"):
        find_python(gone if origin == "the server" else None)


@pytest.mark.parametrize(
    ("folder", "python", "found"),
    [
        ("env/lib/python3.11/site-packages", "env/bin/python3.11", True),
        ("env/lib/python3.13/site-packages", "env/bin/python", True),
        ("env/lib/python3.13t/site-packages", "env/bin/python3", True),
        ("env/lib/python3.10/site-packages", "env/bin/python", False),  # too old to run it
        ("env/Lib/site-packages", "env/Scripts/python.exe", True),
        ("env/Lib/site-packages", "env/python.exe", True),
        ("checkout", "bin/python", False),
        ("env/lib/python3.11/site-packages", "elsewhere/bin/python", False),
    ],
)
def test_the_interpreter_beside_the_files(folder: str, python: str, found: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = executable(tmp_path / python)
    package = tmp_path / folder / "jupyter_pkgmgr"
    package.mkdir(parents=True)
    assert beside(package) == (str(path) if found else None)


@pytest.mark.parametrize(
    "head",
    ["#!{python}\n", "#! {python}\n", "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"],
)
def test_the_interpreter_of_the_command(head: str, tmp_path: Path) -> None:
    python = executable(tmp_path / "some where" / "python3.12")
    command = executable(tmp_path / "bin" / "jupyter-pkg", head.format(python=python) + "import sys\n")
    assert from_command(str(command)) == str(python)


@pytest.mark.parametrize("content", [b"", b"\x7fELF\xff\xfe", b"#!/bin/bash\necho", b"#!/gone/python3\n"])
def test_a_command_that_tells_no_interpreter(content: bytes, tmp_path: Path) -> None:
    command = tmp_path / "jupyter-pkg"
    command.write_bytes(content)
    assert from_command(str(command)) is None


def test_a_command_on_windows_has_its_interpreter_beside_it(tmp_path: Path) -> None:
    python = executable(tmp_path / "Scripts" / "python.exe")
    assert from_command(str(tmp_path / "Scripts" / "jupyter-pkg.exe")) == str(python)
    assert os.access(python, os.X_OK)

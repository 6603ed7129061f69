"""Help with missing imports: what it is silent about, and what it takes for a missing import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel.errors import PkgError
from jupyter_pkgmgr.kernel.missing_import import STANDARD_LIBRARY, ImportHelp, missing_module
from tests.kernel.conftest import VERSIONS, interpreter


class Recorder:
    """The magic's place: answers every question, and keeps what was asked and shown."""

    def __init__(self, answer: Callable[[str], dict[str, Any] | None]) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.shown: list[str] = []
        self.shell = self.display_pub = self

    def hint(self, module: str, timeout: float) -> dict[str, Any] | None:
        assert timeout <= 2
        self.asked.append(module)
        return self._answer(module)

    def stamped(self, part: str, content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "part": part}

    def publish(self, data: dict[str, str], metadata: dict[str, Any]) -> None:
        assert metadata == {}
        self.shown.append(data["text/plain"])


@pytest.fixture
def magic() -> Recorder:
    return Recorder(lambda module: {"package": f"{module}-package", "text": f"{module} <is> in {module}-package"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "-packages" in path or "/lib/python" in path])
    monkeypatch.delenv("JUPYTER_PKGMGR_IMPORT_HELP", raising=False)
    return tmp_path


def error_of(code: str) -> Exception:
    try:
        exec(code, {})  # noqa: S102  the code of a cell
    except Exception as error:  # noqa: BLE001  whatever it raises is the case
        return error
    raise AssertionError(code)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import nowhere", "nowhere"),
        ("import nowhere.inside", "nowhere"),
        ("from nowhere import x", "nowhere"),
        ("import email.nowhere", "email.nowhere"),
        ("try:\n import nowhere\nexcept ImportError as e:\n raise ImportError('install it') from e", "nowhere"),
        ("try:\n import nowhere\nexcept ImportError:\n raise ImportError('install it')", "nowhere"),
        ("try:\n import nowhere\nexcept ImportError:\n raise ImportError('install it') from None", "nowhere"),
        ("try:\n import nowhere\nexcept ImportError as e:\n raise RuntimeError('needed') from e", "nowhere"),
        ("try:\n import nowhere\nexcept ImportError:\n 1/0", None),  # handled; what failed is something else
        ("from email import nowhere", None),
        ("raise ModuleNotFoundError('by hand')", None),
        ("1/0", None),
    ],
)
def test_what_is_a_missing_import(code: str, name: str | None) -> None:
    assert missing_module(error_of(code)) == name


def test_a_circle_of_causes_ends() -> None:
    one, other = ImportError("one"), ImportError("other")
    one.__cause__, other.__cause__ = other, one
    assert missing_module(one) is None


def test_one_line_and_never_twice_in_a_row(magic: Recorder) -> None:
    help_ = ImportHelp()
    for module in ("nowhere", "nowhere", "elsewhere", "nowhere"):
        help_.after_error(error_of(f"import {module}"), lambda: magic)
    assert magic.shown == [f"{name} <is> in {name}-package" for name in ("nowhere", "elsewhere", "nowhere")]


@pytest.mark.parametrize(
    "code",
    [
        "import email.nowhere",
        "raise ModuleNotFoundError('', name='distutils.core')",
        "raise ModuleNotFoundError('', name='asyncore')",
        "raise ModuleNotFoundError('', name='_ctypes')",
        "raise ModuleNotFoundError('', name='packaging.nothing')",  # part of an installed distribution
        "raise ModuleNotFoundError('', name='jupyter-server')",  # no name of a module
        "raise ModuleNotFoundError('', name='jupyter_pkgmgr')",  # installed, editable or not, yet not found
        "raise ModuleNotFoundError('', name='pytest_xdist')",  # the distribution's name, not its module's
        "raise ModuleNotFoundError('', name='helpers')",  # a local module that is there
        "raise ModuleNotFoundError('', name='helper')",  # and one that is nearly there
        "raise ModuleNotFoundError('', name='my_packge')",
        "raise ModuleNotFoundError('', name='on_own_pth')",
        "1/0",
    ],
)
def test_silence(code: str, magic: Recorder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "helpers.py").write_text("")
    (folder / "my_package").mkdir()
    (folder / "my_package" / "module.py").write_text("")
    own = folder / "own"
    own.mkdir()
    (own / "on_own_path.py").write_text("")
    monkeypatch.syspath_prepend(own)
    error = error_of(code)
    ImportHelp().after_error(error, lambda: magic)
    assert magic.asked == []


def test_a_part_of_a_namespace_is_asked_for_by_its_whole_name(
    magic: Recorder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "own" / "spaced" / "one").mkdir(parents=True)
    (folder / "own" / "spaced" / "one" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder / "own")
    ImportHelp().after_error(error_of("import spaced.two.three"), lambda: magic)
    sys.modules.pop("spaced", None)
    assert magic.asked == ["spaced.two"]


@pytest.mark.parametrize("answer", [None, {"package": "packaging", "text": "installed already"}, {"package": "x"}])
def test_what_the_service_does_not_know_or_is_installed(answer: dict[str, Any] | None) -> None:
    magic = Recorder(lambda _: answer)
    ImportHelp().after_error(error_of("import nowhere"), lambda: magic)
    assert (magic.asked, magic.shown) == (["nowhere"], [])


def test_no_service_is_no_reason_to_speak() -> None:
    def fail(_: str) -> None:
        raise PkgError("the package service can't be started")

    magic = Recorder(fail)
    ImportHelp().after_error(error_of("import nowhere"), lambda: magic)
    assert magic.shown == []


def test_it_can_be_turned_off(magic: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PKGMGR_IMPORT_HELP", "0")
    ImportHelp().after_error(error_of("import nowhere"), lambda: magic)
    assert magic.asked == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_standard_library_of_every_python_is_known(version: str) -> None:
    code = (
        "import json, os, pkgutil, sys\n"
        "folder = os.path.dirname(os.__file__)\n"
        "names = {module.name for module in pkgutil.iter_modules([folder, os.path.join(folder, 'lib-dynload')])}\n"
        "names |= set(sys.builtin_module_names)\n"
        "print(json.dumps(sorted(getattr(sys, 'stdlib_module_names', names))))"
    )
    done = subprocess.run([interpreter(version), "-I", "-c", code], capture_output=True, text=True, check=True)
    public = {name for name in json.loads(done.stdout) if not name.startswith("_")}
    assert public - STANDARD_LIBRARY == set()

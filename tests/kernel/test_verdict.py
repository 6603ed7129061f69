"""The restart verdict, about packages that are really imported."""

from __future__ import annotations

import ctypes
import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel.verdict import Verdict, judge, render, together

MODULES = {
    "plain.py": "",
    "package/__init__.py": "",
    "package/used.py": "",
    "package/unused.py": "",
    "package/inner/deep.py": "",
    "package/data.json": "{}",
    "spaced/one/__init__.py": "",
    "spaced/two/__init__.py": "",
    "lazy.py": "def __getattr__(name):\n    raise RuntimeError(name)\n",
    "unloaded.py": "",
}
LOADED = ("plain", "package.used", "spaced.one", "lazy")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with modules, of which ``LOADED`` are imported."""
    folder = tmp_path / "real" / "site-packages"
    for name, text in MODULES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(folder)
    for name in LOADED:
        importlib.import_module(name)
    monkeypatch.setitem(sys.modules, "alias_of_plain", sys.modules["plain"])
    monkeypatch.setitem(sys.modules, "not_a_module", object())  # anything can be there
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("changed", "level", "modules"),
    [
        ([], "none", ()),
        (["unloaded.py"], "none", ()),
        (["spaced/two/__init__.py"], "none", ()),  # beside it in the namespace: another distribution
        (["package/data.json"], "none", ()),
        (["plain-1.0.dist-info/METADATA"], "none", ()),
        (["plain.py"], "recommended", ("alias_of_plain", "plain")),
        (["package/__init__.py", "package/used.py"], "recommended", ("package",)),
        (["package/unused.py"], "recommended", ("package",)),  # would be imported later, beside the old ones
        (["package/inner/deep.py"], "recommended", ("package",)),
        (["spaced/one/__init__.py"], "recommended", ("spaced",)),
        (["package/fast.cpython-311-x86_64-linux-gnu.so"], "recommended", ("package",)),
        (["lazy.py", "unloaded.py"], "recommended", ("lazy",)),
    ],
)
def test_changed_files_against_loaded_modules(
    changed: list[str], level: str, modules: tuple[str, ...], site: Path
) -> None:
    expected = Verdict(level, modules)
    assert judge([str(site / name) for name in changed]) == expected
    through_a_link = site.parents[1] / "link" / "site-packages"
    assert judge([str(through_a_link / name) for name in changed]) == expected


def test_the_compiled_file_of_a_loaded_module_counts(site: Path) -> None:
    cached = sys.modules["plain"].__cached__
    assert cached is not None
    assert judge([cached]).modules == ("alias_of_plain", "plain")
    assert site in Path(cached).parents


def test_a_module_whose_file_is_a_link_into_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "cached_thing.py").write_text("")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "linked_thing.py").symlink_to(tmp_path / "cache" / "cached_thing.py")
    monkeypatch.syspath_prepend(tmp_path / "site")
    module = importlib.import_module("linked_thing")
    monkeypatch.delitem(sys.modules, "linked_thing")
    assert judge([str(tmp_path / "site" / "linked_thing.py")], modules={"linked_thing": module}).level == "recommended"


def test_a_loaded_extension_module_must_not_be_exchanged() -> None:
    extension = importlib.import_module("msgspec._core")
    assert judge([str(extension.__file__)]) == Verdict("required", ("msgspec",))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system doesn't tell what is mapped")
def test_a_mapped_library_must_not_be_exchanged(tmp_path: Path) -> None:
    lines = Path("/proc/self/maps").read_text().splitlines()
    library = next(line.split(None, 5)[5] for line in lines if "libc.so" in line or "libc-" in line)
    assert judge([library]) == Verdict("required", ("libc",))
    assert judge([str(tmp_path / "libother.so.1")]) == Verdict()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system doesn't tell what is mapped")
def test_a_library_that_a_loaded_package_has_mapped(site: Path) -> None:
    lines = Path("/proc/self/maps").read_text().splitlines()
    library = site / "package" / "lib" / "libnative.so"
    library.parent.mkdir()
    shutil.copy(next(line.split(None, 5)[5] for line in lines if "libm.so" in line or "libm-" in line), library)
    assert judge([str(library)]) == Verdict("recommended", ("package",))
    ctypes.CDLL(str(library))
    assert judge([str(library)]) == Verdict("required", ("package",))
    library.unlink()  # as an installer does
    assert judge([str(library)]) == Verdict("required", ("package",))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system doesn't tell what is mapped")
def test_a_library_is_not_named_beside_the_modules_that_brought_it(site: Path) -> None:
    lines = Path("/proc/self/maps").read_text().splitlines()
    library = site / "package.libs" / "libother-0352e75f.so"  # where auditwheel puts what a wheel brings
    library.parent.mkdir()
    shutil.copy(next(line.split(None, 5)[5] for line in lines if "libm.so" in line or "libm-" in line), library)
    ctypes.CDLL(str(library))
    extension = str(importlib.import_module("msgspec._core").__file__)
    assert judge([str(library), extension]) == Verdict("required", ("msgspec",))
    assert judge([str(library)]) == Verdict("required", ("libother-0352e75f",))


def test_a_module_of_python_itself() -> None:
    import json.decoder  # noqa: PLC0415

    assert judge([str(json.decoder.__file__)]).level == "required"
    assert "python" in judge([str(json.decoder.__file__)]).modules


@pytest.mark.parametrize(
    ("package", "level"),
    [
        ({"name": "ipykernel", "action": "upgrade", "distributions": ["ipykernel"]}, "required"),
        ({"name": "IPython", "action": "downgrade", "distributions": []}, "required"),
        ({"name": "pyzmq", "action": "remove", "distributions": ["pyzmq"]}, "required"),
        ({"name": "jupyter_client", "action": "reinstall", "distributions": ["jupyter_client"]}, "required"),
        ({"name": "python", "action": "upgrade", "distributions": []}, "required"),
        ({"name": "debugpy", "action": "install", "distributions": ["debugpy"]}, "none"),
        ({"name": "requests", "action": "upgrade", "distributions": ["requests"]}, "none"),
    ],
)
def test_what_the_kernel_runs_on(package: dict[str, Any], level: str) -> None:
    assert judge([], [package]).level == level


def test_what_runs_in_the_browser_needs_the_page() -> None:
    brings = [{"name": "jupyterlab_widgets", "action": "install", "distributions": ["jupyterlab_widgets"]}]
    assert judge([], brings) == Verdict(reload_page=True)
    assert judge(["/env/share/jupyter/labextensions/x/package.json"]) == Verdict(reload_page=True)
    assert judge([], [{"name": "gone", "action": "remove", "distributions": ["no-such-distribution"]}]) == Verdict()


def test_many_changed_files_cost_little() -> None:
    changed = [f"/env/lib/python3.11/site-packages/package{number % 50}/module{number}.py" for number in range(20_000)]
    assert judge(changed, modules=dict(sys.modules)) == Verdict()


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict(), "no restart needed"),
        (Verdict("recommended", ("six",)), "restart the kernel to use what changed: six is loaded"),
        (
            Verdict("recommended", ("a", "b", "c", "d", "e")),
            "restart the kernel to use what changed: a, b, c and 2 more are loaded",
        ),
        (Verdict("required", ("numpy",)), "restart the kernel now: numpy can't be exchanged while it runs"),
        (
            Verdict("recommended", (), ("x.pth",), reload_page=True),
            """restart the kernel to import all of it: x.pth runs when Python starts
reload the page: parts of the change run in the browser""",
        ),
    ],
)
def test_words(verdict: Verdict, text: str) -> None:
    assert render(verdict)["text/plain"] == text


@pytest.mark.parametrize(
    ("earlier", "later", "text", "colour"),
    [
        (Verdict(), Verdict(), "no restart needed", "success"),
        (
            Verdict("required", ("numpy",)),
            Verdict(),
            "the kernel still needs a restart for numpy, changed before",
            "error",
        ),
        (
            Verdict("required", ("numpy",)),
            Verdict("recommended", ("six",)),
            """restart the kernel to use what changed: six is loaded
the kernel still needs a restart for numpy, changed before""",
            "error",
        ),
        (
            Verdict("required", ("numpy",)),
            Verdict("required", ("numpy",)),
            "restart the kernel now: numpy can't be exchanged while it runs",
            "error",
        ),
    ],
)
def test_what_an_earlier_change_asked_for_stays_true(earlier: Verdict, later: Verdict, text: str, colour: str) -> None:
    """Numpy is removed and installed again: the second change only adds, but what is loaded is the first one."""
    shown = render(later, earlier)
    assert shown["text/plain"] == text
    assert f"--jp-{colour}-color1" in shown["text/html"]


def test_two_verdicts_together() -> None:
    first, second = Verdict("required", ("numpy",), (), reload_page=True), Verdict("recommended", ("_six",), ("x.pth",))
    assert together(first, second) == Verdict("required", ("numpy", "_six"), ("x.pth",))
    assert together(second, first) == together(first, second)


def test_names_are_text_in_html() -> None:
    assert "<script>" not in render(Verdict("recommended", ("<script>",)))["text/html"]

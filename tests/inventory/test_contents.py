"""Files, their owners, and import names."""

from __future__ import annotations

import py_compile
from pathlib import Path

import pytest

from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Package

from .conftest import Prefix


def named(inventory: Inventory, name: str) -> Package:
    (package,) = inventory.find(name)
    return package


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["six.py"], ("six",)),
        (["pil/__init__.py", "pil/draw.py"], ("pil",)),
        (["google/cloud/storage/__init__.py"], ("google",)),
        (["_native.cpython-311-x86_64-linux-gnu.so", "other.pyd", "third.abi3.so"], ("_native", "other", "third")),
        (["one.py", "two/__init__.py", "two.libs/libz.so"], ("one", "two")),
        (["data/readme.txt", "hook.pth", "not-a-module.py", "__pycache__/x.cpython-311.pyc"], ()),
        (["../../../bin/tool"], ()),
        (['"quoted, name.txt"', "a/b.py"], ("a",)),
    ],
)
def test_imports_from_files(venv: Prefix, files: list[str], names: tuple[str, ...]) -> None:
    info = venv.distribution("foo", "1.0", files={})
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    inventory = venv.read()
    assert inventory.imports(named(inventory, "foo")) == names


def test_top_level_of_old_wheels_counts_as_well(venv: Prefix) -> None:
    venv.distribution("foo", "1.0", files={}, more={"top_level.txt": "_one\ntwo\n\n"})
    inventory = venv.read()
    assert inventory.imports(named(inventory, "foo")) == ("_one", "two")


def test_imports_of_a_conda_package(conda: Prefix) -> None:
    (conda.path / "bin").mkdir()
    library, script = conda.site / "yaml" / "__init__.py", conda.path / "bin" / "tool.py"
    library.parent.mkdir()
    for file in (library, script):
        file.touch()
    conda.record("pyyaml", files=[library, script])
    inventory = conda.read()
    package = named(inventory, "pyyaml")
    assert inventory.imports(package) == ("yaml",)
    assert inventory.packages_for_import("yaml.nodes") == (package,)
    assert set(inventory.files(package)) == {library, script}


def test_namespace_packages_are_told_apart(venv: Prefix) -> None:
    for name in ("storage", "bigquery"):
        venv.distribution(f"google-cloud-{name}", "1.0", files={f"google/cloud/{name}/__init__.py": ""})
    inventory = venv.read()
    storage, bigquery = named(inventory, "google-cloud-storage"), named(inventory, "google-cloud-bigquery")
    assert inventory.packages_for_import("google.cloud.storage.client") == (storage,)
    assert inventory.packages_for_import("google.cloud.bigquery") == (bigquery,)
    assert inventory.packages_for_import("google.cloud.absent") == (bigquery, storage)
    assert inventory.packages_for_import("google") == (bigquery, storage)
    assert inventory.packages_for_import("absent") == ()


def test_owner(venv: Prefix, tmp_path: Path) -> None:
    script = venv.path / "bin" / "foo"
    script.parent.mkdir()
    script.touch()
    info = venv.distribution("foo", "1.0", files={"foo.py": "", "../../../bin/foo": ""})
    inventory = venv.read()
    package = named(inventory, "foo")
    assert inventory.owner(venv.site / "foo.py") == package
    assert inventory.owner(script) == package
    assert inventory.owner(info / "METADATA") == package
    assert inventory.owner(tmp_path / "foo.py") is None
    compiled = py_compile.compile(str(venv.site / "foo.py"))
    assert compiled is not None
    assert inventory.owner(Path(compiled)) == package
    assert inventory.owner(venv.site / "stray.pyc") is None
    assert script in inventory.files(package)


def test_files_without_a_record(venv: Prefix) -> None:
    info = venv.distribution("foo", "1.0")
    (info / "RECORD").unlink()
    inventory = venv.read()
    assert inventory.files(named(inventory, "foo")) == ()
    assert inventory.imports(named(inventory, "foo")) == ()


def test_broken_record_bytes(venv: Prefix) -> None:
    info = venv.distribution("foo", "1.0")
    (info / "RECORD").write_bytes(b'\xff\x00.py,,\n"open quote\nfoo.py,,\n')
    inventory = venv.read()
    assert inventory.owner(venv.site / "foo.py") in (None, named(inventory, "foo"))

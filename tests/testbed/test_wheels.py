from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from testbed.channel import File
from testbed.environments import make_venv, uv_install
from testbed.wheels import WheelSource, closure, conda_package, make_wheel, repack, wheel_requires, write_wheel


def test_wheels_are_deterministic_and_install(tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path / folder, "TB.One", entry_points=["tb-one = tb_one:run"]) for folder in "ab"]
    assert wheels[0].name == "tb_one-1.0-py3-none-any.whl"
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    python = make_venv(tmp_path / "venv")
    uv_install(python, wheels[0])
    assert python.with_name("tb-one").exists()


def test_a_repacked_distribution_installs_like_the_first(tmp_path: Path) -> None:
    wheel = repack("six", tmp_path)
    python = make_venv(tmp_path / "venv")
    uv_install(python, wheel)
    assert subprocess.check_output([python, "-c", "import six; print(six.PY3)"], text=True) == "True\n"


def test_data_files_are_repacked_but_no_scripts(tmp_path: Path) -> None:
    with zipfile.ZipFile(repack("ipykernel", tmp_path)) as archive:
        names = archive.namelist()
    assert any("/data/share/jupyter/kernels/python3/kernel.json" in name for name in names)
    assert not [name for name in names if name.endswith((".pyc", "/INSTALLER")) or "/bin/" in name]


def test_closure_follows_markers() -> None:
    names = closure("ipykernel")
    assert {"ipykernel", "ipython", "pyzmq", "tornado", "traitlets"} <= set(names)
    assert "appnope" not in names  # macOS only, and not installed here


@pytest.mark.parametrize(
    ("requirement", "spec"),
    [
        ("tb-a", "tb-a"),
        ("TB_A>=1,<2", "tb-a <2,>=1"),
        ("tb-a==1.*", "tb-a 1.*"),
        ("tb-a!=1.2.*", "tb-a !=1.2.*"),
        ("tb-a~=1.2", "tb-a ~=1.2"),
        ("tb-a===1.0", "tb-a ==1.0"),
        ("renamed>=1", "other >=1"),
        ("tb-a; python_version<'3'", None),
        ("tb-a; extra=='more'", None),
        ("skipped", None),
    ],
)
def test_requirements_become_matchspecs(tmp_path: Path, requirement: str, spec: str | None) -> None:
    wheel = make_wheel(tmp_path, "tb-one", requires=[requirement])
    package = conda_package(wheel, python="3.11", names={"renamed": "other"}, skip=("skipped",))
    assert package.depends == (("python", spec) if spec else ("python",))


def test_extras_that_are_asked_for_become_requirements(tmp_path: Path) -> None:
    needs = ["tb-a", "tb-b>=1; extra=='more'", "tb-c; extra=='other'"]
    wheel = make_wheel(tmp_path, "tb-one", requires=needs)
    assert wheel_requires(wheel) == needs
    assert conda_package(wheel, python="3.11", extras=("more",)).depends == ("python", "tb-a", "tb-b >=1")


def test_a_pure_wheel_is_noarch_and_a_binary_one_is_tied_to_python(tmp_path: Path) -> None:
    source = WheelSource(
        name="tb-one",
        version="1.0",
        requires_python=">=3.8, <4",
        entry_points=("tb-one = tb_one:run",),
        files={
            "tb_one.py": "def run(): ...\n",
            "tb_one-1.0.data/scripts/tb-script": "#!python\nprint(1)\n",
            "tb_one-1.0.data/data/share/tb/one": "data\n",
            "tb_one-1.0.data/headers/one.h": "/* */\n",
        },
    )
    pure = conda_package(write_wheel(tmp_path, source), python="3.11")
    assert (pure.noarch, pure.depends, pure.entry_points) == ("python", ("python >=3.8,<4",), source.entry_points)
    assert {"site-packages/tb_one.py", "python-scripts/tb-script", "share/tb/one"} <= set(pure.files)
    binary = WheelSource(name="tb-one", version="1.0", tag="cp311-cp311-linux_x86_64", files=source.files)
    package = conda_package(write_wheel(tmp_path, binary), python="3.11")
    assert (package.noarch, package.depends, package.build) == (None, ("python 3.11.*",), "py311_0")
    assert "include/python3.11/tb-one/one.h" in package.files
    installer = package.files["lib/python3.11/site-packages/tb_one-1.0.dist-info/INSTALLER"]
    assert isinstance(installer, File)
    assert installer.read() == b"conda\n"

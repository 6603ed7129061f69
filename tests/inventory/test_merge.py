"""conda's view and Python's view of one prefix, merged by file ownership."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments.detect import from_prefix
from jupyter_pkgmgr.inventory import Inventory, fingerprint, read_inventory
from jupyter_pkgmgr.model import Ecosystem, Environment, EnvironmentKind, Origin, OriginKind
from testbed.channel import Channel
from testbed.environments import conda_environment, tool, uv_install
from testbed.wheels import make_wheel

from .conftest import Prefix


def references(inventory: Inventory) -> list[str]:
    return [problem.reference for problem in inventory.problems]


def test_a_distribution_in_a_conda_package_is_its_python_face(conda: Prefix) -> None:
    record = conda.conda_python_package("ruamel.yaml", "0.18", depends=["python >=3.9"])
    inventory = conda.read()
    (package,) = inventory.packages
    assert package.ecosystem is Ecosystem.CONDA
    assert package.provides == (("ruamel-yaml", "0.18"),)
    assert package.location == record
    assert package.origin == Origin(kind=OriginKind.CHANNEL, location="conda-forge")
    assert (package.license, package.depends, package.installer) == ("MIT", ("python >=3.9",), "conda")
    assert inventory.conda("Ruamel.YAML") == package
    assert inventory.pypi("ruamel.yaml") is None
    assert inventory.distribution("ruamel_yaml") == (package, "0.18")
    assert inventory.conda_owned_distributions() == {"ruamel-yaml": package}
    assert references(inventory) == []


def test_both_ecosystems_side_by_side(conda: Prefix) -> None:
    conda.conda_python_package("numpy", "1.26")
    conda.record("libgcc", "12.2", depends=["__glibc >=2.17"])
    conda.distribution("rich", "13.0", requires=["numpy"])
    inventory = conda.read()
    assert [(package.name, package.ecosystem.value) for package in inventory.packages] == [
        ("libgcc", "conda"),
        ("numpy", "conda"),
        ("rich", "pypi"),
    ]
    assert inventory.problems == ()
    assert inventory.broken_dependencies() == ()


@pytest.mark.parametrize(
    ("channel", "url", "location"),
    [
        ("https://conda.anaconda.org/conda-forge/noarch", "", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", "", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/label/dev/linux-64", "", "conda-forge/label/dev"),
        ("https://repo.anaconda.com/pkgs/main/osx-arm64", "", "pkgs/main"),
        ("https://conda.anaconda.org/t/tk-secret/private/noarch", "", "private"),
        ("https://me:secret@mirror.example/repos/mine/linux-64", "", "mine"),
        ("conda-forge", "", "conda-forge"),
        ("conda-forge/linux-64", "", "conda-forge"),
        ("<unknown>", "file:///dl/local/noarch/foo-1.0-py_0.conda", "local"),
        (None, "file:///dl/local/noarch/foo-1.0-py_0.conda", "local"),
        (None, None, ""),
    ],
)
def test_channels(conda: Prefix, channel: str | None, url: str | None, location: str) -> None:
    conda.record("foo", channel=channel, url=url)
    package = conda.read().conda("foo")
    assert package is not None
    assert package.origin.location == location
    assert "secret" not in str(package)


def test_credentials_are_taken_out_of_urls(conda: Prefix) -> None:
    conda.record("foo", url="https://conda.anaconda.org/t/tk-secret/private/noarch/foo-1.0-py_0.conda")
    package = conda.read().conda("foo")
    assert package is not None
    assert package.url == "https://conda.anaconda.org/t/***/private/noarch/foo-1.0-py_0.conda"


HISTORY = "==> 2026-01-01 00:00:00 <==\n# cmd: conda install Foo\n+c::foo-1.0-py_0\n# update specs: ['Foo >=1']\n"


@pytest.mark.parametrize(
    ("history", "fields", "requested"),
    [
        (HISTORY, {}, True),
        (HISTORY.replace("Foo", "bar"), {}, False),
        (HISTORY.replace("Foo", "bar"), {"requested_specs": ["foo"]}, True),
        ("", {"requested_specs": ["foo >=1"]}, True),
        ("", {"requested_specs": []}, False),
        ("", {"requested_spec": "foo"}, True),
        ("", {"requested_spec": "None"}, False),
        ("", {}, None),
    ],
)
def test_requested(conda: Prefix, history: str, fields: dict[str, Any], *, requested: bool | None) -> None:
    (conda.environment.conda_meta / "history").write_text(history)
    conda.record("foo", **fields)
    package = conda.read().conda("foo")
    assert package is not None
    assert package.requested is requested


def test_pip_replaced_a_conda_package_by_another_version(conda: Prefix) -> None:
    conda.conda_python_package("six", "1.16")
    for file in (conda.site / "six-1.16.dist-info").iterdir():
        file.unlink()
    (conda.site / "six-1.16.dist-info").rmdir()
    conda.distribution("six", "1.17", installer="uv")
    inventory = conda.read()
    assert references(inventory) == ["pip-clobbered"]
    assert inventory.problems[0].packages == ("six",)
    assert inventory.problems[0].hint == "%pkg remove pypi::six, then %pkg install --force-reinstall conda::six=1.16"
    owner, version = inventory.distribution("six") or (None, "")
    assert owner is not None
    assert (owner.ecosystem, version) == (Ecosystem.PYPI, "1.17")
    package = inventory.conda("six")
    assert package is not None
    assert package.provides == ()
    assert inventory.states(package) == {"pip-clobbered"}
    assert inventory.owner(conda.site / "six.py") == owner


def test_pip_replaced_a_conda_package_by_the_same_version(conda: Prefix) -> None:
    conda.conda_python_package("six", "1.16")
    info = conda.site / "six-1.16.dist-info"
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("six.py,sha256=other,1\n")
    inventory = conda.read()
    assert references(inventory) == ["pip-clobbered"]
    assert {package.ecosystem for package in inventory.find("six")} == set(Ecosystem)


def test_a_conda_build_that_says_pip_is_no_clobbering(conda: Prefix) -> None:
    info = conda.distribution("six", "1.16", installer="pip")
    conda.record("six", "1.16", files=sorted(info.iterdir()))
    inventory = conda.read()
    assert references(inventory) == []
    assert len(inventory.packages) == 1


def test_pip_installed_beside_a_conda_package(conda: Prefix) -> None:
    conda.conda_python_package("six", "1.16")
    conda.distribution("six", "1.17")
    inventory = conda.read()
    assert references(inventory) == ["pip-clobbered"]
    assert len(inventory.find("six")) == 2


def test_files_of_a_conda_package_were_removed(conda: Prefix) -> None:
    conda.conda_python_package("six", "1.16")
    for file in (conda.site / "six-1.16.dist-info").iterdir():
        file.unlink()
    (conda.site / "six-1.16.dist-info").rmdir()
    inventory = conda.read()
    assert references(inventory) == ["missing-files"]
    assert inventory.distribution("six") is None


def test_user_site_hides_a_conda_package(make_prefix: Callable[..., Prefix], tmp_path: Path) -> None:
    user = tmp_path / "user"
    prefix = make_prefix(user_site=user)
    prefix.conda_python_package("six", "1.16")
    prefix.distribution("six", "1.17", site=user)
    inventory = prefix.read()
    package = inventory.conda("six")
    assert package is not None
    assert inventory.states(package) == {"shadowed"}
    assert inventory.distribution("six") == (inventory.pypi("six"), "1.17")
    assert references(inventory) == ["shadowed", "user-site"]
    assert "pip-clobbered" not in references(inventory)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[]", b'{"name": 3}', b"null", b'{"name": "six", "version"', b"[" * 100_000]
)
def test_broken_records_are_problems_and_keep_their_name(conda: Prefix, text: bytes) -> None:
    record = conda.conda_python_package("other", "1.0")
    broken = conda.environment.conda_meta / "_lib-gcc-12.2-h_0.json"
    broken.write_bytes(text)
    inventory = conda.read()
    assert references(inventory) == ["unreadable-record"]
    assert inventory.problems[0].path == broken
    assert inventory.problems[0].hint == "%pkg install --force-reinstall conda::_lib-gcc=12.2"
    package = inventory.conda("_lib-gcc")
    assert package is not None
    assert (package.version, package.build) == ("12.2", "h_0")
    assert record.exists()


def test_a_truncated_record_still_owns_its_distribution(conda: Prefix) -> None:
    record = conda.conda_python_package("six", "1.16")
    text = record.read_text()
    record.write_text(text[: text.index('"paths_data"')])
    inventory = conda.read()
    assert references(inventory) == ["unreadable-record"]
    assert [package.ecosystem for package in inventory.packages] == [Ecosystem.CONDA]


def test_odd_things_in_conda_meta(conda: Prefix) -> None:
    conda.record("foo", "1.0")
    conda.record("foo", "1.1")
    meta = conda.environment.conda_meta
    (meta / "history").unlink()
    (meta / "bar-1.0-0.json.c~").touch()
    (meta / "dangling-1.0-0.json").symlink_to(meta / "nowhere")
    (meta / "folder-1.0-0.json").mkdir()
    inventory = conda.read()
    assert sorted(references(inventory)) == [
        "duplicate-record",
        "leftover",
        "no-history",
        "unreadable-record",
        "unreadable-record",
    ]
    assert len(inventory.find("foo")) == 1


def test_conda_meta_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").write_text("")
    environment = Environment(prefix=tmp_path, kind=EnvironmentKind.CONDA, owner="conda", name="odd")
    assert references(read_inventory(environment)) == ["unreadable-folder"]


def test_a_prefix_without_python(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "history").touch()
    record = {"name": "r-base", "version": "4.4", "build": "h_0", "files": ["bin/R"]}
    (tmp_path / "conda-meta" / "r-base-4.4-h_0.json").write_text(json.dumps(record))
    environment = Environment(prefix=tmp_path, kind=EnvironmentKind.CONDA, owner="conda", name="r")
    inventory = read_inventory(environment)
    (package,) = inventory.packages
    assert inventory.files(package) == (tmp_path / "bin" / "R",)
    assert inventory.imports(package) == ()
    assert inventory.owner(tmp_path / "bin" / "R") == package


def test_escaped_paths_in_records(conda: Prefix) -> None:
    info = conda.distribution("six", "1.0+ü", installer="conda")
    conda.record("six", "1.0", files=sorted(info.iterdir()))
    assert "\\u00fc" in (conda.environment.conda_meta / "six-1.0-py_0.json").read_text()
    assert references(conda.read()) == []


def test_a_prefix_behind_a_link(conda: Prefix, tmp_path: Path) -> None:
    conda.conda_python_package("six", "1.16")
    (tmp_path / "link").symlink_to(conda.path)
    environment = Environment(
        prefix=tmp_path / "link", kind=EnvironmentKind.CONDA, owner="x", name="x", python=conda.environment.python
    )
    assert [package.ecosystem for package in read_inventory(environment).packages] == [Ecosystem.CONDA]


def test_real_conda_environment_that_uv_changes(conda_prefix: Path, tmp_path: Path, clean_settings: Path) -> None:
    assert clean_settings.is_dir()
    environment = from_prefix(conda_prefix)
    before = read_inventory(environment)
    python = before.conda("python")
    assert python is not None
    assert python.requested is True
    assert before.problems == ()
    assert all(package.ecosystem is Ecosystem.CONDA for package in before.packages)
    assert environment.python is not None
    assert before.owner(environment.python.executable.resolve()) == python
    assert before.broken_dependencies() == ()

    wheel = make_wheel(tmp_path, "tb-own", "1.0", requires=["tb-absent"])
    uv_install(environment.python.executable, "--no-deps", wheel)
    after = read_inventory(environment)
    assert after.fingerprint != before.fingerprint
    package = after.pypi("tb_own")
    assert package is not None
    assert package.origin == Origin(kind=OriginKind.PATH, location=str(wheel))
    assert (package.requested, package.installer) == (True, "uv")
    assert [problem.reference for problem in after.broken_dependencies()] == ["missing-dependency"]


def test_real_clobbering_by_uv(testbed: Path, tmp_path: Path, clean_settings: Path) -> None:
    assert clean_settings.is_dir()
    prefix = conda_environment(
        tmp_path / "env",
        channels=[Channel(testbed / "channel").url],
        cache=testbed / "cache",
        specs=("python", "tb-alpha=1.0"),
    )
    environment = from_prefix(prefix)
    assert environment.python is not None
    whole = read_inventory(environment)
    alpha = whole.conda("tb-alpha")
    assert alpha is not None
    assert alpha.provides == (("tb-alpha", "1.0"),)
    assert alpha.requested is True
    assert whole.imports(alpha) == ("tb_alpha",)
    uv_install(environment.python.executable, testbed / "index" / "tb_alpha-1.1-py3-none-any.whl")
    inventory = read_inventory(environment)
    assert references(inventory) == ["pip-clobbered"]
    assert inventory.distribution("tb-alpha") == (inventory.pypi("tb-alpha"), "1.1")


def test_real_editable_project(real_venv: Environment, tmp_path: Path) -> None:
    """An editable installation as a build backend writes it (a wheel with a ``.pth``), and uv installs it."""
    project = tmp_path / "project"
    (project / "src" / "tb_edit").mkdir(parents=True)
    (project / "src" / "tb_edit" / "__init__.py").touch()
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "tb-edit"\nversion = "0.1"\n'
    )
    assert real_venv.python is not None
    uv_install(real_venv.python.executable, "-e", project)
    inventory = read_inventory(real_venv)
    package = inventory.pypi("tb-edit")
    assert package is not None
    assert package.origin == Origin(kind=OriginKind.EDITABLE, location=str(project))
    assert inventory.imports(package) == ("tb_edit",)
    assert inventory.packages_for_import("tb_edit.sub") == (package,)
    assert inventory.problems == ()


BACKEND = """
import os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tb_edit-0.1-py3-none-any.whl"
    info = "tb_edit-0.1.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("_tb_edit.pth", os.path.abspath("src"))
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: tb-edit\\nVersion: 0.1\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


def test_uv_lists_the_same(real_venv: Environment, tmp_path: Path, index_folder: Path) -> None:
    assert real_venv.python is not None
    wheels = [index_folder / f"{name}-1.0-py3-none-any.whl" for name in ("tb_alpha", "tb_cli", "tb_pure")]
    uv_install(real_venv.python.executable, *wheels)
    command = [
        tool("uv"),
        "pip",
        "list",
        "--no-config",
        "--format",
        "json",
        "--python",
        str(real_venv.python.executable),
    ]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout)
    inventory = read_inventory(real_venv)
    assert [(package.name, package.version) for package in inventory.packages] == [
        (item["name"], item["version"]) for item in listed
    ]


def test_fingerprint_changes_with_every_package(conda: Prefix) -> None:
    seen = [fingerprint(conda.environment)]

    def changed() -> bool:
        seen.append(fingerprint(conda.environment))
        return seen[-1] not in seen[:-1]

    assert fingerprint(conda.environment) == seen[0]
    record = conda.conda_python_package("six", "1.16")
    assert changed()
    info = conda.distribution("rich", "1.0")
    assert changed()
    os.utime(info / "RECORD", ns=(1, 1))
    assert changed()
    os.utime(record, ns=(1, 1))
    assert changed()
    (conda.environment.conda_meta / "history").write_text(HISTORY)
    assert changed()
    record.unlink()
    assert changed()
    info.rename(info.with_name("rich-1.1.dist-info"))
    assert changed()
    assert fingerprint(conda.environment) == conda.read().fingerprint == seen[-1]

"""What a file names, and what never gets into one: environments written file by file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from jupyter_pkgmgr.commands.requirements import read_requirements
from jupyter_pkgmgr.lookup import Export, ExportOptions, Extent, FileFormat, export
from jupyter_pkgmgr.model import EnvironmentKind
from jupyter_pkgmgr.model.errors import UsageError
from tests.inventory.conftest import Prefix, make_prefix, own_cache

__all__ = ["make_prefix", "own_cache"]

MakePrefix = Callable[..., Prefix]


@pytest.fixture
def conda(make_prefix: MakePrefix, clean_settings: Path) -> Prefix:
    assert clean_settings.is_dir()
    return make_prefix()


@pytest.fixture
def venv(make_prefix: MakePrefix, clean_settings: Path) -> Prefix:
    assert clean_settings.is_dir()
    return make_prefix(EnvironmentKind.VENV)


def made(prefix: Prefix, form: FileFormat | None = None, extent: Extent = Extent.REQUESTED) -> Export:
    return export(prefix.read(), ExportOptions(format=form, extent=extent))


def entries(found: Export) -> list[str]:
    lines = (line.partition("  #")[0].strip() for line in found.text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def from_url(**direct: object) -> dict[str, str]:
    return {"direct_url.json": json.dumps(direct), "REQUESTED": ""}


REQUESTED = {"REQUESTED": ""}


def test_no_credentials_get_out(venv: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:s3cret@index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://s3cret@more.example/simple https://free.example/simple")
    git = {"vcs": "git", "commit_id": "a" * 40}
    venv.distribution("one", "1", more=from_url(url="https://s3cret:x@git.example/one.git", vcs_info=git))
    venv.distribution("two", "1", more=from_url(url="ssh://git@git.example/two", vcs_info=git, subdirectory="src"))
    venv.distribution("three", "1", more=from_url(url="https://files.example/three-1.tar.gz?token=s3cret&x=1"))
    found = made(venv)
    assert "s3cret" not in found.text + " ".join(found.notes)
    assert "***" not in found.text
    assert entries(found) == [
        f"one @ git+https://git.example/one.git@{'a' * 40}",
        "three @ https://files.example/three-1.tar.gz?x=1",
        f"two @ git+ssh://git@git.example/two@{'a' * 40}#subdirectory=src",
    ]
    assert "the credentials of the place that one came from are left out" in found.notes
    assert "# without the '#', packages are looked for here, with credentials:\n" in found.text
    assert "# --index-url https://index.example/simple\n# --extra-index-url https://more.example/simple\n" in found.text


def test_no_token_of_a_channel_gets_out(conda: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "condarc").write_text("channels: ['https://host.example/t/s3cret/lab', conda-forge]\n")
    monkeypatch.setenv("CONDARC", str(tmp_path / "condarc"))
    url = "https://u:s3cret@other.example/t/s3cret/own/noarch"
    conda.record("tool", "1.0", url=f"{url}/tool-1.0-py_0.conda", channel=url, requested_spec="tool", md5="0" * 32)
    found = made(conda)
    assert "s3cret" not in found.text
    assert "***" not in found.text
    document = YAML(typ="safe").load(found.text)
    assert document["channels"] == ["https://host.example/lab", "conda-forge", "https://other.example/own"]
    assert "the channel https://host.example/lab wants credentials, which are left out" in found.notes
    explicit = export(conda.read(), ExportOptions(format=FileFormat.EXPLICIT, checksum="md5"))
    assert explicit.text.splitlines()[-1] == f"https://other.example/own/noarch/tool-1.0-py_0.conda#{'0' * 32}"


def test_what_lies_on_this_machine_only_is_told(venv: Prefix, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    url = project.as_uri()
    venv.distribution("mine", "1", more=from_url(url=url, dir_info={"editable": True}))
    venv.distribution("built", "1", more=from_url(url=url, dir_info={}))
    found = made(venv)
    assert entries(found) == [f"built @ {url}", f"-e {project}"]
    assert found.notes == (
        "built was installed from a file or folder, which is there on this machine only",
        "mine is an editable project, whose folder is there on this machine only",
    )


def test_a_package_cant_write_lines_of_its_own(venv: Prefix) -> None:
    info = venv.distribution("evil", "1", more=REQUESTED)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: evil\nVersion: 1\n --index-url https://evil.example\n")
    venv.distribution("good", "1", more=REQUESTED)
    found = made(venv)
    assert entries(found) == ["good==1"]
    assert [line for line in found.text.splitlines() if "evil" in line and not line.startswith("#")] == []
    assert found.notes[0].startswith("left out, as no tool could read it: 'evil'")


def test_where_nothing_was_recorded_what_no_other_needs_is_named(venv: Prefix) -> None:
    venv.distribution("app", "1", requires=["library>=1"], installer="uv")
    venv.distribution("library", "2", installer="uv")
    venv.distribution("ring-a", "1", requires=["ring-b"], installer="uv")
    venv.distribution("ring-b", "1", requires=["ring-a"], installer="uv")
    venv.distribution("pip", "26", more=REQUESTED)
    found = made(venv)
    assert entries(found) == ["app==1", "ring-a==1"]
    assert found.notes == (
        "nothing recorded which of PyPI's packages were asked for: those are listed that no other needs",
    )
    assert entries(made(venv, extent=Extent.ALL)) == ["app==1", "library==2", "pip==26", "ring-a==1", "ring-b==1"]


def test_what_was_left_behind_is_named_and_told_apart(venv: Prefix) -> None:
    venv.distribution("asked", "1", more=REQUESTED)
    venv.distribution("orphan", "1")
    assert "asked==1\norphan==1  # nothing needs it\n" in made(venv).text
    assert entries(made(venv, extent=Extent.HISTORY)) == ["asked", "orphan"]


def test_what_was_typed_for_conda(conda: Prefix) -> None:
    history = conda.environment.conda_meta / "history"
    history.write_text(
        "==> 2026-01-01 00:00:00 <==\n# cmd: conda create python=3.11 tool>=1 https://u:s3cret@h/c::other\n"
        "+conda-forge/noarch::tool-1.5-py_0\n"
        "# update specs: ['python=3.11', 'tool>=1', 'https://u:s3cret@h/c::other']\n"
    )
    for name, version in (("python", "3.11.7"), ("tool", "1.5"), ("other", "2"), ("needed", "1")):
        conda.record(name, version, depends=["needed"] if name == "tool" else [])
    assert YAML(typ="safe").load(made(conda, extent=Extent.HISTORY).text)["dependencies"] == [
        "other",
        "python=3.11",
        "tool>=1",
    ]
    assert YAML(typ="safe").load(made(conda, extent=Extent.ALL).text)["dependencies"] == [
        "needed=1=py_0",
        "other=2=py_0",
        "python=3.11.7=py_0",
        "tool=1.5=py_0",
    ]


def test_of_two_copies_the_one_that_python_finds(conda: Prefix) -> None:
    """Another tool wrote its own over conda's: conda's record is still there."""
    conda.conda_python_package("twice", "1.0", requested_spec="twice")
    for file in conda.site.glob("twice-1.0.dist-info/*"):
        file.unlink()
    (conda.site / "twice-1.0.dist-info").rmdir()
    conda.distribution("twice", "2.0", more=REQUESTED)
    found = made(conda)
    assert YAML(typ="safe").load(found.text)["dependencies"] == ["pip", {"pip": ["twice==2.0"]}]
    assert found.notes == ("left out: conda's twice 1.0, which a package of PyPI has overwritten",)


def test_conda_packages_as_requirements(conda: Prefix) -> None:
    conda.conda_python_package("library", "1.0", requested_spec="library")
    conda.record("compiler", "13", requested_spec="compiler")
    conda.distribution("own", "1", more=REQUESTED)
    found = made(conda, FileFormat.PIP)
    assert entries(found) == ["library==1.0", "own==1"]
    assert found.notes == ("left out, as they are conda's and no Python packages: compiler",)


def test_a_package_of_which_nobody_knows_the_url(conda: Prefix) -> None:
    conda.record("built-here", "1.0", url="")
    with pytest.raises(UsageError) as caught:
        made(conda, FileFormat.EXPLICIT)
    assert caught.value.reference == "no-url"


@pytest.mark.parametrize("name", ["yes", "1.5", "a: b", "some/where", "#1", "ünïcode", "-x", "null", "simple-name"])
def test_whatever_the_name_it_is_yaml(name: str, conda: Prefix, tmp_path: Path) -> None:
    conda.record("tool", "2024a", requested_spec="tool")
    named = replace(conda.read(), environment=replace(conda.environment, name=name))
    found = export(named, ExportOptions())
    assert YAML(typ="safe").load(found.text)["name"] == re.sub("[ :#]+", "-", name.removeprefix("some/"))
    (tmp_path / "environment.yml").write_text(found.text, encoding="utf-8")
    assert [spec.match_spec() for spec in read_requirements(tmp_path / "environment.yml").specs] == ["tool =2024a"]

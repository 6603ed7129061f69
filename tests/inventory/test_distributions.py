"""What one distribution says, in every form it comes in."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.inventory import Problem, read_inventory
from jupyter_pkgmgr.model import Ecosystem, EnvironmentKind, Origin, OriginKind

from .conftest import Prefix


def references(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.reference for problem in problems]


@pytest.mark.parametrize(
    ("direct", "kind", "location"),
    [
        ({"url": "file:///src/foo", "dir_info": {"editable": True}}, OriginKind.EDITABLE, "/src/foo"),
        ({"url": "file:///src/with%20space", "dir_info": {}}, OriginKind.PATH, "/src/with space"),
        ({"url": "file:///dl/foo-1.whl", "archive_info": {}}, OriginKind.PATH, "/dl/foo-1.whl"),
        (
            {"url": "https://user:secret@host/foo-1.whl", "archive_info": {}},
            OriginKind.URL,
            "https://***@host/foo-1.whl",
        ),
        (
            {"url": "https://host/foo.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "sub"},
            OriginKind.VCS,
            "git+https://host/foo.git@abc#subdirectory=sub",
        ),
    ],
)
def test_direct_url(venv: Prefix, direct: dict[str, object], kind: OriginKind, location: str) -> None:
    venv.distribution("foo", "1.0", more={"direct_url.json": json.dumps(direct)})
    package = venv.read().pypi("foo")
    assert package is not None
    assert package.origin == Origin(kind=kind, location=location)


def test_from_an_index(venv: Prefix) -> None:
    info = venv.distribution("Foo.Bar_baz", "1.0", requires=["six>=1"], more={"REQUESTED": ""})
    inventory = venv.read()
    package = inventory.pypi("foo-bar-BAZ")
    assert package is not None
    assert package.name == "Foo.Bar_baz"
    assert package.origin == Origin(kind=OriginKind.INDEX)
    assert package.requested is True
    assert package.installer == "pip"
    assert package.depends == ("six>=1",)
    assert package.summary == "for tests"
    assert package.location == info
    assert inventory.states(package) == frozenset()
    assert inventory.problems == ()
    assert inventory.find("foo_bar.baz") == (package,)


@pytest.mark.parametrize(
    ("installer", "more", "requested"),
    [("pip", {}, False), ("uv", {}, False), ("uv", {"REQUESTED": ""}, True), ("poetry 2", {}, None), ("", {}, None)],
)
def test_requested(venv: Prefix, installer: str, more: dict[str, str], *, requested: bool | None) -> None:
    venv.distribution("foo", "1.0", installer=installer, more=more)
    package = venv.read().pypi("foo")
    assert package is not None
    assert package.requested is requested


def test_headers_are_read_and_the_description_is_not(venv: Prefix) -> None:
    info = venv.distribution("foo", "1.0")
    requires = "".join(f"Requires-Dist: need-{number}>={number}\r\n" for number in range(2000))  # beyond the first read
    folded = "License: MIT\r\n        and more\r\n        text\r\nSummary: na\xefve\r\n"
    text = f"Metadata-Version: 2.1\r\nname: foo\r\nVERSION: 2.0\r\n{folded}{requires}\r\nRequires-Dist: never\r\n"
    (info / "METADATA").write_bytes(text.encode("latin-1"))
    package = venv.read().pypi("foo")
    assert package is not None
    assert (package.version, package.license, len(package.depends)) == ("2.0", "MIT", 2000)
    assert package.summary.startswith("na")
    assert "never" not in package.depends


def test_editable_hooks_without_direct_url(venv: Prefix, tmp_path: Path) -> None:
    project = tmp_path / "src"
    project.mkdir()
    finder = "__editable___with_finder_1_0_finder.py"
    venv.distribution("with-finder", "1.0", files={finder: f"MAPPING: dict[str, str] = {{'mod': '{project}/mod'}}\n"})
    venv.distribution("with-path", "1.0", files={"__editable__.with_path-1.0.pth": f"{project}\n"})
    venv.distribution("with", "1.0")
    inventory = venv.read()
    for name in ("with-finder", "with-path"):
        package = inventory.pypi(name)
        assert package is not None
        assert package.origin == Origin(kind=OriginKind.EDITABLE, location=str(project)), name
    plain = inventory.pypi("with")
    assert plain is not None
    assert plain.origin.kind is OriginKind.INDEX
    finder_package = inventory.pypi("with-finder")
    assert finder_package is not None
    assert inventory.imports(finder_package) == ("mod",)


def egg_link(venv: Prefix, project: Path) -> None:
    (venv.site / "old-style.egg-link").write_text(f"{project}\n.")


def test_egg_link(venv: Prefix, tmp_path: Path) -> None:
    info = tmp_path / "project" / "old_style.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: old-style\nVersion: 0.3\n")
    (info / "requires.txt").write_text("six>=1\n\n[:python_version<'3']\nenum34\n\n[more]\nrich @ https://h/r.whl\n")
    egg_link(venv, info.parent)
    package = venv.read().pypi("old.style")
    assert package is not None
    assert (package.version, package.location) == ("0.3", info)
    assert package.origin == Origin(kind=OriginKind.EDITABLE, location=str(info.parent))
    assert package.depends == (
        "six>=1",
        "enum34 ; (python_version<'3')",
        'rich @ https://h/r.whl ; extra == "more"',
    )


def test_an_editable_project_that_is_gone(venv: Prefix, tmp_path: Path) -> None:
    egg_link(venv, tmp_path / "nowhere")
    (problem,) = venv.read().problems
    assert problem.reference == "editable-missing"
    assert problem.hint == "%pkg remove old-style"


def test_legacy_egg_info_as_file_and_as_folder(venv: Prefix) -> None:
    (venv.site / "filed-1.0-py3.11.egg-info").write_text("Metadata-Version: 1.0\nName: filed\nVersion: 1.0\n")
    folder = venv.site / "foldered-2.0-py3.11.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: foldered\nVersion: 2.0\n")
    (folder / "top_level.txt").write_text("one\ntwo\n")
    (folder / "installed-files.txt").write_text("../one.py\n../two/__init__.py\nPKG-INFO\n")
    inventory = venv.read()
    assert inventory.distribution("filed") is not None
    package = inventory.pypi("foldered")
    assert package is not None
    assert inventory.imports(package) == ("one", "two")
    assert venv.site / "one.py" in inventory.files(package)
    assert inventory.problems == ()


def remove_metadata(info: Path) -> None:
    (info / "METADATA").unlink()


def remove_record(info: Path) -> None:
    (info / "RECORD").unlink()


def empty_metadata(info: Path) -> None:
    (info / "METADATA").write_bytes(b"")


def binary_metadata(info: Path) -> None:
    (info / "METADATA").write_bytes(bytes(range(256)) * 100)


def no_version(info: Path) -> None:
    (info / "METADATA").write_text("Name: foo\n\n")


def broken_direct_url(info: Path) -> None:
    (info / "direct_url.json").write_text('{"url": 3')


def metadata_folder(info: Path) -> None:
    (info / "METADATA").unlink()
    (info / "METADATA").mkdir()


def everything(info: Path) -> None:
    for file in info.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("damage", "expected", "listed"),
    [
        (remove_metadata, ["missing-metadata"], False),
        (empty_metadata, ["missing-metadata"], False),
        (binary_metadata, ["missing-metadata"], False),
        (metadata_folder, ["missing-metadata"], False),
        (everything, ["missing-metadata"], False),
        (remove_record, ["missing-record"], True),
        (no_version, ["broken-metadata"], True),
        (broken_direct_url, ["broken-metadata"], True),
    ],
)
def test_damage_is_a_problem_and_never_an_error(
    venv: Prefix, damage: Callable[[Path], None], expected: list[str], *, listed: bool
) -> None:
    venv.distribution("whole", "1.0")
    info = venv.distribution("foo", "1.0")
    damage(info)
    inventory = venv.read()
    assert references(inventory.problems) == expected
    assert inventory.problems[0].packages == ("foo",)
    assert inventory.problems[0].path == info
    assert inventory.problems[0].hint
    assert (inventory.pypi("foo") is not None) is listed
    assert inventory.pypi("whole") is not None


def test_leftovers_of_pip(venv: Prefix) -> None:
    (venv.site / "~oo-1.0.dist-info").mkdir()
    (venv.site / "~oo").mkdir()
    inventory = venv.read()
    assert references(inventory.problems) == ["leftover", "leftover"]
    assert inventory.packages == ()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder(venv: Prefix) -> None:
    venv.distribution("foo", "1.0")
    venv.site.chmod(0)
    try:
        assert "unreadable-folder" in references(venv.read().problems)
    finally:
        venv.site.chmod(0o755)


def test_user_site_shadows(make_prefix: Callable[..., Prefix], tmp_path: Path) -> None:
    user = tmp_path / "user"
    prefix = make_prefix(EnvironmentKind.VENV, user_site=user)
    prefix.distribution("foo", "1.0")
    prefix.distribution("foo", "2.0", site=user)
    prefix.distribution("only-user", "3.0", site=user)
    inventory = prefix.read()
    by_version = {package.version: package for package in inventory.find("foo")}
    assert inventory.distribution("foo") == (by_version["2.0"], "2.0")
    assert inventory.states(by_version["2.0"]) == {"user-site"}
    assert inventory.states(by_version["1.0"]) == {"shadowed"}
    assert references(inventory.problems) == ["shadowed", "user-site"]
    assert inventory.problems[1].packages == ("foo", "only-user")


def test_duplicates_in_one_folder(venv: Prefix) -> None:
    old, new = venv.distribution("foo", "2.0"), venv.distribution("Foo", "1.0")
    os.utime(old / "RECORD", (1_600_000_000, 1_600_000_000))
    inventory = venv.read()
    assert references(inventory.problems) == ["duplicate-distribution"]
    package = inventory.pypi("foo")
    assert package is not None
    assert package.location == new
    assert [inventory.states(each) for each in inventory.find("foo") if each != package] == [{"duplicate"}]
    assert package.ecosystem is Ecosystem.PYPI


def test_an_egg_info_beside_a_dist_info_of_the_same_version(venv: Prefix) -> None:
    info = venv.distribution("foo", "1.0")
    (venv.site / "foo-1.0.egg-info").write_text("Metadata-Version: 1.0\nName: foo\nVersion: 1.0\n")
    inventory = venv.read()
    assert [package.location for package in inventory.packages] == [info]
    assert inventory.problems == ()


def test_the_egg_info_in_an_editable_project_on_the_path(venv: Prefix, tmp_path: Path) -> None:
    project = tmp_path / "src"
    (project / "foo.egg-info").mkdir(parents=True)
    (project / "foo.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: foo\nVersion: 0.9\n")
    direct = json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})
    info = venv.distribution("foo", "1.0", more={"direct_url.json": direct})
    python = venv.environment.python
    assert python is not None
    python = dataclasses.replace(python, search_path=(project, *python.search_path))
    inventory = read_inventory(dataclasses.replace(venv.environment, python=python))
    assert [(package.location, inventory.states(package)) for package in inventory.packages] == [(info, frozenset())]
    assert inventory.problems == ()

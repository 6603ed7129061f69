from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.commands.requirements import read_requirements
from jupyter_pkgmgr.model import Ecosystem
from jupyter_pkgmgr.model.errors import InvalidSpecError, UsageError


def test_a_requirements_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX_TOKEN", "t0ken")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname='p'\nversion='1'\n")
    (tmp_path / "more.txt").write_text("rich\n")
    (tmp_path / "limits.txt").write_text("six<2\n")
    (tmp_path / "requirements.txt").write_text(
        "# comment\n"
        "--index-url https://${INDEX_TOKEN}@h/simple\n"
        "--extra-index-url=https://other/simple\n"
        "-r more.txt\n"
        "-c limits.txt\n"
        "-e ./project\n"
        "--pre\n"
        "pandas >= 2, \\\n  < 3  # data\n"
        'six ; python_version < "4"\n'
    )
    found = read_requirements(tmp_path / "requirements.txt")
    assert [spec.name or spec.location for spec in found.specs] == ["rich", str(project), "pandas", "six"]
    assert [spec.editable for spec in found.specs] == [False, True, False, False]
    assert found.index_url == "https://t0ken@h/simple"
    assert found.extra_index_urls == ["https://other/simple"]
    assert found.constraints == [tmp_path / "limits.txt"]
    assert found.pre


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(UsageError) as caught:
        read_requirements(tmp_path / "a.txt")
    assert caught.value.reference == "requirements-loop"


def test_hashes_are_refused_and_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six==1.17.0 --hash=sha256:00\n")
    with pytest.raises(InvalidSpecError) as caught:
        read_requirements(tmp_path / "requirements.txt")
    assert caught.value.reference == "hashes"


def test_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\x00six")
    with pytest.raises(UsageError) as caught:
        read_requirements(tmp_path / "requirements.txt")
    assert caught.value.reference == "path-not-readable"


def test_an_environment_file(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(
        "name: other\n"
        "channels: [conda-forge, nodefaults]\n"
        "dependencies:\n"
        "  - python=3.11\n"
        "  - numpy >=1.26\n"
        "  - pip\n"
        "  - pip:\n"
        "    - rich==13.7.1\n"
        "    - --extra-index-url https://h/simple\n"
    )
    found = read_requirements(tmp_path / "environment.yml")
    assert [(spec.name, spec.ecosystem) for spec in found.specs] == [
        ("python", Ecosystem.CONDA),
        ("numpy", Ecosystem.CONDA),
        ("rich", Ecosystem.PYPI),
    ]
    assert found.channels == ["conda-forge"]
    assert found.override_channels
    assert found.extra_index_urls == ["https://h/simple"]


@pytest.mark.parametrize("content", ["dependencies: [unclosed", "just text", "dependencies: 3"])
def test_a_broken_environment_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(content)
    with pytest.raises(UsageError) as caught:
        read_requirements(tmp_path / "environment.yml")
    assert "environment.yml" in caught.value.message


def test_an_equals_sign_inside_a_url_stays(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("--index-url https://h/simple?token=abc=\n-e=.\n--find-links=https://h/?a=b\n")
    (tmp_path / "pyproject.toml").touch()
    found = read_requirements(tmp_path / "r.txt")
    assert found.index_url == "https://h/simple?token=abc="
    assert found.find_links == ["https://h/?a=b"]
    assert [spec.editable for spec in found.specs] == [True]


def test_a_quotation_mark_that_stays_open_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("six\n-e ./don't\n")
    with pytest.raises(InvalidSpecError) as caught:
        read_requirements(tmp_path / "r.txt")
    assert caught.value.message == "r.txt, line 2: a quotation mark is never closed"


def test_a_constraint_file_that_a_file_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("-c nothing.txt\nsix\n")
    with pytest.raises(UsageError) as caught:
        parse_line("install -r r.txt", base=tmp_path)
    assert caught.value.reference == "path-not-found"

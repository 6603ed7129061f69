"""The fast path answers what it is sure of, on every interpreter, and leaves the rest to the service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel import satisfied
from jupyter_pkgmgr.model import Ecosystem, Package
from jupyter_pkgmgr.render import render_satisfied
from testbed.environments import make_venv
from tests.kernel.conftest import ROOT, VERSIONS

SIX = ["six 1.17.0 is already installed"]
LINES: list[tuple[str, str | None, list[str] | None]] = [
    ("install six", None, SIX),
    ("install SIX", None, SIX),
    ("  install   six  # why", None, SIX),
    ('install "six>=1.16"', None, SIX),
    ("install six>=1.16,<2,!=1.15", None, SIX),
    ("install six==1.17", None, SIX),
    ("install six==1.17.0.0", None, SIX),
    ("install -y six --yes", None, SIX),
    ("install -q six", None, []),
    ("install six six", None, SIX),
    ("install", "six\n# a comment\n\nsix>1\n", SIX),
    ("", "six", SIX),
    ("-q", "six", None),
    ("install", "-q\nsix", None),
    # not satisfied
    ("install six==1.16.0", None, None),
    ("install six>1.17", None, None),
    ("install six<1.17.0", None, None),
    ("install six!=1.17", None, None),
    ("install six nobody-has-this", None, None),
    ("install", "six\nnobody-has-this", None),
    # not for the fast path
    ("", None, None),
    ("install", None, None),
    ("install -q", None, None),
    ("list six", None, None),
    ("pip install six", None, None),
    ("install -U six", None, None),
    ("install --dry-run six", None, None),
    ("install six -c conda-forge", None, None),
    ("install six=1.17", None, None),
    ("install six==1.*", None, None),
    ("install six~=1.17", None, None),
    ("install six===1.17.0", None, None),
    ("install six>=1.17,", None, None),
    ("install six>= 1.17", None, None),
    ("install six[x]", None, None),
    ("install conda::six", None, None),
    ("install ./six", None, None),
    ("install six.whl", None, None),
    ("install six@https://example.org/six.whl", None, None),
    ("install six#egg=six", None, None),
    ("install 'six", None, None),
    ("install six;python_version>'3'", None, None),
    ("install sìx", None, None),
    ("install", "six six", None),
]


def ask(python: str, lines: list[Any], **environ: str) -> list[Any]:
    """The answers of the fast path, in an interpreter whose environment has nothing of ours."""
    code = (
        "import json, sys; folder, lines = json.load(sys.stdin)\n"
        "sys.path.append(folder); from jupyter_pkgmgr.kernel.satisfied import answer\n"
        "print(json.dumps([answer(line, cell) for line, cell, _ in lines]))"
    )
    done = subprocess.run(
        [python, "-c", code],
        input=json.dumps([str(ROOT), lines]),
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_fast_path_answers(version: str, kernel_python: Callable[[str], str]) -> None:
    answers = ask(kernel_python(version), LINES)
    assert [(line, cell, answer) for (line, cell, _), answer in zip(LINES, answers, strict=True)] == LINES


def test_a_package_outside_the_own_site_packages_is_not_enough(
    kernel_python: Callable[[str], str], tmp_path: Path
) -> None:
    python = kernel_python("3.11")
    record = tmp_path / "elsewhere-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    shadow = shutil.copytree(record, tmp_path / "six-9.0.dist-info") / "METADATA"
    shadow.write_text("Metadata-Version: 2.1\nName: six\nVersion: 9.0\n")
    lines = [("install elsewhere", None, None), ("install six", None, None)]
    assert ask(python, lines, PYTHONPATH=str(tmp_path)) == [None, None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages of this very process, with what each test puts there."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(folder))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    return folder


def distribution(site: Path, name: str, version: str, *, metadata: str | None = None) -> None:
    record = site / f"{name}-{version}.dist-info"
    record.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
    (record / "METADATA").write_text(text)


@pytest.mark.parametrize(
    ("version", "spec", "holds"),
    [
        ("1.0rc1", "thing", True),
        ("1.0rc1", "thing<1.0", False),
        ("1.0rc1", "thing==1.0", False),
        ("1.0+cpu", "thing==1.0", False),  # PEP 440 says yes: the service may
        ("1!2.0", "thing>=1.0", False),
        ("2.10", "thing>2.9", True),
        ("2.0", "thing<=2", True),
        ("0", "thing<1", True),
    ],
)
def test_versions(version: str, spec: str, holds: bool, site: Path) -> None:  # noqa: FBT001
    distribution(site, "thing", version)
    assert satisfied.answer(f"install {spec}") == ([f"thing {version} is already installed"] if holds else None)


def test_broken_or_doubled_metadata_is_left_to_the_service(site: Path) -> None:
    distribution(site, "twice", "1.0")
    distribution(site, "twice", "2.0")
    distribution(site, "empty", "1.0", metadata="")
    (site / "none-1.0.dist-info").mkdir()
    for name in ("twice", "empty", "none"):
        assert satisfied.answer(f"install {name}") is None


def test_many_packages_are_one_sentence(site: Path) -> None:
    names = [f"thing{number}" for number in range(16)]
    for name in names:
        distribution(site, name, "1.0")
    packages = [Package(name=name, version="1.0", ecosystem=Ecosystem.PYPI) for name in names]
    for count in (1, 2, 15, 16):
        answer = satisfied.answer("install " + " ".join(names[:count]))
        assert answer == [render_satisfied(packages[:count]).text]  # the service would say it in the same words


def test_in_a_conda_environment_conda_must_know_the_name(site: Path, tmp_path: Path) -> None:
    for name in ("graphviz", "six", "old"):
        distribution(site, name, "1.0")
    records = tmp_path / "conda-meta"
    records.mkdir()
    for record in ("python-graphviz-1.0-py_0", "six-1.0-py_0", "old-0.9-py_0"):
        (records / f"{record}.json").write_text("{}")
    assert satisfied.answer("install six") == ["six 1.0 is already installed"]
    assert satisfied.answer("install graphviz") is None
    assert satisfied.answer("install old") is None


def test_a_package_that_lacks_what_it_needs_is_not_enough(tmp_path: Path) -> None:
    python = make_venv(tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name, needs in (("whole", "other; python_version > '99'"), ("needy", "missing>=1"), ("content", "whole")):
        record = site / f"{name}-1.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {needs}\n")
    lines = [(f"install {name}", None, None) for name in ("whole", "needy", "content")]
    done = ["whole 1.0 is already installed"], None, ["content 1.0 is already installed"]
    assert ask(str(python), lines) == list(done)

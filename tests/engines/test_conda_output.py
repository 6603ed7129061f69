"""Names in specs, conda's order of versions, and what becomes of records."""

from __future__ import annotations

import itertools

import pytest

from jupyter_pkgmgr.engines.conda_output import Actions, Record, changes, compare_versions, parse_answer, spec_name
from jupyter_pkgmgr.model import Action, Ecosystem, Package, Verb


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("six", "six"),
        ("six=1.16", "six"),
        ("six 1.16.* py_0", "six"),
        ("numpy>=1,<2", "numpy"),
        ("conda-forge::click>8.1", "click"),
        ("https://host/ch::_libgcc_mutex", "_libgcc_mutex"),
        ("ruamel.yaml", "ruamel.yaml"),
        ("PyYAML", "pyyaml"),
        ("https://host/noarch/six-1.0-0.conda", ""),
        ("file:///srv/six-1.0-0.conda", ""),
    ],
)
def test_the_name_in_a_spec(spec: str, name: str) -> None:
    assert spec_name(spec) == name


ORDERED = [
    "0.4",
    "0.4.1.rc",
    "0.4.1",
    "0.5a1",
    "0.5b3",
    "0.5c1",
    "0.5",
    "0.9.6",
    "0.960923",
    "1.0",
    "1.1dev1",
    "1.1a1",
    "1.1.0dev1",
    "1.1.0rc1",
    "1.1.0",
    "1.1.0post1",
    "1.1post1",
    "1996.07.12",
    "1!0.4.1",
    "1!3.1.1.6",
    "2!0.4.1",
]
"""From the example in conda's documentation of version order, equal ones left out."""


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(ORDERED)))
def test_versions_are_ordered_as_conda_documents(older: str, newer: str) -> None:
    assert compare_versions(older, newer) < 0
    assert compare_versions(newer, older) > 0


@pytest.mark.parametrize(("left", "right"), [("1.0", "1.0.0"), ("1.2", "1.2"), ("1.1.0", "1.1"), ("0!1", "1")])
def test_equal_versions(left: str, right: str) -> None:
    assert compare_versions(left, right) == 0


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        (("1.0", "h_0", 0), ("2.0", "h_0", 0), Action.UPGRADE),
        (("2025b", "h_0", 0), ("2025a", "h_0", 0), Action.DOWNGRADE),
        (("1.10", "h_0", 0), ("1.9", "h_0", 0), Action.DOWNGRADE),
        (("1.0", "h_0", 0), ("1.0", "h_1", 1), Action.UPGRADE),
        (("1.0", "h_1", 1), ("1.0", "h_0", 0), Action.DOWNGRADE),
        (("1.0", "a_0", 0), ("1.0", "b_0", 0), Action.REINSTALL),
        (("1.0", "h_0", 0), ("1.0", "h_0", 0), Action.REINSTALL),
    ],
)
def test_what_happens_to_a_package(before: tuple[str, str, int], after: tuple[str, str, int], action: Action) -> None:
    gone, comes = (
        Record(name="x", version=version, build_string=build, build_number=number)
        for version, build, number in (before, after)
    )
    (change,) = changes(Actions(link=[comes], unlink=[gone]), verb=Verb.INSTALL, specs=[], installed=[])
    assert change.action is action


def test_before_is_the_installed_package_itself() -> None:
    installed = Package(name="x", version="1.0", build="0", ecosystem=Ecosystem.CONDA, requested=True)
    gone = Record(name="x", version="1.0", build_string="0")
    (change,) = changes(Actions(unlink=[gone]), verb=Verb.REMOVE, specs=["x"], installed=[installed])
    assert change.before is installed


def test_progress_and_text_without_an_answer() -> None:
    assert parse_answer("conda", '{"fetch":"x","finished":true,"maxval":1,"progress":1}\r\n\0') is None
    assert parse_answer("conda", "Traceback (most recent call last):\n  {\n") is None

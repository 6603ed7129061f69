"""Who needs whom, and which needs aren't met."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from .conftest import Prefix


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        (["six"], []),
        (["Six>=1.10,<2"], []),
        (["six>=2"], ["version-conflict"]),
        (["six (>=1.0)"], []),
        (["absent"], ["missing-dependency"]),
        (["absent; python_version < '3.0'"], []),
        (["absent; python_version == '3.11'"], ["missing-dependency"]),
        (["absent; extra == 'more'"], []),
        (["absent @ https://host/absent.whl"], ["missing-dependency"]),
        (["pre>=1.0"], []),
        (["!!"], ["unreadable-requirement"]),
        (["odd"], []),
        (["odd>=1"], ["version-conflict"]),
    ],
)
def test_requirements_as_pip_check_sees_them(venv: Prefix, requires: Sequence[str], expected: list[str]) -> None:
    venv.distribution("six", "1.16.0")
    venv.distribution("pre", "1.5rc1")
    venv.distribution("odd", "not a version")
    venv.distribution("foo", "1.0", requires=requires)
    problems = venv.read().broken_dependencies()
    assert [problem.reference for problem in problems] == expected
    assert all(problem.packages[0] == "foo" for problem in problems)


def test_the_words(venv: Prefix) -> None:
    venv.distribution("numpy", "1.20")
    venv.distribution("scipy", "1.11", requires=["numpy>=1.23"])
    (problem,) = venv.read().broken_dependencies()
    assert problem.message == "scipy 1.11 needs numpy>=1.23, but numpy 1.20 is installed"
    assert problem.hint == "%pkg install numpy>=1.23"
    assert problem.packages == ("scipy", "numpy")


def test_conda_provides_what_a_wheel_needs_and_the_reverse(conda: Prefix) -> None:
    conda.conda_python_package("numpy", "1.26")
    conda.distribution("foo", "1.0", requires=["numpy>=1"])
    inventory = conda.read()
    numpy, foo = inventory.conda("numpy"), inventory.pypi("foo")
    assert numpy is not None
    assert foo is not None
    assert inventory.broken_dependencies() == ()
    assert inventory.dependents(numpy) == (foo,)


def test_pip_downgraded_numpy_under_a_conda_scipy(conda: Prefix) -> None:
    info = conda.distribution("scipy", "1.11", installer="conda", requires=["numpy>=1.23"])
    conda.record("scipy", "1.11", files=sorted(info.iterdir()), depends=["numpy >=1.23", "__glibc >=2.17"])
    conda.record("numpy", "1.26")
    conda.distribution("numpy", "1.20")
    assert [problem.reference for problem in conda.read().broken_dependencies()] == ["version-conflict"]


def test_conda_depends(conda: Prefix) -> None:
    conda.record("foo", depends=["bar >=1", "conda-forge::baz", "__unix", "python_abi 3.11.* *_cp311"])
    conda.record("bar")
    inventory = conda.read()
    bar = inventory.conda("bar")
    assert bar is not None
    assert [package.name for package in inventory.dependents(bar)] == ["foo"]
    problems = inventory.broken_dependencies()
    assert [problem.packages for problem in problems] == [("foo", "baz"), ("foo", "python_abi")]
    assert problems[1].hint == '%pkg install "conda::python_abi 3.11.* *_cp311"'


def test_dependents_ignore_extras_and_other_platforms(venv: Prefix) -> None:
    venv.distribution("six", "1.16.0")
    other = "win32" if sys.platform != "win32" else "linux"
    venv.distribution("extra", "1.0", requires=["six; extra == 'more'"])
    venv.distribution("foreign", "1.0", requires=[f"six; sys_platform == '{other}'"])
    venv.distribution("broken", "1.0", requires=["!!", "SIX[more]>=1"])
    inventory = venv.read()
    six = inventory.pypi("six")
    assert six is not None
    assert [package.name for package in inventory.dependents(six)] == ["broken"]


def test_all_that_a_package_needs_follows_the_extras_that_are_needed(venv: Prefix) -> None:
    venv.distribution("top", "1.0", requires=["middle[more]", "absent"])
    venv.distribution("middle", "1.0", requires=["always", "only-more; extra == 'more'", "not; extra == 'other'"])
    for name in ("always", "only-more", "not", "beside"):
        venv.distribution(name, "1.0", requires=["top"] if name == "always" else [])
    inventory = venv.read()
    found = inventory.closure(inventory.find("top", "Nowhere"))
    assert {package.name for package in found.values()} == {"top", "middle", "always", "only-more"}
    (top,) = inventory.find("top")
    assert [package.name for package in inventory.requirements(top)] == ["middle"]

"""One name, two things: conda's and PyPI's are never taken for each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.model import Plan
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel, PackageSource


@pytest.fixture
def plan_in(
    clean_settings: Path, tmp_path: Path, testbed: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PackageService]:
    channel = Channel(tmp_path / "namesakes").add(
        *(
            PackageSource(name=name, version="1.0", files={f"share/{name}/here": name})
            for name in ("graphviz", "python-graphviz", "pytorch", "redis", "redis-py", "gcc", "scikit-learn", "build")
        ),
        PackageSource(name="python-build", version="1.0", files={"share/python-build/here": "b"}),
    )
    monkeypatch.setenv("CONDA_CHANNELS", channel.index().url)
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(testbed / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    with PackageService() as service:
        yield service


def install(service: PackageService, prefix: Path, line: str, *, apply: bool = False) -> Plan:
    request = parse_line(f"install {line}", base=prefix).request
    assert request is not None
    plan = service.plan(from_prefix(prefix), request)
    if apply:
        service.apply(plan)
    return plan


@pytest.mark.parametrize(
    ("typed", "conda_name", "warned"),
    [
        ("graphviz", "python-graphviz", True),
        ("conda::graphviz", "graphviz", False),
        ("redis", "redis-py", False),
        ("torch", "pytorch", False),
        ("pytorch", "pytorch", False),
        ("gcc", "gcc", False),
        ("scikit_learn", "scikit-learn", False),
        ("Scikit-Learn", "scikit-learn", False),
    ],
)
def test_a_typed_name_means_the_python_package(
    typed: str, conda_name: str, *, warned: bool, plan_in: PackageService, conda_prefix: Path
) -> None:
    plan = install(plan_in, conda_prefix, typed)
    assert [change.package.name for change in plan.changes] == [conda_name]
    assert any(notice.reference == "same-name" for notice in plan.warnings) is warned


def test_the_programs_do_not_satisfy_a_request_for_the_binding(plan_in: PackageService, conda_prefix: Path) -> None:
    install(plan_in, conda_prefix, "conda::graphviz", apply=True)
    assert install(plan_in, conda_prefix, "conda::graphviz").is_empty
    assert [change.package.name for change in install(plan_in, conda_prefix, "graphviz").changes] == ["python-graphviz"]

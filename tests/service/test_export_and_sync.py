"""A file that brings an environment about again, and an environment that becomes what a file says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import Action, Plan
from jupyter_pkgmgr.model.errors import PkgError, UsageError
from testbed.channel import Channel
from testbed.environments import conda_environment, make_venv
from testbed.index import Server

from .conftest import User


def exported(user: User, options: str = "") -> str:
    user.type(f"export {options}")
    return user.shown["result"].text


def entries(text: str) -> list[str]:
    """The packages that a file names, without comments."""
    body = text.partition("dependencies:")[2] or text
    lines = [line.partition("  #")[0].strip().removeprefix("- ") for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "@")) and line != "pip:"]


def actions(plan: Plan) -> dict[str, Action]:
    return {change.package.name: change.action for change in plan.changes}


def installed(user: User) -> set[tuple[str, str, str]]:
    packages = user.service.inventory(user.environment).packages
    return {(package.ecosystem.value, package.name, package.version) for package in packages}


def nothing_to_do(user: User, line: str) -> None:
    before = user.tree()
    report = user.type(line)
    assert report.outcome is None, user.screen
    assert re.search("already installed|nothing to do", user.screen), user.screen
    assert user.tree() == before


# --- conda ---------------------------------------------------------------------------------------------------------


def test_a_conda_environment_goes_out_and_comes_in_again(
    conda_user: User, channel_server: Server, conda_channel: Channel, testbed: Path, tmp_path: Path
) -> None:
    conda_user.type("install tb-native==1.0 tb-mixed tb-pure==1.1")
    text = exported(conda_user)
    python = conda_user.environment.python
    assert python is not None
    assert f"name: conda-env\nchannels:\n  - {channel_server.url}\n  - {conda_channel.url}\ndependencies:\n" in text
    assert "  - tb-alpha=2.0  # tb-mixed needs it\n" in text
    assert entries(text) == [
        f"python={python.version}",
        "tb-alpha=2.0",
        "tb-native=1.0",
        "pip",
        "tb-mixed==1.0",
        "tb-pure==1.1",
    ]
    conda_user.type("export environment.yml")
    note = f"note: the channel {conda_channel.url} is there on this machine only"
    assert conda_user.screen == f"wrote environment.yml: 5 packages\n{note}"
    assert (tmp_path / "environment.yml").read_text(encoding="utf-8") == text
    nothing_to_do(conda_user, "install -r environment.yml")
    nothing_to_do(conda_user, "sync environment.yml")
    other = conda_environment(tmp_path / "other", channels=[conda_channel.url], cache=testbed / "cache")
    fresh = User(conda_user.service, from_prefix(other), tmp_path)
    fresh.type("sync environment.yml")
    assert installed(fresh) == installed(conda_user)
    for file, options in (("all.yml", "--all"), ("other.yaml", "--no-builds"), ("loose.yml", "--from-history")):
        conda_user.type(f"export {options} {file}")
        nothing_to_do(conda_user, f"sync {file}")

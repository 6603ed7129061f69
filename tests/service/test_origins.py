"""Where a plan says that packages come from when several indexes are configured: from where they really come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.content import wheel
from testbed.index import Server, serve
from testbed.wheels import write_wheel

from .conftest import User


@pytest.fixture
def private(tmp_path: Path, configured: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An index behind a password, beside the main one: one package of both, and one of its own."""
    assert configured.is_dir()  # its settings come first
    folder = tmp_path / "private"
    folder.mkdir()
    for name, version in (("tb-private", "1.0"), ("tb-alpha", "1.0")):
        write_wheel(folder, wheel(name, version))
    with serve(folder, auth=("ada", "hunter2")) as server:
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{server.auth_url}/simple/")
        yield server


def sources(user: User, line: str) -> dict[str, str]:
    """From where each package of a plan comes; the credentials are told nowhere."""
    report = user.type(f"plan {line}")
    assert "hunter2" not in user.screen + json.dumps(report.json)
    return {
        change["after"]["name"]: change["after"]["origin"]["location"]
        for step in report.json["plan"]["steps"]
        for change in step["plan"]["changes"]
    }


def test_each_package_is_said_to_come_from_the_index_that_gives_it(
    venv_user: User, private: Server, index_server: Server
) -> None:
    told = sources(venv_user, "install tb-private tb-cli tb-alpha==1.0")
    assert told == {"tb-private": private.index_url, "tb-cli": index_server.index_url, "tb-alpha": private.index_url}
    assert private.url.removeprefix("http://") in venv_user.screen
    assert "PyPI" not in venv_user.screen
    before = len(index_server.paths("*tb_alpha-1.0-*"))
    venv_user.type("install tb-private tb-cli tb-alpha==1.0")
    assert private.paths("*tb_alpha-1.0-*"), "as was said, though both have it"
    assert len(index_server.paths("*tb_alpha-1.0-*")) == before


def test_with_uvs_own_setting_the_first_index_gives_it_as_well(
    venv_user: User, private: Server, index_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", f"{private.auth_url}/simple/")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index_server.index_url)
    told = sources(venv_user, "install tb-alpha tb-cli")
    assert told == {"tb-alpha": private.index_url, "tb-cli": index_server.index_url}


def test_pips_report_has_the_file_and_so_the_index(venv_user: User, private: Server, index_server: Server) -> None:
    told = sources(venv_user, "install --engine pip tb-private tb-cli tb-alpha==1.0")
    assert (told["tb-private"], told["tb-cli"]) == (private.index_url, index_server.index_url)
    venv_user.type("install --engine pip tb-alpha==1.0")
    gave = private if private.paths("*tb_alpha-1.0-*.whl") else index_server
    assert told["tb-alpha"] == gave.index_url


@pytest.mark.usefixtures("private")
def test_where_nobody_can_tell_nothing_is_said(venv_user: User, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    write_wheel(links, wheel("tb-private", "1.0"))
    told = sources(venv_user, f"install --find-links {links} tb-private tb-cli")
    assert told["tb-private"] == ""
    assert "an index" in venv_user.screen
    assert told["tb-cli"] != ""

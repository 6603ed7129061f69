"""The environment that the Jupyter server runs in: things may come, but what the server consists of stays.

The server is a real one: ``jupyter_server`` and all it needs, repacked from the running environment into wheels.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import AdminPolicy, Policy, PolicyKind, ServerEnvironment
from jupyter_pkgmgr.model.errors import PkgError, PlanBlockedError
from testbed.channel import Channel, PackageSource
from testbed.content import wheel
from testbed.index import Server, serve
from testbed.wheels import repack, write_wheel
from tests.routing.conftest import Under
from tests.service.conftest import User


def with_extras(*distributions: str) -> list[str]:
    """Installed distributions and all they need here, through extras too."""
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in distributions]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for requirement in map(Requirement, Distribution.from_name(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return sorted({name for name, _ in found})


@pytest.fixture(scope="session")
def server_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("server-wheels")
    for name in with_extras("jupyter_server", "jupyterlab_widgets"):
        repack(name, folder)
    for source in (
        wheel("anyio", "99.0"),
        wheel("rfc3339-validator", "99.0"),
        wheel("jupyterlab-widgets", "99.0"),
        wheel("tb-needs-anyio", "1.0", requires=("anyio>=99",)),
        wheel("tb-likes-anyio", "1.0", requires=("anyio",)),
    ):
        write_wheel(folder, source)
    return folder


@pytest.fixture
def index(server_wheels: Path, index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    folder = tmp_path / "index"
    shutil.copytree(index_folder, folder)
    for file in server_wheels.glob("*.whl"):
        shutil.copy(file, folder)
    with serve(folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        yield server


@pytest.fixture
def server_user(venv_user: User, server_wheels: Path, index: Server, monkeypatch: pytest.MonkeyPatch) -> User:
    """Somebody whose kernel runs in the server's own environment."""
    assert index.url
    python = venv_user.environment.python
    assert python is not None
    uv = [find_uv_bin(), "--quiet", "--no-config", "pip", "install", f"--python={python.executable}"]
    old = ["anyio<99", "rfc3339-validator<99", "jupyterlab-widgets<99"]
    links = ["--offline", "--no-index", f"--find-links={server_wheels}", f"--cache-dir={server_wheels / 'cache'}"]
    subprocess.run([*uv, *links, "jupyter_server", *old], check=True, timeout=120)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(venv_user.base / "jupyter"))
    prefix = venv_user.environment.prefix
    return replace(venv_user, environment=from_interpreter(python.executable, server=prefix))


def blocked(user: User, line: str) -> PkgError:
    before = user.service.inventory(user.environment).fingerprint
    with pytest.raises(PlanBlockedError) as caught:
        user.type(line)
    assert user.service.inventory(user.environment).fingerprint == before
    assert caught.value.reference == "server-needs-it", caught.value.to_json()
    assert "the running Jupyter server needs" in caught.value.message
    assert caught.value.note
    assert caught.value.hint
    return caught.value


def test_things_may_be_added_changed_and_removed(server_user: User) -> None:
    server_user.type("install tb-pure==1.0 tb-likes-anyio")
    server_user.type("update tb-pure")
    assert server_user.version("tb-pure") == "2.0"
    server_user.type("remove tb-pure")
    server_user.type("undo")
    assert server_user.version("tb-pure") == "2.0"
    (server_user.base / "requirements.txt").write_text("tb-alpha\n", encoding="utf-8")
    outcome = server_user.type("sync requirements.txt").outcome
    assert outcome is not None
    names = {change.package.name for change in outcome.changes}
    assert names == {"tb-alpha", "tb-pure", "tb-likes-anyio"}  # the first comes, the others go
    assert "the running Jupyter server needs" in server_user.shown["plan"].text


def test_what_the_server_consists_of_stays(server_user: User) -> None:
    for line in (
        "install anyio==99.0",
        "install -U anyio",
        "update anyio",
        "update rfc3339-validator",  # needed by an extra of what the server needs
        "update jupyterlab-widgets",  # the front end of ipywidgets: only its files in share/ tell
        "remove jupyter_server",
        "remove anyio",
        "install --force-reinstall traitlets",
    ):
        name = line.split()[-1].partition("=")[0]
        assert canonicalize_name(name) in canonicalize_name(blocked(server_user, line).message)


def test_a_dependency_that_would_change_it_names_it(server_user: User) -> None:
    assert "anyio" in blocked(server_user, "install tb-needs-anyio").message


def test_updating_everything_leaves_it_alone(server_user: User) -> None:
    server_user.type("install tb-pure==1.0")
    before = server_user.version("anyio")
    server_user.type("update")
    assert server_user.version("tb-pure") == "2.0"
    assert server_user.version("anyio") == before != "99.0"


def test_what_it_has_already_is_simply_there(server_user: User) -> None:
    server_user.type("install jupyter_server anyio")
    assert "already" in server_user.screen


def test_enabled_extensions_belong_to_the_server(server_user: User) -> None:
    server_user.type("install tb-alpha==1.0 tb-cli")
    folder = server_user.environment.prefix / "etc" / "jupyter" / "jupyter_server_config.d"
    folder.mkdir(parents=True, exist_ok=True)
    enabled = {"ServerApp": {"jpserver_extensions": {"tb_alpha": True, "tb_cli": False}}}
    (folder / "tb.json").write_text(json.dumps(enabled), encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    blocked(server_user, "update tb-alpha")
    server_user.type("remove tb-cli")
    own = server_user.base / "jupyter"
    own.mkdir()
    disabled = {"ServerApp": {"jpserver_extensions": {"tb_alpha": False}}}
    (own / "jupyter_server_config.json").write_text(json.dumps(disabled), encoding="utf-8")
    server_user.type("update tb-alpha")
    assert server_user.version("tb-alpha") == "2.1"


def test_undo_is_held_to_it_too(server_user: User, under: Under) -> None:
    under(server_user, AdminPolicy(server_environment=ServerEnvironment.FREE)).type("install anyio==99.0")
    assert server_user.version("anyio") == "99.0"
    blocked(server_user, "undo")


def test_an_administrator_may_forbid_more(server_user: User, under: Under) -> None:
    user = under(server_user, AdminPolicy(server_environment=ServerEnvironment.READ_ONLY))
    before = user.tree()
    for line in ("install tb-pure", "remove anyio", "update"):
        with pytest.raises(PkgError) as caught:
            user.type(line)
        assert caught.value.reference == "read-only-policy"
    assert user.tree() == before


def test_another_environment_is_not_held(server_user: User, index: Server) -> None:
    python = server_user.environment.python
    assert python is not None
    assert index.url
    elsewhere = replace(server_user, environment=from_interpreter(python.executable))
    elsewhere.type("install anyio==99.0")
    assert elsewhere.version("anyio") == "99.0"


# --- conda ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def conda_server_user(conda_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    def package(name: str, version: str, *depends: str) -> PackageSource:
        return PackageSource(name=name, version=version, depends=depends, files={f"share/{name}": version})

    more = Channel(tmp_path / "jupyter")
    more.add(
        *(package("jupyter_server", version, "tb-alpha") for version in ("1.0", "2.0")),
        package("tb-new", "1.0", "jupyter_server >=2"),
        package("tb-old-alpha", "1.0", "tb-alpha <2"),
        package("tb-free", "1.0"),
        package("tb-free", "2.0"),
    ).index()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter-config"))
    (conda_user.environment.prefix / ".condarc").write_text(f"channels: [{more.url}]\n", encoding="utf-8")
    conda_user.type("install jupyter_server=1.0 tb-free=1.0")
    prefix = conda_user.environment.prefix
    return replace(conda_user, environment=from_prefix(prefix, server=prefix))


def test_a_conda_server_stays(conda_server_user: User) -> None:
    for line in (
        "install jupyter_server>=2",
        "update jupyter_server",
        "update tb-alpha",
        "remove jupyter_server",
        "remove tb-alpha",
        "install tb-new",
        "install tb-old-alpha",
    ):
        blocked(conda_server_user, line)


def test_a_conda_server_lets_others_come_and_change(conda_server_user: User) -> None:
    conda_server_user.type("install tb-tool tb-pure")
    conda_server_user.type("update")
    inventory = conda_server_user.service.inventory(conda_server_user.environment)
    found = {name: package.version for name in ("jupyter_server", "tb-free") if (package := inventory.conda(name))}
    assert found == {"jupyter_server": "1.0", "tb-free": "2.0"}
    conda_server_user.type("remove tb-tool")


def test_the_policy_of_the_environment_decides(conda_server_user: User) -> None:
    environment = conda_server_user.environment
    assert environment.policy(PolicyKind.SERVER) is not None
    others = tuple(policy for policy in environment.policies if policy.kind is not PolicyKind.SERVER)
    free = replace(conda_server_user, environment=replace(environment, policies=others))
    free.type("update jupyter_server")
    assert isinstance(environment.policy(PolicyKind.SERVER), Policy)
    found = free.service.inventory(free.environment).conda("jupyter_server")
    assert found is not None
    assert found.version == "2.0"

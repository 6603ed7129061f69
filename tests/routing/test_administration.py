"""What an administrator allows binds every verb, however a user says it; a refusal changes and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import AdminPolicy, Ecosystem
from jupyter_pkgmgr.model.errors import PkgError, PlanBlockedError, PolicyError
from jupyter_pkgmgr.render import render_environment
from testbed.channel import Channel, PackageSource
from testbed.content import wheel
from testbed.index import Server, serve, serve_files
from testbed.wheels import write_wheel
from tests.routing.conftest import Under
from tests.service.conftest import User


def refused(user: User, *lines: str) -> PkgError:
    """What is said to somebody who may not do that; and nothing has changed."""
    before = user.tree()
    with pytest.raises(PkgError) as caught:
        user.type_together(*lines) if lines[1:] else user.type(lines[0])
    assert user.tree() == before
    assert caught.value.note is not None
    assert "administrator" in caught.value.note
    assert caught.value.hint
    return caught.value


@pytest.fixture
def index(index_folder: Path) -> Iterator[Server]:
    """The same packages on an index of its own: elsewhere, or counted."""
    with serve(index_folder) as server:
        yield server


# --- read only -----------------------------------------------------------------------------------------------------


def test_read_only_means_every_verb(venv_user: User, under: Under) -> None:
    venv_user.type("install tb-pure==1.0")
    user = under(venv_user, AdminPolicy(read_only=True))
    for line in ("install tb-alpha", "update", "update tb-pure", "remove tb-pure", "undo"):
        assert refused(user, line).reference == "read-only-policy"
    user.type("list")
    assert "tb-pure" in user.screen
    assert user.service.search(user.environment, "tb-pure").hits


# --- packages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["install tb-pure", "install TB_Pure", "install pypi::tb-pure", "install tb.pure>=1"])
def test_a_denied_package_is_refused_before_anything_is_fetched(
    line: str, venv_user: User, under: Under, index: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
    error = refused(under(venv_user, AdminPolicy(deny_packages=("tb-p*",))), line)
    assert error.reference == "package-denied"
    assert isinstance(error, PolicyError)
    assert "tb-p*" in (error.note or "")
    assert index.requests == []


def test_every_part_of_a_request_is_bound(venv_user: User, under: Under) -> None:
    venv_user.type("install tb-pure==1.0 tb-cli")
    user = under(venv_user, AdminPolicy(deny_packages=("tb-pure",)))
    assert refused(user, "remove tb-cli", "install tb-alpha", "update tb-pure").reference == "package-denied"
    user.type_together("remove tb-pure", "install tb-alpha")
    assert [user.version(name) for name in ("tb-pure", "tb-alpha")] == [None, "2.1"]


def test_a_denied_version(venv_user: User, under: Under) -> None:
    user = under(venv_user, AdminPolicy(deny_packages=("tb-pure<2",)))
    assert refused(user, "install tb-pure==1.0").reference == "package-denied"
    error = refused(user, "install tb-pure<2")
    assert isinstance(error, PlanBlockedError)
    assert "tb-pure 1.1 may not be installed" in error.message
    user.type("install tb-pure")
    assert user.version("tb-pure") == "2.0"


def test_a_denied_dependency_names_who_wants_it(venv_user: User, conda_user: User, under: Under) -> None:
    policy = AdminPolicy(deny_packages=("tb-pure", "conda::tb-alpha"))
    error = refused(under(venv_user, policy), "install tb-left")
    assert error.message == "tb-pure 1.0, which tb-left needs, may not be installed here"
    error = refused(under(conda_user, policy), "install tb-beta")
    assert "tb-alpha 1.1, which tb-beta needs," in error.message


def test_a_rule_for_one_ecosystem_leaves_the_other(venv_user: User, conda_user: User, under: Under) -> None:
    policy = AdminPolicy(deny_packages=("conda::tb-alpha",))
    under(venv_user, policy).type("install tb-alpha")
    assert venv_user.owner("tb-alpha") == "pypi"
    error = refused(under(conda_user, policy), "install tb-alpha")
    assert isinstance(error, PlanBlockedError)
    assert error.reference == "package-denied"
    under(conda_user, policy).type("install pypi::tb-alpha")
    assert conda_user.owner("tb-alpha") == "pypi"


def test_the_other_ecosystems_name_of_the_same_thing_is_no_way_around(conda_user: User, under: Under) -> None:
    user = under(conda_user, AdminPolicy(deny_packages=("torch",)))
    assert refused(user, "install conda::pytorch").reference == "package-denied"
    assert refused(user, "install torch").reference == "package-denied"
    assert refused(user, "install pypi::torch").reference == "package-denied"


def test_only_what_is_allowed(venv_user: User, under: Under) -> None:
    user = under(venv_user, AdminPolicy(allow_packages=("tb-left", "tb-alpha>=2")))
    assert refused(user, "install tb-cli").reference == "package-denied"
    assert "tb-left needs" in refused(user, "install tb-left").message
    assert refused(user, "install tb-alpha==1.0").reference == "package-denied"
    user.type("install tb-alpha")
    assert user.version("tb-alpha") == "2.1"
    assert refused(under(venv_user, AdminPolicy(allow_packages=())), "install tb-left").reference == "package-denied"


def test_removing_what_is_denied_is_allowed_and_undoing_that_is_not(venv_user: User, under: Under) -> None:
    venv_user.type("install tb-pure")
    user = under(venv_user, AdminPolicy(deny_packages=("tb-pure",)))
    user.type("remove tb-pure")
    assert user.version("tb-pure") is None
    assert refused(user, "undo").reference == "package-denied"


def test_an_update_of_everything_brings_nothing_that_is_denied(venv_user: User, under: Under) -> None:
    venv_user.type("install tb-pure==1.0 tb-alpha==1.0")
    user = under(venv_user, AdminPolicy(deny_packages=("tb-pure>=2",)))
    assert refused(user, "update").reference == "package-denied"
    user.type("update tb-alpha")
    assert user.version("tb-alpha") == "2.1"


# --- indexes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "--index-url {evil}",
        "-i {evil}",
        "--extra-index-url {evil}",
        "--find-links {evil}",
        "--find-links {wheels}",
        "--no-index --find-links {wheels}",
        "-r {requirements}",
        "-r {links}",
    ],
)
def test_options_do_not_weaken_it(
    options: str, venv_user: User, under: Under, index_server: Server, index: Server, tmp_path: Path
) -> None:
    (tmp_path / "wheels").mkdir()
    requirements, links = tmp_path / "requirements.txt", tmp_path / "links.txt"
    requirements.write_text(f"--extra-index-url {index.index_url}\ntb-alpha\n")
    links.write_text(f"-f {tmp_path / 'wheels'}\ntb-alpha\n")
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.index_url,)))
    said = options.format(evil=index.index_url, wheels=tmp_path / "wheels", requirements=requirements, links=links)
    error = refused(user, f"install tb-pure {said}")
    assert error.reference == "index-denied"
    assert index_server.index_url in (error.note or "")
    assert index.requests == []
    user.type("install tb-pure")
    assert user.version("tb-pure") == "2.0"


@pytest.mark.parametrize(
    "variable", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_INDEX", "pip.conf", "uv"]
)
def test_settings_do_not_weaken_it(
    variable: str,
    venv_user: User,
    under: Under,
    index_server: Server,
    index: Server,
    configured: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.index_url,)))
    if variable == "pip.conf":
        file = configured / "pip.conf"
        file.write_text(f"[global]\nextra-index-url = {index.index_url}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    elif variable == "uv":
        file = configured / ".config" / "uv" / "uv.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'[[index]]\nname = "mine"\nurl = "{index.index_url}"\n')
    else:
        monkeypatch.setenv(variable, index.index_url)
    assert refused(user, "install tb-pure").reference == "index-denied"
    assert index.requests == []


def test_a_prefix_of_the_host_is_another_host(
    venv_user: User, under: Under, index: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = under(venv_user, AdminPolicy(allowed_indexes=(index.url.rstrip("0123456789").rstrip(":"),)))
    monkeypatch.setenv("PIP_INDEX_URL", index.index_url)
    assert refused(user, "install tb-pure").reference == "index-denied"


def test_an_allowed_index_with_credentials_is_the_same_index(
    venv_user: User, under: Under, index: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.auth = ("me", "secret")
    user = under(venv_user, AdminPolicy(allowed_indexes=(index.index_url,)))
    monkeypatch.setenv("PIP_INDEX_URL", index.index_url.replace("://", "://me:secret@"))
    user.type("install tb-pure")
    assert user.version("tb-pure") == "2.0"


def test_a_url_is_held_to_the_same_list(venv_user: User, under: Under, index_server: Server, index: Server) -> None:
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.url,)))
    name = "tb_pure-2.0-py3-none-any.whl"
    assert refused(user, f"install {index.url}/files/{name}").reference == "index-denied"
    assert refused(user, f"install 'tb-pure @ {index.url}/files/{name}'").reference == "index-denied"
    assert refused(user, f"install git+{index.url}/repo.git").reference == "index-denied"
    assert index.requests == []
    user.type(f"install {index_server.url}/files/{name}")
    assert user.version("tb-pure") == "2.0"


def test_a_constraint_file_is_no_way_around(
    venv_user: User, under: Under, index_server: Server, index: Server, tmp_path: Path
) -> None:
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.index_url,)))
    constraints = tmp_path / "constraints.txt"
    for line in (
        f"tb-pure @ {index.url}/files/tb_pure-1.0-py3-none-any.whl",
        f"--index-url {index.index_url}",
        f"-r {tmp_path / 'more.txt'}",
        f"{index.url}/files/tb_pure-1.0-py3-none-any.whl",
        "tb-pure==${EVIL}",
    ):
        constraints.write_text(f"# harmless\ntb-alpha<2\n{line}\n")
        assert refused(user, f"install tb-pure -c {constraints}").reference == "constraint-denied"
    assert index.requests == []
    constraints.write_text("tb-pure<2  # why not\n")
    user.type(f"install tb-pure -c {constraints}")
    assert user.version("tb-pure") == "1.1"


def test_pip_cannot_be_held_to_it_and_is_refused(venv_user: User, under: Under, index_server: Server) -> None:
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.index_url,)))
    assert refused(user, "install --engine pip tb-pure").reference == "engine-denied"


@pytest.mark.parametrize("variable", ["UV_OVERRIDE", "UV_TORCH_BACKEND"])
def test_variables_that_lead_elsewhere_are_refused(
    variable: str, venv_user: User, under: Under, index_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "cpu")
    user = under(venv_user, AdminPolicy(allowed_indexes=(index_server.index_url,)))
    assert variable in refused(user, "install tb-pure").message


def test_removing_needs_no_index(venv_user: User, under: Under) -> None:
    venv_user.type("install tb-pure")
    under(venv_user, AdminPolicy(allowed_indexes=())).type("remove tb-pure")
    assert venv_user.version("tb-pure") is None


# --- builds and direct references ----------------------------------------------------------------------------------


def test_no_builds(venv_user: User, under: Under, tmp_path: Path, index_folder: Path) -> None:
    user = under(venv_user, AdminPolicy(no_source_builds=True))
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    sdist = next(index_folder.glob("tb?source-1.0.tar.gz"))
    for what in (str(project), f"-e {project}", str(sdist), "git+https://127.0.0.1:9/x.git"):
        assert refused(user, f"install {what}").reference == "build-denied"
    for what in ("tb-source", "tb-source tb-pure"):
        assert refused(user, f"install {what}").message == "tb-source would have to be built"
    user.type("install tb-pure")
    user.type(f"install {write_wheel(tmp_path, wheel('tb-own', '1.0'))}")
    assert user.version("tb-own") == "1.0"


def test_settings_that_ask_for_builds_have_no_say(
    venv_user: User, under: Under, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    user = under(venv_user, AdminPolicy(no_source_builds=True))
    user.type("install tb-pure")
    assert user.version("tb-pure") == "2.0"
    with pytest.raises(PkgError):
        user.type("install tb-source")


def test_names_only(venv_user: User, under: Under, index_server: Server, tmp_path: Path) -> None:
    user = under(venv_user, AdminPolicy(no_direct=True))
    own = write_wheel(tmp_path, wheel("tb-own", "1.0"))
    url = f"{index_server.url}/files/tb_pure-2.0-py3-none-any.whl"
    for what in (str(own), f"./{own.name}", url, f"'tb-pure @ {url}'", "git+https://127.0.0.1:9/x.git"):
        assert refused(user, f"install {what}").reference == "direct-denied"
    user.type("install tb-pure")


# --- channels ------------------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Server]:
    channel = Channel(tmp_path / "other" / "evil")
    channel.add(PackageSource(name="tb-evil", version="1.0", files={"share/evil": "evil"})).index()
    with serve_files(tmp_path / "other") as server:
        yield server


@pytest.mark.parametrize("said", ["-c {evil} tb-evil", "{evil}::tb-evil", "-c {evil} --override-channels tb-evil"])
def test_another_channel_is_refused(
    said: str, conda_user: User, under: Under, other: Server, channel_server: Server
) -> None:
    user = under(conda_user, AdminPolicy(allowed_channels=(channel_server.url,)))
    error = refused(user, f"install {said.format(evil=f'{other.url}/evil')}")
    assert error.reference == "channel-denied"
    assert channel_server.url in (error.note or "")
    assert other.requests == []
    user.type("install tb-alpha")
    assert user.owner("tb-alpha") == "conda"


@pytest.mark.parametrize(
    "condarc",
    [
        "channels: [{good}, {evil}]",
        "channels: [{good}, evil]\nchannel_alias: {root}",
        "channels: [{good}, mine]\ncustom_channels: {{mine: {root}/evil}}",
        "channels: [{good}, group]\ncustom_multichannels: {{group: [{evil}]}}",
        "channels: [{good}, defaults]\ndefault_channels: [{evil}]",
        "channels: ['{good}/../evil']",
    ],
)
def test_channels_of_the_settings_are_judged_where_they_lead(
    condarc: str,
    conda_user: User,
    under: Under,
    other: Server,
    channel_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CONDA_CHANNELS")
    text = condarc.format(good=channel_server.url, evil=f"{other.url}/evil", root=other.url)
    (conda_user.environment.prefix / ".condarc").write_text(text + "\n", encoding="utf-8")
    user = under(conda_user, AdminPolicy(allowed_channels=(channel_server.url, "evil", "mine", "group", "defaults")))
    assert refused(user, "install tb-alpha").reference == "channel-denied"
    assert other.requests == []


def test_a_name_means_condas_own_place(
    conda_user: User, under: Under, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_CHANNELS", "evil")
    monkeypatch.setenv("CONDA_CHANNEL_ALIAS", other.url)
    assert refused(under(conda_user, AdminPolicy(allowed_channels=("evil",))), "install tb-evil").reference == (
        "channel-denied"
    )


def test_a_conda_file_from_elsewhere(conda_user: User, under: Under, other: Server, channel_server: Server) -> None:
    user = under(conda_user, AdminPolicy(allowed_channels=(channel_server.url,)))
    url = f"{other.url}/evil/noarch/tb-evil-1.0-0.conda"
    assert refused(user, f"install {url}").reference == "channel-denied"
    assert other.requests == []


def test_a_conda_environment_that_needs_no_index_asks_for_none(
    conda_user: User, under: Under, channel_server: Server
) -> None:
    user = under(conda_user, AdminPolicy(allowed_channels=(channel_server.url,), allowed_indexes=()))
    user.type("install tb-alpha=1.0")
    user.type("update")
    assert (user.owner("tb-alpha"), user.version("tb-alpha")) == (Ecosystem.CONDA.value, "2.0")
    assert refused(user, "install tb-pure").reference == "index-denied"
    assert refused(user, "install pypi::tb-cli").reference == "index-denied"


# --- what is shown -------------------------------------------------------------------------------------------------


def test_the_policy_in_force_is_shown(venv_user: User, under: Under) -> None:
    user = under(venv_user, AdminPolicy(deny_packages=("tb-p*",), allowed_indexes=("https://me:secret@host/simple",)))
    user.type("env -v")
    assert "deny_packages" in user.screen
    assert "tb-p*" in user.screen
    assert "secret" not in user.screen
    shown = render_environment(venv_user.environment, venv_user.service.settings(venv_user.environment), verbose=True)
    assert "administrator" not in shown.text

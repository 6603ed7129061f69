"""Plans that touch both ecosystems, and the false alarms that must not stop them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.model.errors import ConflictError, PackageNotFoundError, PkgError
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel, PackageSource
from testbed.content import wheel
from testbed.index import Server, serve_files
from testbed.wheels import write_wheel

from .conftest import User


def with_metadata(name: str, lines: str) -> PackageSource:
    info = f"site-packages/{name.replace('-', '_')}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}\n"
    files = {f"{info}/METADATA": metadata, f"{info}/INSTALLER": "conda\n", f"{info}/RECORD": ""}
    return PackageSource(name=name, version="1.0", noarch="python", files=files)


@pytest.fixture
def odd_user(conda_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel_server: Server) -> User:
    """Somebody with a channel of packages as nobody should make them, but people do."""
    channel = Channel(tmp_path / "odd").add(
        with_metadata("tb-loose", "Requires-Dist: tb-nowhere>=3"),
        with_metadata("tb-rich", 'Provides-Extra: more\nRequires-Dist: tb-pure; extra == "more"'),
        PackageSource(name="tb-letter", version="1.1.1w", noarch="generic", files={"share/tb-letter": "x"}),
        PackageSource(name="_tb_mutex", version="4_5", noarch="generic", files={"share/tb-mutex": "x"}),
    )
    monkeypatch.setenv("CONDA_CHANNELS", f"{channel.index().url},{channel_server.url}")
    return conda_user


def test_a_plan_reads_a_channel_once_and_the_next_plan_anew(
    conda_user: User, testbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_files(testbed / "channel") as server:
        monkeypatch.setenv("CONDA_CHANNELS", server.url)
        for _ in range(2):
            server.requests.clear()
            conda_user.type("install --dry-run tb-mixed")
            asked = [(request.method, request.path) for request in server.requests]
            assert ("GET", "/noarch/repodata.json.zst") in asked
            assert len(asked) == len(set(asked))
    assert "tb-mixed" in conda_user.screen


def test_requirements_that_conda_does_not_share_are_no_reason_to_fail(odd_user: User) -> None:
    odd_user.type("install tb-loose")
    assert odd_user.owner("tb-loose") == "conda"


def test_names_and_versions_that_pypi_knows_not_stand_in_no_ones_way(odd_user: User) -> None:
    odd_user.type("install _tb_mutex tb-letter tb-mixed")
    assert odd_user.owner("tb-mixed") == "pypi"
    odd_user.type("install tb-letter")
    assert "tb-letter 1.1.1w is already installed" in odd_user.screen


def test_what_was_broken_may_stay_broken(venv_user: User) -> None:
    venv_user.type("install tb-pure==1.1")
    venv_user.type("install --no-deps tb-left")
    venv_user.type("install tb-pure==2.0")
    assert venv_user.version("tb-pure") == "2.0"


def test_extras_of_what_conda_owns_leave_it_with_conda(odd_user: User) -> None:
    odd_user.type("install tb-rich")
    odd_user.type("install tb-rich[more]")
    assert odd_user.owner("tb-rich") == "conda"
    assert odd_user.owner("tb-pure") == "pypi"


@pytest.mark.parametrize(
    "spec", ["python>=3", "python>=3.10,<4", "python!=3.9", "python=3", "python~=3.9", "'python >=3.9'"]
)
def test_a_spec_that_the_kernels_python_fits_is_no_other_python(spec: str, conda_user: User) -> None:
    report = conda_user.type(f"plan install -U {spec}")
    assert report.json["plan"]["blockers"] == []


@pytest.mark.parametrize("spec", ["python<3", "python=2.7", "python==3.8.*", "python>3.90"])
def test_a_spec_that_it_does_not_fit_is_blocked(spec: str, conda_user: User) -> None:
    report = conda_user.type(f"plan install {spec}")
    assert [notice["reference"] for notice in report.json["plan"]["blockers"]] == ["python-minor"]


def test_pypis_copy_is_not_counted_where_condas_comes_in_the_same_plan(conda_user: User) -> None:
    conda_user.type("install pypi::tb-alpha==2.1")
    conda_user.type("install conda::tb-alpha tb-mixed")
    assert (conda_user.owner("tb-alpha"), conda_user.version("tb-alpha")) == ("conda", "2.0")
    assert conda_user.owner("tb-mixed") == "pypi"


def test_one_dependency_that_conda_can_not_give_leaves_it_the_others(conda_user: User, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", wheel("tb-needy", "1.0", requires=("tb-alpha==2.1", "tb-native")))
    conda_user.type("install -f wheels tb-needy")
    assert conda_user.owner("tb-native") == "conda"
    assert (conda_user.owner("tb-alpha"), conda_user.version("tb-alpha")) == ("pypi", "2.1")


def test_the_dependencies_of_a_wheel_on_disk_come_from_conda(conda_user: User, tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "wheels", wheel("tb-local", "1.0", requires=("tb-alpha<2",)))
    conda_user.type(f"install {path}")
    assert conda_user.owner("tb-local") == "pypi"
    assert (conda_user.owner("tb-alpha"), conda_user.version("tb-alpha")) == ("conda", "1.1")


def test_a_dependency_that_only_a_channel_has_comes_from_there(conda_user: User, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", wheel("tb-far", "1.0", requires=("tb-near",)))
    write_wheel(tmp_path / "wheels", wheel("tb-near", "1.0", requires=("tb-beta>=1",)))
    for engine in ("pip", "uv"):
        conda_user.type(f"install --dry-run -f wheels --engine {engine} tb-far")
        assert "dependency of tb-near; " in conda_user.screen
    conda_user.type("install -f wheels tb-far")
    assert [conda_user.owner(name) for name in ("tb-far", "tb-near", "tb-beta")] == ["pypi", "pypi", "conda"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("install -f wheels tb-beta tb-lost", "neither a channel nor an index has tb-nowhere, which tb-lost needs"),
        ("install tb-beta tb-nosuch", "neither a channel nor an index has a package 'tb-nosuch'"),
    ],
)
def test_what_nobody_has_is_named_and_not_what_a_channel_has(
    line: str, message: str, conda_user: User, tmp_path: Path
) -> None:
    write_wheel(tmp_path / "wheels", wheel("tb-lost", "1.0", requires=("tb-nowhere",)))
    with pytest.raises(PackageNotFoundError) as caught:
        conda_user.type(line)
    assert caught.value.message == message


def test_what_conflicts_in_a_channel_and_is_on_no_index_is_a_conflict(conda_user: User) -> None:
    conda_user.type("install tb-beta")
    with pytest.raises(ConflictError) as caught:
        conda_user.type("install tb-gamma tb-pure")
    assert caught.value.context == ("tb-beta 1.0 needs tb-alpha <2", "tb-gamma 1.0 needs tb-alpha >=2")


def test_a_pypi_name_taken_from_conda_by_option_is_mapped(conda_user: User) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        conda_user.type("install --conda torch")
    assert "pytorch" in caught.value.message


@pytest.mark.parametrize(
    ("line", "reference"),
    [
        ("install tb-pure", "package-not-found"),
        ("install tb-data tb-nosuch", "package-not-found"),
        ("install pypi::tb-pure", "no-python"),
        ("install tb-extra[more]", "no-python"),
    ],
)
def test_an_environment_without_python_says_what_it_can_not_take(
    line: str, reference: str, service: PackageService, tmp_path: Path
) -> None:
    prefix = tmp_path / "no-python"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    user = User(service, from_prefix(prefix), tmp_path)
    with pytest.raises(PkgError) as caught:
        user.type(line)
    assert caught.value.reference == reference
    user.type("install tb-data")
    assert "Installed tb-data 1.0" in user.screen

"""What the service answers without changing anything: newer versions, names, versions, details."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.lookup import NewerVersion
from jupyter_pkgmgr.model import Cancellation, Ecosystem, to_json
from jupyter_pkgmgr.model.errors import CancelledError, PackageNotFoundError, UsageError
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel, PackageSource
from testbed.content import wheel
from testbed.index import Server, serve, serve_files
from testbed.wheels import write_wheel
from tests.service.conftest import User


@pytest.fixture
def index(index_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An index of this test's own, which it may damage."""
    folder = shutil.copytree(index_folder, tmp_path / "index")
    with serve(folder) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        yield server


def newer(user: User) -> dict[str, tuple[str, str, str]]:
    found = user.service.outdated(user.environment).outdated
    return {name: (item.ecosystem.value, item.installed, item.newest) for name, item in found.items()}


# --- outdated ------------------------------------------------------------------------------------------------------


def test_newer_versions_of_both_ecosystems(conda_user: User) -> None:
    conda_user.type("install tb-alpha=1.0 tb-native tb-pure==1.0")
    assert newer(conda_user) == {"tb-alpha": ("conda", "1.0", "2.0"), "tb-pure": ("pypi", "1.0", "2.0")}
    conda_user.type("update tb-alpha tb-pure")
    assert newer(conda_user) == {}


@pytest.mark.usefixtures("index")
def test_a_newer_version_has_to_fit(venv_user: User, tmp_path: Path) -> None:
    venv_user.type("install tb-pure==2.0 tb-withdrawn tb-alpha==2.1")
    for source in (
        wheel("tb-pure", "3.0", requires_python=">=4"),
        wheel("tb-pure", "4.0rc1"),
        wheel("tb-alpha", "9.0", tag="cp311-cp311-win_arm64"),
    ):
        write_wheel(tmp_path / "index", source)
    assert newer(venv_user) == {}, "another Python, a pre-release, another platform and a yanked one don't count"


def test_a_conda_build_for_another_python_is_not_newer(conda_user: User, tmp_path: Path) -> None:
    conda_user.type("install tb-alpha tb-tool")
    more = Channel(tmp_path / "more")
    more.add(
        PackageSource(name="tb-alpha", version="7.0", depends=("python >=2.7,<2.8.0a0",), files={"share/a": "a"}),
        PackageSource(name="tb-alpha", version="6.0", depends=("__cuda >=99",), files={"share/a": "a"}),
        PackageSource(name="tb-alpha", version="5.0", depends=("python >=3",), files={"share/a": "a"}),
        PackageSource(name="tb-tool", version="0.9", files={"share/b": "b"}),
    ).index()
    with serve_files(tmp_path / "more") as server:
        (conda_user.environment.prefix / ".condarc").write_text(
            f"channel_priority: disabled\nchannels: [{server.url}]\n", encoding="utf-8"
        )
        assert newer(conda_user) == {"tb-alpha": ("conda", "2.0", "5.0")}


def test_a_pin_of_the_user_holds(conda_user: User) -> None:
    conda_user.type("install tb-alpha=1.0")
    (conda_user.environment.prefix / "conda-meta" / "pinned").write_text("tb-alpha <2\n", encoding="utf-8")
    assert newer(conda_user) == {"tb-alpha": ("conda", "1.0", "1.1")}


def test_asking_again_asks_nobody_and_a_change_asks_for_nothing_else(venv_user: User, index: Server) -> None:
    venv_user.type("install tb-pure==1.0 tb-alpha==1.0")
    assert set(newer(venv_user)) == {"tb-pure", "tb-alpha"}
    venv_user.type("update tb-alpha")
    before = len(index.requests)
    assert newer(venv_user) == {"tb-pure": ("pypi", "1.0", "2.0")}
    assert len(index.requests) == before


def test_another_service_asks_only_whether_anything_changed(venv_user: User, index: Server) -> None:
    venv_user.type("install tb-pure==1.0 tb-alpha==1.0")
    newer(venv_user)
    before = len(index.requests)
    with PackageService() as other:
        found = other.outdated(venv_user.environment).outdated
    assert set(found) == {"tb-pure", "tb-alpha"}
    assert [request.status for request in index.requests[before:]] == [304, 304]


def test_an_index_that_is_down_is_a_note_and_the_channel_still_answers(conda_user: User, index: Server) -> None:
    conda_user.type("install tb-alpha=1.0 tb-pure==1.0 tb-cli tb-mixed")
    index.fail("/simple/*", "500")
    shutil.rmtree(conda_user.base / "home" / "cache")
    answer = conda_user.service.outdated(conda_user.environment)
    assert answer.outdated["tb-alpha"] == NewerVersion(ecosystem=Ecosystem.CONDA, installed="1.0", newest="2.0")
    assert "tb-pure" not in answer.outdated
    assert any("tb-pure" in note and "500" in note for note in answer.notes)


def test_what_the_index_said_before_it_went_down_is_told_as_such(venv_user: User, index: Server) -> None:
    venv_user.type("install tb-pure==1.0")
    assert newer(venv_user)
    index.fail("/simple/*", "500")
    with PackageService() as other:
        answer = other.outdated(venv_user.environment)
    assert set(answer.outdated) == {"tb-pure"}
    assert len(answer.notes) == 1
    assert "500" in answer.notes[0]


def test_an_index_that_is_down_is_not_asked_for_each_of_many(venv_user: User, index: Server) -> None:
    folder = venv_user.environment.prefix / "lib"
    site = next(folder.glob("python3*")) / "site-packages"
    for number in range(300):
        info = site / f"tb_many_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tb-many-{number}\nVersion: 1.0\n")
        (info / "RECORD").write_text("")
    index.fail("*", "403")
    answer = venv_user.service.outdated(venv_user.environment)
    assert answer.outdated == {}
    assert len(index.requests) < 60
    assert any("isn't asked any more" in note for note in answer.notes)
    assert all(len(note) < 400 for note in answer.notes)


def test_what_no_index_has_is_one_note(venv_user: User, index: Server, tmp_path: Path) -> None:
    venv_user.type("install tb-pure==1.0 tb-alpha==2.1")
    for path in (tmp_path / "index").glob("tb_alpha*"):
        path.unlink()
    answer = venv_user.service.outdated(venv_user.environment)
    assert set(answer.outdated) == {"tb-pure"}
    assert answer.notes == ("no index has tb-alpha",)
    assert index.paths("/simple/tb-alpha/")


def test_it_can_be_cancelled(venv_user: User) -> None:
    venv_user.type("install tb-pure==1.0")
    cancel = Cancellation()
    cancel.cancel()
    with pytest.raises(CancelledError):
        venv_user.service.outdated(venv_user.environment, cancel=cancel)


def test_its_json_is_what_the_contract_says(venv_user: User) -> None:
    venv_user.type("install tb-pure==1.0")
    assert to_json(venv_user.service.outdated(venv_user.environment)) == {
        "outdated": {"tb-pure": {"ecosystem": "pypi", "installed": "1.0", "newest": "2.0"}},
        "notes": [],
    }


# --- names ---------------------------------------------------------------------------------------------------------


def test_names_of_channel_and_index(conda_user: User) -> None:
    names = conda_user.service.names(conda_user.environment)
    assert {"tb-beta", "tb-tool", "python"} <= set(names.conda)
    assert {"tb-pure", "tb-left"} <= set(names.pypi)
    assert "tb-beta" not in names.pypi
    assert list(names.pypi) == sorted(names.pypi)
    assert names.notes == ()
    assert set(to_json(names)) == {"conda", "pypi", "notes"}


def test_names_are_remembered_and_their_fingerprint_follows_them(
    venv_user: User, index: Server, tmp_path: Path
) -> None:
    first = venv_user.service.names(venv_user.environment)
    asked = len(index.requests)
    assert venv_user.service.names(venv_user.environment) == first
    assert len(index.requests) == asked
    write_wheel(tmp_path / "index", wheel("tb-brand-new", "1.0"))
    with PackageService() as other:
        second = other.names(venv_user.environment)
    assert "tb-brand-new" in second.pypi
    assert second.fingerprint != first.fingerprint
    assert first.conda == ()


def test_an_index_without_a_list_has_the_well_known_names(venv_user: User, index: Server) -> None:
    index.fail("/simple/", "404")
    names = venv_user.service.names(venv_user.environment)
    assert "numpy" in names.pypi
    assert len(names.notes) == 1
    assert "well-known" in names.notes[0]


def test_a_channel_that_is_down_has_the_well_known_names(conda_user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_CHANNELS", "http://127.0.0.1:9/nothing")
    names = conda_user.service.names(conda_user.environment)
    assert "numpy" in names.conda
    assert "well-known" in names.notes[0]
    assert "tb-pure" in names.pypi


# --- versions ------------------------------------------------------------------------------------------------------


def test_versions_come_from_where_the_package_would(conda_user: User) -> None:
    service, environment = conda_user.service, conda_user.environment
    conda = service.versions(environment, "tb-alpha")
    assert conda.ecosystem is Ecosystem.CONDA
    assert [row.version for row in conda.versions] == ["2.0", "1.1", "1.0"]
    assert conda.source
    pypi = service.versions(environment, "tb-alpha", ecosystem=Ecosystem.PYPI)
    assert [row.version for row in pypi.versions] == ["2.1", "2.0", "1.1", "1.0"]
    assert all(row.fits for row in pypi.versions)
    conda_user.type("install pypi::tb-alpha==2.0")
    assert service.versions(environment, "tb-alpha").ecosystem is Ecosystem.PYPI


def test_versions_say_what_is_yanked_and_what_does_not_fit(venv_user: User) -> None:
    rows = venv_user.service.versions(venv_user.environment, "tb-withdrawn").versions
    assert [(row.version, row.yanked) for row in rows] == [("2.0", True), ("1.0", False)]
    (future,) = venv_user.service.versions(venv_user.environment, "tb-future").versions
    assert (future.fits, future.requires_python) == (False, ">=4")
    assert "needs Python >=4" in future.why_not


def test_versions_of_nothing(venv_user: User, conda_user: User) -> None:
    with pytest.raises(PackageNotFoundError):
        venv_user.service.versions(venv_user.environment, "tb-nosuch")
    with pytest.raises(PackageNotFoundError):
        conda_user.service.versions(conda_user.environment, "tb-pure", ecosystem=Ecosystem.CONDA)
    with pytest.raises(UsageError) as caught:
        venv_user.service.versions(venv_user.environment, "tb-pure", ecosystem=Ecosystem.CONDA)
    assert caught.value.reference == "not-a-conda-environment"


# --- details -------------------------------------------------------------------------------------------------------


def test_details_have_size_on_disk_and_to_download(venv_user: User, testbed: Path) -> None:
    available = venv_user.service.show(venv_user.environment, "tb-pure")
    wheel_file = next((testbed / "index").glob("tb_pure-2.0-*.whl"))
    assert available.size == wheel_file.stat().st_size
    venv_user.type("install tb-pure")
    installed = venv_user.service.show(venv_user.environment, "tb-pure")
    paths = venv_user.service.inventory(venv_user.environment).files(installed.installed[0])
    assert installed.size == sum(path.stat().st_size for path in paths if path.exists())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("https://example.org/x?y=1", "https://example.org/x?y=1"),
        ("https://me:secret@example.org/", "https://***@example.org/"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("https://", ""),
        ("https://[broken", ""),
    ],
)
def test_a_home_page_is_a_web_page_or_nothing(said: str, told: str, venv_user: User) -> None:
    venv_user.type("install tb-pure")
    details = venv_user.service.show(venv_user.environment, "tb-pure")
    location = details.installed[0].location
    assert location is not None
    metadata = location / "METADATA"
    head, _, rest = metadata.read_text(encoding="utf-8").partition("\n")
    metadata.write_text(f"{head}\nHome-page: {said}\n{rest}", encoding="utf-8")
    assert venv_user.service.show(venv_user.environment, "tb-pure").home == told


def test_an_installed_package_is_described_though_its_channel_is_down(
    conda_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    conda_user.type("install tb-alpha")
    monkeypatch.setenv("CONDA_CHANNELS", "http://127.0.0.1:9/nothing")
    details = conda_user.service.show(from_prefix(conda_user.environment.prefix), "tb-alpha")
    assert details.installed[0].version == "2.0"
    assert details.notes
    assert details.size


# --- a missing import ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("bs4", "bs4 comes with beautifulsoup4: %pkg install beautifulsoup4"),
        ("requests", "requests isn't installed: %pkg install requests"),
    ],
)
def test_a_missing_import_names_what_to_install(module: str, told: str, venv_user: User) -> None:
    hint = venv_user.service.missing_import(venv_user.environment, module)
    assert hint is not None
    assert hint.text == told

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import is_conda_prefix, read_history
from jupyter_pkgmgr.environments.identify import identify, same_folder
from jupyter_pkgmgr.model import EnvironmentKind

DATA = Path(__file__).parent / "data"
MakeConda = Callable[..., Path]


@pytest.mark.parametrize(
    ("recorded", "executable", "owner"),
    [
        ("history-conda-26.7", "/opt/conda/bin/conda", "conda"),
        ("history-conda-25.11.1", "/opt/conda/bin/conda", "conda"),
        ("history-conda-24.1.2", "/opt/my conda/bin/conda", "conda"),
        ("history-conda-26.7", "/opt/conda/bin/python -m conda", "conda"),
        ("history-conda-26.7", "/opt/conda/lib/python3.12/site-packages/conda/__main__.py", "conda"),
        ("history-conda-26.7", r"C:\conda\Scripts\conda-script.py", "conda"),
        ("history-mamba", "/opt/conda/bin/mamba", "mamba"),
        ("history-micromamba", "/usr/local/bin/micromamba", "micromamba"),
        ("history-micromamba", r"C:\tools\micromamba.exe", "micromamba"),
        ("history-micromamba", "/usr/local/bin/renamed", "mamba"),
    ],
)
def test_the_owner_stands_in_real_histories(make_conda: MakeConda, recorded: str, executable: str, owner: str) -> None:
    text = (DATA / f"{recorded}.txt").read_text().replace("{EXE}", executable.replace(" conda/", "' conda'/"))
    identity = identify(make_conda(history=text), None)
    assert (identity.kind, identity.owner, identity.name) == (EnvironmentKind.CONDA, owner, "env")
    assert all(item.source and item.detail for item in identity.evidence)


def test_the_first_command_made_the_environment(make_conda: MakeConda) -> None:
    first = "# cmd: /opt/bin/micromamba create -p x\n# conda version: 3.8.0\n"
    history = f"{first}==> 2026-01-02 00:00:00 <==\n# cmd: /opt/bin/conda install y\n"
    assert identify(make_conda(history=history), None).owner == "micromamba"


def test_an_empty_history_is_conda(make_conda: MakeConda) -> None:
    """Mamba's and rattler's new environments have one."""
    identity = identify(make_conda(), None)
    assert (identity.kind, identity.owner) == (EnvironmentKind.CONDA, "conda")
    assert "assumed" in identity.evidence[-1].detail


def test_records_without_a_history_are_conda_and_said_to_be(make_conda: MakeConda) -> None:
    prefix = make_conda(history=None, records=[("six-1.17.0-0", "conda-forge")])
    identity = identify(prefix, None)
    assert identity.kind is EnvironmentKind.CONDA
    assert "without a history" in identity.evidence[0].detail


def test_an_empty_conda_meta_is_nothing(make_conda: MakeConda) -> None:
    assert not is_conda_prefix(make_conda(history=None))


@pytest.mark.parametrize("marker", [True, False])
def test_pixi(make_conda: MakeConda, *, marker: bool) -> None:
    prefix = make_conda("project/.pixi/envs/default", history=None if marker else "")
    if marker:
        (prefix / "conda-meta" / "pixi").write_text("{}")
    identity = identify(prefix, None)
    assert (identity.owner, identity.name) == ("pixi", "project:default")


@pytest.mark.parametrize(
    ("settings", "owner"),
    [
        ("home = /usr/bin\nuv = 0.9.1\n", "uv"),
        ("home = /usr/bin\nvirtualenv = 20.1\n", "virtualenv"),
        ("HOME=/usr/bin\ninclude-system-site-packages = false\n", "venv"),
        ("", "venv"),
    ],
)
def test_owner_of_a_venv(tmp_path: Path, settings: str, owner: str) -> None:
    prefix = tmp_path / "project" / ".venv"
    prefix.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text(settings)
    identity = identify(prefix, None)
    assert (identity.kind, identity.owner, identity.name) == (EnvironmentKind.VENV, owner, "project/.venv")


@pytest.mark.parametrize(
    ("prefix", "owner"),
    [
        ("/home/me/.pyenv/versions/3.12.1", "pyenv"),
        ("/home/me/.local/share/uv/python/cpython-3.12-linux", "uv"),
        ("/opt/homebrew/opt/python@3.12/Frameworks", "homebrew"),
        ("/nix/store/abc-python3", "nix"),
        ("/opt/python", "python"),
    ],
)
def test_vendor_of_an_interpreter(prefix: str, owner: str) -> None:
    identity = identify(Path(prefix), None)
    assert (identity.kind, identity.owner) == (EnvironmentKind.SYSTEM, owner)


def test_history_is_read_to_its_broken_end(make_conda: MakeConda) -> None:
    text = "==> 2026 <==\n# cmd: conda create it's\n+conda-forge/noarch::six-1-0\n+https://h/c/linux-64::a-1-0\n+x"
    history = read_history(make_conda(history=text) / "conda-meta" / "history")
    assert tuple(history.commands()) == (("conda", "create", "it's"),)
    assert history.channels == ("conda-forge", "https://h/c")
    assert tuple(read_history(Path("/nowhere")).commands()) == ()


def test_same_folder_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert same_folder(tmp_path / "link", tmp_path / "real")
    assert not same_folder(tmp_path, tmp_path / "real")
    assert not same_folder(tmp_path / "gone", tmp_path / "real")

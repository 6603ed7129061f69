"""How much of the past is kept: where that is said, and what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.model.errors import UsageError
from jupyter_pkgmgr.transactions.limits import Limits, read_limits
from tests.transactions.demo import Demo


@pytest.fixture
def config(clean_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, which isn't there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(clean_settings / "config"))
    path = clean_settings / "config" / "jupyter_pkgmgr" / "jupyter_pkgmgr.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.usefixtures("config")
def test_the_defaults() -> None:
    assert read_limits() == Limits(keep=20, max_bytes=2 * 1024**3)


def test_a_variable_comes_before_the_users_file_before_the_machines(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))
    machine = tmp_path / "machine" / "jupyter_pkgmgr" / config.name
    machine.parent.mkdir(parents=True)
    machine.write_text('[history]\nkeep = 3\nkeep-bytes = "1 MiB"\n')
    assert (read_limits().keep, read_limits().keep_source) == (3, str(machine))
    config.write_text("[history]\nkeep = 5\n")
    assert (read_limits().keep, read_limits().keep_source) == (5, str(config))
    assert (read_limits().max_bytes, read_limits().max_bytes_source) == (1024**2, str(machine))
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP", "7")
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP_BYTES", "9")
    assert read_limits() == Limits(
        keep=7, max_bytes=9, keep_source="JUPYTER_PKGMGR_KEEP", max_bytes_source="JUPYTER_PKGMGR_KEEP_BYTES"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("500MB", 500 * 1000**2),
        ("1.5 GiB", 3 * 1024**3 // 2),
        ("2g", 2 * 1000**3),
        ("1 kB", 1000),
        ("4 KiB", 4096),
        ("1 TiB", 1024**4),
    ],
)
def test_sizes(text: str, size: int, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(f'[history]\nkeep-bytes = "{text}"\n')
    assert read_limits().max_bytes == size
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP_BYTES", text)
    assert read_limits().max_bytes == size


@pytest.mark.parametrize(
    "content",
    [
        "[history]\nkeep = -1\n",
        "[history]\nkeep = true\n",
        "[history]\nkeep = 1.5\n",
        '[history]\nkeep = "many"\n',
        '[history]\nkeep-bytes = "2 parsecs"\n',
        "[history]\nkeep-bytes = -5\n",
        '[history]\nkeep-bytes = "i"\n',
        "[history]\nkep = 3\n",
        "history = 3\n",
        "not toml",
        "\0",
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(content: str, config: Path) -> None:
    config.write_text(content)
    with pytest.raises(UsageError) as caught:
        read_limits()
    assert str(config) in caught.value.message
    assert caught.value.reference == "bad-setting"
    assert caught.value.hint


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "٣"])
def test_a_variable_that_makes_no_sense(value: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[history]\nkeep = 3\n")
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP", value)
    with pytest.raises(UsageError, match="JUPYTER_PKGMGR_KEEP"):
        read_limits()


def test_a_setting_that_makes_no_sense_stops_a_change_before_it_begins(
    venv: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.type("install tb-alpha==1.0")
    before = venv.tree()
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP", "some")
    for line in ("install tb-pure", "undo"):
        with pytest.raises(UsageError):
            venv.type(line)
    assert venv.tree() == before
    venv.type("list")


def test_the_setting_decides_how_far_an_undo_goes_back_and_is_shown(
    venv: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP", "1")
    for version in ("1.0", "1.1", "2.0"):
        venv.type(f"install tb-alpha=={version}")
    assert [entry.has_snapshot for entry in venv.history] == [True, False, False]
    monkeypatch.setenv("JUPYTER_PKGMGR_KEEP", "0")
    venv.type("install tb-alpha==2.1")
    assert [entry.has_snapshot for entry in venv.history] == [True, False, False, False]
    venv.type("env -v")
    assert "0 snapshots (JUPYTER_PKGMGR_KEEP)" in venv.screen
    assert "2.0 GiB (default)" in venv.screen
    venv.type("undo")
    assert venv.version_of["tb-alpha"] == "2.0"

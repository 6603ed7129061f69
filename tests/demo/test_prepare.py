from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from demo import prepare
from demo.__main__ import main
from demo.prepare import NOTEBOOKS, Demo, DemoError
from demo.show import run
from testbed.index import Server, serve_files

ATTACHED = """\
import importlib.metadata as metadata
import sys

assert "jupyter_pkgmgr" not in {distribution.metadata["Name"] for distribution in metadata.distributions()}
assert get_ipython().find_line_magic("pkg")
print(sys.prefix)
"""
GONE = "http://127.0.0.1:9/nowhere"  # the discard port: nothing answers there


@pytest.fixture
def settings(clean_settings: Path, index_server: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    condarc = clean_settings / ".condarc"
    condarc.write_text(f"channels: [{GONE}]\n")
    monkeypatch.setenv("CONDARC", str(condarc))
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setattr(prepare, "CHANNEL_CONTENT", ("tb-mixed",))
    return monkeypatch


def notebook(path: Path, *cells: str) -> Path:
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    nbformat.write(content, path)  # type: ignore[no-untyped-call]
    return path


def test_kernels_get_the_magic_without_having_the_package(
    settings: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = Demo(tmp_path / "demo")
    demo.prepare(fresh=True)
    assert f"{GONE} can't be reached: using a local channel" in capsys.readouterr().out
    assert (demo.root / "local-channel" / "noarch" / "tb-mixed-1.0-pyh_0.conda").is_file()
    assert (demo.root / "condarc").read_text().startswith(f"channels:\n- file://{demo.root}/local-channel\n")
    for name, value in demo.variables.items():
        settings.setenv(name, value)
    for kernel, prefix in zip(NOTEBOOKS, (demo.venv, demo.conda), strict=True):
        executed = tmp_path / f"{kernel}.ipynb"
        assert run(notebook(tmp_path / "in.ipynb", ATTACHED), kernel, save=executed), capsys.readouterr().out
        assert f"    {prefix}\n" in capsys.readouterr().out
    assert not list(demo.venv.glob("lib/python*/site-packages/pip"))
    requested = [path.parent.name for path in demo.venv.glob("lib/python*/site-packages/*/REQUESTED")]
    assert len(requested) == 1
    assert requested[0].startswith("ipykernel-")

    channel = (demo.root / "local-channel" / "noarch" / "repodata.json").stat().st_mtime_ns
    (demo.venv / "mark").touch()
    demo.prepare(fresh=False)
    assert (demo.root / "local-channel" / "noarch" / "repodata.json").stat().st_mtime_ns == channel
    assert (demo.venv / "mark").exists()


@pytest.mark.usefixtures("settings")
def test_a_channel_that_answers_is_used(testbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve_files(testbed / "channel", auth=("me", "secret")) as server:
        Path(os.environ["CONDARC"]).write_text(f"channels: [{server.auth_url}]\n")
        assert Demo(tmp_path).choose_channels(tmp_path) == [server.auth_url]
        server.fail("*", "500")
        assert not prepare.reachable(server.auth_url)
    assert "secret" not in capsys.readouterr().out


@pytest.mark.usefixtures("settings")
def test_an_index_without_the_packages_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prepare, "CHANNEL_CONTENT", ("tb-nope",))
    assert main(["--setup", "--folder", str(tmp_path / "demo")]) == 1
    assert "error: pip could not download tb-nope" in capsys.readouterr().err
    assert main(["--clean", "--folder", str(tmp_path / "demo")]) == 0
    assert not (tmp_path / "demo").exists()


def test_lab_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(DemoError, match="make lab"):
        prepare.open_lab(Demo(tmp_path))


@pytest.mark.parametrize(("kernel", "name"), NOTEBOOKS.items())
def test_notebooks_are_clean(kernel: str, name: str) -> None:
    content = nbformat.read(Path(prepare.__file__).with_name(name), as_version=4)  # type: ignore[no-untyped-call]
    assert content.metadata.kernelspec.name == kernel
    for cell in content.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_demo_s_own_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "demo", "--help"], capture_output=True, text=True, check=True)
    assert "--lab" in done.stdout

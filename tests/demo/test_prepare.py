from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from demo import prepare
from demo.__main__ import main
from demo.prepare import NOTEBOOKS, VENV_KERNEL, Demo
from demo.server import ServerError, serve
from demo.show import EXPECTED, run
from testbed.channel import Channel
from testbed.index import Server, serve_files
from testbed.wheels import make_wheel

ATTACHED = """\
import importlib.metadata as metadata
import sys

assert "jupyter_pkgmgr" not in {distribution.metadata["Name"] for distribution in metadata.distributions()}
assert get_ipython().find_line_magic("pkg")
print(sys.prefix)
"""
GONE = "http://127.0.0.1:9/nowhere"  # the discard port: nothing answers there


def notebook(path: Path, *cells: str) -> Path:
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    nbformat.write(content, path)  # type: ignore[no-untyped-call]
    return path


@pytest.fixture
def settings(clean_settings: Path, index_server: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A channel that isn't there, an index of ours, and a conda environment with Python alone."""
    condarc = clean_settings / ".condarc"
    condarc.write_text(f"channels: [{GONE}]\n")
    monkeypatch.setenv("CONDARC", str(condarc))
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setattr(prepare, "CHANNEL_CONTENT", ("tb-mixed", "tb-pure==1.0", "tb-pure>1.0"))
    monkeypatch.setattr(prepare, "_server_content", lambda: ["six>=1"])
    return monkeypatch


def test_a_channel_of_wheels_is_made_once(
    settings: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = Demo(tmp_path / "demo")
    demo.root.mkdir()
    (url,) = demo.choose_channels()
    assert f"{GONE} can't be reached: using a local channel" in capsys.readouterr().out
    channel = Channel(demo.root / "local-channel")
    assert url == channel.url
    assert {"noarch/tb-mixed-1.0-pyh_0.conda", "noarch/tb-pure-1.0-pyh_0.conda", "noarch/tb-pure-2.0-pyh_0.conda"} <= {
        *channel
    }
    settings.setattr(prepare, "CHANNEL_CONTENT", ("tb-nope",))
    assert demo.choose_channels() == [url]


@pytest.mark.usefixtures("settings")
def test_the_venv_has_a_kernel_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conda environment, with JupyterLab from the package index, is what ``make demo`` runs in."""
    demo = Demo(tmp_path / "demo")
    monkeypatch.setattr(Demo, "_make_conda_environment", lambda self, _channels: self.conda.mkdir())
    demo.prepare()
    assert not list(demo.venv.glob("lib/python*/site-packages/pip"))
    requested = [path.parent.name for path in demo.venv.glob("lib/python*/site-packages/*/REQUESTED")]
    assert len(requested) == 1
    assert requested[0].startswith("ipykernel-")
    assert {path.name for path in demo.notebooks.iterdir()} == {*NOTEBOOKS, "legacy-stats"}
    for name, value in demo.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(Path(sys.prefix), demo.notebooks, environ=dict(os.environ), folder=demo.root) as server:
        with server.kernel(VENV_KERNEL) as manager:
            assert run(notebook(tmp_path / "in.ipynb", ATTACHED), manager, save=tmp_path / "out.ipynb")
        with pytest.raises(ServerError, match="404"):
            server.ask("GET", "pkgmgr/kernels/none")
    assert str(demo.venv) in (tmp_path / "out.ipynb").read_text()


@pytest.mark.usefixtures("settings")
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    environ = dict(os.environ, JUPYTER_RUNTIME_DIR=str(tmp_path), JUPYTER_CONFIG_DIR=str(tmp_path))
    (tmp_path / "jupyter_server_config.py").write_text("raise SystemExit('no server today')")
    with (
        pytest.raises(ServerError, match="no server today"),
        serve(Path(sys.prefix), tmp_path, environ=environ, folder=tmp_path),
    ):
        pass


@pytest.mark.usefixtures("settings")
def test_a_channel_that_answers_is_used(testbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve_files(testbed / "channel", auth=("me", "secret")) as server:
        Path(os.environ["CONDARC"]).write_text(f"channels: [{server.auth_url}]\n")
        assert Demo(tmp_path).choose_channels() == [server.auth_url]
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


@pytest.mark.parametrize(("requirement", "spec"), [("ruamel-yaml<2,>=1", "ruamel.yaml <2,>=1"), ("six", "six")])
def test_requirements_as_conda_says_them(requirement: str, spec: str) -> None:
    assert prepare.match_spec(requirement) == spec


def test_extras_that_one_wheel_asks_of_another(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "tb-one", requires=["TB_two[css,html]", "tb-three[x]; extra=='never'", "tb-four"])
    other = make_wheel(tmp_path, "tb-other", requires=["tb-two[more]>=1"])
    assert prepare.wanted_extras([one, other]) == {"tb-two": {"css", "html", "more"}}


@pytest.mark.parametrize(("name", "kernel"), NOTEBOOKS.items())
def test_notebooks_are_clean_and_say_what_they_show(name: str, kernel: str) -> None:
    content = nbformat.read(Path(prepare.__file__).with_name(name), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(content)
    assert content.metadata.kernelspec.name == kernel
    for cell in (cell for cell in content.cells if cell.cell_type == "code"):
        assert not cell.outputs
        assert cell.execution_count is None
        assert cell.metadata.demo.shows
        assert (EXPECTED in cell.metadata.get("tags", [])) is ("because" in cell.metadata.demo)


def test_the_demo_s_own_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "demo", "--help"], capture_output=True, text=True, check=True)
    assert "--lab" in done.stdout

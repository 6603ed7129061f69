"""Packages that bring the same file: what one of them overwrites is told, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.uv import UvEngine
from jupyter_pkgmgr.model.errors import EngineError, VerificationError
from testbed.channel import Channel
from testbed.content import MINOR
from testbed.index import serve, serve_files
from testbed.wheels import conda_package, make_wheel
from tests.transactions.demo import Demo, World

PLAIN, HEADLESS = "opencv-python", "opencv-python-headless"
"""Two projects of which the tables know that they share a module. The wheels are small ones of our own."""


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> Path:
    """An index with packages that share files; returns its folder."""
    folder = tmp_path / "wheels"
    for name in (PLAIN, HEADLESS):
        data = "x" * 40_000 + name  # a file that is too large to be copied on suspicion
        make_wheel(folder, name, files={"cv2/__init__.py": f"name = {name!r}\n", "cv2/gapi/data.txt": data})
    for name in ("tb-one", "tb-two"):
        module = name.replace("-", "_")
        files = {
            "shared/__init__.py": f"name = {name!r}\n",
            "shared/same.py": "",
            f"{module}/__init__.py": "",
            "tests/__init__.py": f"# {name}\n",
            "google/__init__.py": "# the same in both\n",
            f"google/{module}/__init__.py": "",
        }
        make_wheel(folder, name, files=files)
    for name in ("tb-three", "tb-four"):
        make_wheel(folder, name, files={"google/__init__.py": "# the same in both\n", "common/__init__.py": ""})
    server = world.servers.enter_context(serve(folder))
    world.running.append(server)
    monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
    return folder


@pytest.fixture
def offered(wheels: Path, testbed: Path, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that has the same packages, for the conda environment."""
    channel = Channel(tmp_path / "channel").include(Channel(testbed / "channel"))
    channel.add(
        *(conda_package(path, python=MINOR, names={PLAIN: "opencv"}) for path in sorted(wheels.glob("*.whl")))
    ).index()
    server = world.servers.enter_context(serve_files(channel.path))
    world.running.append(server)
    monkeypatch.setenv("CONDA_CHANNELS", server.url)


def warnings(demo: Demo, line: str) -> dict[str, str]:
    """The warnings of an outcome: messages by reference."""
    outcome = demo.type(line).outcome
    assert outcome is not None
    return {notice.reference: notice.message for notice in outcome.warnings}


@pytest.mark.parametrize("mode", ["hardlink", "copy", "clone", "pip"])
def test_what_a_package_overwrites_is_told_and_comes_back(
    mode: str, venv: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = "--engine pip" if mode == "pip" else ""
    monkeypatch.setenv("UV_LINK_MODE", mode.replace("pip", "copy"))
    if engine:
        venv.install_pip()
    venv.type(f"install {engine} {PLAIN}")
    first = venv.tree()
    told = warnings(venv, f"install {engine} {HEADLESS}")
    assert f"{HEADLESS} and {PLAIN}, which is installed, both have cv2" in venv.screen
    assert f"{HEADLESS} now has 2 files of {PLAIN}" in told["overwritten-files"]
    assert "%pkg undo gives them back" in venv.screen
    assert venv.python("import cv2; print(cv2.name)") == HEADLESS
    second = venv.tree()
    venv.world.cut_off()
    venv.type("undo")
    assert venv.tree() == first
    assert venv.python("import cv2; print(cv2.name)") == PLAIN
    venv.type(f"undo {venv.history[0].id}")
    assert venv.tree() == second
    venv.type("undo")
    assert venv.tree() == first


def test_what_was_overwritten_is_told_to_the_kernel(venv: Demo) -> None:
    venv.type(f"install {PLAIN}")
    outcome = venv.type(f"install {HEADLESS}").outcome
    assert outcome is not None
    assert "cv2/__init__.py" in {f"{path.parent.name}/{path.name}" for path in outcome.changed_files}


def test_a_failure_gives_it_back_as_well(venv: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.type(f"install {PLAIN}")
    before = venv.tree()
    real = UvEngine.apply

    def install_then_fail(*arguments: object, **options: object) -> None:
        real(*arguments, **options)  # type: ignore[arg-type]  # whatever it was called with
        raise EngineError("it failed at last")

    monkeypatch.setattr(UvEngine, "apply", install_then_fail)
    with pytest.raises(EngineError, match="everything is as it was before"):
        venv.type(f"install {HEADLESS}")
    assert venv.tree() == before


def test_a_wheel_on_this_machine_is_looked_into(venv: Demo, wheels: Path) -> None:
    venv.type("install tb-one")
    before = venv.tree()
    told = warnings(venv, f"install {next(wheels.glob('tb_two-*'))}")
    assert "both have shared" in venv.screen
    assert "tb-two now has" in told["overwritten-files"]
    venv.type("undo")
    assert venv.tree() == before


def test_the_same_file_in_both_is_nothing_to_tell(venv: Demo) -> None:
    venv.type("install tb-three")
    before = venv.tree()
    assert warnings(venv, "install tb-four") == {}
    assert "both have" not in venv.screen
    venv.type("undo")
    assert venv.version_of == {"tb-three": "1.0"}
    assert set(venv.tree()) == set(before)


def test_what_no_name_tells_is_rolled_back_as_far_as_can_be(venv: Demo) -> None:
    venv.type("install tb-one")
    with pytest.raises(VerificationError) as caught:
        venv.type("install tb-two")
    assert caught.value.reference == "lost-files"
    assert any("tb-two has overwritten 1 file of tb-one: " in line for line in caught.value.context)
    assert "--force" in (caught.value.hint or "")
    assert venv.version_of == {"tb-one": "1.0"}
    assert venv.history[0].result == "failed"
    assert venv.python("import tb_one, google.tb_one; print(1)") == "1"
    venv.type("install --force-reinstall tb-one")
    assert venv.python("import shared; print(shared.name)") == "tb-one"


def test_what_is_forced_is_told_as_lost(venv: Demo) -> None:
    venv.type("install tb-one")
    told = warnings(venv, "install --force tb-two")
    assert "can't give them back" in told["overwritten-files"]
    assert venv.python("import shared; print(shared.name)") == "tb-two"


def test_what_goes_with_a_package_that_another_has_too_is_told(venv: Demo) -> None:
    venv.type(f"install {PLAIN}")
    venv.type(f"install {HEADLESS}")
    before = venv.tree()
    venv.type(f"remove {HEADLESS}")
    assert f"2 files of {HEADLESS} are {PLAIN}'s as well, and will be gone" in venv.screen
    assert f"%pkg install --force-reinstall {PLAIN}==1.0" in venv.screen
    venv.type("undo")
    assert venv.tree() == before


@pytest.mark.usefixtures("offered")
def test_a_conda_package_over_one_of_pypi(conda: Demo) -> None:
    conda.type(f"install pypi::{PLAIN}")
    first = conda.tree()
    told = warnings(conda, f"install conda::{HEADLESS}")
    assert f"{HEADLESS} now has 2 files of {PLAIN}" in told["overwritten-files"]
    second = conda.tree()
    conda.world.cut_off()
    conda.type("undo")
    assert conda.tree() == first
    conda.type(f"undo {conda.history[0].id}")
    assert conda.tree() == second


@pytest.mark.usefixtures("offered")
def test_a_package_of_pypi_over_one_of_conda(conda: Demo) -> None:
    conda.type("install conda::opencv")
    first = conda.tree()
    told = warnings(conda, f"install pypi::{HEADLESS}")
    assert f"{HEADLESS} now has 2 files of opencv" in told["overwritten-files"]
    conda.type("undo")
    assert conda.tree() == first


@pytest.mark.usefixtures("offered")
def test_a_conda_package_beside_one_of_conda(conda: Demo) -> None:
    """The embedded engine leaves what is there, and puts the other's file aside."""
    conda.type("install conda::opencv")
    first = conda.tree()
    told = warnings(conda, f"install conda::{HEADLESS}")
    assert "overwritten-files" not in told
    assert "another package has a file of that name" in conda.screen
    assert conda.python("import cv2; print(cv2.name)") == PLAIN
    conda.type("undo")
    assert conda.tree() == first

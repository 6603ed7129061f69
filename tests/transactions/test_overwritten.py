"""Packages that bring the same file: what one of them overwrites is told, and comes back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_line
from jupyter_pkgmgr.engines.uv import UvEngine
from jupyter_pkgmgr.model import Cancellation
from jupyter_pkgmgr.model.errors import CancelledError, EngineError, PkgError, VerificationError
from jupyter_pkgmgr.service import PackageService
from testbed.channel import Channel
from testbed.content import MINOR
from testbed.index import serve, serve_files
from testbed.wheels import conda_package, make_sdist, make_wheel
from tests.transactions.demo import Demo, World

PLAIN, HEADLESS = "opencv-python", "opencv-python-headless"
"""Two projects of which the tables know that they share a module. The wheels are small ones of our own."""


def sharing(name: str) -> dict[str, str]:
    """The files of a package that shares some with others of its kind."""
    module = name.replace("-", "_")
    return {
        "shared/__init__.py": f"name = {name!r}\n",
        "shared/same.py": "",
        f"{module}/__init__.py": "",
        "tests/__init__.py": f"# {name}\n",
        "google/__init__.py": "# the same in both\n",
        f"google/{module}/__init__.py": "",
    }


TB_TWO = sharing("tb-two")


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> Path:
    """An index with packages that share files; returns its folder."""
    folder = tmp_path / "wheels"
    for name in (PLAIN, HEADLESS):
        data = "x" * 40_000 + name  # a file that is too large to be copied on suspicion
        make_wheel(folder, name, files={"cv2/__init__.py": f"name = {name!r}\n", "cv2/gapi/data.txt": data})
    make_wheel(folder, "tb-one", files=sharing("tb-one"))
    make_wheel(folder, "tb-two", files=TB_TWO)
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


@pytest.mark.parametrize("how", ["uv", "uv, cached", "pip", "path", "built"])
def test_what_no_name_tells_is_looked_into_before(how: str, venv: Demo, wheels: Path) -> None:
    engine = "--engine pip" if how == "pip" else ""
    what: Path | str = "tb-two"
    if how == "path":
        what = next(wheels.glob("tb_two-*"))
    elif how == "built":
        what = make_sdist(wheels, "tb-two", files=TB_TWO)
    if engine:
        venv.install_pip()
    if how == "uv, cached":
        venv.type("install tb-two")
        venv.type("remove tb-two")
    venv.type("install tb-one")
    first = venv.tree()
    told = warnings(venv, f"install {engine} {what}")
    assert "tb-two now has 2 files of tb-one: " in told["overwritten-files"]
    assert venv.python("import shared; print(shared.name)") == "tb-two"
    assert folders(venv) == len(venv.history)
    venv.world.cut_off()
    venv.type("undo")
    assert venv.tree() == first
    assert venv.python("import shared; print(shared.name)") == "tb-one"


def folders(demo: Demo) -> int:
    """How many transactions have a folder: nothing that was unpacked is left among them."""
    return len(list((demo.environment.prefix / ".jupyter_pkgmgr/transactions").iterdir()))


def test_data_and_scripts_are_looked_for_where_they_lie(venv: Demo, wheels: Path) -> None:
    for name in ("tb-five", "tb-six"):
        data = f"{name.replace('-', '_')}-1.0.data"
        files: dict[str, str | bytes] = {
            f"{data}/data/share/tb/notes.txt": name,
            f"{data}/scripts/tb-tool": f"#!python\n# {name}\n" * 2000,
        }
        make_wheel(wheels, name, files=files)
    venv.type("install tb-five")
    first = venv.tree()
    for _ in "fetched", "cached":
        told = warnings(venv, "install tb-six")
        assert "tb-six now has 2 files of tb-five: bin/tb-tool, share/tb/notes.txt" in told["overwritten-files"]
        venv.type("undo")
        assert venv.tree() == first


def test_nothing_is_fetched_twice(venv: Demo) -> None:
    venv.type("install tb-one")
    venv.type("install tb-two")
    (index,) = [server for server in venv.world.running if server.paths("*tb_two*")]
    assert len(index.paths("*/tb_two-1.0-py3-none-any.whl")) == 1


def test_where_nothing_stays_nothing_is_looked_into(venv: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(UvEngine, "unpack", unpack)
    venv.type("install tb-one")
    venv.type("install --force-reinstall tb-one")
    venv.type("remove tb-one")


def test_what_can_not_be_had_ends_the_transaction(venv: Demo) -> None:
    venv.type("install tb-one")
    before = venv.tree()
    venv.world.running[-1].fail("/files/tb_two*.whl", "truncated")
    with pytest.raises(PkgError, match="everything is as it was before"):
        venv.type("install tb-two")
    assert venv.tree() == before
    assert venv.history[0].result == "rolled-back"
    assert folders(venv) == len(venv.history)


def test_stopping_while_it_is_fetched(venv: Demo) -> None:
    venv.type("install tb-one")
    before = venv.tree()
    index = venv.world.running[-1]
    index.fail("/files/tb_two*.whl", "hang")
    cancel = Cancellation()

    def stop_it() -> None:
        while not index.paths("/files/tb_two*.whl"):
            time.sleep(0.01)
        cancel.cancel()

    with PackageService(face="test") as service, ThreadPoolExecutor() as pool:
        request = parse_line("install tb-two", base=venv.base).request
        assert request is not None
        plan = service.plan(venv.environment, request)
        stopped = pool.submit(stop_it)
        with pytest.raises(CancelledError, match="everything is as it was before"):
            service.apply(plan, cancel=cancel)
        stopped.result()
    assert venv.tree() == before
    assert venv.history[0].result == "cancelled"
    assert folders(venv) == len(venv.history)


@pytest.fixture
def surprise(wheels: Path) -> None:
    """A package of which the tables know what it brings; this one brings more."""
    make_wheel(wheels, "six", files={"six.py": "", "shared/__init__.py": "name = 'six'\n"})


MENDS = "%pkg install --force-reinstall tb-one==1.0"


@pytest.mark.usefixtures("surprise")
def test_what_could_not_be_foreseen_is_told_with_what_mends_it(venv: Demo) -> None:
    venv.type("install tb-one")
    told = warnings(venv, "install six")
    assert "six has overwritten 1 file of tb-one: " in told["overwritten-files"]
    assert told["overwritten-files"].endswith(f"{MENDS} does")
    assert venv.version_of == {"six": "1.0", "tb-one": "1.0"}
    assert venv.history[0].committed
    venv.type(MENDS.removeprefix("%pkg "))
    assert venv.python("import shared; print(shared.name)") == "tb-one"


@pytest.mark.usefixtures("surprise")
def test_a_failure_says_what_it_can_not_give_back(venv: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise VerificationError("it failed at last")

    venv.type("install tb-one")
    monkeypatch.setattr("jupyter_pkgmgr.transactions.apply.verify", fail)
    with pytest.raises(VerificationError) as caught:
        venv.type("install six")
    assert caught.value.reference == "lost-files"
    assert "lib/python3.11/site-packages/shared/__init__.py" in "".join(caught.value.context).replace(MINOR, "3.11")
    assert venv.version_of == {"tb-one": "1.0"}
    assert venv.history[0].result == "failed"


def test_what_was_left_unpacked_by_a_process_that_died_goes(venv: Demo) -> None:
    left = venv.environment.prefix / ".jupyter_pkgmgr/transactions/20260101T000000000000-abcd/shared/__init__.py"
    left.parent.mkdir(parents=True)
    left.symlink_to("nowhere")
    venv.type("install tb-one")
    assert folders(venv) == len(venv.history) == 1


@pytest.mark.parametrize("how", ["variable", "setting"])
def test_no_package_is_a_link_into_the_cache(
    how: str, venv: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "uv.toml"
    if how == "variable":
        monkeypatch.setenv("UV_LINK_MODE", "symlink")
    else:
        settings.write_text('link-mode = "symlink"\n')
        monkeypatch.setenv("UV_CONFIG_FILE", str(settings))
    venv.type("install tb-one")
    assert "uv's link mode symlink is not used" in venv.screen
    first = venv.tree()
    venv.type("install tb-two")
    venv.world.cut_off()
    assert venv.python("import shared; print(shared.name)") == "tb-two"
    venv.type("undo")
    assert venv.tree() == first
    assert venv.python("import shared; print(shared.name)") == "tb-one"


def test_only_what_was_overwritten_counts_as_kept(venv: Demo) -> None:
    venv.type("install tb-one")
    venv.type(f"install {PLAIN}")  # on suspicion, the other's folder of tests is kept
    venv.type("install tb-two")
    two, plain, one = venv.history
    assert (one.snapshot_bytes, plain.snapshot_bytes) == (0, 0)
    ones = sharing("tb-one")
    assert two.snapshot_bytes == sum(len(ones[path]) for path in ones.keys() & TB_TWO.keys())


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

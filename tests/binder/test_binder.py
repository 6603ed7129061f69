"""``binder/`` as repo2docker uses it: the environment's pins, and ``postBuild`` in a clean environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from demo.prepare import NOTEBOOKS
from demo.server import serve
from demo.show import run
from testbed.environments import make_venv, tool, uv_install
from testbed.wheels import WheelSource, write_wheel

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
NEEDS_NO_CONDA = ("where.ipynb", "panel.ipynb")
"""What can be shown in the venv that stands for Binder's environment here; ``make demo`` runs all of them."""


def clone(target: Path) -> Path:
    """What a clone of the checkout as it is would have; and what npm has installed into that for the same versions."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    modules = Path("labextension", "node_modules")
    if (ROOT / modules).is_dir():  # `make front` installs them from nothing; npm looks here whether they fit
        subprocess.run(["cp", "-al", ROOT / modules, target / modules], check=True)
    return target


def environ(python: Path, home: Path) -> dict[str, str]:
    """As it is in Binder's image: the environment's programs first, and nothing of this process's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA", "JUPYTER", "VIRTUAL_"))}
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    runtime = str(home / "runtime")
    return kept | {"HOME": str(home), "PATH": path, "JUPYTER_RUNTIME_DIR": runtime, "IPYTHONDIR": str(home / "ipython")}


def post_build(checkout: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [checkout / "binder" / "postBuild"]
    return subprocess.run(command, cwd=checkout, env=variables, check=False, capture_output=True, text=True)


def test_the_environment_pins_what_binder_s_own_lacks() -> None:
    content = YAML(typ="safe").load(BINDER / "environment.yml")
    pins = {name: rest for each in content["dependencies"] for name, rest in re.findall(r"^([a-z]+)(.*)", each)}
    assert content["channels"] == ["conda-forge"]
    assert pins["python"] == "=3.12"
    assert pins["nodejs"] in {"=20", "=22"}
    assert pins["jupyterlab"].startswith(">=4")
    assert pins["notebook"].startswith(">=7")


def test_post_build_is_a_program() -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    subprocess.run(["bash", "-n", BINDER / "postBuild"], check=True)


def test_post_build_ends_where_something_is_broken(tmp_path: Path) -> None:
    """An environment in which a dependency is missing: nothing is installed into it."""
    python = make_venv(tmp_path / "venv", pip=True)
    uv_install(
        python, "--no-deps", write_wheel(tmp_path, WheelSource(name="tb-lonely", version="1.0", requires=("six",)))
    )
    done = post_build(ROOT, environ(python, tmp_path))
    assert done.returncode != 0
    assert "tb-lonely 1.0 requires six, which is not installed" in done.stdout
    assert not list((tmp_path / "venv").glob("lib/python*/site-packages/jupyter_pkgmgr*"))


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("echo jupyter-pkgmgr v1 disabled", 1, "postBuild: 'jupyter labextension list' shows no 'jupyter-pkgmgr v"),
        ("echo the tool is broken >&2; exit 3", 1, "the tool is broken"),
    ],
)
def test_post_build_ends_where_an_extension_is_not_found(tmp_path: Path, answer: str, code: int, said: str) -> None:
    for name, text in (("python", "exit 0"), ("jupyter", answer)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = post_build(ROOT, environ(tmp_path / "python", tmp_path))
    assert done.returncode == code
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("npm"), reason="there is no npm on PATH")
def test_post_build_in_a_clean_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JupyterLab and Notebook from the package index, as ``environment.yml`` wants them; then a visitor comes."""
    python = make_venv(tmp_path / "notebook", pip=True)
    lab = [tool("uv"), "pip", "install", "--quiet", "--python", str(python), "jupyterlab>=4.4,<5", "notebook>=7.4,<8"]
    subprocess.run(lab, check=True)
    variables = environ(python, tmp_path / "home")
    checkout = clone(tmp_path / "checkout")
    (tmp_path / "home").mkdir()
    done = post_build(checkout, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (checkout / "labextension" / "node_modules").exists()
    with serve(tmp_path / "notebook", checkout / "demo", environ=variables, folder=tmp_path) as server:
        for name in NEEDS_NO_CONDA:
            with server.kernel(NOTEBOOKS[name]) as manager:
                went_well = run(checkout / "demo" / name, manager, save=tmp_path / name)
            assert went_well, capsys.readouterr().out

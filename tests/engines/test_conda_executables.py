"""Finding the executables, with programs that answer as real ones do."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.conda_executables import available_executables, find_executable, root_prefix
from jupyter_pkgmgr.model import Environment, EnvironmentKind
from jupyter_pkgmgr.model.errors import EngineNotFoundError

pytestmark = pytest.mark.usefixtures("clean_settings")


def program(path: Path, version: str, *, calls_itself: str = "") -> Path:
    """A program that answers ``--version`` and, in the mamba family, ``info --json``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = "".join(f"echo '{line}'\n" for line in version.splitlines())
    about = f"""echo '{{"{calls_itself} version": "{version}"}}'""" if calls_itself else "exit 2"
    path.write_text(
        f'#!/bin/sh\necho "$@" >> "{path}.log"\nif [ "$1" = --version ]; then\n{answer}exit 0\nfi\n{about}\n',
        encoding="utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def environment(prefix: Path, history: str = "") -> Environment:
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    (prefix / "conda-meta" / "history").write_text(history, encoding="utf-8")
    return Environment(prefix=prefix, kind=EnvironmentKind.CONDA, owner="conda", name=prefix.name)


def environ(**more: object) -> Mapping[str, str]:
    return {"PATH": "/nonexistent", "HOME": "/nonexistent"} | {name: str(value) for name, value in more.items()}


def test_order_of_trust(tmp_path: Path) -> None:
    """History, then the variable, then beside base, then PATH."""
    in_history = program(tmp_path / "old/bin/conda", "conda 25.1.0")
    in_variable = program(tmp_path / "var/bin/conda", "conda 25.2.0")
    beside = program(tmp_path / "base/bin/conda", "conda 25.3.0")
    on_path = program(tmp_path / "path/conda", "conda 25.4.0")
    here = environment(tmp_path / "base/envs/demo", f"==> x <==\n# cmd: {in_history} create -n demo\n")
    variables = environ(CONDA_EXE=in_variable, PATH=on_path.parent)
    found = []
    for used in (in_history, in_variable, beside, on_path):
        info = find_executable("conda", here, environ=variables)
        assert info.executable == str(used)
        found.append((info.version, info.source))
        used.unlink()
    assert found == [
        ("25.1.0", "conda-meta/history"),
        ("25.2.0", "environment variable CONDA_EXE"),
        ("25.3.0", f"beside the base environment {tmp_path / 'base'}"),
        ("25.4.0", "PATH"),
    ]
    with pytest.raises(EngineNotFoundError) as caught:
        find_executable("conda", here, environ=variables)
    assert caught.value.message == "conda was not found"


def test_the_latest_line_of_the_history_counts(tmp_path: Path) -> None:
    first = program(tmp_path / "a/bin/conda", "conda 25.1.0")
    second = program(tmp_path / "b/bin/conda", "conda 25.2.0")
    here = environment(
        tmp_path / "env", f"# cmd: {first} create -n x\n# cmd: {second} install six\n# cmd: /gone/conda remove six\n"
    )
    assert find_executable("conda", here, environ=environ()).executable == str(second)


def test_conda_run_as_a_module_leaves_its_own_line(tmp_path: Path) -> None:
    conda = program(tmp_path / "base/bin/conda", "conda 25.1.0")
    (tmp_path / "base/conda-meta").mkdir()
    module = tmp_path / "base/lib/python3.12/site-packages/conda/__main__.py"
    here = environment(tmp_path / "env", f"# cmd: {module} install six\n")
    assert find_executable("conda", here, environ=environ()).executable == str(conda)


def test_a_stale_variable_is_passed_over(tmp_path: Path) -> None:
    on_path = program(tmp_path / "path/conda", "conda 26.7.0")
    info = find_executable("conda", environ=environ(CONDA_EXE=tmp_path / "gone/conda", PATH=on_path.parent))
    assert (info.executable, info.source) == (str(on_path), "PATH")


@pytest.mark.parametrize(
    ("file_name", "itself", "tool"),
    [
        ("mamba", "micromamba", "micromamba"),
        ("micromamba", "micromamba", "micromamba"),
        ("mamba", "mamba", "mamba"),
    ],
)
def test_a_name_proves_nothing(tmp_path: Path, file_name: str, itself: str, tool: str) -> None:
    """Both mamba 2 and micromamba print the same one line; only ``info --json`` tells which it is."""
    path = program(tmp_path / file_name, "2.8.1", calls_itself=itself)
    info = find_executable(tool, environ=environ(PATH=tmp_path))
    assert (info.name, info.version, info.executable) == (tool, "2.8.1", str(path))
    other = ({"mamba", "micromamba"} - {tool}).pop()
    with pytest.raises(EngineNotFoundError):
        find_executable(other, environ=environ(PATH=tmp_path))


@pytest.mark.parametrize(
    ("tool", "version", "problem"),
    [
        ("conda", "conda 4.12.0", "conda 4.12.0 is too old: 23.9 or newer is needed"),
        ("conda", "conda 23.7.4", "conda 23.7.4 is too old: 23.9 or newer is needed"),
        ("mamba", "mamba 1.5.8\nconda 24.1.2", "mamba 1.5.8 is too old: 2.0 or newer is needed"),
        ("micromamba", "1.5.8", "micromamba 1.5.8 is too old: 2.0 or newer is needed"),
        ("conda", "hello", "it answers --version neither like conda nor like mamba"),
        ("micromamba", "2.8.1", "its info --json is no JSON object"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, tool: str, version: str, problem: str) -> None:
    path = program(tmp_path / tool, version)
    with pytest.raises(EngineNotFoundError) as caught:
        find_executable(tool, environ=environ(PATH=tmp_path))
    assert caught.value.message == f"no usable {tool} was found"
    assert caught.value.context == (f"{path} (PATH): {problem}",)
    assert "--engine rattler" in (caught.value.hint or "")
    (info,) = available_executables(environ=environ(PATH=tmp_path))
    assert info.problem == problem


@pytest.mark.parametrize("version", ["conda 23.9.0", "conda 24.1.2", "conda 26.7.2.dev56"])
def test_versions_that_will_do(tmp_path: Path, version: str) -> None:
    program(tmp_path / "conda", version)
    assert find_executable("conda", environ=environ(PATH=tmp_path)).version == version.partition(" ")[2]


def test_a_file_that_is_no_program_and_a_program_that_breaks(tmp_path: Path) -> None:
    text = tmp_path / "a" / "conda"
    text.parent.mkdir()
    text.write_text("conda() { __conda_exe; }\n", encoding="utf-8")
    broken = tmp_path / "b" / "conda"
    broken.parent.mkdir()
    broken.write_text("#!/nonexistent/python\n", encoding="utf-8")
    broken.chmod(0o755)
    found = available_executables(environ=environ(CONDA_EXE=text, PATH=f"{text.parent}{os.pathsep}{broken.parent}"))
    assert [(info.executable, "can't be run" in info.problem) for info in found] == [(str(broken), True)]


def test_a_batch_file_stands_for_the_program_beside_it(tmp_path: Path) -> None:
    """``condabin/conda.bat`` would need a shell; it only calls ``Scripts/conda.exe``."""
    program(tmp_path / "condabin" / "conda.bat", "conda 1.0")
    real = program(tmp_path / "Scripts" / "conda.exe", "conda 25.1.0")
    info = find_executable("conda", environ=environ(CONDA_EXE=tmp_path / "condabin" / "conda.bat"))
    assert info.executable == str(real)


def test_all_that_is_there_the_usable_first_each_once(tmp_path: Path) -> None:
    program(tmp_path / "conda", "conda 4.12.0")
    micro = program(tmp_path / "micromamba", "2.8.1", calls_itself="micromamba")
    (tmp_path / "mamba").symlink_to(micro)
    found = available_executables(environ=environ(PATH=tmp_path, MAMBA_EXE=micro))
    assert [(info.name, bool(info.problem)) for info in found] == [("micromamba", False), ("conda", True)]


def test_the_version_is_asked_once_until_the_file_changes(tmp_path: Path) -> None:
    path = program(tmp_path / "conda", "conda 25.1.0")
    log = Path(f"{path}.log")
    for _ in range(3):
        find_executable("conda", environ=environ(PATH=tmp_path))
    assert log.read_text(encoding="utf-8").split() == ["--version"]
    program(path, "conda 25.2.0")
    os.utime(path, ns=(1, 1))
    assert find_executable("conda", environ=environ(PATH=tmp_path)).version == "25.2.0"


def test_the_root_prefix(tmp_path: Path) -> None:
    here = environment(tmp_path / "base/envs/demo")
    apart = environment(tmp_path / "apart")
    assert root_prefix(here, environ(MAMBA_ROOT_PREFIX="/mine")) == Path("/mine")
    assert root_prefix(here, environ()) == tmp_path / "base"
    (tmp_path / "micromamba").mkdir()
    assert root_prefix(apart, environ(HOME=tmp_path)) == tmp_path / "micromamba"
    assert root_prefix(None, environ()).name == "mamba"

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments import (
    KernelFacts,
    from_interpreter,
    from_kernel,
    from_kernelspec,
    from_prefix,
    same_folder,
)
from jupyter_pkgmgr.environments.facts import FACTS_SCRIPT
from jupyter_pkgmgr.model import Environment, EnvironmentKind
from jupyter_pkgmgr.model.errors import EnvironmentProblem
from testbed.environments import available_interpreters, make_venv

MakeConda = Callable[..., Path]


def told(executable: Path) -> KernelFacts:
    """What a kernel on this interpreter would tell."""
    return KernelFacts.from_json(subprocess.check_output([executable, FACTS_SCRIPT]))


@pytest.mark.parametrize("minor", available_interpreters())
def test_interpreter_prefix_and_kernel_agree(minor: str, environ: dict[str, str], tmp_path: Path) -> None:
    executable = make_venv(tmp_path / "venv", available_interpreters()[minor])
    found = [
        from_interpreter(executable, environ=environ),
        from_prefix(tmp_path / "venv", environ=environ),
        from_kernel(told(executable), environ=environ),
    ]
    for environment in found:
        assert environment.prefix == tmp_path / "venv"
        assert (environment.kind, environment.owner) == (EnvironmentKind.VENV, "uv")
        assert environment.python is not None
        assert environment.python == replace(found[0].python or environment.python)
        assert environment.python.minor == minor
        assert environment.evidence


def test_standard_venv_without_pip(tmp_path: Path, environ: dict[str, str]) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    environment = from_prefix(tmp_path / "env", environ=environ)
    assert (environment.kind, environment.owner) == (EnvironmentKind.VENV, "venv")
    assert environment.name == f"{tmp_path.name}/env"


def test_venv_that_sees_the_systems_packages(tmp_path: Path, environ: dict[str, str]) -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable))
    subprocess.run([base, "-m", "venv", "--without-pip", "--system-site-packages", tmp_path / "env"], check=True)
    python = from_prefix(tmp_path / "env", environ=environ).python
    assert python is not None
    assert python.search_path[0] == python.purelib
    assert any(not path.is_relative_to(tmp_path) for path in python.search_path)


def test_conda_and_the_venv_made_from_its_python(shared_conda: Path, tmp_path: Path, environ: dict[str, str]) -> None:
    environment = from_prefix(shared_conda, environ=environ)
    assert (environment.kind, environment.owner, environment.name) == (EnvironmentKind.CONDA, "conda", "science")
    assert environment.python is not None
    assert environment.python.prefix == shared_conda
    made = from_interpreter(make_venv(tmp_path / "venv", environment.python.executable), environ=environ)
    assert (made.kind, made.prefix) == (EnvironmentKind.VENV, tmp_path / "venv")
    assert made.python is not None
    assert same_folder(made.python.base_prefix, shared_conda)
    assert from_kernel(told(made.python.executable), environ=environ).kind is EnvironmentKind.VENV


def test_conda_after_its_history_was_lost(conda_prefix: Path, environ: dict[str, str]) -> None:
    (conda_prefix / "conda-meta" / "history").unlink()
    environment = from_interpreter(conda_prefix / "bin" / "python", environ=environ)
    assert environment.kind is EnvironmentKind.CONDA
    assert "without a history" in " ".join(item.detail for item in environment.evidence)


def test_conda_without_python(make_conda: MakeConda, environ: dict[str, str]) -> None:
    environment = from_prefix(make_conda(records=[("r-base-4.4-0", "conda-forge")]), environ=environ)
    assert (environment.kind, environment.python) == (EnvironmentKind.CONDA, None)


def test_an_interpreter_linked_into_a_conda_prefix_is_not_its_own(
    make_conda: MakeConda, environ: dict[str, str]
) -> None:
    prefix = make_conda()
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(getattr(sys, "_base_executable", sys.executable))
    environment = from_prefix(prefix, environ=environ)
    assert (environment.prefix, environment.python) == (prefix, None)
    assert "not to this environment" in environment.evidence[1].detail


@pytest.mark.parametrize("name", ["with space", "größe-日本", "it's $HOME", "a;b&c", "-dash"])
def test_odd_names(tmp_path: Path, environ: dict[str, str], name: str) -> None:
    venv.create(tmp_path / name, with_pip=False)
    environment = from_prefix(tmp_path / name, environ=environ)
    assert environment.prefix == tmp_path / name
    assert environment.python is not None
    assert environment.python.purelib.is_relative_to(tmp_path / name)
    assert from_kernel(told(tmp_path / name / "bin" / "python"), environ=environ).prefix == tmp_path / name


def test_a_prefix_behind_a_link(tmp_path: Path, environ: dict[str, str], shared_conda: Path) -> None:
    make_venv(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    environment = from_prefix(tmp_path / "link", environ=environ)
    assert (environment.prefix, environment.kind) == (tmp_path / "link", EnvironmentKind.VENV)
    (tmp_path / "conda").symlink_to(shared_conda)
    environment = from_prefix(tmp_path / "conda", environ=environ)
    assert (environment.prefix, environment.kind) == (tmp_path / "conda", EnvironmentKind.CONDA)
    assert environment.python is not None


def test_no_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    for path, note in ((tmp_path, "neither an interpreter"), (tmp_path / "gone", "no such folder")):
        with pytest.raises(EnvironmentProblem) as caught:
            from_prefix(path, environ=environ)
        assert caught.value.reference == "not-an-environment"
        assert note in (caught.value.note or "")


def test_a_venv_whose_python_is_gone(tmp_path: Path, environ: dict[str, str]) -> None:
    shutil.copytree(sys.prefix, tmp_path / "venv", symlinks=True, ignore=shutil.ignore_patterns("lib", "share"))
    (tmp_path / "venv" / "bin" / "python").unlink()
    (tmp_path / "venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    with pytest.raises(EnvironmentProblem) as caught:
        from_prefix(tmp_path / "venv", environ=environ)
    assert caught.value.reference == "broken-interpreter"


# --- a living kernel ---------------------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path) -> KernelFacts:
    return told(make_venv(tmp_path / "venv"))


def test_a_kernel_that_told_enough_needs_no_process(
    kernel: KernelFacts, tmp_path: Path, environ: dict[str, str]
) -> None:
    executable = tmp_path / "venv" / "bin" / "python"
    executable.unlink()
    executable.write_text("#!/bin/sh\nexit 1\n")  # starting it would fail
    executable.chmod(0o755)
    assert from_kernel(kernel, environ=environ).python == kernel.python_info()


def test_a_kernel_that_told_little_is_asked(kernel: KernelFacts, environ: dict[str, str]) -> None:
    environment = from_kernel(replace(kernel, purelib="", markers=()), environ=environ)
    assert environment.python is not None
    assert str(environment.python.purelib) == kernel.purelib


@pytest.mark.parametrize(
    ("changes", "reference", "note"),
    [
        ({"hostname": "node-17.cluster"}, "remote-kernel", "it runs on node-17.cluster"),
        ({"prefix": "/opt/there"}, "remote-kernel", "/opt/there doesn't exist here"),
        ({"executable": "/opt/there/bin/python"}, "remote-kernel", "/opt/there/bin/python doesn't exist here"),
        ({"prefix_id": "1", "executable_id": "1-2-3"}, "remote-kernel", "is another folder here than there"),
        ({"uid": "4242"}, "other-user", "wrong user"),
    ],
)
def test_a_kernel_elsewhere_is_refused(
    kernel: KernelFacts, environ: dict[str, str], changes: dict[str, Any], reference: str, note: str
) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        from_kernel(replace(kernel, **changes), environ=environ)
    assert caught.value.reference == reference
    assert note in (caught.value.note or "")
    assert "%load_ext" in (caught.value.hint or "")


@pytest.mark.parametrize("changes", [{"prefix_id": "1"}, {"executable_id": "1"}, {"hostname": "", "prefix_id": ""}])
def test_one_proof_of_sameness_is_enough(kernel: KernelFacts, environ: dict[str, str], changes: dict[str, Any]) -> None:
    """Python may be replaced under a running kernel, and a layered file system may renumber a folder."""
    assert from_kernel(replace(kernel, **changes), environ=environ).kind is EnvironmentKind.VENV


def test_a_kernel_of_another_language(make_conda: MakeConda, environ: dict[str, str]) -> None:
    prefix = make_conda()
    (prefix / "bin").mkdir()
    (prefix / "bin" / "R").touch()
    facts = KernelFacts(
        language="R", executable=str(prefix / "bin" / "R"), prefix=str(prefix), base_prefix=str(prefix), version="4.4"
    )
    environment = from_kernel(facts, environ=environ)
    assert (environment.kind, environment.python) == (EnvironmentKind.CONDA, None)


# --- server, kernel and PATH are three ---------------------------------------------------------------------------


def test_three_way(tmp_path: Path, shared_conda: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's environment is found, whatever the server's Python is and whatever PATH and variables say."""
    others = list(available_interpreters().values())
    on_path = make_venv(tmp_path / "on-path", others[0])
    of_kernel = make_venv(tmp_path / "of-kernel", others[-1])
    of_server = make_venv(tmp_path / "of-server")
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "on-path"))
    monkeypatch.setenv("CONDA_PREFIX", str(shared_conda))
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "science")
    root = Path(__file__).parents[2]
    code = f"""
import dataclasses, json, sys
sys.path[:0] = {[str(root), *[path for path in sys.path if path.endswith("site-packages")]]!r}
from pathlib import Path
from jupyter_pkgmgr.environments import KernelFacts, from_interpreter, from_kernel, from_kernelspec
server = Path(sys.prefix)
facts = KernelFacts.from_json(Path(sys.argv[2]).read_text())
spec = lambda argv: {{"argv": [argv, "-m", "ipykernel_launcher"], "language": "python"}}
found = [from_interpreter(Path(sys.argv[1]), server=server), from_kernel(facts, server=server),
    from_kernelspec(spec(sys.argv[1]), server=server), from_kernelspec(spec("python"), server=server)]
print(json.dumps([[str(item.prefix), [str(policy.kind) for policy in item.policies]] for item in found]))
"""
    (tmp_path / "facts.json").write_bytes(subprocess.check_output([of_kernel, FACTS_SCRIPT]))
    done = subprocess.check_output([of_server, "-c", code, of_kernel, tmp_path / "facts.json"], text=True)
    kernel, server = [str(tmp_path / "of-kernel"), []], [str(tmp_path / "of-server"), ["server"]]
    assert json.loads(done) == [kernel, kernel, kernel, server]


def test_evidence_names_every_source(shared_conda: Path, environ: dict[str, str]) -> None:
    spec = {"argv": [str(shared_conda / "bin" / "python"), "-m", "x"], "language": "python"}
    environment: Environment = from_kernelspec(spec, server=Path(sys.prefix), environ=environ)
    sources = [item.source for item in environment.evidence]
    assert sources[0] == "kernelspec argv[0]"
    assert str(shared_conda / "conda-meta" / "history") in sources
    assert all(item.detail for item in environment.evidence)
    assert os.environ.get("CONDA_PREFIX") is None or os.environ["CONDA_PREFIX"] not in sources

"""Which environments a server finds: of kernels, kernelspecs, conda, its own; and what it says of broken ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments import from_kernelspec, same_folder
from jupyter_pkgmgr.model import Environment, PolicyKind
from jupyter_pkgmgr.server import environments
from jupyter_pkgmgr.server.environments import EnvironmentFinder, Findings, Found
from jupyter_pkgmgr.server.jupyter import RunningKernel
from jupyter_pkgmgr.server.kernels import Attachment, KernelRegistry, KnownKernel
from testbed.environments import make_venv
from tests.server.conftest import facts


@dataclass
class Jupyter:
    """Kernels and kernelspecs as a server would tell of them."""

    kernels: list[RunningKernel] = field(default_factory=list)
    specs: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def running(self) -> tuple[RunningKernel, ...]:
        return tuple(self.kernels)

    def kernelspecs(self) -> dict[str, Mapping[str, Any]]:
        return self.specs

    def start(self, number: str, *, pid: int | None = None, local: bool = True, **spec: Any) -> RunningKernel:
        kernel = RunningKernel(
            id=number,
            name="mine",
            display_name="Mine",
            language="python",
            kernelspec=spec,
            local=local,
            pid=pid,
            cwd=None,
        )
        self.kernels.append(kernel)
        return kernel


def spec(python: Path | str) -> dict[str, Any]:
    return {"argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}


@pytest.fixture
def jupyter() -> Jupyter:
    return Jupyter()


@pytest.fixture
def registry() -> KernelRegistry:
    return KernelRegistry()


@pytest.fixture
def finder(jupyter: Jupyter, registry: KernelRegistry) -> Iterator[EnvironmentFinder]:
    finder = EnvironmentFinder(jupyter, registry)
    yield finder
    finder.close()


def of(findings: Findings, prefix: Path) -> Found:
    return next(found for found in findings.environments if same_folder(found.environment.prefix, prefix))


def test_the_servers_own_comes_first_and_is_marked(finder: EnvironmentFinder) -> None:
    own = finder.find().environments[0].environment
    assert own.prefix == Path(sys.prefix)
    assert own.policy(PolicyKind.SERVER) is not None


def test_one_environment_has_all_its_kernelspecs(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path
) -> None:
    jupyter.specs = {"one": spec(venv_python), "two": spec(venv_python), "own": spec("python")}
    jupyter.start("k1", **spec(venv_python))
    findings = finder.find()
    assert of(findings, venv_python.parent.parent).kernelspecs == ("one", "two")
    assert of(findings, venv_python.parent.parent).kernels == ("k1",)
    assert of(findings, Path(sys.prefix)).kernelspecs == ("own",)
    assert findings.notes == ()


def test_what_is_broken_is_a_note_beside_the_rest(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho no >&2\nexit 3\n")
    broken.chmod(0o755)
    jupyter.specs = {
        "gone": spec(tmp_path / "nowhere" / "python"),
        "broken": spec(broken),
        "empty": {},
        "good": spec(venv_python),
    }
    findings = finder.find()
    assert of(findings, venv_python.parent.parent).kernelspecs == ("good",)
    said = "\n".join(findings.notes)
    for name in ("gone", "broken", "empty"):
        assert f"kernelspec {name}: " in said
    assert len(findings.notes) == 3


def test_conda_tells_of_its_environments(
    finder: EnvironmentFinder, conda_prefix: Path, clean_settings: Path, tmp_path: Path
) -> None:
    listed = clean_settings / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_text(f"{conda_prefix}\n{tmp_path / 'deleted'}\nnot a path\n\n")
    findings = finder.find()
    assert of(findings, conda_prefix).environment.is_conda
    assert findings.notes == ()


def test_folders_for_named_environments_are_looked_through(
    finder: EnvironmentFinder, conda_prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_ENVS_DIRS", str(conda_prefix.parent))
    assert of(finder.find(), conda_prefix).environment.is_conda


def test_a_broken_condarc_is_a_note(finder: EnvironmentFinder, clean_settings: Path) -> None:
    (clean_settings / ".condarc").write_text("channels: [a\n")
    findings = finder.find()
    assert findings.environments
    assert any(".condarc" in note for note in findings.notes)


def test_a_kernel_that_told_is_believed_more_than_its_kernelspec(
    finder: EnvironmentFinder, jupyter: Jupyter, registry: KernelRegistry, tmp_path: Path
) -> None:
    lives, named = make_venv(tmp_path / "lives"), make_venv(tmp_path / "named")
    kernel = jupyter.start("k1", **spec(named))
    assert finder.of_kernel(kernel).environment is not None
    registry.begin("k1", attached=Attachment.ATTACHED, facts=facts(lives))
    finding = finder.of_kernel(kernel)
    assert finding.environment is not None
    assert finding.environment.prefix == tmp_path / "lives"
    assert finding.mismatch == f"the kernel runs in {tmp_path / 'lives'}, but its kernelspec names {tmp_path / 'named'}"


def test_where_all_say_the_same_there_is_no_mismatch(
    finder: EnvironmentFinder, jupyter: Jupyter, registry: KernelRegistry, venv_python: Path
) -> None:
    kernel = jupyter.start("k1", **spec(venv_python))
    registry.begin("k1", attached=Attachment.ATTACHED, facts=facts(venv_python))
    assert finder.of_kernel(kernel).mismatch is None


def test_a_kernel_elsewhere_has_no_environment_here(
    finder: EnvironmentFinder, jupyter: Jupyter, registry: KernelRegistry, venv_python: Path
) -> None:
    kernel = jupyter.start("k1", **spec(venv_python))
    registry.begin("k1", attached=Attachment.ATTACHED, facts={**facts(venv_python), "hostname": "elsewhere"})
    finding = finder.of_kernel(kernel)
    assert finding.environment is None
    assert finding.problem is not None
    assert finding.problem.reference == "remote-kernel"
    assert finder.find().notes == ()


@pytest.mark.parametrize("words", [{}, {"schema": 99}, {"schema": 1, "prefix": ["x"]}, {"schema": 1}])
def test_a_kernels_words_are_not_trusted(
    finder: EnvironmentFinder, jupyter: Jupyter, registry: KernelRegistry, words: dict[str, Any]
) -> None:
    kernel = jupyter.start("k1")
    registry.begin("k1", attached=Attachment.ATTACHED, facts=words)
    problem = finder.of_kernel(kernel).problem
    assert problem is not None
    assert problem.reference == "unreadable-facts"


def test_a_gateways_kernel_is_not_looked_for_here(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path
) -> None:
    kernel = jupyter.start("k1", local=False, **spec(venv_python))
    finding = finder.of_kernel(kernel)
    assert finding.environment is None
    assert finding.problem is not None
    assert finding.problem.reference == "unknown-environment"


def test_policies_are_looked_at_again(
    finder: EnvironmentFinder, jupyter: Jupyter, conda_prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_pkgmgr.server.environments.FRESH", 0.0)
    jupyter.specs = {"mine": {**spec("python"), "metadata": {"conda_env_path": str(conda_prefix)}}}
    assert of(finder.find(), conda_prefix).environment.policy(PolicyKind.FROZEN) is None
    (conda_prefix / "conda-meta" / "frozen").touch()
    assert of(finder.find(), conda_prefix).environment.policy(PolicyKind.FROZEN) is not None


def test_nothing_is_kept_of_kernels_that_ended(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_pkgmgr.server.environments.FRESH", 0.0)
    for number in range(20):
        jupyter.kernels = []
        jupyter.start(f"k{number}", **{**spec(venv_python), "env": {"NUMBER": str(number)}})
        finder.find()
    assert finder.remembered < 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's arguments")
def test_the_process_of_a_kernel_that_has_not_told_is_looked_at(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path
) -> None:
    kernel = jupyter.start("k1", pid=os.getpid())
    assert finder.of_kernel(kernel).environment is None  # this process is no ipykernel
    program = "import sys; sys.argv; print('ready', flush=True); sys.stdin.read()"
    stub = venv_python.parent.parent / "ipykernel_launcher.py"
    stub.write_text(program)
    with subprocess.Popen(
        [venv_python, "-m", "ipykernel_launcher"], cwd=stub.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = finder.of_kernel(jupyter.start("k2", pid=process.pid)).environment
        assert found is not None
        assert found.prefix == venv_python.parent.parent
        process.kill()


def test_nothing_is_noted_of_a_kernel_that_has_ended() -> None:
    registry = KernelRegistry()
    told: list[KnownKernel] = []
    registry.subscribe(told.append)
    registry.begin("k1")
    registry.forget("k1")
    registry.note("k1", verdict={"level": "none"})
    assert registry.all() == ()
    assert [kernel.id for kernel in told] == ["k1"]


def test_a_kernel_that_cannot_be_examined_hides_no_other(
    finder: EnvironmentFinder, jupyter: Jupyter, venv_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = jupyter.start("k1", argv=["/broken/python", "-m", "ipykernel_launcher"])
    good = jupyter.start("k2", **spec(venv_python))

    def fail_at_broken(kernelspec: Mapping[str, Any], **more: Any) -> Environment:
        if kernelspec["argv"][0] == "/broken/python":
            raise OSError(5, "Input/output error")
        return from_kernelspec(kernelspec, **more)

    monkeypatch.setattr(environments, "from_kernelspec", fail_at_broken)  # a disk can't be broken at will
    first, second = finder.of_kernels([broken, good])
    assert first.problem is not None
    assert "Input/output error" in first.problem.message
    assert second.environment is not None

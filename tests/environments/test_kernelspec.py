from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments import KernelSpecFacts, from_kernelspec
from jupyter_pkgmgr.model import EnvironmentKind
from jupyter_pkgmgr.model.errors import EnvironmentProblem
from testbed.environments import make_venv

MakeConda = Callable[..., Path]
SERVER = Path(sys.prefix)
LAUNCH = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def places(tmp_path: Path, make_conda: MakeConda) -> dict[str, Path]:
    """A conda root with two environments, one elsewhere, a venv, a pixi and a uv project."""
    root = make_conda("root", records=[("conda-26.7.0-0", "conda-forge")])
    (root / "condabin").mkdir()
    named = {name: make_conda(f"root/envs/{name}") for name in ("science", "my-env-2")}
    for tool in ("conda", "mamba"):
        (root / "bin" / tool).parent.mkdir(exist_ok=True)
        (root / "bin" / tool).write_text("#!/bin/sh\n")
        (root / "bin" / tool).chmod(0o755)
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    (project / "pixi.toml").write_text("")
    (project / "pyproject.toml").write_text("[project]\nname='x'\n")
    make_venv(project / ".venv")
    return {
        "root": root,
        **named,
        "apart": make_conda("elsewhere/apart"),
        "project": project,
        "pixi-default": make_conda("project/.pixi/envs/default"),
        "pixi-gpu": make_conda("project/.pixi/envs/gpu"),
        "venv": project / ".venv",
        "server": SERVER,
        "tmp": tmp_path,
    }


Spec = Callable[[dict[str, Path]], dict[str, Any]]
CASES: dict[str, tuple[Spec, str]] = {
    "conda_env_path comes before everything": (
        lambda at: {
            "argv": [str(at["venv"] / "bin" / "python"), *LAUNCH],
            "metadata": {"conda_env_path": str(at["science"]), "conda_env_name": "science"},
        },
        "science",
    ),
    "a stale conda_env_path is passed over": (
        lambda at: {
            "argv": [str(at["venv"] / "bin" / "python"), *LAUNCH],
            "metadata": {"conda_env_path": str(at["tmp"] / "gone")},
        },
        "venv",
    ),
    "nb_conda_kernels runner": (
        lambda at: {
            "argv": ["python", "-m", "nb_conda_kernels.runner", str(at["root"]), str(at["my-env-2"]), "python", *LAUNCH]
        },
        "my-env-2",
    ),
    "absolute interpreter": (lambda at: {"argv": [str(at["venv"] / "bin" / "python"), *LAUNCH]}, "venv"),
    "absolute interpreter before variables": (
        lambda at: {"argv": [str(at["venv"] / "bin" / "python3")], "env": {"CONDA_PREFIX": str(at["science"])}},
        "venv",
    ),
    "entry point script": (
        lambda at: {"argv": [script(at["venv"] / "bin" / "launch", f"#!{at['venv']}/bin/python\n")]},
        "venv",
    ),
    "wrapper script, then a variable": (
        lambda at: {
            "argv": [script(at["root"] / "bin" / "start.sh", "#!/bin/bash\nexec somewhere\n"), *LAUNCH],
            "env": {"CONDA_PREFIX": str(at["science"])},
        },
        "science",
    ),
    "wrapper in the kernelspec's folder": (
        lambda at: {
            "argv": ["{resource_dir}/start.sh"],
            "resource_dir": str(Path(script(at["tmp"] / "spec" / "start.sh", "#!/bin/sh\n")).parent),
            "env": {"VIRTUAL_ENV": str(at["venv"])},
        },
        "venv",
    ),
    "conda run -n": (
        lambda at: {"argv": [str(at["root"] / "bin" / "conda"), "run", "-n", "science", "python", *LAUNCH]},
        "science",
    ),
    "conda run with more options": (
        lambda at: {
            "argv": [
                *(str(at["root"] / "bin" / "conda"), "run", "--no-capture-output", "--cwd", "/", "--name=my-env-2"),
                *("python", "-m", "ipykernel_launcher", "-p", "/not/mine"),
            ]
        },
        "my-env-2",
    ),
    "conda run -p": (lambda at: {"argv": ["conda", "run", "-p", str(at["apart"]), "python", *LAUNCH]}, "apart"),
    "conda run --prefix=": (lambda at: {"argv": ["conda", "run", f"--prefix={at['apart']}", "python"]}, "apart"),
    "mamba run -n base": (lambda at: {"argv": [str(at["root"] / "bin" / "mamba"), "run", "-n", "base", "R"]}, "root"),
    "conda run without a name": (
        lambda at: {"argv": ["conda", "run", "python"], "env": {"CONDA_PREFIX": str(at["apart"])}},
        "apart",
    ),
    "conda found by CONDA_EXE": (
        lambda at: {
            "argv": ["conda", "run", "-n", "science", "python"],
            "env": {"CONDA_EXE": str(at["root"] / "bin" / "conda")},
        },
        "science",
    ),
    "conda found on PATH": (
        lambda at: {"argv": ["conda", "run", "-n", "science", "python"], "env": {"PATH": str(at["root"] / "bin")}},
        "science",
    ),
    "micromamba run -n with its root in a variable": (
        lambda at: {
            "argv": ["micromamba", "run", "-n", "science", "python"],
            "env": {"MAMBA_ROOT_PREFIX": str(at["root"])},
        },
        "science",
    ),
    "micromamba run -r": (
        lambda at: {"argv": ["/usr/bin/micromamba", "run", "-r", str(at["root"]), "-nscience", "python"]},
        "science",
    ),
    "name in a configured folder": (
        lambda at: {
            "argv": ["conda", "run", "-n", "apart", "python"],
            "env": {"CONDA_ENVS_PATH": f"{at['tmp'] / 'none'}:{at['apart'].parent}"},
        },
        "apart",
    ),
    "pixi run": (lambda _: {"argv": ["pixi", "run", "python", *LAUNCH]}, "pixi-default"),
    "pixi run -e": (lambda _: {"argv": ["pixi", "run", "-e", "gpu", "python"]}, "pixi-gpu"),
    "pixi run --manifest-path": (
        lambda at: {"argv": ["pixi", "run", "--manifest-path", str(at["project"] / "pixi.toml"), "python"]},
        "pixi-default",
    ),
    "pixi-kernel": (
        lambda _: {
            "argv": ["python", *LAUNCH],
            "metadata": {"kernel_provisioner": {"provisioner_name": "pixi-kernel-provisioner"}},
        },
        "pixi-default",
    ),
    "pixi-kernel with a default of its own": (
        lambda _: {
            "argv": ["python", *LAUNCH],
            "metadata": {"kernel_provisioner": {"provisioner_name": "pixi-kernel-provisioner"}},
            "env": {"PIXI_KERNEL_DEFAULT_ENVIRONMENT": "gpu", "PIXI_IN_SHELL": "1"},
        },
        "pixi-gpu",
    ),
    "pixi-kernel with an empty name": (
        lambda _: {"argv": ["python"], "metadata": {"pixi-kernel": {"environment": ""}}},
        "pixi-default",
    ),
    "uv run": (lambda _: {"argv": ["uv", "run", "--with", "ipykernel", "python", *LAUNCH]}, "venv"),
    "uv run --project": (lambda at: {"argv": ["uv", "run", "--project", str(at["project"]), "python"]}, "venv"),
    "CONDA_PREFIX in the spec": (
        lambda at: {"argv": ["R"], "language": "R", "env": {"CONDA_PREFIX": str(at["science"])}},
        "science",
    ),
    "VIRTUAL_ENV in the spec": (lambda at: {"argv": ["launch"], "env": {"VIRTUAL_ENV": str(at["venv"])}}, "venv"),
    "bare python": (lambda _: {"argv": ["python", *LAUNCH]}, "server"),
    "bare python3": (lambda _: {"argv": ["python3", *LAUNCH]}, "server"),
    "bare python is the server's whatever the variables say": (
        lambda at: {
            "argv": ["python", *LAUNCH],
            "env": {"CONDA_PREFIX": str(at["science"]), "PATH": str(at["venv"] / "bin")},
        },
        "server",
    ),
    "another bare program is looked for on the spec's PATH": (
        lambda at: {"argv": ["python3.99"], "env": {"PATH": str(script_dir(at["venv"], "python3.99"))}},
        "venv",
    ),
    "R": (
        lambda at: {
            "argv": [script(at["science"] / "lib" / "R" / "bin" / "R", "#!/bin/sh\n"), "--slave"],
            "language": "R",
        },
        "science",
    ),
    "a C++ kernel for Python": (
        lambda at: {"argv": [script(at["apart"] / "bin" / "xpython", "\x7fELF")], "language": "python"},
        "apart",
    ),
    "bash on the spec's PATH": (
        lambda at: {
            "argv": ["bash_kernel"],
            "language": "bash",
            "env": {"PATH": str(Path(script(at["apart"] / "bin" / "bash_kernel", "#!/bin/sh\n")).parent)},
        },
        "apart",
    ),
}


def script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def script_dir(venv: Path, name: str) -> Path:
    (venv / "bin" / name).symlink_to(venv / "bin" / "python")
    return venv / "bin"


@pytest.mark.parametrize("case", CASES)
def test_every_form(places: dict[str, Path], environ: dict[str, str], case: str) -> None:
    make, expected = CASES[case]
    spec = {"language": "python", **make(places)}
    # an active environment of the server never counts
    environ |= {"CONDA_PREFIX": str(places["root"]), "VIRTUAL_ENV": str(places["tmp"] / "active")}
    environment = from_kernelspec(spec, server=SERVER, cwd=places["project"] / "notebooks", environ=environ)
    assert environment.prefix == places[expected]
    assert all(item.source and item.detail for item in environment.evidence)
    if expected not in ("venv", "server"):
        assert environment.kind is EnvironmentKind.CONDA


BAD: dict[str, tuple[Spec, str, str]] = {
    "no argv": (lambda _: {}, "unknown-environment", ""),
    "a wrapper and nothing else": (
        lambda at: {"argv": [script(at["tmp"] / "bin" / "start", "#!/bin/sh\n")]},
        "unknown-environment",
        "wrapper script",
    ),
    "a wrapper in a conda root is not in the root": (
        lambda at: {"argv": [script(at["root"] / "bin" / "start", "#!/bin/sh\n")]},
        "unknown-environment",
        "wrapper script",
    ),
    "a program that isn't there": (lambda _: {"argv": ["/gone/python"]}, "unknown-environment", "doesn't exist"),
    "a variable that leads nowhere": (
        lambda _: {"argv": ["x"], "env": {"VIRTUAL_ENV": "/gone"}},
        "unknown-environment",
        "/gone doesn't exist",
    ),
    "an unknown name": (
        lambda at: {"argv": [str(at["root"] / "bin" / "conda"), "run", "-n", "nope", "python"]},
        "environment-not-found",
        "nope",
    ),
    "base without a root": (
        lambda _: {"argv": ["micromamba", "run", "-n", "base", "python"]},
        "environment-not-found",
        "base",
    ),
    "an unknown pixi environment": (
        lambda _: {"argv": ["pixi", "run", "-e", "nope", "python"]},
        "environment-not-found",
        "nope",
    ),
    "uv run --isolated": (
        lambda _: {"argv": ["uv", "run", "--isolated", "python"]},
        "environment-not-found",
        "--isolated",
    ),
    "a prefix that isn't there": (
        lambda _: {"argv": ["conda", "run", "-p", "/gone", "python"]},
        "not-an-environment",
        "/gone",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_kernelspec_that_leads_nowhere_says_so(places: dict[str, Path], environ: dict[str, str], case: str) -> None:
    make, reference, text = BAD[case]
    with pytest.raises(EnvironmentProblem) as caught:
        from_kernelspec(make(places), server=SERVER, cwd=places["project"], environ=environ)
    error = caught.value
    assert error.reference == reference
    assert text in " ".join([error.message, error.note or "", *error.context])
    assert error.hint


def test_pixi_and_uv_outside_of_a_project(tmp_path: Path, environ: dict[str, str]) -> None:
    for argv in (["pixi", "run", "python"], ["uv", "run", "python"]):
        with pytest.raises(EnvironmentProblem, match="there is no environment"):
            from_kernelspec({"argv": argv}, server=SERVER, cwd=tmp_path, environ=environ)


def test_pixi_in_pyproject(tmp_path: Path, make_conda: MakeConda, environ: dict[str, str]) -> None:
    prefix = make_conda("work/.pixi/envs/default")
    (tmp_path / "work" / "pyproject.toml").write_text("[tool.pixi.workspace]\nchannels = []\n")
    spec = KernelSpecFacts(argv=("pixi", "run", "python"), cwd=tmp_path / "work")
    assert from_kernelspec(spec, server=SERVER, environ=environ).prefix == prefix

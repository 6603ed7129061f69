"""From a kernelspec to an environment: the fallback where no living kernel can be asked.

In order of trust: ``metadata.conda_env_path`` (nb_conda_kernels writes it), nb_conda_kernels' runner,
``conda run`` and its relatives, pixi, uv, an absolute ``argv[0]``, a bare ``python`` (which jupyter_client
replaces by the server's own interpreter, whatever the spec's variables say), ``CONDA_PREFIX`` and
``VIRTUAL_ENV`` in the spec's ``env``. What the *server's* environment variables say never counts.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.model.environment import Environment, Evidence
from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .detect import find_python, from_interpreter, from_prefix
from .identify import is_conda_prefix
from .launchers import conda_run_prefix, pixi_kernel_prefix, pixi_run_prefix, uv_run_prefix

__all__ = ["KernelSpecFacts", "from_kernelspec"]

_PYTHON = re.compile(r"(?:python|pypy)w?\d*(?:\.\d+)*t?(?:\.exe)?", re.IGNORECASE)
_CONDA_TOOLS = ("conda", "mamba", "micromamba")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpecFacts:
    """What matters of a ``kernel.json``, and where the kernel would start."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    language: str = "python"
    resource_dir: str = ""
    """The kernelspec's folder, for ``{resource_dir}`` in its argv."""
    cwd: Path | None = None
    """The notebook's folder: pixi and uv look for their project from there."""

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> KernelSpecFacts:
        """Read a ``kernel.json`` as ``jupyter_client.kernelspec`` gives it; missing keys are empty."""
        return cls(
            argv=tuple(str(part) for part in spec.get("argv") or ()),
            env={str(name): str(value) for name, value in (spec.get("env") or {}).items()},
            metadata=spec.get("metadata") or {},
            language=str(spec.get("language") or "").lower(),
            resource_dir=str(spec.get("resource_dir") or ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clue:
    """Where a kernelspec points: a prefix or an interpreter, and how we know."""

    path: Path
    evidence: Evidence
    interpreter: bool = False


def from_kernelspec(
    kernelspec: KernelSpecFacts | Mapping[str, Any],
    *,
    server: Path,
    cwd: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Environment:
    """The environment in which a kernelspec's kernel would run.

    Parameters
    ----------
    kernelspec
        Its facts, or the content of a ``kernel.json``.
    server
        ``sys.prefix`` of the running Jupyter server: a bare ``python`` is its interpreter.
    cwd
        The notebook's folder.

    Raises
    ------
    EnvironmentProblem
        If the kernelspec doesn't tell, or names an environment that isn't there.
    """
    spec = kernelspec if isinstance(kernelspec, KernelSpecFacts) else KernelSpecFacts.from_json(kernelspec)
    spec = replace(spec, cwd=cwd or spec.cwd, argv=_filled_in(spec, server))
    passed_over: list[Evidence] = []
    for clue in _clues(spec, server, environ, passed_over):
        find = from_interpreter if clue.interpreter else from_prefix
        environment = find(clue.path, server=server, environ=environ)
        return replace(environment, evidence=(*passed_over, clue.evidence, *environment.evidence))
    raise EnvironmentProblem(
        "the kernelspec doesn't tell which environment its kernel runs in",
        reference="unknown-environment",
        context=(f"argv: {' '.join(spec.argv)}", *(f"{item.source}: {item.detail}" for item in passed_over)),
        hint="start the kernel: it tells by itself",
    )


def _filled_in(spec: KernelSpecFacts, server: Path) -> tuple[str, ...]:
    """``argv`` with jupyter_client's placeholders filled in."""
    values = {"{prefix}": str(server), "{resource_dir}": spec.resource_dir}
    argv = []
    for part in spec.argv:
        for placeholder, value in values.items():
            if value:
                part = part.replace(placeholder, value)  # noqa: PLW2901  the same part, filled in
        argv.append(part)
    return tuple(argv)


def _clues(
    spec: KernelSpecFacts, server: Path, environ: Mapping[str, str], passed_over: list[Evidence]
) -> Iterator[_Clue]:
    """Every clue that leads somewhere, most trustworthy first; what leads nowhere goes to ``passed_over``."""
    if path := spec.metadata.get("conda_env_path"):
        evidence = Evidence(source="kernelspec metadata.conda_env_path", detail=str(path))
        if Path(str(path)).is_dir():
            yield _Clue(path=Path(str(path)), evidence=evidence)
        else:
            passed_over.append(replace(evidence, detail=f"{path} doesn't exist"))
    if "nb_conda_kernels.runner" in spec.argv[:3] and len(spec.argv) > 4:  # noqa: PLR2004  see below
        # python -m nb_conda_kernels.runner CONDA_PREFIX ENV_PATH …
        yield _Clue(path=Path(spec.argv[4]), evidence=Evidence(source="nb_conda_kernels' runner", detail=spec.argv[4]))
    if prefix := pixi_kernel_prefix(spec.metadata, env=spec.env, cwd=spec.cwd):
        yield _Clue(path=prefix, evidence=Evidence(source="kernelspec metadata, pixi-kernel", detail=str(prefix)))
    if spec.argv:
        yield from _argv_clues(spec, server, environ, passed_over)
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        if value := spec.env.get(name):
            if Path(value).is_dir():
                yield _Clue(path=Path(value), evidence=Evidence(source=f"kernelspec env.{name}", detail=value))
            else:
                passed_over.append(Evidence(source=f"kernelspec env.{name}", detail=f"{value} doesn't exist"))


def _argv_clues(
    spec: KernelSpecFacts, server: Path, environ: Mapping[str, str], passed_over: list[Evidence]
) -> Iterator[_Clue]:
    first = spec.argv[0]
    tool = re.split(r"[\\/]", first)[-1].lower().removesuffix(".exe").removesuffix(".bat")
    prefix: Path | None = None
    if "run" in spec.argv[1:]:
        if tool in _CONDA_TOOLS:
            prefix = conda_run_prefix(spec.argv, env=spec.env, environ=environ)
        elif tool == "pixi":
            prefix = pixi_run_prefix(spec.argv, env=spec.env, cwd=spec.cwd)
        elif tool == "uv":
            prefix = uv_run_prefix(spec.argv, env=spec.env, cwd=spec.cwd)
    if prefix is not None:
        yield _Clue(path=prefix, evidence=Evidence(source=f"kernelspec argv, {tool} run", detail=" ".join(spec.argv)))
    elif re.fullmatch(r"python(?:3(?:\.\d+)?)?", first) and _is_servers_own(first, server):
        # jupyter_client puts sys.executable in its place, before PATH or any variable could matter
        detail = f"a bare {first} is the server's own interpreter"
        yield _Clue(path=server, evidence=Evidence(source="kernelspec argv[0]", detail=detail))
    else:
        yield from _program_clues(spec, environ, passed_over)


def _is_servers_own(name: str, server: Path) -> bool:
    """``python`` and ``python3`` always are; ``python3.9`` only if that is the server's version."""
    return "." not in name or (python := find_python(server)) is None or (python.parent / name).exists()


def _program_clues(spec: KernelSpecFacts, environ: Mapping[str, str], passed_over: list[Evidence]) -> Iterator[_Clue]:
    """A program: an interpreter, or what lies in an environment's folder; a wrapper script tells nothing."""
    search = os.path.expandvars(spec.env.get("PATH", "")) or environ.get("PATH", "")
    first = spec.argv[0]
    program = Path(first) if Path(first).is_absolute() else Path(shutil.which(first, path=search) or first)
    evidence = Evidence(source="kernelspec argv[0]", detail=str(program))
    if not program.is_absolute() or not os.path.lexists(program):
        passed_over.append(replace(evidence, detail=f"{program} doesn't exist"))
    elif _PYTHON.fullmatch(program.name):
        yield _Clue(path=program, evidence=evidence, interpreter=True)
    elif spec.language in ("python", "") and (line := _first_line(program)).startswith("#!"):
        if interpreter := _shebang_python(line):
            yield _Clue(path=interpreter, evidence=replace(evidence, detail=f"{program}: {line}"), interpreter=True)
        else:
            passed_over.append(replace(evidence, detail=f"{program} is a wrapper script, no interpreter"))
    elif prefix := next((folder for folder in program.parents if is_conda_prefix(folder)), None):
        yield _Clue(path=prefix, evidence=replace(evidence, detail=f"{program} lies in a conda environment"))
    else:
        passed_over.append(replace(evidence, detail=f"{program} is no Python and lies in no conda environment"))


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(512).decode("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _shebang_python(line: str) -> Path | None:
    """The interpreter of an entry point script (``#!/env/bin/python``)."""
    candidate = Path(line.removeprefix("#!").strip())
    return candidate if candidate.is_absolute() and _PYTHON.fullmatch(candidate.name) else None

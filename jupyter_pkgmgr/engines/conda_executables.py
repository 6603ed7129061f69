"""Find conda, mamba and micromamba, and tell them apart.

Order: what changed the environment before (``conda-meta/history``), ``CONDA_EXE`` and ``MAMBA_EXE`` (which
may be stale), beside the base environment, ``PATH``. Shell functions don't count: only files do. A name
proves nothing (micromamba is often installed as ``mamba``), so each candidate is asked.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from platformdirs import user_data_path

from jupyter_pkgmgr.engines.protocol import EngineInfo
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.model.errors import EngineError, EngineNotFoundError, PkgError
from jupyter_pkgmgr.process import Completed, run

__all__ = ["MINIMUM", "available_executables", "find_executable", "is_at_least", "root_prefix"]

MINIMUM = {"conda": "23.9", "mamba": "2.0", "micromamba": "2.0"}
"""Older releases print other documents, or lack options that are needed."""

_FAMILY = {"conda": ("conda",), "mamba": ("mamba", "micromamba"), "micromamba": ("micromamba", "mamba")}
"""File names under which each tool is looked for."""
_TIMEOUT = 60.0
_WINDOWS = sys.platform == "win32"
_HISTORY_COMMAND = re.compile(r"^# cmd: (?P<executable>.+?(?:conda|mamba)(?:\.exe|\.bat|/__main__\.py)?)(?= |$)")


def available_executables(
    environment: Environment | None = None, *, environ: Mapping[str, str] | None = None
) -> tuple[EngineInfo, ...]:
    """Every conda, mamba and micromamba that can be found, the one to prefer first.

    What can't be used comes with its ``problem``; usable ones come first.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, EngineInfo] = {}
    for path, source in _candidates(environment, environ, tuple(_FAMILY)):
        key = os.path.realpath(path)
        if key not in found:
            found[key] = _inspect(path, source, environment, environ)
    return tuple(sorted(found.values(), key=lambda info: bool(info.problem)))


def find_executable(
    tool: str, environment: Environment | None = None, *, environ: Mapping[str, str] | None = None
) -> EngineInfo:
    """The executable of one tool.

    Raises
    ------
    EngineNotFoundError
        If there is none that can be used; the context says why each one found can't be.
    """
    environ = os.environ if environ is None else environ
    problems = []
    for path, source in _candidates(environment, environ, _FAMILY[tool]):
        info = _inspect(path, source, environment, environ)
        if info.name == tool and not info.problem:
            return info
        if info.problem:
            problems.append(f"{path} ({source}): {info.problem}")
    raise EngineNotFoundError(
        f"no usable {tool} was found" if problems else f"{tool} was not found",
        context=tuple(dict.fromkeys(problems)),
        note="looked in conda-meta/history, CONDA_EXE, MAMBA_EXE, beside the base environment and on PATH",
        hint=f"install {tool} {MINIMUM[tool]} or newer, or use the built-in engine: --engine rattler",
    )


def root_prefix(environment: Environment | None, environ: Mapping[str, str]) -> Path:
    """The root prefix that micromamba is to use: the user's, the environment's, or its own default."""
    if set_by_user := environ.get("MAMBA_ROOT_PREFIX"):
        return Path(set_by_user)
    if environment is not None and environment.prefix.parent.name == "envs":
        return environment.prefix.parent.parent
    legacy = Path(environ.get("HOME") or Path.home()) / "micromamba"
    return legacy if legacy.is_dir() else user_data_path("mamba", appauthor=False)


# --- where to look ----------------------------------------------------------------------------------------


def _candidates(
    environment: Environment | None, environ: Mapping[str, str], names: tuple[str, ...]
) -> Iterator[tuple[Path, str]]:
    """Executable files with one of these names, in order of trust, each with where it was found."""
    for path, source in _places_to_look(environment, environ, names):
        if _tool_name(path) in names and (program := _program(path)):
            yield program, source


def _places_to_look(
    environment: Environment | None, environ: Mapping[str, str], names: tuple[str, ...]
) -> Iterator[tuple[Path, str]]:
    for path in _from_history(environment):
        yield path, "conda-meta/history"
    for variable in ("CONDA_EXE", "MAMBA_EXE"):
        if value := environ.get(variable):
            yield Path(value), f"environment variable {variable}"
    for name in names:
        for prefix in _bases(environment, environ):
            for place in _places(prefix, name):
                yield place, f"beside the base environment {prefix}"
    for name in names:
        if found := shutil.which(name, path=environ.get("PATH", os.defpath)):
            yield Path(found), "PATH"


def _from_history(environment: Environment | None) -> Iterator[Path]:
    """Executables that wrote the history, the latest first.

    Conda's history format: ``# cmd: EXECUTABLE ARGUMENTS`` after each ``==> date <==``; the executable may
    be ``…/site-packages/conda/__main__.py``.
    """
    if environment is None:
        return
    try:
        lines = (environment.conda_meta / "history").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in dict.fromkeys(reversed(lines)):
        if match := _HISTORY_COMMAND.match(line):
            path = Path(match["executable"])
            if path.name != "__main__.py":
                yield path
            for parent in path.parents if path.name == "__main__.py" else ():
                if (parent / "conda-meta").is_dir():
                    yield from _places(parent, "conda")
                    break


def _bases(environment: Environment | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """Prefixes that may hold the tools: the environment's base, itself, and what variables name."""
    if environment is not None:
        if environment.prefix.parent.name == "envs":
            yield environment.prefix.parent.parent
        yield environment.prefix
    for variable in ("CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        if value := environ.get(variable):
            yield Path(value)
    if executable := environ.get("CONDA_EXE"):
        yield Path(executable).parent.parent


def _places(prefix: Path, name: str) -> tuple[Path, ...]:
    if _WINDOWS:
        return (prefix / "Scripts" / f"{name}.exe", prefix / "Library" / "bin" / f"{name}.exe", prefix / f"{name}.exe")
    return (prefix / "bin" / name, prefix / "condabin" / name)


def _program(path: Path) -> Path | None:
    """The path, if it is a program. ``condabin/conda.bat`` only calls ``Scripts/conda.exe``, which needs no shell."""
    if path.suffix.lower() == ".bat":
        path = path.parent.parent / "Scripts" / f"{path.stem}.exe"
    return path if path.is_absolute() and path.is_file() and os.access(path, os.X_OK) else None


def _tool_name(path: Path) -> str:
    return path.name.lower().removesuffix(".exe").removesuffix(".bat")


# --- what it is -------------------------------------------------------------------------------------------


def _inspect(path: Path, source: str, environment: Environment | None, environ: Mapping[str, str]) -> EngineInfo:
    try:
        name, version = _identify(str(path), path.stat().st_mtime_ns, str(root_prefix(environment, environ)))
    except (PkgError, OSError) as error:
        problem = error.message if isinstance(error, PkgError) else f"it can't be read: {error.strerror}"
        return EngineInfo(name=_tool_name(path), executable=str(path), version="", problem=problem, source=source)
    problem = ""
    if not is_at_least(version, MINIMUM[name]):
        problem = f"{name} {version} is too old: {MINIMUM[name]} or newer is needed"
    return EngineInfo(name=name, executable=str(path), version=version, problem=problem, source=source)


@functools.lru_cache(maxsize=64)
def _identify(path: str, mtime_ns: int, root: str) -> tuple[str, str]:  # noqa: ARG001  a changed file is asked again
    """Name and version as the program tells them; remembered until the file changes, failures never.

    conda says ``conda 24.1.2``; mamba 1 says so too, after a line of its own; mamba 2 and micromamba print
    the bare version, and only ``info --json`` tells which of the two it is.
    """
    answer = _ask(path, "--version", root=root)
    text = answer.stdout.strip()
    if match := re.search(r"^mamba (\d[\w.]*)", text, re.MULTILINE):
        return "mamba", match[1]
    if match := re.search(r"^conda (\d[\w.]*)", text, re.MULTILINE):
        return "conda", match[1]
    if answer.returncode or not re.fullmatch(r"\d+\.\d[\w.]*", text):
        raise EngineError("it answers --version neither like conda nor like mamba", detail=answer.stderr)
    if not is_at_least(text, MINIMUM["micromamba"]):
        return "micromamba", text  # mamba 1 printed two lines, so this is a micromamba of that time
    about = _ask(path, "info", "--json", root=root)
    try:
        keys = json.loads(about.stdout).keys()
    except (ValueError, AttributeError):
        raise EngineError("its info --json is no JSON object", detail=about.stderr) from None
    return ("micromamba" if "micromamba version" in keys else "mamba"), text


def _ask(path: str, *arguments: str, root: str) -> Completed:
    return run([path, *arguments], env={"MAMBA_ROOT_PREFIX": root}, timeout=_TIMEOUT)


def is_at_least(version: str, minimum: str) -> bool:
    """Whether a tool's version is this one or newer; only the leading numbers count (``26.7.2.dev56``)."""
    return _numbers(version) >= _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)

"""Kernels that are started through a tool: ``conda run``, ``pixi run``, ``uv run``. And which prefix they mean.

Sources: the command lines of ``conda run``/``micromamba run``, pixi's and uv's documentation, pixi-kernel's README.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .condarc import merge_sources, read_sources
from .policies import is_root_prefix
from .roots import default_envs_dirs, find_root, root_of_executable

__all__ = ["conda_run_prefix", "pixi_kernel_prefix", "pixi_run_prefix", "uv_run_prefix"]

_CONDA_VALUES = ("-p", "--prefix", "-n", "--name", "-r", "--root-prefix", "--cwd", "-e", "--env", "-a", "--attach")
_PIXI_VALUES = ("-e", "--environment", "--manifest-path", "-m", "-w", "--workspace", "--color")
_UV_VALUES = (
    *("--project", "--directory", "-p", "--python", "--with", "--with-editable", "--with-requirements", "--extra"),
    *("--group", "--only-group", "--package", "--env-file", "--index", "--default-index", "--config-file"),
)
_ROOT_NAMES = ("base", "root")
_PIXI_MANIFESTS = ("pixi.toml", "pyproject.toml")


def conda_run_prefix(argv: Sequence[str], *, env: Mapping[str, str], environ: Mapping[str, str]) -> Path:
    """The prefix that ``conda run -n NAME …`` or ``micromamba run -p PREFIX …`` runs in.

    Raises
    ------
    EnvironmentProblem
        If no environment has that name.
    """
    options = _options(argv, _CONDA_VALUES)
    if prefix := options.get("-p") or options.get("--prefix"):
        return Path(prefix).expanduser()
    settings = {**environ, **env}
    root_option = options.get("-r") or options.get("--root-prefix")
    root = Path(root_option) if root_option else None
    root = root or root_of_executable(Path(argv[0])) or find_root(None, environ=settings)
    name = options.get("-n") or options.get("--name") or env.get("CONDA_DEFAULT_ENV", "")
    if not name and env.get("CONDA_PREFIX"):
        return Path(env["CONDA_PREFIX"])
    if "/" in name:
        return Path(name)
    if not name or name in _ROOT_NAMES:
        if root is None:
            raise _not_found("conda's base", "no root prefix is known on this machine", argv)
        return root
    folders = _named_folders(root, settings)
    for folder in folders:
        if (folder / name).is_dir():
            return folder / name
    if root is not None and root.name == name and is_root_prefix(root, environ=settings):
        return root
    raise _not_found(name, f"looked in {', '.join(map(str, folders))}", argv)


def _named_folders(root: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """``envs_dirs`` as conda has them: configured ones first."""
    home = Path(environ.get("HOME") or Path.home())
    merged = merge_sources(read_sources(root=root, prefix=root, environ=environ), environ=environ)
    configured = merged["envs_dirs"].value if "envs_dirs" in merged else []
    paths = [Path(str(path)).expanduser() for path in configured] if isinstance(configured, list) else []
    return tuple(dict.fromkeys([*paths, *default_envs_dirs(root, home=home)]))


def pixi_run_prefix(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None) -> Path:
    """The prefix that ``pixi run [-e ENV] [--manifest-path PATH] …`` runs in."""
    options = _options(argv, _PIXI_VALUES)
    named = options.get("--manifest-path") or options.get("-m") or env.get("PIXI_PROJECT_MANIFEST")
    name = options.get("-e") or options.get("--environment") or env.get("PIXI_ENVIRONMENT_NAME") or "default"
    if named:
        manifest = Path(named) if Path(named).is_absolute() else (cwd or Path.cwd()) / named
        project: Path | None = manifest if manifest.is_dir() else manifest.parent
    else:
        project = _pixi_project(cwd)
    return _pixi_prefix(project, name, argv)


def pixi_kernel_prefix(metadata: Mapping[str, Any], *, env: Mapping[str, str], cwd: Path | None) -> Path | None:
    """The prefix of a pixi-kernel: its provisioner decides when the kernel starts, the kernelspec has no path.

    The notebook's own choice of an environment is not in the kernelspec; without it pixi-kernel takes
    ``PIXI_KERNEL_DEFAULT_ENVIRONMENT`` or ``default``. ``None`` if this is no pixi-kernel.
    """
    provisioner = metadata.get("kernel_provisioner")
    name = str(provisioner.get("provisioner_name", "")) if isinstance(provisioner, Mapping) else ""
    own = metadata.get("pixi-kernel")
    if "pixi-kernel" not in name and not isinstance(own, Mapping):
        return None
    chosen = str(own.get("environment") or "") if isinstance(own, Mapping) else ""
    chosen = chosen or env.get("PIXI_KERNEL_DEFAULT_ENVIRONMENT", "") or "default"
    return _pixi_prefix(_pixi_project(cwd), chosen, ("pixi-kernel",))


def _pixi_project(cwd: Path | None) -> Path | None:
    """The nearest folder upward with a pixi manifest."""
    for folder in _upward(cwd):
        if (folder / "pixi.toml").is_file() or "pixi" in _tool_tables(folder / "pyproject.toml"):
            return folder
    return None


def _pixi_prefix(project: Path | None, name: str, argv: Sequence[str]) -> Path:
    if project is None:
        raise _not_found(f"pixi environment {name}", f"no {' or '.join(_PIXI_MANIFESTS)} from here upward", argv)
    prefix = project / ".pixi" / "envs" / name
    if not prefix.is_dir():
        raise _not_found(f"pixi environment {name}", f"{prefix} doesn't exist, pixi install makes it", argv)
    return prefix


def uv_run_prefix(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None) -> Path:
    """The project environment that ``uv run`` uses: ``UV_PROJECT_ENVIRONMENT`` or ``.venv`` beside the project.

    Raises
    ------
    EnvironmentProblem
        If there is no such folder, or the command makes its own environment each time.
    """
    options = _options(argv, _UV_VALUES)
    for flag in ("--isolated", "--no-project"):
        if flag in options:
            raise _not_found("the environment of uv run", f"{flag} makes one for each run", argv)
    if "--active" in options and env.get("VIRTUAL_ENV"):
        return Path(env["VIRTUAL_ENV"])
    start = cwd or Path.cwd()
    for option in ("--directory", "--project"):
        if folder := options.get(option):
            start = start / Path(folder).expanduser()
    for project in _upward(start):
        if (project / "pyproject.toml").is_file() or (project / "uv.toml").is_file():
            prefix = project / (env.get("UV_PROJECT_ENVIRONMENT") or ".venv")
            if prefix.is_dir():
                return prefix
    raise _not_found("the environment of uv run", f"no project with a .venv from {start} upward", argv)


def _options(argv: Sequence[str], with_value: Sequence[str]) -> dict[str, str]:
    """The options between ``run`` and the command it runs; flags have an empty value."""
    found: dict[str, str] = {}
    parts: Iterator[str] = iter(argv[1:])
    seen_run = False
    for part in parts:
        if part == "--":
            break
        if not part.startswith("-"):
            if seen_run:
                break  # the command that is run: its options are its own
            seen_run = part == "run"
            continue
        name, equals, value = part.partition("=")
        if equals:
            found[name] = value
        elif name in with_value:
            found[name] = next(parts, "")
        elif re.match(r"-[pnre]\S", part) and part[:2] in with_value:
            found[part[:2]] = part[2:]
        else:
            found[name] = ""
    return found


def _upward(start: Path | None) -> Iterator[Path]:
    folder = Path(os.path.abspath(start or Path.cwd()))  # noqa: PTH100  tools look upward along the path as given
    yield folder
    yield from folder.parents


def _tool_tables(pyproject: Path) -> Mapping[str, Any]:
    import tomllib  # noqa: PLC0415  few kernels need it

    try:
        tool = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return {}  # not there, or broken: then it says nothing about pixi, and pixi itself would complain
    return tool if isinstance(tool, Mapping) else {}


def _not_found(what: str, why: str, argv: Sequence[str]) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"there is no environment for {what}" if " " in what else f"there is no environment named {what}",
        reference="environment-not-found",
        context=(f"kernelspec argv: {' '.join(argv)}",),
        note=why,
        hint="start the kernel: it tells by itself",
    )

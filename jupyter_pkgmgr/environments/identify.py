"""What a prefix is: its kind, the tool that made it, the name a person knows it by. Each answer with its evidence."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from jupyter_pkgmgr.model.environment import EnvironmentKind, Evidence, PythonInfo

from .history import read_history

__all__ = ["Identity", "identify", "is_conda_prefix", "pyvenv_settings", "same_folder"]

MAMBA_FAMILY = ("micromamba", "mamba")
_MAMBA_HISTORY_VERSION = "3.8.0"
"""mamba 2 writes this as ``# conda version:``, whatever its own version is."""
_PLAIN_VENV_NAMES = frozenset({".venv", "venv", ".env", "env"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What was found out about a prefix."""

    kind: EnvironmentKind
    owner: str
    name: str
    evidence: tuple[Evidence, ...]


def identify(prefix: Path, python: PythonInfo | None) -> Identity:
    """Say what a prefix is.

    A venv made from a conda Python is a venv: its ``base_prefix`` is elsewhere. A prefix with a
    ``pyvenv.cfg`` but no interpreter that could tell is a venv, too, unless conda has records in it.
    """
    moved = python is not None and not same_folder(python.prefix, python.base_prefix)
    if is_conda_prefix(prefix) and not moved:
        return _conda(prefix)
    if moved or (prefix / "pyvenv.cfg").is_file():
        return _venv(prefix)
    return _system(prefix, python)


def same_folder(one: Path, other: Path) -> bool:
    """Whether two paths name one folder, through links and on case-insensitive file systems."""
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def is_conda_prefix(prefix: Path) -> bool:
    """Whether conda packages live (or lived) in a prefix.

    conda and IPython look for ``conda-meta/history``; conda 25.11 to 26.5 delete that file when a
    transaction fails, so records without a history count as well, and so does pixi's marker.
    """
    meta = prefix / "conda-meta"
    if (meta / "history").is_file() or (meta / "pixi").is_file():
        return True
    return any(meta.glob("*.json"))


def _conda(prefix: Path) -> Identity:
    meta = prefix / "conda-meta"
    evidence = []
    if (meta / "history").is_file():
        evidence.append(Evidence(source=str(meta / "history"), detail="conda's history is there"))
    elif any(meta.glob("*.json")):
        detail = "package records without a history: some conda versions delete it when a transaction fails"
        evidence.append(Evidence(source=str(meta), detail=detail))
    owner, reason = _conda_owner(prefix)
    evidence.append(reason)
    name = prefix.name
    if owner == "pixi" and prefix.parent.name == "envs":
        name = f"{prefix.parent.parent.parent.name}:{prefix.name}"
    return Identity(kind=EnvironmentKind.CONDA, owner=owner, name=name, evidence=tuple(evidence))


def _conda_owner(prefix: Path) -> tuple[str, Evidence]:
    meta = prefix / "conda-meta"
    if (meta / "pixi").is_file():
        return "pixi", Evidence(source=str(meta / "pixi"), detail="pixi's marker file")
    if prefix.parent.name == "envs" and prefix.parent.parent.name == ".pixi":
        return "pixi", Evidence(source=str(prefix), detail="the folder lies in .pixi/envs")
    source = str(meta / "history")
    history = read_history(meta / "history")
    for command in history.commands():
        if tool := _tool_of(command):
            return tool, Evidence(source=source, detail=f"created by: {shlex.join(command)}")
    if any(meta.glob("conda-[0-9]*.json")):
        return "conda", Evidence(source=str(meta), detail="conda itself is installed here")
    versions = {revision.version for revision in history.revisions if revision.version}
    if versions == {_MAMBA_HISTORY_VERSION}:
        return "mamba", Evidence(source=source, detail="the history is in mamba's hand")
    return "conda", Evidence(source=source, detail="no tool is named, conda assumed")


def _tool_of(command: tuple[str, ...]) -> str:
    """The tool of a ``# cmd:`` line: ``/opt/bin/mamba create``, ``/opt/bin/python -m conda create``, ``conda.exe``."""
    if not command:
        return ""
    first = re.split(r"[\\/]", command[0])[-1].lower().removesuffix(".exe").removesuffix("-script.py")
    if first.startswith("python") and command[1:2] == ("-m",):
        first = command[2] if len(command) > 2 else ""  # noqa: PLR2004  python -m TOOL
    if first in ("__main__.py", "conda-env"):
        return "conda"
    return first if first in ("conda", *MAMBA_FAMILY) else ""


def _venv(prefix: Path) -> Identity:
    source = prefix / "pyvenv.cfg"
    settings = pyvenv_settings(prefix)
    owner = next((tool for tool in ("uv", "virtualenv") if tool in settings), "venv")
    detail = f"made by {owner} {settings.get(owner, '')}".strip()
    if home := settings.get("home"):
        detail += f" from {home}"
    name = f"{prefix.parent.name}/{prefix.name}" if prefix.name in _PLAIN_VENV_NAMES else prefix.name
    return Identity(
        kind=EnvironmentKind.VENV, owner=owner, name=name, evidence=(Evidence(source=str(source), detail=detail),)
    )


def pyvenv_settings(prefix: Path) -> dict[str, str]:
    """The keys of ``pyvenv.cfg`` (PEP 405), lower case; empty where the file isn't there."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _system(prefix: Path, python: PythonInfo | None) -> Identity:
    owner, source, detail = _vendor(prefix, python)
    version = python.version if python else ""
    return Identity(
        kind=EnvironmentKind.SYSTEM,
        owner=owner,
        name=f"{owner} {version}".strip(),
        evidence=(Evidence(source=source, detail=detail),),
    )


_VENDORS = (
    ("pyenv", r"/\.?pyenv/versions/|/pyenv-win/"),
    ("uv", r"/uv/python/"),
    ("homebrew", r"/Cellar/|/opt/homebrew/|/\.?linuxbrew/"),
    ("asdf", r"/\.asdf/installs/"),
    ("mise", r"/mise/installs/"),
    ("nix", r"^/nix/store/"),
    ("apple", r"^/Library/Developer/CommandLineTools/|/Xcode\.app/"),
    ("python.org", r"^/Library/Frameworks/Python\.framework/"),
    ("microsoft-store", r"/WindowsApps/"),
)
"""Who made an interpreter, by where they put it."""


def _vendor(prefix: Path, python: PythonInfo | None) -> tuple[str, str, str]:
    text = f"{prefix.as_posix()}/"
    for owner, pattern in _VENDORS:
        if re.search(pattern, text):
            return owner, str(prefix), f"a place where {owner} installs"
    pyenv_root = os.environ.get("PYENV_ROOT")
    if pyenv_root and prefix.is_relative_to(Path(pyenv_root) / "versions"):
        return "pyenv", "environment variable PYENV_ROOT", str(prefix)
    if sys.platform == "linux" and prefix == Path("/usr"):
        release = Path("/etc/os-release")
        if release.is_file() and (match := re.search(r'^ID="?([\w.-]+)', release.read_text("utf-8"), re.MULTILINE)):
            return match[1], str(release), f"the distribution's Python in {prefix}"
    implementation = "python" if python is None or python.implementation == "cpython" else python.implementation
    return implementation, str(prefix), "neither conda's records nor a pyvenv.cfg"

"""What may be done to an environment: read-only, frozen, externally managed, conda's base, the server's own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jupyter_pkgmgr.model.environment import EnvironmentKind, Evidence, Policy, PolicyKind, PythonInfo

from .identify import same_folder

__all__ = ["is_root_prefix", "is_writable", "read_policies"]


def read_policies(
    prefix: Path,
    kind: EnvironmentKind,
    python: PythonInfo | None,
    *,
    server: Path | None,
    environ: Mapping[str, str],
) -> tuple[tuple[Policy, ...], tuple[Evidence, ...]]:
    """Every policy in force, and the evidence of each."""
    found = [
        _read_only(prefix, kind, python),
        _frozen(prefix) if kind is EnvironmentKind.CONDA else None,
        # PEP 668: the marker speaks to tools outside of virtual environments only
        _externally_managed(python, environ) if kind is not EnvironmentKind.VENV else None,
        _base(prefix, environ) if kind is EnvironmentKind.CONDA else None,
        _server(prefix, server),
    ]
    present = [pair for pair in found if pair is not None]
    return tuple(policy for policy, _ in present), tuple(evidence for _, evidence in present)


_Found = tuple[Policy, Evidence] | None


def _read_only(prefix: Path, kind: EnvironmentKind, python: PythonInfo | None) -> _Found:
    targets = [python.purelib] if python is not None else []
    if kind is EnvironmentKind.CONDA:
        targets += [prefix / "conda-meta" / "history", prefix / "conda-meta"]
    for target in targets or [prefix]:
        if not is_writable(target):
            evidence = Evidence(source=str(target), detail="can't be written by this user")
            return Policy(kind=PolicyKind.READ_ONLY, message=f"{target} can't be written by this user"), evidence
    return None


def is_writable(path: Path) -> bool:
    """Whether this user can write a file, or into a folder (the nearest that exists), by doing it.

    Nothing remains, and nothing is touched: a file is opened for appending, as conda tests its history;
    in a folder a nameless file is made where the system has such (Linux), so that not even the folder's
    time changes, which fingerprints rely on.
    """
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110  Path.exists() raises without permission
        path = path.parent
    try:
        if path.is_dir():
            with tempfile.TemporaryFile(dir=path):
                return True
        with path.open("ab"):
            return True
    except OSError:
        return False


def _frozen(prefix: Path) -> _Found:
    """CEP 22: ``conda-meta/frozen``, empty or a JSON object with a ``message``."""
    marker = prefix / "conda-meta" / "frozen"
    try:
        text = marker.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    message = text
    try:
        content = json.loads(text)
    except ValueError:
        pass  # no JSON: conda shows the text as it is
    else:
        message = str(content.get("message", "")) if isinstance(content, dict) else ""
    evidence = Evidence(source=str(marker), detail=message or "the marker is there, without a message")
    return Policy(kind=PolicyKind.FROZEN, message=message), evidence


def _externally_managed(python: PythonInfo | None, environ: Mapping[str, str]) -> _Found:
    """PEP 668: an ini file whose ``Error`` may be translated as ``Error-de_AT`` and ``Error-de``."""
    if python is None:
        return None
    marker = python.stdlib / "EXTERNALLY-MANAGED"
    try:
        text = marker.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    message = _managed_message(text, environ)
    evidence = Evidence(source=str(marker), detail="the marker of PEP 668")
    return Policy(kind=PolicyKind.EXTERNALLY_MANAGED, message=message), evidence


def _managed_message(text: str, environ: Mapping[str, str]) -> str:
    import configparser  # noqa: PLC0415  few environments have the marker

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
        section = parser["externally-managed"]
    except (configparser.Error, KeyError):
        return ""  # PEP 668: a file that can't be read still forbids
    language = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    language = language.split(".")[0].split("@")[0].replace("-", "_")
    for key in (f"Error-{language}", f"Error-{language.split('_')[0]}", "Error"):
        if key in section:
            return section[key].strip()
    return ""


def _base(prefix: Path, environ: Mapping[str, str]) -> _Found:
    reason = is_root_prefix(prefix, environ=environ)
    if not reason:
        return None
    message = "this is conda's own environment: what breaks here breaks conda for every environment"
    return Policy(kind=PolicyKind.BASE, message=message), Evidence(source=str(prefix), detail=reason)


def is_root_prefix(prefix: Path, *, environ: Mapping[str, str]) -> str:
    """Why a conda prefix is a root prefix, or an empty string.

    conda can be installed in any environment, so the package alone doesn't make a root: a root
    has its own ``envs`` or isn't in anybody else's.
    """
    for name in ("CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        if environ.get(name) and same_folder(prefix, Path(environ[name])):
            return f"{name} names it"
    if prefix.parent.name == "envs" and any((prefix.parents[1] / part).is_dir() for part in ("conda-meta", "pkgs")):
        return ""
    if (prefix / "envs").is_dir() and (prefix / "pkgs").is_dir():
        return "it has envs and pkgs folders of its own"
    if (prefix / "condabin").is_dir():
        return "it has a condabin folder and lies in no other root's envs"
    for name in ("conda", "mamba", "micromamba"):
        if any((prefix / "conda-meta").glob(f"{name}-[0-9]*.json")):
            return f"{name} is installed in it and it lies in no other root's envs"
    return ""


def _server(prefix: Path, server: Path | None) -> _Found:
    if server is None or not same_folder(prefix, server):
        return None
    message = "the running Jupyter server lives here: its own packages are protected"
    evidence = Evidence(source="sys.prefix of the server", detail=os.fspath(server))
    return Policy(kind=PolicyKind.SERVER, message=message), evidence

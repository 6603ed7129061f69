"""From an interpreter, a prefix or a living kernel to an :class:`Environment`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from jupyter_pkgmgr.model.environment import Environment, Evidence, PolicyKind, PythonInfo
from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .facts import KernelFacts
from .identify import identify, is_conda_prefix, same_folder
from .policies import read_policies
from .probe import probe

__all__ = ["find_python", "from_interpreter", "from_kernel", "from_prefix", "refreshed"]


def from_interpreter(
    executable: Path, *, server: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Environment:
    """The environment of an interpreter, which is started once and remembered.

    Parameters
    ----------
    executable
        Path of the interpreter; links are not followed, since a venv is one.
    server
        ``sys.prefix`` of the running Jupyter server, where there is one.

    Raises
    ------
    EnvironmentProblem
        If it can't be started or isn't a Python.
    """
    python = _known(probe(executable))
    evidence = Evidence(source=str(executable), detail=f"sys.prefix is {python.prefix}")
    return _environment(python.prefix, python, evidence, server=server, environ=environ)


def from_prefix(prefix: Path, *, server: Path | None = None, environ: Mapping[str, str] = os.environ) -> Environment:
    """The environment in a folder: a conda prefix with or without Python, a venv, a Python installation.

    Raises
    ------
    EnvironmentProblem
        If the folder is none of these, or its interpreter can't be started.
    """
    prefix = Path(os.path.abspath(prefix))  # noqa: PTH100  resolve() would follow links that tools keep
    conda = is_conda_prefix(prefix)
    executable = find_python(prefix)
    if executable is None and not conda:
        raise EnvironmentProblem(
            f"{prefix} is no environment",
            reference="not-an-environment",
            note="it has neither an interpreter nor conda's records" if prefix.is_dir() else "there is no such folder",
            hint="%pkg env shows the environment of this kernel",
        )
    asked = Evidence(source=str(prefix), detail="the folder was named")
    if executable is None:
        return _environment(prefix, None, asked, server=server, environ=environ)
    python = _known(probe(executable))
    if conda and not same_folder(python.prefix, prefix):
        foreign = Evidence(source=str(executable), detail=f"belongs to {python.prefix}, not to this environment")
        return _environment(prefix, None, asked, foreign, server=server, environ=environ)
    same = same_folder(python.prefix, prefix)
    return _environment(prefix if same else python.prefix, python, asked, server=server, environ=environ)


def from_kernel(
    facts: KernelFacts, *, server: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Environment:
    """The environment of a living kernel, from what it told of itself; no process is started where it told enough.

    Raises
    ------
    EnvironmentProblem
        ``remote-kernel`` if its paths mean nothing on this machine, ``other-user`` if it runs as somebody else.
    """
    _refuse_remote(facts)
    detail = f"sys.prefix is {facts.prefix}"
    source = f"the running kernel (process {facts.pid})" if facts.pid else "the running kernel"
    evidence = Evidence(source=source, detail=detail)
    if facts.language != "python":
        return from_prefix(Path(facts.prefix), server=server, environ=environ)
    python = facts.python_info() or _known(probe(Path(facts.executable)))
    return _environment(Path(facts.prefix), python, evidence, server=server, environ=environ)


def refreshed(
    environment: Environment, *, server: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Environment:
    """An environment that was found earlier, with the policies that are in force now and the Python it has now.

    Raises
    ------
    EnvironmentProblem
        ``environment-gone`` if its folder isn't there any more.
    """
    if not environment.prefix.is_dir():
        raise EnvironmentProblem(
            f"the environment {environment.name} is gone",
            reference="environment-gone",
            note=f"there is no folder {environment.prefix} any more",
            hint="choose another environment",
        )
    python = _newer(environment.python) if environment.python else None
    policies, reasons = read_policies(environment.prefix, environment.kind, python, server=server, environ=environ)
    more = tuple(reason for reason in reasons if reason not in environment.evidence)
    return replace(environment, python=python, policies=policies, evidence=(*environment.evidence, *more))


def _newer(python: PythonInfo) -> PythonInfo:
    """What took an interpreter's place, if something did. Otherwise what the living kernel told is worth more."""
    try:
        now = probe(python.executable).python_info()
    except EnvironmentProblem:  # it may be exchanged at this very moment; who needs it is told
        return python
    return now if now is not None and now.version != python.version else python


def find_python(prefix: Path) -> Path | None:
    """The interpreter in a prefix, or ``None``. A dangling link counts: what it is, starting it will say."""
    names = (
        ("python.exe", r"Scripts\python.exe") if sys.platform == "win32" else ("bin/python", "bin/python3", "bin/pypy3")
    )
    return next((prefix / name for name in names if os.path.lexists(prefix / name)), None)


def _known(facts: KernelFacts) -> PythonInfo:
    python = facts.python_info()
    if python is None:
        raise EnvironmentProblem(
            f"{facts.executable} doesn't say where its packages go",
            reference="unreadable-facts",
            hint="choose another kernel",
        )
    return python


def _environment(
    prefix: Path,
    python: PythonInfo | None,
    *found: Evidence,
    server: Path | None,
    environ: Mapping[str, str],
) -> Environment:
    identity = identify(prefix, python)
    policies, reasons = read_policies(prefix, identity.kind, python, server=server, environ=environ)
    base = any(policy.kind is PolicyKind.BASE for policy in policies)
    return Environment(
        prefix=prefix,
        kind=identity.kind,
        owner=identity.owner,
        name="base" if base else identity.name,
        python=python,
        policies=policies,
        evidence=(*found, *identity.evidence, *reasons),
    )


def _refuse_remote(facts: KernelFacts) -> None:
    """A kernel elsewhere (gateway, container, cluster) may have the same paths: they are somebody else's."""
    here = _hostname()
    reason = ""
    if facts.hostname and facts.hostname != here:
        reason = f"it runs on {facts.hostname}, this is {here}"
    elif not Path(facts.prefix).is_dir():
        reason = f"{facts.prefix} doesn't exist here"
    elif not Path(facts.executable).exists():
        reason = f"{facts.executable} doesn't exist here"
    elif not _same_file_system(facts):
        reason = f"{facts.prefix} is another folder here than there"
    if reason:
        raise EnvironmentProblem(
            "this kernel's environment is not on this machine",
            reference="remote-kernel",
            context=(f"the kernel's prefix is {facts.prefix}",),
            note=reason,
            hint="%load_ext jupyter_pkgmgr in the kernel: then %pkg works from there",
        )
    if facts.uid and hasattr(os, "getuid") and facts.uid != str(os.getuid()):
        raise EnvironmentProblem(
            "this kernel runs as another user than the server",
            reference="other-user",
            context=(f"the kernel's user id is {facts.uid}, the server's is {os.getuid()}",),
            note="what the server installed would belong to the wrong user",
            hint="%load_ext jupyter_pkgmgr in the kernel: then %pkg works as its user",
        )


def _hostname() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # noqa: PLC0415  only Windows needs it

    return socket.gethostname()


def _same_file_system(facts: KernelFacts) -> bool:
    """Whether the kernel saw the same folder: by inode, or, where a layered file system moved it, by the executable."""
    if not facts.prefix_id:
        return True
    try:
        if str(Path(facts.prefix).stat().st_ino) == facts.prefix_id:
            return True
        status = Path(facts.executable).stat()
    except OSError:
        return False
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}" == facts.executable_id

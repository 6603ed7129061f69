"""Bring this package into a kernel that has nothing of it, from the files beside this one.

There are two ways in. ``startup.py`` is for IPython's ``exec_files``; :func:`source` is an expression for a silent
execute request, whose value is what the kernel tells of itself. Both run this file in a namespace of its own, so
that nothing is left in the user's.

What :func:`source` sends along is seen by nobody but the kernel. Where the kernel finds these files but on another
machine, or as another user, it doesn't take the connection: then ``%pkg`` works in the kernel alone.
"""

from __future__ import annotations

import os
import sys
from typing import Any

PACKAGE = "jupyter_pkgmgr"
MODULES = 1000
"""So many names of loaded modules are told."""


def source(
    python: str | None = None, connection: dict[str, Any] | None = None, limits: dict[str, Any] | None = None
) -> str:
    """The expression that attaches; it binds no name and uses none that a user may have taken.

    Its value is displayed as ``application/json`` (see :func:`main`), or is ``None`` where this file can't be
    found: then the kernel lives on another file system.

    Parameters
    ----------
    python
        The interpreter that will run the service where the server can't; by default it is looked for when it is
        needed.
    connection
        How to reach the server: see ``remote.py``.
    limits
        What the administrator allows where the server can't do the work: see ``child.py``.
    """
    path = os.path.abspath(__file__)
    name = PACKAGE + ".kernel.attach"
    names = {
        "__name__": "__main__",
        "__file__": path,
        "PYTHON": python,
        "CONNECTION": connection,
        "LIMITS": limits,
        "HOME": _home(path),
    }
    loader = f"__import__('importlib.machinery', {{}}, {{}}, ['x']).SourceFileLoader({name!r}, {path!r})"
    run = f"(__import__('builtins').exec({loader}.get_code({name!r}), names), names['ANSWER'])[1]"
    return f"(lambda names: {run} if __import__('os').path.isfile({path!r}) else None)({names!r})"


def attach(
    ipython: Any,
    folder: str,
    python: str | None = None,
    connection: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
) -> None:
    """Load the package of ``folder`` under its true name, and its magics into the shell.

    A package of that name that is loaded already stays, so attaching twice is harmless.
    """
    if PACKAGE not in sys.modules:
        _import(folder)
    __import__(PACKAGE + ".kernel")
    sys.modules[PACKAGE + ".kernel"].load(ipython, python, connection, limits)


def _import(folder: str) -> None:
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415  only where it is missing

    path = os.path.join(folder, "__init__.py")
    spec = spec_from_file_location(PACKAGE, path, submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        msg = f"{path} can't be loaded"
        raise ImportError(msg)
    module = module_from_spec(spec)
    sys.modules[PACKAGE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[PACKAGE]
        raise


def _home(path: str) -> dict[str, str]:
    """What tells one machine, user and file system from another."""
    status = os.stat(path)
    return {
        "host": os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""),
        "user": str(os.getuid()) if hasattr(os, "getuid") else "",
        "file": f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}",
    }


def _away(home: dict[str, str]) -> str:
    """Why this process doesn't live where the server does; empty if it does."""
    here = _home(__file__)
    if here["host"] != home["host"]:
        return f"it runs on {here['host']}, the server on {home['host']}"
    if here["user"] != home["user"]:
        return "it runs as another user than the server"
    return "" if here["file"] == home["file"] else "it sees other files than the server"


def main(
    python: str | None,
    connection: dict[str, Any] | None,
    home: dict[str, str] | None,
    limits: dict[str, Any] | None = None,
) -> Any:
    """Attach to the shell of this process, and tell of it.

    Returns
    -------
    object
        ``{"facts": as facts.py has them, "away": why it is not on the server's machine, or empty, "modules": loaded
        top-level modules, "versions": of the kernel's own packages, "error": what went wrong, or empty}``.
    """
    from IPython import get_ipython  # noqa: PLC0415  the server side imports this file for `source`

    away = _away(home) if home else ""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if away:  # what is allowed is so everywhere; a folder of the server's machine is another one here
        python = connection = None
        limits = {**limits, "server": None} if limits else None
    attach(get_ipython(), folder, python, connection, limits)
    from jupyter_pkgmgr.kernel import Answer, facts  # noqa: PLC0415  what was loaded just now

    tops = {name.partition(".")[0] for name in list(sys.modules) if not name.startswith("_")}
    stack = (sys.modules.get(name) for name in ("IPython", "ipykernel"))
    versions = {module.__name__: str(getattr(module, "__version__", "")) for module in stack if module is not None}
    answer = {"facts": facts.collect(), "away": away, "modules": sorted(tops)[:MODULES], "versions": versions}
    return Answer(answer)


if __name__ == "__main__":
    found = globals().get
    ANSWER = main(found("PYTHON"), found("CONNECTION"), found("HOME"), found("LIMITS"))

"""Which interpreter runs the service: never the kernel's own, unless the package is installed in it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from .errors import PkgError

__all__ = ["beside", "find_python", "from_command"]

VARIABLE = "JUPYTER_PKGMGR_PYTHON"
MINIMUM = (3, 11)


def find_python(given: str | None = None) -> str:
    """The interpreter for the service.

    In this order: the one given when the kernel was attached, ``JUPYTER_PKGMGR_PYTHON``, this kernel's own where
    the package is installed in its environment, the one whose environment holds the files of this package, the
    one that ``jupyter-pkg`` on PATH runs on.

    Raises
    ------
    PkgError
        If there is none, or the one that was named isn't there.
    """
    for path, origin in ((given, "the server"), (os.environ.get(VARIABLE), VARIABLE)):
        if path:
            if shutil.which(path) is None:
                raise PkgError(
                    f"{path}, the interpreter that {origin} names for the package service, can't be run",
                    reference="service-not-found",
                    hint=f"set {VARIABLE} to a Python that has jupyter_pkgmgr, or unset it",
                )
            return path
    found = _own() or beside(Path(__file__).resolve().parents[1]) or from_command(shutil.which("jupyter-pkg"))
    if found:
        return found
    raise PkgError(
        "the package service isn't installed where this kernel can find it",
        reference="service-not-found",
        note=f"it runs on Python {MINIMUM[0]}.{MINIMUM[1]} or later; the kernel itself can be older",
        hint=f"install jupyter_pkgmgr where Jupyter runs, or set {VARIABLE} to a Python that has it",
    )


def _own() -> str | None:
    """The kernel's interpreter, if it is new enough and its environment has the package."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415  not needed where one is given

    if sys.version_info < MINIMUM or not sys.executable:
        return None
    try:
        distribution("jupyter_pkgmgr")
    except PackageNotFoundError:
        return None
    return sys.executable


def beside(package: Path) -> str | None:
    """The interpreter of the environment in whose site-packages ``package`` is."""
    library = package.parent
    if library.name != "site-packages":
        return None
    version = re.fullmatch(r"python(\d+)\.(\d+)t?", library.parent.name)
    if version:  # POSIX: <prefix>/lib/python3.11/site-packages
        if (int(version[1]), int(version[2])) < MINIMUM:
            return None
        names = [f"bin/{library.parent.name}", "bin/python3", "bin/python"]
        return _first(library.parents[2], names)
    return _first(library.parents[1], ["python.exe", "Scripts/python.exe"])  # Windows: <prefix>\Lib\site-packages


def _first(prefix: Path, names: list[str]) -> str | None:
    return next((str(prefix / name) for name in names if os.access(prefix / name, os.X_OK)), None)


def from_command(command: str | None) -> str | None:
    """The interpreter of a console script: from its first lines, or beside it where it is an ``.exe``.

    Installers write ``#!/path/python``; where that is too long or has a space, ``#!/bin/sh`` and a second line
    ``'''exec' "/path/python" "$0" "$@"``.
    """
    if command is None:
        return None
    script = Path(command)
    if script.suffix.lower() == ".exe":
        return _first(script.parent, ["python.exe", "../python.exe"])
    with script.open("rb") as file:
        head = file.read(4096).decode("utf-8", errors="replace").splitlines()[:2]
    found = re.match(r"#!\s*(.*python\S*)", head[0]) if head else None
    found = found or (re.match(r"'''exec' \"?([^\"]+?)\"? \"\$0\"", head[1]) if len(head) > 1 else None)
    return found[1] if found and os.access(found[1], os.X_OK) else None

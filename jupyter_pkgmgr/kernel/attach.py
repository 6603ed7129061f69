"""Bring this package into a kernel that has nothing of it, from the files beside this one.

There are two ways in. ``startup.py`` is for IPython's ``exec_files``; :func:`source` is for a silent execute
request. Both run this file in a namespace of its own, so that nothing is left in the user's.
"""

from __future__ import annotations

import os
import sys
from typing import Any

PACKAGE = "jupyter_pkgmgr"


def source(python: str | None = None) -> str:
    """The code of a silent execute request that attaches: one expression, which binds no name.

    Parameters
    ----------
    python
        The interpreter that will run the service; by default it is looked for when it is needed.
    """
    path = os.path.abspath(__file__)
    names = {"__name__": "__main__", "__file__": path, "PYTHON": python}
    return f"exec(compile(open({path!r}, encoding='utf-8').read(), {path!r}, 'exec'), {names!r})"


def attach(ipython: Any, folder: str, python: str | None = None) -> None:
    """Load the package of ``folder`` under its true name, and its magics into the shell.

    A package of that name that is loaded already stays, so attaching twice is harmless.
    """
    if PACKAGE not in sys.modules:
        _import(folder)
    __import__(PACKAGE + ".kernel")
    sys.modules[PACKAGE + ".kernel"].load(ipython, python)


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


def main(python: str | None) -> None:
    """Attach to the shell of this process, whose ``get_ipython`` is in ``sys.modules`` already."""
    from IPython import get_ipython  # noqa: PLC0415  the server side imports this file for `source`

    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    attach(get_ipython(), folder, python)


if __name__ == "__main__":
    main(globals().get("PYTHON"))

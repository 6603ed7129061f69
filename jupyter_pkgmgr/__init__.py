"""In-notebook package management: ``%pkg install pandas`` into the environment of *this* kernel.

This file is also loaded inside kernels as old as Python 3.8, from the files of the environment that
holds jupyter_pkgmgr. It must therefore stay free of imports and of newer syntax.
"""

__version__ = "0.1.0"


def load_ipython_extension(ipython):  # type: ignore[no-untyped-def]  # IPython is untyped and optional here
    """Register ``%pkg`` and ``%%pkg``: what ``%load_ext jupyter_pkgmgr`` calls."""
    from .kernel import load

    load(ipython)


def unload_ipython_extension(ipython):  # type: ignore[no-untyped-def]
    """Take ``%pkg`` out of the shell again: what ``%unload_ext jupyter_pkgmgr`` calls."""
    from .kernel import unload

    unload(ipython)


def _jupyter_server_extension_points():  # type: ignore[no-untyped-def]
    """Where Jupyter Server finds the extension: what ``jupyter server extension enable jupyter_pkgmgr`` looks for."""
    from .server.extension import PkgmgrExtension

    return [{"module": "jupyter_pkgmgr.server.extension", "app": PkgmgrExtension}]


def _jupyter_labextension_paths():  # type: ignore[no-untyped-def]
    """Where the built front end is: what ``jupyter labextension develop`` asks."""
    return [{"src": "labextension", "dest": "jupyter-pkgmgr"}]

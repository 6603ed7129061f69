"""What the running Jupyter server consists of: its packages, the extensions that it loads, and what they need.

Sources: jupyter_server's documentation of its configuration (``jupyter_server_config.json`` and ``.d`` folders, key
``jpserver_extensions``) and JupyterLab's of prebuilt extensions (``labextensions/*/install.json``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Package

__all__ = ["server_packages"]

_ROOTS = (
    "jupyter-pkgmgr",
    "jupyter-server",
    "jupyter-server-proxy",
    "jupyterhub",
    "jupyterhub-singleuser",
    "jupyterlab",
    "nbclassic",
    "notebook",
    "voila",
)
"""Packages that are a Jupyter server, or parts of one that no configuration names."""


def server_packages(inventory: Inventory) -> tuple[Package, ...]:
    """The installed packages that a Jupyter server of this environment runs, without what they need."""
    found = [*inventory.find(*_ROOTS)]
    for module in _enabled_extensions(inventory.environment.prefix):
        found += inventory.packages_for_import(module)
    for folder in _lab_extensions(inventory.environment.prefix):
        found += _owners(inventory, folder)
    return tuple(dict.fromkeys(found))


def _enabled_extensions(prefix: Path) -> Iterator[str]:
    """The modules of the enabled server extensions; the user's configuration goes before the environment's."""
    enabled: dict[str, bool] = {}
    for folder in (prefix / "etc" / "jupyter", _user_configuration()):
        files = [*sorted((folder / "jupyter_server_config.d").glob("*.json")), folder / "jupyter_server_config.json"]
        for file in files:
            enabled |= _extensions_in(file)
    yield from (module for module, is_enabled in enabled.items() if is_enabled)


def _user_configuration() -> Path:
    return Path(os.environ.get("JUPYTER_CONFIG_DIR") or Path.home() / ".jupyter")


def _extensions_in(file: Path) -> dict[str, bool]:
    content = _json(file)
    app = content.get("ServerApp")
    extensions = app.get("jpserver_extensions") if isinstance(app, dict) else None
    if not isinstance(extensions, dict):
        return {}
    return {str(module): is_enabled is True for module, is_enabled in extensions.items()}


def _lab_extensions(prefix: Path) -> Iterator[Path]:
    """The folders of the prebuilt front end extensions, those with a scope (``@jupyter-widgets/…``) included."""
    root = prefix / "share" / "jupyter" / "labextensions"
    yield from (path.parent for pattern in ("*/package.json", "@*/*/package.json") for path in root.glob(pattern))


def _owners(inventory: Inventory, folder: Path) -> tuple[Package, ...]:
    """The package that brought a front end extension: it says so itself, or the files tell."""
    name = _json(folder / "install.json").get("packageName")
    found = inventory.find(name) if isinstance(name, str) else ()
    owner = None if found else inventory.owner(folder / "package.json")
    return found or ((owner,) if owner else ())


def _json(file: Path) -> Mapping[str, Any]:
    """A JSON object; empty where there is none: what the server can't read it doesn't run either."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

"""Imports go downward only: the order of the layers is in CONTRIBUTING.md and enforced here."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jupyter_pkgmgr"
LAYERS = (
    "model",
    "process",
    "environments",
    "inventory",
    "names",
    "catalog",
    "engines",
    "routing",
    "lookup",
    "transactions",
    "service",
    "commands",
    "render",
    "verbs",
    "typed",
    "jobs",
    "api",
    "stdio",
    "cli",
)
"""Lowest first. A module may import from its own layer and from those before it."""
FACES = {"cli", "stdio"}
JUPYTER = {
    "IPython",
    "anywidget",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "jupyter_server",
    "tornado",
    "traitlets",
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported(path: Path) -> set[str]:
    """Every module a file imports, absolute, wherever in the file it does so."""
    package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    here = layer_of(module.removesuffix(".__init__"))
    if here not in LAYERS:
        pytest.skip("a face: the tests below say what it may import")
    below = LAYERS[: LAYERS.index(here) + 1]
    for name in imported(path):
        if name.startswith("jupyter_pkgmgr."):
            layer = layer_of(name)
            assert layer in below or layer == "__version__", f"{module} ({here}) imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in {*LAYERS} - FACES],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_jupyter_below_the_faces(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & JUPYTER


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernel").glob("*.py")), ids=lambda path: path.name)
def test_kernel_code_needs_only_the_standard_library_and_ipython(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        own = name.startswith(("jupyter_pkgmgr.kernel", "jupyter_pkgmgr.widget")) or name == "jupyter_pkgmgr"
        assert own or top in sys.stdlib_module_names or top in {"IPython", ""}, name


@pytest.mark.parametrize("path", sorted((PACKAGE / "widget").glob("*.py")), ids=lambda path: path.name)
def test_the_widget_needs_only_the_standard_library_and_what_ipykernel_brings(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        assert name.startswith("jupyter_pkgmgr.widget") or top in sys.stdlib_module_names or top == "comm", name


@pytest.mark.parametrize(
    "path",
    [PACKAGE / "__init__.py", *sorted((PACKAGE / "kernel").glob("*.py")), *sorted((PACKAGE / "widget").glob("*.py"))],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_kernel_code_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_embedded_engine_is_imported_by_its_worker_only() -> None:
    users = {path.name for path in MODULES if any(name.split(".")[0] == "rattler" for name in imported(path))}
    assert users <= {"rattler_worker.py"} | {path.name for path in (PACKAGE / "engines").glob("rattler_worker_*.py")}


def test_processes_start_in_one_place() -> None:
    starters = {path.name for path in MODULES if "subprocess" in imported(path)}
    assert starters <= {"process.py", "child.py"}  # child.py: the kernel side, which can't import process.py

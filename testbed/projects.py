"""A project with its own build backend, which needs nothing but the standard library."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_project"]

_BACKEND = """\
import zipfile
from pathlib import Path


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "my_project-0.1-py3-none-any.whl"
    info = "my_project-0.1.dist-info"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as archive:
        archive.writestr("my_project.pth", str(Path(__file__).parent))
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: my-project\\nVersion: 0.1\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name


build_wheel = build_editable
"""
_PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "my-project"
version = "0.1"
"""


def make_project(folder: Path) -> Path:
    """Make ``my-project`` 0.1 with the module ``my_project`` in a folder that isn't there yet; returns the folder.

    However it is built, what is installed is a path to it.
    """
    (folder / "my_project").mkdir(parents=True)
    (folder / "my_project" / "__init__.py").write_text("")
    (folder / "backend.py").write_text(_BACKEND)
    (folder / "pyproject.toml").write_text(_PROJECT)
    return folder

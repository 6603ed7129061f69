"""What ``make`` says where it can't set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")

MAKEFILE = Path(__file__).parents[1] / "Makefile"
NO_ENSUREPIP = f"""#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin" && ln -sf {sys.executable} "$3/bin/python"; exit 1; fi
exec {sys.executable} "$@"
"""
OLD = f"""#!/bin/sh
exec {sys.executable} -c 'import sys; sys.version_info = (3, 8); sys.version = "3.8.18 (x)"; exec(sys.argv[1])' "$2"
"""


def make(folder: Path, python: Path | str) -> str:
    """What ``make demo`` with this Python says before it fails."""
    shutil.copy(MAKEFILE, folder)
    (folder / "pyproject.toml").touch()
    command = ["make", "--no-print-directory", "demo", f"PYTHON={python}"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    return done.stderr


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    assert "no-such-python is not on PATH; name a Python 3.11 or later" in make(tmp_path, "no-such-python")


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    old = script(tmp_path / "old", OLD)
    assert f"needs Python 3.11 or later, {old} is 3.8.18" in make(tmp_path, old)


def test_a_python_without_ensurepip_is_refused_every_time(tmp_path: Path) -> None:
    """As Debian's without python3-venv: it leaves half a virtual environment behind, which must not be used."""
    python = script(tmp_path / "python", NO_ENSUREPIP)
    for _ in range(2):
        assert "apt install python3-venv" in make(tmp_path, python)
    assert (tmp_path / ".venv" / "bin" / "python").exists()

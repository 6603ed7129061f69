"""What importing this layer brings: it is on the way of every %pkg install."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"configparser", "msgspec", "platformdirs", "pypi_simple", "requests", "ruamel.yaml", "tomllib"}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys, jupyter_pkgmgr.environments; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert not HEAVY & loaded
    assert "jupyter_pkgmgr.environments" in loaded

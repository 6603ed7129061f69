"""Sphinx configuration: MyST sources, the reference made from the code itself."""

# ruff: noqa: A001

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from jupyter_pkgmgr import __version__  # noqa: E402

project = "jupyter_pkgmgr"
author = "The jupyter_pkgmgr developers"
copyright = "The jupyter_pkgmgr developers"
version = release = __version__

extensions = ["myst_parser", "made_from_code"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext", "measured"]
nitpicky = True

html_theme = "furo"
html_title = f"jupyter_pkgmgr {version}"
html_static_path = ["_static"]
html_copy_source = False

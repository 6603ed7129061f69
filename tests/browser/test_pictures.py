"""The pictures of the README and of the documentation: ``make pictures`` writes them where these have them.

All that they show happens: a real server and kernel, a conda environment, a channel and an index. What a reader knows
from elsewhere has its usual name: the channel is a folder ``conda-forge``, the index answers to ``PyPI`` as its own
proxy, and the environment lies where a data scientist's would. numpy, pandas, rich and sparklines are small
packages with the names, versions and needs of the real ones, which no test downloads.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from playwright.sync_api import FloatRect, Page, expect

from testbed.channel import Channel
from testbed.environments import conda_environment, kernelspec, uv_install
from testbed.index import serve
from testbed.python_package import python_channel
from testbed.wheels import WheelSource, closure, conda_package, repack, write_wheel

from .conftest import EXTENSION
from .jupyter import TIMEOUT, Jupyter, Notebook, serve_jupyter, set_theme
from .panel import open_panel

LARGEST = 200_000
"""Bytes of a picture, so that a page with some of them is read quickly."""
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
KERNEL = "air-quality"
ENVIRONMENT = f"srv/jupyterhub/home/ada/miniforge3/envs/{KERNEL}"
ON_CONDA = (
    WheelSource(name="numpy", version="2.4.6"),
    WheelSource(name="pandas", version="3.1.1", requires=("numpy>=2", "python-dateutil")),
    WheelSource(name="rich", version="13.9.4", requires=("pygments",)),
    WheelSource(name="rich", version="15.0.0", requires=("pygments",)),
    WheelSource(name="termcolor", version="3.3.0"),
)
ON_PYPI = (
    *ON_CONDA,
    WheelSource(name="sparklines", version="1.0.0", requires=("termcolor",)),
    WheelSource(name="aqi-tools", version="0.4.1"),
)
REAL = ("beautifulsoup4", "httpx", "ipykernel", "jinja2", "pyyaml", "requests")
CELLS = ("import rich", "%pkg install pandas sparklines", "%pkg install -U rich")


@pytest.fixture
def shop_window(tmp_path: Path, testbed: Path) -> Iterator[Jupyter]:
    """A server with a kernel in a conda environment, which has some packages of a channel and one of the index."""
    if not (EXTENSION / "package.json").is_file():
        pytest.skip("the front end isn't built: make front")
    wheels, on_pypi = tmp_path / "wheels", tmp_path / "index"
    real = [repack(name, wheels) for name in closure(*REAL)]
    channel = Channel(tmp_path / "conda-forge").include(python_channel(testbed / "python"))
    for wheel in [*real, *(write_wheel(wheels, source) for source in ON_CONDA)]:
        channel.add(conda_package(wheel, python=MINOR))
    channel.index()
    for source in ON_PYPI:
        write_wheel(on_pypi, source)
    prefix = tmp_path / ENVIRONMENT
    cache = tmp_path / "cache"
    specs = (f"python={MINOR}", "rich=13", *map(canonicalize_name, REAL))
    conda_environment(prefix, channels=[channel.url], cache=cache, specs=specs)
    uv_install(prefix / "bin" / "python", "aqi-tools", find_links=on_pypi)
    condarc = tmp_path / "condarc"
    condarc.write_text(f"channels: [{channel.url}]\npkgs_dirs: [{cache / 'pkgs'}]\n", encoding="utf-8")
    with serve(on_pypi) as index:
        environ = {
            "CONDARC": str(condarc),
            "HTTP_PROXY": index.url,
            "LOGNAME": "ada",
            "NO_PROXY": "127.0.0.1,localhost",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "http://PyPI/simple/",
        }
        folder = tmp_path / "jupyter"
        kernelspec(folder / "data", KERNEL, prefix / "bin" / "python", display_name="Air quality")
        with serve_jupyter(folder, extension=EXTENSION, environ=environ) as running:
            yield running


def take(page: Page, name: str, folder: Path, clip: FloatRect | None = None) -> None:
    """A picture of the page, or of a part of it, in each theme."""
    for theme in ("dark", "light"):
        set_theme(page, theme)
        picture = folder / f"{name}-{theme}.png"
        page.screenshot(path=picture, animations="disabled", clip=clip)
        assert picture.stat().st_size <= LARGEST


def test_pictures(page: Page, shop_window: Jupyter, artefacts: Path) -> None:
    folder = Path(os.environ.get("JUPYTER_PKGMGR_PICTURES") or artefacts)
    page.set_viewport_size({"width": 1280, "height": 840})
    notebook = Notebook(page)
    panel = open_panel(page, shop_window, shop_window.write(f"{KERNEL}.ipynb", *CELLS, kernel=KERNEL))
    notebook.run(0)
    expect(notebook.run(1)).to_contain_text("no restart needed", timeout=TIMEOUT)
    expect(notebook.run(2).get_by_role("button", name="Restart kernel…")).to_be_visible(timeout=TIMEOUT)
    expect(panel.row("aqi-tools")).to_be_visible()
    take(page, "panel", folder)

    panel.tab("History")
    expect(panel.node.get_by_text(re.compile("^%pkg install -U rich"))).to_be_visible()
    box = panel.node.bounding_box()
    assert box is not None
    take(page, "history", folder, clip={"x": box["x"], "y": box["y"], "width": box["width"], "height": 400})

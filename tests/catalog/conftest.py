"""Catalogs on loopback indexes, free of the machine's own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from jupyter_pkgmgr.catalog import PyPICatalog
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from testbed.index import Server, serve
from testbed.wheels import WheelSource, make_sdist, write_wheel
from tests.catalog.raw_server import RawServer, raw_server

MakeCatalog = Callable[..., PyPICatalog]


@pytest.fixture(autouse=True)
def _own_home(clean_settings: Path) -> None:
    """Neither netrc nor proxies of the machine."""


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels and sdists that differ in everything a catalog has to tell."""
    folder = tmp_path_factory.mktemp("shop")
    wheels = [
        WheelSource(name="Shop-Lib", version="1.0", summary="first", requires=("six",)),
        WheelSource(
            name="Shop-Lib",
            version="1.10",
            summary="ten",
            requires=("six>=1", "extra-thing; extra == 'x'"),
            extras=("x",),
        ),
        WheelSource(name="Shop-Lib", version="1.9", summary="nine"),
        WheelSource(name="Shop-Lib", version="2.0rc1", summary="soon"),
        WheelSource(name="Shop-Lib", version="1.11", summary="bad"),
        WheelSource(name="future-python", version="1.0", requires_python=">=3.99"),
        WheelSource(name="future-python", version="0.9"),
        WheelSource(name="elsewhere", version="1.0", tag="cp311-cp311-win_arm64"),
        WheelSource(name="shop-lib-tools", version="0.1"),
        WheelSource(name="workshop", version="0.1"),
    ]
    for wheel in wheels:
        write_wheel(folder, wheel)
    (folder / "shop_lib-1.11-py3-none-any.whl.yanked").write_text("eats files")
    make_sdist(folder, "only-source", "3.0")
    return folder


@pytest.fixture
def shop(shop_folder: Path) -> Iterator[Server]:
    with serve(shop_folder) as server:
        yield server


@pytest.fixture
def raw() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture
def make_catalog(tmp_path: Path) -> Iterator[MakeCatalog]:
    """Catalogs that share one cache folder (but for ``cold`` ones) and are closed at the end."""
    with ExitStack() as stack:

        def make(index_url: str, *, json_api: str | None = None, cold: bool = False, **settings: Any) -> PyPICatalog:
            cache = Path(mkdtemp(dir=tmp_path)) if cold else tmp_path / "cache"
            options = IndexSettings(index_url=index_url, **{"timeout": 5.0, **settings})
            return stack.enter_context(PyPICatalog(options, cache_dir=cache, json_api=json_api))

        yield make

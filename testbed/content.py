"""What the tests install: a conda channel and an index of small packages, all named ``tb-…``, and ``six``.

============== ================= =========================== ==============================================
name           channel           index                       what it is for
============== ================= =========================== ==============================================
tb-alpha       1.0 1.1 2.0       1.0 1.1 2.0 2.1             pure Python, in both
tb-beta        1.0 (alpha <2)    —                           a dependency, and one half of a conflict
tb-gamma       1.0 (alpha >=2)   —                           the other half
tb-native      1.0 1.1           1.0 1.1 2.0                 compiled, tied to the Python minor
tb-tool        1.0               —                           the prefix in a text and in a binary file, a link
tb-cli         1.0               1.0                         a command (entry point)
tb-data        1.0               —                           ``noarch: generic``
tb-old         1.0 (.tar.bz2)    —                           the old package format
tb-pure        —                 1.0 1.1 2.0                 only on the index
tb-mixed       —                 1.0                         needs tb-alpha, which the channel has
tb-clobber     —                 1.0                         needs tb-native>=2, which only the index has
tb-extra       —                 1.0 [more]                  an extra that needs tb-pure
tb-source      —                 1.0 sdist                   builds without network
tb-broken      —                 1.0 sdist                   its build fails
tb-foreign     —                 1.0 win_arm64               for another platform
tb-future      —                 1.0 Python >=4              for another Python
tb-withdrawn   —                 1.0, 2.0 yanked             PEP 592
tb-left/right  —                 1.0 (pure ==1.0 / ==2.0)    a conflict
six            repacked          repacked                    a real one
============== ================= =========================== ==============================================
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from .channel import PLACEHOLDER, Channel, File, Link, PackageSource
from .wheels import WheelSource, conda_package, make_sdist, repack, write_wheel

__all__ = ["MINOR", "fill_channel", "fill_index", "wheel"]

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
_NODOT = MINOR.replace(".", "")
_LIBRARY = b"\x7fELF\x02\x01\x01" + b"\0" * 64


def wheel(
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    requires_python: str = "",
    entry_points: tuple[str, ...] = (),
    tag: str = "py3-none-any",
) -> WheelSource:
    """A wheel with one package that knows its version and has a ``main``."""
    module = name.replace("-", "_")
    files: dict[str, str | bytes] = {
        f"{module}/__init__.py": f'__version__ = "{version}"\n\n\ndef main():\n    print(__version__)\n'
    }
    if "none-any" not in tag:
        files[f"{module}/_core.so"] = _LIBRARY + version.encode()
    return WheelSource(
        name=name,
        version=version,
        requires=requires,
        extras=extras,
        requires_python=requires_python,
        entry_points=entry_points,
        tag=tag,
        files=files,
    )


def fill_index(folder: Path, *, minor: str = MINOR, platform: str = "linux_x86_64") -> Path:
    """Write the index's wheels and sdists into a folder."""
    native = f"cp{minor.replace('.', '')}-cp{minor.replace('.', '')}-{platform}"
    for source in (
        *(wheel("tb-alpha", version) for version in ("1.0", "1.1", "2.0", "2.1")),
        *(wheel("tb-native", version, tag=native) for version in ("1.0", "1.1", "2.0")),
        *(wheel("tb-pure", version) for version in ("1.0", "1.1", "2.0")),
        wheel("tb-cli", "1.0", entry_points=("tb-cli = tb_cli:main",)),
        wheel("tb-mixed", "1.0", requires=("tb-alpha>=1",)),
        wheel("tb-clobber", "1.0", requires=("tb-native>=2",)),
        wheel("tb-extra", "1.0", requires=('tb-pure; extra == "more"',), extras=("more",)),
        wheel("tb-foreign", "1.0", tag="cp311-cp311-win_arm64"),
        wheel("tb-future", "1.0", requires_python=">=4"),
        *(wheel("tb-withdrawn", version) for version in ("1.0", "2.0")),
        wheel("tb-left", "1.0", requires=("tb-pure==1.0",)),
        wheel("tb-right", "1.0", requires=("tb-pure==2.0",)),
    ):
        write_wheel(folder, source)
    (folder / "tb_withdrawn-2.0-py3-none-any.whl.yanked").write_text("withdrawn on purpose", encoding="utf-8")
    make_sdist(folder, "tb-source")
    make_sdist(folder, "tb-broken", breaks=True)
    repack("six", folder)
    return folder


def fill_channel(channel: Channel) -> Channel:
    """Add the channel's packages (without ``python``) and write its index."""
    channel.add(
        *(_pure("tb-alpha", version) for version in ("1.0", "1.1", "2.0")),
        _pure("tb-beta", "1.0", "tb-alpha <2"),
        _pure("tb-gamma", "1.0", "tb-alpha >=2"),
        *(_native(version) for version in ("1.0", "1.1")),
        _TOOL,
        _pure("tb-cli", "1.0", entry_points=("tb-cli = tb_cli:main",)),
        PackageSource(name="tb-data", version="1.0", noarch="generic", files={"share/tb-data/data.txt": "data\n"}),
        _six(),
    )
    channel.add(PackageSource(name="tb-old", version="1.0", files={"share/tb-old.txt": "old\n"}), format="tar.bz2")
    return channel.index()


def _pure(name: str, version: str, *depends: str, entry_points: tuple[str, ...] = ()) -> PackageSource:
    return _converted(wheel(name, version, entry_points=entry_points), *depends)


def _native(version: str) -> PackageSource:
    return _converted(wheel("tb-native", version, tag=f"cp{_NODOT}-cp{_NODOT}-linux_x86_64"))


def _converted(source: WheelSource, *depends: str) -> PackageSource:
    """Through a real wheel, so that the package has a dist-info as conda-forge's have."""
    with TemporaryDirectory() as scratch:
        package = conda_package(write_wheel(Path(scratch), source), python=MINOR)
    return replace(package, depends=(*package.depends, *depends))


def _six() -> PackageSource:
    with TemporaryDirectory() as scratch:
        return conda_package(repack("six", Path(scratch)), python=MINOR)


_TOOL = PackageSource(
    name="tb-tool",
    version="1.0",
    files={
        "bin/tb-tool": File(f"#!{PLACEHOLDER}/bin/python\nprint('tb-tool')\n".encode(), executable=True),
        "lib/libtb.so.1": _LIBRARY + PLACEHOLDER.encode() + b"/share\0rest",
        "lib/libtb.so": Link("libtb.so.1"),
    },
)

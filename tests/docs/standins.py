"""An index whose packages have the names, versions and needs of those in the tutorial and the README, and little else.

Only what ipykernel needs is real: the running environment's own, as the wheels it came from.
"""

from __future__ import annotations

from pathlib import Path

from testbed.wheels import WheelSource, closure, repack, write_wheel

__all__ = ["fill"]

PACKAGES = (
    WheelSource(name="numpy", version="2.4.6"),
    WheelSource(name="numpy", version="1.26.4"),
    WheelSource(name="pandas", version="3.1.0", requires=("numpy>=2",)),
    WheelSource(name="pandas", version="3.1.1", requires=("numpy>=2",), summary="Powerful data structures"),
    WheelSource(name="mdurl", version="0.1.2"),
    WheelSource(name="markdown-it-py", version="4.3.0", requires=("mdurl~=0.1",)),
    WheelSource(name="rich", version="13.9.4", requires=("markdown-it-py>=2.2", "pygments")),
    WheelSource(name="rich", version="15.0.0", requires=("markdown-it-py>=2.2", "pygments")),
    WheelSource(name="termcolor", version="3.3.0"),
    WheelSource(name="sparklines", version="1.0.0", requires=("termcolor",)),
)


def fill(folder: Path) -> Path:
    """Write the wheels; returns the folder."""
    for source in PACKAGES:
        write_wheel(folder, source)
    for name in closure("ipykernel"):
        repack(name, folder)
    return folder

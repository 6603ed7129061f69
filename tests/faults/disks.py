"""A disk of its own for an environment, whose trouble is real: full, gone read-only, power cut. Linux, as root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Disk", "NoDiskError", "open_disk"]


class NoDiskError(Exception):
    """No disk can be made on this machine; says why."""


@dataclass(frozen=True, slots=True)
class Disk:
    """An ext4 file system in a file."""

    image: Path
    folder: Path

    def mount(self) -> None:
        """Make it usable; after a cut the kernel first replays the file system's own journal."""
        _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder))

    def unmount(self) -> None:
        """Take it away. Killed processes may need a moment until they let go of it."""
        for _ in range(50):
            with suppress(subprocess.CalledProcessError):
                _run("umount", str(self.folder))
                return
            time.sleep(0.1)
        _run("umount", "--lazy", str(self.folder))

    def cut(self) -> None:
        """What a disk error does, and what a power cut leaves (ext4's ``abort``).

        From now on it is read-only, and what isn't on the disk yet never gets there.
        """
        _run("mount", "-o", "remount,abort", str(self.folder))

    def mend(self) -> None:
        """Start again after a cut."""
        self.unmount()
        self.mount()

    def fill(self, *, leave: int) -> None:
        """Leave about so many bytes free."""
        with (self.folder / "filler").open("wb") as file:
            for chunk in (1 << 24, 1 << 20, 1 << 16, 1 << 12):
                with suppress(OSError):  # no space for another one of this size
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, chunk)
            file.truncate(os.fstat(file.fileno()).st_size - leave)

    def drain(self) -> None:
        """Free again what was filled."""
        (self.folder / "filler").unlink()


@contextmanager
def open_disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """Make a disk in an empty folder.

    Raises
    ------
    NoDiskError
        If there is no way here.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoDiskError("needs Linux and the right to mount")
    disk = Disk(folder / "disk.img", folder / "disk")
    disk.folder.mkdir()
    with disk.image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", str(disk.image))
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoDiskError(f"no disk can be made here: {error}") from error
    try:
        yield disk
    finally:
        disk.unmount()
        disk.image.unlink()


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)

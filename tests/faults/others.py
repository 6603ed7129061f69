"""Other programs that use the environment of a trial: they write, they install, and nothing of theirs may be lost."""

from __future__ import annotations

import subprocess

from testbed.environments import tool
from testbed.wheels import WheelSource, write_wheel

from .lab import Lab
from .trees import STATE, Tree

__all__ = ["Others"]

_STAY = {
    "var/results.sqlite": "rows",
    "share/jupyter/kernels/mine/kernel.json": "{}",
    "etc/jupyter/labconfig.json": "{}",
    "results/run-1/out.csv": "1,2",
}
_PARTS = {"site/my_notes.txt": "mine", "site/mine/module.py": "x = 1", "bin/my-script": "#!/bin/sh"}
"""What stands where it would be taken for part of a package: it may be moved aside, but not lost."""
_PACKAGE = "tb-others"


class Others:
    """They begin when the trial does, and go on when its process is dead."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        (site,) = lab.prefix.glob("lib/python*/site-packages")
        self._site = site.relative_to(lab.prefix).as_posix()
        self._written: dict[str, str] = {}
        self._installed = False

    def write_beside(self) -> None:
        """What a service and a person write while the transaction runs."""
        self._write(_STAY, "beside")
        self._write(_PARTS, "beside")

    def go_on(self) -> None:
        """What is done after it was killed."""
        self._write(_STAY, "after")
        self._write(_PARTS, "after")
        wheels = self._lab.folder / "others"
        wheels.mkdir(exist_ok=True)
        data = f"{_PACKAGE.replace('-', '_')}-1.0.data/data"
        files = {"tb_others/__init__.py": "", f"{data}/share/tb-others/data": "1", f"{data}/etc/tb-others.conf": "1"}
        wheel = write_wheel(wheels, WheelSource(name=_PACKAGE, version="1.0", files=files))
        python = self._lab.prefix / "bin" / "python"
        command = [
            tool("uv"),
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--offline",
            "--python",
            str(python),
            str(wheel),
        ]
        done = subprocess.run(command, env=self._lab.variables(), check=False, capture_output=True)
        self._installed = done.returncode == 0  # a half-unpacked environment may be more than uv puts up with

    def _write(self, files: dict[str, str], when: str) -> None:
        for name, content in files.items():
            place = name.replace("site/", f"{self._site}/", 1) if name.startswith("site/") else name
            head, _, last = place.rpartition("/")
            path = self._lab.prefix / head / f"{when}-{last}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            self._written[path.relative_to(self._lab.prefix).as_posix()] = content

    def losses(self, tree: Tree) -> list[str]:
        """What is gone: of what they wrote, and of what they installed."""
        aside = self._lab.prefix / STATE / "aside"
        parts = tuple(f"{place.rpartition('/')[0]}/" for place in (f"{self._site}/x", f"{self._site}/mine/x", "bin/x"))
        found = []
        for place, content in self._written.items():
            here = self._lab.prefix / place
            moved = [path for path in aside.glob(f"*/{place}") if path.read_text(encoding="utf-8") == content]
            if not here.is_file() and not (moved and place.startswith(parts)):
                found.append(f"lost: {place}")
        own = (f"{self._site}/tb_others/__init__.py", f"{self._site}/tb_others-1.0.dist-info/RECORD")
        installed = (*own, "share/tb-others/data", "etc/tb-others.conf")
        return [*found, *(f"uninstalled: {place}" for place in installed if self._installed and place not in tree)]

    def without(self, tree: Tree, like: Tree) -> Tree:
        """The tree as it would be without them; of the folders that only they use, those that the other one has."""
        own = {place for place in tree if place in self._written or "tb_others" in place or "tb-others" in place}
        above = {folder for place in own | set(self._written) for folder in _above(place)}
        used = {folder for place, entry in tree.items() if place not in own | above for folder in _above(place)}
        gone = {folder for folder in above if folder not in used and folder not in like}
        return {place: entry for place, entry in tree.items() if place not in own | gone}


def _above(place: str) -> list[str]:
    parts = place.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]

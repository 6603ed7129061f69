"""Transactions to be killed: in which environment, from which state, by which tool, to which command."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BARE", "EXECUTABLES", "OURS", "Scene", "bare_command", "draw_scene"]

Versions = Mapping[str, tuple[str, ...]]

_VENV: Versions = {
    "tb-alpha": ("1.0", "1.1", "2.0", "2.1"),
    "tb-cli": ("1.0",),
    "tb-large": ("1.0", "1.1", "2.0"),
    "tb-native": ("1.0", "1.1", "2.0"),
    "tb-pure": ("1.0", "1.1", "2.0"),
    "tb-shape": ("1.0", "2.0"),
}
_CONDA: Versions = {
    "tb-alpha": ("1.0", "1.1", "2.0"),
    "tb-cli": ("1.0",),
    "tb-data": ("1.0",),
    "tb-large": ("1.0", "1.1", "2.0"),
    "tb-native": ("1.0", "1.1"),
    "tb-shape": ("1.0", "2.0"),
    "tb-tool": ("1.0", "2.0"),
}
_MIXED: Versions = {**_CONDA, "pypi::tb-pure": ("1.0", "1.1", "2.0"), "pypi::tb-wide": ("1.0", "2.0")}
_VENV_SETUPS = (
    (),
    ("tb-alpha==1.0", "tb-large==1.1", "tb-shape==2.0"),
    ("tb-large==2.0", "tb-shape==1.0", "tb-cli==1.0", "tb-pure==1.1", "tb-native==1.1"),
)
_CONDA_SETUPS = (
    (),
    ("tb-alpha==1.0", "tb-large==1.1", "tb-tool==1.0"),
    ("tb-large==2.0", "tb-shape==1.0", "tb-tool==2.0", "tb-data==1.0", "tb-cli==1.0"),
)
_MIXED_SETUPS = (("tb-large==1.1", "pypi::tb-wide==1.0"), ("tb-alpha==1.0", "tb-tool==2.0", "pypi::tb-pure==1.1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    world: str
    versions: Versions
    setups: tuple[tuple[str, ...], ...]


OURS = {
    "uv": _Tool(world="venv", versions=_VENV, setups=_VENV_SETUPS),
    "pip": _Tool(world="pip", versions=_VENV, setups=_VENV_SETUPS),
    "rattler": _Tool(world="conda", versions=_CONDA, setups=_CONDA_SETUPS),
    "rattler+uv": _Tool(world="conda", versions=_MIXED, setups=_MIXED_SETUPS),
}
"""What our transactions are tried over."""
EXECUTABLES = dict.fromkeys(("conda", "mamba", "micromamba"), OURS["rattler"])
"""The same over programs that have to be on PATH."""
BARE = {
    "bare uv": OURS["uv"],
    "bare pip": OURS["pip"],
    "bare conda": OURS["rattler"],
    "bare micromamba": OURS["rattler"],
}
"""The same transactions by the tools themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One transaction on one state."""

    tool: str
    world: str
    setup: tuple[str, ...]
    kind: str
    """install, upgrade, downgrade, remove, mixed or replace."""
    words: tuple[str, ...]
    """``install`` or ``remove`` and the specs."""
    removed: tuple[str, ...] = ()
    """What goes in the same transaction as the specs come."""

    @property
    def line(self) -> str:
        """As it is typed for us."""
        engine = ("--engine", self.tool) if self.tool in {"pip", *EXECUTABLES} else ()
        first = ("remove", *self.removed, ";") if self.removed else ()
        return " ".join((*first, self.words[0], *engine, *self.words[1:]))


def draw_scene(tool: str, rng: random.Random) -> Scene:
    """Any transaction that the state allows, each kind as likely as the others."""
    parts = {**OURS, **EXECUTABLES, **BARE}[tool]
    setup = rng.choice(parts.setups)
    installed = dict(spec.split("==") for spec in setup)
    absent = [name for name in parts.versions if name not in installed and f"pypi::{name}" not in installed]
    steps = {
        "install": [f"{name}=={rng.choice(parts.versions[name])}" for name in absent],
        "upgrade": _moves(parts.versions, installed, rng, up=True),
        "downgrade": _moves(parts.versions, installed, rng, up=False),
        "remove": [name.removeprefix("pypi::") for name in installed],
    }
    possible = [kind for kind, specs in steps.items() if specs]
    several = ["mixed", "replace"] if tool in EXECUTABLES else ["mixed"]  # two runs of theirs, with us in between
    kind = rng.choice([*possible, *several] if installed else possible)
    if kind == "replace":
        comes, goes = rng.choice(steps["install"]), rng.choice(steps["remove"])
        return Scene(tool=tool, world=parts.world, setup=setup, kind=kind, words=("install", comes), removed=(goes,))
    if kind == "mixed":
        moved = steps["upgrade"] + steps["downgrade"]
        names: set[str] = set()
        chosen = [rng.choice(steps["install"])]
        for spec in rng.sample(moved, len(moved)):
            if spec.split("==")[0] not in names:
                names.add(spec.split("==")[0])
                chosen.append(spec)
    else:
        chosen = rng.sample(steps[kind], rng.randint(1, min(3, len(steps[kind]))))
    words = ("remove" if kind == "remove" else "install", *chosen)
    return Scene(tool=tool, world=parts.world, setup=setup, kind=kind, words=words)


def _moves(versions: Versions, installed: Mapping[str, str], rng: random.Random, *, up: bool) -> list[str]:
    found = []
    for name, version in installed.items():
        others = [other for other in versions[name] if (other > version if up else other < version)]
        if others:
            found.append(f"{name}=={rng.choice(others)}")
    return found


def bare_command(scene: Scene, prefix: Path, uv: str, channel: str) -> list[str] | None:
    """The tool's own command for the scene; ``None`` where it isn't on PATH."""
    verb, *specs = scene.words
    python = str(prefix / "bin" / "python")
    name = scene.tool.removeprefix("bare ")
    if name == "uv":
        return [uv, "pip", "install" if verb == "install" else "uninstall", "--python", python, *specs]
    if name == "pip":
        return [python, "-m", "pip", *(("install",) if verb == "install" else ("uninstall", "-y")), *specs]
    executable = shutil.which(name)
    if executable is None:
        return None
    channels = ["--override-channels", "--channel", channel] if verb == "install" else []
    return [executable, verb, "--yes", "--prefix", str(prefix), *channels, *specs]

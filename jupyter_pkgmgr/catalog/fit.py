"""Whether a file can go into an environment: its tags (PEP 425) and ``Requires-Python`` (PEP 345)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from packaging import tags
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from jupyter_pkgmgr.model import Environment, PythonInfo

from .answers import AvailableFile, FileKind

__all__ = ["Fit", "Target", "judge", "target_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An interpreter as an installer sees it."""

    version: str
    """Full version: ``Requires-Python`` may name a patch release."""
    tags: frozenset[tags.Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The verdict over the files of one version."""

    fits: bool | None
    why_not: str = ""
    needs_build: bool = False


def target_of(environment: Environment | None) -> Target | None:
    """The target of an environment on this machine; ``None`` without a Python, or without an environment."""
    if environment is None or environment.python is None:
        return None
    python = environment.python
    return Target(version=python.version, tags=_tags(python))


def _tags(python: PythonInfo) -> frozenset[tags.Tag]:
    ours = (sys.implementation.name, f"{sys.version_info[0]}.{sys.version_info[1]}")
    if (python.implementation, python.minor) == ours:
        return _our_tags()
    return _tags_for(python.implementation, python.minor)


@lru_cache(maxsize=1)
def _our_tags() -> frozenset[tags.Tag]:
    return frozenset(tags.sys_tags())


@lru_cache(maxsize=32)
def _tags_for(implementation: str, minor: str) -> frozenset[tags.Tag]:
    """Tags of another interpreter: its version, with the platforms of this machine."""
    version = tuple(int(part) for part in minor.split("."))
    platforms = list(tags.platform_tags())
    if implementation == "cpython":
        digits = "".join(map(str, version))
        own = tags.cpython_tags(version, abis=[f"cp{digits}"], platforms=platforms)
        interpreter = f"cp{digits}"
    else:
        interpreter = f"{tags.INTERPRETER_SHORT_NAMES.get(implementation, implementation)}{''.join(map(str, version))}"
        own = tags.generic_tags(interpreter, abis=[], platforms=platforms)
    return frozenset((*own, *tags.compatible_tags(version, interpreter, platforms)))


def judge(files: Iterable[AvailableFile], target: Target | None) -> Fit:
    """Whether one of the files can be installed into the target, and if none can, why."""
    if target is None:
        return Fit(fits=None)
    files = list(files)
    right_python = [file for file in files if _allows(file.requires_python, target.version)]
    if not right_python:
        wanted = next((file.requires_python for file in files if file.requires_python), "")
        return Fit(fits=False, why_not=f"needs Python {wanted}, the environment has {target.version}")
    if any(file.kind is FileKind.WHEEL and _matches(file.filename, target) for file in right_python):
        return Fit(fits=True)
    if any(file.kind is FileKind.SDIST for file in right_python):
        return Fit(fits=True, needs_build=True)
    return Fit(fits=False, why_not="no wheel for this platform and Python, and no source to build one from")


def _allows(requires_python: str, version: str) -> bool:
    if not requires_python:
        return True
    try:
        return SpecifierSet(requires_python).contains(version, prereleases=True)
    except InvalidSpecifier:  # as pip does: what can't be read forbids nothing
        return True


def _matches(filename: str, target: Target) -> bool:
    return not target.tags.isdisjoint(_wheel_tags("-".join(filename.removesuffix(".whl").split("-")[-3:])))


@lru_cache(maxsize=1024)
def _wheel_tags(text: str) -> frozenset[tags.Tag]:
    return tags.parse_tag(text)

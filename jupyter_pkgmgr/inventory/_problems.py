"""The words for what is wrong in an environment: one function for each source of problems."""

# ruff: noqa: PTH112
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_pkgmgr.environments import History
from jupyter_pkgmgr.model import Environment, OriginKind

from ._distributions import DistributionEntry
from ._records import CondaEntry
from ._scan import Scan
from .inventory import PackageState, Problem

__all__ = ["clobbered", "gone", "of_distribution", "of_history", "of_places", "of_records", "of_scan"]

_NAMED = 10
"""How many packages a message names."""


def of_scan(environment: Environment, seen: Scan) -> Iterator[Problem]:
    """Folders that can't be read, and what interrupted tools left in them."""
    for error in filter(None, (seen.error, *(folder.error for folder in seen.folders))):
        yield Problem(reference="unreadable-folder", message=error, hint="check the rights of the folder")
    for folder in seen.folders:
        for name in folder.leftovers:
            yield _leftover(Path(folder.path, name), "pip could not delete it, and no tool uses it")
    for name in seen.leftovers:
        yield _leftover(environment.conda_meta / name, "an interrupted conda left it")


def of_records(environment: Environment, records: Sequence[CondaEntry]) -> Iterator[Problem]:
    """Records that can't be read, and two records of one package."""
    for record in records:
        if record.error:
            yield Problem(
                reference="unreadable-record",
                message=f"the record of conda package {record.name} {record.error}",
                packages=(record.name,),
                path=environment.conda_meta / record.file,
                hint=_reinstall_conda(record),
            )
    for name, count in Counter(record.name for record in records).items():
        if count > 1:
            yield Problem(
                reference="duplicate-record",
                message=f"conda has {count} records of {name}, from a change that was interrupted",
                packages=(name,),
                path=environment.conda_meta,
                hint=f"%pkg install --force-reinstall conda::{name}",
            )


def of_history(environment: Environment, seen: Scan, history: History) -> Iterator[Problem]:
    """A history that is missing or can't be read; without one conda doesn't take the prefix for an environment."""
    path = environment.conda_meta / "history"
    if environment.is_conda and seen.history is None and not seen.error:
        yield Problem(
            reference="no-history",
            message=f"{path} is missing, so conda doesn't take {environment.prefix} for an environment",
            path=path,
            hint=f"create it as an empty file: touch {path}",
        )
    if history.problem and not seen.error:
        yield Problem(reference="unreadable-history", message=history.problem, path=path)


def of_distribution(entry: DistributionEntry) -> Iterator[Problem]:
    """Metadata that is missing or broken, a missing ``RECORD``, an editable project that is gone."""
    editable = entry.origin == OriginKind.EDITABLE.value
    if not editable and not entry.error and entry.has_record:
        return  # the usual case, a thousand times
    path = Path(entry.location)
    name = (entry.name,)
    if editable and entry.place and not os.path.isdir(entry.place):
        yield Problem(
            reference="editable-missing",
            message=f"{entry.name} is installed from {entry.place}, which isn't there",
            packages=name,
            path=path,
            hint=f"%pkg remove {entry.name}",
        )
    elif not entry.has_metadata:
        yield Problem(
            reference="missing-metadata",
            message=entry.error,
            packages=name,
            path=path,
            hint=f"delete {path}, then %pkg install {entry.name}",
        )
    elif entry.error:
        yield Problem(
            reference="broken-metadata", message=entry.error, packages=name, path=path, hint=_reinstall(entry)
        )
    if entry.has_metadata and not entry.has_record and entry.installer != "debian":
        yield Problem(
            reference="missing-record",
            message=f"{entry.name} has no RECORD of its files, so no tool can remove or replace it cleanly",
            packages=name,
            path=path,
            hint=_reinstall(entry),
        )


def of_places(items: Sequence[tuple[DistributionEntry, set[PackageState], DistributionEntry]]) -> Iterator[Problem]:
    """Distributions that hide each other, and those of the user site; each with the one Python uses."""
    for entry, states, active in items:
        if PackageState.DUPLICATE in states:
            yield Problem(
                reference="duplicate-distribution",
                message=f"{entry.name} is there twice: {active.version}, and what is left of {entry.version}",
                packages=(entry.name,),
                path=Path(entry.location),
                hint=_reinstall(active),
            )
        elif PackageState.SHADOWED in states and not states & {PackageState.USER_SITE, PackageState.OUTSIDE}:
            yield Problem(
                reference="shadowed",
                message=f"{entry.name} {entry.version} is hidden by {active.version} in {Path(active.location).parent}",
                packages=(entry.name,),
                path=Path(active.location),
                hint="set PYTHONNOUSERSITE=1 for this kernel, or remove the other one",
            )
    if users := sorted({entry.name for entry, states, _ in items if PackageState.USER_SITE in states}):
        yield Problem(
            reference="user-site",
            message=f"{len(users)} packages lie in the user's own folder, which other environments share: "
            f"{', '.join(users[:_NAMED])}{' …' if len(users) > _NAMED else ''}",
            packages=tuple(users),
            hint="set PYTHONNOUSERSITE=1 for this kernel to do without them",
        )


def clobbered(record: CondaEntry, by: DistributionEntry) -> Problem:
    """A conda package whose Python distribution another tool replaced."""
    return Problem(
        reference=PackageState.CLOBBERED.value,
        message=f"{by.installer or 'pip'} replaced files of conda package {record.name} {record.version} "
        f"by {by.name} {by.version}, without conda knowing",
        packages=(record.name,),
        path=Path(by.location),
        hint=f"%pkg remove pypi::{by.name}, then {_reinstall_conda(record)}",
    )


def gone(environment: Environment, record: CondaEntry, path: str) -> Problem:
    """A conda package whose Python distribution somebody deleted."""
    return Problem(
        reference="missing-files",
        message=f"conda package {record.name} {record.version} is recorded, but its files were removed",
        packages=(record.name,),
        path=environment.prefix / path,
        hint=_reinstall_conda(record),
    )


def _leftover(path: Path, why: str) -> Problem:
    return Problem(reference="leftover", message=f"{path.name} is left over: {why}", path=path, hint=f"delete {path}")


def _reinstall(entry: DistributionEntry) -> str:
    version = f"=={entry.version}" if entry.version else ""
    return f"%pkg install --force-reinstall {entry.name}{version}"


def _reinstall_conda(record: CondaEntry) -> str:
    return f"%pkg install --force-reinstall conda::{record.name}={record.version}"

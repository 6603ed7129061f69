"""Import name, PyPI name and conda name of one thing.

The tables are dated files made by ``tools/refresh_names.py``; they are read at the first look-up, not at import.
Where they don't know a name, the answer is ``None``: a guess is made only by the functions that say so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Ecosystem

from .near import nearest
from .table import Table

__all__ = [
    "Confidence",
    "ImportNames",
    "Provenance",
    "all_names",
    "conda_name",
    "conda_names",
    "for_import",
    "guess_conda_name",
    "guess_pypi_name",
    "imports_of",
    "is_namespace",
    "known_conda",
    "known_pypi",
    "near",
    "nearest",
    "popular",
    "provenance",
    "pypi_names",
    "same_thing",
]

_DATA = Path(__file__).parent / "data"
_CONDA = Table(_DATA / "conda.tsv")
_PYPI = Table(_DATA / "pypi.tsv")
_IMPORTS = Table(_DATA / "imports.tsv")
_POPULAR = Table(_DATA / "popular.tsv")


class Confidence(StrEnum):
    """How sure it is that an import name belongs to a package."""

    CHECKED = "checked"
    """A person looked at it."""
    TABLE = "table"
    """The table of import names says so; it was collected by machine."""
    GUESS = "guess"
    """A known package has the module's name; nothing says that it provides the module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportNames:
    """What to install for one import, in both ecosystems."""

    module: str
    """The part of the dotted name that decided: ``google.cloud.storage`` of ``google.cloud.storage.blob``."""
    pypi: tuple[str, ...]
    """PyPI projects that provide it, best first; never empty."""
    conda: tuple[str, ...]
    """conda packages that provide it, best first; empty where no channel is known to have it."""
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where one table comes from."""

    table: str
    source: str
    date: str


def conda_name(pypi_name: str) -> str | None:
    """The conda package that is this PyPI project, or ``None`` where none is known."""
    return next(iter(conda_names(pypi_name)), None)


def conda_names(pypi_name: str) -> tuple[str, ...]:
    """Every conda package that is this PyPI project, best first (``matplotlib`` before ``matplotlib-base``)."""
    name = canonicalize_name(pypi_name)
    return _expand(_PYPI.get(name) or "", same=name)


def pypi_names(conda_name: str) -> tuple[str, ...] | None:
    """The PyPI projects that this conda package is, best first.

    Returns
    -------
    tuple of str or None
        ``()`` where the package is known and has no counterpart on PyPI; ``None`` where it isn't known.
    """
    name = conda_name.lower()
    value = _CONDA.get(name)
    return None if value is None else _expand(value, same=canonicalize_name(name))


def known_pypi(name: str) -> bool:
    """Whether the tables hold this PyPI project. PyPI has many more: an unknown one may well exist."""
    return _PYPI.get(canonicalize_name(name)) is not None


def known_conda(name: str) -> bool:
    """Whether conda-forge had a package of this name when the tables were made."""
    return _CONDA.get(name.lower()) is not None


def same_thing(conda_name: str, pypi_name: str) -> bool | None:
    """Whether a conda package and a PyPI project are the same software; ``None`` where nobody knows.

    A shared name says nothing: conda's ``graphviz`` is the programs, PyPI's the binding that conda calls
    ``python-graphviz``.
    """
    projects = pypi_names(conda_name)
    if projects is None:
        return None
    return canonicalize_name(pypi_name) in projects or conda_name.lower() in conda_names(pypi_name)


def guess_conda_name(pypi_name: str) -> str | None:
    """The name that a project the tables don't know would have in a channel: its own, by PEP 503.

    ``None`` where that is known to be wrong: a conda package of this name exists and is something else.
    """
    name = canonicalize_name(pypi_name)
    return name if not known_pypi(name) and same_thing(name, name) is not False else None


def guess_pypi_name(conda_name: str) -> str | None:
    """The name that a conda package the tables don't know would have on PyPI: its own, by PEP 503.

    ``None`` where the tables know the package, or know the project as another conda package.
    """
    name = canonicalize_name(conda_name)
    return None if known_conda(conda_name) or conda_names(name) else name


def for_import(module: str) -> ImportNames | None:
    """What to install so that ``import module`` works.

    The longest known prefix of a dotted name decides. Below a namespace package, whose parts are projects of
    their own, and for names that no table holds, a known project of the same name is offered as a guess.

    Returns
    -------
    ImportNames or None
        ``None`` for a name that nobody knows: offering it would invite typosquatting.
    """
    parts = module.split(".")
    if not all(parts):
        return None
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        row = _IMPORTS.get(prefix)
        if row is not None:
            covers = length == len(parts) or not is_namespace(prefix)
            return _provided(prefix, row) if covers else None
        if length == 1 or is_namespace(".".join(parts[: length - 1])):
            return _same_name(prefix)
    return None


def is_namespace(prefix: str) -> bool:
    """Whether the tables know a module as one that many projects share, each with a part below it."""
    row = _IMPORTS.get(prefix)
    return row is not None and "n" in row.partition("\t")[2]


def _same_name(module: str) -> ImportNames | None:
    project = canonicalize_name(module)
    if module in sys.stdlib_module_names or not known_pypi(project):
        return None
    return ImportNames(module=module, pypi=(project,), conda=conda_names(project), confidence=Confidence.GUESS)


def _provided(module: str, row: str) -> ImportNames | None:
    """Read a row of the table of imports: projects, then ``!`` if a person checked it, ``n`` for a namespace."""
    projects, _, marks = row.partition("\t")
    pypi = _expand(projects, same=canonicalize_name(module))
    if not pypi:
        return None
    conda = tuple(dict.fromkeys(name for project in pypi for name in conda_names(project)))
    confidence = Confidence.CHECKED if "!" in marks else Confidence.TABLE
    return ImportNames(module=module, pypi=pypi, conda=conda, confidence=confidence)


def imports_of(pypi_name: str) -> tuple[str, ...]:
    """The modules, dotted ones included, that a PyPI project is known to have; no namespaces, which are many's.

    The tables hold an import's first few projects, so what they don't say of a project it may have all the same.
    """
    name = canonicalize_name(pypi_name)
    found = [key for key, value in _IMPORTS.lines_with(name) if name in value.partition("\t")[0].split(",")]
    spelled = (name.replace("-", "_"), name.replace("-", "."))  # ``=`` stands for the key's own name
    found += (key for key in spelled if "=" in (_IMPORTS.get(key) or "").partition("\t")[0].split(","))
    return tuple(key for key in dict.fromkeys(found) if not is_namespace(key))


def all_names(ecosystem: Ecosystem) -> tuple[str, ...]:
    """Every name the tables hold in one ecosystem, sorted."""
    return (_CONDA if ecosystem is Ecosystem.CONDA else _PYPI).keys


def near(name: str, *, ecosystem: Ecosystem, limit: int = 3) -> tuple[str, ...]:
    """Known names that ``name`` may stand for, most likely first.

    First what the thing is called here if ``name`` is its import name or its name in the other ecosystem
    (``sklearn``, ``torch`` in a channel), then names that it may be a slip of.
    """
    provided = for_import(name)
    if ecosystem is Ecosystem.PYPI:
        typed: str = canonicalize_name(name)
        called = (*(provided.pypi if provided else ()), *(pypi_names(name) or ()))
    else:
        typed = name.lower()
        called = (*conda_names(name), *(provided.conda if provided else ()))
    slips = nearest(typed, _name_set(ecosystem), favourites=popular(ecosystem), limit=limit)
    return tuple(dict.fromkeys(found for found in (*called, *slips) if found != typed))[:limit]


@cache
def _name_set(ecosystem: Ecosystem) -> frozenset[str]:
    return frozenset(all_names(ecosystem))


@cache
def popular(ecosystem: Ecosystem) -> frozenset[str]:
    """A few names that many people type: what a search or a slip most likely means."""
    if ecosystem is Ecosystem.PYPI:
        return frozenset(_POPULAR.keys)
    return frozenset(name for project in _POPULAR.keys for name in conda_names(project)[:1])


def provenance() -> tuple[Provenance, ...]:
    """Where each table comes from and when it was made."""
    return tuple(
        Provenance(table=table.path.stem, source=table.header["source"], date=table.header["date"])
        for table in (_CONDA, _PYPI, _IMPORTS)
    )


def _expand(names: str, *, same: str) -> tuple[str, ...]:
    """Read one cell: names with commas between them, ``=`` for the key's own."""
    return tuple(same if name == "=" else name for name in names.split(",") if name)

"""Make the shipped name tables from their sources: ``python tools/refresh_names.py CONDA_TABLE IMPORT_TABLE``.

``CONDA_TABLE``
    ``{"channel", "date", "source", "pypi_names_by_conda_name": {conda name: [PyPI name, …] | null}}``: what
    prefix-dev/parselmouth publishes (``files/v0/conda-forge/compressed_mapping.json``, BSD-3-Clause), with its date.
``IMPORT_TABLE``
    ``{"source", "rows": [{"import_name", "pypi_name", "conda_name", "origin"}]}``: the mapping that conda-forge's bot
    keeps (regro/cf-graph, BSD-3-Clause).

Hand-checked facts in ``names_corrections.toml`` are laid over both. The result is three sorted text tables and a list
of often typed names in ``jupyter_pkgmgr/names/data``, which :mod:`jupyter_pkgmgr.names` searches without parsing them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parent
CORRECTIONS = HERE / "names_corrections.toml"
TARGET = HERE.parent / "jupyter_pkgmgr" / "names" / "data"
SAME = "="
"""Stands for the same name (PEP 503) in the other ecosystem: most of the rows, in one byte."""

Names = dict[str, list[str]]
Corrections = dict[str, Any]


def clean_conda(table: Mapping[str, list[str] | None], corrections: Corrections) -> Names:
    """Say what each conda package is on PyPI; an empty list means that nothing shows a counterpart there.

    The source lists every distribution found in any build of the package, so one that vendors its
    dependencies seems to be all of them. Kept is the name it shares with the package; where there is none,
    the names that no other package is the home of, or that look like the package's own.
    """
    canonical: Names = {conda: [canonicalize_name(name) for name in names or []] for conda, names in table.items()}
    homes = _homes(canonical)
    cleaned = {conda: _own_names(conda, names, homes, corrections) for conda, names in canonical.items()}
    _fill_aliases(cleaned)
    return cleaned


def _homes(table: Names) -> dict[str, set[str]]:
    """PyPI name -> the conda packages that are certainly it: same name, or nothing else in them."""
    homes: dict[str, set[str]] = defaultdict(set)
    for conda, names in table.items():
        for name in names:
            if name == canonicalize_name(conda) or len(names) == 1:
                homes[name].add(conda)
    return homes


def _own_names(conda: str, names: list[str], homes: Mapping[str, set[str]], corrections: Corrections) -> list[str]:
    own = canonicalize_name(conda)
    names = [name for name in names if name == own or not _is_vendored(name, corrections)]
    if len(names) < 2:  # noqa: PLR2004
        return names
    without_home = [name for name in names if not homes[name] - {conda}]
    if own in names:
        names = [own, *(name for name in without_home if name != own)]
        return sorted(names, key=lambda name: not _is_binding(own, name))
    return without_home or [name for name in names if name in own or own in name]


def _is_binding(conda: str, project: str) -> bool:
    """Whether the conda name only says "for Python": ``msgpack-python`` is the project ``msgpack``."""
    return conda in (f"python-{project}", f"{project}-python", f"{project}-py")


def _is_vendored(name: str, corrections: Corrections) -> bool:
    return name in corrections["vendored"] or any(
        fnmatch(name, pattern) for pattern in corrections["vendored_patterns"]
    )


def _fill_aliases(table: Names) -> None:
    """Give empty packages their names where another package shows that they are the same thing.

    ``typing-extensions`` only depends on ``typing_extensions``; ``vtk`` is what pulls in ``vtk-base``.
    """
    spellings: dict[str, list[str]] = defaultdict(list)
    for conda, names in table.items():
        if canonicalize_name(conda) in names:
            spellings[canonicalize_name(conda)].append(conda)
    for conda, names in table.items():
        own = canonicalize_name(conda)
        parts = (f"{conda}-base", f"{conda}-core")
        if not names and (own in spellings or any(own in table.get(part, ()) for part in parts)):
            table[conda] = [own]


def fill_from_imports(table: Names, rows: Iterable[Mapping[str, str]]) -> None:
    """Give packages without names the name they share with the project whose module they are said to provide."""
    for row in rows:
        conda, project = row["conda_name"], canonicalize_name(row["pypi_name"])
        own = canonicalize_name(conda)
        if table.get(conda) == [] and (own == project or _is_binding(own, project)):
            table[conda] = [project]


def reverse(conda: Names, corrections: Corrections) -> Names:
    """PyPI name -> conda packages that are it, best first."""
    found: Names = defaultdict(list)
    for name, projects in conda.items():
        for project in projects:
            found[canonicalize_name(project)].append(name)
    reversed_ = {
        project: sorted(names, key=lambda name: _rank(project, name, conda)) for project, names in found.items()
    }
    for project, names in corrections["pypi"].items():
        rest = [name for name in reversed_.get(project, []) if name not in names]
        reversed_[project] = [*names, *rest]
    for project in _mentioned(corrections):
        reversed_.setdefault(project, [])
    return reversed_


def _rank(project: str, name: str, conda: Names) -> tuple[int, int, str]:
    """Order candidates: the same name, then the usual ways to name a binding, then packages that are nothing else."""
    own = canonicalize_name(name)
    usual = {f"python-{project}", f"{project}-python", f"py-{project}", f"py{project}", f"{project}-py"}
    if own == project:
        place = 0 if name == project else 1
    elif own in usual:
        place = 2
    elif conda[name] == [project] and not own.startswith(("lib", "_")):
        place = 3
    else:
        place = 4
    return (place, len(name), name)


def _mentioned(corrections: Corrections) -> set[str]:
    projects = {name for names in corrections["imports"].values() for name in names}
    projects |= {name for names in corrections["conda"].values() for name in names} | set(corrections["pypi"])
    return {canonicalize_name(name) for name in projects | set(corrections["popular"])}


def imports(rows: Iterable[Mapping[str, str]], corrections: Corrections) -> Names:
    """Import name -> PyPI projects that provide it, best first; none for a namespace that nobody owns."""
    found: Names = defaultdict(list)
    dropped = {*corrections["meaningless_imports"], *corrections["namespaces"], *sys.stdlib_module_names}
    for row in rows:
        module, project = row["import_name"], canonicalize_name(row["pypi_name"])
        if module not in dropped and project not in found[module]:
            found[module].append(project)
    table = {module: _best_providers(module, projects) for module, projects in found.items()}
    table |= {module: [] for module in corrections["namespaces"]}
    return table | {module: list(map(canonicalize_name, names)) for module, names in corrections["imports"].items()}


def marks(module: str, corrections: Corrections) -> str:
    """``!`` where a person checked the row, ``n`` for a namespace package."""
    checked = module in corrections["imports"]
    return ("!" if checked else "") + ("n" if module in corrections["namespaces"] else "")


def _best_providers(module: str, projects: list[str]) -> list[str]:
    """Without the distributions that only vendor a module whose own project is among them."""
    own = canonicalize_name(module)
    if own in projects:
        return [own, *(name for name in projects if name != own and own in name)]
    return sorted(projects, key=lambda name: (name not in (f"python-{own}", f"py{own}", f"{own}-python"), len(name)))


def shorten(key: str, values: Iterable[str]) -> str:
    """One cell: the values, with ``=`` for the key's own canonical name."""
    own = canonicalize_name(key)
    return ",".join(SAME if value == own else value for value in values)


def write(path: Path, header: Mapping[str, str], lines: Iterable[str]) -> None:
    """Write a table: a header of ``# key: value`` lines, then rows sorted by their bytes."""
    rows = sorted(line.encode() for line in lines)
    head = "".join(f"# {key}: {value}\n" for key, value in header.items())
    path.write_bytes(head.encode() + b"".join(row + b"\n" for row in rows))


def main(argv: list[str] | None = None) -> None:
    """Read the sources, write the tables, and say how many rows they have."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("conda_table", type=Path)
    parser.add_argument("import_table", type=Path)
    parser.add_argument("--corrections", type=Path, default=CORRECTIONS)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args(argv)
    source = json.loads(options.conda_table.read_text(encoding="utf-8"))
    import_source = json.loads(options.import_table.read_text(encoding="utf-8"))
    corrections = tomllib.loads(options.corrections.read_text(encoding="utf-8"))
    conda = clean_conda(source["pypi_names_by_conda_name"], corrections)
    fill_from_imports(conda, import_source["rows"])
    conda |= {name: list(map(canonicalize_name, found)) for name, found in corrections["conda"].items()}
    projects = reverse(conda, corrections)
    modules = imports(import_source["rows"], corrections)
    options.target.mkdir(parents=True, exist_ok=True)
    header = {"channel": source["channel"], "date": source["date"], "source": source["source"]}
    import_header = {"date": source["date"], "source": import_source["source"]}
    write(options.target / "conda.tsv", header, (f"{name}\t{shorten(name, conda[name])}" for name in conda))
    write(options.target / "pypi.tsv", header, (f"{name}\t{shorten(name, projects[name])}" for name in projects))
    write(
        options.target / "imports.tsv",
        import_header,
        (f"{name}\t{shorten(name, modules[name])}\t{marks(name, corrections)}".rstrip("\t") for name in modules),
    )
    write(options.target / "popular.tsv", {}, corrections["popular"])
    print(f"{len(conda)} conda names, {len(projects)} PyPI names, {len(modules)} import names")


if __name__ == "__main__":
    main()

"""The script that makes the tables, on sources with every kind of wrong row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_pkgmgr.names.table import Table

SCRIPT = Path(__file__).parents[2] / "tools" / "refresh_names.py"

CONDA = {
    "numpy": ["numpy"],
    "click": ["click"],
    "greedy": ["click", "greedy", "numpy"],
    "greedy-core": ["click", "greedy", "pip"],
    "broken": ["pip", "unknown"],
    "tool": None,
    "python-tool": ["tool"],
    "whole": None,
    "whole-base": ["whole"],
    "under_score": ["under-score"],
    "under-score": None,
    "thing-python": ["thing", "thing-python"],
    "corrected": ["wrong"],
    "silent": None,
}
ROWS = [
    ("np", "numpy", "numpy"),
    ("numpy", "greedy", "greedy"),
    ("numpy", "numpy", "numpy"),
    ("os", "greedy", "greedy"),
    ("tests", "greedy", "greedy"),
    ("space", "numpy", "numpy"),
    ("space.part", "space-part", "space-part"),
    ("silent", "silent", "silent"),
]
CORRECTIONS = """
vendored = ["pip", "unknown"]
vendored_patterns = ["*-unknown"]
meaningless_imports = ["tests"]
namespaces = ["space"]
popular = ["numpy"]
[conda]
corrected = ["Right_One"]
[pypi]
numpy = ["numpy"]
[imports]
Corrected = ["Right.One"]
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    folder = tmp_path_factory.mktemp("names")
    conda = {"channel": "c", "date": "2020-01-02", "source": "s (BSD)", "pypi_names_by_conda_name": CONDA}
    (folder / "conda.json").write_text(json.dumps(conda))
    rows = [{"import_name": i, "pypi_name": p, "conda_name": c, "origin": "regro-bot"} for i, p, c in ROWS]
    (folder / "imports.json").write_text(json.dumps({"source": "t (BSD)", "rows": rows}))
    (folder / "corrections.toml").write_text(CORRECTIONS)
    argv = [sys.executable, str(SCRIPT), str(folder / "conda.json"), str(folder / "imports.json")]
    argv += ["--corrections", str(folder / "corrections.toml"), "--target", str(folder / "out")]
    subprocess.run(argv, check=True, capture_output=True)
    return {name: Table(folder / "out" / f"{name}.tsv") for name in ("conda", "pypi", "imports", "popular")}


@pytest.mark.parametrize(
    ("conda", "cell"),
    [
        ("numpy", "="),
        ("greedy", "="),
        ("greedy-core", "greedy"),
        ("broken", ""),
        ("tool", ""),
        ("python-tool", "tool"),
        ("whole", "="),
        ("under_score", "="),
        ("under-score", "="),
        ("thing-python", "thing,="),
        ("corrected", "right-one"),
        ("silent", "="),
    ],
)
def test_conda_rows_are_cleaned(tables: dict[str, Table], conda: str, cell: str) -> None:
    assert tables["conda"].get(conda) == cell


@pytest.mark.parametrize(
    ("project", "cell"),
    [
        ("numpy", "="),
        ("greedy", "=,greedy-core"),
        ("tool", "python-tool"),
        ("whole", "=,whole-base"),
        ("under-score", "=,under_score"),
        ("right-one", "corrected"),
        ("pip", None),
        ("wrong", None),
    ],
)
def test_the_other_direction_is_ranked(tables: dict[str, Table], project: str, cell: str | None) -> None:
    assert tables["pypi"].get(project) == cell


@pytest.mark.parametrize(
    ("module", "row"),
    [
        ("np", "numpy"),
        ("numpy", "="),
        ("os", None),
        ("tests", None),
        ("space", "\tn"),
        ("space.part", "="),
        ("Corrected", "right-one\t!"),
    ],
)
def test_import_rows_are_cleaned(tables: dict[str, Table], module: str, row: str | None) -> None:
    assert tables["imports"].get(module) == row


def test_the_header_keeps_origin_and_date(tables: dict[str, Table]) -> None:
    assert tables["conda"].header == {"channel": "c", "date": "2020-01-02", "source": "s (BSD)"}
    assert tables["imports"].header == {"date": "2020-01-02", "source": "t (BSD)"}
    assert tables["popular"].keys == ("numpy",)

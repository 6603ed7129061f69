"""The benchmarks can be run; what they say is the machine's business."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import main, slowest
from benchmarks.growth import SERIES, write_channel
from benchmarks.install import CONDA_PEERS
from benchmarks.measure import Comparison, Workshop, compare, take_turns
from benchmarks.plot import plot
from benchmarks.rows import ROWS
from benchmarks.tables import machine, markdown, to_json
from testbed.channel import SUBDIR

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_table_has_every_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--folder", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "table.json").read_text())
    lines = document["rows"]
    assert {line["row"] for line in lines} == {*ROWS}
    assert all((line["value"] is None) is bool(line["skipped"]) for line in lines)
    for name in CONDA_PEERS:
        (line,) = (line for line in lines if line["peer"] == f"{name} install")
        assert line["skipped"] == ("" if shutil.which(name) else f"{name} is not on PATH")
    table = (tmp_path / "table.md").read_text()
    assert sum(line.endswith("` |") for line in table.splitlines()) == len(lines)
    assert table in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    assert main(["--quick", "--growth", "--folder", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "growth.json").read_text())
    assert {*document["series"]} == {*SERIES}
    for name, series in document["series"].items():
        assert all(len(line) == len(series["sizes"]) for line in series["lines"].values())
        assert ET.parse(tmp_path / f"growth-{name}.svg").getroot().tag == f"{SVG}svg"  # noqa: S314  our own


@pytest.mark.slow
def test_a_row_is_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--profile", "list", "--folder", str(tmp_path)]) == 0
    assert "read_inventory" in capsys.readouterr().out
    assert (tmp_path / "list.pstats").stat().st_size > 0


# --- what the figures mean -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "ours", "theirs", "value", "kept"),
    [
        ("ratio", [1.0, 2.0, 9.0], [2.0, 4.0, 9.0], 0.5, True),
        ("ratio", [4.0], [1.0], 4.0, False),
        ("ms", [0.001, 0.002, 0.003], [], 2.0, False),
        ("count", [0, 0], [], 0, True),
        ("count", [1, 1], [], 2, False),
    ],
)
def test_a_promise_is_judged(unit: Any, ours: list[float], theirs: list[float], value: float, *, kept: bool) -> None:
    comparison = Comparison(what="x", unit=unit, promise=0.6, ours=ours, theirs=theirs)
    assert comparison.value == value
    assert comparison.kept is kept


def test_a_peer_that_is_absent_is_named() -> None:
    one, two = compare("x", {"ours": [1.0], "uv run": [2.0]}, {"uv run": 1, "conda run": 0.2}, absent=["conda run"])
    assert (one.value, one.kept) == (0.5, True)
    assert (two.value, two.kept, two.skipped) == (None, None, "conda is not on PATH")
    assert "| ≤ 1/5 | left out: conda is not on PATH |" in markdown(document(two))


@pytest.mark.parametrize(
    ("comparison", "cells"),
    [
        (
            Comparison(what="x", unit="ratio", promise=0.02, ours=[0.009], theirs=[0.69], peer="%pip"),
            "| x | `%pip` | ≤ 1/50 | 1/77 | yes | 9.0 / 9.0 / 9.0 | 690 / 690 / 690 | `row` |",
        ),
        (
            Comparison(what="x", unit="ratio", promise=1.3, ours=[0.16], theirs=[0.1], peer="uv"),
            "| x | `uv` | ≤ 1.3 × | 1.6 × | **no** | 160 / 160 / 160 | 100 / 100 / 100 | `row` |",
        ),
        (
            Comparison(what="x", unit="ratio", promise=None, ours=[0.16], theirs=[0.1], peer="uv"),
            "| x | `uv` | 1.6 × | 160 / 160 / 160 | 100 / 100 / 100 | `row` |",
        ),
        (
            Comparison(what="x", unit="ms", promise=500, ours=[0.1, 0.2071, 1.3]),
            "| x | – | ≤ 500 ms | 207 ms | yes | 100 / 207 / 1,300 | – | `row` |",
        ),
        (Comparison(what="x", unit="count", promise=0, ours=[1, 2]), "| x | – | 0 | 3 | **no** | – | – | `row` |"),
    ],
)
def test_the_table_says_what_was_measured(comparison: Comparison, cells: str) -> None:
    assert cells in markdown(document(comparison)).splitlines()


def document(comparison: Comparison) -> dict[str, Any]:
    about = {
        "date": "2026-01-02T",
        "python": "3",
        "system": "S",
        "processors": 2,
        "load": 0.0,
        "tools": {},
        "absent": [],
    }
    return {"machine": about, "rounds": 1, "rows": [to_json("row", comparison)]}


def test_the_machine_is_named_without_its_folders() -> None:
    about = machine()
    assert about["tools"]["uv"][0].isdigit()
    assert all("/" not in version for version in about["tools"].values())


def test_contestants_take_turns_and_the_first_round_only_warms() -> None:
    said: list[str] = []

    def run(name: str) -> float:
        said.append(name)
        return float(len(said))

    times = take_turns(2, {"a": lambda: run("a"), "b": lambda: run("b")}, reset=lambda: said.append("-"))
    assert "".join(said) == "-a-b" * 3
    assert times == {"a": [6.0, 10.0], "b": [8.0, 12.0]}


def test_the_slowest_is_what_used_most_of_its_promise() -> None:
    lines: list[dict[str, Any]] = [
        {"row": "list", "value": 0.04, "promise": 0.05},
        {"row": "undo", "value": 900.0, "promise": 500},
        {"row": "undo", "value": 1.0, "promise": 500},
        {"row": "panel", "value": 1e9, "promise": 1},
        {"row": "conda", "value": None, "promise": 0.7},
    ]
    assert slowest(lines) == "undo"
    with pytest.raises(SystemExit, match="none of these rows can be profiled"):
        slowest(lines[3:])


def test_a_benchmark_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    workshop = Workshop(root=tmp_path, rounds=1, quick=True, index_url="")
    before = dict(os.environ)
    with workshop.isolated("x") as root:
        assert "PIP_INDEX_URL" not in os.environ
        assert os.environ["UV_CACHE_DIR"] == str(root / "uv-cache")
    assert dict(os.environ) == before


def test_a_synthetic_channel_has_records_that_need_one_another(tmp_path: Path) -> None:
    write_channel(tmp_path, 200)
    content = json.loads((tmp_path / "noarch" / "repodata.json").read_text())["packages.conda"]
    assert len(content) == 200
    names = {record["name"] for record in content.values()}
    needs = {need.split()[0] for record in content.values() for need in record["depends"]}
    assert "grow-0" in names & needs
    assert needs <= names | {"python"}
    assert json.loads((tmp_path / SUBDIR / "repodata.json").read_text())["packages.conda"] == {}


def test_a_plot_goes_up_where_cost_grows() -> None:
    root = ET.fromstring(plot("T <1>", "things", [1, 10, 100], {"ours": [0.001, 0.01, 0.1], "flat": [0.02] * 3}))  # noqa: S314
    ours, flat = (
        [point.split(",") for point in line.get("points", "").split()] for line in root.iter(f"{SVG}polyline")
    )
    assert [x for x, _ in ours] == [x for x, _ in flat]
    heights = [float(y) for _, y in ours]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)
    assert len({y for _, y in flat}) == 1
    assert {"T <1>", "things", "ours", "flat"} <= {text.text for text in root.iter(f"{SVG}text")}

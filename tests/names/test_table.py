"""A table is searched where it lies: every key is found, nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.names.table import Table


def table(folder: Path, text: str) -> Table:
    path = folder / "table.tsv"
    path.write_text(text, encoding="utf-8")
    return Table(path)


def test_every_key_of_tables_of_every_size_is_found(tmp_path: Path) -> None:
    for size in range(12):
        keys = [f"k{number * 2:02}" for number in range(size)]
        found = table(tmp_path, "# source: x: y\n# date: d\n" + "".join(f"{key}\tvalue of {key}\n" for key in keys))
        assert found.header == {"source": "x: y", "date": "d"}
        assert found.keys == tuple(keys)
        assert [found.get(key) for key in keys] == [f"value of {key}" for key in keys]
        assert [found.get(f"k{number * 2 + 1:02}") for number in range(-1, size)] == [None] * (size + 1)


@pytest.mark.parametrize("key", ["", "a\tb", "a\n", "ä", "b", "A", "aa"])
def test_what_is_not_there_is_none(tmp_path: Path, key: str) -> None:
    assert table(tmp_path, "a\tb\nab\tc\n").get(key) is None


def test_a_value_may_be_empty_or_have_columns(tmp_path: Path) -> None:
    found = table(tmp_path, "a\t\nb\tx,y\t!\n")
    assert found.get("a") == ""
    assert found.get("b") == "x,y\t!"

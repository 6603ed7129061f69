"""The format of ``conda-meta/history``: a contract with conda and mamba that always runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.conda_history import append_revision, current_dists
from jupyter_pkgmgr.environments.history import read_history

FORGE = "conda-forge/noarch::"

CONDA_WROTE = """\
==> 2026-11-22 14:06:14 <==
# cmd: /opt/conda/bin/conda create -n env six
# conda version: 26.7.2
+conda-forge/noarch::six-1.16.0-pyhd8ed1ab_0
+conda-forge/linux-64::libgcc-12.2.0-h0db93bf_0
# update specs: ['six']
"""
"""From a recorded run of conda 26.7."""


def test_the_whole_format(tmp_path: Path) -> None:
    path = tmp_path / "conda-meta" / "history"
    append_revision(path, dists=[f"{FORGE}six-1.16.0-0"], command="jupyter pkg install six", update_specs=["six"])
    append_revision(
        path,
        dists=[f"{FORGE}six-1.17.0-0"],
        command="jupyter pkg update",
        neutered_specs=["six==1.17.0"],
    )
    append_revision(path, dists=[], command="jupyter pkg remove six", remove_specs=["six"])
    text = re.sub(r"==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==", "==> DATE <==", path.read_text(encoding="utf-8"))
    assert text == (
        "==> DATE <==\n"
        "# cmd: jupyter pkg install six\n"
        "# conda version: 3.8.0\n"
        "+conda-forge/noarch::six-1.16.0-0\n"
        "# update specs: ['six']\n"
        "==> DATE <==\n"
        "# cmd: jupyter pkg update\n"
        "# conda version: 3.8.0\n"
        "-conda-forge/noarch::six-1.16.0-0\n"
        "+conda-forge/noarch::six-1.17.0-0\n"
        "# neutered specs: ['six==1.17.0']\n"
        "==> DATE <==\n"
        "# cmd: jupyter pkg remove six\n"
        "# conda version: 3.8.0\n"
        "-conda-forge/noarch::six-1.17.0-0\n"
        "# remove specs: ['six']\n"
    )


def test_it_continues_what_conda_wrote(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text(CONDA_WROTE, encoding="utf-8")
    dists = [f"{FORGE}six-1.17.0-0", "conda-forge/linux-64::libgcc-12.2.0-h0db93bf_0"]
    append_revision(path, dists=dists, command="c", update_specs=["six"])
    assert path.read_text(encoding="utf-8").startswith(CONDA_WROTE)
    history = read_history(path)
    assert history.state() == set(dists)
    assert history.revisions[1].lines == (f"-{FORGE}six-1.16.0-pyhd8ed1ab_0", f"+{FORGE}six-1.17.0-0")
    assert history.requested_specs() == {"six": "six"}


def test_the_spelling_of_a_channel_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "history"
    mamba = "https://conda.anaconda.org/conda-forge/noarch::six-1.16.0-0"
    path.write_text(f"==> 2026-01-01 00:00:00 <==\n# cmd: mamba install six\n+{mamba}\n", encoding="utf-8")
    append_revision(path, dists=[f"{FORGE}six-1.16.0-0", f"{FORGE}new-1.0-0"], command="c")
    assert read_history(path).revisions[1].lines == (f"+{FORGE}new-1.0-0",)
    append_revision(path, dists=[f"{FORGE}new-1.0-0"], command="c")
    assert read_history(path).revisions[2].lines == (f"-{mamba}",)


def test_no_credentials_and_no_second_line(tmp_path: Path) -> None:
    path = tmp_path / "history"
    spec = "https://user:secret@host/t/to-ken/c::x"
    append_revision(path, dists=[], command=f"jupyter pkg install\n==> fake {spec}", update_specs=[spec])
    text = path.read_text(encoding="utf-8")
    assert "secret" not in text
    assert "to-ken" not in text
    assert len(read_history(path).revisions) == 1


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"channel": "https://host/forge/", "subdir": "noarch"}, "HOST/forge/noarch::x-1.0-0"),
        ({"channel": "https://host/forge/linux-64", "subdir": "linux-64"}, "HOST/forge/linux-64::x-1.0-0"),
        ({"channel": "conda-forge", "subdir": "noarch"}, "conda-forge/noarch::x-1.0-0"),
        ({"channel": None, "subdir": "noarch"}, "<unknown>/noarch::x-1.0-0"),
    ],
)
def test_records_as_the_history_names_them(tmp_path: Path, record: dict[str, object], expected: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    whole = {"name": "x", "version": "1.0", "build": "0", **record}
    (tmp_path / "conda-meta" / "x-1.0-0.json").write_text(json.dumps(whole), encoding="utf-8")
    found = current_dists(tmp_path, lambda url: url.replace("https://host", "HOST"))
    assert found == {expected}

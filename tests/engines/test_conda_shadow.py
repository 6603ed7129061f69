"""The shadow of a conda prefix: what a dry run of the second step looks at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.conda_shadow import shadow
from jupyter_pkgmgr.environments import read_history

HISTORY = """\
==> 2026-11-22 12:00:00 <==
# cmd: conda create -p /demo six needs-six click
# conda version: 26.7.0
+http://channel/noarch::six-1.17.0-0
+http://channel/noarch::needs-six-1.0-0
+http://channel/noarch::click-8.1.7-0
# update specs: ['six', 'needs-six', 'click']
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    meta = tmp_path / "demo" / "conda-meta"
    meta.mkdir(parents=True)
    for name, version in (("six", "1.17.0"), ("needs-six", "1.0"), ("click", "8.1.7")):
        record = {
            "name": name,
            "version": version,
            "build": "0",
            "subdir": "noarch",
            "channel": "http://channel/noarch",
        }
        (meta / f"{name}-{version}-0.json").write_text(json.dumps(record), encoding="utf-8")
    (meta / "history").write_text(HISTORY, encoding="utf-8")
    return meta.parent


def test_it_is_the_prefix_without_what_goes(prefix: Path) -> None:
    with shadow(prefix, ["six", "Needs-Six"], asked=["six"]) as found:
        assert sorted(path.name for path in found.iterdir()) == ["conda-meta"]
        assert sorted(path.name for path in found.joinpath("conda-meta").iterdir()) == ["click-8.1.7-0.json", "history"]
        assert json.loads(found.joinpath("conda-meta/click-8.1.7-0.json").read_bytes())["version"] == "8.1.7"
        history = read_history(found / "conda-meta" / "history")
        assert history.state() == {"http://channel/noarch::click-8.1.7-0"}
        assert history.requested_specs(installed=["click"]) == {"click": "click"}
        assert history.revisions[-1].remove_specs == ("six",)
    assert not found.exists()


def test_settings_of_the_prefix_hold_in_it(prefix: Path) -> None:
    texts = {".condarc": "channels: [a]\n", "condarc.d/more.yml": "offline: true\n", "conda-meta/pinned": "click 8.*\n"}
    for name, text in texts.items():
        (prefix / name).parent.mkdir(exist_ok=True)
        (prefix / name).write_text(text, encoding="utf-8")
    with shadow(prefix, ["six"], asked=["six"]) as found:
        assert {name: (found / name).read_text(encoding="utf-8") for name in texts} == texts


def test_what_is_written_to_it_reaches_nothing_of_the_prefix(prefix: Path) -> None:
    (prefix / "conda-meta" / "pinned").write_text("click 8.*\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in prefix.rglob("*") if path.is_file()}
    with shadow(prefix, ["six"], asked=["six"]) as found:
        for name in ("history", "pinned"):
            with (found / "conda-meta" / name).open("a", encoding="utf-8") as file:
                file.write("more\n")
    assert {path: path.read_bytes() for path in prefix.rglob("*") if path.is_file()} == before

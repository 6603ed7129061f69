from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment

from jupyter_pkgmgr.environments import probe as probe_module
from jupyter_pkgmgr.environments.probe import probe
from jupyter_pkgmgr.model.errors import EnvironmentProblem
from testbed.environments import available_interpreters, make_venv

QUESTION = """
import json, site, sys, sysconfig
print(json.dumps([sys.prefix, sys.base_prefix, "%d.%d.%d" % sys.version_info[:3], sysconfig.get_path("purelib"),
    sysconfig.get_path("platlib"), sysconfig.get_path("scripts"), sysconfig.get_path("stdlib"),
    [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]]))
"""


@pytest.fixture(autouse=True)
def nothing_remembered(clean_settings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(probe_module, "remembered", {})
    return clean_settings


def cached(home: Path) -> list[Path]:
    return sorted((home / ".cache" / "jupyter_pkgmgr" / "interpreters").glob("*.json"))


@pytest.mark.parametrize("minor", available_interpreters())
def test_every_interpreter_says_of_itself_what_it_is(minor: str) -> None:
    executable = available_interpreters()[minor]
    answer = subprocess.check_output([executable, "-c", QUESTION], cwd="/", text=True)
    prefix, base_prefix, version, purelib, platlib, scripts, stdlib, search_path = json.loads(answer)
    facts = probe(executable)
    assert (facts.prefix, facts.base_prefix, facts.version) == (prefix, base_prefix, version)
    assert (facts.purelib, facts.platlib, facts.scripts, facts.stdlib) == (purelib, platlib, scripts, stdlib)
    assert list(facts.search_path) == search_path
    assert dict(facts.markers)["python_version"] == minor


def test_markers_are_those_of_packaging() -> None:
    assert dict(probe(Path(sys.executable)).markers) == {
        name: value for name, value in default_environment().items() if name != "extra"
    }


def test_the_answer_survives_the_process(tmp_path: Path, nothing_remembered: Path) -> None:
    executable = make_venv(tmp_path / "venv")
    first = probe(executable)
    (file,) = cached(nothing_remembered)
    file.write_text(file.read_text().replace(first.version, "9.9.9"))
    assert probe(executable) == first  # this process remembers
    probe_module.remembered.clear()
    assert probe(executable).version == "9.9.9"  # the disk remembers: nothing was started


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"schema": 99}', b'{"schema": 1}', b"\xff\xfe", b"null"])
def test_garbage_in_the_cache_is_replaced(tmp_path: Path, nothing_remembered: Path, garbage: bytes) -> None:
    executable = make_venv(tmp_path / "venv")
    first = probe(executable)
    (file,) = cached(nothing_remembered)
    file.write_bytes(garbage)
    probe_module.remembered.clear()
    assert probe(executable).version == first.version
    assert json.loads(file.read_bytes())["version"] == first.version


def test_a_cache_that_can_not_be_written_costs_nothing_but_time(tmp_path: Path, nothing_remembered: Path) -> None:
    executable = make_venv(tmp_path / "venv")
    shutil.rmtree(nothing_remembered / ".cache", ignore_errors=True)
    (nothing_remembered / ".cache").write_text("a file where the folder should be")
    assert probe(executable).prefix == str(tmp_path / "venv")


def test_a_venv_made_again_in_the_same_place_is_asked_again(tmp_path: Path) -> None:
    minors = list(available_interpreters())
    if len(minors) == 1:
        pytest.skip("one interpreter only")
    one, other = (available_interpreters()[minor] for minor in (minors[0], minors[-1]))
    executable = make_venv(tmp_path / "venv", one)
    first = probe(executable).version
    shutil.rmtree(tmp_path / "venv")
    assert probe(make_venv(tmp_path / "venv", other)).version != first


def test_user_site(nothing_remembered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = Path(getattr(sys, "_base_executable", sys.executable))
    before = probe(system)
    assert before.user_site.startswith(str(nothing_remembered))
    assert before.user_site not in before.search_path  # site leaves out what doesn't exist
    Path(before.user_site).mkdir(parents=True)
    assert before.user_site in probe(system).search_path  # it came into being: the cache noticed
    assert probe(make_venv(tmp_path / "venv", system)).user_site == ""
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    assert probe(system).user_site == ""
    monkeypatch.delenv("PYTHONNOUSERSITE")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "elsewhere"))
    assert probe(system).user_site.startswith(str(tmp_path / "elsewhere"))


def test_pythonpath_is_no_part_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    facts = probe(make_venv(tmp_path / "venv"))
    assert facts.search_path == (facts.purelib,)


def test_what_a_sitecustomize_prints_is_no_answer(tmp_path: Path) -> None:
    executable = make_venv(tmp_path / "venv")
    probed = probe(executable)
    Path(probed.purelib, "sitecustomize.py").write_text("print('welcome to this machine')")
    probe_module.remembered.clear()
    for file in cached(Path(os.environ["HOME"])):
        file.unlink()
    assert probe(executable).prefix == probed.prefix


def script(folder: Path, text: str, mode: int = 0o755) -> Path:
    path = folder / "python"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("text", "mode", "note"),
    [
        ("#!/bin/sh\nexit 3\n", 0o755, "it ended with 3"),
        ("#!/bin/sh\necho 'no module' >&2; exit 1\n", 0o755, "no module"),
        ("#!/bin/sh\nexit 0\n", 0o755, "it printed nothing"),
        ("#!/bin/sh\necho hello\n", 0o755, "it is no JSON"),
        ("#!/bin/sh\necho '{}'\n", 0o755, "its schema is None"),
        ("#!/nowhere/interpreter\n", 0o755, "No such file"),
        ("no program", 0o644, "not executable"),
        ("\x00\x01", 0o755, "Exec format error"),
    ],
)
def test_what_is_no_python_is_said_to_be_none(tmp_path: Path, text: str, mode: int, note: str) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        probe(script(tmp_path, text, mode))
    assert note in (caught.value.note or "")
    assert caught.value.hint


def test_a_link_to_nowhere_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(tmp_path / "gone")
    for path in (tmp_path / "python", tmp_path, tmp_path / "missing"):
        with pytest.raises(EnvironmentProblem) as caught:
            probe(path)
        assert caught.value.reference == "broken-interpreter"

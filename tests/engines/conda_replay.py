"""Recorded runs, and an executable that replays them, so that the drivers' whole way is tested."""

from __future__ import annotations

import json
import lzma
import stat
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.engines.conda import CondaEngine
from jupyter_pkgmgr.engines.conda_family import CondaFamilyEngine
from jupyter_pkgmgr.engines.conda_output import Answer, parse_answer
from jupyter_pkgmgr.engines.mamba import MambaEngine
from jupyter_pkgmgr.engines.micromamba import MicromambaEngine
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.model import (
    Cancellation,
    Ecosystem,
    EnginePlan,
    Environment,
    EnvironmentKind,
    Options,
    Package,
    Policy,
    Verb,
    ignore_events,
)

FOLDER = Path(__file__).parents[1] / "transcripts"
CONDAS = ("conda-24.1.2", "conda-25.11.1", "conda-26.7")
MAMBAS = ("mamba-2.8.1", "micromamba-2.8.1")
RELEASES = (*CONDAS, *MAMBAS)
ENGINES: dict[str, type[CondaFamilyEngine]] = {
    "conda": CondaEngine,
    "mamba": MambaEngine,
    "micromamba": MicromambaEngine,
}

_PROGRAM = """\
#!{python}
import json, os, signal, sys
from pathlib import Path

here = Path(__file__).with_suffix(".json")
data = json.loads(here.read_text(encoding="utf-8"))


def key(words):
    words, found, position = [word for word in words if word not in ("-y", "--")], [], 0
    while position < len(words):
        if words[position] in ("-p", "-n"):
            position += 2
            continue
        found.append(words[position])
        position += 1
    return sorted(found)


words = sys.argv[1:]
with open(data["log"], "a", encoding="utf-8") as log:
    log.write(json.dumps({{"argv": words, "env": dict(os.environ), "cwd": os.getcwd()}}) + "\\n")
dry = "--dry-run" in words
for case in data["cases"]:
    exact = key(case["argv"][1:]) == key(words)
    if not exact and (not dry or key(case["argv"][1:]) != key([word for word in words if word != "--dry-run"])):
        continue
    sys.stdout.write(case["stdout"])
    sys.stderr.write(case["stderr"])
    meta = Path(data["prefix"], "conda-meta")
    if not dry and "conda_meta" in case:
        for path in meta.iterdir():
            if path.name not in case["conda_meta"]:
                path.unlink()
        for name in case["conda_meta"]:
            (meta / name).touch()
    sys.stdout.flush()
    sys.stderr.flush()
    if case["exit_code"] < 0:
        os.kill(os.getpid(), -case["exit_code"])
    sys.exit(case["exit_code"])
sys.exit(f"no recorded case for {{words}}")
"""


@cache
def transcripts(release: str) -> dict[str, dict[str, Any]]:
    """Every recorded case of one release, by name."""
    with lzma.open(FOLDER / f"{release}.json.xz") as file:
        return {case["case"]: case for case in json.load(file)}


def tool_of(release: str) -> str:
    return release.partition("-")[0]


def answer_of(release: str, case: str) -> Answer:
    answer = parse_answer(tool_of(release), transcripts(release)[case]["stdout"])
    assert answer is not None
    return answer


def stems(names: Iterable[str]) -> set[str]:
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}


def package(stem: str, **more: Any) -> Package:
    name, version, build = stem.rsplit("-", 2)
    return Package(name=name, version=version, build=build, ecosystem=Ecosystem.CONDA, **more)


def record_stem(record: Any) -> str:
    return f"{record.name}-{record.version}-{record.build_id}"


class Replay:
    """An environment and an executable that answers with the recorded cases, for one test."""

    def __init__(self, root: Path, release: str, *cases: str, installed: Iterable[str] | None = None) -> None:
        self.release = release
        self.tool = tool_of(release)
        self.prefix = root / "envs" / "demo"
        self.meta = self.prefix / "conda-meta"
        self.meta.mkdir(parents=True)
        self.log = root / "log.jsonl"
        self.before = set(installed) if installed is not None else _before(release, cases)
        for stem in self.before:
            (self.meta / f"{stem}.json").write_text("{}", encoding="utf-8")
        (self.meta / "history").write_text("==> 2026-11-22 12:00:00 <==\n# update specs: ['six']\n", encoding="utf-8")
        self.executable = root / "bin" / self.tool
        self.executable.parent.mkdir()
        self.cases = [self._with_result(transcripts(release)[name]) for name in (*cases, "01-version", "01-info-json")]
        self.install_program()

    @property
    def after(self) -> set[str]:
        """The records that the first case ends with."""
        return stems(self.cases[0]["conda_meta"])

    def _with_result(self, case: dict[str, Any]) -> dict[str, Any]:
        """The case with what the prefix holds afterwards; worked out from its answer where that wasn't recorded."""
        answer = None if case["argv"][1] == "info" else parse_answer(self.tool, case["stdout"])
        if "conda_meta" in case or case["exit_code"] or answer is None or answer.actions is None:
            return case
        after = self.before - {record_stem(record) for record in answer.actions.unlink}
        after |= {record_stem(record) for record in answer.actions.link}
        return case | {"conda_meta": ["history", *(f"{stem}.json" for stem in sorted(after))]}

    def install_program(self) -> None:
        text = json.dumps({"log": str(self.log), "prefix": str(self.prefix), "cases": self.cases})
        text = text.replace("{PREFIX}", str(self.prefix)).replace("{EXE}", str(self.executable))
        self.executable.with_suffix(".json").write_text(text, encoding="utf-8")
        self.executable.write_text(_PROGRAM.format(python=sys.executable), encoding="utf-8")
        self.executable.chmod(self.executable.stat().st_mode | stat.S_IXUSR)

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": str(self.executable.parent), "HOME": str(self.prefix.parent.parent / "home")}

    @property
    def engine(self) -> CondaFamilyEngine:
        return ENGINES[self.tool](environ=self.environ)

    def environment(self, *policies: Policy) -> Environment:
        return Environment(
            prefix=self.prefix, kind=EnvironmentKind.CONDA, owner=self.tool, name="demo", policies=policies
        )

    def request(self, verb: Verb, *specs: str, options: Options | None = None, **more: Any) -> EngineRequest:
        return EngineRequest(
            verb=verb,
            specs=specs,
            installed=tuple(package(stem) for stem in sorted(self.before)),
            options=options or Options(),
            **more,
        )

    def runs(self) -> list[dict[str, Any]]:
        """What the executable was called with, its questions about itself left out."""
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["argv"] not in (["--version"], ["info", "--json"])]

    def records(self) -> set[str]:
        return stems(path.name for path in self.meta.iterdir())


def _before(release: str, cases: tuple[str, ...]) -> set[str]:
    """The records before the first case that tells: those after it, with its changes taken back."""
    for name in cases:
        case = transcripts(release)[name]
        answer = parse_answer(tool_of(release), case["stdout"])
        if "conda_meta" not in case:
            continue
        after = stems(case["conda_meta"])
        if answer is None or answer.actions is None or case["exit_code"]:
            return after
        links = {record_stem(record) for record in answer.actions.link}
        return (after - links) | {record_stem(record) for record in answer.actions.unlink}
    found = set()
    for name in cases:
        answer = parse_answer(tool_of(release), transcripts(release)[name]["stdout"])
        if answer is not None and answer.actions is not None:
            found |= {record_stem(record) for record in answer.actions.unlink}
    return found


def plan(replay: Replay, verb: Verb, *specs: str, events: Any = ignore_events, **more: Any) -> EnginePlan:
    request = replay.request(verb, *specs, **more)
    return replay.engine.plan(replay.environment(), request, events=events, cancel=Cancellation())


def apply(replay: Replay, made: EnginePlan, events: Any = ignore_events) -> None:
    replay.engine.apply(replay.environment(), made, events=events, cancel=Cancellation())

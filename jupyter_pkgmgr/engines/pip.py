"""The pip engine: the environment's own pip, or the server's pip pointed at it with ``--python``.

The plan is pip's installation report (format version 1, stable since pip 23.0); applying it installs exactly the
files in it, by version and hash, with ``--no-deps``. Indexes go into a private configuration file in place of the
user's: so credentials stay out of argv, and a ``target`` or ``user`` set there can't send packages elsewhere.

Sources: pip's documentation, "Installation Report", "Configuration", "Requirements File Format".
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr import process
from jupyter_pkgmgr.engines import pypi_common as common
from jupyter_pkgmgr.engines import pypi_direct as direct
from jupyter_pkgmgr.engines.pip_failures import failure
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import (
    Cancellation,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    EventKind,
    EventSink,
    Notice,
    Options,
    Origin,
    OriginKind,
    Phase,
    PythonInfo,
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import EngineNotFoundError, UnknownFormatError, VerificationError

__all__ = ["PipEngine"]

MINIMUM = Version("23.0")
"""The first pip whose report has a stable format."""
RAW_PROGRESS = Version("24.1")
REPORT = "1"

_KEPT_VARIABLES = frozenset(
    {"PIP_CACHE_DIR", "PIP_KEYRING_PROVIDER", "PIP_NO_CACHE_DIR", "PIP_NO_COMPILE", "PIP_RETRIES"}
)
"""The user's ``PIP_*`` variables that say how pip works, not what it installs or where."""
_COLLECTING = re.compile(r"Collecting (?P<name>[A-Za-z0-9._-]+).*")
_DOWNLOADING = re.compile(r"\s*Downloading (?P<file>\S+) \(.*\)")
_PROGRESS = re.compile(r"Progress (?P<done>\d+) of (?P<total>\d+)")
_BUILDING = re.compile(r"\s*Building (?:wheel|editable) for (?P<name>\S+).*: (?P<state>started|finished).*")
_UNINSTALLED = re.compile(r"\s*Successfully uninstalled (?P<name>\S+)-(?P<version>[^-\s]+)")
_INSTALLED = re.compile(r"Successfully installed (?P<items>.+)")


class PipEngine:
    """pip behind the engine protocol."""

    name: ClassVar[str] = "pip"
    ecosystem: ClassVar[Ecosystem] = Ecosystem.PYPI

    def info(self) -> EngineInfo:
        """The server's own pip, which serves environments that have none."""
        try:
            version = importlib.metadata.version("pip")
        except importlib.metadata.PackageNotFoundError as error:
            msg = "the server's environment has no pip"
            raise EngineNotFoundError(msg, hint="leave the choice to %pkg: uv needs no pip") from error
        return EngineInfo(name=self.name, executable=sys.executable, version=version, problem=_problem(version))

    def plan(
        self, environment: Environment, request: EngineRequest, *, events: EventSink, cancel: Cancellation
    ) -> EnginePlan:
        """Ask pip what it would do."""
        pip = self._pip_of(common.python_of(environment))
        cancel.check()
        if request.verb is Verb.REMOVE:
            return common.plan_removal(request, pip.info)
        target = common.target_of(request)
        if not target.lines:
            return common.engine_plan(request, pip.info, ())
        common.refuse_builds(request.options, target)
        indexes = common.indexes_of(request)
        events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))
        with common.workspace() as folder:
            report = folder / "report.json"
            options = [
                *("--dry-run", "--report", str(report)),
                *common.install_options(folder, target.lines, request.options),
                *common.constraint_options(folder, request, indexes),
                *(["--upgrade"] if target.upgrade else []),
                *(["--force-reinstall"] if request.options.force_reinstall else []),
                *(["--no-deps"] if request.options.no_deps else []),
            ]
            run = _Run(pip=pip, environment=environment, folder=folder, events=events, cancel=cancel)
            with common.held_in_words(request):
                done = run.pip_verb("install", options, config=_config(indexes, request.options))
            items = _report(report)
        found = [_found(item, target, indexes) for item in items]
        return common.engine_plan(request, pip.info, found, warnings=(*_yanked(items), *_warnings(done.stderr)))

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Install exactly what the plan found, or remove what it names."""
        payload: common.Payload = plan.payload
        python = common.python_of(environment)
        if not plan.changes:
            return
        cancel.check()
        pip = self._pip_of(python)
        with common.workspace() as folder:
            run = _Run(pip=pip, environment=environment, folder=folder, events=events, cancel=cancel)
            if payload.remove:
                _remove(run, payload)
                return
            options = [
                *_exactly(run, payload.lines, payload.options),
                *(["--force-reinstall"] if payload.reinstall else []),
            ]
            events(Event(kind=EventKind.PHASE, phase=Phase.DOWNLOAD))
            done = run.pip_verb("install", options, config=_config(payload.indexes, payload.options))
        common.verify(plan, _installed(done.stdout, plan))
        common.mark_requested(python, plan, payload.requested)

    def unpack(
        self,
        environment: Environment,
        plan: EnginePlan,
        names: Collection[str],
        folder: Path,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> tuple[Path, ...]:
        """Have pip install packages into a folder of their own. What it fetched or built for it, its cache has then."""
        payload: common.Payload = plan.payload
        pip = self._pip_of(common.python_of(environment))
        with common.workspace() as own:
            run = _Run(pip=pip, environment=environment, folder=own, events=events, cancel=cancel)
            lines = _exactly(run, common.lines_of(plan, names), payload.options)
            events(Event(kind=EventKind.PHASE, phase=Phase.DOWNLOAD))
            options = ["--target", str(folder), "--no-compile", *lines]
            run.pip_verb("install", options, config=_config(payload.indexes, payload.options))
        return (folder,)

    def _pip_of(self, python: PythonInfo) -> _Pip:
        """The environment's own pip, or the server's."""
        version = _own_version(python)
        if version:
            info = EngineInfo(
                name=self.name, executable=str(python.executable), version=version, problem=_problem(version)
            )
            argv: tuple[str, ...] = (str(python.executable), "-I", "-u", "-X", "utf8", "-m", "pip")
        else:
            info = self.info()
            argv = (sys.executable, "-I", "-u", "-X", "utf8", "-m", "pip", "--python", str(python.executable))
        if info.problem:
            hint = "upgrade it there (python -m pip install -U pip), or leave the choice to %pkg: uv needs no pip"
            raise EngineNotFoundError(info.problem, hint=hint)
        return _Pip(info=info, argv=argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pip:
    """One pip, and how to call it for one environment."""

    info: EngineInfo
    argv: tuple[str, ...]


def _problem(version: str) -> str:
    return "" if Version(version) >= MINIMUM else f"pip {version} is too old, {MINIMUM} is needed"


def _own_version(python: PythonInfo) -> str:
    """The version of the pip that this interpreter would import; empty if it has none."""
    for folder in dict.fromkeys((*python.site_packages, *python.search_path)):
        if (folder / "pip" / "__main__.py").is_file():
            for info in folder.glob("pip-*.dist-info"):
                version = info.name.removeprefix("pip-").removesuffix(".dist-info")
                try:
                    return str(Version(version))
                except InvalidVersion:
                    continue
    return ""


# --- running pip ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Where and how pip runs for one plan or one apply."""

    pip: _Pip
    environment: Environment
    folder: Path
    events: EventSink
    cancel: Cancellation

    def pip_verb(self, verb: str, options: Sequence[str], *, config: str = "") -> process.Completed:
        """Run ``pip VERB`` on the environment."""
        settings, log = self.folder / "pip.conf", self.folder / "pip.log"
        settings.write_text(config, encoding="utf-8")
        argv = [
            *self.pip.argv,
            verb,
            "--no-input",
            "--no-color",
            "--disable-pip-version-check",
            "--log",
            str(log),
            *options,
        ]
        env = _variables(settings)
        narrator = _Narrator(self.events, dry="--dry-run" in options or "--target" in options)
        done = process.run(
            argv, env=env, cwd=self.folder, on_stdout=narrator.line, on_stderr=narrator.raw, cancel=self.cancel
        )
        if done.returncode:
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise failure(done.stderr, text, self.environment)
        return done


def _exactly(run: _Run, lines: Sequence[str], options: Options) -> list[str]:
    """The options that install what these lines name, and nothing else."""
    bar = "raw" if Version(run.pip.info.version) >= RAW_PROGRESS else "off"
    return ["--no-deps", "--progress-bar", bar, *common.install_options(run.folder, lines, options)]


def _variables(settings: Path) -> dict[str, str | None]:
    ours: dict[str, str | None] = {
        name: None for name in os.environ if name.startswith("PIP_") and name not in _KEPT_VARIABLES
    }
    # PIP_USER=0 forbids what pip does by itself where it can't write: install into the user's home
    return ours | {"PIP_CONFIG_FILE": str(settings), "PIP_USER": "0"}


def _config(indexes: IndexSettings | None, options: Options) -> str:
    """A ``pip.conf`` with the indexes in force and the options that only it can hold."""
    values: dict[str, Sequence[str]] = {}
    if indexes is not None:
        values = {
            "index-url": [indexes.index_url] if indexes.index_url else [],
            "extra-index-url": indexes.extra_index_urls,
            "find-links": [Path(link).as_uri() if Path(link).is_absolute() else link for link in indexes.find_links],
            "trusted-host": indexes.trusted_hosts,
            "no-index": ["true"] if indexes.no_index else [],
            "cert": [indexes.cert] if indexes.cert else [],
            "client-cert": [indexes.client_cert] if indexes.client_cert else [],
            "proxy": [indexes.proxy] if indexes.proxy else [],
            "timeout": [f"{indexes.timeout:g}"],
            "only-binary": [",".join(indexes.only_binary)] if indexes.only_binary else [],
            "no-binary": [",".join(indexes.no_binary)] if indexes.no_binary else [],
        }
    if options.no_build:
        values |= {"only-binary": [":all:"], "no-binary": []}
    if options.pre or (indexes is not None and indexes.pre):
        values["pre"] = ["true"]
    if options.offline or (indexes is not None and indexes.offline):
        values["no-index"] = ["true"]
    lines = ["[global]"]
    for name, items in values.items():
        if len(items) == 1:
            lines.append(f"{name} = {items[0]}")
        elif items:
            lines.append("\n    ".join([f"{name} =", *items]))
    return "\n".join(lines) + "\n"


def _remove(run: _Run, payload: common.Payload) -> None:
    run.events(Event(kind=EventKind.PHASE, phase=Phase.UNLINK))
    requirements = run.folder / "requirements.txt"
    requirements.write_text("\n".join(payload.remove) + "\n", encoding="utf-8")
    options = ["--yes", "-r", str(requirements)]
    if payload.options.break_system_packages:
        options.append("--break-system-packages")
    done = run.pip_verb("uninstall", options)
    matches = filter(None, map(_UNINSTALLED.fullmatch, done.stdout.splitlines()))
    gone = {canonicalize_name(match["name"]) for match in matches}
    if left := [name for name in payload.remove if name not in gone]:
        msg = f"pip did not remove {', '.join(left)}"
        detail = redact(done.stdout + done.stderr)
        raise VerificationError(msg, detail=detail, hint="%pkg list shows what is there now")


# --- what pip says -------------------------------------------------------------------------------------------------


def _report(path: Path) -> list[dict[str, Any]]:
    """The items of pip's installation report."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version, items = document["version"], document["install"]
        known = version == REPORT and all(
            item["metadata"]["name"] and item["metadata"]["version"] and item["download_info"]["url"] for item in items
        )
    except (OSError, ValueError, KeyError, TypeError):
        known, version, items = False, "none", []
    if not known:
        msg = f"this pip's installation report has a format that isn't known here (version {version})"
        raise UnknownFormatError(msg, hint="leave the choice to %pkg, or install another version of pip")
    return list(items)


def _found(item: Mapping[str, Any], target: common.Target, indexes: IndexSettings | None) -> common.Found:
    metadata, info = item["metadata"], item["download_info"]
    name, version, url = metadata["name"], metadata["version"], info["url"]
    if not item.get("is_direct"):
        sha256 = (info.get("archive_info", {}).get("hashes") or {}).get("sha256")
        return common.Found(
            name=name,
            version=version,
            line=f"{name}=={version}",
            sha256=sha256 or "",
            origin=Origin(kind=OriginKind.INDEX, location=common.only_index(indexes)),
            requested=bool(item.get("requested")),
            file=redact(url),
        )
    vcs = info.get("vcs_info")
    full = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
    line = target.line_for(full)
    return common.Found(
        name=name,
        version=version,
        line=direct.pinned(line, full) if line else f"{name} @ {full}",
        origin=direct.origin(full, editable=line.startswith("-e ")),
        requested=bool(item.get("requested")),
        url=full,
    )


def _yanked(items: Sequence[Mapping[str, Any]]) -> tuple[Notice, ...]:
    names = [(item["metadata"]["name"], item["metadata"]["version"]) for item in items if item.get("is_yanked")]
    return tuple(
        Notice(
            reference="yanked",
            message=f"{name} {version} was withdrawn by its authors (yanked)",
            hint="ask for another version",
            packages=(name,),
        )
        for name, version in names
    )


def _warnings(stderr: str) -> tuple[Notice, ...]:
    texts = [line.removeprefix("WARNING: ") for line in redact(stderr).splitlines() if line.startswith("WARNING: ")]
    return tuple(
        Notice(reference="pip-warning", message=text) for text in texts if "does not provide the extra" in text
    )


def _installed(stdout: str, plan: EnginePlan) -> dict[str, str]:
    """What pip's last line says it installed; names may hold hyphens, so the plan's tell where the version begins."""
    match = next(filter(None, map(_INSTALLED.fullmatch, stdout.splitlines())), None)
    planned = {canonicalize_name(change.package.name) for change in plan.changes}
    done = {}
    for item in match["items"].split() if match else ():
        name, _, version = item.rpartition("-")
        if canonicalize_name(name) not in planned:  # a version with a hyphen in it
            name, _, version = item.partition("-")
        done[canonicalize_name(name)] = version
    return {str(name): version for name, version in done.items()}


class _Narrator:
    """Turns pip's lines on standard output into events."""

    def __init__(self, events: EventSink, *, dry: bool) -> None:
        self._events = events
        self._dry = dry
        self._file = ""

    def raw(self, text: str) -> None:
        """One line that is only shown on demand."""
        self._events(Event(kind=EventKind.OUTPUT, message=redact(text)))

    def line(self, text: str) -> None:
        """One line as pip printed it."""
        if match := _PROGRESS.fullmatch(text):
            self._download(done=int(match["done"]), total=int(match["total"]))
            return
        self.raw(text)
        if match := _COLLECTING.fullmatch(text):
            self._package(match["name"], Phase.SOLVE, "started")
        elif match := _BUILDING.fullmatch(text):
            self._package(match["name"], Phase.BUILD, match["state"])
        elif match := _UNINSTALLED.fullmatch(text):
            self._package(match["name"], Phase.UNLINK, "finished")
        elif match := _DOWNLOADING.fullmatch(text):
            self._file = match["file"].rpartition("/")[2].partition("-")[0]
            self._download()
        elif not self._dry and text.startswith("Installing collected packages"):
            self._events(Event(kind=EventKind.PHASE, phase=Phase.LINK))

    def _download(self, *, done: int | None = None, total: int | None = None) -> None:
        state = "finished" if done is not None and done == total else "started"
        package = redact(self._file)
        self._events(
            Event(kind=EventKind.PACKAGE, package=package, phase=Phase.DOWNLOAD, state=state, done=done, total=total)
        )

    def _package(self, name: str, phase: Phase, state: str) -> None:
        self._events(Event(kind=EventKind.PACKAGE, package=redact(name), phase=phase, state=state))

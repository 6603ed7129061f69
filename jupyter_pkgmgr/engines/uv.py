"""The uv engine: the default for PyPI. It needs no pip in the environment it changes.

The plan is uv's own dry run (``--output-format json``); applying it installs exactly the versions found, with
``--no-deps``, so that uv resolves nothing a second time and finds what it fetched in its cache.

Everything about indexes goes into a private configuration file, which replaces the user's: so credentials stand
neither in argv nor in the environment, and a ``[pip] target`` in a ``uv.toml`` can't send packages elsewhere.
Source for options and settings: uv's documentation, "Settings" and "Commands", of 0.13.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from jupyter_pkgmgr import process
from jupyter_pkgmgr.engines import pypi_common as common
from jupyter_pkgmgr.engines import pypi_direct as direct
from jupyter_pkgmgr.engines import uv_cache
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.engines.uv_failures import cache_failed, failure
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
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import EngineNotFoundError, UnknownFormatError, VerificationError

__all__ = ["UvEngine"]

MINIMUM = Version("0.13.5")
"""The first uv whose ``pip install`` has ``--output-format json``."""
SCHEMA = "preview"

_ACTIONS = frozenset({"installed", "reinstalled", "uninstalled"})
_JSON = ("--output-format", "json")
_OURS = (
    "RUST_LOG",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
    "UV_NO_CONFIG",
    "UV_NO_INDEX",
)
"""Variables that would add to what the configuration file says, or change the output."""
_KEPT_SETTINGS = ("cache-dir", "keyring-provider", "link-mode", "native-tls", "system-certs")
"""Settings of the user's ``uv.toml`` that are carried over: how uv works, not what it installs or where."""
_SYMLINK = "symlink"
_NO_SYMLINKS = "uv's link mode symlink is not used: packages would be gone as soon as uv's cache is emptied"
_CHANGE = re.compile(
    r" (?P<sign>[+~-]) (?P<name>[A-Za-z0-9._-]+)(?:==(?P<version>\S+))?(?: \(from (?P<url>.+)\)| @ (?P<at>.+))?"
)
_STARTED = re.compile(r"\s*(?P<what>Downloading|Building) (?P<name>\S+)(?: \((?P<size>[\d.]+)(?P<unit>[KMG]i)?B\))?.*")
_FINISHED = re.compile(r"\s*(?P<what>Downloaded|Built) (?P<name>\S+).*")
_PHASES = {
    "Downloading": Phase.DOWNLOAD,
    "Downloaded": Phase.DOWNLOAD,
    "Building": Phase.BUILD,
    "Built": Phase.BUILD,
}
_UNITS = {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class UvEngine:
    """uv behind the engine protocol."""

    name: ClassVar[str] = "uv"
    ecosystem: ClassVar[Ecosystem] = Ecosystem.PYPI

    def info(self) -> EngineInfo:
        """The uv that came with this project, or the one on PATH."""
        executable = _executable()
        version = _version(executable, Path(executable).stat().st_mtime_ns)
        problem = "" if Version(version) >= MINIMUM else f"uv {version} is too old, {MINIMUM} is needed"
        return EngineInfo(name=self.name, executable=executable, version=version, problem=problem)

    def plan(
        self, environment: Environment, request: EngineRequest, *, events: EventSink, cancel: Cancellation
    ) -> EnginePlan:
        """Ask uv what it would do."""
        info = _usable(self.info())
        cancel.check()
        if request.verb is Verb.REMOVE:
            return common.plan_removal(request, info)
        target = common.target_of(request)
        if not target.lines:
            return common.engine_plan(request, info, ())
        common.refuse_builds(request.options, target)
        indexes = common.indexes_of(request)
        events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))
        with common.workspace() as folder:
            options = [
                "--dry-run",
                *_JSON,
                *common.install_options(folder, target.lines, request.options),
                *_uv_options(request.options, indexes),
                *common.constraint_options(folder, request, indexes),
                *(["--reinstall"] if request.options.force_reinstall else []),
                *(["--no-deps"] if request.options.no_deps else []),
            ]
            run = _Run(environment=environment, folder=folder, indexes=indexes, events=events, cancel=cancel)
            with common.held_in_words(request):
                done = run.uv("install", options, config=_config(indexes, upgrade=target.upgrade))
        found = _found(_changes(done.stdout), done.stderr, target, indexes)
        return common.engine_plan(request, info, found, warnings=_warnings(done.stderr))

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Install exactly what the plan found, or remove what it names."""
        payload: common.Payload = plan.payload
        python = common.python_of(environment)
        if not plan.changes:
            return
        cancel.check()
        with common.workspace() as folder:
            run = _Run(environment=environment, folder=folder, indexes=payload.indexes, events=events, cancel=cancel)
            if payload.remove:
                _remove(run, payload)
                return
            if _asks_for_symlinks():
                events(Event(kind=EventKind.MESSAGE, level="warning", message=_NO_SYMLINKS))
            events(Event(kind=EventKind.PHASE, phase=Phase.DOWNLOAD))
            options = [*_JSON, *_exactly(folder, payload.lines, payload)]
            done = run.uv("install", options, config=_config(payload.indexes, reinstall=payload.reinstall))
        common.verify(plan, {canonicalize_name(name): version for name, version in _installed(_changes(done.stdout))})
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
        """Have uv link packages into a folder of their own, those apart that lie unpacked in its cache."""
        payload: common.Payload = plan.payload
        cached = uv_cache.unpacked(plan, names, _cache_setting())
        lines = common.lines_of(plan, set(names) - cached.keys())
        roots = [root for found in cached.values() for root in found]
        if not lines:
            return tuple(roots)
        with common.workspace() as own:
            run = _Run(environment=environment, folder=own, indexes=payload.indexes, events=events, cancel=cancel)
            events(Event(kind=EventKind.PHASE, phase=Phase.DOWNLOAD))
            # links take no room, whatever file system the cache is on
            mode = [] if sys.platform == "win32" else ["--link-mode", "symlink"]
            options = [*("--target", os.fspath(folder)), *mode, *_exactly(own, lines, payload)]
            run.uv("install", options, config=_config(payload.indexes))
        return (*roots, folder)


def _exactly(folder: Path, lines: Sequence[str], payload: common.Payload) -> list[str]:
    """The options that install what these lines name, and nothing else."""
    return [
        "--no-deps",
        *common.install_options(folder, lines, payload.options),
        *_uv_options(payload.options, payload.indexes),
    ]


def _remove(run: _Run, payload: common.Payload) -> None:
    run.events(Event(kind=EventKind.PHASE, phase=Phase.UNLINK))
    options = ["-r", common.write_lines(run.folder / "requirements.txt", payload.remove)]
    if payload.options.break_system_packages:
        options.append("--break-system-packages")
    done = run.uv("uninstall", options)
    gone = {canonicalize_name(match["name"]) for match in map(_CHANGE.fullmatch, done.stderr.splitlines()) if match}
    if left := [name for name in payload.remove if name not in gone]:
        msg = f"uv did not remove {', '.join(left)}"
        raise VerificationError(msg, detail=redact(done.stderr), hint="%pkg list shows what is there now")


# --- the tool ------------------------------------------------------------------------------------------------------


_finding = threading.Lock()
"""``sysconfig``, which ``find_uv_bin`` asks, fills its table on first use without minding other threads."""


def _executable() -> str:
    try:
        with _finding:
            return os.fspath(find_uv_bin())
    except FileNotFoundError as error:
        msg = "uv is not there"
        raise EngineNotFoundError(msg, hint="install it beside the server: pip install uv") from error


@lru_cache(maxsize=4)
def _version(executable: str, _changed: int) -> str:
    done = process.run([executable, "--version"], timeout=60)
    match = re.match(r"uv (\d\S*)", done.stdout)
    if done.returncode or match is None:
        msg = f"{executable} does not say its version"
        raise EngineNotFoundError(msg, detail=redact(done.stdout + done.stderr))
    return match[1]


def _usable(info: EngineInfo) -> EngineInfo:
    if info.problem:
        raise EngineNotFoundError(info.problem, hint="pip install --upgrade uv")
    return info


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Where and how uv runs for one plan or one apply."""

    environment: Environment
    folder: Path
    indexes: IndexSettings | None
    events: EventSink
    cancel: Cancellation

    def uv(self, verb: str, options: Sequence[str], *, config: str = "") -> process.Completed:
        """Run ``uv pip VERB`` on the environment; once more without a cache where the cache can't be written."""
        python = common.python_of(self.environment)
        argv = [_executable(), "pip", verb, "--python", os.fspath(python.executable)]
        argv += ["--config-file", common.write_lines(self.folder / "uv.toml", [config]), "--no-progress", *options]
        done = self._once(argv)
        if done.returncode and cache_failed(done.stderr, self.environment):
            message = "uv's cache can't be written, so everything is fetched anew"
            self.events(Event(kind=EventKind.MESSAGE, level="warning", message=message))
            done = self._once([*argv, "--no-cache"])
        if done.returncode:
            raise failure(done.stderr, self.environment)
        return done

    def _once(self, argv: Sequence[str]) -> process.Completed:
        narrator = _Narrator(self.events, dry="--dry-run" in argv or "--target" in argv)
        env = _variables(self.indexes)
        return process.run(argv, env=env, cwd=self.folder, on_stderr=narrator.line, cancel=self.cancel)


def _variables(indexes: IndexSettings | None) -> dict[str, str | None]:
    variables: dict[str, str | None] = dict.fromkeys(_OURS)
    variables["UV_PYTHON_DOWNLOADS"] = "never"
    if os.environ.get("UV_LINK_MODE") == _SYMLINK:
        variables["UV_LINK_MODE"] = None
    if indexes is None:
        return variables
    if indexes.cert:
        variables["SSL_CERT_FILE"] = indexes.cert
    if indexes.client_cert:
        variables["SSL_CLIENT_CERT"] = indexes.client_cert
    if indexes.proxy:
        variables |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), indexes.proxy)
        variables |= dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), indexes.proxy)
    variables["UV_HTTP_TIMEOUT"] = str(max(1, round(indexes.timeout)))
    return variables


def _uv_options(options: Options, indexes: IndexSettings | None) -> list[str]:
    offline = options.offline or (indexes is not None and indexes.offline)
    pre = options.pre or (indexes is not None and indexes.pre)
    return [
        *(["--offline"] if offline else []),
        *(["--prerelease", "allow"] if pre else []),
        *(["--no-build"] if options.no_build else []),
    ]


# --- configuration -------------------------------------------------------------------------------------------------


def _config(indexes: IndexSettings | None, *, upgrade: Sequence[str] = (), reinstall: Sequence[str] = ()) -> str:
    """A ``uv.toml``. uv reads pip's settings from nowhere, so what the user set for pip is said here."""
    top: dict[str, object] = _kept_settings()
    pip: dict[str, object] = {"upgrade-package": list(upgrade), "reinstall-package": list(reinstall)}
    tables: list[dict[str, object]] = []
    if indexes is not None:
        tables = [{"url": url} for url in indexes.extra_index_urls]
        if indexes.index_url:
            tables.append({"url": indexes.index_url, "default": True})
        top["allow-insecure-host"] = list(indexes.trusted_hosts)
        top["no-index"] = indexes.no_index
        top["find-links"] = list(indexes.find_links)
        if indexes.extra_index_urls and not _said_to_uv(indexes):
            top["index-strategy"] = "unsafe-best-match"
        pip["only-binary"], pip["no-binary"] = list(indexes.only_binary), list(indexes.no_binary)
    sections = [_toml(top), *(f"[[index]]\n{_toml(table)}" for table in tables), f"[pip]\n{_toml(pip)}"]
    return "\n".join(sections)


def _said_to_uv(indexes: IndexSettings) -> bool:
    """Whether the extra indexes were set for uv, whose users expect the first index that has a package to win.

    pip's users expect the best version of all indexes, and get that here too, with the risk it has: whoever
    can publish a higher version on one of them wins.
    """
    return any("UV_" in source or source.endswith("uv.toml") for name, source in indexes.sources if "extra" in name)


def _toml(table: Mapping[str, object]) -> str:
    # JSON's strings, numbers, booleans and arrays of them are TOML's too, as long as nothing is escaped as \\u
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items() if value not in ([], "")
    ]
    return "".join(lines)


def _kept_settings() -> dict[str, object]:
    settings = _user_settings()
    return {key: value for key, value in settings.items() if (key, value) != ("link-mode", _SYMLINK)}


def _asks_for_symlinks() -> bool:
    """Whether the user wants packages linked to uv's cache, so that nothing we keep of them could ever mend them."""
    return (os.environ.get("UV_LINK_MODE") or _user_settings().get("link-mode")) == _SYMLINK


def _cache_setting() -> str:
    return str(_user_settings().get("cache-dir", ""))


def _user_settings() -> dict[str, object]:
    for path in _user_settings_files():
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there; or broken, which uv itself would only warn about
            continue
        return {key: settings[key] for key in _KEPT_SETTINGS if isinstance(settings.get(key), str | bool)}
    return {}


def _user_settings_files() -> list[Path]:
    if configured := os.environ.get("UV_CONFIG_FILE"):
        return [Path(configured)]
    if sys.platform == "win32":
        return [Path(os.environ.get("APPDATA", ""), "uv", "uv.toml")]
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return [Path(home, "uv", "uv.toml"), Path("/etc/uv/uv.toml")]


# --- what uv says --------------------------------------------------------------------------------------------------


def _changes(stdout: str) -> list[dict[str, Any]]:
    """The changes in uv's JSON document, of the one schema version that we know."""
    try:
        document = json.loads(stdout)
        version, changes = document["schema"]["version"], document["changes"]
        known = version == SCHEMA and all(change["name"] and change["action"] in _ACTIONS for change in changes)
    except (ValueError, KeyError, TypeError):
        known, version, changes = False, "none", []
    if not known:
        msg = f"this uv describes its changes in a format that isn't known here (schema {version})"
        hint = "install a version of uv that fits: pip install 'uv~=0.13.5'"
        raise UnknownFormatError(msg, hint=hint, detail=redact(stdout))
    return list(changes)


def _installed(changes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(change["name"], change.get("version") or "") for change in changes if change["action"] != "uninstalled"]


def _found(
    changes: Sequence[Mapping[str, Any]], stderr: str, target: common.Target, indexes: IndexSettings | None
) -> list[common.Found]:
    """The packages to install. Where one comes from a URL, only uv's text says so."""
    urls = _urls(stderr)
    found = []
    for name, version in _installed(changes):
        url = urls.get(canonicalize_name(name), "")
        line = target.line_for(url) if url else ""
        requested = bool(line) or canonicalize_name(name) in target.names
        if url:
            found.append(_from_url(name, version, url, line, requested=requested))
        else:
            origin = Origin(kind=OriginKind.INDEX, location=common.only_index(indexes))
            exact = f"{name}=={version}"
            found.append(common.Found(name=name, version=version, line=exact, origin=origin, requested=requested))
    return found


def _from_url(name: str, version: str, url: str, line: str, *, requested: bool) -> common.Found:
    return common.Found(
        name=name,
        version=version or direct.version_of(url),
        line=direct.pinned(line, url) if line else f"{name} @ {url}",
        origin=direct.origin(url, editable=line.startswith("-e ")),
        requested=requested,
        url=url,
    )


def _urls(stderr: str) -> dict[str, str]:
    """Canonical name to URL of each package in uv's list that comes from one."""
    matches = [match for match in map(_CHANGE.fullmatch, stderr.splitlines()) if match and match["sign"] != "-"]
    return {
        canonicalize_name(match["name"]): match["url"] or match["at"]
        for match in matches
        if match["url"] or match["at"]
    }


def _warnings(stderr: str) -> tuple[Notice, ...]:
    texts = [line.removeprefix("warning: ") for line in redact(stderr).splitlines() if line.startswith("warning: ")]
    noise = "Failed to hardlink files"
    return tuple(Notice(reference="uv-warning", message=text) for text in texts if noise not in text)


class _Narrator:
    """Turns uv's lines on standard error into events."""

    def __init__(self, events: EventSink, *, dry: bool) -> None:
        self._events = events
        self._dry = dry

    def line(self, text: str) -> None:
        """One line as uv printed it."""
        self._events(Event(kind=EventKind.OUTPUT, message=redact(text)))
        if match := _STARTED.fullmatch(text):
            self._package(match["name"], _PHASES[match["what"]], "started", total=_bytes(match["size"], match["unit"]))
        elif match := _FINISHED.fullmatch(text):
            self._package(match["name"], _PHASES[match["what"]], "finished")
        elif not self._dry and text.startswith("Prepared "):
            self._events(Event(kind=EventKind.PHASE, phase=Phase.LINK))
        elif not self._dry and (match := _CHANGE.fullmatch(text)):
            self._package(match["name"], Phase.UNLINK if match["sign"] == "-" else Phase.LINK, "finished")

    def _package(self, name: str, phase: Phase, state: str, *, total: int | None = None) -> None:
        event = Event(kind=EventKind.PACKAGE, package=redact(name), phase=phase, state=state, total=total)
        self._events(event)


def _bytes(size: str | None, unit: str | None) -> int | None:
    return None if size is None else round(float(size) * _UNITS[unit])

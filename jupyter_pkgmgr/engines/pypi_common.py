"""What the engines for PyPI share: requirement files, indexes, held packages, changes, markers, common failures.

Both engines plan with the tool's dry run and then apply the plan's own versions with dependencies switched off.
So nothing is resolved twice, and a plan can't drift: what the tool installs is what the user saw.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.engines import pypi_direct as direct
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.environments.index_settings import IndexSettings
from jupyter_pkgmgr.model import (
    Action,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    Notice,
    Options,
    Origin,
    OriginKind,
    Package,
    PythonInfo,
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    DiskFullError,
    EngineError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    UnreachableError,
    VerificationError,
    VersionNotFoundError,
)

__all__ = [
    "Found",
    "Payload",
    "Target",
    "build_failure",
    "common_failure",
    "constraint_options",
    "constraints",
    "engine_plan",
    "held_in_words",
    "indexes_of",
    "install_options",
    "lines_of",
    "mark_requested",
    "only_index",
    "plan_removal",
    "python_of",
    "refuse_builds",
    "requirement_lines",
    "shorten",
    "target_of",
    "unreachable",
    "verify",
    "workspace",
    "write_lines",
]

_SMUGGLED = re.compile(r"\s-|\$\{|\\\s*$|[\x00-\x1f\x7f]")
"""What a requirement file reads as something else: options, variables, a continued line, a new line."""
_STATUS = r"(?<![\w.:/#=-])"
"""What stands before a status code. In a URL, ports, versions and hashes may have the same digits."""
_EMPTY_SHA256 = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
_LOCATION_EXTRAS = re.compile(r"(?P<path>.+?)(?P<extras>\[[^\[\]]*\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The specs of a request, ready for a tool: requirement lines, and which names they are about."""

    lines: tuple[str, ...]
    names: frozenset[str]
    """Canonical names that the user wrote; a bare path or URL has none."""
    upgrade: tuple[str, ...]
    """Names that may move although the installed version would do."""

    def line_for(self, url: str) -> str:
        """The line that asked for what lies at a URL; empty if none did."""
        wanted = direct.identity(url)
        fits = (line for line in self.lines if (own := direct.url_of(line)) and direct.identity(own) == wanted)
        return next(fits, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One package that the tool would install."""

    name: str
    version: str
    """Empty where the tool would have to build it to know."""
    line: str
    """The requirement line that gives exactly this."""
    origin: Origin
    requested: bool
    url: str = ""
    """Where a direct reference points; empty for what an index gives."""
    file: str = ""
    """The index's file, where the tool tells it."""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What ``apply`` needs beside the plan's changes."""

    lines: tuple[str, ...] = ()
    """Exact requirement lines, installed without dependencies."""
    reinstall: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    requested: frozenset[str] = frozenset()
    """Canonical names of the installed packages that count as asked for by the user."""
    indexes: IndexSettings | None = None
    options: Options = Options()


def lines_of(plan: EnginePlan, names: Collection[str]) -> tuple[str, ...]:
    """The exact requirement lines of these packages, by canonical name, of a plan that installs."""
    pairs = zip(plan.changes, plan.payload.lines, strict=True)
    return tuple(line for change, line in pairs if canonicalize_name(change.package.name) in names)


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder only this user can read, for requirement and configuration files; gone afterwards.

    It is the tool's working directory too, so that no project file of the server's folder has a say.
    """
    with tempfile.TemporaryDirectory(prefix="pkgmgr-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def python_of(environment: Environment) -> PythonInfo:
    """The environment's interpreter.

    Raises
    ------
    EnvironmentProblem
        If it has none.
    """
    if environment.python is None:
        msg = f"{environment.name} has no Python, so nothing from PyPI can be installed there"
        raise EnvironmentProblem(msg, reference="no-python", hint="install python from a conda channel first")
    return environment.python


# --- what was asked for --------------------------------------------------------------------------------------------


def target_of(request: EngineRequest) -> Target:
    """The request's specs; an update without specs is about everything that came from an index."""
    specs, held = request.specs, {canonicalize_name(package.name) for package in request.held}
    if request.verb is Verb.UPDATE and not specs and not request.editables:
        specs = tuple(
            package.name
            for package in request.installed
            if package.origin.kind in (OriginKind.INDEX, OriginKind.UNKNOWN)
            and canonicalize_name(package.name) not in held
        )
    names = {_name_of(spec) for spec in specs} - {""}
    if request.verb is Verb.UPDATE:
        _require_installed(names, request.installed)
    updates = frozenset(map(canonicalize_name, request.updates))
    upgrade = sorted(names if request.options.upgrade or request.verb is Verb.UPDATE else updates)
    return Target(
        lines=requirement_lines(specs, request.editables),
        names=frozenset(names),
        upgrade=tuple(upgrade),
    )


def requirement_lines(specs: Iterable[str], editables: Iterable[str] = ()) -> tuple[str, ...]:
    """The lines of a requirement file. Paths become file URLs, which have one meaning for every tool.

    Raises
    ------
    InvalidSpecError
        If the tool could read a line as anything but one requirement.
    """
    return (*map(_as_line, specs), *(f"-e {_as_line(editable)}" for editable in editables))


def _as_line(spec: str) -> str:
    match = _LOCATION_EXTRAS.fullmatch(spec)
    if match and Path(match["path"]).is_absolute():
        return Path(match["path"]).as_uri() + (match["extras"] or "")
    if spec.startswith("-") or _SMUGGLED.search(spec):
        msg = f"{redact(spec)!r} can't stand in a requirement file"
        note = "an option, a variable or a line break in it would be read as more than a package"
        raise InvalidSpecError(msg, note=note)
    return spec


def _name_of(spec: str) -> str:
    try:
        return canonicalize_name(Requirement(spec).name)
    except InvalidRequirement:  # a path or a URL
        return ""


def _require_installed(names: Iterable[str], installed: Sequence[Package]) -> None:
    missing = sorted(set(names) - {canonicalize_name(package.name) for package in installed})
    if missing:
        msg = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise PackageNotFoundError(msg, reference="not-installed", hint="%pkg list shows what is")


def refuse_builds(options: Options, target: Target) -> None:
    """Raise ``PolicyError`` where builds are forbidden and a spec can only be built."""
    lines = [line for line in target.lines if options.no_build and direct.needs_build(line)]
    if lines:
        raise builds_disabled(", ".join(lines))


def builds_disabled(what: str, *, detail: str | None = None) -> PolicyError:
    """What only a build could give, where builds are forbidden."""
    msg = f"{redact(what)} would have to be built, and --no-build forbids that"
    return PolicyError(msg, reference="builds-disabled", hint="name a wheel, or leave --no-build out", detail=detail)


def constraints(request: EngineRequest) -> tuple[str, ...]:
    """Constraint lines that keep held packages at their versions, and the request's own pins."""
    lines = []
    for package in request.held:
        try:
            lines.append(f"{canonicalize_name(package.name)}=={Version(package.version)}")
        except InvalidVersion:  # a conda package whose version isn't PEP 440 is nothing that PyPI could replace
            continue
    return (*lines, *(_as_line(pin) for pin in request.pins))


def install_options(folder: Path, lines: Sequence[str], options: Options) -> list[str]:
    """The options that uv and pip share. Specs go through a file: 10,000 of them are too many for argv."""
    managed = ["--break-system-packages"] if options.break_system_packages else []
    return ["-r", write_lines(folder / "requirements.txt", lines), *managed]


def constraint_options(folder: Path, request: EngineRequest, indexes: IndexSettings | None) -> list[str]:
    """The user's constraint files, and one of ours that holds what must stay."""
    files = [*map(str, request.options.constraints), *(indexes.constraints if indexes else ())]
    if lines := constraints(request):
        files.append(write_lines(folder / "constraints.txt", lines))
    return [part for file in dict.fromkeys(files) for part in ("-c", file)]


def write_lines(path: Path, lines: Sequence[str]) -> str:
    """Write a text file and return its path."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def only_index(indexes: IndexSettings | None) -> str:
    """The index that everything comes from, if there is only one place; without credentials."""
    if indexes is None or indexes.extra_index_urls or indexes.find_links:
        return ""
    return redact(indexes.index_url)


def indexes_of(request: EngineRequest) -> IndexSettings | None:
    """The user's indexes with what the request's options say about them; ``None`` where neither says anything."""
    options, settings = request.options, request.indexes
    if settings is None:
        if not (options.index_url or options.extra_index_urls or options.find_links or options.no_index):
            return None
        settings = IndexSettings(index_url=options.index_url or "")
    return replace(
        settings,
        index_url=options.index_url or settings.index_url,
        extra_index_urls=_union(options.extra_index_urls, settings.extra_index_urls),
        find_links=_union(options.find_links, settings.find_links),
        no_index=options.no_index or settings.no_index,
    )


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


# --- what would be done --------------------------------------------------------------------------------------------


def engine_plan(
    request: EngineRequest,
    info: EngineInfo,
    found: Sequence[Found],
    *,
    warnings: tuple[Notice, ...] = (),
) -> EnginePlan:
    """The plan that installs what the tool found, bound to exactly these versions.

    Raises
    ------
    ConflictError
        If a held package would change.
    """
    installed = {canonicalize_name(package.name): package for package in request.installed}
    held = {canonicalize_name(package.name): package for package in request.held}
    changes, kept = [], []
    for item in found:
        key = canonicalize_name(item.name)
        before = installed.get(key) or held.get(key)
        if key in held:
            if held[key].version == item.version and not item.url:
                continue  # reinstalling a held package would be no change; it is left alone
            raise _held_error(held[key], item)
        changes.append(_change(item, before))
        kept.append(item)
    asked = {canonicalize_name(item.name) for item in kept if item.requested} if request.verb is Verb.INSTALL else set()
    asked -= set(map(canonicalize_name, request.updates))
    stays = {key for key, package in installed.items() if package.requested}
    return EnginePlan(
        engine=info.name,
        engine_version=info.version,
        ecosystem=Ecosystem.PYPI,
        changes=tuple(changes),
        warnings=warnings,
        payload=Payload(
            lines=_exact_lines(kept),
            reinstall=tuple(change.package.name for change in changes if change.action is Action.REINSTALL),
            requested=frozenset(asked | stays),
            indexes=indexes_of(request),
            options=request.options,
        ),
    )


def _exact_lines(found: Sequence[Found]) -> tuple[str, ...]:
    """One line for each package. One hash makes a tool ask for all, so it is all or none of them."""
    if all(item.sha256 for item in found):
        return tuple(f"{item.line} --hash=sha256:{item.sha256}" for item in found)
    return tuple(item.line for item in found)


def _held_error(package: Package, item: Found) -> ConflictError:
    msg = f"{package.name} {package.version} must stay, but {item.version or item.url} would replace it"
    return ConflictError(msg, reference="held", hint=f"ask for a version that works with {package.name}")


def _change(item: Found, before: Package | None) -> Change:
    after = Package(
        name=item.name,
        version=item.version,
        ecosystem=Ecosystem.PYPI,
        origin=item.origin,
        url=redact(item.url or item.file),
    )
    return Change(
        action=_action(before.version, item.version) if before is not None else Action.INSTALL,
        before=before,
        after=after,
        requested=item.requested,
        reason="requested" if item.requested else "dependency",
    )


def _action(before: str, after: str) -> Action:
    try:
        old, new = Version(before), Version(after)
    except InvalidVersion:  # not known before it is built
        return Action.REINSTALL
    if old == new:
        return Action.REINSTALL
    return Action.UPGRADE if new > old else Action.DOWNGRADE


def plan_removal(request: EngineRequest, info: EngineInfo) -> EnginePlan:
    """The plan that removes the named packages. Neither uv nor pip removes what they needed.

    Raises
    ------
    PackageNotFoundError
        If one isn't installed.
    ConflictError
        If one is held.
    """
    names = list(dict.fromkeys(canonicalize_name(spec) for spec in request.specs))
    if held := [package for package in request.held if canonicalize_name(package.name) in names]:
        msg = f"{', '.join(package.name for package in held)} must stay"
        raise ConflictError(msg, reference="held", note="this environment's kernel or another package owns it")
    _require_installed(names, request.installed)
    installed = {canonicalize_name(package.name): package for package in request.installed}
    changes = tuple(
        Change(action=Action.REMOVE, before=installed[name], requested=True, reason="requested") for name in names
    )
    return EnginePlan(
        engine=info.name,
        engine_version=info.version,
        ecosystem=Ecosystem.PYPI,
        changes=changes,
        payload=Payload(remove=tuple(names), options=request.options),
    )


# --- after it was done ---------------------------------------------------------------------------------------------


def verify(plan: EnginePlan, done: Mapping[str, str]) -> None:
    """Compare what the tool says it installed (canonical name to version) with the plan.

    Raises
    ------
    VerificationError
        If they differ.
    """
    expected: dict[str, str] = {
        canonicalize_name(change.package.name): change.package.version for change in plan.changes
    }
    wrong = [
        f"{name}: planned {expected.get(name, 'nothing')}, got {done.get(name, 'nothing')}"
        for name in sorted(expected.keys() | done.keys())
        if name not in done or name not in expected or expected[name] not in ("", done[name])
    ]
    if wrong:
        msg = f"{plan.engine} did not do what the plan says"
        raise VerificationError(msg, context=tuple(wrong), hint="%pkg list shows what is there now")


def mark_requested(python: PythonInfo, plan: EnginePlan, requested: frozenset[str]) -> None:
    """Make the ``REQUESTED`` markers of what was installed say who asked for it.

    Both tools mark every package of an exact, dependency-free install, and uv marks dependencies anyway.
    Format: PyPA "Recording installed projects" (PEP 376); an empty file that is listed in ``RECORD``.
    """
    wanted = {canonicalize_name(change.after.name) for change in plan.changes if change.after}
    for folder in _dist_infos(python):
        name = canonicalize_name(folder.name.removesuffix(".dist-info").rpartition("-")[0])
        if name in wanted:
            _set_marker(folder, wanted=name in requested)


def _dist_infos(python: PythonInfo) -> list[Path]:
    folders = [folder for folder in python.site_packages if folder.is_dir()]
    return [Path(entry) for folder in folders for entry in os.scandir(folder) if entry.name.endswith(".dist-info")]


def _set_marker(folder: Path, *, wanted: bool) -> None:
    marker, record = folder / "REQUESTED", folder / "RECORD"
    if marker.exists() == wanted:
        return
    listed = f"{folder.name}/REQUESTED,".encode()
    lines = [line for line in record.read_bytes().splitlines(keepends=True) if not line.startswith(listed)]
    if wanted:
        marker.touch()
        lines.append(listed + f"{_EMPTY_SHA256},0\n".encode())
    else:
        marker.unlink()
    fresh = folder / "RECORD.new"  # replaced, not rewritten: the file may be a hard link into a cache
    fresh.write_bytes(b"".join(lines))
    fresh.chmod(record.stat().st_mode)
    fresh.replace(record)


# --- what went wrong -----------------------------------------------------------------------------------------------


def common_failure(text: str, environment: Environment) -> PkgError | None:
    """The error for what goes wrong in the same words everywhere: disk, rights, externally managed."""
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return DiskFullError("there is no space left on the disk", detail=text, hint="free some space and try again")
    if "externally managed" in text or "externally-managed-environment" in text:
        return PolicyError(
            f"{environment.name} belongs to the operating system, which asks to leave it alone (PEP 668)",
            reference="externally-managed",
            hint="make an environment of your own, or add --break-system-packages",
            detail=text,
        )
    if match := re.search(r"(?i)(permission denied|read-only file system)[^\n]*", text):
        return PolicyError(
            f"no permission to write to {environment.prefix}",
            reference="no-permission",
            context=(shorten(match[0]),),
            hint="use an environment of your own",
            detail=text,
        )
    return None


def build_failure(what: str, text: str, *, log: str = "", log_lines: int = 5) -> EngineError:
    """The error for a source distribution that could not be built, with the last lines that mean something."""
    noise = re.compile(
        r"(?i)hint: |note: |error: |cause: |.*\[end of output\]|[^A-Za-z0-9]*$|.*this (?:error|is an issue)"
        r"|\[std(?:out|err)\]|.*exit (?:code|status): \d+"
    )
    lines = [line.strip(" \u2502") for line in text.splitlines()]
    telling = [line for line in lines if line.isprintable() and line[:1].isascii() and not noise.match(line)]
    return EngineError(
        f"{what or 'a package'} could not be built from its source",
        reference="build-failed",
        context=tuple(shorten(line, 160) for line in telling[-log_lines:]),
        note="there is no ready wheel for this Python and platform, or the spec asks for the source",
        hint="try another version with --no-build, a conda package, or another Python; -v shows the whole log",
        detail=f"{text}\n{log}" if log else text,
    )


def unreachable(why: str, detail: str) -> UnreachableError:
    """The error for an index or a URL that doesn't give what was asked for."""
    if url := re.search(rf"{_STATUS}404\b[^\n]*?for url:? \(?(https?://[^\s)]+)", why):
        msg = f"there is nothing at {url[1]}"
        return UnreachableError(msg, reference="url-not-found", hint="check the URL", detail=detail)
    if re.search(r"(?i)failed to extract archive|hash mismatch|do not match the hashes|BadZipFile", why):
        return UnreachableError(
            "what the package index gave is damaged",
            reference="damaged-download",
            context=(shorten(why),),
            hint="try again; if it stays so, take another version, and tell those who run the index",
            detail=detail,
        )
    denied = re.search(rf"{_STATUS}(401|403)\b|EOF when reading a line|Forbidden|Unauthorized", why)
    return UnreachableError(
        "the package index refused access" if denied else "the package index can't be reached or answers nonsense",
        reference="unauthorized" if denied else "unreachable",
        context=(shorten(why),),
        hint="check the index URL and its credentials" if denied else "check the network, the proxy and the index URL",
        detail=detail,
    )


@contextmanager
def held_in_words(request: EngineRequest) -> Iterator[None]:
    """Say it plainly where a tool finds no solution because of a package that is held."""
    try:
        yield
    except (ConflictError, VersionNotFoundError) as error:
        text = " ".join((*error.context, error.message))
        for package in request.held:
            if re.search(
                rf"(?<![\w.-]){re.escape(canonicalize_name(package.name))}=={re.escape(package.version)}(?![\w.])", text
            ):
                msg = f"{package.name} {package.version} must stay as it is, and this asks for another version of it"
                raise ConflictError(
                    msg,
                    reference="held",
                    context=error.context,
                    hint="ask for versions that work with it",
                    detail=error.detail,
                ) from error
        raise


def shorten(text: str, limit: int = 300) -> str:
    """One line of a tool's text, cut at a word."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit].rsplit(" ", 1)[0] + " …"

"""What uv's error text means.

uv has no machine form for errors; its text has a stable shape: ``error: …``, then ``  cause: …`` for each
layer below, and after an empty line ``hint: …``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_pkgmgr.engines.pypi_common import build_failure, builds_disabled, common_failure, shorten, unreachable
from jupyter_pkgmgr.model import Environment, redact
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    DependencyNotFoundError,
    EngineError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    UnreachableError,
    VersionNotFoundError,
)

__all__ = ["cache_failed", "failure"]

_PATH = re.compile(r"`([^`]+)`")
_UNWRITABLE = re.compile(r"(?i)permission denied|read-only file system")
_UNREACHABLE = (
    "could not be queried due to",
    "returned a 403",
    "error sending request",
    "http status",
    "failed to fetch",
    "operation timed out",
    "received some unexpected",
    "request failed after",
    "invalid peer certificate",
    "network was disabled",
    "network connectivity is disabled",
    "error decoding response body",
    "failed to extract archive",
    "missing `content-type`",
    "unsupported `content-type`",
    "hash mismatch",
)
_BUILD = (
    "the build backend returned an error",
    "failed to build",
    "failed to resolve requirements from",
    "download and build",
)
_NO_WHEEL = re.compile(
    r"has no wheels with a matching|is incompatible with the current platform|no usable wheels|no `?wheels"
)
_BUILDS_OFF = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")
_NO_RECORD = re.compile(r"RECORD` file not found at: .*[/\\](?P<name>[^/\\]+?)-(?P<version>[^-/\\]+)\.dist-info")
_DEPENDS = r"(?P<by>[\w.-]+?)(?:[<>=!~]\S*)? depends? on (?P<requirement>{}(?:[<>=!~][^ ,]*(?:,[<>=!~][^ ,]*)*)?)"
_NO_VERSION = re.compile(
    r"Because (?:there is no version of \S+"
    r"|only [\w.-]+?[<>=!~]\S+ is available"
    r"|only the following versions of [\w.-]+ are available: .*?)"
    r" and you require (?P<spec>[\w.-]+[<>=!~][^, ]+(?:,[<>=!~][^, ]+)*), we can conclude that your requirements"
)


@dataclass(frozen=True, slots=True)
class _Report:
    """uv's error, taken apart; each part on one line."""

    error: str
    causes: tuple[str, ...]
    hints: tuple[str, ...]
    text: str

    @property
    def cause(self) -> str:
        return self.causes[0] if self.causes else ""


def failure(stderr: str, environment: Environment) -> PkgError:
    """The error for what uv printed before it failed."""
    report = _read(redact(stderr))
    return (
        common_failure(report.text, environment)
        or _interpreter(report, environment)
        or _git(report)
        or _build(report)
        or _unreachable(report)
        or _builds_off(report)
        or _unsolvable(report)
        or _other(report)
    )


def cache_failed(stderr: str, environment: Environment) -> bool:
    """Whether uv could not write its cache: a path it has no right to, outside the environment."""
    if "Failed to initialize cache" in stderr:
        return True
    report = _read(stderr)
    for line in (report.error, *report.causes):
        if _UNWRITABLE.search(line) and any(
            "uv" in path and str(environment.prefix) not in path for path in _PATH.findall(line)
        ):
            return True
    return False


def _read(text: str) -> _Report:
    parts: dict[str, list[str]] = {"error": [], "cause": [], "hint": []}
    current: list[str] | None = None
    for line in text.splitlines():
        match = re.match(r"\s*(error|cause|hint): (.*)", line)
        if match:
            current = parts[match[1]]
            current.append(match[2])
        elif current:
            current[-1] += "\n" + line
    joined = {kind: tuple(" ".join(item.split()) for item in items) for kind, items in parts.items()}
    return _Report(joined["error"][0] if joined["error"] else "", joined["cause"], joined["hint"], text)


def _interpreter(report: _Report, environment: Environment) -> PkgError | None:
    if not re.match(
        r"Failed to inspect Python|No virtual environment or system Python|No interpreter found", report.error
    ):
        return None
    msg = f"uv can't use the Python of {environment.name}"
    context = tuple(shorten(line) for line in (report.error, *report.causes))
    return EnvironmentProblem(
        msg, reference="python-unusable", context=context, detail=report.text, hint="--engine pip may do"
    )


def _git(report: _Report) -> PkgError | None:
    if "Git operation failed" not in (report.error, *report.causes):
        return None
    fatal = next((line.strip() for line in report.text.splitlines() if line.strip().startswith("fatal:")), report.cause)
    msg = "git can't fetch what was asked for"
    return UnreachableError(
        msg, reference="git", context=(shorten(fatal),), hint="check the URL and the revision", detail=report.text
    )


def _build(report: _Report) -> PkgError | None:
    texts = (report.error, *report.causes)
    if not any(sign in text.lower() for text in texts for sign in _BUILD):
        return None
    if "building source distributions is disabled" in report.text.lower():
        return None
    building = re.findall(r"^ +Building (.+)$", report.text, re.MULTILINE)
    what = next((name for name in _PATH.findall(report.error) if "(" not in name), building[-1] if building else "")
    return build_failure(what, report.text)


def _unreachable(report: _Report) -> PkgError | None:
    texts = (report.error, *report.causes, *report.hints)
    sign = next((text for text in texts if any(known in text.lower() for known in _UNREACHABLE)), None)
    if sign is None:
        return None
    offline = "network was disabled" in report.text or "connectivity is disabled" in report.text
    if offline:
        missing = re.search(r"Because (\S+) was not found in the cache", report.cause)
        msg = (
            f"{missing[1]} is not in the cache, and the network is switched off"
            if missing
            else "the network is switched off"
        )
        return UnreachableError(msg, reference="offline", detail=report.text, hint="try again without --offline")
    why = dict.fromkeys([sign, *(cause for cause in report.causes if not cause.startswith("Because"))])
    return unreachable(": ".join(why), report.text)


def _builds_off(report: _Report) -> PkgError | None:
    match = _BUILDS_OFF.search(report.text)
    return builds_disabled(match[1], detail=report.text) if match else None


def _unsolvable(report: _Report) -> PkgError | None:
    reason = report.cause
    if _NO_WHEEL.search(report.text):
        msg = "there is no wheel of it for this platform or Python"
        hint = report.hints[0] if report.hints else "ask for another version"
        return VersionNotFoundError(
            msg, reference="no-matching-wheel", context=(_essence(reason),), note=hint, detail=report.text
        )
    if "No solution found" not in report.error:
        return None
    if match := re.match(
        r"Because the current Python version \((\S+?)\) does not satisfy Python(\S+) and (\S+?)==(\S+) depends", reason
    ):
        msg = f"{match[3]} {match[4]} needs Python {match[2]}, this one is {match[1]}"
        hint = f"ask for a version of {match[3]} that works with Python {match[1]}"
        return VersionNotFoundError(msg, reference="requires-python", hint=hint, detail=report.text)
    if match := re.search(
        r"Because (?:(\S+) was not found in (?:the package registry|the provided)|there are no versions of (\S+?)[ ,])",
        reason,
    ):
        return _not_found(match[1] or match[2], reason, report.text)
    if match := _NO_VERSION.match(reason):
        return VersionNotFoundError(f"there is no {match['spec']}", context=(_essence(reason),), detail=report.text)
    msg = "these requirements contradict each other"
    return ConflictError(msg, context=(_essence(reason),), detail=report.text, hint="loosen one of them")


def _not_found(name: str, reason: str, detail: str) -> PackageNotFoundError:
    """What is missing, and who needs it where that isn't the user."""
    if f"you require {name}" not in reason and (match := re.search(_DEPENDS.format(re.escape(name)), reason)):
        return DependencyNotFoundError.of(match["requirement"], match["by"], detail=detail)
    return PackageNotFoundError(f"no index has a package named {name}", detail=detail)


def _essence(reason: str) -> str:
    """The reason without the conclusion that every such text ends with."""
    ending = r",? we can conclude that (?:your requirements are unsatisfiable|all versions of \S+ cannot be used)\.?"
    return shorten(re.sub(ending, "", reason))


def _other(report: _Report) -> PkgError:
    if "editable" in report.error:
        return InvalidSpecError(
            "uv can't install this as editable", context=(shorten(report.error),), hint="--engine pip can"
        )
    if match := _NO_RECORD.search(report.error):
        return EngineError(
            f"{match['name']} can't be removed: the list of its files (RECORD) is gone",
            reference="missing-record",
            hint=f"%pkg install --force-reinstall {match['name']}=={match['version']} brings it back",
            detail=report.text,
        )
    msg = f"uv failed: {shorten(report.error, 200)}" if report.error else "uv failed"
    return EngineError(
        msg,
        context=tuple(shorten(cause) for cause in report.causes),
        hint=report.hints[0] if report.hints else "-v shows all that uv said",
        detail=report.text,
    )

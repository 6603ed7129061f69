"""What pip's error text means.

pip prints ``ERROR: …`` lines and keeps the reasons (a refused page, a wheel for another platform) in its log.
"""

from __future__ import annotations

import re

from jupyter_pkgmgr.engines.pypi_common import build_failure, common_failure, shorten, unreachable
from jupyter_pkgmgr.model import Environment, redact
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    DependencyNotFoundError,
    EngineError,
    EngineNotFoundError,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    VersionNotFoundError,
)

__all__ = ["failure"]

_LOG_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:,]+ ", re.MULTILINE)
_NONE_FITS = re.compile(
    r"Could not find a version that satisfies the requirement (?P<spec>.+?) \(from versions: (?P<versions>.*)\)"
)
_NEEDED = re.compile(r"(?P<requirement>\S+) \(from (?P<by>[\w.-]+?)(?:==\S+)?\)")
_UNFETCHED = re.compile(r"Could not fetch URL (?P<url>\S+?): (?P<why>.*?) - skipping", re.DOTALL)
_TRANSFER = re.compile(
    r"HTTP error \d{3} while getting|\d{3} (?:Client|Server) Error|EOF when reading a line|JSONDecodeError"
    r"|Max retries exceeded|Connection broken|ConnectionError|Read timed out|ReadTimeout|IncompleteRead|SSLError"
    r"|DO NOT MATCH THE HASHES|BadZipFile|Failed to build .* when git (?:clone|fetch)"
    r"|error: [a-z-]*(?:download|connect|network|ssl|timeout)[a-z-]*"
)
_BUILD = (
    "metadata-generation-failed",
    "subprocess-exited-with-error",
    "failed-wheel-build",
    "Failed building",
    "failed to build",
)


def failure(stderr: str, log: str, environment: Environment) -> PkgError:
    """The error for what pip printed before it failed, and what its log says about it."""
    text, log = redact(stderr), redact(_LOG_TIME.sub("", log))
    return (
        common_failure(text, environment)
        or _unusable(text, environment)
        or _build(text, log)
        or _none_fits(text, log)
        or _conflict(text, log)
        or _transfer(text, log)
        or _other(text, log)
    )


def _unusable(text: str, environment: Environment) -> PkgError | None:
    if not re.search(
        r"This version of pip does not support|No module named pip|Unable to locate Python interpreter", text
    ):
        return None
    msg = f"pip can't work on {environment.name}"
    return EngineNotFoundError(
        msg, context=(shorten(text),), hint="leave the choice to %pkg: uv needs no pip", detail=text
    )


def _build(text: str, log: str) -> PkgError | None:
    if not any(sign in text for sign in _BUILD) or re.search("when git (clone|fetch)", text):
        return None
    match = re.search(r"\u2570\u2500> (?:from )?(?!\[|See|No )(\S+)", text)
    # With a log, pip writes what the build printed there and nowhere else
    printed = re.split(
        r"\n *(?:error: |ERROR: |Exception information:)|: finished with status", log.rpartition("Running command ")[2]
    )[0]
    return build_failure(match[1] if match else "", printed.partition("\n")[2] or text, log=log)


def _none_fits(text: str, log: str) -> PkgError | None:
    match = _NONE_FITS.search(text)
    if match is None:
        return None
    spec, versions = match["spec"], match["versions"]
    detail = text + "\n" + log
    if wanted := re.search(r"versions that require a different python version: (.+)", text):
        msg = f"{spec} has no version for this Python"
        return VersionNotFoundError(msg, reference="requires-python", context=(shorten(wanted[1]),), detail=detail)
    if versions != "none":
        context = (f"there are: {shorten(versions)}",)
        return VersionNotFoundError(f"there is no {spec.partition(' (from')[0]}", context=context, detail=detail)
    if why := _unfetched(log):
        return unreachable(why, detail)
    if re.search(r"none of the wheel's tags|not a supported wheel on this platform|No sources permitted for", log):
        msg = f"there is no wheel of {spec} for this platform or Python"
        return VersionNotFoundError(msg, reference="no-matching-wheel", detail=detail, hint="ask for another version")
    needed = _NEEDED.fullmatch(spec)
    missing = PackageNotFoundError(f"no index has a package named {spec}", detail=detail)
    return DependencyNotFoundError.of(needed["requirement"], needed["by"], detail=detail) if needed else missing


def _unfetched(log: str) -> str:
    """Why a page of an index was left out, which pip tells only its log; empty if none was."""
    unfetched = [f"{match['url']}: {match['why']}" for match in _UNFETCHED.finditer(log) if match["why"][:3] != "404"]
    return next(iter([*unfetched, *re.findall(r"Skipping page (.+)", log)]), "")


def _conflict(text: str, log: str) -> PkgError | None:
    if "not a supported wheel on this platform" in text:
        msg = shorten(text.removeprefix("ERROR: "), 200).removesuffix(".")
        return VersionNotFoundError(msg, reference="no-matching-wheel", detail=text)
    if "ResolutionImpossible" not in text and "conflicting dependencies" not in text:
        return None
    match = re.search(r"Cannot install (.+?) because these package versions have conflicting dependencies", text)
    reasons = re.search(r"The conflict is caused by:\n(?P<lines>(?:    .+\n)+)", log)
    context = tuple(shorten(line) for line in reasons["lines"].splitlines()) if reasons else ()
    msg = "these requirements contradict each other"
    hint = "loosen one of them"
    context = context or ((shorten(match[1]),) if match else ())
    return ConflictError(msg, context=context, hint=hint, detail=text + "\n" + log)


def _transfer(text: str, log: str) -> PkgError | None:
    lines = [line for line in text.splitlines() if _TRANSFER.search(line)]
    return unreachable(lines[-1], text + "\n" + log) if lines else None


def _other(text: str, log: str) -> PkgError:
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")]
    if errors and "Invalid requirement" in errors[0]:
        return InvalidSpecError(shorten(errors[0], 200), detail=text)
    last = errors[0] if errors and errors[0] != "Exception:" else (text.strip().splitlines() or [""])[-1]
    msg = f"pip failed: {shorten(last, 200)}" if last else "pip failed"
    return EngineError(msg, hint="-v shows all that pip said", detail=text + "\n" + log)

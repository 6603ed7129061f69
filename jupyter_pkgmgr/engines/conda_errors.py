"""What went wrong in conda, mamba or micromamba, as one of the project's errors.

conda names an exception; downloads, links and signals come wrapped in a ``CondaMultiError``. Some of its
releases fail while writing that document and leave only a traceback on stderr, which still names the
exception. The mamba family has no names at all, only the texts in ``log_history``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_pkgmgr.engines.conda_output import Answer
from jupyter_pkgmgr.engines.solver_report import essence
from jupyter_pkgmgr.model import Verb, redact
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    ConflictError,
    DiskFullError,
    EngineError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    UnreachableError,
    VersionNotFoundError,
)
from jupyter_pkgmgr.process import Completed

__all__ = ["Failure", "conda_error", "mamba_error", "not_installed"]

_DETAIL_LIMIT = 20_000
_LINE_LIMIT = 200
_CLEAN_INDEX = "conda clean --index-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Everything an error is made from."""

    tool: str
    verb: Verb
    specs: tuple[str, ...]
    completed: Completed
    answer: Answer | None
    forgets_index: bool = False
    """Whether this release empties its index cache when a channel answers 403 (conda before 26.7)."""

    @property
    def wanted(self) -> str:
        """What was asked for, short enough for a message."""
        shown = ", ".join(self.specs[:3])
        return redact(shown + (f" and {len(self.specs) - 3} more" if len(self.specs) > 3 else "")) or "everything"  # noqa: PLR2004

    def detail(self, *texts: str) -> str:
        """The long version: the given texts, or all the tool printed."""
        text = "\n".join(filter(None, texts)) or f"{self.completed.stdout}\n{self.completed.stderr}"
        return redact(text.strip())[-_DETAIL_LIMIT:]


def not_installed(names: Iterable[str]) -> PackageNotFoundError:
    """A removal or an update of something that conda didn't install."""
    listed = ", ".join(names)
    return PackageNotFoundError(
        f"conda has not installed {listed} here",
        reference="package-not-installed",
        note="conda removes and updates only what conda installed",
        hint="%pkg list shows what is there and who installed it",
    )


# --- conda: exceptions with names -------------------------------------------------------------------------


def conda_error(failure: Failure) -> PkgError:
    """The error behind a failed run of conda."""
    documents = _flatten(failure.answer.document) if failure.answer else []
    for keys in (("exception_name", "error"), ("message",)):  # the name says more than the text
        for document in documents:
            text = " ".join(str(document.get(key, "")) for key in keys)
            for pattern, build in _CONDA:
                if pattern.search(text):
                    return build(failure, document)
    if documents:
        return _failed(failure, _first_line(documents[0].get("message") or documents[0].get("error")))
    return _conda_without_document(failure)


def _flatten(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The errors inside a ``CondaMultiError``, or the one error; empty ones (``()``) and repetitions left out."""
    errors = [item for item in document.get("errors", ()) if isinstance(item, dict)] or [document]
    by_text = {str(item.get("error") or item.get("message")): item for item in errors}
    return [item for text, item in by_text.items() if text not in ("()", "None")]


def _conda_without_document(failure: Failure) -> PkgError:
    stderr = failure.completed.stderr
    usage = re.search(r"^conda(?: \w+)?: error: (.+)$", stderr, re.MULTILINE)
    if usage:
        return _usage(failure, usage[1])
    if "An error occurred while installing package" in stderr:
        return _link(failure, {"message": stderr})
    raised = re.findall(r"^(?:\w+\.)*(\w+): (.+)$", stderr, re.MULTILINE)
    for pattern, build in _CONDA:  # the last one may be conda's failure to write the first one, which it names
        for name, text in raised:
            if pattern.search(f"{name}: {text}"):
                return build(failure, {"message": text})
    return _failed(failure, _last_line(stderr))


def _conda_missing(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document.get("message", ""))
    if failure.verb is Verb.REMOVE or "missing from the target environment" in message:
        return not_installed(document.get("packages") or document.get("package_name") or _listed(message))
    names = document.get("packages") or _listed(message) or list(failure.specs)
    return _missing(failure, [str(name) for name in names])


def _listed(message: str) -> list[str]:
    return re.findall(r"^  - (\S.*)$", message.partition("Current channels")[0], re.MULTILINE)


def _missing(failure: Failure, names: list[str]) -> PkgError:
    versioned = any(re.search(r"[=<>!~ ]", name) for name in names)
    listed = redact(", ".join(names))
    note = (
        "conda names only the first it can't find"
        if failure.tool == "conda" and len(names) < len(failure.specs)
        else None
    )
    hint = f"%pkg search {re.split(r'[=<>!~ ]', names[0])[0].rpartition('::')[2]}"
    if "--offline" in failure.completed.argv:
        note, hint = "offline, only packages in the cache can be used", "try again without --offline"
    elif failure.forgets_index:
        note = "if a channel refused an earlier request (403), this release of conda emptied its cached index"
        hint = f"if the package should be there: {_CLEAN_INDEX}"
    kind = VersionNotFoundError if versioned else PackageNotFoundError
    return kind(f"no channel has {listed}", note=note, hint=hint, detail=failure.detail())


def _conda_conflict(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document.get("message", ""))
    reasons = re.findall(r"^  - (.+)$", message, re.MULTILINE) or essence(message) or [_first_line(message)]
    if pinned := document.get("pinned_specs"):
        reasons = [f"pinned: {', '.join(pinned)}", f"requested: {', '.join(document.get('requested_specs', ()))}"]
    return _conflict(failure, reasons, message)


def _conflict(failure: Failure, reasons: Iterable[str], detail: str) -> ConflictError:
    return ConflictError(
        f"{failure.tool} found no solution for {failure.wanted}",
        context=tuple(_short(reason) for reason in reasons if reason)[:5],
        hint="ask for other versions, or for fewer packages at once; -v shows the whole report",
        detail=failure.detail(detail),
    )


def _conda_http(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document.get("message", ""))
    found = re.search(r"HTTP (\d{3})", message)
    status = str(document.get("status_code") or "") or (found[1] if found else "")
    url = document.get("url") or document.get("channel_url") or _url_in(message)
    return _unreachable(failure, url, int(status) if status.isdigit() else 0, message)


def _conda_bad_download(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document.get("message", ""))
    return _damaged(failure, document.get("url") or _url_in(message) or "a package", message)


def _url_in(text: str) -> str:
    match = re.search(r"\b[a-z]+://[^\s'\"<>\]]+", text)
    return match[0] if match else ""


def _unreachable(failure: Failure, url: str, status: int, detail: str) -> UnreachableError:
    where = redact(url) or "a channel"
    answered = 100 <= status < 600 and status != 0  # noqa: PLR2004  HTTP's status codes
    forbidden = status in (401, 403)
    hint = "check the address and the network, then try again"
    if forbidden:
        hint = "check the credentials for this channel"
    if forbidden and failure.forgets_index:
        hint += f"; if packages are missing afterwards: {_CLEAN_INDEX}"
    return UnreachableError(
        f"{where} answered {status}" if answered else f"{where} can't be reached",
        note=_short(_first_line(detail)) or None,
        hint=hint,
        detail=failure.detail(detail),
    )


def _damaged(failure: Failure, url: str, detail: str) -> UnreachableError:
    return UnreachableError(
        f"{redact(url)} did not arrive whole",
        reference="bad-download",
        note=_short(_first_line(detail)) or None,
        hint="try again; if it repeats, the channel's copy is damaged",
        detail=failure.detail(detail),
    )


def _offline(failure: Failure, document: dict[str, Any]) -> PkgError:
    return UnreachableError(
        f"{failure.wanted} isn't in the package cache, and {failure.tool} is offline",
        reference="offline",
        hint="try again without --offline",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _frozen(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document.get("message", ""))
    reason = re.search(r"Reason:\s*(.+?)\s*\n\s*You can bypass", message, re.DOTALL)
    return PolicyError(
        "the environment is frozen",
        reference="frozen",
        note=redact(reason[1]) if reason else "conda-meta/frozen marks it (CEP 22)",
        hint="install into another environment, or, at your own risk, use --override-frozen",
        detail=failure.detail(message),
    )


def _not_writable(failure: Failure, document: dict[str, Any]) -> PkgError:
    return PolicyError(
        f"{failure.tool} may not write to the environment or to the package cache",
        reference="read-only",
        hint="use an environment of your own, or ask its owner",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _policy(failure: Failure, document: dict[str, Any]) -> PkgError:
    return PolicyError(
        f"{failure.tool} refuses to change this: {_short(_first_line(document.get('message')))}",
        hint=f"see the {failure.tool} configuration: {failure.tool} config --show-sources",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _disk(failure: Failure, document: dict[str, Any]) -> PkgError:
    return DiskFullError(
        "no space left on the disk",
        hint=f"free some: {failure.tool} clean --tarballs drops downloaded archives",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _cancelled(failure: Failure, document: dict[str, Any]) -> PkgError:
    return CancelledError(f"{failure.tool} was stopped", detail=failure.detail(str(document.get("message", ""))))


def _no_environment(failure: Failure, document: dict[str, Any]) -> PkgError:
    return EnvironmentProblem(
        f"{failure.tool} finds no conda environment there",
        reference="not-an-environment",
        note="a conda environment has a file conda-meta/history",
        hint="%pkg env shows which environment is meant, %pkg doctor what is wrong with it",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _conda_not_installed(failure: Failure, document: dict[str, Any]) -> PkgError:
    names = document.get("package_name") or failure.specs
    return not_installed([names] if isinstance(names, str) else names)


def _bad_spec(failure: Failure, document: dict[str, Any]) -> PkgError:
    return InvalidSpecError(
        f"{failure.tool} can't read {failure.wanted}",
        note=_short(_first_line(document.get("message"))),
        hint="a conda spec is NAME, NAME=1.2 or 'NAME>=1,<2'",
        detail=failure.detail(),
    )


def _link(failure: Failure, document: dict[str, Any]) -> PkgError:
    text = f"{document.get('message', '')}\n{failure.completed.stderr}"
    package = re.search(r"package '([^']+)'", text) or re.search(r"for package (\S+)", text)
    return EngineError(
        f"{failure.tool} could not put {redact(package[1]) if package else 'a package'} in place",
        reference="link-failed",
        note="the package's own script failed, or a file was in the way",
        hint="-v shows what it printed",
        detail=failure.detail(),
    )


def _race(failure: Failure, document: dict[str, Any]) -> PkgError:
    return EngineError(
        "another process downloaded the same package at the same time",
        reference="cache-race",
        note="conda doesn't lock its package cache",
        hint="try again",
        detail=failure.detail(str(document.get("message", ""))),
    )


def _usage(failure: Failure, text: str) -> EngineError:
    return EngineError(
        f"{failure.tool} doesn't know an option that is needed: {_short(text.partition('Run with')[0])}",
        reference="engine-usage",
        hint=f"update {failure.tool}, or use another engine: --engine rattler",
        detail=failure.detail(),
    )


def _failed(failure: Failure, text: str, detail: str = "") -> EngineError:
    why = _short(text) or f"it ended with exit code {failure.completed.returncode} and no word"
    return EngineError(
        f"{failure.tool} failed: {redact(why)}", hint="-v shows all it printed", detail=failure.detail(detail)
    )


_Build = Callable[[Failure, dict[str, Any]], PkgError]
_CONDA: tuple[tuple[re.Pattern[str], _Build], ...] = tuple(
    (re.compile(pattern), build)
    for pattern, build in (
        (r"NoSpaceLeftError|\[Errno 28\]|No space left", _disk),
        (r"CondaSignalInterrupt|KeyboardInterrupt|CondaSystemExit|DryRunExit", _cancelled),
        (r"EnvironmentIsFrozenError", _frozen),
        (r"NotWritableError|NoWritable\w+Error|PermissionError|\[Errno 13\]", _not_writable),
        (r"PackageNotInstalledError|PackagesNotFoundInPrefixError", _conda_not_installed),
        (r"PackagesNotFound\w*Error|ResolvePackageNotFound", _conda_missing),
        (r"Unsatisfiable\w*Error|SpecsConfigurationConflictError", _conda_conflict),
        (r"ChecksumMismatchError|ChunkedEncodingError|CondaVerificationError|IncompleteRead", _conda_bad_download),
        (r"OfflineError", _offline),
        (r"CondaHTTPError|UnavailableInvalidChannel|CondaSSLError|ProxyError|ConnectionError|ReadTimeout", _conda_http),
        (r"EnvironmentLocationNotFound|DirectoryNotACondaEnvironmentError|EnvironmentNameNotFound", _no_environment),
        (r"InvalidMatchSpec|InvalidVersionSpec|InvalidSpec|CondaUpdatePackageError", _bad_spec),
        (r"invalid package specification|Invalid spec for", _bad_spec),
        (r"DisallowedPackageError|ChannelNotAllowed|RemoveError|OperationNotAllowed|CondaToS\w+", _policy),
        (r"\.partial", _race),
        (r"LinkError", _link),
    )
)


# --- mamba and micromamba: texts --------------------------------------------------------------------------


def mamba_error(failure: Failure) -> PkgError:
    """The error behind a failed run of mamba or micromamba."""
    answer = failure.answer
    text = "\n".join(answer.log("error", "critical")) if answer else failure.completed.stderr
    if failure.completed.returncode == _CLI11_USAGE:
        return _usage(failure, "; ".join(answer.log("warning")) if answer else text)
    if (answer and answer.solver_problems) or "Could not solve" in text:
        return _mamba_unsolved(failure, text)
    for pattern, build in _MAMBA:
        if match := pattern.search(text):
            return build(failure, {"message": text[match.start() :]})
    return _failed(failure, _first_line(text), text)


_CLI11_USAGE = 109
"""Exit code of the mamba family for a command line it can't read (``ExtrasError`` of its parser)."""
_UNSUPPORTED = "unsupported request"
"""What the solver calls a spec that no channel satisfies."""
_ABSENT = re.compile(r"^[├└]─ (?P<spec>.+?) does not exist", re.MULTILINE)


def _mamba_unsolved(failure: Failure, text: str) -> PkgError:
    """Only what is missing at the top of the tree was asked for; deeper down it is a conflict."""
    lines = "\n".join(line.strip(" ") if line.lstrip().startswith(("├", "└")) else line for line in _tree_top(text))
    absent = [_readable(match["spec"]) for match in _ABSENT.finditer(lines)]
    tops = sum(line.startswith(("├", "└")) for line in lines.splitlines())
    if absent and len(absent) == tops:
        return _missing(failure, absent)
    problems = failure.answer.solver_problems if failure.answer else []
    reasons = [problem for problem in problems if problem != _UNSUPPORTED]
    if problems and not reasons and "does not exist" not in text:  # the tree, if there is one, says more
        return _mamba_missing(failure, len(problems))
    return _conflict(failure, reasons or [_first_line(text)], text)


def _mamba_missing(failure: Failure, count: int) -> PkgError:
    """Up to 2.8.1 only how many specs nothing satisfies is told under ``--json``, not which."""
    if count >= len(failure.specs):
        return _missing(failure, [_readable(spec) for spec in failure.specs])
    return PackageNotFoundError(
        f"no channel has {count} of {failure.wanted}",
        note=f"{failure.tool} doesn't say which",
        hint=f"%pkg search {re.split(r'[=<>!~ ]', failure.specs[0])[0].rpartition('::')[2]}",
        detail=failure.detail(),
    )


def _tree_top(text: str) -> list[str]:
    """The lines at the first level of the solver's tree, which is indented by four columns or none."""
    return [line for line in text.splitlines() if re.match(r" {0,4}[├└]─", line)]


def _readable(spec: str) -> str:
    """``six =9.9 *`` as ``six=9.9``, ``six =* *`` as ``six``."""
    name, _, rest = spec.partition(" ")
    version = rest.removesuffix("*").strip()
    return name if version in ("", "=*", "*") else name + version


def _mamba_http(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document["message"])
    status = re.search(r"status:? (\d{3})", message)
    why = re.search(r"Download error \(\d+\) ([^\[\n]+)", message)
    where = re.search(r"\[([^\]\s]+/[^\]\s]+)\]", message) or re.search(r"package from (\S+)", message)
    error = _unreachable(failure, where[1] if where else "", int(status[1]) if status else 0, message)
    if why and not status:
        error.note = why[1].strip()
    return error


def _mamba_transfer(failure: Failure, document: dict[str, Any]) -> PkgError:
    message = str(document["message"])
    path = re.search(r'expectation "([^"]+)"', message)
    return _damaged(failure, path[1].rpartition("/")[2] if path else "a package", message)


_MAMBA: tuple[tuple[re.Pattern[str], _Build], ...] = tuple(
    (re.compile(pattern), build)
    for pattern, build in (
        (r"No space left", _disk),
        (r"Thread interrupted", _cancelled),
        (r"Permission denied|Could not open lockfile|Read-only file system", _not_writable),
        (r"No prefix found at|Expected environment not found", _no_environment),
        (r"Package is not installed in prefix", _conda_not_installed),
        (r"Error parsing (?:MatchSpec|version)", _bad_spec),
        (r"File not valid|Found incorrect downloads|Transferred a partial file", _mamba_transfer),
        (r"Transfer finalized, status|Failed to download|Download error|not loaded!", _mamba_http),
        (r"while (?:un)?linking package|link script", _link),
    )
)


def _first_line(text: object) -> str:
    return next((line.strip() for line in str(text or "").splitlines() if line.strip()), "")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _short(text: str) -> str:
    line = redact(" ".join(text.split())).rstrip(".")
    return line if len(line) <= _LINE_LIMIT else line[: _LINE_LIMIT - 1] + "…"

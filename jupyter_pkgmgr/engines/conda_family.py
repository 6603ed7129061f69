"""What the engines conda, mamba and micromamba share: plan with ``--dry-run``, apply, look at the result.

The user's own configuration stays in force; the command line adds only what the request says. Held packages
and pins go into the ``pinned_packages`` setting through its environment variable: it is the one way both
families have, it adds to what the user pinned, and, unlike a spec, it never ends in the history as
something the user asked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jupyter_pkgmgr.engines.conda_errors import Failure, not_installed
from jupyter_pkgmgr.engines.conda_executables import find_executable, root_prefix
from jupyter_pkgmgr.engines.conda_output import Answer, changes, parse_answer, spec_name, split_log
from jupyter_pkgmgr.engines.conda_progress import Download, watching
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.model import (
    Cancellation,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    EventKind,
    EventSink,
    Notice,
    Package,
    Phase,
    PolicyKind,
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    ConflictError,
    EngineKilledError,
    EnvironmentProblem,
    InvalidSpecError,
    PkgError,
    PolicyError,
    UnknownFormatError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from jupyter_pkgmgr.process import Completed, run

__all__ = ["CondaFamilyEngine"]

_BOILERPLATE = re.compile(r"^(Security Warning: This transaction|Executing \S+ script|Cannot lock|Retrying in)")
_LOGGER = re.compile(r"^(DEBUG|INFO|WARNING|ERROR) conda|^Retrying \(Retry\(")
_EXACT_PIN = re.compile(r"(?P<name>[\w.-]+?)\s*=*\s*(?P<version>\d[\w.]*?)(?:\.\*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """What ``apply`` needs of a plan: the command line, its variables, and what it said it would fetch."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    verb: Verb
    specs: tuple[str, ...]
    downloads: tuple[Download, ...] = ()
    caches: tuple[Path, ...] = ()


class CondaFamilyEngine(ABC):
    """One executable of the conda family behind the engine protocol.

    Parameters
    ----------
    environ
        Variables to look in for executables and for the user's own pins; by default the process's own.
    """

    name: ClassVar[str]
    ecosystem: ClassVar[Ecosystem] = Ecosystem.CONDA

    def __init__(self, *, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    # --- what differs -------------------------------------------------------------------------------------

    @abstractmethod
    def _command(self, request: EngineRequest, info: EngineInfo) -> list[str]:
        """Subcommand, options and specs; without the prefix and what every command has."""

    @abstractmethod
    def _variables(self, environment: Environment, pins: tuple[str, ...]) -> dict[str, str]:
        """Environment variables for a run, the pins among them."""

    @abstractmethod
    def _error(self, failure: Failure) -> PkgError:
        """The error behind a failed run."""

    def _forgets_index(self, info_version: str) -> bool:  # noqa: ARG002  only some releases of conda do
        return False

    def _specs(self, request: EngineRequest) -> tuple[str, ...]:
        """The specs that the tool must see."""
        return request.specs

    def _explicit(self, specs: tuple[str, ...]) -> Answer | None:  # noqa: ARG002
        """The answer to a request that the tool takes literally, without solving and without an answer of its own."""
        return None

    def _warnings(
        self,
        environment: Environment,  # noqa: ARG002
        request: EngineRequest,  # noqa: ARG002
        found: tuple[Change, ...],
    ) -> tuple[tuple[Change, ...], tuple[Notice, ...]]:
        """The changes that are real, and what is to be said about the others."""
        return found, ()

    # --- the protocol -------------------------------------------------------------------------------------

    def info(self, environment: Environment | None = None) -> EngineInfo:
        """Find the tool and ask its version.

        Raises
        ------
        EngineNotFoundError
            If there is none, or none that is new enough.
        """
        return find_executable(self.name, environment, environ=self._environ)

    def plan(
        self, environment: Environment, request: EngineRequest, *, events: EventSink, cancel: Cancellation
    ) -> EnginePlan:
        """Work out the changes with ``--dry-run``."""
        cancel.check()
        _check_request(self.name, environment, request)
        info = self.info(environment)
        specs = self._specs(request)
        if not specs and request.specs:  # all of it is there already
            return EnginePlan(engine=self.name, engine_version=info.version, ecosystem=self.ecosystem, changes=())
        payload = _Payload(
            argv=(info.executable, *self._arguments(environment, request, info)),
            env=tuple(self._variables(environment, _pins(request)).items()),
            verb=request.verb,
            specs=specs,
            caches=request.conda.pkgs_dirs if request.conda else (),
        )
        events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))
        dry = (*payload.argv[:2], "--dry-run", *payload.argv[2:])
        answer = self._explicit(specs) or self._run(
            dry, payload, environment, info.version, events=events, cancel=cancel
        )
        found = changes(answer.actions, verb=request.verb, specs=request.specs, installed=request.installed)
        _check_answer(self.name, request, found)
        if request.options.offline:
            _check_offline(self.name, answer)
        found, notices = self._warnings(environment, request, found)
        return EnginePlan(
            engine=self.name,
            engine_version=info.version,
            ecosystem=self.ecosystem,
            changes=found,
            warnings=(*notices, *_notices(answer)),
            payload=_with_downloads(payload, answer),
        )

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Run the planned command for real and compare ``conda-meta`` with the plan."""
        payload = plan.payload
        if not plan.changes or not isinstance(payload, _Payload):
            return
        if not os.access(environment.conda_meta, os.W_OK):  # mamba finds out late and retries for 12 s
            raise PolicyError(
                f"{environment.prefix} can't be written to",
                reference="read-only",
                hint="use an environment of your own, or ask its owner",
            )
        watch = watching(
            environment.conda_meta,
            downloads=payload.downloads,
            links=tuple(_stem(change.after) for change in plan.changes if change.after),
            unlinks=tuple(_stem(change.before) for change in plan.changes if change.before),
            caches=payload.caches,
            events=events,
        )
        try:
            with _history_kept(environment, events), watch:
                answer = self._run(
                    payload.argv, payload, environment, plan.engine_version, events=events, cancel=cancel
                )
        except PkgError as error:
            raise _with_state(error, environment, plan) from error.__cause__
        for notice in _notices(answer):
            events(Event(kind=EventKind.MESSAGE, level="warning", message=notice.message))
        events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
        _verify(self.name, environment, plan)

    # --- the run ------------------------------------------------------------------------------------------

    def _arguments(self, environment: Environment, request: EngineRequest, info: EngineInfo) -> list[str]:
        verb, *rest = self._command(request, info)
        return [verb, "--json", "-y", "-p", str(environment.prefix), *rest]

    def _run(
        self,
        argv: tuple[str, ...],
        payload: _Payload,
        environment: Environment,
        version: str,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> Answer:
        completed = run(argv, env=dict(payload.env), cwd=environment.prefix, on_stderr=_output(events), cancel=cancel)
        answer = parse_answer(self.name, completed.stdout)
        if answer is not None and not answer.log_history:
            answer.log_history, _ = split_log(completed.stderr)
        if answer is None and completed.returncode == 0:
            answer = self._explicit(payload.specs)
        failed = completed.returncode != 0 or answer is None or bool(answer.exception_name)
        if answer is not None and not failed and answer.success is not False:
            _tell(answer, completed, events, dry="--dry-run" in argv)
            return answer
        failure = Failure(
            tool=self.name,
            verb=payload.verb,
            specs=payload.specs,
            completed=completed,
            answer=answer or _from_stderr(self.name, completed),
            forgets_index=self._forgets_index(version),
        )
        if failure.answer is None and completed.returncode == 0:
            raise UnknownFormatError(
                f"{self.name} {version} ended well but printed no answer",
                hint="use another engine: --engine rattler",
                detail=failure.detail(),
            )
        error = self._error(failure)
        if isinstance(error, EnvironmentProblem) and _history_lost(environment):
            error.note = "its conda-meta/history is missing: some releases of conda delete it when an install fails"
            error.hint = f"an empty file heals it: {environment.conda_meta / 'history'}"
        raise error


# --- before the run ---------------------------------------------------------------------------------------


def _check_request(tool: str, environment: Environment, request: EngineRequest) -> None:
    for text in (*request.specs, *request.options.channels):
        if text.startswith("-") or not text.strip():
            raise InvalidSpecError(f"{text!r} can't be given to conda: it would be read as an option")
    if not request.specs and request.verb is not Verb.UPDATE:
        raise UsageError(f"nothing to {request.verb}", hint=f"%pkg {request.verb} NAME")
    if request.removals:  # each of its commands solves anew: the second would be planned on what the first changes
        others = "update" if request.verb is Verb.UPDATE else "install"
        raise UsageError(
            f"{tool} can't remove and {others} in one plan",
            reference="engine-one-verb",
            note="none of its commands does both",
            hint=f"%pkg remove {' '.join(request.removals)}, then the rest; or --engine rattler for all of it",
        )
    frozen = environment.policy(PolicyKind.FROZEN)
    if frozen and not request.options.override_frozen:  # the mamba family and conda before 25.5 don't look
        raise PolicyError(
            "the environment is frozen",
            reference="frozen",
            note=frozen.message or "conda-meta/frozen marks it (CEP 22)",
            hint="install into another environment, or, at your own risk, use --override-frozen",
        )
    if request.verb is not Verb.INSTALL:
        there = {package.name.lower() for package in request.installed}
        absent = [name for name in map(spec_name, request.specs) if name and name not in there]
        if absent:  # conda fails, the mamba family calls it success
            raise not_installed(absent)


def _pins(request: EngineRequest) -> tuple[str, ...]:
    held = (
        f"{package.name}={package.version}={package.build}" if package.build else f"{package.name}=={package.version}"
        for package in request.held
        if package.ecosystem is Ecosystem.CONDA
    )
    return (*held, *request.pins)


def _output(events: EventSink) -> Callable[[str], None]:
    return lambda line: events(Event(kind=EventKind.OUTPUT, message=redact(line)))


# --- after a dry run --------------------------------------------------------------------------------------


def _check_answer(tool: str, request: EngineRequest, found: tuple[Change, ...]) -> None:
    """Refuse an answer that breaks a promise; classic conda overrides pins, an emptied index answers "all there"."""
    held = {package.key: package for package in request.held}
    for change in found:
        if change.before and change.before.key in held:
            broken = held[change.before.key]
            goal = change.after.version if change.after else "nothing"
            if change.after is None or (change.after.version, change.after.build) != (broken.version, broken.build):
                raise _held(tool, request, f"{broken.name} {broken.version} would become {goal}")
    for pin in request.pins:
        match = _EXACT_PIN.fullmatch(pin)
        for change in found:
            after = change.after
            if match and after and after.name == match["name"] and not _within(after.version, match["version"]):
                raise _held(tool, request, f"{after.name} would become {after.version}, the pin is {pin}")
    lost = [change.before for change in found if change.after is None and change.before and change.before.requested]
    if lost and request.verb is not Verb.REMOVE:  # micromamba makes room without asking, even where there are pins
        goes = ", ".join(f"{package.name} {package.version}" for package in lost)
        raise _held(tool, request, f"{goes} would be removed to make room")
    if request.verb is Verb.INSTALL:
        there = {package.name.lower() for package in request.installed}
        there |= {change.after.name.lower() for change in found if change.after}
        absent = [name for name in map(spec_name, request.specs) if name and name not in there]
        if absent:
            raise UnreachableError(
                f"{tool} says that everything is installed, but {', '.join(absent)} isn't",
                reference="index-cache",
                note="its cached index of the channel may be empty; a refused request (403) leaves it so",
                hint=f"{tool} clean --index-cache",
            )


def _within(version: str, pinned: str) -> bool:
    return version == pinned or version.startswith(f"{pinned}.")


def _held(tool: str, request: EngineRequest, what: str) -> ConflictError:
    return ConflictError(
        f"{tool} found no solution that keeps what must stay",
        context=(what,),
        note=f"asked for: {redact(', '.join(request.specs[:5])) or 'everything'}",
        hint="ask for other versions",
    )


def _check_offline(tool: str, answer: Answer) -> None:
    """The mamba family downloads in spite of ``--offline``, so such a plan is refused."""
    fetch = answer.actions.fetch if answer.actions else []
    needed = [record.name for record in fetch if record.url and not record.url.startswith("file:")]
    if needed:
        raise UnreachableError(
            f"{', '.join(needed)} would have to be downloaded, and this is offline",
            reference="offline",
            hint=f"try again without --offline; {tool} has cached what it fetched before",
        )


def _with_downloads(payload: _Payload, answer: Answer) -> _Payload:
    fetch = answer.actions.fetch if answer.actions else []
    downloads = tuple(
        Download(name=record.name, file_name=record.fn, url=record.url, size=record.size)
        for record in fetch
        if record.fn
    )
    return _Payload(
        argv=payload.argv,
        env=payload.env,
        verb=payload.verb,
        specs=payload.specs,
        downloads=downloads,
        caches=payload.caches,
    )


def _notices(answer: Answer) -> tuple[Notice, ...]:
    return tuple(
        Notice(reference="engine-warning", message=redact(" ".join(text.split())))
        for text in answer.log("warning")
        if not _BOILERPLATE.match(text)
    )


# --- after a run ------------------------------------------------------------------------------------------


def _tell(answer: Answer, completed: Completed, events: EventSink, *, dry: bool) -> None:
    """What is worth reading in a run that went well: that it waited, and what packages' scripts had to say."""
    if any("Cannot lock" in text for text in answer.log("warning")):
        events(Event(kind=EventKind.WAITING, message="waited for another mamba process that held the package cache"))
    _, printed = split_log(completed.stderr)
    scripts = [redact(line) for line in printed if line.strip() and not _LOGGER.match(line)]
    if scripts and not dry:
        events(Event(kind=EventKind.MESSAGE, level="warning", message="\n".join(scripts)))


def _from_stderr(tool: str, completed: Completed) -> Answer | None:
    """Some answers of conda come on stderr: a run that was stopped on purpose, with exit code 0."""
    with contextlib.suppress(UnknownFormatError):
        return parse_answer(tool, completed.stderr)
    return None


def _history_lost(environment: Environment) -> bool:
    meta = environment.conda_meta
    return meta.is_dir() and not (meta / "history").exists() and any(meta.glob("*.json"))


@contextlib.contextmanager
def _history_kept(environment: Environment, events: EventSink) -> Iterator[None]:
    """Put ``conda-meta/history`` back if the run deletes it, as conda 25.11 to 26.5 do when they fail."""
    history = environment.conda_meta / "history"
    before = history.read_bytes() if history.exists() else b""
    try:
        yield
    finally:
        if environment.conda_meta.is_dir() and not history.exists():
            history.write_bytes(before)
            events(Event(kind=EventKind.MESSAGE, level="warning", message="put conda-meta/history back"))


def _records(environment: Environment) -> set[str]:
    return {path.name.removesuffix(".json") for path in environment.conda_meta.glob("*.json")}


def _stem(package: Package) -> str:
    return f"{package.name}-{package.version}-{package.build}"


def _undone(environment: Environment, plan: EnginePlan) -> list[str]:
    """One line for each change that ``conda-meta`` doesn't show."""
    records = _records(environment)
    lines = []
    for change in plan.changes:
        if change.after and _stem(change.after) not in records:
            lines.append(f"{change.after.name} {change.after.version} is not there")
        elif change.after is None and change.before and _stem(change.before) in records:
            lines.append(f"{change.before.name} {change.before.version} is still there")
    return lines


def _verify(tool: str, environment: Environment, plan: EnginePlan) -> None:
    if undone := _undone(environment, plan):
        raise VerificationError(
            f"{tool} said it was done, but the environment isn't what the plan said",
            context=tuple(undone[:10]),
            note="an interrupted run is rolled back and still called a success by mamba",
            hint="%pkg doctor checks the environment; then try again",
        )


def _with_state(error: PkgError, environment: Environment, plan: EnginePlan) -> PkgError:
    """Add what a run that failed or was stopped left behind."""
    undone = len(_undone(environment, plan))
    total = len(plan.changes)
    if isinstance(error, CancelledError | EngineKilledError):
        state = "nothing was changed" if undone == total else f"{total - undone} of {total} changes were made already"
        error.context = (*error.context, state)
    elif undone < total:
        error.context = (*error.context, f"{total - undone} of {total} changes were made")
    return error


def merged(environ: Mapping[str, str], variable: str, value: str, *, separator: str) -> dict[str, str]:
    """The variable with our value behind the user's own; nothing if there is nothing to add."""
    if not value:
        return {}
    own = environ.get(variable, "")
    return {variable: f"{own}{separator}{value}" if own else value}


def quoted(specs: tuple[str, ...]) -> str:
    """Specs as the items of a YAML sequence, which is how the mamba family reads a list in a variable."""
    return ", ".join(json.dumps(spec) for spec in specs)


def root_variable(environment: Environment, environ: Mapping[str, str]) -> dict[str, str]:
    """``MAMBA_ROOT_PREFIX``, without which micromamba doesn't know its package cache."""
    return {"MAMBA_ROOT_PREFIX": str(root_prefix(environment, environ))}

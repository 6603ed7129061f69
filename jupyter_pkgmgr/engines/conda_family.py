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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from jupyter_pkgmgr.engines.conda_checks import (
    apart,
    check_answer,
    check_held,
    check_offline,
    check_request,
    check_shadow_tells,
)
from jupyter_pkgmgr.engines.conda_errors import Failure
from jupyter_pkgmgr.engines.conda_executables import find_executable, root_prefix
from jupyter_pkgmgr.engines.conda_output import Answer, changes, joined, parse_answer, split_log
from jupyter_pkgmgr.engines.conda_progress import Download, watching
from jupyter_pkgmgr.engines.conda_shadow import shadow
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
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    EngineKilledError,
    EnvironmentProblem,
    PkgError,
    PolicyError,
    UnknownFormatError,
    VerificationError,
)
from jupyter_pkgmgr.process import Completed, run

__all__ = ["CondaFamilyEngine"]

_BOILERPLATE = re.compile(r"^(Security Warning: This transaction|Executing \S+ script|Cannot lock|Retrying in)")
_LOGGER = re.compile(r"^(DEBUG|INFO|WARNING|ERROR) conda|^Retrying \(Retry\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """One run of the tool: its command line, its variables, and what a dry run of it said."""

    executable: str
    words: tuple[str, ...]
    """Subcommand, options and specs."""
    env: tuple[tuple[str, str], ...]
    verb: Verb
    specs: tuple[str, ...]
    moves: frozenset[str] = frozenset()
    """What it takes and brings, as ``-name-version-build`` and ``+name-version-build``."""
    downloads: tuple[Download, ...] = ()

    def argv(self, prefix: Path, *, dry: bool = False) -> tuple[str, ...]:
        """The whole command line."""
        verb, *rest = self.words
        return (self.executable, verb, *(("--dry-run",) if dry else ()), "--json", "-y", "-p", str(prefix), *rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """What ``apply`` needs of a plan: its commands, in order."""

    commands: tuple[_Command, ...]
    caches: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one command would do; there is none where all of it is there already."""

    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    command: _Command | None = None


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
        """Work out the changes with ``--dry-run``; with two where packages go and others come."""
        cancel.check()
        parts = _parts(request)
        for part in parts:
            check_request(environment, part)
        info = self.info(environment)
        if len(parts) == 1:
            found = self._ask(environment, request, info, events=events, cancel=cancel)
            asked: tuple[_Asked, ...] = (found,)
            joint = found.changes
        else:
            asked = self._ask_both(environment, request, parts, info, events=events, cancel=cancel)
            joint = joined(*(part.changes for part in asked))
        return EnginePlan(
            engine=self.name,
            engine_version=info.version,
            ecosystem=self.ecosystem,
            changes=joint,
            warnings=tuple(dict.fromkeys(notice for part in asked for notice in part.notices)),
            payload=_Payload(
                commands=tuple(part.command for part in asked if part.command and part.changes),
                caches=request.conda.pkgs_dirs if request.conda else (),
            ),
        )

    def _ask_both(
        self,
        environment: Environment,
        request: EngineRequest,
        parts: tuple[EngineRequest, ...],
        info: EngineInfo,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> tuple[_Asked, _Asked]:
        """Ask for the removal, and then, in a shadow of the environment as it leaves it, for the rest."""
        removal, rest = parts
        check_shadow_tells(self.name, environment, request)
        going = self._ask(environment, removal, info, events=events, cancel=cancel)
        if others := [change.package.name for change in going.changes if change.after]:
            raise apart(self.name, request, f"the removal itself brings {', '.join(others[:5])}")
        check_held(self.name, request, going.changes)
        gone = {change.package.key for change in going.changes}
        rest = replace(rest, installed=tuple(package for package in rest.installed if package.key not in gone))
        names = [change.package.name for change in going.changes]
        with shadow(environment.prefix, names, asked=request.removals) as prefix:
            coming = self._ask(environment, rest, info, prefix=prefix, events=events, cancel=cancel)
        return going, coming

    def _ask(
        self,
        environment: Environment,
        request: EngineRequest,
        info: EngineInfo,
        *,
        prefix: Path | None = None,
        events: EventSink,
        cancel: Cancellation,
    ) -> _Asked:
        """What one command would do, in the environment or in a shadow of it."""
        specs = self._specs(request)
        if not specs and request.specs:  # all of it is there already
            return _Asked()
        command = _Command(
            executable=info.executable,
            words=tuple(self._command(request, info)),
            env=tuple(self._variables(environment, _pins(request)).items()),
            verb=request.verb,
            specs=specs,
        )
        events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))
        answer = self._dry_run(command, environment, info.version, prefix=prefix, events=events, cancel=cancel)
        found = changes(answer.actions, verb=request.verb, specs=request.specs, installed=request.installed)
        check_answer(self.name, request, found)
        if request.options.offline:
            check_offline(self.name, answer)
        found, notices = self._warnings(environment, request, found)
        return _Asked(
            changes=found,
            notices=(*notices, *_notices(answer)),
            command=replace(command, moves=_moves(answer), downloads=_downloads(answer)),
        )

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Run the planned commands for real and compare ``conda-meta`` with the plan."""
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
            downloads=tuple(download for command in payload.commands for download in command.downloads),
            links=tuple(_stem(change.after) for change in plan.changes if change.after),
            unlinks=tuple(_stem(change.before) for change in plan.changes if change.before),
            caches=payload.caches,
            events=events,
        )
        try:
            with _history_kept(environment, events), watch:
                answers = [
                    self._apply(command, environment, plan, first=not number, events=events, cancel=cancel)
                    for number, command in enumerate(payload.commands)
                ]
        except PkgError as error:
            raise _with_state(error, environment, plan) from error.__cause__
        for notice in dict.fromkeys(notice for answer in answers for notice in _notices(answer)):
            events(Event(kind=EventKind.MESSAGE, level="warning", message=notice.message))
        events(Event(kind=EventKind.PHASE, phase=Phase.VERIFY))
        _verify(self.name, environment, plan)

    def _apply(
        self,
        command: _Command,
        environment: Environment,
        plan: EnginePlan,
        *,
        first: bool,
        events: EventSink,
        cancel: Cancellation,
    ) -> Answer:
        """Run one command; a later one only if it still does what was planned in a shadow of the environment."""
        version = plan.engine_version
        if not first:
            answer = self._dry_run(command, environment, version, events=events, cancel=cancel)
            if differences := sorted(_moves(answer) ^ command.moves, key=lambda move: move[1:]):
                raise VerificationError(
                    f"after the removal {self.name} would do something else than was planned",
                    reference="second-step-differs",
                    context=tuple(_difference(move, command) for move in differences[:10]),
                    note="a channel may have changed meanwhile; that part was planned in a copy of the records",
                    hint="try again; if it stays so, remove first, then do the rest; or --engine rattler for all of it",
                )
        return self._run(command.argv(environment.prefix), command, environment, version, events=events, cancel=cancel)

    # --- the run ------------------------------------------------------------------------------------------

    def _dry_run(
        self,
        command: _Command,
        environment: Environment,
        version: str,
        *,
        prefix: Path | None = None,
        events: EventSink,
        cancel: Cancellation,
    ) -> Answer:
        argv = command.argv(prefix or environment.prefix, dry=True)
        return self._explicit(command.specs) or self._run(
            argv, command, environment, version, events=events, cancel=cancel
        )

    def _run(
        self,
        argv: tuple[str, ...],
        command: _Command,
        environment: Environment,
        version: str,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> Answer:
        completed = run(argv, env=dict(command.env), cwd=environment.prefix, on_stderr=_output(events), cancel=cancel)
        answer = parse_answer(self.name, completed.stdout)
        if answer is not None and not answer.log_history:
            answer.log_history, _ = split_log(completed.stderr)
        if answer is None and completed.returncode == 0:
            answer = self._explicit(command.specs)
        failed = completed.returncode != 0 or answer is None or bool(answer.exception_name)
        if answer is not None and not failed and answer.success is not False:
            _tell(answer, completed, events, dry="--dry-run" in argv)
            return answer
        failure = Failure(
            tool=self.name,
            verb=command.verb,
            specs=command.specs,
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


# --- around a run -----------------------------------------------------------------------------------------


def _parts(request: EngineRequest) -> tuple[EngineRequest, ...]:
    """The request as commands that there are: none removes and does anything else."""
    if not request.removals:
        return (request,)
    removal = replace(request, verb=Verb.REMOVE, specs=request.removals, updates=(), removals=(), held=(), pins=())
    return removal, replace(request, removals=())


def _pins(request: EngineRequest) -> tuple[str, ...]:
    held = (
        f"{package.name}={package.version}={package.build}" if package.build else f"{package.name}=={package.version}"
        for package in request.held
        if package.ecosystem is Ecosystem.CONDA
    )
    return (*held, *request.pins)


def _output(events: EventSink) -> Callable[[str], None]:
    return lambda line: events(Event(kind=EventKind.OUTPUT, message=redact(line)))


def _downloads(answer: Answer) -> tuple[Download, ...]:
    fetch = answer.actions.fetch if answer.actions else []
    return tuple(
        Download(name=record.name, file_name=record.fn, url=record.url, size=record.size)
        for record in fetch
        if record.fn
    )


def _moves(answer: Answer) -> frozenset[str]:
    if answer.actions is None:
        return frozenset()
    return frozenset(
        f"{sign}{record.name}-{record.version}-{record.build_id}"
        for sign, records in (("-", answer.actions.unlink), ("+", answer.actions.link))
        for record in records
    )


def _difference(move: str, command: _Command) -> str:
    planned = "planned, but not" if move in command.moves else "not planned, but"
    return f"{planned} {'removed' if move[0] == '-' else 'installed'} now: {move[1:]}"


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

"""Carry out a command: what every face does with what was typed, whatever it shows things on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from jupyter_pkgmgr.commands import Command, help_text, write_file
from jupyter_pkgmgr.model import (
    SCHEMA,
    Cancellation,
    Environment,
    Event,
    EventSink,
    Notice,
    Outcome,
    Plan,
    ignore_events,
    to_json,
)
from jupyter_pkgmgr.model.errors import CancelledError, PkgError, UsageError
from jupyter_pkgmgr.render import (
    Planning,
    Progress,
    Rendered,
    plain,
    preformatted,
    render_environment,
    render_export,
    render_history,
    render_outcome,
    render_packages,
    render_plan,
    render_problems,
    render_satisfied,
    render_search,
    render_show,
    render_undo,
    render_why,
)
from jupyter_pkgmgr.service import PackageService, UndoPlan
from jupyter_pkgmgr.transactions import refuse_blocked

__all__ = ["Report", "Runner", "defect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a command: the JSON form, and what was changed if anything was."""

    json: dict[str, Any]
    outcome: Outcome | None = None
    exit: int = 0


class Runner:
    """Runs commands on one environment and shows what happens.

    Parameters
    ----------
    show
        Called with a key and what to show; the same key again replaces what was shown before.
    confirm
        Asked with the plan before it is applied; ``False`` leaves everything as it is.
    program
        How the user calls us, for help texts.
    """

    def __init__(
        self,
        service: PackageService,
        environment: Environment,
        show: Callable[[str, Rendered], None],
        *,
        cancel: Cancellation | None = None,
        confirm: Callable[[Plan], bool] = lambda _: True,
        program: str = "%pkg",
    ) -> None:
        self._service = service
        self._environment = environment
        self._show = show
        self._cancel = cancel or Cancellation()
        self._confirm = confirm
        self._program = program

    def run(self, command: Command) -> Report:
        """Carry out one command. Raises ``PkgError`` for whatever goes wrong."""
        if command.verb == "undo":
            return self._undo(command)
        if command.request is not None:
            return self._change(command)
        reading = {
            "list": self._list,
            "search": self._search,
            "show": self._describe,
            "why": self._why,
            "env": self._env,
            "export": self._export,
            "doctor": self._doctor,
            "history": self._history,
            "panel": self._panel,
            "help": self._help,
        }
        return reading[command.verb](command)

    # --- verbs that change -----------------------------------------------------------------------------------------

    def _change(self, command: Command) -> Report:
        plan = self._plan(command)
        if plan.is_empty and not plan.blockers:
            self._nothing_to_do(plan)
            return _report(plan=plan)
        tells = plan.changes or plan.warnings  # what blocks it the error says
        if command.dry_run or (tells and (plan.blockers or not command.quiet)):
            shown = render_plan(plan, verbose=command.verbose, blockers=command.dry_run)
            self._show("plan", shown)
        if command.dry_run:
            return _report(plan=plan, exit=1 if plan.blockers else 0)
        refuse_blocked(plan)
        if not self._confirm(plan):
            self._show("result", plain("nothing was changed"))
            return _report(plan=plan)
        outcome = self._apply(command, plan)
        if outcome.plan.is_empty:  # somebody else did it meanwhile
            self._nothing_to_do(outcome.plan)
            return _report(plan=outcome.plan)
        self._show_outcome(outcome)
        return _report(plan=outcome.plan, outcome=outcome)

    def _show_outcome(self, outcome: Outcome) -> None:
        for notice in outcome.warnings:
            self._show(f"warning-{notice.reference}", plain(f"warning: {notice.message}"))
        self._show("result", render_outcome(outcome))

    def _undo(self, command: Command) -> Report:
        assert command.request is not None  # noqa: S101  the grammar makes one
        undo = self._service.plan_undo(self._environment, command.request, *command.words, cancel=self._cancel)
        if not command.quiet or undo.plan.blockers or command.dry_run:
            self._show("plan", render_undo(undo, blockers=command.dry_run))
        if command.dry_run:
            return _report(plan=undo.plan, undoes=undo.entries, exit=1 if undo.plan.blockers else 0)
        refuse_blocked(undo.plan)
        if not self._confirm(undo.plan):
            self._show("result", plain("nothing was changed"))
            return _report(plan=undo.plan, undoes=undo.entries)
        progress = self._progress(command, undo.plan)

        def replanned(new: UndoPlan) -> None:
            """It undoes the same as the one that was agreed to; what is new are warnings."""
            if not command.quiet and new.plan.warnings != undo.plan.warnings:
                self._show("plan", render_undo(new))

        try:
            outcome = self._service.undo(undo, events=progress, cancel=self._cancel, replanned=replanned)
        except PkgError as error:
            self._end(progress, error)
            raise
        self._show_outcome(outcome)
        return _report(plan=outcome.plan, undoes=undo.entries, outcome=outcome)

    def _plan(self, command: Command) -> Plan:
        assert command.request is not None  # noqa: S101  run() looked
        try:
            with Planning(self._show, quiet=command.quiet) as planning:
                return self._service.plan(self._environment, command.request, events=planning, cancel=self._cancel)
        except CancelledError as error:
            raise CancelledError("stopped; nothing was changed") from error

    def _apply(self, command: Command, plan: Plan) -> Outcome:
        """Apply; where somebody else changed the environment meanwhile, the plan is made again and shown."""
        progress = self._progress(command, plan)

        def replanned(new: Plan) -> None:
            nonlocal progress
            if new.is_empty or new.blockers:
                return
            progress = self._progress(command, new)
            if not command.quiet:
                self._show("plan", render_plan(new, verbose=command.verbose))
            if new.changes != plan.changes and not self._confirm(new):
                raise CancelledError("nothing was changed")

        def show(event: Event) -> None:
            progress(event)

        try:
            return self._service.apply(plan, events=show, cancel=self._cancel, replanned=replanned)
        except PkgError as error:
            self._end(progress, error)
            raise

    def _end(self, progress: EventSink, error: PkgError) -> None:
        """No line must look as if its step went on."""
        if isinstance(progress, Progress):
            progress.end("stopped" if isinstance(error, CancelledError) else "failed")

    def _progress(self, command: Command, plan: Plan) -> EventSink:
        return ignore_events if command.quiet else Progress(plan, self._show, verbose=command.verbose)

    def _nothing_to_do(self, plan: Plan) -> None:
        for notice in plan.warnings:
            self._show(f"warning-{notice.message}", plain(f"warning: {notice.message}"))
        if plan.satisfied:
            self._show("result", render_satisfied(plan.satisfied))
        else:
            self._show("result", plain("nothing to do"))

    # --- verbs that read -------------------------------------------------------------------------------------------

    def _list(self, command: Command) -> Report:
        inventory, notice = self._service.read(self._environment)
        patterns = [word if set("*?[") & set(word) else f"*{word}*" for word in map(str.lower, command.words)]
        packages = tuple(
            package
            for package in inventory.packages
            if not patterns or any(fnmatchcase(package.name.lower(), pattern) for pattern in patterns)
        )
        self._show("result", render_packages(packages, inventory))
        self._warn(notice)
        return _report(packages=packages, fingerprint=inventory.fingerprint, notes=_messages(notice))

    def _search(self, command: Command) -> Report:
        answer = self._service.search(self._environment, " ".join(command.words), limit=command.limit)
        self._show("result", render_search(answer))
        return _report(search=answer)

    def _describe(self, command: Command) -> Report:
        details = [self._service.show(self._environment, name) for name in command.words]
        for detail in details:
            self._show(f"show-{detail.name}", render_show(detail, verbose=command.verbose))
        return _report(show=details)

    def _why(self, command: Command) -> Report:
        answers = [self._service.why(self._environment, name) for name in command.words]
        for answer in answers:
            self._show(f"why-{answer.package.name}", render_why(answer))
        return _report(why=answers)

    def _env(self, command: Command) -> Report:
        facts = self._service.settings(self._environment)
        self._show("result", render_environment(self._environment, facts, verbose=command.verbose))
        return _report(environment=self._environment, settings=facts)

    def _export(self, command: Command) -> Report:
        assert command.export is not None  # noqa: S101  the grammar makes them
        made = self._service.export(self._environment, command.export)
        if command.file is None:
            self._show("result", preformatted(made.text.rstrip("\n")))
        else:
            write_file(command.file, made.text, overwrite=command.overwrite)
            self._show("result", render_export(made, command.file))
        notice = self._service.unfinished(self._environment)
        self._warn(notice)
        return _report(export=made, file=command.file, notes=_messages(notice))

    def _doctor(self, command: Command) -> Report:
        problems = self._service.doctor(self._environment, files=command.files, cancel=self._cancel)
        self._show("result", render_problems(problems, self._environment))
        return _report(problems=problems, exit=1 if problems else 0)

    def _history(self, command: Command) -> Report:
        entries = self._service.history(self._environment)
        shown = render_history(entries, self._environment, limit=command.limit, verbose=command.verbose)
        self._show("result", shown)
        notice = self._service.unfinished(self._environment)
        self._warn(notice)
        return _report(history=entries[: command.limit], notes=_messages(notice))

    def _warn(self, notice: Notice | None) -> None:
        """Say that what was read may be half of a change."""
        if notice is not None:
            more = "" if notice.reference == "being-changed" else f"; {self._program} doctor says more"
            self._show(f"warning-{notice.reference}", plain(f"warning: {notice.message}{more}"))

    def _panel(self, _command: Command) -> Report:
        """A kernel shows it itself, without asking here: this is a terminal, or something behind the verb."""
        raise UsageError(
            f"{self._program} panel stands alone, and in a notebook only", reference="no-front-end", hint="%pkg panel"
        )

    def _help(self, command: Command) -> Report:
        text = help_text(command.words[0] if command.words else "", program=self._program)
        self._show("result", preformatted(text))
        return _report(help=text)


def defect(error: Exception) -> PkgError:
    """What isn't foreseen, as an error that can be told."""
    return PkgError(
        f"jupyter_pkgmgr failed: {type(error).__name__}: {error}",
        reference="internal-error",
        note="this is a defect of jupyter_pkgmgr, not of what you typed",
        hint="the same command with -v shows where; please report that",
        detail="".join(traceback.format_exception(error)),
    )


def _messages(notice: Notice | None) -> list[str]:
    return [notice.message] if notice else []


def _report(*, outcome: Outcome | None = None, exit: int = 0, **parts: Any) -> Report:  # noqa: A002  the word for it
    document = {"schema": SCHEMA, **{name: to_json(value) for name, value in parts.items()}}
    if outcome is not None:
        document["outcome"] = {
            "seconds": round(outcome.seconds, 3),
            "fingerprint": outcome.fingerprint,
            "changes": len(outcome.changes),
            "transaction": outcome.transaction,
            "warnings": to_json(outcome.warnings),
        }
    return Report(json=document, outcome=outcome, exit=exit)

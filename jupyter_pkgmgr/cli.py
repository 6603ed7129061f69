"""``jupyter pkg VERB …``: the same verbs in a terminal; ``--json`` for machines.

Data goes to stdout, progress and questions to stderr. Exit codes: 0 done, 1 failed or blocked, 2 wrong usage,
130 stopped.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from jupyter_pkgmgr import __version__
from jupyter_pkgmgr.commands import Command, parse_arguments
from jupyter_pkgmgr.environments import KernelSpecFacts, from_interpreter, from_kernelspec, from_prefix
from jupyter_pkgmgr.model import SCHEMA, Cancellation, Environment, Plan
from jupyter_pkgmgr.model.errors import CancelledError, EnvironmentProblem, PkgError, UsageError
from jupyter_pkgmgr.render import Rendered, render_error
from jupyter_pkgmgr.service import PackageService
from jupyter_pkgmgr.verbs import Runner, defect

__all__ = ["main"]

PROGRAM = "jupyter pkg"
_PASSING = "passing"
_WHERE = ("--prefix", "--python", "--kernel")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(__version__)  # noqa: T201  what a terminal is for
        return 0
    as_json, verbose = "--json" in words, bool({"-v", "--verbose"} & set(words))
    cancel = Cancellation()
    _stop_on_interrupt(cancel)
    try:
        where, words = _where(words)
        command = parse_arguments(words, base=Path.cwd(), typed=f"jupyter pkg {' '.join(words)}")
        code = _run(command, where, cancel)
        sys.stdout.flush()
    except BrokenPipeError:  # ``jupyter pkg list | head``: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest at its exit
        return 1
    except KeyboardInterrupt:  # the second one: whoever presses it twice doesn't want to wait
        return _fail(CancelledError("stopped"), as_json=as_json, verbose=verbose)
    except PkgError as error:
        return _fail(error, as_json=as_json, verbose=verbose)
    except Exception as error:  # noqa: BLE001  a defect of ours must reach the user as one sentence
        return _fail(defect(error), as_json=as_json, verbose=verbose)
    return code


def _stop_on_interrupt(cancel: Cancellation) -> None:
    """Ctrl-C asks the work to stop; another one ends it where it stands."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # In a thread: this one may hold the lock that cancelling takes
        threading.Thread(target=cancel.cancel, name="cancel", daemon=True).start()

    signal.signal(signal.SIGINT, stop)


def _fail(error: PkgError, *, as_json: bool, verbose: bool) -> int:
    if as_json:
        print(json.dumps({"schema": SCHEMA, "error": error.to_json()}, indent=2))  # noqa: T201
    else:
        _say(_in_terminal(f"error: {render_error(error, verbose=verbose).text}"))
    return 2 if isinstance(error, UsageError) else 130 if isinstance(error, CancelledError) else 1


def _run(command: Command, where: dict[str, str], cancel: Cancellation) -> int:
    with PackageService(face="cli") as service:
        environment = _environment(where, command)
        screen = _Screen(quiet=command.json)
        confirm = _ask if sys.stdin.isatty() and not (command.yes or command.json) else lambda _: True
        runner = Runner(service, environment, screen.show, cancel=cancel, confirm=confirm, program=PROGRAM)
        report = runner.run(command)
        screen.end()
    if command.json:
        print(json.dumps(report.json, indent=2))  # noqa: T201
    return report.exit


def _where(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take ``--prefix PATH``, ``--python PATH`` and ``--kernel NAME`` out of the options before the verb."""
    found: dict[str, str] = {}
    others: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option not in _WHERE:
            others.append(f"{option}{equals}{value}")
            continue
        if not equals:
            if not rest:
                raise UsageError(f"{option} needs a value")
            value = rest.pop(0)
        found[option] = value
    for position, word in enumerate(rest):
        option, equals, _ = word.partition("=")
        if option in _WHERE:
            end = position + (1 if equals else 2)
            first = [*rest[position:end], *rest[:position], *rest[end:]]
            raise UsageError(f"{option} is said before the verb", hint=f"{PROGRAM} {shlex.join(first)}")
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)} name two places; one is enough")
    return found, [*others, *rest]


def _environment(where: dict[str, str], command: Command) -> Environment:
    if "--prefix" in where:
        return from_prefix(Path(where["--prefix"]).absolute())
    if "--python" in where:
        return from_interpreter(Path(where["--python"]).absolute())
    if "--kernel" in where:
        return _kernel(where["--kernel"])
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    if active and command.verb != "help":
        return from_prefix(Path(active))
    return from_interpreter(Path(sys.executable))


def _kernel(name: str) -> Environment:
    from jupyter_client.kernelspec import (  # noqa: PLC0415  only this option pays for it
        KernelSpecManager,
        NoSuchKernel,
    )

    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        raise EnvironmentProblem(
            f"there is no kernel {name!r}", reference="no-such-kernel", hint="jupyter kernelspec list"
        ) from None
    return from_kernelspec(KernelSpecFacts.from_json(spec.to_dict()), server=Path(sys.prefix))


def _ask(plan: Plan) -> bool:
    # Before the question is there to be interrupted: after any other handler, reading goes on.
    stop = signal.signal(signal.SIGINT, signal.default_int_handler)
    changes = len(plan.changes)
    try:
        print(f"Apply {changes} {'change' if changes == 1 else 'changes'}? [Y/n] ", end="", file=sys.stderr, flush=True)  # noqa: T201
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    finally:
        signal.signal(signal.SIGINT, stop)
    if not answer.endswith("\n"):  # Ctrl-D or Ctrl-C is no yes
        _say("")
    return answer.endswith("\n") and answer.strip().lower() in {"", "y", "yes"}


def _in_terminal(text: str) -> str:
    """The hints, which are worded for a notebook, as they are typed in a terminal."""
    return re.sub("(?<!%)%pkg ", f"{PROGRAM} ", text)


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


class _Screen:
    """Shows things in a terminal: results to stdout; a progress line is rewritten in place, or left out in a pipe."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._current = ""

    def show(self, key: str, rendered: Rendered) -> None:
        """Show one thing; a ``step-`` key is a progress line, and so is what only passes."""
        if self._quiet:
            return
        if rendered.passing or key.startswith("step-"):
            self._progress(_PASSING if rendered.passing else key, rendered.text)
            return
        self.end()
        print(_in_terminal(rendered.text), flush=True)  # noqa: T201

    def _progress(self, key: str, text: str) -> None:
        if not self._live:
            return
        if self._current not in ("", _PASSING, key):
            print(file=sys.stderr)  # noqa: T201
        self._current = key
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def end(self) -> None:
        """Finish the line that is being rewritten; take away one that only passes."""
        if self._current:
            print(end="\r\x1b[2K" if self._current == _PASSING else "\n", file=sys.stderr, flush=True)  # noqa: T201
            self._current = ""


if __name__ == "__main__":
    sys.exit(main())

"""The process that is killed: one command through ``PackageService``, its events as JSON lines on stdout.

``--die-at N`` ends it by SIGKILL just before it changes something below the prefix for the Nth time, alone or with
its engine. That needs no hook in the package: Python itself reports such calls (PEP 578). ``--die-on PHASE`` ends it
when it says that this phase begins.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.commands import parse_line, together
from jupyter_pkgmgr.environments import from_prefix
from jupyter_pkgmgr.model import Cancellation, Event
from jupyter_pkgmgr.model.errors import PkgError
from jupyter_pkgmgr.service import PackageService

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = frozenset(
    {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "os.utime"}
)


class Changes:
    """Counts this process's own changes below a folder, and ends it before one of them."""

    def __init__(self, folder: Path, *, die_at: int, with_engine: bool) -> None:
        self.count = 0
        self._folder = f"{folder}{os.sep}"
        self._die_at = die_at
        self._with_engine = with_engine
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & WRITES and self._below(path)):
                return
        elif event not in CHANGES or not any(self._below(argument) for argument in arguments):
            return
        self.count += 1
        if self.count == self._die_at:
            die(with_engine=self._with_engine)

    def _below(self, path: object) -> bool:
        """Relative names come from ``shutil.rmtree``, which works below an open folder: they count."""
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        name = os.fsdecode(path)
        return name.startswith(self._folder) or not name.startswith(os.sep)


def die(*, with_engine: bool) -> None:
    """End by SIGKILL, the engine first."""
    if with_engine:
        from .killing import children  # noqa: PLC0415  read only by a process that ends

        for child in children(os.getpid()):
            os.kill(child, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def say(**facts: Any) -> None:
    """One line for the harness."""
    os.write(1, (json.dumps(facts) + "\n").encode())


def show(event: Event) -> None:
    """An event as a line."""
    say(event=event.kind, step=event.step, phase=event.phase, state=event.state, message=event.message)


def main() -> int:
    """Run one command; 0 done, 1 failed, 130 stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", type=Path, required=True)
    parser.add_argument("--die-at", type=int, default=0)
    parser.add_argument("--die-on", default="")
    parser.add_argument("--with-engine", action="store_true")
    parser.add_argument("line", nargs="+")
    arguments = parser.parse_args()
    cancel = Cancellation()
    signal.signal(signal.SIGINT, lambda *_: cancel.cancel())
    changes = Changes(arguments.prefix, die_at=arguments.die_at, with_engine=arguments.with_engine)
    say(event="start")
    try:
        run(arguments.prefix, " ".join(arguments.line), cancel, die_on=arguments.die_on)
    except PkgError as error:
        say(event="error", **error.to_json())
        return 130 if cancel.requested else 1
    finally:
        say(event="end", writes=changes.count)
    return 0


def run(prefix: Path, line: str, cancel: Cancellation, *, die_on: str = "") -> None:
    """What every face does with a line."""

    def receive(event: Event) -> None:
        show(event)
        if die_on and event.phase == die_on:
            die(with_engine=True)

    requests = [parse_line(part, base=prefix).request for part in line.split(" ; ")]
    asked = [request for request in requests if request is not None]
    with PackageService() as service:
        environment = from_prefix(prefix)
        if not asked:
            service.inventory(environment)
            return
        plan = service.plan(environment, together(asked), events=show, cancel=cancel)
        say(event="plan", changes=[f"{change.action} {change.package.name}" for change in plan.changes])
        service.apply(plan, events=receive, cancel=cancel)


if __name__ == "__main__":
    sys.exit(main())

"""A service that speaks the child's side of the protocol and misbehaves on demand: what a command says is done.

The tests put a ``#!`` line before it and name it as the interpreter; the arguments of a Python are ignored.
"""

# ruff: noqa: T201  it speaks through its output
from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOTHING: dict[str, Any] = {
    "exit": 0,
    "changed_files": [],
    "changed_packages": [],
    "added_paths": False,
    "verdict_wanted": False,
}
"""The result of what changes nothing."""


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def start() -> None:
    """The first line, or what ``PEER_START`` wants instead."""
    how = os.environ.get("PEER_START")
    if how == "die":
        print("No module named jupyter_pkgmgr", file=sys.stderr)
        sys.exit(1)
    if how == "garbage":
        print("Welcome to the shell!", flush=True)
    elif how == "protocol":
        say({"protocol": 99, "version": "9.9"})
    elif how == "silent":
        time.sleep(3600)
    else:
        say({"protocol": 1, "version": "0.1.0"})


def wait_for_cancel(number: int) -> None:
    while json.loads(sys.stdin.readline()) != {"id": number, "method": "cancel"}:
        pass


def show(number: int, key: str, text: str) -> None:
    say({"id": number, "display": {"key": key, "data": {"text/plain": text}}})


def where(number: int, _: str, __: dict[str, Any]) -> None:
    facts = {"argv": sys.argv[1:], "cwd": str(Path.cwd()), "pid": os.getpid(), "environ": dict(os.environ)}
    show(number, "where", json.dumps(facts))


def steps(number: int, _: str, __: dict[str, Any]) -> None:
    for step in ("plan 1", "progress 1", "progress 2", "progress 3", "done 1"):
        data = {"text/plain": step, "text/html": f"<b>{step}</b>"}
        say({"id": number, "display": {"key": step.split()[0], "data": data}})


def fail(_: int, __: str, ___: dict[str, Any]) -> dict[str, Any]:
    error = {"reference": "package-not-found", "message": "no package is called nmupy", "hint": "numpy is near"}
    return {"error": error | {"text": "error: no package is called nmupy\nhint: numpy is near"}}


def crash(_: int, __: str, ___: dict[str, Any]) -> None:
    print("a last word", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def late(number: int, _: str, __: dict[str, Any]) -> None:
    show(number, "progress", "working")
    wait_for_cancel(number)


def slow(number: int, rest: str, params: dict[str, Any]) -> dict[str, Any]:
    late(number, rest, params)
    return {"error": {"reference": "cancelled", "message": "stopped; nothing was changed"}}


def stubborn(number: int, _: str, __: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    show(number, "progress", str(os.getpid()))
    wait_for_cancel(number)
    show(number, "progress", "not now")
    time.sleep(3600)


def write(_: int, rest: str, __: dict[str, Any]) -> dict[str, Any]:
    """A file of a new package, as an installation would: PATH CONTENT."""
    path, _space, content = rest.partition(" ")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content.replace("\\n", "\n"), encoding="utf-8")
    return {"result": NOTHING | {"verdict_wanted": True}}


COMMANDS: dict[str, Callable[[int, str, dict[str, Any]], dict[str, Any] | None]] = {
    "changed": lambda _, rest, __: {"result": NOTHING | json.loads(rest) | {"verdict_wanted": True}},
    "crash": crash,
    "exit": lambda _, __, ___: sys.exit(3),
    "fail": fail,
    "garbage": lambda _, __, ___: print("{ this is not JSON", flush=True),
    "late": late,
    "params": lambda number, _, params: show(number, "params", json.dumps(params)),
    "slow": slow,
    "steps": steps,
    "stubborn": stubborn,
    "unknown": lambda number, _, __: say({"id": number, "news": 1}),
    "where": where,
    "write": write,
}
"""What a cell can type: each does something, and says how it ended, or nothing."""


def answer(number: int, params: dict[str, Any]) -> None:
    command, _, rest = params["argv_line"].partition(" ")
    known = COMMANDS.get(command)
    say({"id": number, **((known and known(number, rest, params)) or {"result": NOTHING})})


def hint(number: int, params: dict[str, Any]) -> None:
    known = {"cv2": "opencv-python", "yaml": "pyyaml", "six": "six", "google.cloud.storage": "google-cloud-storage"}
    package = known.get(params["module"])
    text = f"{params['module']} is in the package {package}: %pkg install {package}"
    say({"id": number, "result": {"package": package, "command": "", "text": text} if package else None})


def api(number: int, params: dict[str, Any]) -> None:
    """A panel's request that begins a job; what the job does at the end of the input takes its time."""
    say({"id": number, "result": {"status": 202, "body": {}, "headers": {}}})
    for _ in iter(sys.stdin.readline, ""):
        pass
    os.mkfifo(params["path"])
    with Path(params["path"]).open(encoding="utf-8") as gate:  # until the test says that it has been put in order
        sys.exit(int(gate.read()))


def main() -> None:
    start()
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        {"run": answer, "hint": hint, "api": api}[message["method"]](message["id"], message["params"])


if __name__ == "__main__":
    main()

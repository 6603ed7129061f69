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
from pathlib import Path
from typing import Any


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


def answer(number: int, params: dict[str, Any]) -> None:  # noqa: C901, PLR0912  one case per command
    command, _, rest = params["argv_line"].partition(" ")
    done: dict[str, Any] = {"exit": 0, "changed_files": [], "changed_packages": [], "added_paths": False}
    done["verdict_wanted"] = False
    if command == "where":
        text = json.dumps(
            {"argv": sys.argv[1:], "cwd": str(Path.cwd()), "pid": os.getpid(), "environ": dict(os.environ)}
        )
        say({"id": number, "display": {"key": "where", "data": {"text/plain": text}}})
    elif command == "params":
        say({"id": number, "display": {"key": "params", "data": {"text/plain": json.dumps(params)}}})
    elif command == "steps":
        for step in ("plan 1", "progress 1", "progress 2", "progress 3", "done 1"):
            data = {"text/plain": step, "text/html": f"<b>{step}</b>"}
            say({"id": number, "display": {"key": step.split()[0], "data": data}})
    elif command == "fail":
        error = {"reference": "package-not-found", "message": "no package is called nmupy", "hint": "numpy is near"}
        error["text"] = "error: no package is called nmupy\nhint: numpy is near"
        say({"id": number, "error": error})
        return
    elif command == "crash":
        print("a last word", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif command == "exit":
        sys.exit(3)
    elif command == "garbage":
        print("{ this is not JSON", flush=True)
    elif command == "unknown":
        say({"id": number, "news": 1})
    elif command == "slow":
        say({"id": number, "display": {"key": "progress", "data": {"text/plain": "working"}}})
        wait_for_cancel(number)
        error = {"reference": "cancelled", "message": "stopped; nothing was changed"}
        say({"id": number, "error": error})
        return
    elif command == "late":
        say({"id": number, "display": {"key": "progress", "data": {"text/plain": "working"}}})
        wait_for_cancel(number)
    elif command == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say({"id": number, "display": {"key": "progress", "data": {"text/plain": str(os.getpid())}}})
        wait_for_cancel(number)
        say({"id": number, "display": {"key": "progress", "data": {"text/plain": "not now"}}})
        time.sleep(3600)
    elif command == "write":  # a file of a new package, as an installation would: PATH CONTENT
        path, _, content = rest.partition(" ")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content.replace("\\n", "\n"), encoding="utf-8")
        done["verdict_wanted"] = True
    elif command == "changed":  # a JSON object that becomes part of the result
        done |= json.loads(rest) | {"verdict_wanted": True}
    say({"id": number, "result": done})


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

"""The embedded conda engine's worker process: JSON lines in, JSON lines out.

``python -m jupyter_pkgmgr.engines.rattler_worker``, started by :mod:`.rattler_process` and by nobody else.
py-rattler can crash CPython at interpreter exit, so it lives here alone and the process ends with ``os._exit``.

Protocol, version 1. The worker's first line is ``{"protocol": 1, "rattler": "0.28.0"}``. A request is
``{"id": 7, "method": "plan", "params": {…}}``; its answers are ``{"id": 7, "accepted": true}`` at once, any number of
``{"id": 7, "event": {…}}``, and at last ``{"id": 7, "result": …}`` or ``{"id": 7, "error": {"type": …, …}}``.
One request is served at a time. When stdin ends the worker ends, in the middle of a request too: whoever
asked is gone and will repair what is half done.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from jupyter_pkgmgr.model.errors import (
    DiskFullError,
    EngineError,
    PkgError,
    PlanOutdatedError,
    PolicyError,
    UnreachableError,
    VerificationError,
)
from jupyter_pkgmgr.model.redact import redact

from . import rattler_worker_api as api
from .guard import guarded
from .rattler_worker_memory import FileMemory
from .rattler_worker_plan import Question, make_plan

__all__ = ["PROTOCOL", "main"]

PROTOCOL = 1
IDLE_SECONDS = 600.0
"""An idle worker ends after this time: the repodata of a big channel takes hundreds of megabytes."""
EVENT_INTERVAL = 0.1
"""Seconds between two events about the bytes of one package."""

Emit = Callable[[dict[str, Any]], None]
_T = TypeVar("_T")


class _Output:
    """The one writer: rattler's callbacks come on threads of its own."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def write(self, document: Mapping[str, Any]) -> None:
        data = json.dumps(document).encode() + b"\n"
        with self._lock:
            self._pipe.write(data)
            self._pipe.flush()


def main() -> None:
    """Serve requests until stdin ends."""
    # rattler, or anything it calls, must not write into the protocol
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # being stopped means now: Python's own handler would wait until rattler comes back
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    output = _Output(protocol)
    output.write({"protocol": PROTOCOL, "rattler": api.version()})
    code = 1
    try:
        asyncio.run(_serve(output))
        code = 0
    except BaseException as error:  # noqa: BLE001  the last words before os._exit, for the driver's log
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


async def _serve(output: _Output) -> None:
    loop = asyncio.get_running_loop()
    requests: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(requests.put_nowait, line)
        os._exit(0)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    worker = _Worker()
    while not worker.is_spent:
        try:
            line = await asyncio.wait_for(requests.get(), IDLE_SECONDS)
        except TimeoutError:
            return
        await _answer(worker, json.loads(line), output)


async def _answer(worker: _Worker, request: Mapping[str, Any], output: _Output) -> None:
    number = request["id"]
    output.write({"id": number, "accepted": True})

    def emit(event: dict[str, Any]) -> None:
        output.write({"id": number, "event": event})

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_more: emit(
            {"kind": "message", "level": "warning", "message": redact(str(message))}
        )
        warnings.simplefilter("always")
        try:
            result = await worker.methods[request["method"]](request["params"], emit)
        except Exception as error:  # noqa: BLE001  every failure is an answer; rattler's have no common base
            failure = error if isinstance(error, PkgError) else _explain(error)
            output.write({"id": number, "error": {"type": type(failure).__name__, **failure.to_json()}})
            return
    output.write({"id": number, "result": result})


class _Worker:
    """The methods, and the repodata that stays in memory between two requests."""

    def __init__(self) -> None:
        self._sources: dict[str, api.Source] = {}
        self._reading = ""
        self.is_spent = False
        """Whether something of rattler's may still run: then this process takes no further request."""
        self.methods: dict[str, Callable[[Mapping[str, Any], Emit], Awaitable[Any]]] = {
            "best": self.best,
            "install": self.install,
            "names": self.names,
            "newest": self.newest,
            "ping": self.ping,
            "plan": self.plan,
            "query": self.query,
        }

    def _source(self, document: Mapping[str, Any]) -> api.Source:
        key = json.dumps(document, sort_keys=True)
        if key not in self._sources:
            self._sources = {key: api.Source(api.Channels.from_json(document))}
        return self._sources[key]

    def _read(self, params: Mapping[str, Any]) -> api.Source:
        """The channels, to be read anew unless what is in memory was read for the same plan or question."""
        source, reading = self._source(params["channels"]), params["reading"]
        if not reading or reading != self._reading:
            source.refresh()
        self._reading = reading
        return source

    async def ping(self, _params: Mapping[str, Any], _emit: Emit) -> str:
        return api.version()

    async def plan(self, params: Mapping[str, Any], _emit: Emit) -> dict[str, Any]:
        source, question = self._read(params), Question.from_json(params["question"])
        return await _retrying(source, lambda: make_plan(source, question))

    async def names(self, params: Mapping[str, Any], _emit: Emit) -> list[str]:
        source = self._read(params)
        return await _retrying(source, lambda: api.names(source))

    async def newest(self, params: Mapping[str, Any], _emit: Emit) -> dict[str, str]:
        source, prefix = self._read(params), Path(params["prefix"])
        return await _retrying(source, lambda: api.newest(source, prefix, params["installed"], params["pins"]))

    async def best(self, params: Mapping[str, Any], _emit: Emit) -> list[dict[str, Any]]:
        source = self._read(params)
        found = await _retrying(source, lambda: api.best(source, params["specs"]))
        return [api.document(record) for record in found]

    async def query(self, params: Mapping[str, Any], _emit: Emit) -> list[dict[str, Any]]:
        source = self._read(params)
        found = await _retrying(source, lambda: api.find(source, params["specs"]))
        return [api.document(record) for records in found for record in records]

    async def install(self, params: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
        source = self._source(params["channels"])
        prefix = Path(params["prefix"])
        installed = api.read_prefix(prefix)
        _check(installed, params["before"], PlanOutdatedError, "the environment changed since the plan was made")
        final: dict[str, api.Record] = dict(installed)
        for name in params["unlink"]:
            del final[name]
        final |= {record.name.normalized: record for record in api.records_from_json(params["link"])}
        _check_local_files(params["link"])
        overwritten = _overwritten(prefix)
        reporter = _Reporter(emit)
        with guarded(prefix), _Leftovers(prefix):
            work = api.install(
                source,
                prefix,
                records=list(final.values()),
                installed=list(installed.values()),
                reinstall=params["reinstall"],
                requested=params["requested"],
                reporter=reporter,
            )
            await self._watch(asyncio.ensure_future(work), reporter, source.channels.read_timeout)
        records = api.read_prefix(prefix)
        _check(records, params["after"], VerificationError, "the environment isn't what the plan said")
        scripts = [item["name"] for item in params["link"] if api.link_script(item, "post-link", below=prefix)]
        return {"overwritten": sorted(_overwritten(prefix) - overwritten), "scripts": scripts}

    async def _watch(self, work: asyncio.Future[None], reporter: _Reporter, patience: float) -> None:
        """Wait for an install, but not for ever for a server that sends no more."""
        while not (await asyncio.wait({work}, timeout=min(patience, 1.0)))[0]:
            if package := reporter.stalled(patience):
                work.cancel()
                self.is_spent = True
                msg = f"the download of {package} stopped"
                raise UnreachableError(
                    msg, reference="stalled", note=f"nothing came for {patience:.0f} seconds", hint="try again later"
                )
        work.result()


class _Leftovers:
    """rattler tags a prefix as a cache, so that backups skip it; an environment isn't one."""

    def __init__(self, prefix: Path) -> None:
        self._tag = prefix / "CACHEDIR.TAG"
        self._there = self._tag.exists()

    def __enter__(self) -> None:
        return

    def __exit__(self, *_error: object) -> None:
        if not self._there and self._tag.exists():
            self._tag.unlink()


async def _retrying(source: api.Source, work: Callable[[], Awaitable[_T]]) -> _T:
    try:
        return await work()
    except PkgError:
        raise
    except Exception as error:  # rattler's exceptions have no common base
        if "repodata_shards" not in str(error) or not source.without_shards():
            raise
        return await work()


def _check(records: Mapping[str, api.Record], expected: list[str], failure: type[PkgError], message: str) -> None:
    found = {f"{name}-{record.version}-{record.build}" for name, record in records.items()}
    if difference := found ^ set(expected):
        raise failure(message, context=tuple(sorted(difference)), hint="plan again")


def _check_local_files(link: list[dict[str, Any]]) -> None:
    """Compare checksums of packages in ``file://`` channels, which rattler takes as they are."""
    for record in link:
        url = urlsplit(record["url"])
        if url.scheme != "file" or not record.get("sha256"):
            continue
        with Path(url2pathname(url.path)).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != record["sha256"]:
            raise _mismatch(record["url"], f"expected {record['sha256']}, got {found}")


def _overwritten(prefix: Path) -> set[tuple[str, str]]:
    """Packages and paths where another package's file won; rattler keeps the loser under another name."""
    return set().union(*_losers.of((prefix / "conda-meta").glob("*.json")).values())


def _read_losers(path: Path) -> set[tuple[str, str]]:
    content = path.read_bytes()
    if b'"original_path"' not in content:
        return set()
    record = json.loads(content)
    entries = record["paths_data"]["paths"]
    return {(record["name"], entry["original_path"]) for entry in entries if entry.get("original_path")}


_losers = FileMemory(_read_losers)


class _Reporter:
    """Turns rattler's callbacks into events. Its tokens count packages; bytes are told ten times a second."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._packages: list[str] = []
        self._told: dict[int, float] = {}
        self._bytes: dict[int, int] = {}
        self._running: dict[int, float] = {}
        self._phases: set[str] = set()
        self._lock = threading.Lock()

    def _token(self, package: str) -> int:
        with self._lock:
            self._packages.append(package)
            return len(self._packages) - 1

    def _package(self, token: int, phase: str, state: str, **more: int | None) -> None:
        with self._lock:
            first = phase not in self._phases
            self._phases.add(phase)
        if first:
            self._emit({"kind": "phase", "phase": phase})
        self._emit({"kind": "package", "package": self._packages[token], "phase": phase, "state": state, **more})

    def stalled(self, seconds: float) -> str:
        """The package whose download has had no byte for so long; empty if there is none."""
        now = time.monotonic()
        with self._lock:
            late = [token for token, last in self._running.items() if now - last > seconds]
        return self._packages[late[0]] if late else ""

    def on_transaction_start(self, total_operations: int) -> None: ...

    def on_transaction_operation_start(self, operation: int) -> None: ...

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002  rattler's interface
        return self._token(package_name)

    def on_validate_start(self, cache_entry: int) -> int:
        return cache_entry

    def on_validate_complete(self, validate_idx: int) -> None: ...

    def on_download_start(self, cache_entry: int) -> int:
        with self._lock:
            self._running[cache_entry] = time.monotonic()
        self._package(cache_entry, "download", "started")
        return cache_entry

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            self._bytes[download_idx] = progress
            self._running[download_idx] = now
            if now - self._told.get(download_idx, 0.0) < EVENT_INTERVAL:
                return
            self._told[download_idx] = now
        self._package(download_idx, "download", "running", done=progress, total=total)

    def on_download_completed(self, download_idx: int) -> None:
        with self._lock:
            self._running.pop(download_idx, None)
            done = self._bytes.get(download_idx)
        self._package(download_idx, "download", "finished", done=done, total=done)

    def on_populate_cache_complete(self, cache_entry: int) -> None: ...

    def on_unlink_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002  rattler's interface
        token = self._token(package_name)
        self._package(token, "unlink", "started")
        return token

    def on_unlink_complete(self, index: int) -> None:
        self._package(index, "unlink", "finished")

    def on_link_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002  rattler's interface
        token = self._token(package_name)
        self._package(token, "link", "started")
        return token

    def on_link_complete(self, index: int) -> None:
        self._package(index, "link", "finished")

    def on_transaction_operation_complete(self, operation: int) -> None: ...

    def on_transaction_complete(self) -> None: ...

    def on_post_link_start(self, package_name: str, script_path: str) -> int:  # noqa: ARG002  rattler's interface
        return 0

    def on_post_link_complete(self, index: int, success: bool) -> None: ...  # noqa: FBT001  rattler's interface

    def on_pre_unlink_start(self, package_name: str, script_path: str) -> int:  # noqa: ARG002  rattler's interface
        return 0

    def on_pre_unlink_complete(self, index: int, success: bool) -> None: ...  # noqa: FBT001  rattler's interface


# what went wrong

_URL = re.compile(r"[a-z0-9+]+://[^\s'\"()]+")
_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})[^)]*\)")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_STATUS_NOTES = {
    401: ("the server wants credentials", "log in, or put them into the channel's URL in .condarc"),
    403: ("the server refuses access", "check the token or the credentials of the channel"),
    404: ("the server has no such file", "check the channel's name and the platform"),
    407: ("the proxy wants credentials", "check proxy_servers in .condarc"),
}
_GARBAGE = (
    "decode",
    "deserialize",
    "expected value",
    "failed to download",
    "frame",
    "invalid data",
    "parse",
    "unexpected end",
    "zip archive",
)


def _explain(error: Exception) -> PkgError:
    """The error for a failure of rattler's, which tells what it is by its text alone."""
    text = redact(str(error))
    if isinstance(error, OSError) and error.errno:
        return _explain_system(error.errno, text)
    if number := _OS_ERROR.search(text):
        return _explain_system(int(number[1]), text)
    url = match[0].rstrip("/.,;:") if (match := _URL.search(text)) else ""
    where = url or "a channel"
    if status := _STATUS.search(text):
        return _refused(where, int(status[1]), text)
    if "hash mismatch" in text:
        return _mismatch(where, text)
    if any(words in text for words in ("error sending request", "timed out", "response body")):
        return _unreachable(where, text)
    return _unusable(where, text)


def _unusable(where: str, text: str) -> PkgError:
    """Repodata that isn't there or is none, or a failure that we know nothing about."""
    first, last = text.splitlines()[:1] or ["rattler failed"], text.splitlines()[-1:] or [""]
    if "no usable repodata cache" in text:
        return UnreachableError(
            "the channels were never read, and offline they can't be",
            reference="offline",
            hint="go online once, or switch offline off",
            detail=text,
        )
    if any(word in text.lower() for word in _GARBAGE):
        return UnreachableError(
            f"{where} sent something that is no conda channel's data",
            reference="garbage",
            note=last[0].removeprefix("Caused by: "),
            hint="check the channel's URL; a login page in between looks like this",
            detail=text,
        )
    return EngineError(first[0], detail=text)


def _refused(where: str, code: int, text: str) -> UnreachableError:
    note, hint = _STATUS_NOTES.get(code, ("the server failed", "try again later, or use another channel"))
    return UnreachableError(f"{where} answered {code}", reference=f"http-{code}", note=note, hint=hint, detail=text)


def _mismatch(where: str, text: str) -> UnreachableError:
    return UnreachableError(
        f"{where} is not the file that the channel describes",
        reference="checksum-mismatch",
        note="its checksum differs: a broken download, a proxy that changes files, or a stale mirror",
        hint="try again; if it stays, tell the channel's owner",
        detail=text,
    )


def _explain_system(number: int, text: str) -> PkgError:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            "the disk is full",
            note=text.splitlines()[0],
            hint="free some space, in the environment's file system or in the package cache's",
            detail=text,
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PolicyError(
            "no permission to write",
            reference="not-writable",
            note=text.splitlines()[0],
            hint="use an environment that belongs to you",
            detail=text,
        )
    if match := _URL.search(text):
        return _unreachable(match[0].rstrip("/.,;:)"), text)
    return EngineError(text.splitlines()[0], reference=errno.errorcode.get(number, "os-error").lower(), detail=text)


def _unreachable(where: str, text: str) -> UnreachableError:
    hint = "check the network, the proxy and the channel's URL"
    if "certificate" in text:
        hint = "if a certificate of your own organisation is in between: name its file as ssl_verify in .condarc"
    return UnreachableError(
        f"{where} can't be reached", note=text.splitlines()[-1].removeprefix("Caused by: "), hint=hint, detail=text
    )


if __name__ == "__main__":
    main()

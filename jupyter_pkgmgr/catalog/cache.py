"""HTTP answers on disk: one file each, written whole or not at all.

The rules are RFC 9111's, as far as an index needs them: ``max-age``, ``no-store``, ``ETag`` and ``Last-Modified``.
An answer that is too old is kept: it is what can still be said when the index can't be reached.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["CachedAnswer", "HttpCache"]

_FORMAT = 1
_LIMIT = 256 * 1024 * 1024
_KEPT_HEADERS = ("cache-control", "content-type", "etag", "last-modified")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """One stored answer: where it finally came from, what headers matter, when it was last confirmed."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    confirmed: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether the server said that it needn't be asked again yet."""
        control = self.headers.get("cache-control", "").lower()
        if "no-cache" in control:
            return False
        match = re.search(r"\bmax-age=(\d{1,12})", control)
        return match is not None and now - self.confirmed < timedelta(seconds=min(int(match[1]), 10**9))

    @property
    def validators(self) -> dict[str, str]:
        """Request headers that let the server answer "not modified"."""
        names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        return {names[name]: value for name, value in self.headers.items() if name in names}


class HttpCache:
    """A folder of answers, private to this user. Any number of processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._grown = False

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / digest[:2] / digest[2:]

    def load(self, key: str) -> CachedAnswer | None:
        """The stored answer, or ``None`` if there is none that can be read."""
        try:
            head, _, body = self._path(key).read_bytes().partition(b"\n")
            meta = json.loads(head)
            if meta["format"] != _FORMAT or meta["size"] != len(body):
                return None
            return CachedAnswer(
                url=meta["url"],
                headers=dict(meta["headers"]),
                body=body,
                confirmed=datetime.fromisoformat(meta["confirmed"]),
            )
        except (OSError, ValueError, KeyError, TypeError):  # not there, or left by a crash: ask the server again
            return None

    def store(self, key: str, *, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep an answer, unless its server forbids it. A cache that can't be written is no error."""
        kept = {name: value for name in _KEPT_HEADERS if (value := headers.get(name))}
        if "no-store" not in kept.get("cache-control", "").lower():
            self._write(key, CachedAnswer(url=url, headers=kept, body=body, confirmed=datetime.now(UTC)))

    def confirm(self, key: str, answer: CachedAnswer, headers: Mapping[str, str]) -> CachedAnswer:
        """Note that the server said "not modified": the answer is as fresh as if it had just come."""
        newer = {name: value for name in _KEPT_HEADERS if name != "content-type" and (value := headers.get(name))}
        confirmed = replace(answer, headers={**answer.headers, **newer}, confirmed=datetime.now(UTC))
        self._write(key, confirmed)
        return confirmed

    def forget(self, key: str) -> None:
        """Drop an answer: the server says that there is nothing any more."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def trim(self, *, limit: int = _LIMIT) -> None:
        """Drop the answers that were confirmed longest ago, if this object added some and all are more than ``limit``.

        Half of the limit is kept, so that it isn't reached again at once.
        """
        if not self._grown:
            return
        files = []
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):  # another process trims too
                state = path.stat()
                files.append((state.st_mtime_ns, state.st_size, path))
        size = sum(item[1] for item in files)
        for _, length, path in sorted(files) if size > limit else ():
            if size <= limit // 2:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            size -= length

    def _write(self, key: str, answer: CachedAnswer) -> None:
        path = self._path(key)
        meta = {
            "format": _FORMAT,
            "url": answer.url,
            "headers": dict(answer.headers),
            "size": len(answer.body),
            "confirmed": answer.confirmed.isoformat(),
        }
        self._grown = True
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(json.dumps(meta).encode() + b"\n" + answer.body)
                Path(temporary).replace(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)

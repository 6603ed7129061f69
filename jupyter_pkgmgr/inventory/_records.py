"""conda's records: ``conda-meta/NAME-VERSION-BUILD.json``.

They are large (``paths_data`` lists every file with its hashes), so only the wanted fields are decoded, and of the
list of files only the paths of Python distributions are looked for, in the bytes.
"""

# ruff: noqa: PTH119, PTH123
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from jupyter_pkgmgr.model import Origin, OriginKind, redact

__all__ = [
    "CondaEntry",
    "RecordReader",
    "channel_origin",
    "record_checksums",
    "record_files",
    "record_hashes",
    "replaced_file",
]

_PLATFORMS = re.compile(r"/(?:noarch|(?:linux|osx|win|freebsd|netbsd|openbsd|zos|emscripten|wasi)-[a-z0-9_]+)$")
_TOKEN = re.compile(r"^/t/[^/]+")
_INFO = b"-info"
_SUFFIXES = (b".dist-info", b".egg-info")
_HASHED = ("RECORD", "METADATA", "INSTALLER", "PKG-INFO")


class CondaEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the inventory needs of one record."""

    file: str
    """The record's file name."""
    name: str
    version: str
    build: str
    channel: str = ""
    url: str = ""
    license: str = ""
    depends: tuple[str, ...] = ()
    requested: bool | None = None
    distributions: tuple[str, ...] = ()
    """Paths of the Python distributions among its files, relative to the prefix."""
    error: str = ""
    """Why it can't be read, as the end of a sentence."""


class _Record(msgspec.Struct):
    """The fields to decode. Tools write ``null`` for what they don't know."""

    name: str
    version: str
    build: str | None = None
    build_string: str | None = None
    channel: str | None = None
    url: str | None = None
    license: str | None = None
    depends: tuple[str, ...] | None = None
    requested_spec: str | msgspec.UnsetType | None = msgspec.UNSET
    requested_specs: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    files: msgspec.Raw = msgspec.Raw(b"[]")


class _Files(msgspec.Struct):
    files: tuple[str, ...] | None = None


class _Checksums(msgspec.Struct):
    md5: str | None = None
    sha256: str | None = None


class _PathData(msgspec.Struct):
    path: str = msgspec.field(name="_path")
    path_type: str | None = None
    prefix_placeholder: str | None = None
    sha256: str | None = None
    sha256_in_prefix: str | None = None


class _PathsData(msgspec.Struct):
    paths: tuple[_PathData, ...] | None = None


class _Paths(msgspec.Struct):
    paths_data: _PathsData | None = None


class RecordReader:
    """Reads records one after the other through one buffer, which saves the time of getting fresh memory."""

    def __init__(self) -> None:
        self._buffer = bytearray(1 << 20)
        self._decoder = msgspec.json.Decoder(_Record)

    def read(self, path: str) -> CondaEntry:
        """Read one record. Never raises: what can't be read has its ``error`` and the name its file name tells."""
        data: memoryview | bytes = b""
        try:
            data = self._load(path)
            record = self._decoder.decode(data)
        except OSError as error:
            return _from_file_name(path, data, f"can't be read: {error.strerror}")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _from_file_name(path, data, f"can't be read: {error}" if data else "is empty")
        return CondaEntry(
            file=os.path.basename(path),
            name=record.name,
            version=record.version,
            build=record.build or record.build_string or "",
            channel=_redacted(record.channel or ""),
            url=_redacted(record.url or ""),
            license=record.license or "",
            depends=record.depends or (),
            requested=_requested(record),
            distributions=_distributions(bytes(record.files)),
        )

    def _load(self, path: str) -> memoryview:
        with open(path, "rb", buffering=0) as file:
            length = 0
            while count := file.readinto(memoryview(self._buffer)[length:]):
                length += count
                if length == len(self._buffer):
                    self._buffer = self._buffer + bytes(length)
        return memoryview(self._buffer)[:length]


def record_files(path: Path) -> tuple[str, ...]:
    """Every file of one record, relative to the prefix; none where the record can't be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Files).files or ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return ()  # the inventory's problems name this record already


def record_checksums(path: Path) -> dict[str, str]:
    """``md5`` and ``sha256`` of the package file that one record is of, as far as it has them."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Checksums)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}  # the inventory's problems name this record already
    return {kind: text for kind, text in (("md5", found.md5), ("sha256", found.sha256)) if text}


def record_hashes(path: Path) -> Iterator[tuple[str, str]]:
    """Path and SHA-256, as linked into the prefix, of every regular file of one record that has such a hash.

    A file that holds the prefix has the hash of its package too, which is another: then only ``sha256_in_prefix`` is.
    """
    try:
        data = msgspec.json.decode(path.read_bytes(), type=_Paths).paths_data
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return  # the inventory's problems name this record already
    for item in (data.paths if data else None) or ():
        digest = item.sha256_in_prefix or ("" if item.prefix_placeholder else item.sha256)
        if digest and item.path_type != "softlink":
            yield item.path, digest


def replaced_file(record: Path, prefix: Path, distribution: str) -> str | None:
    """The first file of a distribution that isn't as conda linked it, by its hash; ``None`` if all are.

    Looks at the few files that every installer writes anew, which is enough to tell who installed last.
    """
    try:
        data = msgspec.json.decode(record.read_bytes(), type=_Paths).paths_data
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    wanted = {f"{distribution}/{name}" for name in _HASHED}
    for item in (data.paths if data else None) or ():
        expected = item.sha256_in_prefix or item.sha256
        if item.path not in wanted or not expected:
            continue
        try:
            found = hashlib.sha256((prefix / item.path).read_bytes()).hexdigest()
        except OSError:
            return item.path
        if found != expected:
            return item.path
    return None


def channel_origin(channel: str, url: str) -> Origin:
    """The channel a record names, by the name a user would type; from the file's URL where it names none.

    ``https://conda.anaconda.org/conda-forge/noarch`` is ``conda-forge``, ``…/conda-forge/label/dev`` keeps its
    label, ``https://repo.anaconda.com/pkgs/main`` is ``pkgs/main``; of any other place the last part of the path.
    """
    text = channel if channel and not channel.startswith("<") else url.rpartition("/")[0]
    if not text:
        return Origin()
    if "://" not in text:
        return Origin(kind=OriginKind.CHANNEL, location=_PLATFORMS.sub("", text.strip("/")))
    parts = urlsplit(text)
    path = _TOKEN.sub("", _PLATFORMS.sub("", parts.path.rstrip("/"))).strip("/")
    if parts.hostname not in ("conda.anaconda.org", "repo.anaconda.com"):
        base, label, name = path.partition("/label/")
        path = base.rpartition("/")[2] + label + name
    return Origin(kind=OriginKind.CHANNEL, location=path or text)


def _requested(record: _Record) -> bool | None:
    """What the record itself says; conda before 25 wrote the word ``None`` for a dependency."""
    if record.requested_specs is not msgspec.UNSET and record.requested_specs:
        return True
    if record.requested_spec is not msgspec.UNSET and record.requested_spec not in (None, "", "None"):
        return True
    silent = record.requested_specs is msgspec.UNSET and record.requested_spec is msgspec.UNSET
    return None if silent else False


def _distributions(data: bytes) -> tuple[str, ...]:
    """The paths that end in ``.dist-info`` or ``.egg-info`` in a JSON list of files."""
    found: dict[str, None] = {}
    position = data.find(_INFO)
    while position >= 0:
        end = position + len(_INFO)
        if data[end : end + 1] in (b"/", b'"') and data.endswith(_SUFFIXES, 0, end):
            start = data.rfind(b'"', 0, position) + 1
            found.setdefault(_unescape(data[start:end]))
        position = data.find(_INFO, end)
    return tuple(found)


def _unescape(raw: bytes) -> str:
    if b"\\" not in raw:
        return raw.decode("utf-8", errors="replace")
    try:
        return msgspec.json.decode(b'"' + raw + b'"', type=str)
    except msgspec.MsgspecError:
        return raw.decode("utf-8", errors="replace")


def _redacted(text: str) -> str:
    return redact(text) if "@" in text or "?" in text or "/t/" in text else text


def _from_file_name(path: str, data: memoryview | bytes, error: str) -> CondaEntry:
    """What the file's name tells, so that a broken record doesn't turn its distributions into strangers."""
    file = os.path.basename(path)
    name, version, build = [*file.removesuffix(".json").rsplit("-", 2), "", ""][:3]
    return CondaEntry(
        file=file, name=name, version=version, build=build, distributions=_distributions(bytes(data)), error=error
    )

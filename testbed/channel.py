"""Real conda packages and a real channel on disk, made without conda.

Formats: the ``.conda`` package (conda docs, "Conda package specification", format version 2), the older
``.tar.bz2``, and ``repodata.json`` of a channel's subdirectory. The same sources always give the same bytes.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import zstandard

__all__ = ["PLACEHOLDER", "SUBDIR", "Channel", "File", "Link", "PackageSource", "current_subdir"]

PLACEHOLDER = ("/opt/testbed_prefix" + "_placehold" * 24)[:255].ljust(255, "_")
"""Stands for the prefix in package files; as long as conda-build's, so that binaries can be patched too."""
TIMESTAMP = 1_735_689_600_000
"""Build time of packages that say none, in milliseconds: 2025-01-01."""


def current_subdir() -> str:
    """Conda's name of this machine's platform: ``linux-64``, ``osx-arm64``, …."""
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}[sys.platform]
    machine = {"x86_64": "64", "AMD64": "64", "arm64": "arm64", "aarch64": "aarch64"}.get(
        platform.machine(), platform.machine()
    )
    return f"{system}-{machine}"


SUBDIR = current_subdir()


@dataclass(frozen=True, slots=True)
class File:
    """A file's content, given as bytes or as a path to copy, and whether it can be run."""

    content: bytes | Path
    executable: bool = False

    def read(self) -> bytes:
        """The bytes."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, its target as written."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """What a package is made of.

    ``files`` maps paths in the prefix to content; :data:`PLACEHOLDER` inside a file is recorded, so that an
    installer writes the real prefix there. Paths of a ``noarch="python"`` package begin with
    ``site-packages/`` or ``python-scripts/`` where the interpreter's version decides the real place.
    """

    name: str
    version: str
    build_number: int = 0
    build: str = ""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    files: Mapping[str, str | bytes | File | Link] = field(default_factory=dict)
    noarch: Literal["python", "generic"] | None = None
    entry_points: tuple[str, ...] = ()
    """``command = module:function``, for ``noarch="python"``."""
    summary: str = ""
    license: str = "BSD-3-Clause"
    timestamp: int = TIMESTAMP
    subdir: str = ""
    track_features: str = ""

    @property
    def build_string(self) -> str:
        """``build``, or what conda-build would call it."""
        return self.build or f"{'py' if self.noarch == 'python' else ''}_{self.build_number}".removeprefix("_")

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return f"{self.name}-{self.version}-{self.build_string}"

    @property
    def where(self) -> str:
        """The channel's subdirectory it belongs to."""
        return "noarch" if self.noarch else self.subdir or SUBDIR

    def index(self) -> dict[str, Any]:
        """``info/index.json``."""
        system, _, machine = self.where.partition("-")
        arch = {"64": "x86_64", "": None}.get(machine, machine)
        return {
            "name": self.name,
            "version": self.version,
            "build": self.build_string,
            "build_number": self.build_number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "license": self.license,
            "subdir": self.where,
            "timestamp": self.timestamp,
            **({"noarch": self.noarch} if self.noarch else {"arch": arch, "platform": system}),
            **({"track_features": self.track_features} if self.track_features else {}),
        }


class Channel:
    """A conda channel in a folder: add packages, then write its index.

    A folder that is a channel already is continued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, dict[str, Any]] = {}
        for repodata in path.glob("*/repodata.json"):
            content = json.loads(repodata.read_text(encoding="utf-8"))
            for filename, record in {**content["packages"], **content["packages.conda"]}.items():
                self._records[f"{repodata.parent.name}/{filename}"] = record

    @property
    def url(self) -> str:
        """The channel as a ``file://`` URL."""
        return self.path.resolve().as_uri()

    def add(self, *sources: PackageSource, format: Literal["conda", "tar.bz2"] = "conda") -> Channel:  # noqa: A002  conda's word
        """Build packages into the channel; :meth:`index` makes them visible."""
        for source in sources:
            filename = f"{source.where}/{source.stem}.{format}"
            content = _Content(source)
            data = content.conda() if format == "conda" else content.tar_bz2()
            target = self.path / filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # it may be a hard link into another channel
            target.write_bytes(data)
            self._records[filename] = {
                **source.index(),
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
            }
        return self

    def include(self, other: Channel) -> Channel:
        """Take another channel's packages in, as hard links where that can be."""
        for filename, record in other._records.items():
            target = self.path / filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                target.hardlink_to(other.path / filename)
            except OSError:  # another file system
                shutil.copyfile(other.path / filename, target)
            self._records[filename] = record
        return self

    def remove(self, name: str, version: str | None = None) -> Channel:
        """Take a package, or one version of it, out of the channel."""
        for filename, record in list(self._records.items()):
            if record["name"] == name and version in (None, record["version"]):
                del self._records[filename]
                (self.path / filename).unlink(missing_ok=True)
        return self

    def index(self) -> Channel:
        """Write ``repodata.json``, its ``.zst`` and ``current_repodata.json`` of every subdirectory."""
        subdirs = {"noarch", SUBDIR} | {filename.split("/")[0] for filename in self._records}
        for subdir in sorted(subdirs):
            folder = self.path / subdir
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self._repodata(subdir), indent=1, sort_keys=True).encode()
            (folder / "repodata.json").write_bytes(text)
            (folder / "current_repodata.json").write_bytes(text)
            (folder / "repodata.json.zst").write_bytes(zstandard.compress(text, 3))
        return self

    def _repodata(self, subdir: str) -> dict[str, Any]:
        own = {
            filename.removeprefix(f"{subdir}/"): record
            for filename, record in self._records.items()
            if filename.startswith(f"{subdir}/")
        }
        return {
            "info": {"subdir": subdir},
            "packages": {name: record for name, record in own.items() if name.endswith(".tar.bz2")},
            "packages.conda": {name: record for name, record in own.items() if name.endswith(".conda")},
            "removed": [],
            "repodata_version": 1,
        }

    def __contains__(self, filename: str) -> bool:
        """Whether ``subdir/file name`` was added."""
        return filename in self._records

    def __iter__(self) -> Iterator[str]:
        """The packages as ``subdir/file name``."""
        return iter(sorted(self._records))


class _Content:
    """The files of one package and what ``info/`` says about them."""

    def __init__(self, source: PackageSource) -> None:
        self.source = source
        self.files: dict[str, File | Link] = {}
        for path, content in sorted(source.files.items()):
            data = content.encode() if isinstance(content, str) else content
            self.files[path] = File(data) if isinstance(data, bytes) else data

    @cached_property
    def info(self) -> dict[str, File | Link]:
        source = self.source
        documents: dict[str, Any] = {
            "index.json": source.index(),
            "about.json": {"summary": source.summary, "license": source.license, "channels": []},
            "paths.json": {"paths": [self._path(path) for path in self.files], "paths_version": 1},
        }
        if source.noarch == "python":
            noarch = {"type": "python", "entry_points": list(source.entry_points)}
            documents["link.json"] = {"noarch": noarch, "package_metadata_version": 1}
        elif source.noarch == "generic":
            documents["link.json"] = {"noarch": {"type": "generic"}, "package_metadata_version": 1}
        info: dict[str, File | Link] = {
            f"info/{name}": File(json.dumps(document, indent=1, sort_keys=True).encode())
            for name, document in documents.items()
        }
        info["info/files"] = File("".join(f"{path}\n" for path in self.files).encode())
        return dict(sorted(info.items()))

    def _path(self, path: str) -> dict[str, Any]:
        entry = self.files[path]
        if isinstance(entry, Link):
            target = (Path(path).parent / entry.target).as_posix()
            pointed = self.files.get(target)
            data = pointed.read() if isinstance(pointed, File) else b""
            return {"_path": path, "path_type": "softlink", **_digest(data)}
        data = entry.read()
        found: dict[str, Any] = {"_path": path, "path_type": "hardlink", **_digest(data)}
        if PLACEHOLDER.encode() in data:
            found["prefix_placeholder"] = PLACEHOLDER
            found["file_mode"] = "binary" if b"\0" in data else "text"
        return found

    def conda(self) -> bytes:
        """Format version 2: a zip of two zstandard-compressed tars."""
        buffer = io.BytesIO()
        members = {
            "metadata.json": json.dumps({"conda_pkg_format_version": 2}).encode(),
            f"pkg-{self.source.stem}.tar.zst": zstandard.compress(_tar(self.files.items()), 3),
            f"info-{self.source.stem}.tar.zst": zstandard.compress(_tar(self.info.items()), 3),
        }
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        return buffer.getvalue()

    def tar_bz2(self) -> bytes:
        """Format version 1: one bzip2-compressed tar."""
        return bz2.compress(_tar([*self.info.items(), *self.files.items()]))


def _digest(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}


def _tar(entries: Iterable[tuple[str, File | Link]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, entry in entries:
            member = tarfile.TarInfo(path)
            member.mtime = TIMESTAMP // 1000
            if isinstance(entry, Link):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.target, 0o777
                archive.addfile(member)
            else:
                data = entry.read()
                member.size, member.mode = len(data), 0o755 if entry.executable else 0o644
                archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()

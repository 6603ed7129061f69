"""Python distributions as they lie in a folder: ``.dist-info``, ``.egg-info``, ``.egg-link``.

Sources: the PyPA specifications "Recording installed projects" (PEP 376, PEP 627), "Core metadata", "Direct URL
Data Structure" (PEP 610) and PEP 660; for the older forms setuptools' documentation.
"""

# ruff: noqa: PTH118, PTH119, PTH120, PTH123, PTH208
# Paths are strings here: a thousand Path objects cost more than all the reading.

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec
from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import OriginKind, redact

__all__ = ["DistributionEntry", "editable_mapping", "name_of_folder", "read_distribution"]

_HEAD = 8192
"""Bytes of METADATA to read at first: the headers of most fit, the description that follows isn't wanted."""
_LICENSE_LENGTH = 100
_MARKING = frozenset({"pip", "uv", "uv-pixi"})
"""Installers that write ``REQUESTED``, so that its absence means something."""
_HEADER = re.compile(
    r"^(name|version|summary|license|license-expression|requires-dist)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)",
    re.IGNORECASE | re.MULTILINE,
)
"""The wanted headers with their folded lines; the others are passed over without becoming strings."""
_FOLDER = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*|[^-]+)(?:-.*)?\.(?:dist|egg)-info")
_MAPPING = re.compile(r"^MAPPING[^=\n]*=\s*(\{.*?\})\s*$", re.MULTILINE | re.DOTALL)


class DistributionEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the inventory needs of one distribution."""

    name: str
    """As its metadata spells it; from the folder's name where there is none."""
    version: str
    location: str
    """Its ``.dist-info`` or ``.egg-info``; for an ``.egg-link`` the one it leads to."""
    requires: tuple[str, ...] = ()
    summary: str = ""
    license: str = ""
    installer: str = ""
    requested: bool | None = None
    origin: str = OriginKind.INDEX.value
    place: str = ""
    """The origin's location, redacted."""
    has_record: bool = True
    has_metadata: bool = True
    error: str = ""


class _DirInfo(msgspec.Struct):
    editable: bool = False


class _VcsInfo(msgspec.Struct):
    vcs: str
    commit_id: str = ""
    requested_revision: str | None = None


class _DirectUrl(msgspec.Struct):
    url: str
    dir_info: _DirInfo | None = None
    vcs_info: _VcsInfo | None = None
    subdirectory: str | None = None


def read_distribution(folder: str, name: str, hooks: tuple[str, ...] = ()) -> DistributionEntry:
    """Read one distribution. Never raises: what is broken has its ``error``.

    Parameters
    ----------
    folder
        Where it lies.
    name
        Its entry there.
    hooks
        The ``__editable__*`` files of that folder.
    """
    path = f"{folder}{os.sep}{name}"
    if name.endswith(".egg-link"):
        return _read_egg_link(path)
    try:
        names = frozenset(os.listdir(path))
    except NotADirectoryError:
        return _read_headers(path, path, frozenset())
    except OSError as error:
        return _without_metadata(path, f"{path} can't be read: {error.strerror}")
    metadata = "METADATA" if "METADATA" in names else "PKG-INFO"
    if metadata not in names:
        return _without_metadata(path, f"{path} has no METADATA")
    return _read_headers(path, f"{path}{os.sep}{metadata}", names, hooks)


def name_of_folder(name: str) -> tuple[str, str]:
    """Canonical project name and version in the name of a ``.dist-info`` or ``.egg-info``; empty where absent."""
    if match := _FOLDER.fullmatch(name):
        return canonicalize_name(match["name"]), match["version"].replace("_", "-")
    return canonicalize_name(name.rpartition(".")[0]), ""


def editable_mapping(finder: str) -> dict[str, str]:
    """Import name to path in a finder module that setuptools wrote for an editable installation."""
    match = _MAPPING.search(_text(finder))
    if match is None:
        return {}
    try:
        value = ast.literal_eval(match[1])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _read_headers(path: str, metadata: str, names: frozenset[str], hooks: tuple[str, ...] = ()) -> DistributionEntry:
    try:
        headers = _HEADER.findall(_head(metadata))
    except OSError as error:
        return _without_metadata(path, f"{metadata} can't be read: {error.strerror}")
    fields: dict[str, str] = {}
    requires: list[str] = []
    for key, value in headers:
        name = key.lower()
        if name == "requires-dist":
            requires.append(_unfold(value))
        else:
            fields.setdefault(name, value.strip())
    if not fields.get("name"):
        return _without_metadata(path, f"{metadata} names no project")
    if "requires.txt" in names:
        requires += _egg_requires(os.path.join(path, "requires.txt"))
    installer = _text(f"{path}{os.sep}INSTALLER").strip()[:40] if "INSTALLER" in names else ""
    problem, origin, place = "", OriginKind.INDEX, ""
    if "direct_url.json" in names:
        problem, origin, place = _direct_url(os.path.join(path, "direct_url.json"))
    elif hooks:
        origin, place = _editable_hook(path, fields["name"], hooks)
    return DistributionEntry(
        name=fields["name"],
        version=fields.get("version", ""),
        location=path,
        requires=tuple(requires),
        summary=fields.get("summary", "").partition("\n")[0],
        license=_license(fields),
        installer=installer,
        requested=True if "REQUESTED" in names else False if installer in _MARKING else None,
        origin=origin.value,
        place=place,
        has_record=not path.endswith(".dist-info") or "RECORD" in names,
        error=problem or ("" if fields.get("version") else f"{metadata} has no version"),
    )


def _without_metadata(path: str, error: str) -> DistributionEntry:
    name, version = name_of_folder(os.path.basename(path))
    return DistributionEntry(name=name, version=version, location=path, has_metadata=False, error=error)


def _head(path: str) -> str:
    """A file up to its first empty line."""
    return _read(path, _empty_line).decode("utf-8", errors="replace").replace("\r\n", "\n")


def _empty_line(data: bytes) -> int:
    end = data.find(b"\n\n")
    earlier = data.find(b"\n\r\n", 0, end if end >= 0 else len(data))
    return end if earlier < 0 else earlier


def _unfold(value: str) -> str:
    return " ".join(value.split("\n")).strip() if "\n" in value else value.strip()


def _license(fields: dict[str, str]) -> str:
    """The licence expression, or the first line of the older field, which can hold the whole text."""
    text = fields.get("license-expression") or fields.get("license", "").partition("\n")[0]
    return "" if text.lower() == "unknown" else text[:_LICENSE_LENGTH]


def _direct_url(path: str) -> tuple[str, OriginKind, str]:
    """Error, kind and place of what a ``direct_url.json`` says."""
    try:
        with open(path, "rb") as file:
            direct = msgspec.json.decode(file.read(), type=_DirectUrl)
    except OSError as error:
        return f"{path} can't be read: {error.strerror}", OriginKind.UNKNOWN, ""
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"{path} is broken: {error}", OriginKind.UNKNOWN, ""
    if direct.vcs_info is not None:
        commit = f"@{direct.vcs_info.commit_id}" if direct.vcs_info.commit_id else ""
        folder = f"#subdirectory={direct.subdirectory}" if direct.subdirectory else ""
        return "", OriginKind.VCS, redact(f"{direct.vcs_info.vcs}+{direct.url}{commit}{folder}")
    if direct.url.startswith("file:"):
        editable = direct.dir_info is not None and direct.dir_info.editable
        return "", OriginKind.EDITABLE if editable else OriginKind.PATH, _path_of(direct.url)
    return "", OriginKind.URL, redact(direct.url)


def _path_of(url: str) -> str:
    from urllib.request import url2pathname  # noqa: PLC0415  it brings http.client, and few environments need it

    parts = urlsplit(url)
    return url2pathname(f"//{parts.netloc}{parts.path}" if parts.netloc not in ("", "localhost") else parts.path)


def _editable_hook(path: str, name: str, hooks: tuple[str, ...]) -> tuple[OriginKind, str]:
    """Where an editable distribution that has no ``direct_url.json`` leads; index if it isn't editable."""
    own = canonicalize_name(name)
    folder = os.path.dirname(path)
    mine = [hook for hook in hooks if _hook_name(hook) == own]
    for hook in mine:
        lines = _text(os.path.join(folder, hook)).splitlines() if hook.endswith(".pth") else []
        for line in lines:
            if line and not line.startswith(("#", "import ")):
                return OriginKind.EDITABLE, line
    for hook in mine:
        for target in editable_mapping(os.path.join(folder, hook)).values():
            return OriginKind.EDITABLE, os.path.dirname(target)
    return (OriginKind.EDITABLE, "") if mine else (OriginKind.INDEX, "")


def _hook_name(hook: str) -> str:
    """The project in ``__editable__.NAME-VERSION.pth`` and ``__editable___NAME_VERSION_finder.py``."""
    if hook.endswith(".pth"):
        rest = hook.removesuffix(".pth").removeprefix("__editable__.")
        return canonicalize_name(rest.removesuffix(".finder").partition("-")[0])
    rest = hook.removeprefix("__editable___").removesuffix("_finder.py")
    return canonicalize_name(re.sub(r"_\d.*$", "", rest))


def _read_egg_link(path: str) -> DistributionEntry:
    """An ``.egg-link``: its first line is the project's folder, in which the ``.egg-info`` lies."""
    name = canonicalize_name(os.path.basename(path).removesuffix(".egg-link"))
    project = _text(path).partition("\n")[0].strip()
    broken = DistributionEntry(
        name=name,
        version="",
        location=path,
        origin=OriginKind.EDITABLE.value,
        place=project,
        has_metadata=False,
        error=f"{path} leads to {project or 'nothing'}, where there is no project {name}",
    )
    try:
        names = sorted(os.listdir(project)) if project else []
    except OSError:
        return broken
    for entry in names:
        if entry.endswith(".egg-info") and name_of_folder(entry)[0] == name:
            found = read_distribution(project, entry)
            return msgspec.structs.replace(found, origin=OriginKind.EDITABLE.value, place=project, requested=None)
    return broken


def _egg_requires(path: str) -> Iterator[str]:
    """Requirements in setuptools' ``requires.txt``: sections ``[extra:marker]`` before plain lines."""
    extra = marker = ""
    for line in map(str.strip, _text(path).splitlines()):
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
        elif line and not line.startswith("#"):
            conditions = [f"({marker})"] if marker else []
            conditions += [f'extra == "{extra}"'] if extra else []
            # a URL needs the space: what follows it directly would belong to it
            yield f"{line} ; {' and '.join(conditions)}" if conditions else line


def _text(path: str) -> str:
    try:
        return _read(path).decode("utf-8", errors="replace")
    except OSError:  # optional files: what only they tell stays unknown
        return ""


def _read(path: str, find_end: Callable[[bytes], int] = lambda _: -1) -> bytes:
    """A file up to where ``find_end`` finds its end. Two thousand of them are read: ``open`` takes twice as long."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        data = os.read(descriptor, _HEAD)
        while (end := find_end(data)) < 0:
            more = os.read(descriptor, max(len(data), _HEAD))
            if not more:
                return data
            data += more
    finally:
        os.close(descriptor)
    return data[:end]

"""Reads pages of the simple repository API: JSON (PEP 691, PEP 700) and HTML (PEP 503), projects and their files.

JSON is what every current index speaks, and is read here by ``msgspec``, which validates while it decodes:
pages of thousands of files are common. HTML goes through ``pypi_simple``, which takes its time to import.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import msgspec
from packaging.utils import (
    InvalidSdistFilename,
    canonicalize_name,
    parse_sdist_filename,
)
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr.model import redact
from jupyter_pkgmgr.model.errors import UnreachableError

from .answers import AvailableFile, FileKind
from .http import Answer, without_credentials

__all__ = ["ACCEPT", "files_in_folder", "files_of", "names_of", "parse_filename"]

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_JSON = ("application/vnd.pypi.simple.v1+json", "application/json")
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html", "application/xhtml+xml")
_API_MAJOR = "1"


class _File(msgspec.Struct, rename="kebab"):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    core_metadata: bool | dict[str, str] | None = None
    dist_info_metadata: bool | dict[str, str] | None = None
    """The name that PEP 658 first gave to ``core-metadata``; older indexes use it."""
    yanked: bool | str = False
    size: int | None = None
    upload_time: str | None = None


class _Meta(msgspec.Struct, rename="kebab"):
    api_version: str


class _Project(msgspec.Struct):
    meta: _Meta
    files: list[_File]


class _Name(msgspec.Struct):
    name: str


class _Index(msgspec.Struct):
    meta: _Meta
    projects: list[_Name]


Page = TypeVar("Page", _Project, _Index)


def files_of(answer: Answer, project: str, *, origin: str) -> list[AvailableFile]:
    """The files of one project on its page.

    Raises
    ------
    UnreachableError
        If the page is no such page: garbage, a login form, or a version of the API that we don't know.
    """
    if _is_json(answer):
        page = _decode(answer, _Project)
        found = [_from_json(file, answer.url, project, origin) for file in page.files]
    else:
        found = _files_of_html(answer, project, origin)
    return [file for file in found if file is not None]


def names_of(answer: Answer) -> list[str]:
    """Every project name in an index's list of projects, canonical."""
    if _is_json(answer):
        return [canonicalize_name(item.name) for item in _decode(answer, _Index).projects]
    return [canonicalize_name(text) for text, _, _ in _links(answer) if text]


def files_in_folder(folder: Path, project: str) -> list[AvailableFile]:
    """The files of one project in a ``find-links`` folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise UnreachableError(
            f"the find-links folder {folder} can't be read", reference="find-links", note=error.strerror
        ) from error
    parsed = ((path, parse_filename(path.name, project)) for path in paths)
    return [
        AvailableFile(
            filename=path.name,
            kind=found[0],
            version=found[1],
            url=path.absolute().as_uri(),
            origin=str(folder),
            size=path.stat().st_size,
        )
        for path, found in parsed
        if found is not None
    ]


def parse_filename(filename: str, project: str) -> tuple[FileKind, str] | None:
    """Kind and version of a file; ``None`` if it is neither wheel nor sdist, or belongs to another project.

    The tags of a wheel are left alone until somebody asks whether it fits: pages have thousands of them.
    """
    if filename.endswith(".whl"):
        parts = filename.removesuffix(".whl").split("-")
        if len(parts) not in (5, 6):  # name, version, perhaps a build number, three tags
            return None
        kind, name, number = FileKind.WHEEL, canonicalize_name(parts[0]), parts[1]
    else:
        try:
            name, parsed = parse_sdist_filename(filename)
        except InvalidSdistFilename:
            return None
        kind, number = FileKind.SDIST, str(parsed)
    version = _version(number)
    return (kind, version) if version and name == canonicalize_name(project) else None


@lru_cache(maxsize=4096)
def _version(text: str) -> str:
    """The version in its normal form; empty if it is none (PEP 440)."""
    try:
        return str(Version(text.replace("_", "-")))
    except InvalidVersion:
        return ""


def _is_json(answer: Answer) -> bool:
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind in _JSON:
        return True
    if kind in _HTML:
        return False
    raise _garbage(answer, f"its content type is {kind or 'missing'}")


def _decode(answer: Answer, kind: type[Page]) -> Page:
    try:
        page = msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _garbage(answer, str(error)) from error
    _check_version(answer, page.meta.api_version)
    return page


def _check_version(answer: Answer, version: str) -> None:
    """PEP 629: a reader refuses a major version that it doesn't know."""
    if version.partition(".")[0] != _API_MAJOR:
        raise UnreachableError(
            f"{urlsplit(answer.url).netloc} speaks version {version} of the simple API",
            reference="index-version",
            note=f"this version of jupyter_pkgmgr knows version {_API_MAJOR}",
            hint="update jupyter_pkgmgr",
        )


def _from_json(file: _File, base: str, project: str, origin: str) -> AvailableFile | None:
    parsed = parse_filename(file.filename, project)
    if parsed is None:
        return None
    metadata = file.core_metadata if file.core_metadata is not None else file.dist_info_metadata
    return AvailableFile(
        filename=file.filename,
        kind=parsed[0],
        version=parsed[1],
        url=without_credentials(urljoin(base, file.url)),
        origin=origin,
        size=file.size,
        requires_python=file.requires_python or "",
        yanked=file.yanked is not False,
        yanked_reason=file.yanked if isinstance(file.yanked, str) else "",
        has_metadata=metadata not in (None, False),
        sha256=file.hashes.get("sha256", ""),
        uploaded=_time(file.upload_time),
    )


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _links(answer: Answer) -> list[tuple[str, str, dict[str, str]]]:
    """Text, target and attributes of each link on an HTML page."""
    from pypi_simple import RepositoryPage, UnsupportedRepoVersionError  # noqa: PLC0415  costs as much as a look-up

    match = re.search(r"charset=\"?([\w-]+)", answer.content_type)
    try:
        page = RepositoryPage.from_html(answer.body, answer.url, match[1] if match else None)
    except UnsupportedRepoVersionError as error:
        _check_version(answer, error.declared_version)
        raise
    looks_like_list = page.repository_version is not None or b"<form" not in answer.body.lower()
    if not page.links and not (
        looks_like_list and re.search(rb"<(!doctype|html|body|head)", answer.body, re.IGNORECASE)
    ):
        raise _garbage(answer, "it is a web page without links to packages")
    links = []
    for link in page.links:
        attributes = {name: value if isinstance(value, str) else " ".join(value) for name, value in link.attrs.items()}
        links.append((link.text, link.url, attributes))
    return links


def _files_of_html(answer: Answer, project: str, origin: str) -> list[AvailableFile | None]:
    return [_from_link(url, attributes, project, origin) for _, url, attributes in _links(answer)]


def _from_link(url: str, attributes: dict[str, str], project: str, origin: str) -> AvailableFile | None:
    parts = urlsplit(url)
    filename = unquote(parts.path.rpartition("/")[2])
    parsed = parse_filename(filename, project)
    if parsed is None:
        return None
    algorithm, _, digest = parts.fragment.partition("=")
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    return AvailableFile(
        filename=filename,
        kind=parsed[0],
        version=parsed[1],
        url=without_credentials(urlunsplit(parts._replace(fragment=""))),
        origin=origin,
        requires_python=attributes.get("data-requires-python", ""),
        yanked="data-yanked" in attributes,
        yanked_reason=attributes.get("data-yanked", ""),
        has_metadata=metadata is not None and metadata.lower() != "false",
        sha256=digest if algorithm == "sha256" else "",
    )


def _garbage(answer: Answer, why: str) -> UnreachableError:
    start = answer.body[:200].decode("utf-8", errors="replace")
    return UnreachableError(
        f"{urlsplit(answer.url).netloc} answered something that is no package list",
        reference="index-garbage",
        context=(f"GET {redact(answer.url)}",),
        note=why,
        hint="look at the index URL; a proxy's login page can be the cause too",
        detail=redact(start),
    )

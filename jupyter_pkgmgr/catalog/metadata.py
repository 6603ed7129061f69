"""Core metadata: what a distribution says of itself, and how to get it without downloading all of it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from email.message import Message
from email.parser import Parser
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Ecosystem
from jupyter_pkgmgr.model.errors import UnreachableError

from .answers import Freshness, PackageMetadata

__all__ = ["from_core_metadata", "from_json_api", "metadata_in_wheel", "read_remote_wheel"]

_TAIL = 64 * 1024
"""Bytes read first from a wheel's end: the list of its files, which mostly has the metadata just before it."""
_HOME_LABELS = ("homepage", "home", "home-page", "repository", "source", "source code", "documentation")


def from_core_metadata(text: bytes, *, source: str, freshness: Freshness) -> PackageMetadata:
    """Read a ``METADATA`` file.

    Leniently, as installers do: old files break every rule of the format, and what can't be read is left out.
    """
    message = Parser().parsestr(text.decode("utf-8", errors="replace"), headersonly=True)
    urls = tuple(_url_pair(value) for value in message.get_all("Project-URL", []))
    return PackageMetadata(
        name=_one(message, "Name"),
        version=_one(message, "Version"),
        ecosystem=Ecosystem.PYPI,
        source=source,
        summary=_line(_one(message, "Summary")),
        license=_license(
            _one(message, "License-Expression"), _one(message, "License"), message.get_all("Classifier", [])
        ),
        author=_line(_one(message, "Author") or _one(message, "Author-email")),
        home=_home(_one(message, "Home-page"), urls),
        urls=urls,
        requires_python=_one(message, "Requires-Python"),
        depends=tuple(map(str, message.get_all("Requires-Dist", []))),
        extras=tuple(map(str, message.get_all("Provides-Extra", []))),
        freshness=freshness,
    )


def from_json_api(info: Mapping[str, Any], *, freshness: Freshness) -> PackageMetadata:
    """Read the ``info`` object of the JSON API that PyPI has beside the simple one."""

    def text(name: str) -> str:
        value = info.get(name)
        return value if isinstance(value, str) else ""

    def texts(name: str) -> tuple[str, ...]:
        value = info.get(name)
        return tuple(map(str, value)) if isinstance(value, list) else ()

    found = info.get("project_urls")
    urls = tuple((str(label), str(url)) for label, url in found.items()) if isinstance(found, dict) else ()
    return PackageMetadata(
        name=text("name"),
        version=text("version"),
        ecosystem=Ecosystem.PYPI,
        source="json-api",
        summary=_line(text("summary")),
        license=_license(text("license_expression"), text("license"), texts("classifiers")),
        author=_line(text("author") or text("author_email")),
        home=_home(text("home_page"), urls),
        urls=urls,
        requires_python=text("requires_python"),
        depends=texts("requires_dist"),
        extras=texts("provides_extra"),
        freshness=freshness,
    )


def metadata_in_wheel(file: Any, filename: str) -> bytes:
    """The ``METADATA`` file of a wheel, given as anything that can be read and sought.

    Raises
    ------
    UnreachableError
        If it is no wheel.
    """
    distribution, version = filename.split("-")[:2]
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                folder, _, rest = name.partition("/")
                stem = folder.removesuffix(".dist-info")
                if rest == "METADATA" and stem != folder and _same_distribution(stem, distribution, version):
                    return archive.read(name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise UnreachableError(f"{filename} is no wheel", reference="index-garbage", note=str(error)) from error
    raise UnreachableError(f"{filename} holds no metadata", reference="index-garbage")


def read_remote_wheel(url: str, get_range: Callable[[str, int, int], tuple[bytes, int] | None]) -> bytes | None:
    """The metadata of a wheel on a server that serves parts of files; ``None`` where it doesn't."""
    tail = get_range(url, -_TAIL, 0)
    if tail is None:
        return None
    file = _RemoteFile(url, tail=tail[0], size=tail[1], get_range=get_range)
    return metadata_in_wheel(file, urlsplit(url).path.rpartition("/")[2])


class _RemoteFile(io.RawIOBase):
    """A file on a server, of which only what is asked for is fetched, and its end not twice."""

    def __init__(
        self, url: str, *, tail: bytes, size: int, get_range: Callable[[str, int, int], tuple[bytes, int] | None]
    ) -> None:
        self._url, self._tail, self._size, self._get_range = url, tail, size, get_range
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        end = self._size if size is None or size < 0 else min(self._place + size, self._size)
        start, self._place = self._place, max(end, self._place)
        if start >= end:
            return b""
        first_known = self._size - len(self._tail)
        if start >= first_known:
            return self._tail[start - first_known : end - first_known]
        part = self._get_range(self._url, start, end - 1)
        if part is None or len(part[0]) != end - start:
            raise UnreachableError(f"{self._url} changed while it was read", reference="index-garbage")
        return part[0]


def _same_distribution(stem: str, distribution: str, version: str) -> bool:
    name, _, number = stem.partition("-")
    return canonicalize_name(name) == canonicalize_name(distribution) and number.replace("_", "-") == version.replace(
        "_", "-"
    )


def _one(message: Message, name: str) -> str:
    value = str(message.get(name, "")).strip()
    return "" if value.upper() == "UNKNOWN" else value


def _line(text: str) -> str:
    """One line without control characters: people paste whole pages into a summary."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _license(expression: str, text: str, classifiers: Any) -> str:
    """SPDX expression, else the licence field where it isn't the licence's whole text, else the classifiers."""
    if expression:
        return _line(expression)
    if text and "\n" not in text.strip() and len(text) < 100:  # noqa: PLR2004
        return _line(text)
    prefix = "License :: "
    return ", ".join(
        str(item).removeprefix(prefix).removeprefix("OSI Approved :: ")
        for item in classifiers
        if str(item).startswith(prefix)
    )


def _url_pair(value: Any) -> tuple[str, str]:
    label, _, url = str(value).partition(",")
    return _line(label), url.strip()


def _home(home_page: str, urls: tuple[tuple[str, str], ...]) -> str:
    if home_page:
        return home_page
    labelled = {label.lower(): url for label, url in urls}
    return next((labelled[label] for label in _HOME_LABELS if label in labelled), "")

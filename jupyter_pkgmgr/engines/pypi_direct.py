"""Direct references (paths, URLs, VCS): which line of a requirement file gave which package, and exactly what it gave.

Source: PyPA "Direct URL Data Structure" and pip's "VCS Support" for the form of VCS references.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from jupyter_pkgmgr.model import Origin, OriginKind, redact

__all__ = ["identity", "is_vcs", "needs_build", "origin", "pinned", "url_of", "version_of"]

_VCS = ("git+", "hg+", "svn+", "bzr+")
_COMMIT = re.compile(r"@(?P<commit>[0-9a-f]{40})(?=$|[#?])")
_EXTRAS = re.compile(r"\[[^\[\]]*\]$")


def is_vcs(url: str) -> bool:
    """Whether it is a VCS reference, ``git+https://…``."""
    return url.startswith(_VCS)


def url_of(line: str) -> str:
    """The URL in a requirement line; empty if it names a package of an index."""
    line = line.removeprefix("-e ")
    try:
        return Requirement(line).url or ""
    except InvalidRequirement:  # a bare URL
        return _EXTRAS.sub("", line)


def identity(url: str) -> tuple[str, str, str]:
    """What is the same for two spellings of one place: credentials, quoting, revision and fragment don't count."""
    parts = urlsplit(url)
    path = unquote(parts.path).rstrip("/")
    if is_vcs(url):
        head, slash, tail = path.rpartition("/")
        path = head + slash + tail.partition("@")[0]
    return parts.scheme, parts.netloc.rpartition("@")[2], path


def pinned(line: str, resolved: str) -> str:
    """The requirement line with a VCS revision replaced by the commit it resolved to; other lines as they are."""
    commit, url = _COMMIT.search(resolved), url_of(line)
    if commit is None or not is_vcs(url):
        return line
    base, rest = re.fullmatch(r"([^#?]*)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]  # matches any text
    head, slash, tail = base.rpartition("/")
    return line.replace(url, f"{head}{slash}{tail.partition('@')[0]}@{commit['commit']}{rest}")


def origin(url: str, *, editable: bool = False) -> Origin:
    """The origin of what a URL, a path or a VCS reference gives."""
    if is_vcs(url):
        return Origin(kind=OriginKind.VCS, location=redact(url))
    if urlsplit(url).scheme == "file":
        return Origin(kind=OriginKind.EDITABLE if editable else OriginKind.PATH, location=_local(url))
    return Origin(kind=OriginKind.URL, location=redact(url))


def version_of(url: str) -> str:
    """The version that a file's name or a project's ``pyproject.toml`` tells; empty if only building would."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    try:
        if name.endswith(".whl"):
            return str(parse_wheel_filename(name)[1])
        if name.endswith((".tar.gz", ".zip")):
            return str(parse_sdist_filename(name)[1])
    except (InvalidSdistFilename, InvalidWheelFilename):
        return ""
    return _project_version(Path(_local(url))) if urlsplit(url).scheme == "file" else ""


def needs_build(line: str) -> bool:
    """Whether only a build could install the line: anything direct that isn't a wheel."""
    url = url_of(line)
    return bool(url) and not urlsplit(url).path.endswith(".whl")


def _local(url: str) -> str:
    return url2pathname(urlsplit(url).path)


def _project_version(folder: Path) -> str:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):  # an older project, or a broken one: the build says what is wrong
        return ""
    return str(project.get("version", ""))

"""What the user asked for: a requirement (PEP 508), a conda MatchSpec, a path, a URL, a VCS reference.

One parser reads all of them, because people type all of them. What only one ecosystem can express
(extras, a build string, ``|``) decides the ecosystem; everything else is left open for the router.

Sources: PEP 508 and PEP 440 through ``packaging``; conda's MatchSpec grammar as its documentation gives it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .errors import InvalidSpecError
from .package import Ecosystem

__all__ = ["Spec", "SpecKind", "is_file", "parse_spec"]

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_CONDA_SPEC = re.compile(
    rf"(?P<name>{_NAME})\s*(?:(?P<glued>[=<>!~][^\s\[\]]*)|\s(?P<spaced>[^\s\[\]]+))?(?:\s+(?P<build>[^\s\[\]]+))?"
)
_CONDA_VERSION = re.compile(
    r"(?:(?:==|=|!=|~=|<=|>=|<|>)?[A-Za-z0-9._*+!-]+)(?:[,|](?:(?:==|=|!=|~=|<=|>=|<|>)?[A-Za-z0-9._*+!-]+))*"
)
_CONDA_BUILD = re.compile(r"[A-Za-z0-9_.*+-]+")
_CHANNEL = re.compile(r"(?P<channel>[^\s:;,<>|]+(?:://[^\s;,<>|]+)?)::(?P<rest>.*)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:")
_VCS = ("git+", "hg+", "svn+", "bzr+")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_CONDA_ARCHIVES = (".conda", ".tar.bz2")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]")


class SpecKind(StrEnum):
    """What form a spec has."""

    NAME = "name"
    PATH = "path"
    URL = "url"
    VCS = "vcs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One thing the user asked for. Made by :func:`parse_spec`, which validates it."""

    text: str
    kind: SpecKind
    name: str = ""
    """As typed; empty where only building the thing would tell (a bare path or URL)."""
    ecosystem: Ecosystem | None = None
    """Set where the user forced it, or where only one ecosystem can express the spec."""
    channel: str = ""
    extras: tuple[str, ...] = ()
    version: str = ""
    """Version constraint as typed, in PEP 440's or in conda's grammar."""
    build: str = ""
    checksum: str = ""
    """``sha256=…`` or ``md5=…`` of the package file: an explicit list of conda's has them."""
    marker: str = ""
    location: str = ""
    """Absolute path, or URL with its scheme; empty for names."""
    editable: bool = False

    def requirement(self, name: str | None = None) -> str:
        """The spec as a PEP 508 requirement, under the name it has on PyPI.

        Raises
        ------
        InvalidSpecError
            If only conda can express it.
        """
        base = (name or self.name) + (f"[{','.join(self.extras)}]" if self.extras else "")
        marker = f" ; {self.marker}" if self.marker else ""
        if self.kind is SpecKind.PATH:
            extras = f"[{','.join(self.extras)}]" if self.extras else ""
            return f"{self.location}{extras}"
        if self.kind is not SpecKind.NAME:
            return f"{base} @ {self.location}{marker}" if base else self.location
        return f"{base}{self.pep440()}{marker}"

    def pep440(self) -> str:
        """The version constraint in PEP 440's grammar; empty if any version will do.

        Raises
        ------
        InvalidSpecError
            If only conda can express it.
        """
        return _as_pep440(self)

    def match_spec(self, name: str | None = None) -> str:
        """The spec as a conda MatchSpec, under the name it has in conda channels.

        Raises
        ------
        InvalidSpecError
            If only PyPI can express it.
        """
        if self.kind is SpecKind.URL and self.location.endswith(_CONDA_ARCHIVES):
            return self.location
        if self.kind is not SpecKind.NAME or self.extras:
            msg = f"conda can't take {self.text!r}"
            raise InvalidSpecError(msg, hint="leave it to PyPI: drop conda:: or --conda")
        channel = f"{self.channel}::" if self.channel else ""
        parts = [f"{channel}{(name or self.name).lower()}", _as_conda(self.version), self.build]
        return " ".join(part for part in parts if part) + (f"[{self.checksum}]" if self.checksum else "")

    def forced(self, ecosystem: Ecosystem) -> Spec:
        """The same spec, from this ecosystem and no other."""
        return replace(self, ecosystem=ecosystem)


def parse_spec(text: str, *, base: Path | None, editable: bool = False) -> Spec:
    """Read one spec.

    Parameters
    ----------
    text
        What was typed, one spec, without shell quoting.
    base
        Folder that relative paths start from (the notebook's, not the server's); ``None`` where files can't be
        named at all: then a path is refused before anything is looked at.
    editable
        Whether ``-e`` stood before it.

    Raises
    ------
    InvalidSpecError
        If no ecosystem can read it, or the path it names isn't there.
    """
    text = text.strip()
    _refuse_dangerous(text)
    forced: Ecosystem | None = None
    rest = text
    for ecosystem in Ecosystem:
        if text.startswith(f"{ecosystem.value}::"):
            forced, rest = ecosystem, text.removeprefix(f"{ecosystem.value}::").strip()
            _refuse_dangerous(rest)
    spec = _parse_location(text, rest, base, editable=editable) or _parse_name(text, rest)
    if base is None and is_file(spec.location or spec.channel):
        raise _no_files(text)
    if forced is not None:
        if spec.ecosystem not in (None, forced):
            msg = f"{text!r} can only come from {spec.ecosystem}"
            raise InvalidSpecError(msg, hint=f"write it without {forced.value}::")
        spec = spec.forced(forced)
    if editable:
        if spec.kind not in (SpecKind.PATH, SpecKind.VCS):
            msg = f"-e needs a folder or a VCS reference, not {text!r}"
            raise InvalidSpecError(msg, hint="-e ./my-project")
        spec = replace(spec, editable=True)
    return spec


def _refuse_dangerous(text: str) -> None:
    if not text:
        msg = "an empty spec names no package"
        raise InvalidSpecError(msg, hint="%pkg install NAME")
    if text.startswith("-"):
        msg = f"{text!r} is no package: a spec can't begin with '-'"
        raise InvalidSpecError(msg, hint="%pkg help install lists the options")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):  # noqa: PLR2004  ASCII control characters
        msg = f"{text!r} holds a control character"
        raise InvalidSpecError(msg)


def is_file(place: str) -> bool:
    """Whether a location, a channel or an index lies on this machine: a path, or a URL of a file."""
    scheme = re.match(r"(?:[a-z]+\+)?file:", place, re.IGNORECASE)
    return scheme is not None or place.startswith((".", "~", "/", "\\")) or _WINDOWS_PATH.match(place) is not None


def _no_files(text: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{text!r} names a file or a folder, which can't be done from here",
        reference="path-refused",
        hint="in a notebook's cell %pkg install takes paths",
    )


def _parse_location(text: str, rest: str, base: Path | None, *, editable: bool) -> Spec | None:
    """A URL, a VCS reference or a path, with or without ``name @`` before it; ``None`` for plain names."""
    if "@" in rest and (direct := _parse_direct(text, rest)):
        return direct
    if rest.startswith(_VCS):
        return Spec(text=text, kind=SpecKind.VCS, location=rest, name=_egg(rest), ecosystem=Ecosystem.PYPI)
    if _CHANNEL.fullmatch(rest):
        return None
    if _SCHEME.match(rest):
        conda = urlsplit(rest).path.endswith(_CONDA_ARCHIVES)
        ecosystem = Ecosystem.CONDA if conda else Ecosystem.PYPI
        return Spec(text=text, kind=SpecKind.URL, location=rest, name=_egg(rest), ecosystem=ecosystem)
    return _parse_path(text, rest, base, certain=editable)


def _parse_direct(text: str, rest: str) -> Spec | None:
    try:
        requirement = Requirement(rest)
    except InvalidRequirement:
        return None
    if requirement.url is None:
        return None
    if not _SCHEME.match(requirement.url):
        msg = f"{text!r} has no URL after the '@'"
        raise InvalidSpecError(msg, hint=f"for a version write {requirement.name}==1.2")
    return Spec(
        text=text,
        kind=SpecKind.VCS if requirement.url.startswith(_VCS) else SpecKind.URL,
        name=requirement.name,
        extras=tuple(sorted(requirement.extras)),
        location=requirement.url,
        marker=str(requirement.marker or ""),
        ecosystem=Ecosystem.PYPI,
    )


def _parse_path(text: str, rest: str, base: Path | None, *, certain: bool) -> Spec | None:
    bare, bracket, extras_text = rest.partition("[")
    looks_like_path = (
        certain
        or bare.startswith((".", "~", "/"))
        or "/" in bare
        or "\\" in bare
        or _WINDOWS_PATH.match(bare) is not None
        or bare.lower().endswith((*_ARCHIVES, ".conda"))
    )
    if not looks_like_path:
        return None
    if base is None:
        raise _no_files(text)
    try:
        path = base / Path(bare).expanduser()
        there = path.exists()
    except (OSError, RuntimeError):  # too long for a file name, or the home of a user that isn't
        path, there = base / bare, False
    if not there:
        msg = f"there is no file or folder {path}"
        raise InvalidSpecError(msg, reference="path-not-found", hint=f"relative paths start from {base}")
    extras: tuple[str, ...] = ()
    if bracket:
        extras = tuple(sorted(extra.strip() for extra in extras_text.rstrip("]").split(",") if extra.strip()))
    resolved = path.resolve()
    if path.is_file() and path.name.endswith(_CONDA_ARCHIVES):
        return Spec(text=text, kind=SpecKind.URL, location=resolved.as_uri(), ecosystem=Ecosystem.CONDA)
    if path.is_dir() and not any((path / name).exists() for name in ("pyproject.toml", "setup.py", "setup.cfg")):
        msg = f"{path} is no Python project: it has neither pyproject.toml nor setup.py"
        raise InvalidSpecError(msg, reference="not-a-project", hint="name the folder that holds pyproject.toml")
    return Spec(text=text, kind=SpecKind.PATH, location=str(resolved), extras=extras, ecosystem=Ecosystem.PYPI)


def _egg(location: str) -> str:
    """The name in a ``#egg=`` fragment, pip's old way of naming what a URL holds."""
    match = re.search(rf"[#&]egg=({_NAME})", location)
    return match[1] if match else ""


def _parse_name(text: str, rest: str) -> Spec:
    channel = ""
    if match := _CHANNEL.fullmatch(rest):
        channel, rest = match["channel"], match["rest"].strip()
        _refuse_dangerous(rest)
    elif (requirement := _requirement(rest)) is not None:
        return Spec(
            text=text,
            kind=SpecKind.NAME,
            name=requirement.name,
            extras=tuple(sorted(requirement.extras)),
            version=str(requirement.specifier),
            marker=str(requirement.marker or ""),
            ecosystem=Ecosystem.PYPI if requirement.extras else None,
        )
    return _parse_conda(text, rest, channel)


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _parse_conda(text: str, rest: str, channel: str) -> Spec:
    match = _CONDA_SPEC.fullmatch(rest)
    if match is None:
        raise _unreadable(text)
    version = match["glued"] or match["spaced"] or ""
    build = match["build"] or ""
    if not build and match["glued"] and version.count("=") > version.count("==") * 2 and version.startswith("="):
        # ``name=1.2=build`` and ``name==1.2=build``: the last "=" begins the build string
        operator = "==" if version.startswith("==") else "="
        number, _, build = version.removeprefix(operator).partition("=")
        version = operator + number
    if version and not (_CONDA_VERSION.fullmatch(version) and _names_no_word(version)):
        raise _unreadable(text)
    if build and not _CONDA_BUILD.fullmatch(build):
        raise _unreadable(text)
    only_conda = bool(channel or build or not _pep440_can_say(version))
    return Spec(
        text=text,
        kind=SpecKind.NAME,
        name=match["name"],
        channel=channel,
        version=version,
        build=build,
        ecosystem=Ecosystem.CONDA if only_conda else None,
    )


def _names_no_word(version: str) -> bool:
    """Whether every part has a digit or ``*``, unless ``=`` stands before it: two names in one spec are no version."""
    return all(part.startswith("=") or re.search(r"[\d*]", part) for part in re.split(r"[,|]", version))


def _unreadable(text: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{text!r} is neither a requirement nor a conda spec",
        note="a name has letters, digits, '.', '_' and '-'; a version follows as ==1.2, >=1,<2 or =1.2",
        hint="%pkg help install shows what can be typed",
    )


def _pep440_can_say(version: str) -> bool:
    try:
        SpecifierSet(_to_pep440(version))
    except (InvalidSpecifier, ValueError):
        return False
    return True


def _to_pep440(version: str) -> str:
    """Translate a conda version constraint; ``ValueError`` where PEP 440 has no words for it."""
    if "|" in version:
        raise ValueError(version)
    parts = []
    for part in filter(None, (piece.strip() for piece in version.split(","))):
        match = re.fullmatch(r"(==|=|!=|~=|<=|>=|<|>)?(.+)", part)
        if match is None:
            raise ValueError(version)
        operator, number = match[1] or "", match[2]
        if number == "*":
            continue
        if operator == "=":  # conda's fuzzy match: =1.2 is 1.2 and every 1.2.x
            number = number.removesuffix(".*").removesuffix("*") + ".*"
        parts.append(f"{'==' if operator in ('', '=') else operator}{number}")
    return ",".join(parts)


def _as_pep440(spec: Spec) -> str:
    if not spec.version:
        return ""
    try:
        translated = str(SpecifierSet(spec.version))
    except InvalidSpecifier:
        try:
            translated = str(SpecifierSet(_to_pep440(spec.version)))
        except (InvalidSpecifier, ValueError):
            msg = f"PyPI can't take {spec.text!r}"
            raise InvalidSpecError(msg, hint="write the version as ==1.2 or >=1,<2") from None
    return translated


def _as_conda(version: str) -> str:
    """Translate a PEP 440 constraint into conda's grammar, which differs in ``==1.2.*`` and ``===``."""
    if not version:
        return ""
    parts = []
    for part in filter(None, (piece.strip() for piece in version.split(","))):
        if part.startswith("==="):
            parts.append("==" + part.removeprefix("==="))
        elif part.startswith("==") and part.endswith(".*"):
            parts.append(part.removeprefix("=="))
        else:
            parts.append(part)
    return ",".join(parts)

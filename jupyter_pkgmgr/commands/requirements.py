"""Files that list what to install: pip's ``requirements.txt`` and conda's ``environment.yml``.

Formats: pip's "Requirements File Format" page, and conda's "Creating an environment file manually".
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.model import Ecosystem, Spec, SpecKind, parse_spec, redact
from jupyter_pkgmgr.model.errors import InvalidSpecError, UsageError

__all__ = ["VARIABLE_WANTED", "Requirements", "read_requirements", "with_variables"]

VARIABLE_WANTED = "variable-wanted"
"""The reference of an error whose context is the name of a variable that :func:`with_variables` lacks."""
_variables: contextvars.ContextVar[Mapping[str, str | None] | None] = contextvars.ContextVar("variables", default=None)

_COMMENT = re.compile(r"(^|\s+)#.*$")
_EXPLICIT = "@EXPLICIT"
"""The line that makes a file one of URLs: CEP 23."""
_PACKAGE_FILE = re.compile(
    r"(?P<channel>.+)/(?P<subdir>[^/]+)/(?P<name>[^/]+)-(?P<version>[^/-]+)-(?P<build>[^/-]+)\.(?:conda|tar\.bz2)"
    r"(?:#(?:(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64})))?"
)
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)\}")
_OPTION = re.compile(r"(?P<name>--[a-z0-9-]+|-[a-z])(?:\s*=\s*|\s+|$|(?<=^-[a-z])(?=\S))(?P<value>.*)")
_OPTIONS = {
    "-r": "requirement",
    "--requirement": "requirement",
    "-c": "constraint",
    "--constraint": "constraint",
    "-e": "editable",
    "--editable": "editable",
    "-i": "index_url",
    "--index-url": "index_url",
    "--extra-index-url": "extra_index_url",
    "-f": "find_links",
    "--find-links": "find_links",
    "--pre": "pre",
}


@dataclass(slots=True, kw_only=True)
class Requirements:
    """What a file asks for. Filled while it is read, and while the files it names are."""

    specs: list[Spec] = field(default_factory=list)
    constraints: list[Path] = field(default_factory=list)
    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    override_channels: bool = False
    pre: bool = False


@contextlib.contextmanager
def with_variables(values: Mapping[str, str | None]) -> Iterator[None]:
    """Take ``${VARIABLES}`` from here and not from this process, which has other ones than whoever asks.

    ``None`` stands for one that isn't set.
    """
    token = _variables.set(values)
    try:
        yield
    finally:
        _variables.reset(token)


def _value_of(variable: re.Match[str]) -> str:
    """What a variable is; one that isn't set stays as it is written, as in pip."""
    name, values = variable["name"], _variables.get()
    if values is None:
        return os.environ.get(name, variable[0])
    if name not in values:
        raise UsageError(f"a requirements file uses {variable[0]}", reference=VARIABLE_WANTED, context=(name,))
    return values[name] or variable[0]


def read_requirements(path: Path) -> Requirements:
    """Read a requirements file, with those it includes, or an environment file (``.yml``, ``.yaml``).

    Raises
    ------
    UsageError
        If the file isn't there, can't be read, includes itself, or uses what isn't supported.
    InvalidSpecError
        If a line is no spec; the message names file and line.
    """
    found = Requirements()
    if path.suffix in {".yml", ".yaml"}:
        _read_environment_file(path, found)
    else:
        _read_requirements_file(path, found, parents=())
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", reference="path-not-found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", reference="path-not-readable") from error


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with continuations joined, comments taken off and ``${VARIABLES}`` put in, as pip does."""
    pending, start = "", 0
    for number, raw in enumerate(_text(path).splitlines(), start=1):
        start = start if pending else number
        if raw.endswith("\\"):
            pending += raw[:-1]
            continue
        line = _COMMENT.sub("", pending + raw).strip()
        pending = ""
        if line:
            yield start, _VARIABLE.sub(_value_of, line)


def _read_requirements_file(path: Path, found: Requirements, *, parents: tuple[Path, ...]) -> None:
    path = path.resolve()
    if path in parents:
        raise UsageError(f"{path} includes itself", reference="requirements-loop")
    explicit = False
    for number, line in _logical_lines(path):
        try:
            if line == _EXPLICIT:
                explicit = True
            elif explicit:
                found.specs.append(_package_file(line))
            elif line.startswith("-"):
                _option(line, path, found, parents=(*parents, path))
            else:
                _refuse_hashes(line)
                found.specs.append(parse_spec(line, base=path.parent))
        except InvalidSpecError as error:
            raise InvalidSpecError(
                f"{path.name}, line {number}: {error.message}", reference=error.reference, hint=error.hint
            ) from error


def _package_file(url: str) -> Spec:
    """A line of an explicit list: this very build from this channel, with its checksum."""
    match = _PACKAGE_FILE.fullmatch(url)
    if match is None:
        raise InvalidSpecError(
            f"{redact(url)!r} is no URL of a conda package", note="after @EXPLICIT nothing else stands"
        )
    checksum = next((f"{kind}={match[kind]}" for kind in ("sha256", "md5") if match[kind]), "")
    return Spec(
        text=redact(url),
        kind=SpecKind.NAME,
        name=match["name"],
        ecosystem=Ecosystem.CONDA,
        channel=match["channel"],
        version=f"=={match['version']}",
        build=match["build"],
        checksum=checksum,
    )


def _refuse_hashes(line: str) -> None:
    if " --hash" in line:
        raise InvalidSpecError(
            "hash checking isn't supported",
            reference="hashes",
            note="it holds only if every package of the environment is listed with its hashes",
            hint="uv pip sync --require-hashes in a terminal, into this environment (%pkg env shows its path)",
        )


def _option(line: str, path: Path, found: Requirements, *, parents: tuple[Path, ...]) -> None:
    found_option = _OPTION.fullmatch(line)
    name, value = (found_option["name"], found_option["value"]) if found_option else (line, "")
    try:
        value = " ".join(shlex.split(value))
    except ValueError:
        raise InvalidSpecError("a quotation mark is never closed", reference="usage") from None
    match _OPTIONS.get(name):
        case "requirement":
            _read_requirements_file(path.parent / value, found, parents=parents)
        case "constraint":
            found.constraints.append((path.parent / value).resolve())
        case "editable":
            found.specs.append(parse_spec(value, base=path.parent, editable=True))
        case "index_url":
            found.index_url = value
        case "extra_index_url":
            found.extra_index_urls.append(value)
        case "find_links":
            local = path.parent / value
            found.find_links.append(str(local.resolve()) if "://" not in value and local.exists() else value)
        case "pre":
            found.pre = True
        case _:
            raise InvalidSpecError(f"the option {name} isn't understood in a requirements file")


def _read_environment_file(path: Path, found: Requirements) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415  most requests have no such file
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        content: Any = YAML(typ="safe").load(_text(path))
    except YAMLError as error:
        raise UsageError(f"{path} is not valid YAML", reference="invalid-yaml", detail=str(error)) from error
    if not isinstance(content, dict) or not isinstance(content.get("dependencies"), list):
        raise UsageError(f"{path} has no list of dependencies", reference="invalid-environment-file")
    channels = [str(channel) for channel in content.get("channels") or []]
    found.override_channels = "nodefaults" in channels
    found.channels += [channel for channel in channels if channel != "nodefaults"]
    for item in content["dependencies"]:
        if isinstance(item, dict):
            for text in item.get("pip") or []:
                _pip_line(str(text), path, found)
        elif str(item).split("=")[0].strip() != "pip":
            found.specs.append(parse_spec(str(item), base=path.parent).forced(Ecosystem.CONDA))


def _pip_line(text: str, path: Path, found: Requirements) -> None:
    if text.startswith("-"):
        _option(text, path, found, parents=(path.resolve(),))
    else:
        found.specs.append(parse_spec(text, base=path.parent).forced(Ecosystem.PYPI))

"""An environment as a file: conda's ``environment.yml``, pip's requirements, conda's explicit list.

Sources: conda's "Creating an environment file manually" and CEP 23 (explicit files), pip's "Requirements File
Format", and PEP 610 with what ``pip freeze`` makes of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jupyter_pkgmgr.environments import (
    channel_name,
    default_index,
    native_subdir,
    read_conda_settings,
    read_index_settings,
)
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import strip_credentials
from jupyter_pkgmgr.model.errors import UsageError

from .export import Contents, Extent, contents, few
from .export_lines import Line, Writer

__all__ = ["Export", "ExportOptions", "FileFormat", "export"]

_PLAIN = re.compile(r"[A-Za-z_](?:[\w.\-+=<>~!\[\],@/*:]*[\w.\]/*])?")
"""What YAML takes for a text without quotation marks, unless it is a word of its own."""
_WORDS = frozenset({"y", "yes", "n", "no", "true", "false", "on", "off", "null"})


class FileFormat(StrEnum):
    """What kind of file."""

    CONDA = "environment.yml"
    PIP = "requirements.txt"
    EXPLICIT = "explicit.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What was said about the file."""

    format: FileFormat | None = None
    """Without one: what the environment's own tool reads."""
    extent: Extent = Extent.REQUESTED
    builds: bool = True
    """With everything: conda's builds, too."""
    checksum: str = "sha256"
    """For an explicit list: ``sha256`` or ``md5``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file's text, and what has to be said about it, which stands in its comments as well."""

    format: FileFormat
    text: str
    packages: int
    """How many it names."""
    notes: tuple[str, ...] = ()


def export(inventory: Inventory, options: ExportOptions) -> Export:
    """Describe an environment in a file.

    Raises
    ------
    UsageError
        If it can't be described in that form.
    """
    form = options.format or (FileFormat.CONDA if inventory.environment.is_conda else FileFormat.PIP)
    found = contents(inventory, Extent.ALL if form is FileFormat.EXPLICIT else options.extent)
    writer = Writer(inventory=inventory, extent=options.extent, builds=options.builds)
    for note in found.notes:
        writer.say(note)
    write = {FileFormat.CONDA: _environment_file, FileFormat.PIP: _requirements, FileFormat.EXPLICIT: _explicit}
    lines, packages = write[form](found, writer, options)
    text = "".join(f"{line}\n" for line in lines)
    return Export(format=form, text=text, packages=packages, notes=tuple(writer.notes))


# --- environment.yml -----------------------------------------------------------------------------------------------


def _environment_file(found: Contents, writer: Writer, _options: ExportOptions) -> tuple[list[str], int]:
    environment = writer.inventory.environment
    conda, pypi = list(writer.conda(found.conda)), list(writer.pypi(found.pypi))
    count = len(conda) + len(pypi)
    if not environment.is_conda and environment.python is not None:
        conda.insert(0, Line(text=f"python={environment.python.minor}"))
    if pypi and not any(line.text.split("=")[0] == "pip" for line in conda):
        conda.append(Line(text="pip"))  # the tools that read this install PyPI's part with it
    channels = list(_channels(found, writer)) if environment.is_conda else ["conda-forge"]
    lines = [f"name: {_scalar(_name(environment.name))}", "channels:", *(f"  - {_scalar(name)}" for name in channels)]
    lines += ["dependencies:", *(f"  - {_scalar(line.text)}{_comment(line)}" for line in conda)]
    if pypi:
        lines += ["  - pip:", *_indexes(writer, indent="      ", item="- ")]
        lines += [f"      - {_scalar(line.text)}{_comment(line)}" for line in pypi]
    return [*_head(writer), *lines], count


def _name(name: str) -> str:
    """An environment's name as conda takes one: of a folder elsewhere its last part."""
    return re.sub(r"[/ :#]+", "-", name.rstrip("/").rpartition("/")[2])


def _channels(found: Contents, writer: Writer) -> Iterator[str]:
    """The channels in force in their order, and those that listed packages came from."""
    settings = read_conda_settings(writer.inventory.environment)
    places = dict.fromkeys((*settings.channels, *(item.package.url.rpartition("/")[0] for item in found.conda)))
    said = set()
    for place in filter(None, places):
        bare = strip_credentials(place)
        name = channel_name(bare)
        if name in said:
            continue
        said.add(name)
        if bare != place:
            writer.say(f"the channel {name} wants credentials, which are left out")
        if bare.startswith("file:"):
            writer.say(f"the channel {name} is there on this machine only")
        yield name


def _scalar(text: str) -> str:
    """A text as YAML: without quotation marks where it needs none."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)


# --- requirements.txt ----------------------------------------------------------------------------------------------


def _requirements(found: Contents, writer: Writer, _options: ExportOptions) -> tuple[list[str], int]:
    lines = {line.text: line for line in (*writer.distributions(found.conda), *writer.pypi(found.pypi))}
    shown = [f"{line.text}{_comment(line)}" for line in sorted(lines.values(), key=_by_name)]
    return [*_head(writer), *_indexes(writer), *shown], len(shown)


def _by_name(line: Line) -> tuple[bool, str]:
    return line.text.startswith("-e "), line.text.lower()


def _indexes(writer: Writer, *, indent: str = "", item: str = "") -> Iterator[str]:
    """The indexes in force where they aren't PyPI: as comments, because they may not be reachable elsewhere."""
    if writer.inventory.environment.python is None:
        return
    settings = read_index_settings(writer.inventory.environment)
    options = [("--index-url", settings.index_url)] if settings.index_url.rstrip("/") != default_index() else []
    options += [("--extra-index-url", url) for url in settings.extra_index_urls]
    options += [("--find-links", place) for place in settings.find_links]
    if options:
        hidden = any(strip_credentials(place) != place for _, place in options)
        yield f"{indent}# without the '#', packages are looked for here{', with credentials' if hidden else ''}:"
    for option, place in options:
        yield f"{indent}# {item}{option} {strip_credentials(place)}"


# --- explicit ------------------------------------------------------------------------------------------------------


def _explicit(found: Contents, writer: Writer, options: ExportOptions) -> tuple[list[str], int]:
    environment = writer.inventory.environment
    if not environment.is_conda:
        raise UsageError(
            f"an explicit list is of conda packages, and {environment.name} is a {environment.kind}",
            reference="not-a-conda-environment",
            hint="%pkg export --all",
        )
    if found.pypi:
        named = few([item.package for item in found.pypi])
        raise UsageError(
            f"an explicit list can only hold conda's packages, and {named} came from PyPI",
            reference="explicit-mixed",
            hint="%pkg export --all names both, with their versions and builds",
        )
    lines = [line.text for line in writer.explicit(found.conda, options.checksum)]
    head = [
        "# This file may be used to create an environment using:",
        "# $ conda create --name <env> --file <this file>",
    ]
    notes = [f"# note: {note}" for note in writer.notes]
    return [*head, f"# platform: {native_subdir()}", *notes, "@EXPLICIT", *lines], len(lines)


# --- all -----------------------------------------------------------------------------------------------------------


def _head(writer: Writer) -> Sequence[str]:
    environment = writer.inventory.environment
    python = f", Python {environment.python.version}" if environment.python else ""
    first = f"# Made by %pkg export from {_scalar(environment.name)} ({environment.kind}{python}, {native_subdir()})"
    return [first, *(f"# note: {note}" for note in writer.notes)]


def _comment(line: Line) -> str:
    return f"  # {line.comment}" if line.comment else ""

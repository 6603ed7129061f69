"""What conda, mamba and micromamba print under ``--json``, turned into changes.

Two families, two shapes. conda ends with one document; on a terminal each progress line before it is a
document of its own, ended by NUL. ``LINK`` and ``UNLINK`` hold short records, ``FETCH`` full ones. The
mamba family gives full records everywhere, and what went wrong only in ``log_history``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import msgspec

from jupyter_pkgmgr.model import Action, Change, Ecosystem, Origin, OriginKind, Package, Verb, redact
from jupyter_pkgmgr.model.errors import UnknownFormatError

__all__ = [
    "Actions",
    "Answer",
    "Log",
    "Record",
    "changes",
    "compare_versions",
    "joined",
    "parse_answer",
    "spec_name",
    "split_log",
]

_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
_SPEC_NAME = re.compile(r"(?:.*::)?\s*(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)")
_SUBDIR = re.compile(r"/(?:noarch|[a-z]+-[a-z0-9_]+)/?$")


class Record(msgspec.Struct, kw_only=True):
    """One package in ``LINK``, ``UNLINK`` or ``FETCH``, in either family's shape."""

    name: str
    version: str
    build_string: str = ""
    build: str = ""
    build_number: int = 0
    channel: str | None = ""
    base_url: str | None = ""
    depends: list[str] = []
    license: str | None = ""
    size: int | None = None
    fn: str = ""
    url: str = ""

    @property
    def build_id(self) -> str:
        """The build string, under whichever key it came."""
        return self.build_string or self.build

    @property
    def channel_name(self) -> str:
        """The channel without its platform: a name, or a URL where the tool gave nothing else."""
        return redact(_SUBDIR.sub("", self.channel or self.base_url or ""))


class Actions(msgspec.Struct, kw_only=True, rename="upper"):
    """What a transaction does, as both families call it."""

    link: list[Record] = []
    unlink: list[Record] = []
    fetch: list[Record] = []


class Log(msgspec.Struct, kw_only=True):
    """One entry of the mamba family's ``log_history``."""

    level: str
    message: str


class Answer(msgspec.Struct, kw_only=True):
    """The document at the end of a run, in either family's shape."""

    success: bool | None = None
    message: str = ""
    actions: Actions | None = None
    error: str = ""
    exception_name: str = ""
    log_history: list[Log] = []
    solver_problems: list[str] = []
    document: dict[str, Any] = {}
    """The document as it came, for what only one kind of error says."""

    def log(self, *levels: str) -> list[str]:
        """Messages of these levels, in order, each once."""
        return list(dict.fromkeys(entry.message for entry in self.log_history if entry.level in levels))


_LOG_LINE = re.compile(r"(?P<level>trace|debug|info|warning|error|critical) +lib(?:mamba|curl|solv) +(?P<message>.*)")


def split_log(stderr: str) -> tuple[list[Log], list[str]]:
    """What the mamba family logs on stderr up to 2.8.1, before it had ``log_history``, and the other lines.

    An entry is ``critical libmamba Could not …``; lines that continue it are indented.
    """
    log: list[Log] = []
    others: list[str] = []
    inside = False
    for line in stderr.splitlines():
        if match := _LOG_LINE.fullmatch(line):
            log.append(Log(level=match["level"], message=match["message"]))
            inside = True
        elif inside and line.startswith("  "):
            log[-1].message += f"\n{line}"
        else:
            inside = False
            others.append(line)
    return log, others


_KNOWN = frozenset(Answer.__struct_fields__) - {"document"}


def parse_answer(tool: str, text: str) -> Answer | None:
    """The final document of a run; ``None`` if the tool printed none (a traceback, a usage message).

    Raises
    ------
    UnknownFormatError
        If there is a document, but not one of the shapes we know.
    """
    found = [item for item in _documents(text) if not (isinstance(item, dict) and "fetch" in item)]
    if not found:
        return None
    document = found[-1]
    if not isinstance(document, dict) or not _KNOWN & document.keys():
        raise _unknown(tool, "its answer has none of the keys we know")
    try:
        answer = msgspec.convert({key: document[key] for key in _KNOWN & document.keys()}, Answer)
    except msgspec.ValidationError as error:
        raise _unknown(tool, str(error)) from error
    answer.document = document
    return answer


def _unknown(tool: str, why: str) -> UnknownFormatError:
    return UnknownFormatError(
        f"the answer of {tool} has a form that this version doesn't know",
        note=why,
        hint="use another engine: --engine rattler",
    )


def _documents(text: str) -> list[Any]:
    """Every JSON document that begins at the start of a line; banners between them are skipped."""
    decoder = json.JSONDecoder()
    text = text.replace("\r\n", "\n").replace("\0", "\n")
    found, position = [], 0
    while match := _DOCUMENT.search(text, position):
        try:
            document, position = decoder.raw_decode(text, match.start())
        except ValueError:
            position = match.end()
        else:
            found.append(document)
    return found


def spec_name(spec: str) -> str:
    """The package name in a MatchSpec; empty for a URL."""
    match = _SPEC_NAME.match(spec)
    name = match["name"].lower() if match else ""
    return "" if match is None or spec[match.end() :].startswith((":/", "/")) else name


def changes(
    actions: Actions | None, *, verb: Verb, specs: Iterable[str], installed: Iterable[Package]
) -> tuple[Change, ...]:
    """Join what is unlinked and linked by name, with what was installed before and the reason for each.

    conda says nothing about a record that it drops because pip replaced its files; such a change still has
    its ``before``, from ``installed``.
    """
    if actions is None:
        return ()
    before = {package.name.lower(): package for package in installed}
    fetched = {record.name: record for record in actions.fetch}
    gone = {record.name: record for record in actions.unlink}
    comes = {record.name: record for record in actions.link}
    named = {spec_name(spec) for spec in specs}
    needed = _needed_by([*actions.fetch, *actions.link])
    found = []
    for name in [*comes, *(name for name in gone if name not in comes)]:
        old = before.get(name) or (_package(gone[name]) if name in gone else None)
        new = _package(comes[name], fetched.get(name)) if name in comes else None
        found.append(
            Change(
                action=_action(old, new, gone.get(name), comes.get(name)),
                before=old,
                after=new,
                requested=name in named,
                reason=_reason(name, old, new, named=named, verb=verb, needed=needed),
            )
        )
    return tuple(found)


def joined(going: tuple[Change, ...], coming: tuple[Change, ...]) -> tuple[Change, ...]:
    """A removal and what is done after it, as the changes of both together.

    What goes and comes again as it was is a reinstallation: its files are others afterwards.
    """
    gone = {change.package.key: change.before for change in going}
    back = {change.package.key for change in coming}
    together = []
    for change in coming:
        before = gone.get(change.package.key)
        if before is not None:
            change = replace(change, action=_action(before, change.after, None, None), before=before)  # noqa: PLW2901
        together.append(change)
    return (*together, *(change for change in going if change.package.key not in back))


def _package(record: Record, fetched: Record | None = None) -> Package:
    full = fetched or record
    return Package(
        name=record.name,
        version=record.version,
        ecosystem=Ecosystem.CONDA,
        build=record.build_id,
        origin=Origin(kind=OriginKind.CHANNEL, location=record.channel_name),
        installer="conda",
        depends=tuple(full.depends),
        license=full.license or "",
        size=full.size,
        url=redact(full.url),
    )


def _action(old: Package | None, new: Package | None, gone: Record | None, comes: Record | None) -> Action:
    if new is None:
        return Action.REMOVE
    if old is None:
        return Action.INSTALL
    order = compare_versions(new.version, old.version)
    if order == 0 and new.build != old.build and gone is not None and comes is not None:
        order = comes.build_number - gone.build_number
    if order == 0:
        return Action.REINSTALL
    return Action.UPGRADE if order > 0 else Action.DOWNGRADE


def _needed_by(records: Iterable[Record]) -> Mapping[str, str]:
    """For each dependency the first package that asks for it."""
    needed: dict[str, str] = {}
    for record in records:
        for dependency in record.depends:
            needed.setdefault(spec_name(dependency), record.name)
    return needed


def _reason(
    name: str, old: Package | None, new: Package | None, *, named: set[str], verb: Verb, needed: Mapping[str, str]
) -> str:
    if name in named:
        return "requested"
    if new is None:
        lost = sorted(named & {spec_name(spec) for spec in (old.depends if old else ())})
        gone = f"needs {lost[0]}" if lost else "nothing needs it any more"
        return gone if verb is Verb.REMOVE else "doesn't go with the other changes"
    if name in needed:
        return f"dependency of {needed[name]}"
    if verb is Verb.UPDATE and not named:
        return "newest that fits"
    # conda and mamba tell what a package needs only where they have to fetch it
    return "the other changes ask for it" if old else "dependency"


def compare_versions(left: str, right: str) -> int:
    """Order two conda versions: negative, 0 or positive.

    Follows conda's documented order: epoch, then dot- or dash-separated components of numbers and strings,
    ``dev`` before every other string before numbers, ``post`` after everything, a missing component is 0.
    """
    for mine, theirs in zip(_version_parts(left), _version_parts(right), strict=True):
        for one, other in zip_longest(mine, theirs, fillvalue=((2, 0, ""),)):
            for a, b in zip_longest(one, other, fillvalue=(2, 0, "")):
                if a != b:
                    return -1 if a < b else 1
    return 0


def _version_parts(version: str) -> tuple[list[tuple[tuple[int, int, str], ...]], ...]:
    """Epoch, version and local version (behind ``+``), each as components of pieces that compare."""
    epoch, _, rest = version.lower().rpartition("!")
    main, _, local = rest.partition("+")
    return _components(epoch), _components(main), _components(local)


def _components(text: str) -> list[tuple[tuple[int, int, str], ...]]:
    found = []
    for component in re.split(r"[._-]", text) if text else []:
        pieces = re.findall(r"\d+|[^\d]+", component)
        if pieces and not pieces[0].isdigit():
            pieces.insert(0, "0")  # a component that begins with a string has a number before it
        found.append(tuple(_piece(piece) for piece in pieces))
    return found


def _piece(piece: str) -> tuple[int, int, str]:
    if piece.isdigit():
        return (2, int(piece), "")
    return {"dev": (0, 0, ""), "post": (3, 0, "")}.get(piece, (1, 0, piece))

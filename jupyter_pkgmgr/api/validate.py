"""Strict reading of bodies and queries: what isn't as documented is refused, and the message says what and where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from jupyter_pkgmgr.commands import Command, parse_arguments, parse_line, refuse_files, together
from jupyter_pkgmgr.environments import KernelFacts
from jupyter_pkgmgr.model import Ecosystem, Options, Request, Verb, parse_spec, redact
from jupyter_pkgmgr.model.errors import EnvironmentProblem, UsageError

from .errors import BadRequestError

__all__ = [
    "ApplyBody",
    "CancelBody",
    "DoctorBody",
    "HintBody",
    "RunBody",
    "VerdictBody",
    "number",
    "read",
    "read_command",
    "read_facts",
    "text",
]

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LINES = frozenset({"$.argv_line", "$.cell"})
"""Texts that may have more than one line."""
_UNTYPED = frozenset({"$.facts"})
"""What a reader of its own looks at."""
_DEEP = 20

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(min_length=1, max_length=10_000)]
SpecText = Annotated[str, Meta(min_length=1, max_length=2_000)]
Place = Annotated[str, Meta(min_length=1, max_length=2_000)]
Places = Annotated[list[Place], Meta(max_length=50)]


class _Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body in which nothing unknown may stand."""


class OptionsBody(_Strict):
    """The options of a request; each has the meaning it has in pip or conda. None of them names a file."""

    upgrade: bool = False
    pre: bool = False
    no_deps: bool = False
    force_reinstall: bool = False
    ecosystem: Ecosystem | None = None
    engine: Name | None = None
    channels: Places = []
    override_channels: bool = False
    index_url: Place | None = None
    extra_index_urls: Places = []
    no_index: bool = False
    no_build: bool = False
    offline: bool = False
    force: bool = False
    override_frozen: bool = False
    break_system_packages: bool = False


class CommandBody(_Strict):
    """What was typed."""

    command: Line


class RequestBody(_Strict):
    """The same in parts."""

    verb: Verb
    specs: Annotated[list[SpecText], Meta(max_length=1000)]
    options: OptionsBody = field(default_factory=OptionsBody)


class SeveralBody(_Strict):
    """Several of them, for one plan."""

    requests: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=100)]


class ApplyBody(_Strict):
    """Which plan to apply."""

    plan: Name


class CancelBody(_Strict):
    """Nothing."""


class DoctorBody(_Strict):
    """How closely to look."""

    files: bool = False


class RunBody(_Strict):
    """A command as a kernel sends it."""

    argv_line: Annotated[str, Meta(max_length=100_000)]
    facts: dict[str, Any]
    cell: Annotated[str, Meta(max_length=500_000)] | None = None
    cwd: Annotated[str, Meta(max_length=4_096)] | None = None
    width: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    key: Annotated[str, Meta(min_length=16, max_length=200)] | None = None
    """The kernel's name for this very command: sent twice, it is carried out once."""
    variables: dict[Name, Annotated[str, Meta(max_length=100_000)] | None] = {}
    """Of the kernel's process, as far as a requirements file uses them: the server's own are nobody's business."""


class HintBody(_Strict):
    """A module that can't be imported."""

    module: Annotated[str, Meta(min_length=1, max_length=1_000)]
    facts: dict[str, Any]


class Verdict(_Strict):
    """Whether to restart."""

    level: Literal["none", "recommended", "required"]
    modules: Annotated[list[Annotated[str, Meta(max_length=1_000)]], Meta(max_length=1000)]
    text: Annotated[str, Meta(max_length=10_000)]


class VerdictBody(_Strict):
    """What a kernel says of a transaction."""

    verdict: Verdict
    transaction: Name | None = None


def read(body: Any, kind: type[T]) -> T:
    """A body as documented; where every field has a default, no body is as good as an empty one.

    Raises
    ------
    BadRequestError
        If it isn't.
    """
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise BadRequestError("the body has to be a JSON object")
    for place, found in _texts(body, "$"):
        forbidden = _CONTROL_BUT_LINES if place in _LINES else _CONTROL
        if forbidden.search(found):
            raise BadRequestError(f"there is a control character at {place}")
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the body isn't as documented: {error}", hint="GET openapi.yaml") from error


def _texts(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text in a document, with where it stands."""
    if depth > _DEEP:
        raise BadRequestError(f"the body is nested too deeply at {place[:100]}")
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]", depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield place, name
            if f"{place}.{name}" not in _UNTYPED:
                yield from _texts(item, f"{place}.{name}", depth + 1)


def read_facts(facts: dict[str, Any]) -> KernelFacts:
    """What a kernel tells of itself.

    Raises
    ------
    BadRequestError
        ``unreadable-facts``.
    """
    try:
        return KernelFacts.from_json(facts)
    except EnvironmentProblem as error:
        raise BadRequestError(error.message, reference=error.reference, note=error.note, hint=error.hint) from error


# --- queries -------------------------------------------------------------------------------------------------------


def text(query: Mapping[str, str], name: str, *, max_length: int = 200) -> str:
    """A text in the query; empty if it isn't there.

    Raises
    ------
    BadRequestError
        If it is too long, or has control characters.
    """
    found = query.get(name, "")
    if len(found) > max_length:
        raise BadRequestError(f"{name} in the query has more than {max_length} characters")
    if _CONTROL.search(found):
        raise BadRequestError(f"there is a control character in {name} in the query")
    return found


def number(query: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """A whole number in the query; what is out of bounds is refused.

    Raises
    ------
    BadRequestError
        If it is no number, or out of bounds.
    """
    found = query.get(name)
    if found is None or found == "":
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", found):
        raise BadRequestError(f"{name} in the query has to be a whole number, not {found[:40]!r}")
    if not low <= int(found) <= high:
        raise BadRequestError(f"{name} in the query has to be between {low} and {high}, not {found}")
    return int(found)


# --- commands ------------------------------------------------------------------------------------------------------


def read_command(body: Any) -> Command:
    """What a plan is to be made of: a command as typed, or a verb with specs and options; or several of them.

    Raises
    ------
    BadRequestError
        If the body isn't as documented, or the verb changes nothing.
    UsageError
        If the command makes no sense, or names a file; or if several can't be one plan.
    """
    if isinstance(body, dict) and "requests" in body:
        return _several(read(body, SeveralBody))
    return _one(body)


def _several(body: SeveralBody) -> Command:
    commands = [_numbered(number, one) for number, one in enumerate(body.requests)]
    if len(commands) == 1:
        return commands[0]  # an undo, too
    request = together([command.request for command in commands if command.request is not None])
    return Command(verb=request.verb.value, request=request)


def _numbered(number: int, body: Any) -> Command:
    try:
        return _one(body)
    except BadRequestError as error:
        raise BadRequestError(f"requests[{number}]: {error.message}", hint=error.hint) from error


def _one(body: Any) -> Command:
    if isinstance(body, dict) and "command" in body:
        command = parse_line(read(body, CommandBody).command.removeprefix("%pkg").strip(), base=None)
    else:
        command = _in_parts(read(body, RequestBody))
    if command.request is None:
        raise BadRequestError(
            f"{command.verb} changes nothing, so there is no plan of it",
            hint="install, remove, update, sync and undo can be planned",
        )
    return command


def _in_parts(body: RequestBody) -> Command:
    said = msgspec.structs.asdict(body.options).items()
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said}
    options = Options(**values)
    refuse_files(options)
    words = " ".join([body.verb.value, *body.specs])
    if body.verb is Verb.UNDO:
        command = parse_arguments(["undo", "--", *body.specs], base=None, typed=words)
        return replace(command, request=replace(command.request, options=options)) if command.request else command
    if not body.specs and body.verb is not Verb.UPDATE:
        raise UsageError(f"{body.verb} what? No package was named", reference="empty-request")
    specs = tuple(dict.fromkeys(parse_spec(spec, base=None) for spec in body.specs))
    request = Request(verb=body.verb, specs=specs, options=options, command=redact(words))
    return Command(verb=body.verb.value, request=request)

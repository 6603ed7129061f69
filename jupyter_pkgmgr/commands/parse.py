"""From words to a :class:`Command`: verbs, options and specs of ``%pkg`` and ``jupyter pkg``."""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Never

from jupyter_pkgmgr.lookup import ExportOptions
from jupyter_pkgmgr.model import Ecosystem, Options, Request, Spec, Verb, parse_spec, redact
from jupyter_pkgmgr.model.errors import UsageError
from jupyter_pkgmgr.model.spec import is_file

from . import exporting
from .requirements import Requirements, read_requirements
from .together import together
from .words import as_verb, join_constraints, split_line, unwrap

__all__ = ["ALIASES", "VERBS", "Command", "build_parser", "parse_arguments", "parse_cell", "parse_line", "refuse_files"]

VERBS = {
    "install": "put packages in",
    "remove": "take packages out",
    "update": "bring packages, or all of them, to their newest version",
    "sync": "make the environment what a file says: install and change what it names, remove the rest",
    "plan": "show what install, remove, update, sync or undo would do, and do nothing",
    "list": "what is installed, and where it came from",
    "search": "look for packages in the configured channels and indexes",
    "show": "everything about one package, installed or not",
    "why": "who needs this package",
    "undo": "take back the last change, the last N, or the one with this ID; without network",
    "history": "what was done to this environment: when, by whom, and how it ended",
    "env": "which environment this is, and how that is known",
    "export": "a file that brings this environment about again elsewhere",
    "doctor": "look for what is broken, and say how to mend it",
    "panel": "all of this with the mouse, in the notebook; JupyterLab has it at the side",
    "help": "this page, or one verb's",
}
"""Every verb, with the sentence that help shows."""

ALIASES = {
    "add": "install",
    "i": "install",
    "uninstall": "remove",
    "rm": "remove",
    "upgrade": "update",
    "up": "update",
    "ls": "list",
    "freeze": "export",
    "info": "env",
    "find": "search",
    "--help": "help",
    "-h": "help",
    "check": "doctor",
    "revert": "undo",
    "rollback": "undo",
    "log": "history",
}
_MOST_WORDS = {"doctor": 0, "env": 0, "help": 1, "history": 0, "panel": 0}
"""The verbs that don't take as many names as one likes."""
CHANGING = frozenset(Verb) - {Verb.UNDO}
"""The verbs that take specs and become a request."""
_WITHOUT_EFFECT = (
    "--no-cache-dir",
    "--no-cache",
    "--disable-pip-version-check",
    "--no-input",
    "--no-warn-script-location",
    "--no-warn-conflicts",
    "--use-pep517",
)
"""Options of pasted commands that change nothing about the result here: taken, and left alone."""
_OPTIONS = ("-r", "-c", "-e", "--")
"""How lines of a cell begin that are no specs."""
_WITHOUT_EFFECT_WITH_VALUE = ("--progress-bar", "--root-user-action")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was typed, understood."""

    verb: str
    request: Request | None = None
    """For verbs that change the environment."""
    words: tuple[str, ...] = ()
    """What follows the other verbs: names to show, a query, what to undo."""
    dry_run: bool = False
    yes: bool = False
    quiet: bool = False
    verbose: bool = False
    json: bool = False
    limit: int = 20
    files: bool = False
    """For the doctor: read every file."""
    export: ExportOptions | None = None
    """What an export is to say."""
    file: Path | None = None
    """For an export: the file to write, and whether it may be there already."""
    overwrite: bool = False


class _Parser(argparse.ArgumentParser):
    """argparse that raises our error instead of ending the process."""

    def error(self, message: str) -> Never:
        verb = self.prog.split()[-1]
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            package = ", and a package can't begin with '-'" if verb in CHANGING else ""
            message = f"{unknown} is no option of {verb}{package}"
        raise UsageError(message, hint=f"%pkg help {verb} lists the options")

    def exit(self, status: int = 0, message: str | None = None) -> Never:
        raise UsageError(message or "", reference="exit", context=(str(status),))


def parse_line(line: str, *, base: Path | None) -> Command:
    """Parse what follows ``%pkg``; with ``None`` for ``base`` whatever names a file is refused."""
    return parse_arguments(unwrap(split_line(line)), base=base, typed=f"%pkg {line}".strip())


def parse_cell(line: str, cell: str, *, base: Path) -> Command:
    """Parse ``%%pkg``: the first line has the verb and options, then a spec a line, quotes or none.

    Where the first line has no verb, lines may be commands, too (``remove six``); all of the cell is one plan.
    """
    words = unwrap(split_line(line))
    lines = [text for raw in cell.splitlines() if (text := raw.strip()) and not text.startswith("#")]
    commands = [text for text in lines if _is_command(text)] if words in ([], ["plan"]) else []
    if not commands:
        return _with_specs(words or ["install"], lines, base=base, typed=f"%%pkg {line}".strip())
    parsed = [parse_arguments(unwrap(split_line(text)), base=base, typed=text) for text in commands]
    if specs := [text for text in lines if text not in commands]:
        parsed.append(_with_specs(["install"], specs, base=base, typed=" ".join(["install", *specs])))
    request = together([command.request for command in parsed if command.request is not None])
    return Command(
        verb=request.verb,
        request=replace(request, command=f"%%pkg {request.command}"),
        dry_run=bool(words) or any(command.dry_run for command in parsed),
        yes=any(command.yes for command in parsed),
        quiet=any(command.quiet for command in parsed),
        verbose=any(command.verbose for command in parsed),
        json=any(command.json for command in parsed),
    )


def _is_command(text: str) -> bool:
    """Whether a line of a cell is a command: a verb, and what no version of a package of that name begins with."""
    verb, *rest = unwrap(text.split()) or [""]
    verb = ALIASES.get(verb, verb)
    return verb == Verb.UNDO or (verb in CHANGING and bool(rest) and re.match(r"[A-Za-z./~'\"-]", rest[0]) is not None)


def _with_specs(words: Sequence[str], lines: Sequence[str], *, base: Path, typed: str) -> Command:
    """Words, and lines with a spec or options each."""
    options = [word for text in lines if text.startswith(_OPTIONS) for word in split_line(text)]
    specs = [text.partition(" #")[0].strip() for text in lines if not text.startswith(_OPTIONS)]
    return parse_arguments([*words, *options], base=base, typed=typed, specs=specs)


def parse_arguments(words: Sequence[str], *, base: Path | None, typed: str = "", specs: Sequence[str] = ()) -> Command:
    """Parse words: the verb, and what belongs to it. Options may stand before it, too, as pip takes them.

    Parameters
    ----------
    base
        Folder that relative paths start from; ``None`` where nothing may name a file.
    typed
        The whole command as it was typed, for the history; redacted here.
    specs
        Further specs that are never taken for options.

    Raises
    ------
    UsageError
        For an unknown verb or option, or a verb without what it needs.
    """
    if not words:
        return Command(verb="help")
    verb, *rest = as_verb(_verb_first(words))
    verb = ALIASES.get(verb, verb)
    if verb not in VERBS:
        raise _unknown_verb(verb)
    dry_run = verb == "plan"
    if dry_run:
        verb, rest = _planned_verb(rest)
    if {"-h", "--help"} & set(rest):
        return Command(verb="help", words=(verb,))
    parser = build_parser(verb)
    arguments = parser.parse_intermixed_args(join_constraints(rest) if verb in CHANGING else rest)
    if verb == Verb.UNDO:
        return _undo(arguments, dry_run=dry_run, typed=typed)
    if verb == "export":
        return _exporting(arguments, base=base)
    if verb not in CHANGING:
        return _reading(verb, arguments)
    request = _request(verb, arguments, base=base, typed=typed, specs=specs)
    return Command(
        verb=verb,
        request=request,
        dry_run=dry_run or arguments.dry_run,
        yes=arguments.yes,
        quiet=arguments.quiet,
        verbose=arguments.verbose,
        json=arguments.json,
    )


def _verb_first(words: Sequence[str]) -> Sequence[str]:
    """The words with the options that stand before the verb behind everything else."""
    if not words[0].startswith("-"):
        return words
    place = next((place for place, word in enumerate(words) if word in VERBS or word in ALIASES), 0)
    return [*words[place:], *words[:place]]


def _unknown_verb(verb: str) -> UsageError:
    near = [known for known in VERBS if known.startswith(verb)] or get_close_matches(verb, VERBS, n=1, cutoff=0.75)
    offer = f"%pkg install {verb}, or %pkg help" if verb.isidentifier() else "%pkg help"
    hint = f"%pkg {near[0]} …" if near else offer
    return UsageError(f"%pkg has no verb {verb!r}", reference="unknown-verb", hint=hint)


def _planned_verb(rest: list[str]) -> tuple[str, list[str]]:
    if rest and (verb := ALIASES.get(rest[0], rest[0])) in {*CHANGING, Verb.UNDO}:
        return verb, rest[1:]
    return "install", rest


def _undo(arguments: argparse.Namespace, *, dry_run: bool, typed: str) -> Command:
    words = tuple(arguments.words)
    if len(words) > 1:
        raise UsageError("undo takes one number or one ID", hint="%pkg undo 2 takes back the last two changes")
    return Command(
        verb=Verb.UNDO,
        request=Request(
            verb=Verb.UNDO,
            specs=(),
            options=Options(
                override_frozen=arguments.override_frozen, break_system_packages=arguments.break_system_packages
            ),
            command=redact(typed),
        ),
        words=words,
        dry_run=dry_run or arguments.dry_run,
        yes=arguments.yes,
        quiet=arguments.quiet,
        verbose=arguments.verbose,
        json=arguments.json,
    )


def _reading(verb: str, arguments: argparse.Namespace) -> Command:
    words = tuple(arguments.words)
    if verb in {"show", "why", "search"} and not words:
        raise UsageError(f"{verb} needs a name", hint=f"%pkg {verb} pandas")
    most = _MOST_WORDS.get(verb, len(words))
    if len(words) > most:
        takes = f"no more than {most}" if most else "nothing"
        raise UsageError(f"{verb} takes {takes}, and not {words[most]!r}", hint=f"%pkg {verb}")
    if getattr(arguments, "limit", 1) < 1:
        raise UsageError(f"--limit {arguments.limit} shows nothing", hint=f"%pkg {' '.join((verb, *words))} --limit 20")
    return Command(
        verb=verb,
        words=words,
        verbose=arguments.verbose,
        json=arguments.json,
        limit=getattr(arguments, "limit", 20),
        files=getattr(arguments, "files", False),
    )


def _exporting(arguments: argparse.Namespace, *, base: Path | None) -> Command:
    file = exporting.destination(arguments, base)
    return Command(
        verb="export",
        export=exporting.options_of(arguments, file),
        file=file,
        overwrite=arguments.force,
        verbose=arguments.verbose,
        json=arguments.json,
    )


@functools.cache
def build_parser(verb: str) -> argparse.ArgumentParser:
    """The options of one verb."""
    parser = _Parser(prog=f"%pkg {verb}", allow_abbrev=False, add_help=False, description=VERBS[verb])
    parser.add_argument("-v", "--verbose", action="store_true", help="show the tool's own output and full reasons")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    if verb in {*CHANGING, Verb.UNDO}:
        parser.add_argument("-y", "--yes", action="store_true", help="don't ask (in a notebook nothing ever does)")
        parser.add_argument("-q", "--quiet", action="store_true", help="only the result")
        parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
        parser.add_argument(
            "--override-frozen", action="store_true", help="change an environment that its owner has frozen"
        )
        parser.add_argument(
            "--break-system-packages",
            action="store_true",
            help="change a Python that the system's package manager owns",
        )
    if verb in CHANGING:
        _changing_options(parser, verb)
    else:
        parser.add_argument("words", nargs="*", metavar="NAME")
    if verb == "export":
        exporting.add_options(parser)
    if verb in {"search", "history"}:
        parser.add_argument("--limit", type=int, default=20, help="how many to show")
    if verb == "doctor":
        parser.add_argument(
            "--files", action="store_true", help="read every file and compare it with its recorded hash"
        )
    return parser


def _changing_options(parser: argparse.ArgumentParser, verb: str) -> None:
    add = parser.add_argument
    add("specs", nargs="*", metavar="FILE" if verb == Verb.SYNC else "SPEC")
    if verb != Verb.SYNC:  # there the file says what is whose, and what goes may be either's
        either = parser.add_mutually_exclusive_group().add_argument
        either(
            "--conda", dest="ecosystem", action="store_const", const=Ecosystem.CONDA, help="take every spec from conda"
        )
        either("--pip", "--pypi", dest="ecosystem", action="store_const", const=Ecosystem.PYPI, help="… from PyPI")
    add("--engine", metavar="NAME", help="use this tool: uv, pip, rattler, conda, mamba or micromamba")
    add("--force", action="store_true", help="accept what would be blocked for overwriting or breaking a package")
    add("--offline", action="store_true", help="use only what is in the caches")
    for flag in _WITHOUT_EFFECT:
        add(flag, action="store_true", help=argparse.SUPPRESS)
    for flag in _WITHOUT_EFFECT_WITH_VALUE:
        add(flag, help=argparse.SUPPRESS)
    if verb == "update":
        add("--all", action="store_true", dest="everything", help="everything there is, as without a SPEC")
        add("-U", "--upgrade", action="store_true", dest="newest", help=argparse.SUPPRESS)  # an update is that
    if verb in ("install", "remove", "sync"):
        add(
            "-r",
            "--requirement",
            "--file",
            action="append",
            default=[],
            metavar="FILE",
            help="requirements.txt, environment.yml, or conda's explicit list",
        )
    for flag in ("-n", "--name", "-p", "--prefix", "--user", "-t", "--target", "--root"):
        add(flag, action=_Elsewhere, help=argparse.SUPPRESS)
    if verb != "remove":
        _coming_options(parser)
    if verb == "install":
        add("-U", "--upgrade", action="store_true", help="newest version, even if the installed one would do")
        add("--force-reinstall", action="store_true", help="write the files again")
        add("-e", "--editable", action="append", default=[], metavar="PATH", help="a project, as editable")


def _coming_options(parser: argparse.ArgumentParser) -> None:
    """Where packages that come are looked for, and which of them."""
    add = parser.add_argument
    add(
        "-c",
        dest="channel_or_constraint",
        action="append",
        default=[],
        metavar="CHANNEL|FILE",
        help="a conda channel, or pip's constraint file",
    )
    add("--channel", action="append", default=[], metavar="CHANNEL", help="a conda channel, before the configured ones")
    add("--override-channels", action="store_true", help="only the channels named here")
    add("--constraint", action="append", default=[], metavar="FILE", help="versions that PyPI packages must keep to")
    add("-i", "--index-url", metavar="URL", help="the package index to use")
    add("--extra-index-url", action="append", default=[], metavar="URL", help="one more package index")
    add("-f", "--find-links", action="append", default=[], metavar="PATH|URL", help="where files lie outside an index")
    add("--no-index", action="store_true", help="no index, only --find-links")
    add("--pre", action="store_true", help="allow pre-releases")
    add("--no-deps", action="store_true", help="without dependencies")
    add("--no-build", action="store_true", help="no source distributions")
    add("--only-binary", dest="no_build", action=_NoBuild, help=argparse.SUPPRESS)


class _Elsewhere(argparse.Action):
    """Options that would send a package to another place than this environment."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "nargs": "?"})

    def __call__(self, *arguments: Any, **_: Any) -> None:
        option_string = arguments[3]
        raise UsageError(
            f"{option_string} names another place, and this acts on one environment only",
            reference="other-environment",
            hint="%pkg env shows which; in a terminal: jupyter pkg --prefix PATH install …",
        )


class _NoBuild(argparse.Action):
    """pip's ``--only-binary :all:`` and uv's ``--no-build`` say the same."""

    def __call__(self, _: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if values != ":all:":
            raise UsageError(f"{option_string} {values} is understood only as --only-binary :all:")
        setattr(namespace, self.dest, True)


def _request(
    verb: str, arguments: argparse.Namespace, *, base: Path | None, typed: str, specs: Sequence[str]
) -> Request:
    if verb == Verb.SYNC:  # its words are files; the lines of a cell are specs, as everywhere
        arguments.requirement, arguments.specs = [*arguments.requirement, *arguments.specs], []
    if base is None:
        refuse_files(arguments)
    files = [read_requirements((base or Path()) / name) for name in getattr(arguments, "requirement", [])]
    parsed: list[Spec] = [parse_spec(text, base=base) for text in (*arguments.specs, *specs)]
    parsed += [parse_spec(text, base=base, editable=True) for text in getattr(arguments, "editable", [])]
    parsed += [spec for file in files for spec in file.specs]
    if parsed and getattr(arguments, "everything", False):
        raise UsageError("--all updates everything, and packages were named, too", hint="%pkg update --all")
    if not parsed and verb == Verb.SYNC:
        raise _nothing_named(arguments.requirement)
    if not parsed and verb != "update":
        raise UsageError(f"{verb} what? No package was named", reference="empty-request", hint=f"%pkg {verb} pandas")
    return Request(
        verb=Verb(verb),
        specs=tuple(dict.fromkeys(parsed)),
        options=_options(arguments, files, base=base),
        command=redact(typed),
    )


def _nothing_named(files: Sequence[str]) -> UsageError:
    """An environment is never emptied because a file is."""
    if not files:
        return UsageError(
            "sync with what? No file was named", reference="empty-request", hint="%pkg sync environment.yml"
        )
    named = " and ".join(files)
    return UsageError(
        f"{named} {'names' if len(files) == 1 else 'name'} no package, and nothing is removed for that",
        reference="empty-request",
        hint="%pkg export writes a file that names what is there",
    )


def refuse_files(options: object) -> None:
    """Refuse options that name a file or a folder of this machine. Nothing is looked at.

    Parameters
    ----------
    options
        Parsed arguments, or :class:`Options`; both call things by the same names.

    Raises
    ------
    UsageError
        ``path-refused``.
    """

    def named(*names: str) -> list[str]:
        values = [getattr(options, name, None) or () for name in names]
        return [str(item) for value in values for item in ([value] if isinstance(value, str) else value)]

    refused = named("requirement", "constraint", "constraints")
    refused += [text for text in named("channel_or_constraint") if text.endswith(".txt")]
    refused += [text for text in named("channel", "channels", "channel_or_constraint") if is_file(text)]
    urls = named("index_url", "extra_index_url", "extra_index_urls", "find_links")
    refused += [text for text in urls if not text.lower().startswith(("http://", "https://"))]
    if refused:
        raise UsageError(
            f"{refused[0]!r} names a file or a folder, which can't be done from here",
            reference="path-refused",
            hint="in a notebook's cell %pkg takes files; indexes are named by http:// or https:// URLs",
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a file name
        return False


def _local(place: str, base: Path) -> str:
    """A folder as an absolute path, because tools run in a folder of their own; anything else as it is."""
    path = base / Path(place).expanduser() if "://" not in place else None
    return str(path.resolve()) if path is not None and path.exists() else place


def _options(arguments: argparse.Namespace, files: Sequence[Requirements], *, base: Path | None) -> Options:
    folder = base or Path()

    def get(name: str, default: Any) -> Any:
        return getattr(arguments, name, default)

    channels, constraints = list(get("channel", [])), [folder / name for name in get("constraint", [])]
    for value in get("channel_or_constraint", []):
        if value.endswith(".txt") or (base is not None and _is_file(folder / value)):
            constraints.append(folder / value)
        else:
            channels.append(_local(value, folder) if value.startswith((".", "~")) else value)
    constraints += [path for file in files for path in file.constraints]
    for path in constraints:
        if not _is_file(path):
            raise UsageError(f"there is no constraint file {path}", reference="path-not-found")
    return Options(
        upgrade=get("upgrade", False),
        pre=get("pre", False) or any(file.pre for file in files),
        no_deps=get("no_deps", False),
        force_reinstall=get("force_reinstall", False),
        ecosystem=get("ecosystem", None),
        engine=arguments.engine,
        channels=(*channels, *(channel for file in files for channel in file.channels)),
        override_channels=get("override_channels", False) or any(file.override_channels for file in files),
        index_url=get("index_url", None) or next((file.index_url for file in files if file.index_url), None),
        extra_index_urls=(*get("extra_index_url", []), *(url for file in files for url in file.extra_index_urls)),
        find_links=(
            *(_local(link, folder) for link in get("find_links", [])),
            *(link for file in files for link in file.find_links),
        ),
        no_index=get("no_index", False),
        constraints=tuple(constraints),
        no_build=get("no_build", False) or False,
        offline=arguments.offline,
        force=arguments.force,
        override_frozen=arguments.override_frozen,
        break_system_packages=arguments.break_system_packages,
    )

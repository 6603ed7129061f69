"""The help pages, made from the grammar itself so that they can't drift from it."""

from __future__ import annotations

import argparse

from jupyter_pkgmgr.model.errors import UsageError

from .parse import ALIASES, VERBS, build_parser

__all__ = ["help_text"]

_EXAMPLES = {
    "install": (
        "install pandas rich",
        "install pandas>=2,<3        quotes or none",
        "install conda::gcc pypi::six    from there and nowhere else",
        "install -r requirements.txt",
        "install -e ./my-project",
    ),
    "remove": ("remove rich",),
    "update": ("update pandas", "update    everything"),
    "sync": (
        "sync environment.yml    what the file doesn't name, and nothing needs that it names, is removed",
        "sync requirements.txt more.txt    several files count as one",
        "plan sync environment.yml    show it, and do nothing",
    ),
    "plan": ("plan install pandas", "plan remove numpy"),
    "search": ("search parquet",),
    "show": ("show pandas",),
    "why": ("why numpy",),
    "list": ("list", "list num"),
    "undo": (
        "undo    the last change",
        "undo 3    the last three, as one",
        "undo 5f3a    the one whose ID in the history ends so; of an undo: the change is made again",
        "plan undo    show it, and do nothing",
    ),
    "export": (
        "export    print what was asked for, at its versions",
        "export environment.yml    write it; requirements.txt and explicit.txt have their own form",
        "export --all environment.yml    everything, exactly",
    ),
    "doctor": ("doctor", "doctor --files    every file is read, which takes a while"),
    "history": ("history", "history --limit 5", "history -v    every package of every change"),
}


def help_text(verb: str = "", *, program: str = "%pkg") -> str:
    """The overview, or one verb's page.

    Raises
    ------
    UsageError
        If there is no such verb.
    """
    verb = ALIASES.get(verb, verb)
    if not verb:
        return _overview(program)
    if verb not in VERBS:
        raise UsageError(f"{program} has no verb {verb!r}", reference="unknown-verb", hint=f"{program} help")
    lines = [f"{program} {verb}: {VERBS[verb]}", ""]
    lines += [f"  {program} {example}" for example in _EXAMPLES.get(verb, (verb,))]
    if verb != "plan":
        lines += ["", *_options(build_parser(verb))]
    return "\n".join(lines)


def _overview(program: str) -> str:
    width = max(map(len, VERBS))
    notebook = program.startswith("%")
    where = "this kernel's environment" if notebook else "an environment"
    lines = [f"{program} VERB …: packages for {where}", ""]
    lines += [f"  {verb:{width}}  {text}" for verb, text in VERBS.items()]
    cells = "; a cell that begins with %%pkg takes a spec or a command a line" if notebook else ""
    lines += ["", f"  {program} help install    shows the options{cells}"]
    if not notebook:
        lines += [
            f"  {program} --kernel NAME VERB …    in that kernel's environment; also --prefix PATH, --python PATH"
        ]
    return "\n".join(lines)


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = []
    for action in parser._actions:  # noqa: SLF001  argparse has no public list of its options
        if action.help is argparse.SUPPRESS or not action.option_strings:
            continue
        value = f" {action.metavar}" if action.metavar else ""
        rows.append((", ".join(action.option_strings) + value, action.help or ""))
    width = max(len(left) for left, _ in rows)
    return [f"  {left:{width}}  {right}" for left, right in rows]

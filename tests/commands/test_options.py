"""Every option of every verb acts, or is refused: none is taken and then left alone."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import Command, parse_arguments
from jupyter_pkgmgr.commands.parse import VERBS, build_parser
from jupyter_pkgmgr.model.errors import UsageError

NAMES = {"install": "six", "remove": "six", "search": "six", "show": "six", "why": "six"}
"""What a verb can't do without."""
SAID_ALREADY = {("update", "--all"), ("update", "-U"), ("update", "--upgrade")}
"""What says the same as the verb alone."""
WITHOUT_EFFECT = {
    *("--disable-pip-version-check", "--no-cache", "--no-cache-dir", "--no-input", "--no-warn-conflicts"),
    *("--no-warn-script-location", "--progress-bar", "--root-user-action", "--use-pep517"),
}
"""Options of pasted commands that say nothing about what is installed."""
ELSEWHERE = {"-n", "--name", "-p", "--prefix", "--user", "-t", "--target", "--root"}
FILES = {"-r", "--requirement", "--file", "-e", "--editable", "--constraint", "-c"}


def options(verb: str) -> list[argparse.Action]:
    actions = build_parser(verb)._actions  # noqa: SLF001  argparse has no public list of its options
    return [action for action in actions if action.option_strings]


def typed(verb: str, action: argparse.Action, flag: str, folder: Path) -> list[str]:
    """A command with the option, and with a value if it takes one."""
    (folder / "project").mkdir(exist_ok=True)
    (folder / "project" / "pyproject.toml").touch()
    (folder / "six.txt").write_text("six\n")
    if action.nargs in {0, "?"}:
        return [verb, flag]
    if flag == "--only-binary":
        return [verb, flag, ":all:"]
    if action.type is int:
        return [verb, flag, "7"]
    return [verb, flag, "./project" if flag in {"-e", "--editable"} else "six.txt" if flag in FILES else "value"]


def understood(words: list[str], folder: Path) -> Command:
    return parse_arguments(words, base=folder, typed="as typed")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "plan"])
def test_every_option_acts_or_is_refused(verb: str, tmp_path: Path) -> None:
    name = [NAMES[verb]] if verb in NAMES else []
    alone = understood([verb, *name], tmp_path)
    for action in options(verb):
        for flag in action.option_strings:
            words = [*typed(verb, action, flag, tmp_path), *([] if flag in {"-r", "--requirement", "--file"} else name)]
            if flag in ELSEWHERE:
                with pytest.raises(UsageError, match="names another place"):
                    understood(words, tmp_path)
            elif flag in WITHOUT_EFFECT or (verb, flag) in SAID_ALREADY:
                assert understood(words, tmp_path) == alone, words
            elif flag in {"-r", "--requirement", "--file"}:  # it stands for the name
                assert understood(words, tmp_path) == alone
                with pytest.raises(UsageError):
                    understood([verb], tmp_path)
            else:
                assert understood(words, tmp_path) != alone, words


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"install", "plan"}])
@pytest.mark.parametrize("flag", ["--force-reinstall", "-e", "--editable"])
def test_what_only_an_install_can_do_is_refused_elsewhere(verb: str, flag: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        understood([verb, *([NAMES[verb]] if verb in NAMES else []), flag], tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("env six", "env takes nothing, and not 'six'"),
        ("doctor six", "doctor takes nothing"),
        ("history six", "history takes nothing"),
        ("panel six", "panel takes nothing"),
        ("help install remove", "help takes no more than 1, and not 'remove'"),
        ("history --limit 0", "--limit 0 shows nothing"),
        ("update --all six", "--all updates everything"),
        ("install --prefer-binary six", "--prefer-binary is no option of install"),
    ],
)
def test_what_would_be_left_alone_is_refused(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        understood(line.split(), tmp_path)
    assert says in caught.value.message

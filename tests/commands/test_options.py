"""Every option of every verb acts, or is refused: none is taken and then left alone."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import Command, parse_arguments
from jupyter_pkgmgr.commands.parse import VERBS, build_parser
from jupyter_pkgmgr.model.errors import UsageError

NAMES = {"install": "six", "remove": "six", "search": "six", "show": "six", "sync": "six.txt", "why": "six"}
"""What a verb can't do without."""
SAID_ALREADY = {("export", "--sha256"), ("update", "--all"), ("update", "-U"), ("update", "--upgrade")}
"""What says the same as the verb alone."""
WITHOUT_EFFECT = {
    *("--disable-pip-version-check", "--no-cache", "--no-cache-dir", "--no-input", "--no-warn-conflicts"),
    *("--no-warn-script-location", "--progress-bar", "--root-user-action", "--use-pep517"),
}
"""Options of pasted commands that say nothing about what is installed."""
ONLY_WITH = {
    ("export", "--md5"): ["--explicit"],
    ("export", "--sha256"): ["--explicit"],
    ("export", "--force"): ["six.txt"],
    ("export", "--overwrite"): ["six.txt"],
}
"""Options that say something about what another one asks for."""
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
    if verb == "export":
        return [verb, flag, "txt" if flag == "--format" else "six.txt"]
    return [verb, flag, "./project" if flag in {"-e", "--editable"} else "six.txt" if flag in FILES else "value"]


def understood(words: list[str], folder: Path) -> Command:
    return parse_arguments(words, base=folder, typed="as typed")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "plan"])
def test_every_option_acts_or_is_refused(verb: str, tmp_path: Path) -> None:
    (tmp_path / "six.txt").write_text("six\n")
    name = [NAMES[verb]] if verb in NAMES else []
    alone = understood([verb, *name], tmp_path)
    for action in options(verb):
        for flag in action.option_strings:
            words = [*typed(verb, action, flag, tmp_path), *([] if flag in {"-r", "--requirement", "--file"} else name)]
            if (verb, flag) in ONLY_WITH:
                with pytest.raises(UsageError):
                    understood(words, tmp_path)
                more = [verb, *ONLY_WITH[verb, flag]]
                same = understood([*more, flag], tmp_path) == understood(more, tmp_path)
                assert same is ((verb, flag) in SAID_ALREADY), words
            elif flag in ELSEWHERE:
                with pytest.raises(UsageError, match="names another place"):
                    understood(words, tmp_path)
            elif flag in WITHOUT_EFFECT or (verb, flag) in SAID_ALREADY:
                assert understood(words, tmp_path) == alone, words
            elif flag in {"-r", "--requirement", "--file"} and verb != "export":  # it stands for the name
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
        ("export a.txt b.txt", "export writes one file, and not a.txt and b.txt"),
        ("export --all --explicit", "not allowed with argument"),
        ("export --explicit --format yml", "--explicit and --format yml are two forms"),
        ("export --explicit environment.yml", "environment.yml is no name for explicit.txt"),
        ("export --format txt environment.yml", "environment.yml is no name for requirements.txt"),
        ("export environment.json", "environment.json doesn't tell the form of the file"),
        ("sync", "sync with what?"),
        ("install --prefer-binary six", "--prefer-binary is no option of install"),
    ],
)
def test_what_would_be_left_alone_is_refused(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        understood(line.split(), tmp_path)
    assert says in caught.value.message

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import Command, help_text, parse_arguments, parse_cell, parse_line
from jupyter_pkgmgr.commands.parse import VERBS
from jupyter_pkgmgr.model import Ecosystem, Verb
from jupyter_pkgmgr.model.errors import InvalidSpecError, UsageError


def specs(command: Command) -> list[str]:
    assert command.request is not None
    return [spec.text for spec in command.request.specs]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("install pandas rich", ["pandas", "rich"]),
        ("install x>=1", ["x>=1"]),
        ("install x >= 1 y", ["x>=1", "y"]),
        ("install x >=1,<2", ["x>=1,<2"]),
        ("install x>=1, <2 y", ["x>=1,<2", "y"]),
        ("install 'pandas >=2'", ["pandas >=2"]),
        ("install \"x ; python_version<'3.9'\"", ["x ; python_version<'3.9'"]),
        ("install six # the compatible one", ["six"]),
        ("install git+https://h/x@v1#egg=y", ["git+https://h/x@v1#egg=y"]),
        ("pip install -U six", ["six"]),
        ("!pip install six", ["six"]),
        ("! pip3.11 install six", ["six"]),
        ("%pip install six", ["six"]),
        ("sudo pip install six", ["six"]),
        ("python -m pip install six", ["six"]),
        ("python3 -m pip install six", ["six"]),
        ("uv pip install six", ["six"]),
        ("uv add six", ["six"]),
        ("conda install -y -c conda-forge numpy=1.26", ["numpy=1.26"]),
        ("mamba install numpy", ["numpy"]),
        ("micromamba install numpy", ["numpy"]),
        ("add six six", ["six"]),
        ("-q install six", ["six"]),
        ("pip -q install six", ["six"]),
        ("--engine uv install six", ["six"]),
    ],
)
def test_what_people_type_for_an_install(line: str, expected: list[str], tmp_path: Path) -> None:
    command = parse_line(line, base=tmp_path)
    assert command.verb == "install"
    assert specs(command) == expected


@pytest.mark.parametrize(
    ("line", "verb"),
    [("pip uninstall six", Verb.REMOVE), ("conda update six", Verb.UPDATE), ("upgrade six", Verb.UPDATE)],
)
def test_other_tools_verbs(line: str, verb: Verb, tmp_path: Path) -> None:
    request = parse_line(line, base=tmp_path).request
    assert request is not None
    assert request.verb is verb


@pytest.mark.parametrize(
    ("line", "reference", "says"),
    [
        ("install", "empty-request", "no package was named"),
        ("remove -y", "empty-request", "no package was named"),
        ("install -x", "usage", "can't begin with '-'"),
        ("install -- -x", "usage", "can't begin with '-'"),
        ("install --target=/elsewhere six", "other-environment", "--target"),
        ("install -n other six", "other-environment", "-n"),
        ("install --user six", "other-environment", "--user"),
        ("install 'six", "usage", "never closed"),
        ("install x;rm", "invalid-spec", "'x;rm'"),
        ("install $(id)", "invalid-spec", "'$(id)'"),
        ("install `id`", "invalid-spec", "'`id`'"),
        ("install naïve", "invalid-spec", "'naïve'"),
        ("install ./nope.whl", "path-not-found", "nope.whl"),
        ("install -r nope.txt", "path-not-found", "nope.txt"),
        ("install -c nope.txt six", "path-not-found", "nope.txt"),
        ("install --only-binary numpy six", "usage", "--only-binary"),
        ("instal six", "unknown-verb", "instal"),
        ("six", "unknown-verb", "six"),
        ("show", "usage", "needs a name"),
        ("undo 1 2", "usage", "one number or one ID"),
        ("undo --conda", "usage", "--conda"),
    ],
)
def test_bad_input_is_one_clear_error(line: str, reference: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(line, base=tmp_path)
    assert caught.value.reference == reference
    assert says.lower() in caught.value.message.lower()
    assert caught.value.hint or reference in {"path-not-found", "invalid-spec", "usage"}


def test_no_file_is_made_by_a_greater_than_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parse_line("install x>=1 y>2", base=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_nearest_verb_is_offered(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line("inst pandas", base=tmp_path)
    assert caught.value.hint == "%pkg install …"


def test_what_is_near_no_verb_is_taken_for_a_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line("pandas", base=tmp_path)
    assert caught.value.hint == "%pkg install pandas, or %pkg help"


@pytest.mark.parametrize(
    ("line", "specs"),
    [
        ("pip install --no-cache-dir --progress-bar off --disable-pip-version-check six", ["six"]),
        ("!{sys.executable} -m pip install six", ["six"]),
        ("$ pip install six", ["six"]),
        ("/opt/py/bin/python3.11 -m pip install six", ["six"]),
        ("conda update --all -y", []),
        ("update -U six", ["six"]),
        ("install six @ https://h/six-1.0-py3-none-any.whl rich", ["six @ https://h/six-1.0-py3-none-any.whl", "rich"]),
        ("install -i https://h/?sig=ab== six", ["six"]),
        ("install a > 2 b", ["a>2", "b"]),
    ],
)
def test_more_of_what_is_pasted(line: str, specs: list[str], tmp_path: Path) -> None:
    request = parse_line(line, base=tmp_path).request
    assert request is not None
    assert [spec.text for spec in request.specs] == specs


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("install six@1.0", "has no URL after the '@'"),
        ("install six@latest", "has no URL after the '@'"),
        ("install ~=1.0", "no file or folder"),
        ("install ~nobody-of-that-name/x.whl", "no file or folder"),
        (f"install ./{'x' * 300}", "no file or folder"),
        ("install 'numpy pandas'", "neither a requirement nor a conda spec"),
        ("install numpy>=1.20,pandas", "neither a requirement nor a conda spec"),
        ("install numpy > out.txt", "neither a requirement nor a conda spec"),
        ("install numpy \\", "backslash"),
        ("install --conda --pip six", "not allowed with"),
        ("list --outdated", "--outdated is no option of list"),
        ("search --limit 0 six", "shows nothing"),
    ],
)
def test_one_clear_error(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(line, base=tmp_path)
    assert says in caught.value.message


def test_a_channel_with_a_very_long_name_is_a_channel(tmp_path: Path) -> None:
    request = parse_line(f"install -c {'x' * 300} six", base=tmp_path).request
    assert request is not None
    assert request.options.channels == ("x" * 300,)


def test_help_is_asked_in_every_way(tmp_path: Path) -> None:
    for line in ("help install", "install --help", "pip install -h"):
        command = parse_line(line, base=tmp_path)
        assert (command.verb, command.words) == ("help", ("install",))


def test_folders_are_found_from_where_the_notebook_is(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    request = parse_line("install -f wheels -c ./wheels six", base=tmp_path).request
    assert request is not None
    assert request.options.find_links == (str(tmp_path / "wheels"),)
    assert request.options.channels == (str(tmp_path / "wheels"),)


def test_what_a_file_names_is_removed(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("six>=1\n")
    request = parse_line("pip uninstall -y -r r.txt", base=tmp_path).request
    assert request is not None
    assert [spec.name for spec in request.specs] == ["six"]


def test_options_may_stand_before_the_verb(tmp_path: Path) -> None:
    for line in ("--json -v why six", "why six --json -v"):
        command = parse_line(line, base=tmp_path)
        assert (command.verb, command.words, command.json, command.verbose) == ("why", ("six",), True, True)
    planned = parse_line("--json plan remove six", base=tmp_path)
    assert (planned.verb, planned.dry_run, planned.json) == (Verb.REMOVE, True, True)
    with pytest.raises(UsageError) as caught:
        parse_line("--json", base=tmp_path)
    assert caught.value.reference == "unknown-verb"


def test_options_reach_the_request(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("six<2\n")
    line = "install -U --pre --no-deps -c conda-forge -c limits.txt -i https://h/simple -f wheels --conda --force six"
    request = parse_line(line, base=tmp_path).request
    assert request is not None
    options = request.options
    assert options.upgrade
    assert options.pre
    assert options.no_deps
    assert options.force
    assert options.channels == ("conda-forge",)
    assert options.constraints == (tmp_path / "limits.txt",)
    assert options.index_url == "https://h/simple"
    assert options.find_links == ("wheels",)
    assert options.ecosystem is Ecosystem.CONDA


def test_plan_is_a_dry_run(tmp_path: Path) -> None:
    for line, verb in (("plan six", "install"), ("plan remove six", "remove"), ("install --dry-run six", "install")):
        command = parse_line(line, base=tmp_path)
        assert (command.verb, command.dry_run) == (verb, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("undo", ()),
        ("undo 3", ("3",)),
        ("undo 20260314T150926000000-5f3a", ("20260314T150926000000-5f3a",)),
        ("undo --dry-run", ()),
        ("plan undo 2", ("2",)),
        ("rollback", ()),
    ],
)
def test_undo_takes_a_number_or_an_id(line: str, words: tuple[str, ...], tmp_path: Path) -> None:
    command = parse_line(line, base=tmp_path)
    assert (command.verb, command.words, command.dry_run) == ("undo", words, line.startswith("plan") or "dry" in line)
    assert command.request is not None
    assert (command.request.verb, command.request.command) == (Verb.UNDO, f"%pkg {line}")


def test_undo_options(tmp_path: Path) -> None:
    command = parse_line("undo -q -y --json --override-frozen --break-system-packages", base=tmp_path)
    assert (command.quiet, command.yes, command.json) == (True, True, True)
    assert command.request is not None
    assert command.request.options.override_frozen
    assert command.request.options.break_system_packages


def test_history_shows_twenty_unless_told_otherwise(tmp_path: Path) -> None:
    assert parse_line("history", base=tmp_path).limit == 20
    assert parse_line("log --limit 3", base=tmp_path).limit == 3


def test_a_cell_takes_a_spec_a_line(tmp_path: Path) -> None:
    cell = "pandas >= 2, <3   # data\n\n# a comment\nfoo[bar]; python_version < '3.99'\n--pre\n"
    command = parse_cell("install -U", cell, base=tmp_path)
    assert specs(command) == ["pandas >= 2, <3", "foo[bar]; python_version < '3.99'"]
    assert command.request is not None
    assert command.request.options.pre
    assert command.request.options.upgrade


def test_a_cell_without_a_verb_installs(tmp_path: Path) -> None:
    assert specs(parse_cell("", "six\n", base=tmp_path)) == ["six"]


def test_ten_thousand_specs(tmp_path: Path) -> None:
    command = parse_cell("install", "\n".join(f"name-{number}>=1" for number in range(10_000)), base=tmp_path)
    assert len(specs(command)) == 10_000


def test_credentials_do_not_enter_the_history(tmp_path: Path) -> None:
    request = parse_line("install -i https://me:secret@h/simple six", base=tmp_path).request
    assert request is not None
    assert "secret" not in request.command
    assert request.options.index_url == "https://me:secret@h/simple"


def test_an_unknown_requirements_option_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six\n--strange 1\n")
    with pytest.raises(InvalidSpecError, match=r"requirements\.txt, line 2: .*--strange"):
        parse_arguments(["install", "-r", "requirements.txt"], base=tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_page(verb: str) -> None:
    assert f"%pkg {verb}" in help_text(verb)
    assert verb in help_text()


def test_help_for_an_unknown_verb() -> None:
    with pytest.raises(UsageError):
        help_text("frobnicate")


@pytest.mark.parametrize("first", ["", "plan"])
def test_a_cell_of_commands_is_one_request(first: str, tmp_path: Path) -> None:
    cell = "# what this course needs\nremove six\npip install 'pandas>=2' rich\nupdate numpy  # newest\nhttpx\n"
    command = parse_cell(first, cell, base=tmp_path)
    assert specs(command) == ["pandas>=2", "rich", "httpx"]
    assert command.request is not None
    assert [spec.text for spec in command.request.removals] == ["six"]
    assert [spec.text for spec in command.request.updates] == ["numpy"]
    assert command.request.command == (
        "%%pkg remove six; pip install 'pandas>=2' rich; update numpy  # newest; install httpx"
    )
    assert command.dry_run is (first == "plan")


@pytest.mark.parametrize("line", ["install", "update >=2", "add 1.0", "remove; python_version < '4'"])
def test_a_package_may_be_called_like_a_verb(line: str, tmp_path: Path) -> None:
    command = parse_cell("", f"{line}\nsix", base=tmp_path)
    assert specs(command) == [line, "six"]


def test_a_verb_on_the_first_line_makes_the_others_specs(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError):
        parse_cell("install", "remove six", base=tmp_path)


def test_flags_of_one_command_hold_for_the_cell(tmp_path: Path) -> None:
    command = parse_cell("", "remove -q six\ninstall --dry-run -v rich", base=tmp_path)
    assert (command.quiet, command.dry_run, command.verbose, command.json) == (True, True, True, False)

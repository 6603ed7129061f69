"""Every recorded run goes through the parsers, and each thing the recordings taught is a case."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.engines.conda_errors import Failure, conda_error, mamba_error
from jupyter_pkgmgr.engines.conda_output import Answer, changes, parse_answer
from jupyter_pkgmgr.model import Action, Verb
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    ConflictError,
    EngineError,
    EnvironmentProblem,
    InvalidSpecError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    UnreachableError,
    VersionNotFoundError,
)
from jupyter_pkgmgr.process import Completed
from tests.engines.conda_replay import CONDAS, MAMBAS, RELEASES, answer_of, package, tool_of, transcripts

VERBS = ("install", "update", "remove")
VALUED = ("-n", "-p", "-c", "--revision", "--file", "-f")
SHARDED = "micromamba-sharded-2.8.1"


def cases() -> list[tuple[str, str]]:
    return [
        (release, name)
        for release in (*RELEASES, SHARDED)
        for name, case in transcripts(release).items()
        if case["argv"][1] in VERBS
    ]


def specs_of(argv: list[str]) -> tuple[str, ...]:
    words = [word for index, word in enumerate(argv) if index > 1 and argv[index - 1] not in VALUED]
    return tuple(word for word in words if not word.startswith("-"))


def failure_of(release: str, name: str, *, forgets_index: bool = False) -> Failure:
    case = transcripts(release)[name]
    completed = Completed(
        argv=tuple(case["argv"]), returncode=case["exit_code"], stdout=case["stdout"], stderr=case["stderr"]
    )
    return Failure(
        tool=tool_of(release),
        verb=Verb(case["argv"][1]),
        specs=specs_of(case["argv"]),
        completed=completed,
        answer=parse_answer(tool_of(release), case["stdout"]),
        forgets_index=forgets_index,
    )


def error_of(release: str, name: str, *, forgets_index: bool = False) -> PkgError:
    failure = failure_of(release, name, forgets_index=forgets_index)
    return conda_error(failure) if failure.tool == "conda" else mamba_error(failure)


def versions(answer: Answer, key: str) -> dict[str, str]:
    assert answer.actions is not None
    return {record.name: record.version for record in getattr(answer.actions, key)}


# --- all of them ----------------------------------------------------------------------------------------------


def test_there_is_something_to_replay() -> None:
    assert len(cases()) > 500


@pytest.mark.parametrize(("release", "name"), cases())
def test_every_recorded_answer_is_understood(release: str, name: str) -> None:
    """A success becomes changes, a failure an error with one short sentence; nothing else happens."""
    case = transcripts(release)[name]
    answer = parse_answer(tool_of(release), case["stdout"])
    if case["exit_code"] == 0 and answer is not None:
        found = changes(answer.actions, verb=Verb(case["argv"][1]), specs=specs_of(case["argv"]), installed=())
        assert all(change.package.name and change.package.version and change.reason for change in found)
        assert bool(found) == bool(answer.actions and (answer.actions.link or answer.actions.unlink))
        return
    error = error_of(release, name)
    assert error.message
    assert "\n" not in error.message
    assert len(error.message) < 300
    assert not error.message.endswith(".")
    assert "Traceback" not in error.message + (error.note or "") + " ".join(error.context)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("01-unknown-option", EngineError),
        ("05-dry-bad-spec-json", InvalidSpecError),
        ("05-dry-bad-spec2-json", InvalidSpecError),
        ("08-bad-checksum-json", UnreachableError),
        ("08-channel-401-json", UnreachableError),
        ("08-channel-403-json", UnreachableError),
        ("08-channel-404-json", UnreachableError),
        ("08-channel-500-json", UnreachableError),
        ("08-channel-file-missing-json", UnreachableError),
        ("08-channel-refused-json", UnreachableError),
        ("08-channel-refused-default-retries-json", UnreachableError),
        ("08-channel-unresolvable-host-json", UnreachableError),
        ("08-download-404-json", UnreachableError),
        ("08-download-truncated-json", UnreachableError),
        ("08-install-nonexistent-env-json", EnvironmentProblem),
        ("08-install-nonexistent-prefix-json", EnvironmentProblem),
        ("08-install-not-an-env-json", EnvironmentProblem),
        ("08-nonexistent-package-json", PackageNotFoundError),
        ("08-nonexistent-version-json", VersionNotFoundError),
        ("08-two-nonexistent-json", PackageNotFoundError),
        ("08-nonwritable-install-json", PolicyError),
        ("08-nonwritable-remove-json", PolicyError),
        ("08-unsat-json", ConflictError),
        ("08-unsat-dry-json", ConflictError),
        ("08-unsat-missing-dep-json", ConflictError),
        ("08-unsat-pkgs-json", ConflictError),
        ("08-unsat-python-json", ConflictError),
        ("10-update-not-installed-json", PackageNotFoundError),
        ("12-sigint-during-download-json", CancelledError),
    ],
)
def test_failures_have_the_same_kind_in_every_tool(release: str, name: str, kind: type[PkgError]) -> None:
    assert type(error_of(release, name)) is kind


# --- exit codes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "code"), [(name, 2 if name in CONDAS else 109) for name in RELEASES])
def test_a_usage_error_names_the_option(release: str, code: int) -> None:
    assert transcripts(release)["01-unknown-option"]["exit_code"] == code
    error = error_of(release, "01-unknown-option")
    assert error.reference == "engine-usage"
    assert "--no-such-option" in error.message


@pytest.mark.parametrize("release", MAMBAS)
def test_a_mamba_run_may_fail_with_success_written_in_it(release: str) -> None:
    """An interrupted link is called a success: only ``conda-meta`` tells."""
    case = transcripts(release)["12-sigint-during-link-json"]
    answer = answer_of(release, "12-sigint-during-link-json")
    assert (case["exit_code"], answer.success) == (0, True)
    assert "demo-lib-2.0-0.json" not in case["conda_meta"]
    assert "demo-lib" in versions(answer, "link")


@pytest.mark.parametrize("release", MAMBAS)
def test_mamba_on_sigterm_says_nothing(release: str) -> None:
    case = transcripts(release)["12-sigterm-during-download-json"]
    assert (case["exit_code"], case["stdout"]) == (-15, "")


@pytest.mark.parametrize("release", CONDAS)
def test_conda_takes_sigterm_for_sigint(release: str) -> None:
    assert isinstance(error_of(release, "12-sigterm-during-download-json"), CancelledError)


# --- documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", CONDAS)
def test_progress_on_a_terminal_comes_before_the_document(release: str) -> None:
    """Each line is a document of its own, ended by newline and NUL."""
    text = transcripts(release)["06-install-download-progress-json-tty"]["stdout"]
    assert text.count("\0") > 100
    answer = answer_of(release, "06-install-download-progress-json-tty")
    assert versions(answer, "link")["numpy"] == "2.1.3"


@pytest.mark.parametrize("release", RELEASES)
def test_without_a_terminal_there_is_one_document(release: str) -> None:
    case = transcripts(release)["06-install-download-progress-json"]
    assert "\0" not in case["stdout"]
    assert versions(answer_of(release, "06-install-download-progress-json"), "link")["numpy"] == "2.1.3"


@pytest.mark.parametrize("release", RELEASES)
def test_both_shapes_of_records_give_the_same_package(release: str) -> None:
    """Short records in conda, full ones in mamba; times in milliseconds or seconds aren't needed for a package."""
    answer = answer_of(release, "06-install-noarch-json")
    found = changes(answer.actions, verb=Verb.INSTALL, specs=["jinja2=3.1.4"], installed=())
    change = next(change for change in found if change.package.name == "jinja2")
    after = change.after
    assert after is not None
    assert (after.version, after.build, after.origin.location, after.size) == (
        "3.1.4",
        "pyhd8ed1ab_0",
        "conda-forge",
        118488,
    )
    assert after.url == "{CHANNEL}/noarch/jinja2-3.1.4-pyhd8ed1ab_0.conda"
    assert set(after.depends) == {"markupsafe >=2.0", "python >=3.7"}
    assert (change.action, change.requested, change.reason) == (Action.INSTALL, True, "requested")
    other = next(change for change in found if change.package.name == "markupsafe")
    assert (other.requested, other.reason) == (False, "dependency of jinja2")


@pytest.mark.parametrize("release", RELEASES)
def test_a_channel_is_a_name_or_a_url(release: str) -> None:
    """In a removal the mamba family writes the URL with the platform behind it."""
    answer = answer_of(release, "10-remove-json")
    (change,) = changes(answer.actions, verb=Verb.REMOVE, specs=["tqdm"], installed=())
    assert change.before is not None
    assert change.before.origin.location == ("conda-forge" if release in CONDAS else "{CHANNEL}")
    assert (change.action, change.reason) == (Action.REMOVE, "requested")


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_to_do_is_said_with_and_without_a_full_stop(release: str) -> None:
    answer = answer_of(release, "10-update-noop-json")
    assert answer.message == "All requested packages already installed" + ("." if release in CONDAS else "")
    assert changes(answer.actions, verb=Verb.UPDATE, specs=["six"], installed=()) == ()


@pytest.mark.parametrize("release", CONDAS)
def test_conda_errors_have_no_success_key(release: str) -> None:
    assert answer_of(release, "08-unsat-json").success is None


@pytest.mark.parametrize("release", CONDAS)
def test_errors_wrapped_in_a_multi_error_are_unwrapped(release: str) -> None:
    assert answer_of(release, "08-bad-checksum-json").exception_name == "CondaMultiError"
    error = error_of(release, "08-bad-checksum-json")
    assert error.message == "{QUIRKS}/noarch/bad-checksum-1.0-0.conda did not arrive whole"


def test_an_item_of_a_multi_error_may_be_an_empty_tuple() -> None:
    errors = answer_of("conda-26.7", "08-postlink-fail-json").document["errors"]
    assert "()" in [item["error"] for item in errors]
    error = error_of("conda-26.7", "08-postlink-fail-json")
    assert error.reference == "link-failed"
    assert error.message == "conda could not put quirks::postlink-fail-1.0-0 in place"


@pytest.mark.parametrize("release", MAMBAS)
def test_a_mamba_error_is_in_its_log(release: str) -> None:
    error = error_of(release, "08-unsat-json")
    assert error.message == f"{tool_of(release)} found no solution for requests=2.28.2, urllib3=2.8.0"
    (reason,) = error.context
    assert reason.startswith("package requests-2.28.2-pyhd8ed1ab_0 requires urllib3 >=1.21.1,<1.27, but none")
    assert "urllib3 =2.8.0" in (error.detail or "")


@pytest.mark.parametrize("release", MAMBAS)
def test_a_missing_prefix_dumps_a_trace_that_nobody_sees(release: str) -> None:
    assert len(transcripts(release)["08-install-nonexistent-env-json"]["stdout"]) > 25_000
    error = error_of(release, "08-install-nonexistent-env-json")
    assert len(error.detail or "") < 1_000
    assert "trace" not in (error.detail or "")


@pytest.mark.parametrize("release", MAMBAS)
def test_quiet_would_remove_the_error_text(release: str) -> None:
    """Why no command has ``-q``."""
    assert answer_of(release, "08-nonexistent-quiet-json").log("error", "critical") == []
    assert answer_of(release, "08-nonexistent-package-json").log("error", "critical")


@pytest.mark.parametrize("release", ["conda-25.11.1", "conda-26.7"])
def test_a_bad_spec_is_read_from_the_traceback(release: str) -> None:
    assert transcripts(release)["05-dry-bad-spec-json"]["stdout"] == ""
    assert error_of(release, "05-dry-bad-spec-json").note == "Invalid version '=>=1': invalid operator"


@pytest.mark.parametrize("release", ["conda-24.1.2", "conda-25.11.1"])
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("08-postlink-fail-json", "link-failed"),
        ("08-download-truncated-json", "bad-download"),
        ("12-concurrent-cache-second-json", "cache-race"),
    ],
)
def test_old_conda_dies_while_it_writes_the_error(release: str, name: str, reference: str) -> None:
    assert transcripts(release)[name]["stdout"] == ""
    assert error_of(release, name).reference == reference


@pytest.mark.parametrize("release", CONDAS)
def test_an_answer_may_be_on_stderr(release: str) -> None:
    case = transcripts(release)["06-download-only-json"]
    assert parse_answer("conda", case["stdout"]) is None
    answer = parse_answer("conda", case["stderr"])
    assert answer is not None
    assert answer.exception_name == "CondaExitZero"


@pytest.mark.parametrize("release", CONDAS)
def test_a_url_gets_no_answer_from_conda(release: str) -> None:
    case = transcripts(release)["05-dry-url-spec-json"]
    assert (case["exit_code"], case["stdout"]) == (0, "")


# --- what is missing, and what the tools do differently --------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
def test_two_missing_packages(release: str) -> None:
    """With libmamba, conda names only one of them."""
    error = error_of(release, "08-two-nonexistent-json")
    both = release not in ("conda-25.11.1", "conda-26.7")
    assert ("no-such-package-xyz" in error.message) == both
    assert "neither-this" in error.message
    assert (error.note is None) == both


@pytest.mark.parametrize("release", CONDAS)
def test_removing_what_is_not_there_is_an_error_in_conda(release: str) -> None:
    assert error_of(release, "10-remove-not-installed-json").reference == "package-not-installed"
    assert error_of(release, "10-remove-pip-package-json").reference == "package-not-installed"


@pytest.mark.parametrize("release", MAMBAS)
def test_removing_what_is_not_there_is_a_success_in_mamba(release: str) -> None:
    """Why the driver looks before it asks."""
    assert answer_of(release, "10-remove-not-installed-json").success is True


@pytest.mark.parametrize("release", CONDAS)
def test_update_with_a_version_is_refused_by_conda(release: str) -> None:
    assert isinstance(error_of(release, "10-update-spec-json"), InvalidSpecError)


@pytest.mark.parametrize("release", MAMBAS)
def test_update_with_a_version_is_taken_by_mamba(release: str) -> None:
    assert versions(answer_of(release, "10-update-spec-json"), "link")["requests"] == "2.32.3"


@pytest.mark.parametrize("release", RELEASES)
def test_a_removal_takes_dependants_and_orphans(release: str) -> None:
    answer = answer_of(release, "05-dry-remove-json")
    installed = [
        package("urllib3-2.2.3-pyhd8ed1ab_0"),
        package("requests-2.31.0-pyhd8ed1ab_0", depends=("urllib3 >=1.21.1,<3", "idna")),
        package("charset-normalizer-3.5.2-py311hc6f73f5_0"),
    ]
    found = changes(answer.actions, verb=Verb.REMOVE, specs=["urllib3"], installed=installed)
    reasons = {change.package.name: change.reason for change in found if change.action is Action.REMOVE}
    assert reasons["urllib3"] == "requested"
    assert reasons["requests"] == "needs urllib3"
    assert reasons["charset-normalizer"] == "nothing needs it any more"


@pytest.mark.parametrize("release", RELEASES)
def test_history_wants_more_after_a_rollback(release: str) -> None:
    """Some conda releases turn back other packages too; the plan shows them with a reason of their own."""
    answer = answer_of(release, "10-install-after-revision-dry-json")
    found = changes(answer.actions, verb=Verb.INSTALL, specs=["tqdm"], installed=())
    others = {change.package.name for change in found if not change.requested}
    assert ("jinja2" in others) == (release in ("conda-24.1.2", "conda-26.7"))


@pytest.mark.parametrize("release", MAMBAS)
def test_mamba_reports_the_update_of_a_shadowed_package_every_time(release: str) -> None:
    assert versions(answer_of(release, "10-update-all-noop-json"), "link") == {"idna": "3.20"}


@pytest.mark.parametrize("release", RELEASES)
def test_a_shadowed_package_still_has_a_before(release: str) -> None:
    """Of the two, conda lists only pip's copy and unlinks nothing, mamba unlinks its own record."""
    answer = answer_of(release, "05-dry-update-all-json")
    found = changes(answer.actions, verb=Verb.UPDATE, specs=[], installed=[package("idna-3.7-pyhd8ed1ab_0")])
    (change,) = (change for change in found if change.package.name == "idna")
    assert (change.action, change.reason.partition(";")[0]) in (
        (Action.UPGRADE, "newest that fits"),
        (Action.UPGRADE, "dependency of requests"),
    )


@pytest.mark.parametrize(
    ("release", "kind"),
    [
        ("conda-24.1.2", None),
        ("conda-25.11.1", PolicyError),
        ("conda-26.7", PolicyError),
        ("mamba-2.8.1", None),
        ("micromamba-2.8.1", None),
    ],
)
def test_frozen_is_known_to_new_conda_only(release: str, kind: type[PkgError] | None) -> None:
    if kind is None:
        assert transcripts(release)["09-frozen-install-dry-json"]["exit_code"] == 0
        return
    for name in ("09-frozen-install-dry-json", "09-frozen-install-json", "09-frozen-remove-json"):
        error = error_of(release, name)
        assert type(error) is kind
        assert error.reference == "frozen"
        assert error.note == "This environment is managed by IT. Ask them."
    assert error_of(release, "09-frozen-empty-install-json").note == "conda-meta/frozen marks it (CEP 22)"


def test_the_frozen_override_is_unknown_to_old_conda() -> None:
    assert error_of("conda-24.1.2", "09-frozen-override-json").reference == "engine-usage"


@pytest.mark.parametrize("release", RELEASES)
def test_a_pin_in_the_way(release: str) -> None:
    if release == "conda-24.1.2":  # the classic solver overrides the pin: the driver checks the answer
        assert answer_of(release, "09-pinned-conflict-json").success is True
        return
    error = error_of(release, "09-pinned-conflict-json")
    assert type(error) is ConflictError
    assert "six" in error.context[0]


@pytest.mark.parametrize("release", MAMBAS)
def test_mamba_plans_in_a_prefix_it_cannot_write(release: str) -> None:
    assert answer_of(release, "08-nonwritable-dry-json").success is True


def test_offline() -> None:
    assert error_of("conda-26.7", "08-offline-json").reference == "offline"
    assert error_of("conda-24.1.2", "08-offline-json").hint == "try again without --offline"
    for release in MAMBAS:  # downloads all the same: the driver refuses such a plan
        assert versions(answer_of(release, "08-offline-json"), "fetch") == {"distro": "1.9.0"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("status", ["401", "403", "500"])
def test_a_channel_that_refuses(release: str, status: str) -> None:
    error = error_of(release, f"08-channel-{status}-json", forgets_index=release != "conda-26.7")
    assert "{CHANNEL}" in error.message
    if release in CONDAS:
        assert error.message.endswith(f" answered {status}")
        clean = "conda clean --index-cache" in (error.hint or "")
        assert clean == (release != "conda-26.7" and status != "500")


def test_a_sharded_channel_that_refuses_is_read_from_its_cache() -> None:
    assert answer_of(SHARDED, "08-channel-401-json").success is True


def test_an_emptied_index_answers_that_all_is_there() -> None:
    """After a 403; the driver sees that what was asked for isn't installed."""
    assert answer_of("conda-25.11.1", "08-after-403-dry-json").actions is None
    assert versions(answer_of("conda-26.7", "08-after-403-dry-json"), "link") == {"numpy": "2.4.6"}


@pytest.mark.parametrize("release", CONDAS)
def test_the_cleaning_of_the_index(release: str) -> None:
    case = transcripts(release)["08-after-403-clean-index-json"]
    assert case["argv"][1:3] == ["clean", "--index-cache"]
    assert case["exit_code"] == 0


@pytest.mark.parametrize("release", MAMBAS)
def test_waiting_for_a_lock_is_told_at_the_end(release: str) -> None:
    log = answer_of(release, "12-concurrent-second-json").log("warning")
    assert any(text.startswith("Cannot lock") for text in log)


def test_two_downloads_of_one_package_into_one_cache() -> None:
    for release in CONDAS:
        assert error_of(release, "12-concurrent-cache-second-json").reference == "cache-race"
    for release in MAMBAS:
        assert answer_of(release, "12-concurrent-cache-second-json").success is True


@pytest.mark.parametrize(("release", "kept"), [("conda-24.1.2", True), ("conda-25.11.1", False), ("conda-26.7", True)])
def test_some_releases_delete_the_history(release: str, kept: bool) -> None:  # noqa: FBT001
    for name in ("08-postlink-fail-json", "12-sigint-during-link-json"):
        assert ("history" in transcripts(release)[name]["conda_meta"]) == kept

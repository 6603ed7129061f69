"""Failures that no recording holds, as the tools' sources write them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from jupyter_pkgmgr.engines.conda_errors import Failure, conda_error, mamba_error
from jupyter_pkgmgr.engines.conda_output import parse_answer, split_log
from jupyter_pkgmgr.model import Verb
from jupyter_pkgmgr.model.errors import (
    CancelledError,
    CatalogError,
    ConflictError,
    DiskFullError,
    EngineError,
    PkgError,
    PolicyError,
    UnreachableError,
)
from jupyter_pkgmgr.process import Completed


def failure(tool: str, stdout: str = "", stderr: str = "", *, code: int = 1) -> Failure:
    return Failure(
        tool=tool,
        verb=Verb.INSTALL,
        specs=("six",),
        completed=Completed(argv=(tool, "install"), returncode=code, stdout=stdout, stderr=stderr),
        answer=parse_answer(tool, stdout),
    )


def document(name: str, message: str) -> str:
    return json.dumps({"exception_name": name, "error": f"{name}: {message}", "message": message})


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("NoSpaceLeftError", "No space left on devices.", DiskFullError),
        ("OSError", "[Errno 28] No space left on device", DiskFullError),
        ("CondaSystemExit", "Exiting.", CancelledError),
        ("DisallowedPackageError", "The package 'x' is disallowed by configuration.", PolicyError),
        ("ChannelNotAllowed", "Channel not included in allowlist", PolicyError),
        ("RemoveError", "'six' is a dependency of conda and cannot be removed", PolicyError),
        ("CondaToSNonInteractiveError", "Terms of Service have not been accepted", PolicyError),
        ("NoWritablePkgsDirError", "No writeable pkgs directories configured.", PolicyError),
        ("RattlerUnsatisfiableError", "Cannot solve the request because of: six", ConflictError),
        ("CondaSSLError", "certificate verify failed", UnreachableError),
        ("ProxyError", "Cannot connect to proxy", UnreachableError),
        ("SomethingNew", "it broke. Badly.", EngineError),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_conda_names(name: str, message: str, kind: type[PkgError], wrapped: bool) -> None:  # noqa: FBT001
    text = document(name, message)
    if wrapped:
        text = json.dumps({"exception_name": "CondaMultiError", "error": "Multiple", "errors": [json.loads(text)]})
    error = conda_error(failure("conda", text))
    assert type(error) is kind
    assert not error.message.endswith(".")


def test_the_tree_of_the_rattler_solver_is_told_in_few_words() -> None:
    """As conda 26.9 prints it with ``solver: rattler``."""
    tree = """Cannot solve the request because of: The following packages are incompatible
├─ beta * cannot be installed because there are no viable options:
│  └─ beta 1.0 would require
│     └─ alpha <2, which cannot be installed because there are no viable options:
│        ├─ alpha 1.1, which conflicts with the versions reported above.
│        └─ alpha 1.0, which conflicts with the versions reported above.
└─ gamma * cannot be installed because there are no viable options:
   └─ gamma 1.0 would require
      └─ delta >=2, for which no candidates were found.
"""
    error = conda_error(failure("conda", document("RattlerUnsatisfiableError", tree)))
    assert isinstance(error, ConflictError)
    assert error.context == ("beta 1.0 needs alpha <2", "gamma 1.0 needs delta >=2, for which no candidates were found")
    assert error.detail == tree.strip()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("filesystem error: cannot copy: No space left on device [/x]", DiskFullError),
        ("Could not open lockfile '/x/conda-meta.lock': Read-only file system", PolicyError),
        (
            "Download error (60) SSL peer certificate or SSH remote key was not OK [https://h/c/repodata.json]",
            UnreachableError,
        ),
        ("the moon is in the wrong phase", EngineError),
    ],
)
def test_mamba_texts(text: str, kind: type[PkgError]) -> None:
    answer = json.dumps(
        {"log_history": [{"level": "critical", "message": text}, {"level": "trace", "message": "x" * 9}]}
    )
    error = mamba_error(failure("mamba", answer))
    assert type(error) is kind
    assert "xxx" not in (error.detail or "")


@pytest.mark.parametrize("tool", ["conda", "mamba"])
def test_a_tool_that_says_nothing(tool: str) -> None:
    error = (conda_error if tool == "conda" else mamba_error)(failure(tool, code=3))
    assert error.message == f"{tool} failed: it ended with exit code 3 and no word"


def test_the_detail_is_limited_and_redacted() -> None:
    error = conda_error(failure("conda", stderr="https://user:hunter2@host/x\n" + "y" * 100_000))
    assert error.detail is not None
    assert len(error.detail) <= 20_000
    assert "hunter2" not in repr(conda_error(failure("conda", stderr="https://user:hunter2@host/x")).to_json())


@pytest.mark.parametrize(
    ("specs", "problems", "message"),
    [
        (("six",), 1, "no channel has six"),
        (("six =9",), 1, "no channel has six=9"),
        (("six", "tqdm =9", "idna"), 2, "no channel has 2 of six, tqdm =9, idna"),
    ],
)
def test_released_mamba_says_only_that_something_is_missing(
    specs: tuple[str, ...], problems: int, message: str
) -> None:
    """As micromamba 2.8.1 answers; what it logs goes to stderr."""
    text = json.dumps({"solver_problems": ["unsupported request"] * problems, "success": False})
    stderr = "critical libmamba Could not solve for environment specs\n"
    error = mamba_error(replace(failure("micromamba", text, stderr), specs=specs))
    assert isinstance(error, CatalogError)
    assert error.message == message


def test_what_mamba_logs_on_stderr_is_told_from_what_scripts_print() -> None:
    log, others = split_log(
        "warning  libmamba Cannot lock '/pkgs'\n"
        "a script's word\n"
        "critical libmamba Multiple errors occurred:\n    Download error (7)\n    Subdir not loaded!\n"
    )
    assert [(entry.level, entry.message.splitlines()[-1].strip()) for entry in log] == [
        ("warning", "Cannot lock '/pkgs'"),
        ("critical", "Subdir not loaded!"),
    ]
    assert others == ["a script's word"]

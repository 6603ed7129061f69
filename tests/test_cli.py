"""``jupyter pkg`` as a process: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.index import Server, serve

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = (sys.executable, "-m", "jupyter_pkgmgr.cli")


@pytest.fixture
def cli(clean_settings: Path, index_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("PIP_INDEX_URL", index_server.index_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(clean_settings / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_install_says_what_it_does_on_stdout_and_nothing_else(cli: Cli, venv_python: Path) -> None:
    done = cli("--python", venv_python, "install", "tb-pure==1.0")
    assert done.returncode == 0, done.stderr
    assert "tb-pure" in done.stdout
    assert "Installed tb-pure 1.0" in done.stdout
    assert done.stderr == ""
    again = cli("--python", venv_python, "install", "tb-pure")
    assert again.stdout == "tb-pure 1.0 is already installed\n"


def test_json_is_one_document_of_schema_1(cli: Cli, venv_python: Path) -> None:
    done = cli("--prefix", venv_python.parents[1], "install", "--json", "tb-pure")
    document = json.loads(done.stdout)
    assert set(document) == {"schema", "plan", "outcome"}
    assert document["schema"] == 1
    assert document["outcome"]["changes"] == 1
    listed = json.loads(cli("--python", venv_python, "list", "--json").stdout)
    assert set(listed) == {"schema", "packages", "fingerprint", "notes"}
    assert [package["name"] for package in listed["packages"]] == ["tb-pure"]


def test_options_before_the_verb(cli: Cli, venv_python: Path) -> None:
    document = json.loads(cli("--json", "--python", venv_python, "-q", "plan", "install", "tb-pure").stdout)
    assert set(document) == {"schema", "plan"}
    error = json.loads(cli("--python", venv_python, "--json", "why", "tb-pure").stdout)["error"]
    assert error["reference"] == "not-installed"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["list", "--kernel", "playground", "rich"], "jupyter pkg --kernel playground list rich"),
        (["install", "rich<14", "--prefix=a b"], "jupyter pkg '--prefix=a b' install 'rich<14'"),
    ],
)
def test_an_environment_after_the_verb(words: list[str], hint: str, cli: Cli) -> None:
    done = cli(*words)
    assert done.returncode == 2
    assert "is said before the verb\n" in done.stderr
    assert f"hint: {hint}\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "reference"),
    [
        (["instal", "six"], 2, "unknown-verb"),
        (["install"], 2, "empty-request"),
        (["install", "--nope", "six"], 2, "usage"),
        (["install", "-r", "nothing.txt"], 2, "path-not-found"),
        (["install", "tb-nosuch"], 1, "package-not-found"),
        (["show", "tb-nosuch"], 1, "package-not-found"),
        (["remove", "tb-pure"], 1, "not-installed"),
        (["--kernel", "nobody", "list"], 1, "no-such-kernel"),
        (["--prefix", "a", "--kernel", "b", "list"], 2, "usage"),
        (["--prefix", "no-such-folder", "list"], 1, None),
        (["--python", "no-such-python", "list"], 1, None),
    ],
)
def test_errors(words: list[str], code: int, reference: str | None, cli: Cli, venv_python: Path) -> None:
    where = [] if words[0].startswith("--") else ["--python", str(venv_python)]
    done = cli(*where, *words)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "%pkg " not in done.stderr
    as_json = cli(*where, *words, "--json")
    assert as_json.returncode == code
    assert as_json.stderr == ""
    document = json.loads(as_json.stdout)
    assert document["schema"] == 1
    assert reference in (None, document["error"]["reference"])


def test_no_credentials_are_printed(cli: Cli, venv_python: Path) -> None:
    for more in ([], ["--json"], ["-v"]):
        done = cli("--python", venv_python, "install", "-i", "http://me:s3cret@127.0.0.1:9/simple", "tb-pure", *more)
        assert done.returncode == 1
        assert "s3cret" not in done.stdout + done.stderr
    done = cli(
        "--python", venv_python, "plan", "--extra-index-url", "http://me:s3cret@127.0.0.1:9/", "tb-pure", "--json"
    )
    assert "s3cret" not in done.stdout + done.stderr


def test_the_active_environment_is_the_default(cli: Cli, venv_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(venv_python.parents[1]))
    document = json.loads(cli("env", "--json").stdout)
    assert document["environment"]["prefix"] == str(venv_python.parents[1])


def test_a_kernel_by_name(cli: Cli, venv_python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "jupyter" / "kernels" / "mine"
    folder.mkdir(parents=True)
    argv = [str(venv_python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Mine", "language": "python"}))
    document = json.loads(cli("--kernel", "mine", "env", "--json").stdout)
    assert document["environment"]["prefix"] == str(venv_python.parents[1])


def test_help_and_version(cli: Cli) -> None:
    assert "jupyter pkg VERB" in cli().stdout
    assert "--dry-run" in cli("install", "--help").stdout
    assert cli("--version").stdout.strip()
    assert cli("--prefix").returncode == 2


def test_a_reader_that_goes_away(cli: Cli, venv_python: Path) -> None:
    assert cli("--python", venv_python, "install", "tb-pure").returncode == 0
    with subprocess.Popen(
        [*COMMAND, "--python", venv_python, "help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.usefixtures("cli")
def test_ctrl_c_stops_and_changes_nothing(venv_python: Path, index_folder: Path) -> None:
    with serve(index_folder) as server:
        server.fail("*", "hang")
        with subprocess.Popen(
            [*COMMAND, "--python", venv_python, "install", "-i", server.index_url, "tb-pure"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while not server.paths():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "error: stopped; nothing was changed\n"


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize(
    ("typed", "changed"), [("y\n", True), ("\n", True), ("n\n", False), ("\x04", False), ("\x03", False)]
)
def test_a_question_in_a_terminal(typed: str, venv_python: Path, *, changed: bool) -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--python", venv_python, "install", "tb-pure"],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_own_terminal,  # noqa: PLW1509  a test has no threads that matter
    ) as process:
        os.close(slave)
        assert process.stderr is not None
        asked = b""
        while not asked.endswith(b"[Y/n] "):
            asked += process.stderr.read(1)
        os.write(master, typed.encode())
        stdout, _ = process.communicate(timeout=60)
    os.close(master)
    assert ("Installed" in stdout.decode()) is changed
    assert ("nothing was changed" in stdout.decode()) is not changed
    assert process.returncode == 0


def test_who_waits_for_a_plan_is_told_what_for_in_a_terminal(
    cli: Cli, venv_python: Path, index_folder: Path, tmp_path: Path
) -> None:
    """The line is there while the index is silent, and is taken away again."""
    with serve(index_folder, latency=1500) as server:
        words = ["--python", str(venv_python), "install", "-y", "-i", server.index_url, "tb-pure"]
        silent = cli(*words, "--dry-run")
        master, slave = pty.openpty()
        with subprocess.Popen([*COMMAND, *words], stdout=slave, stderr=slave, cwd=tmp_path) as process:
            os.close(slave)
            said = b"".join(_read(master))
        os.close(master)
    assert silent.stderr == ""
    assert "planning" not in silent.stdout
    assert process.returncode == 0, said
    line = f"\r\x1b[2Kplanning: uv asks {server.url.removeprefix('http://')}"
    before, waited, after = said.decode().partition(line)
    assert waited, said
    assert "Plan for" not in before
    assert after.startswith("\r\x1b[2K")
    assert "Plan for" in after
    assert "planning" not in after


def test_an_error_takes_its_place_too(cli: Cli, venv_python: Path, index_folder: Path, tmp_path: Path) -> None:
    assert callable(cli)  # it sets the variables
    with serve(index_folder, latency=1500) as server:
        words = ["--python", str(venv_python), "install", "-i", server.index_url, "tb-nosuch"]
        master, slave = pty.openpty()
        with subprocess.Popen([*COMMAND, *words], stdout=slave, stderr=slave, cwd=tmp_path) as process:
            os.close(slave)
            said = b"".join(_read(master)).decode()
        os.close(master)
    assert process.returncode == 1
    assert "planning: uv asks" in said
    assert said[: said.index("error: ")].endswith("\r\x1b[2K")


def _read(terminal: int) -> Iterator[bytes]:
    """What comes out of a terminal until nobody holds its other end."""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux's way to say that it was the last one
            return
        if not chunk:
            return
        yield chunk


def _own_terminal() -> None:
    """The child's terminal is its stdin, so that Ctrl-C typed there reaches it."""
    import fcntl  # noqa: PLC0415  only where there is a pty
    import termios  # noqa: PLC0415

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_help_is_worded_for_a_terminal(cli: Cli) -> None:
    text = cli("help").stdout
    assert "%" not in text
    assert "jupyter pkg help install" in text
    assert "jupyter pkg --kernel NAME VERB" in text

"""Attachment of real kernels, started through a real server's REST API."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_pkgmgr.server import attach_channel
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from jupyter_pkgmgr.server.kernels import Attachment
from tests.kernel import conftest as kernels
from tests.server.attach_lab import Notebook, Notebooks, until

kernel_python, kernel_template = kernels.kernel_python, kernels.kernel_template
NAMESPACE = "sorted(name for name in globals() if not name.startswith('_i'))"
TOPS = "sorted({name.partition('.')[0] for name in __import__('sys').modules})"
HISTORY = "[entry[2] for entry in get_ipython().history_manager.get_range(raw=True)]"
TOKEN = "[f.connection['token'] for f in __import__('jupyter_pkgmgr').kernel._faces.values()][0]"  # noqa: S105  where it is
HAS_MAGIC = "'pkg' in get_ipython().magics_manager.magics['line']"
LIES = {
    "host": "import os; real = os.uname(); os.uname = lambda: os.uname_result(['Linux', 'elsewhere', *real[2:]])",
    "prefix": "import sys; sys.prefix = sys.exec_prefix = '/nowhere'",
    "user": "import os; os.getuid = lambda: 4242",
}
"""What a kernel's ``sitecustomize`` does so that it seems to live elsewhere."""
ENDS = ["3.8", "3.8-ipython7", "3.13"]
"""Old and new; tests/kernel attaches on all of them."""


@pytest.mark.parametrize("version", ENDS)
async def test_attaching_leaves_no_trace_but_the_magic(
    version: str, kernel_python: Callable[[str], str], notebooks: Notebooks
) -> None:
    python = kernel_python(version)
    notebook = await notebooks.start(python)
    known = await notebook.attached()
    assert (known.attached, known.why) == (Attachment.ATTACHED, "")
    assert known.facts is not None
    assert known.facts["prefix"] == str(Path(python).parent.parent)
    assert known.facts["versions"]["ipykernel"].startswith("6." if version[:3] in ("3.8", "3.9") else "7.")
    assert "IPython" in known.facts["modules"]
    first = await notebook.run("%pkg install six")
    assert (first.execution_count, first.stdout) == (1, "six 1.17.0 is already installed\n")
    assert await notebook.value(HISTORY) == ["%pkg install six"]
    assert await notebook.value("[In[0], len(In), len(Out), '_' in globals() and _]") == ["", 2, 0, ""]


@pytest.mark.parametrize("version", ["3.8", "3.13"])
async def test_names_and_modules_are_those_of_a_kernel_without_us(
    version: str, kernel_python: Callable[[str], str], notebooks: Notebooks, extension: PkgmgrExtension
) -> None:
    python = kernel_python(version)
    notebook = await notebooks.start(python)
    await notebook.attached()
    names, tops = await notebook.value(NAMESPACE), set(await notebook.value(TOPS))
    assert extension.attacher is not None
    await extension.attacher.stop()
    plain = await notebooks.start(python, "plain")
    assert await plain.value(NAMESPACE) == names
    assert tops - set(await plain.value(TOPS)) == {"jupyter_pkgmgr"}


@pytest.mark.parametrize("settings", [{"attach_kernels": False}, {"attach_except": ["other", "mi*"]}])
@pytest.mark.usefixtures("settings")
async def test_a_setting_turns_it_off(notebooks: Notebooks) -> None:
    notebook = await notebooks.start(sys.executable)
    known = await notebook.attached()
    assert known.attached is Attachment.OFF
    assert "turned off" in known.why
    assert await notebook.value(HAS_MAGIC) is False


async def test_every_process_of_a_kernel_has_a_token_of_its_own(
    notebooks: Notebooks, extension: PkgmgrExtension
) -> None:
    notebook = await notebooks.start(sys.executable)
    await notebook.attached()
    first = await notebook.value(TOKEN)
    grant = extension.tokens.check(first)
    assert grant is not None
    assert (grant.kernel, grant.prefix) == (notebook.id, sys.prefix)

    await notebook.restart()
    await notebook.attached()
    second = await notebook.value(TOKEN)
    assert extension.tokens.check(first) is None
    assert extension.tokens.check(second) == grant

    notebook.close()
    os.kill(notebook.manager.provisioner.pid, signal.SIGKILL)  # Jupyter notices within three seconds, and restarts it
    await until(lambda: extension.tokens.check(second) is None)
    await notebook.attached()
    third = await notebook.value(TOKEN)
    assert extension.tokens.check(third) == grant

    await notebook.shutdown()
    assert extension.tokens.check(third) is None
    assert extension.kernels.get(notebook.id) is None


async def test_kernels_that_run_already_and_busy_ones_are_attached_when_they_can(
    notebooks: Notebooks, extension: PkgmgrExtension, tmp_path: Path
) -> None:
    attacher = extension.attacher
    assert attacher is not None
    await attacher.stop()
    early = await notebooks.start(sys.executable)
    assert await early.value(HAS_MAGIC) is False
    assert extension.kernels.get(early.id) is None
    go = tmp_path / "go"
    wait = f"import os, time\nprint('busy', flush=True)\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.02)"
    number = await early.begin(wait)
    for _ in range(2):  # stopping doesn't wait for it, and what was asked before is forgotten
        attacher.start()
        assert early.known.attached is Attachment.PENDING
        assert "cell" in early.known.why
        await until(lambda: _channels(early) == 2)
        await attacher.stop()
        await until(lambda: _channels(early) == 1)
    attacher.start()
    go.touch()
    assert (await early.finish(number)).stdout == "busy\n"
    assert (await early.attached()).attached is Attachment.ATTACHED
    assert await early.value(HAS_MAGIC) is True


async def test_a_kernel_that_dies_before_it_answers(
    notebooks: Notebooks, extension: PkgmgrExtension, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach_channel, "LOOK", 0.05)
    attacher = extension.attacher
    assert attacher is not None
    await attacher.stop()
    notebook = await notebooks.start(sys.executable)
    await notebook.client()
    notebook.manager.stop_restarter()
    process = psutil.Process(notebook.manager.provisioner.pid)
    process.suspend()
    attacher.start()
    assert notebook.known.attached is Attachment.PENDING
    notebook.close()
    process.kill()
    known = await notebook.attached()
    assert (known.attached, known.why) == (Attachment.FAILED, "it ended before it answered")


async def test_a_kernel_that_is_not_python_is_left_alone(notebooks: Notebooks) -> None:
    notebook = await notebooks.start(sys.executable, language="R")
    known = await notebook.attached()
    assert (known.attached, known.why) == (Attachment.UNSUPPORTED, "its language is R, and %pkg needs Python")
    assert await notebook.value(HAS_MAGIC) is False


@pytest.mark.parametrize(
    ("lie", "why"),
    [("host", "it runs on elsewhere"), ("prefix", "/nowhere doesn't exist here"), ("user", "runs as another user")],
)
async def test_a_kernel_that_lives_elsewhere_gets_no_token(
    lie: str,
    why: str,
    kernel_python: Callable[[str], str],
    notebooks: Notebooks,
    extension: PkgmgrExtension,
    tmp_path: Path,
) -> None:
    (tmp_path / "lies").mkdir()
    (tmp_path / "lies" / "sitecustomize.py").write_text(LIES[lie])
    python = kernel_python("3.13")
    notebook = await notebooks.start(python, env={"PYTHONPATH": str(tmp_path / "lies")})
    known = await notebook.attached()
    assert known.attached is Attachment.REMOTE
    assert why in known.why
    assert extension.tokens.check(await notebook.value(f"({TOKEN}) if {lie!r} == 'prefix' else ''")) is None
    asked = await notebook.run("%pkg list")  # alone, and without an interpreter for that
    assert asked.error["ename"] == "PkgError"
    assert "hint: " in "\n".join(asked.error["traceback"])


async def test_a_kernel_elsewhere_works_with_what_is_installed_there(
    kernel_python: Callable[[str], str], notebooks: Notebooks, tmp_path: Path
) -> None:
    (tmp_path / "lies").mkdir()
    (tmp_path / "lies" / "sitecustomize.py").write_text(LIES["host"])
    env = {"PYTHONPATH": str(tmp_path / "lies"), "JUPYTER_PKGMGR_PYTHON": str(kernels.make_peer(tmp_path))}
    notebook = await notebooks.start(kernel_python("3.13"), env=env)
    assert (await notebook.attached()).attached is Attachment.REMOTE
    assert (await notebook.run("%pkg steps")).texts == ["plan 1", "progress 3", "done 1"]


async def test_no_question_is_answered_by_what_a_user_has_called_by_these_names(
    notebooks: Notebooks, extension: PkgmgrExtension
) -> None:
    attacher = extension.attacher
    assert attacher is not None
    await attacher.stop()
    notebook = await notebooks.start(sys.executable)
    await notebook.run("open = compile = exec = eval = sys = os = names = json = print_ = None")
    attacher.start()
    assert (await notebook.attached()).attached is Attachment.ATTACHED


async def test_nothing_of_a_token_is_written_anywhere(
    notebooks: Notebooks,
    extension: PkgmgrExtension,
    jp_serverapp: ServerApp,
    caplog: pytest.LogCaptureFixture,
    jp_data_dir: Path,
    tmp_path: Path,
) -> None:
    heard: list[str] = []

    async def hear(logger: Any, schema_id: str, data: Any) -> None:  # noqa: ARG001  its signature
        heard.append(json.dumps(data))

    logger = jp_serverapp.event_logger
    assert logger is not None
    for schema in logger.schemas.schema_ids:
        logger.add_listener(schema_id=schema, listener=hear)
    notebook = await notebooks.start(sys.executable)
    known = await notebook.attached()
    token = await notebook.value(TOKEN)
    listed = await notebook.run("%pkg list")
    assert listed.status == "ok", listed.error
    assert (await notebook.run("%pkg install no-such-package-anywhere")).status == "error"
    said = [caplog.text, *heard, repr(known), repr(vars(extension)), repr(vars(extension.tokens))]
    said += [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    said += [" ".join(process.environ().values()) for process in psutil.Process().children(recursive=True)]
    files = [path for folder in (tmp_path, jp_data_dir) for path in folder.rglob("*") if path.is_file()]
    assert heard
    assert files
    assert not [text for text in said if token in text]
    assert not [path for path in files if token.encode() in path.read_bytes()]


def _channels(notebook: Notebook) -> int:
    """Connections of this process to the kernel's shell channel; one is the test's own."""
    port = notebook.manager.shell_port
    found = [item for item in psutil.Process().net_connections("tcp") if item.raddr[1:] == (port,)]
    return sum(1 for item in found if item.status == psutil.CONN_ESTABLISHED)

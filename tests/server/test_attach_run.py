"""``%pkg`` in attached kernels: a job of the server, seen by everybody whom it concerns."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.kernel.display import MIME
from jupyter_pkgmgr.server.extension import PkgmgrExtension
from testbed.environments import copy_venv, kernelspec, make_venv, uv_install
from testbed.index import Server, serve
from tests.kernel import conftest as kernels
from tests.kernel.test_three_way import default_index
from tests.server.attach_lab import Notebook, Notebooks, until
from tests.server.conftest import Rest

kernel_python, kernel_template = kernels.kernel_python, kernels.kernel_template
Add = Callable[[Path], None]


@pytest.fixture(scope="session")
def add_ipykernel(tmp_path_factory: pytest.TempPathFactory) -> Add:
    """Installs ipykernel from where this machine gets its packages: made before a test hides its configuration."""
    index, cache = default_index(), tmp_path_factory.mktemp("cache")
    return lambda python: uv_install(python, "ipykernel", index_url=index, cache=cache)


@pytest.fixture
def python(kernel_template: Callable[[str], Path], tmp_path: Path) -> Path:
    """A fresh venv with ipykernel and six and nothing of ours."""
    return copy_venv(kernel_template(f"{sys.version_info[0]}.{sys.version_info[1]}"), tmp_path / "venv")


async def ready(notebooks: Notebooks, python: Path, name: str = "mine") -> Notebook:
    """A kernel that is attached."""
    notebook = await notebooks.start(python, name)
    known = await notebook.attached()
    assert known.attached == "attached", known.why
    return notebook


def in_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def the_job(rest: Rest, notebook: Notebook) -> dict[str, Any]:
    """The one job that a kernel has had, once it is there."""
    while True:
        jobs = (await rest.get("jobs")).body["jobs"]
        found = [job for job in jobs if job["kernel"] == notebook.id]
        if found:
            assert len(found) == 1
            return dict(found[0])


async def test_an_installation_is_a_job_that_other_kernels_hear_of(
    notebooks: Notebooks, python: Path, rest: Rest, tmp_path: Path
) -> None:
    first = await ready(notebooks, python)
    second = await ready(notebooks, python, "other")
    installed = await first.run("%pkg install 'tb-pure<2'\nimport tb_pure")
    assert installed.status == "ok", installed.error
    assert installed.execution_count == 1
    parts = [data[MIME] for data in installed.displays.values()]
    assert [part["part"] for part in parts] == ["plan", "progress", "result", "verdict"]
    job = await the_job(rest, first)
    assert {(part["kernel"], part["job"]) for part in parts} == {(first.id, job["id"])}
    assert (job["state"], job["kind"], job["title"]) == ("succeeded", "run", "%pkg install 'tb-pure<2'")
    assert (await second.run("import tb_pure")).displays == {}  # what is only new needs no word

    upgraded = await first.run("%pkg install -U tb-pure")
    assert upgraded.texts[-1] == "restart the kernel to use what changed: tb_pure is loaded"
    await until(lambda: second.known.verdict is not None and second.known.verdict["level"] == "recommended")
    told = await second.run("1")
    (text,) = told.texts
    assert text.startswith("tb-pure 1.")
    assert text.endswith(" changed and you have it loaded: restart recommended")
    (part,) = (data[MIME] for data in told.displays.values())
    assert (part["part"], part["level"], part["modules"], part["kernel"]) == (
        "verdict",
        "recommended",
        ["tb_pure"],
        second.id,
    )
    assert (await second.run("2")).displays == {}  # once
    assert (await first.run("3")).displays == {}  # and the one that did it knows
    await until(lambda: first.known.verdict is not None and first.known.verdict["level"] == "recommended")
    await second.restart()
    await second.attached()
    assert second.known.verdict is None

    work = tmp_path / "work"  # where the kernel works, and the server doesn't
    work.mkdir()
    written = await first.run(f"%cd -q {work}\n%pkg export requirements.txt")
    assert written.texts[-1].startswith("wrote requirements.txt: 3 packages")
    assert re.findall(r"^[\w-]+(?===)", (work / "requirements.txt").read_text(), re.MULTILINE) == [
        "ipykernel",
        "six",
        "tb-pure",
    ]
    (work / "requirements.txt").write_text("six\ntb-alpha\n")
    synced = await first.run("%pkg sync requirements.txt")
    assert "not named, and not removed: ipykernel (the kernel runs on it)" in synced.texts[0]
    assert "Installed tb-alpha 2.1; removed tb-pure 2.0" in "\n".join(synced.texts)
    assert "restart" in synced.texts[-1]


@pytest.mark.parametrize("version", ["3.8", "3.13"])
async def test_old_and_new_kernels_speak_with_the_server(
    version: str, kernel_python: Callable[[str], str], notebooks: Notebooks, rest: Rest
) -> None:
    notebook = await ready(notebooks, Path(kernel_python(version)))
    listed = await notebook.run("%pkg list")
    assert listed.status == "ok", listed.error
    assert "ipykernel" in listed.texts[-1]
    assert (await the_job(rest, notebook))["state"] == "succeeded"


async def test_a_panel_that_changes_an_environment_is_heard_of_in_its_kernels(
    notebooks: Notebooks, python: Path, rest: Rest
) -> None:
    notebook = await ready(notebooks, python)
    assert (await notebook.run("%pkg install 'tb-pure<2'\nimport tb_pure")).status == "ok"
    environment = await rest.environment(python.parent.parent)
    job = await rest.run(environment, "remove tb-pure")
    assert job["state"] == "succeeded"
    await until(lambda: notebook.known.verdict is not None and notebook.known.verdict["level"] == "recommended")
    (text,) = (await notebook.run("1")).texts
    assert "(removed) changed and you have it loaded: restart recommended" in text
    shown = (await rest.get(f"jobs/{job['id']}")).body["result"]["verdicts"]
    assert {kernel: verdict["modules"] for kernel, verdict in shown.items()} == {notebook.id: ["tb_pure"]}
    await rest.run(environment, "install tb-mixed")  # which concerns nobody, so what was due before is due still
    due = await notebook.run("%pkg install tb-native")
    assert notebook.known.verdict is not None
    assert notebook.known.verdict["level"] == "recommended"
    assert due.texts[-1] == "the kernel still needs a restart for tb_pure, changed before"


async def test_a_fresh_conda_environment(
    notebooks: Notebooks,
    conda_prefix: Path,
    channel_server: Server,
    testbed: Path,
    rest: Rest,
    monkeypatch: pytest.MonkeyPatch,
    add_ipykernel: Add,
) -> None:
    monkeypatch.setenv("CONDA_CHANNELS", channel_server.url)
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(testbed / "cache"))
    interpreter = conda_prefix / "bin" / "python"
    add_ipykernel(interpreter)
    notebook = await ready(notebooks, interpreter)
    installed = await notebook.run("%pkg install tb-alpha tb-mixed\nimport tb_alpha, tb_mixed")
    assert installed.status == "ok", installed.error
    records = {path.name.rsplit("-", 2)[0] for path in in_folder(conda_prefix / "conda-meta")}
    assert {"tb-alpha", "tb-mixed"} & records == {"tb-alpha"}
    assert (await the_job(rest, notebook))["state"] == "succeeded"


async def test_env_says_where_the_kernel_and_its_kernelspec_differ(
    notebooks: Notebooks, python: Path, tmp_path: Path
) -> None:
    other = make_venv(tmp_path / "other")
    argv = ["/bin/sh", "-c", f"exec {python} -m ipykernel_launcher -f {{connection_file}}"]
    notebook = await notebooks.start(other, argv=argv, metadata={"conda_env_path": str(tmp_path / "other")})
    await notebook.attached()
    shown = await notebook.run("%pkg env")
    assert shown.status == "ok", shown.error
    assert f"but: the kernel runs in {python.parent.parent}" in " ".join(shown.texts[-1].split())
    assert str(tmp_path / "other") in shown.texts[-1]


async def test_an_error_is_as_short_as_ever_and_a_missing_import_named(notebooks: Notebooks, python: Path) -> None:
    notebook = await ready(notebooks, python)
    failed = await notebook.run("%pkg install no-such-package-anywhere")
    assert failed.error["ename"] == "PkgError"
    assert "no-such-package-anywhere" in failed.error["evalue"]
    assert "Traceback" not in "".join(failed.error["traceback"])
    hinted = await notebook.run("import cv2")
    (data,) = hinted.displays.values()
    assert data["text/plain"].endswith("%pkg install opencv-python")
    assert data[MIME]["part"] == "hint"
    assert (data[MIME]["module"], data[MIME]["kernel"]) == ("cv2", notebook.id)


PANEL = "next(iter(__import__('jupyter_pkgmgr.kernel').kernel._faces.values()))._ready().panel_service()"


async def ask_panel(notebook: Notebook, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What a panel inside the notebook is answered."""
    path, _, query = path.partition("?")
    request = {"method": method, "path": path, "query": dict(item.split("=") for item in query.split("&") if item)}
    answer: dict[str, Any] = await notebook.value(f"{PANEL}({ {**request, 'body': body, 'headers': {}}!r})")
    return answer


async def follow_panel(notebook: Notebook, begun: dict[str, Any]) -> dict[str, Any]:
    """The job that a panel began, when it has ended."""
    assert begun["status"] == 202, begun["body"]
    job: dict[str, Any] = begun["body"]
    while job["ended"] is None:
        job = (await ask_panel(notebook, "GET", f"jobs/{job['id']}/events?after={job['last']}&wait=20"))["body"]["job"]
    return job


async def test_a_panel_in_a_notebook_is_answered_by_the_server(
    notebooks: Notebooks, python: Path, rest: Rest, tmp_path: Path
) -> None:
    notebook = await ready(notebooks, python)
    other = make_venv(tmp_path / "other")
    kernelspec(tmp_path, "other", other)
    (environment,) = (await ask_panel(notebook, "GET", "environments"))["body"]["environments"]
    assert environment["prefix"] == str(python.parents[1]), "and no other, though the server knows its own"
    place = f"environments/{environment['id']}"
    planned = await follow_panel(
        notebook, await ask_panel(notebook, "POST", f"{place}/plans", {"command": "install tb-pure"})
    )
    done = await follow_panel(notebook, await ask_panel(notebook, "POST", "jobs", {"plan": planned["result"]["plan"]}))
    assert (done["state"], done["kernel"], done["face"]) == ("succeeded", notebook.id, "widget"), done["error"]
    assert (await notebook.run("import tb_pure")).status == "ok"
    assert done["id"] in {job["id"] for job in (await rest.get("jobs")).body["jobs"]}, "other windows see it"
    elsewhere = await rest.environment(Path(sys.prefix))
    await rest.plan(elsewhere, "install tb-pure")
    assert {job["environment"] for job in (await ask_panel(notebook, "GET", "jobs"))["body"]["jobs"]} == {
        environment["id"]
    }
    for path in (f"environments/{elsewhere}/packages", f"environments/{elsewhere}/history", "kernels"):
        assert (await ask_panel(notebook, "GET", path))["status"] == 403, path


@pytest.mark.parametrize("settings", [{"read_only": True}])
@pytest.mark.parametrize("known", ["known", "forgotten"])
async def test_the_policy_binds_panel_and_command_with_the_server_and_without(
    notebooks: Notebooks, python: Path, extension: PkgmgrExtension, known: str
) -> None:
    notebook = await ready(notebooks, python)
    if known == "forgotten":
        extension.tokens.clear()  # the server knows the kernel no longer, as after a restart
    assert (await ask_panel(notebook, "GET", "settings"))["body"]["policy"]["read_only"] is True
    (environment,) = (await ask_panel(notebook, "GET", "environments"))["body"]["environments"]
    if known == "known":
        begun = await ask_panel(
            notebook, "POST", f"environments/{environment['id']}/plans", {"command": "install tb-pure"}
        )
        assert (await follow_panel(notebook, begun))["error"]["reference"] == "read-only-policy"
    typed = await notebook.run("%pkg install tb-pure")
    assert "allows no changes" in typed.error["evalue"] + "".join(typed.error["traceback"])


@pytest.fixture
def index(index_folder: Path) -> Iterator[Server]:
    """An index whose answers the test may delay."""
    with serve(index_folder) as server:
        yield server


async def begin(notebook: Notebook, index: Server) -> str:
    return await notebook.begin(f"%pkg install --index-url {index.index_url} tb-pure")


async def test_an_interrupt_cancels_the_job(notebooks: Notebooks, python: Path, rest: Rest, index: Server) -> None:
    index.fail("*.whl*", "hang")
    notebook = await ready(notebooks, python)
    number = await begin(notebook, index)
    job = await the_job(rest, notebook)
    await notebook.interrupt()
    outcome = await notebook.finish(number)
    assert outcome.status == "error"
    assert "stopped" in outcome.error["evalue"]
    assert (await rest.job(job))["state"] == "cancelled"
    assert (await notebook.run("print(6 * 7)")).stdout == "42\n"


@pytest.mark.parametrize("how", ["killed", "restarted"])
async def test_a_job_outlives_its_kernel(
    how: str, notebooks: Notebooks, python: Path, rest: Rest, index: Server
) -> None:
    index.latency = 1500  # whenever the kernel ends, the job ends well
    notebook = await ready(notebooks, python)
    await begin(notebook, index)
    job = await the_job(rest, notebook)
    if how == "killed":
        notebook.close()
        notebook.manager.stop_restarter()
        os.kill(notebook.manager.provisioner.pid, signal.SIGKILL)
    else:
        await notebook.restart()
        await notebook.attached()
    ended = await rest.job(job)
    assert ended["state"] == "succeeded", ended["error"]
    history = (await rest.get(f"environments/{ended['environment']}/history")).body["entries"]
    assert [entry["result"] for entry in history] == ["committed"]
    if how == "restarted":
        assert (await notebook.run("import tb_pure")).status == "ok"

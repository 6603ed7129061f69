"""%pkg in real kernels, on every interpreter of the machine, with nothing of ours in their environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_pkgmgr.kernel import attach
from tests.kernel.conftest import ROOT, VERSIONS, Kernel, StartKernel, kernels_in, make_peer

STARTUP = ROOT / "jupyter_pkgmgr" / "kernel" / "startup.py"
ALL = [*VERSIONS, "3.8-ipython7"]
OLDEST_AND_NEWEST = ["3.8-ipython7", VERSIONS[-1]]
NAMESPACE = "sorted(name for name in globals() if not name.startswith('_i'))"
MODULES = "sorted(__import__('sys').modules)"


@pytest.fixture(scope="module")
def attached(
    kernel_python: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Kernel]]:
    """Attach to a kernel of a version, with the misbehaving service; the tests of this module share it.

    So no test may rely on what is loaded in it, nor leave in it what another one could notice.
    """
    running: dict[str, Kernel] = {}
    folder = tmp_path_factory.mktemp("attached")
    peer = make_peer(folder)
    with kernels_in(folder) as start:

        def attach_to(version: str) -> Kernel:
            if version not in running:
                running[version] = start(kernel_python(version))
                assert running[version].run(attach.source(str(peer)), silent=True, history=False).status == "ok"
            return running[version]

        yield attach_to


@pytest.fixture
def unshared(kernel_python: Callable[[str], str], start_kernel: StartKernel, tmp_path: Path) -> Callable[[str], Kernel]:
    """Attach to a kernel that no other test has: a restart stays due in it."""

    def attach_to(version: str) -> Kernel:
        kernel = start_kernel(kernel_python(version))
        assert kernel.run(attach.source(str(make_peer(tmp_path))), silent=True, history=False).status == "ok"
        return kernel

    return attach_to


@pytest.mark.parametrize("version", ALL)
def test_a_silent_attachment_leaves_no_trace(
    version: str, kernel_python: Callable[[str], str], start_kernel: StartKernel
) -> None:
    kernel = start_kernel(kernel_python(version))
    assert kernel.run("1").execution_count == 1
    names, modules = kernel.value(NAMESPACE), kernel.value(MODULES)
    for _ in range(2):  # again does nothing
        outcome = kernel.run(attach.source(), silent=True, history=False)
        assert (outcome.status, outcome.shown, outcome.stdout, outcome.stderr) == ("ok", [], "", "")
    assert kernel.value(NAMESPACE) == names
    assert {name.partition(".")[0] for name in set(kernel.value(MODULES)) - set(modules)} == {"jupyter_pkgmgr"}
    assert kernel.value("_") == 1
    assert kernel.value("In[1:3]") == ["1"]
    assert kernel.run("2").execution_count == 2
    satisfied = kernel.run("%pkg install six")
    assert (satisfied.status, satisfied.stdout) == ("ok", "six 1.17.0 is already installed\n")
    assert kernel.value("type(get_ipython().magics_manager.magics['cell']['pkg']).__name__") == "method"


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_the_startup_file_attaches_before_the_first_cell(
    version: str, kernel_python: Callable[[str], str], start_kernel: StartKernel
) -> None:
    python = kernel_python(version)
    plain = start_kernel(python).value(NAMESPACE)
    kernel = start_kernel(python, f"--IPKernelApp.exec_files={STARTUP}")
    assert kernel.value(NAMESPACE) == plain
    assert kernel.value("__doc__") == "Automatically created module for IPython interactive environment"
    assert kernel.run("%pkg install six").stdout == "six 1.17.0 is already installed\n"
    again = kernel.run("%load_ext jupyter_pkgmgr")
    assert (again.status, again.stdout, again.stderr) == ("ok", "", "")
    assert kernel.run("%unload_ext jupyter_pkgmgr").status == "ok"
    gone = kernel.run("%pkg install six")
    assert "%pkg" in gone.stderr + str(gone.error)
    assert gone.stdout == ""


@pytest.mark.parametrize("version", ALL)
def test_displays_update_in_place_and_errors_are_short(version: str, attached: Callable[[str], Kernel]) -> None:
    kernel = attached(version)
    steps = kernel.run("%pkg steps")
    assert steps.status == "ok"
    assert [data["text/plain"] for data in steps.shown] == [
        "plan 1",
        "progress 1",
        "progress 2",
        "progress 3",
        "done 1",
    ]
    assert steps.texts == ["plan 1", "progress 3", "done 1"]
    failed = kernel.run("%pkg fail")
    assert failed.status == "error"
    assert failed.error["ename"] == "PkgError"
    assert failed.error["evalue"] == "no package is called nmupy"
    assert failed.error["traceback"] == ["error: no package is called nmupy", "hint: numpy is near"]
    assert failed.stderr == ""


def test_lines_and_cells_reach_the_service_as_they_were_typed(attached: Callable[[str], Kernel]) -> None:
    kernel = attached("3.11")
    kernel.run("name = 'pandas'")

    def params(code: str) -> tuple[str, str | None]:
        outcome = kernel.run(code)
        sent = json.loads(outcome.texts[0])
        assert sent["cwd"] == kernel.value("__import__('os').getcwd()")
        assert sent["facts"]["prefix"] == kernel.value("__import__('sys').prefix")
        assert sent["width"] == 100
        return sent["argv_line"], sent["cell"]

    assert params('%pkg params install x>=1 "y<2"  # why') == ('params install x>=1 "y<2"  # why', None)
    assert params("%pkg params install {name} $name==1") == ("params install pandas pandas==1", None)
    assert params("%%pkg params install\nx>=1\n{name}\n") == ("params install", "x>=1\n{name}\n")
    assert params("%pkg params ünïcode 'it''s; & | $(x)'") == ("params ünïcode 'it''s; & | $(x)'", None)


def test_the_child_has_nothing_of_the_kernel_and_ends_with_it(
    kernel_python: Callable[[str], str], start_kernel: StartKernel, peer: Path, tmp_path: Path
) -> None:
    kernel = start_kernel(kernel_python("3.12"), PYTHONPATH=str(tmp_path), PYTHONHASHSEED="0", KEPT="1")
    kernel.run(attach.source(str(peer)), silent=True, history=False)
    where = json.loads(kernel.run("%pkg where").texts[0])
    assert where["argv"] == ["-P", "-X", "utf8", "-m", "jupyter_pkgmgr.stdio"]
    assert where["cwd"] == "/"
    assert not [name for name in where["environ"] if name.startswith("PYTHON")]
    assert where["environ"]["KEPT"] == "1"
    assert json.loads(kernel.run("%pkg where").texts[0])["pid"] == where["pid"]
    assert os.getsid(where["pid"]) == where["pid"]
    child = psutil.Process(where["pid"])
    kernel.manager.shutdown_kernel(now=True)  # a kill: nothing in the kernel can run any more
    child.wait(30)


def test_a_service_that_died_is_started_again(attached: Callable[[str], Kernel]) -> None:
    kernel = attached("3.13")
    crashed = kernel.run("%pkg crash")
    assert crashed.error["evalue"] == "the package service ended unexpectedly (SIGKILL)"
    assert "note: a last word" in crashed.error["traceback"]
    assert kernel.run("%pkg steps").status == "ok"


def _pid(kernel: Kernel) -> int:
    return int(json.loads(kernel.run("%pkg where").texts[0])["pid"])


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("slow", "stopped; nothing was changed"),
        ("late", "interrupted, but the work was done already"),
    ],
)
def test_an_interrupt_stops_the_work(
    version: str, command: str, message: str, attached: Callable[[str], Kernel]
) -> None:
    kernel = attached(version)
    pid = _pid(kernel)
    outcome = kernel.run(f"%pkg {command}", on_display=kernel.interrupt)
    assert outcome.status == "error"
    assert outcome.error["evalue"] == message
    assert _pid(kernel) == pid  # the interrupt of the kernel didn't reach the child


def test_a_second_interrupt_ends_a_stubborn_service(attached: Callable[[str], Kernel]) -> None:
    kernel = attached("3.11")
    pid = _pid(kernel)
    # It shows something twice: when it begins, and when it was asked to stop and doesn't.
    outcome = kernel.run("%pkg stubborn", on_display=kernel.interrupt)
    assert outcome.error["evalue"] == "the service was ended before it could put things in order"
    assert outcome.error["traceback"] == [  # as an error of the service looks
        outcome.error["evalue"],
        "hint: %pkg doctor tells whether the environment is whole",
    ]
    assert not psutil.pid_exists(pid)
    assert kernel.run("%pkg steps").status == "ok"


@pytest.mark.parametrize("version", ["3.8", VERSIONS[-1]])
def test_what_was_installed_can_be_imported_in_the_next_line(version: str, unshared: Callable[[str], Kernel]) -> None:
    kernel = unshared(version)
    site = kernel.value("__import__('sysconfig').get_path('purelib')")
    assert kernel.run("import fresh_module").error["evalue"] == "No module named 'fresh_module'"
    installed = kernel.run(f"%pkg write {site}/fresh_module/__init__.py answer=42\nimport fresh_module")
    assert (installed.status, installed.texts) == ("ok", ["no restart needed"])
    assert kernel.value("fresh_module.answer") == 42
    source = f"{site}/../sources with space"
    kernel.run(f"%pkg write {site}/../elsewhere/edited_module.py answer=43")
    editable = kernel.run(f"%pkg write {site}/__editable__.pth ../elsewhere\\n{source}\nimport edited_module")
    assert editable.status == "ok", editable.error
    finder = kernel.run(f"%pkg write {site}/__finder__.pth import this_is_not_run")
    assert finder.texts == ["restart the kernel to import all of it: __finder__.pth runs when Python starts"]


@pytest.mark.parametrize("version", ["3.8", VERSIONS[-1]])
def test_the_verdict_names_what_is_loaded(version: str, unshared: Callable[[str], Kernel]) -> None:
    kernel = unshared(version)
    six = kernel.value("__import__('six').__file__")
    changed = {"changed_files": [six], "changed_packages": [{"name": "six", "action": "upgrade", "distributions": []}]}
    outcome = kernel.run(f"%pkg changed {json.dumps(changed)}")
    assert outcome.texts == ["restart the kernel to use what changed: six is loaded"]
    added = {"changed_packages": [{"name": "toolz", "action": "install", "distributions": ["toolz"]}]}
    outcome = kernel.run(f"%pkg changed {json.dumps(added)}")
    assert outcome.texts == ["the kernel still needs a restart for six, changed before"]
    changed = {"changed_packages": [{"name": "ipykernel", "action": "upgrade", "distributions": ["ipykernel"]}]}
    outcome = kernel.run(f"%pkg changed {json.dumps(changed)}")
    assert outcome.texts[0].startswith("restart the kernel now: ipykernel can't")


@pytest.mark.parametrize("version", ALL)
def test_a_missing_import_names_the_package_once(version: str, attached: Callable[[str], Kernel]) -> None:
    kernel = attached(version)
    kernel.run("%pkg steps")  # the service runs: the help has a second and a half, which starting it may take
    line = "cv2 is in the package opencv-python: %pkg install opencv-python"
    failed = kernel.run("import cv2")
    assert (failed.error["ename"], failed.texts) == ("ModuleNotFoundError", [line])
    assert kernel.run("import cv2").texts == []
    assert kernel.run("import yaml").texts == ["yaml is in the package pyyaml: %pkg install pyyaml"]
    wrapped = "try:\n import cv2\nexcept ImportError as error:\n raise ImportError('install opencv') from None"
    assert kernel.run(wrapped).texts == [line]
    for silent in ("import nobody_knows_this", "import tomllib_, distutils.nothing", "import six.nothing", "1/0"):
        assert kernel.run(silent).texts == []
    kernel.run("import os; os.environ['JUPYTER_PKGMGR_IMPORT_HELP'] = '0'")
    off = kernel.run("import yaml")
    kernel.run("del os.environ['JUPYTER_PKGMGR_IMPORT_HELP']")
    assert off.texts == []


def test_help_with_imports_is_silent_without_a_service(
    kernel_python: Callable[[str], str], start_kernel: StartKernel, tmp_path: Path
) -> None:
    kernel = start_kernel(kernel_python("3.11"), PATH="/usr/bin:/bin")
    kernel.run(attach.source(), silent=True, history=False)
    failed = kernel.run("import cv2")
    assert (failed.error["ename"], failed.texts, failed.stderr) == ("ModuleNotFoundError", [], "")
    asked = kernel.run("%pkg list")
    assert asked.error["evalue"] == "the package service isn't installed where this kernel can find it"
    kernel.run(f"import os; os.environ['JUPYTER_PKGMGR_PYTHON'] = {str(tmp_path / 'none')!r}")
    asked = kernel.run("%pkg list")
    assert asked.error["evalue"].startswith(str(tmp_path / "none"))


def test_completion_offers_verbs_and_options(attached: Callable[[str], Kernel]) -> None:
    kernel = attached("3.11")
    for code, expected in (("%pkg ins", ["install"]), ("%pkg install --upg", ["--upgrade"])):
        kernel.client.complete(code, len(code))
        reply = kernel.client.get_shell_msg(timeout=30)["content"]
        assert reply["matches"] == expected

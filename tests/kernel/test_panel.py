"""``%pkg panel``: the widget protocol and the panel's requests, spoken with a real kernel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr import widget
from testbed.index import Server

from .conftest import ROOT, Kernel, StartKernel

STATIC = Path(widget.__file__).parent / "static"
LOAD = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n%load_ext jupyter_pkgmgr"


@pytest.fixture
def load(tmp_path: Path) -> str:
    """What brings us into a kernel. No front end runs here: where ours isn't built, any file is as good."""
    if (STATIC / "panel.js").is_file():
        return LOAD
    for name in ("panel.js", "panel.css"):
        (tmp_path / name).write_text("/* not built */")
    return f"{LOAD}\nimport jupyter_pkgmgr.widget.panel\njupyter_pkgmgr.widget.panel.STATIC = {str(tmp_path)!r}"


def messages(kernel: Kernel, kind: str) -> dict[str, Any]:
    """The next message of a kind that the kernel publishes."""
    while True:
        message: dict[str, Any] = kernel.client.get_iopub_msg(timeout=60)
        if message["msg_type"] == kind:
            return message


def open_panel(kernel: Kernel) -> dict[str, Any]:
    """Show the panel; returns the content of the message that opens its comm."""
    kernel.client.execute("%pkg panel")
    content: dict[str, Any] = messages(kernel, "comm_open")["content"]
    shown = messages(kernel, "display_data")["content"]["data"]
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] == content["comm_id"]
    return content


def ask(kernel: Kernel, comm: str, data: dict[str, Any]) -> dict[str, Any]:
    """Send one message over the comm; returns the answer."""
    message = kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
    kernel.client.shell_channel.send(message)
    answer: dict[str, Any] = messages(kernel, "comm_msg")["content"]["data"]
    return answer


def get(kernel: Kernel, comm: str, path: str, *, method: str = "GET", body: Any = None) -> dict[str, Any]:
    request = {"id": 7, "method": method, "path": path, "body": body, "headers": {}}
    answer: dict[str, Any] = ask(kernel, comm, {"method": "custom", "content": request})["content"]
    assert answer["id"] == 7
    return answer


def follow(kernel: Kernel, comm: str, job: str) -> dict[str, Any]:
    """Wait until a job has ended; returns its document."""
    after, ended = 0, False
    while not ended:
        page = get(kernel, comm, f"jobs/{job}/events?after={after}&wait=30")["body"]
        after, ended = page["next"], page["job"]["ended"] is not None
    found: dict[str, Any] = page["job"]
    assert found["state"] == "succeeded", found["error"]
    return found


@pytest.mark.parametrize("version", ["3.8", "3.11"])
def test_the_panel_speaks_for_the_kernels_environment(
    start_kernel: StartKernel, kernel_python: Callable[[str], str], load: str, version: str
) -> None:
    """On the oldest Python, too, and with nothing of widgets in the environment."""
    import sys  # noqa: PLC0415  the service's interpreter

    python = kernel_python(version)
    kernel = start_kernel(python, JUPYTER_PKGMGR_PYTHON=sys.executable)
    assert kernel.run(load).status == "ok"
    opened = open_panel(kernel)
    state = opened["data"]["state"]
    assert (state["_model_module"], state["_view_name"]) == ("anywidget", "AnyView")
    assert opened["target_name"] == "jupyter.widget"
    comm = opened["comm_id"]
    assert ask(kernel, comm, {"method": "request_state"})["state"] == state

    (environment,) = get(kernel, comm, "environments")["body"]["environments"]
    assert environment["prefix"] == str(Path(python).parents[1])
    assert get(kernel, comm, "kernels/this")["body"]["environment"] == environment["id"]
    packages = get(kernel, comm, f"environments/{environment['id']}/packages")["body"]["packages"]
    assert "ipykernel" in {package["name"] for package in packages}
    missing = get(kernel, comm, "environments/0000000000000000/packages")
    assert missing["status"] == 404
    assert missing["body"]["error"]["message"]
    for malformed in ({"id": 8}, {"path": 7, "id": 8}, None, [1]):
        answer = ask(kernel, comm, {"method": "custom", "content": malformed})["content"]
        assert answer["id"] == (8 if isinstance(malformed, dict) else None)
        assert answer["status"] in (400, 500)


def test_what_the_panel_changes_may_need_a_restart(
    start_kernel: StartKernel, kernel_python: Callable[[str], str], load: str, index_server: Server, tmp_path: Path
) -> None:
    import sys  # noqa: PLC0415  the service's interpreter

    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index_server.index_url, "UV_CACHE_DIR": str(tmp_path)}
    kernel = start_kernel(kernel_python("3.11-panel"), JUPYTER_PKGMGR_PYTHON=sys.executable, **settings)
    assert kernel.run(f"{load}\n%pkg install tb-alpha==1.0\nimport tb_alpha").status == "ok"
    comm = open_panel(kernel)["comm_id"]
    this = get(kernel, comm, "kernels/this")["body"]
    assert this["verdict"] is None
    body = {"command": "install tb-alpha==2.0"}
    planned = get(kernel, comm, f"environments/{this['environment']}/plans", method="POST", body=body)
    plan = follow(kernel, comm, planned["body"]["id"])["result"]
    applied = get(kernel, comm, "jobs", method="POST", body=plan)
    follow(kernel, comm, applied["body"]["id"])
    assert get(kernel, comm, "kernels/this")["body"]["verdict"] == {
        "level": "recommended",
        "modules": ["tb_alpha"],
        "text": "restart the kernel to use what changed: tb_alpha is loaded",
    }


def test_a_service_that_cannot_start_is_told_in_the_panel(
    start_kernel: StartKernel, kernel_python: Callable[[str], str], load: str, peer: Path
) -> None:
    kernel = start_kernel(kernel_python("3.11"), JUPYTER_PKGMGR_PYTHON=str(peer), PEER_START="die")
    assert kernel.run(load).status == "ok"
    answer = get(kernel, open_panel(kernel)["comm_id"], "settings")
    assert answer["status"] == 500
    assert answer["body"]["error"]["reference"] == "service-start"


def test_a_terminal_has_no_panel(capfd: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415  only here

    from jupyter_pkgmgr.kernel.errors import PkgError  # noqa: PLC0415
    from jupyter_pkgmgr.kernel.magic import PkgMagic  # noqa: PLC0415

    with pytest.raises(PkgError, match="a terminal can't show the panel"):
        PkgMagic(InteractiveShell()).run("panel")  # type: ignore[no-untyped-call]  # IPython has no types
    assert not capfd.readouterr().out

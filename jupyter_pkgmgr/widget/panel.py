"""A Jupyter widget without ipywidgets: the model is a comm, the view is anywidget's with a module of our own.

Neither ipywidgets nor anywidget need to be in the kernel's environment. The front end needs anywidget's half: it
comes with jupyter_pkgmgr beside Jupyter, and VS Code and Colab fetch it themselves. The messages are those of the
widget protocol 2.1 (ipywidgets, ``packages/schema/messages.md``); the names of the model are anywidget's.

The panel asks what it wants to know with messages ``{id, method, path, body, headers}``, and is answered with
``{id, status, body, headers}``: the REST API, carried over the comm to the service of this kernel.
"""

from __future__ import annotations

import contextvars
import importlib
import os
import threading
from typing import Any, Callable, Dict, Optional
from urllib.parse import parse_qsl, urlsplit

__all__ = ["PackagePanel"]

ANYWIDGET = "0"
"""Any version of anywidget's first major: the front end has one, and has no other to offer."""
PROTOCOL = "2.1.0"
STATIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
KERNEL = "this"
"""What the panel calls the kernel it is in: there is no other."""
Ask = Callable[[Dict[str, Any]], Dict[str, Any]]
Due = Callable[[], Optional[Dict[str, Any]]]


class PackagePanel:
    """The panel: show it by displaying it.

    Parameters
    ----------
    ask
        Takes a request ``{method, path, query, body, headers}``, returns ``{status, body, headers}``. Called from
        threads; may raise what it likes, the panel shows its message.
    due
        Says what the kernel needs after what was changed: ``{level, modules, text}``, or ``None`` for nothing.
    """

    def __init__(self, ask: Ask, due: Due) -> None:
        from comm import create_comm  # noqa: PLC0415  ipykernel brings it; a terminal needs none

        self._ask = ask
        self._due = due
        self._state = _state()
        self._comm = create_comm(
            target_name="jupyter.widget",
            data={"state": self._state, "buffer_paths": []},
            metadata={"version": PROTOCOL},
        )
        self._comm.on_msg(self._on_message)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self._comm.comm_id}
        return {"application/vnd.jupyter.widget-view+json": view, "text/plain": "the package panel"}

    def _on_message(self, message: dict[str, Any]) -> None:
        data = message["content"]["data"]
        if data.get("method") == "request_state":
            self._comm.send({"method": "update", "state": self._state, "buffer_paths": []})
        elif data.get("method") == "custom":
            # In a thread, so that the next cell needn't wait; in this context, in which ipykernel keeps the cell.
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(self._answer, data.get("content")), daemon=True).start()

    def _answer(self, request: Any) -> None:
        number = request.get("id") if isinstance(request, dict) else None
        try:
            address = urlsplit(str(request["path"]))
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            response = self._respond({**request, "path": address.path, "query": query})
            if address.path.startswith("jobs/"):
                importlib.invalidate_caches()  # what was installed meanwhile can be imported
        except Exception as error:  # noqa: BLE001  nobody else would hear of it: the panel shows the message
            response = _failure(error)
        self._comm.send({"method": "custom", "content": {"id": number, **response}})

    def _respond(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = {name: request.get(name) for name in ("method", "path", "query", "body", "headers")}
        if asked["path"] != f"kernels/{KERNEL}":
            return self._ask(asked)
        answer = self._ask({**asked, "path": "environments"})
        environments = answer["body"].get("environments") if answer["status"] == 200 else None  # noqa: PLR2004
        if not environments:
            return answer
        return {"status": 200, "body": _kernel(environments[0], self._due()), "headers": {}}


def _state() -> dict[str, Any]:
    try:
        esm, css = _read("panel.js"), _read("panel.css")
    except OSError as error:
        msg = f"the panel's front end isn't there: {error.filename} (make front builds it)"
        raise FileNotFoundError(msg) from error
    return {
        "_model_module": "anywidget",
        "_model_module_version": ANYWIDGET,
        "_model_name": "AnyModel",
        "_view_module": "anywidget",
        "_view_module_version": ANYWIDGET,
        "_view_name": "AnyView",
        "_view_count": None,
        "_anywidget_id": "jupyter_pkgmgr.widget.PackagePanel",
        "_esm": esm,
        "_css": css,
        "kernel": KERNEL,
    }


def _read(name: str) -> str:
    with open(os.path.join(STATIC, name), encoding="utf-8") as file:
        return file.read()


def _kernel(environment: dict[str, Any], verdict: dict[str, Any] | None) -> dict[str, Any]:
    """What a server would say of this kernel."""
    return {
        "schema": 1,
        "id": KERNEL,
        "name": "",
        "display_name": "",
        "language": "python",
        "environment": environment["id"],
        "remote": False,
        "attached": "attached",
        "why": "",
        "mismatch": None,
        "verdict": verdict,
    }


def _failure(error: Exception) -> dict[str, Any]:
    parts: Dict[str, Any] = {name: getattr(error, name, None) for name in ("note", "hint", "detail")}
    document = {"reference": getattr(error, "reference", "panel"), "message": str(error), "context": [], **parts}
    return {"status": 500, "body": {"schema": 1, "error": document}, "headers": {}}

"""What Jupyter itself knows: kernels that run and kernelspecs. Asked from any thread, answered on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

__all__ = ["JupyterFacts", "RunningKernel"]

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds for the event loop or a gateway to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningKernel:
    """One kernel as its manager tells."""

    id: str
    name: str
    """Its kernelspec's."""
    display_name: str
    language: str
    kernelspec: Mapping[str, Any]
    """Content of its ``kernel.json``."""
    local: bool
    """Whether its process was started on this machine."""
    pid: int | None
    cwd: Path | None


class JupyterFacts:
    """The running Jupyter server, for those who don't live on its event loop."""

    def __init__(self, serverapp: ServerApp, loop: asyncio.AbstractEventLoop) -> None:
        self._app = serverapp
        self._loop = loop

    def running(self) -> tuple[RunningKernel, ...]:
        """The kernels that run."""
        return self._ask(self._running())

    def kernelspecs(self) -> dict[str, Mapping[str, Any]]:
        """Each kernelspec's ``kernel.json`` by name, with its ``resource_dir``."""
        return self._ask(self._kernelspecs())

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(PATIENCE)

    async def _running(self) -> tuple[RunningKernel, ...]:
        manager: Any = self._app.kernel_manager
        models: list[Mapping[str, Any]] = await ensure_async(manager.list_kernels())
        kernels = [_running_kernel(model, manager) for model in models]
        return tuple(kernel for kernel in kernels if kernel is not None)

    async def _kernelspecs(self) -> dict[str, Mapping[str, Any]]:
        if self._app.gateway_config.gateway_enabled:  # they are the gateway's, and so are their paths
            return {}
        manager: Any = self._app.kernel_spec_manager
        specs: Mapping[str, Any] = await ensure_async(manager.get_all_specs())
        return {name: {**item["spec"], "resource_dir": item.get("resource_dir", "")} for name, item in specs.items()}


def _running_kernel(model: Mapping[str, Any], manager: Any) -> RunningKernel | None:
    try:
        kernel = manager.get_kernel(model["id"])
    except KeyError:  # it ended between two questions
        return None
    spec: Any = getattr(kernel, "kernel_spec", None)  # a gateway's kernel has none
    provisioner = getattr(kernel, "provisioner", None)
    local = isinstance(provisioner, LocalProvisioner)
    pid = getattr(provisioner, "pid", None) if local else None
    return RunningKernel(
        id=str(model["id"]),
        name=str(model["name"]),
        display_name=getattr(spec, "display_name", "") or str(model["name"]),
        language=(getattr(spec, "language", "") or "").lower(),
        kernelspec={**spec.to_dict(), "resource_dir": spec.resource_dir} if hasattr(spec, "to_dict") else {},
        local=local,
        pid=pid,
        cwd=_cwd(pid),
    )


def _cwd(pid: int | None) -> Path | None:
    """Where a process is; Linux tells."""
    if pid is None:
        return None
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None

"""What the API asks of this server: environments, kernels, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.api import Environments, Kernel

from .environments import EnvironmentFinder, KernelFinding
from .jupyter import JupyterFacts, RunningKernel
from .kernels import Attachment, KernelRegistry, KnownKernel

__all__ = ["ServerHost"]

OPENAPI = Path(__file__).with_name("openapi.yaml")


class ServerHost:
    """A :class:`jupyter_pkgmgr.api.Host`. Called from threads; the event loop is asked, never blocked."""

    def __init__(
        self,
        *,
        jupyter: JupyterFacts,
        finder: EnvironmentFinder,
        registry: KernelRegistry,
        environments: Environments,
        settings: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._jupyter = jupyter
        self._finder = finder
        self._registry = registry
        self._environments = environments
        self._settings = settings

    def discover(self) -> Sequence[str]:
        """Register every environment that is written down somewhere, and forget those whose folder is gone."""
        findings = self._finder.find()
        for found in findings.environments:
            self._environments.register(found.environment, kernelspecs=found.kernelspecs)
        for known in self._environments.known():
            if not known.environment.prefix.is_dir():
                self._environments.forget(known.id)
        return findings.notes

    def kernels(self) -> Sequence[Kernel]:
        """Every kernel that runs, with the environment it runs in."""
        running = self._jupyter.running()
        findings = self._finder.of_kernels(running)
        return [self._kernel(kernel, finding) for kernel, finding in zip(running, findings, strict=True)]

    def kernel(self, kernel: str) -> Kernel | None:
        """One of them."""
        running = next((item for item in self._jupyter.running() if item.id == kernel), None)
        return self._kernel(running, self._finder.of_kernel(running)) if running else None

    def judged(self, kernel: str, transaction: str, verdict: Mapping[str, Any]) -> None:  # noqa: ARG002  the latest counts
        """Remember what a kernel said of the latest change."""
        self._registry.note(kernel, verdict=verdict)

    def settings(self) -> Mapping[str, Any]:
        """What the front ends need to know of the configuration."""
        return self._settings()

    def openapi(self) -> str:
        """The description of the whole API."""
        return OPENAPI.read_text(encoding="utf-8")

    def _kernel(self, kernel: RunningKernel, finding: KernelFinding) -> Kernel:
        known = self._registry.get(kernel.id) or KnownKernel(id=kernel.id, attached=Attachment.OFF)
        environment = None
        if finding.environment is not None:
            environment = self._environments.register(finding.environment)
        return Kernel(
            id=kernel.id,
            name=kernel.name,
            display_name=kernel.display_name,
            language=kernel.language,
            environment=environment,
            remote=known.is_remote or not kernel.local,
            attached=known.attached.value,
            why=known.why or (finding.problem.message if finding.problem else ""),
            mismatch=finding.mismatch,
            verdict=known.verdict,
        )

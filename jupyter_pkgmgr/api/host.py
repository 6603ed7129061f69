"""What the API asks of whoever hosts it: a Jupyter server knows kernels, a kernel's child knows none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Alone", "Host", "Kernel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One running kernel, as everybody may see it."""

    id: str
    name: str = ""
    """Its kernelspec's."""
    display_name: str = ""
    language: str = ""
    environment: str | None = None
    """The id of its environment; ``None`` where that isn't known, or isn't on this machine."""
    remote: bool = False
    attached: str = "off"
    """``attached``, ``pending``, ``off``, ``unsupported``, ``remote`` or ``failed``."""
    why: str = ""
    """One sentence, empty where it is attached."""
    mismatch: str | None = None
    verdict: Mapping[str, Any] | None = None
    """``{level, modules, text}`` after the latest change of its environment."""

    def to_json(self) -> dict[str, Any]:
        """The kernel as a JSON object."""
        return {
            "id": self.id,
            "name": self.name,
            "display_name": self.display_name,
            "language": self.language,
            "environment": self.environment,
            "remote": self.remote,
            "attached": self.attached,
            "why": self.why,
            "mismatch": self.mismatch,
            "verdict": dict(self.verdict) if self.verdict is not None else None,
        }


class Host(Protocol):
    """Whoever carries requests to the API. Its methods are called from any thread, and may take their time."""

    def discover(self) -> Sequence[str]:
        """Register every environment that can be found; returns a sentence for each place that led nowhere."""
        ...

    def kernels(self) -> Sequence[Kernel]:
        """The kernels that run."""
        ...

    def kernel(self, kernel: str) -> Kernel | None:
        """One of them."""
        ...

    def judged(self, kernel: str, transaction: str, verdict: Mapping[str, Any]) -> None:
        """Take a kernel's verdict on a transaction: ``{level, modules, text}``."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """What the front ends need to know of the host's configuration: ``attach``, say."""
        ...

    def openapi(self) -> str:
        """The OpenAPI file's text."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """A host without kernels of its own: the child of one."""

    configuration: Mapping[str, Any] = field(default_factory=dict)

    def discover(self) -> Sequence[str]:
        """Everything that there is was registered before."""
        return ()

    def kernels(self) -> Sequence[Kernel]:
        """None that it could speak of."""
        return ()

    def kernel(self, kernel: str) -> Kernel | None:  # noqa: ARG002  there is none
        """None."""
        return None

    def judged(self, kernel: str, transaction: str, verdict: Mapping[str, Any]) -> None:
        """Nobody here wants to know."""

    def settings(self) -> Mapping[str, Any]:
        """What it was made with."""
        return self.configuration

    def openapi(self) -> str:
        """None: the server has it."""
        return ""

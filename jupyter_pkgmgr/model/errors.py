"""The one exception tree of the project.

::

    PkgError
    ├── UsageError            what was typed makes no sense
    │   └── InvalidSpecError      a spec that no ecosystem can read
    ├── EnvironmentProblem    the environment can't be found, read or identified
    ├── PolicyError           the environment may not be changed this way
    ├── CatalogError          an index or a channel
    │   ├── PackageNotFoundError  no such package (with near names)
    │   │   └── DependencyNotFoundError  one that another package needs
    │   ├── VersionNotFoundError  the package exists, that version doesn't
    │   └── UnreachableError      down, refused, unauthorized, or answered garbage
    ├── EngineError           an external tool
    │   ├── EngineNotFoundError   not there, or too old
    │   ├── ConflictError         the solver found no solution
    │   ├── UnknownFormatError    the tool's output has a version we don't know
    │   ├── DiskFullError         no space left
    │   └── EngineKilledError     ended by a signal that we did not send
    ├── PlanError             a plan that can't be applied
    │   ├── PlanBlockedError      it has blockers
    │   └── PlanOutdatedError     the environment changed since
    ├── VerificationError     applied, but the result isn't what the plan said
    └── CancelledError        the user stopped it

Every error carries a kebab-case ``reference``, a ``message`` and, where they help, ``context`` (facts), a
``note`` (why) and a ``hint`` (what to type next). A face renders them; nothing here formats for one.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from .redact import redact

__all__ = [
    "CancelledError",
    "CatalogError",
    "ConflictError",
    "DependencyNotFoundError",
    "DiskFullError",
    "EngineError",
    "EngineKilledError",
    "EngineNotFoundError",
    "EnvironmentProblem",
    "InvalidSpecError",
    "PackageNotFoundError",
    "PkgError",
    "PlanBlockedError",
    "PlanError",
    "PlanOutdatedError",
    "PolicyError",
    "UnknownFormatError",
    "UnreachableError",
    "UsageError",
    "VerificationError",
    "VersionNotFoundError",
]


class PkgError(Exception):
    """Anything that can go wrong and be explained to a user.

    Parameters
    ----------
    message
        One sentence without a full stop that says what happened.
    reference
        Kebab-case name of this situation; stable, so that docs and tests can point at it.
    context
        Facts, each one line: ``"numpy 1.26.4 is owned by conda"``.
    note
        Why it happened, where that isn't obvious.
    hint
        What to type next.
    detail
        The long version (a solver's whole report, a tool's output); faces show it only when asked with ``-v``.
    """

    default_reference: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        reference: str | None = None,
        context: tuple[str, ...] = (),
        note: str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reference = reference or self.default_reference
        self.context = context
        self.note = note
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return self.message

    def to_json(self) -> dict[str, Any]:
        """The error as the JSON object that every face receives; without credentials, whatever stands in its texts."""
        return {
            "reference": self.reference,
            "message": redact(self.message),
            "context": [redact(fact) for fact in self.context],
            "note": self.note and redact(self.note),
            "hint": self.hint and redact(self.hint),
            "detail": self.detail and redact(self.detail),
        }


class UsageError(PkgError):
    """What was typed makes no sense."""

    default_reference = "usage"


class InvalidSpecError(UsageError):
    """A spec that no ecosystem can read."""

    default_reference = "invalid-spec"


class EnvironmentProblem(PkgError):  # noqa: N818  "EnvironmentError" is a builtin alias of OSError
    """The environment can't be found, read or identified."""

    default_reference = "environment"


class PolicyError(PkgError):
    """The environment may not be changed this way."""

    default_reference = "policy"


class CatalogError(PkgError):
    """An index or a channel doesn't give what is needed."""

    default_reference = "catalog"


class PackageNotFoundError(CatalogError):
    """No such package; the context has near names."""

    default_reference = "package-not-found"


class DependencyNotFoundError(PackageNotFoundError):
    """A package that another one needs, and that no index has."""

    default_reference = "dependency-not-found"
    requirement = ""
    """What is needed, as its dependent says it: ``"tb-gamma>=1"``."""
    needed_by = ""

    @classmethod
    def of(cls, requirement: str, needed_by: str, *, detail: str | None = None) -> Self:
        """The error for what an index lacks."""
        error = cls(f"no index has {requirement}, which {needed_by} needs", detail=detail)
        error.requirement, error.needed_by = requirement, needed_by
        return error


class VersionNotFoundError(CatalogError):
    """The package exists, that version doesn't."""

    default_reference = "version-not-found"


class UnreachableError(CatalogError):
    """Down, refused, unauthorized, or answered garbage."""

    default_reference = "unreachable"


class EngineError(PkgError):
    """An external tool failed."""

    default_reference = "engine-failed"


class EngineNotFoundError(EngineError):
    """The tool isn't there, can't be run, or is too old."""

    default_reference = "engine-not-found"


class ConflictError(EngineError):
    """The solver found no solution."""

    default_reference = "conflict"


class UnknownFormatError(EngineError):
    """The tool's output has a version or a shape we don't know."""

    default_reference = "unknown-format"


class DiskFullError(EngineError):
    """No space left on the device."""

    default_reference = "disk-full"


class EngineKilledError(EngineError):
    """Ended by a signal that we did not send."""

    default_reference = "engine-killed"


class PlanError(PkgError):
    """A plan that can't be applied."""

    default_reference = "plan"


class PlanBlockedError(PlanError):
    """The plan has blockers."""

    default_reference = "plan-blocked"


class PlanOutdatedError(PlanError):
    """The environment changed since the plan was made."""

    default_reference = "plan-outdated"


class VerificationError(PkgError):
    """Applied, but the result isn't what the plan said."""

    default_reference = "verification"


class CancelledError(PkgError):
    """The user stopped it."""

    default_reference = "cancelled"

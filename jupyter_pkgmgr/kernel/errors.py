"""The one exception that leaves this package: short in the cell, without a traceback, and still a failure."""

from __future__ import annotations

from typing import Any

__all__ = ["PkgError"]


class PkgError(Exception):
    """Something that went wrong and was explained.

    IPython shows an exception that has ``_render_traceback_`` in its own words, and counts the cell as failed
    all the same: "Run all" stops, nbclient raises.

    Parameters
    ----------
    message
        One sentence without a full stop.
    reference
        Kebab-case name of the situation, as the service has them.
    hint
        What to type next.
    note
        Why it happened.
    context
        More of what it is about, for whoever can do something about it.
    text
        The whole error as the service rendered it; without it, it is made from the parts.
    """

    def __init__(
        self,
        message: str,
        *,
        reference: str = "error",
        hint: str | None = None,
        note: str | None = None,
        text: str | None = None,
        detail: str | None = None,
        context: Any = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reference = reference
        self.hint = hint
        self.note = note
        self.detail = detail
        self.context = tuple(context)
        self.text = text or "\n".join(
            [message] + [f"{word}: {part}" for word, part in (("note", note), ("hint", hint)) if part]
        )

    @classmethod
    def from_json(cls, error: dict[str, Any]) -> PkgError:
        """The error that the service sent."""
        return cls(
            str(error.get("message") or "the service reported an error without a message"),
            reference=str(error.get("reference") or "error"),
            hint=error.get("hint"),
            note=error.get("note"),
            text=error.get("text"),
            detail=error.get("detail"),
            context=error.get("context") or (),
        )

    def _render_traceback_(self) -> list[str]:
        return self.text.splitlines()

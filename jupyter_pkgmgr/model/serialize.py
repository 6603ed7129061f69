"""The JSON form of model objects: what crosses a process, a socket or ends in a file."""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import PurePath
from typing import Any

from .redact import redact

__all__ = ["SCHEMA", "to_json"]

SCHEMA = 1
"""Version of every JSON document that leaves the service; a reader refuses one it doesn't know."""


def to_json(value: object) -> Any:  # noqa: PLR0911  a return for each kind of value
    """Turn a model object into plain JSON values.

    Dataclass fields marked ``private`` are left out, and so is the ``schema`` number: the document that
    holds the object carries it once. Credentials in URLs are redacted here, so that no face can forget to.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return redact(value) if "/" in value else value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not field.metadata.get("private")
        }
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

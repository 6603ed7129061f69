"""How much of the past is kept: settings of the user.

The environment variables ``JUPYTER_PKGMGR_KEEP`` and ``JUPYTER_PKGMGR_KEEP_BYTES`` come first, then the user's
``jupyter_pkgmgr.toml`` and the machine's, in the platform's folders for configuration (``~/.config/jupyter_pkgmgr/``
and ``/etc/xdg/jupyter_pkgmgr/`` on Linux)::

    [history]
    keep = 20               # snapshots
    keep-bytes = "2 GiB"    # that all of them together may hold; a number, or with kB, MB, GB, KiB, MiB, GiB
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from jupyter_pkgmgr.model.errors import UsageError

__all__ = ["Limits", "read_limits"]

_KEYS = {"keep": "JUPYTER_PKGMGR_KEEP", "keep-bytes": "JUPYTER_PKGMGR_KEEP_BYTES"}
_FILE = "jupyter_pkgmgr.toml"
_TABLE = "history"
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY_UNITS = {f"{prefix}i": 1024**power for power, prefix in enumerate("kmgt", start=1)}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many snapshots are kept, and how large all of them together may be. The newest is always kept."""

    keep: int = 20
    max_bytes: int = 2 * 1024**3
    keep_source: str = "default"
    max_bytes_source: str = "default"

    def in_words(self) -> tuple[tuple[str, str], ...]:
        """Each as (name, value and source)."""
        return (
            ("keep", f"{self.keep} snapshots ({self.keep_source})"),
            ("keep-bytes", f"{_in_units(self.max_bytes)} ({self.max_bytes_source})"),
        )


def read_limits() -> Limits:
    """The limits in force, each with the place where it was set.

    Raises
    ------
    UsageError
        If a setting makes no sense.
    """
    found: dict[str, tuple[Any, str]] = {}
    for key, value, source in (*_from_variables(), *_from_files()):
        found.setdefault(key, (value, source))
    keep, keep_source = found.get("keep", (Limits().keep, "default"))
    size, size_source = found.get("keep-bytes", (Limits().max_bytes, "default"))
    return Limits(
        keep=_count(keep, keep_source),
        max_bytes=_bytes(size, size_source),
        keep_source=keep_source,
        max_bytes_source=size_source,
    )


def _from_variables() -> Iterator[tuple[str, str, str]]:
    for key, variable in _KEYS.items():
        if value := os.environ.get(variable, "").strip():
            yield key, value, variable


def _from_files() -> Iterator[tuple[str, Any, str]]:
    for folder in (platformdirs.user_config_path, platformdirs.site_config_path):
        path = folder("jupyter_pkgmgr", appauthor=False) / _FILE
        for key, value in _table(path).items():
            if key not in _KEYS:
                raise _wrong(f"{path} has an unknown setting {key!r}", f"what can be set: {', '.join(_KEYS)}")
            yield key, value, str(path)


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get(_TABLE, {})
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"{path} can't be read: {error}", "mend it, or delete it") from error
    if not isinstance(table, dict):
        raise _wrong(f"{_TABLE} in {path} is no table", f"[{_TABLE}]")
    return table


def _count(value: object, source: str) -> int:
    number = str(value).strip()
    if isinstance(value, bool) or not (number.isascii() and number.isdecimal()):
        raise _wrong(f"keep is {value!r} in {source}, which is no number of snapshots", "keep = 20")
    return int(number)


def _bytes(value: object, source: str) -> int:
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    unit = ({**_UNITS, **_BINARY_UNITS}).get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise _wrong(f"keep-bytes is {value!r} in {source}, which is no size", 'keep-bytes = "2 GiB"')
    return int(float(match[1]) * unit)


def _wrong(message: str, hint: str) -> UsageError:
    return UsageError(message, reference="bad-setting", hint=hint)


def _in_units(count: int) -> str:
    """A number of bytes as one reads it."""
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"

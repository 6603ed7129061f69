"""Write a file that a user named: whole or not at all, and never over another one without being told to."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from jupyter_pkgmgr.model.errors import UsageError

__all__ = ["write_file"]


def write_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file. One that says the very same already is left alone.

    Raises
    ------
    UsageError
        If there is another file of that name, or it can't be written.
    """
    path = path.resolve()  # a link keeps leading where it led
    try:
        if path.exists() and _says(path, text):
            return
        _write(path, text.encode(), overwrite=overwrite)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already and says something else",
            reference="file-exists",
            hint=f"another name, or --force overwrites it: %pkg export --force {path.name}",
        ) from None
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", reference="path-not-writable") from error


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _write(path: Path, content: bytes, *, overwrite: bool) -> None:
    new = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        with new.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            with contextlib.suppress(FileNotFoundError):
                new.chmod(path.stat().st_mode & 0o777)
            os.replace(new, path)  # noqa: PTH105
        else:
            _put(new, path)
    finally:
        new.unlink(missing_ok=True)


def _put(new: Path, path: Path) -> None:
    """Give a file its name, which must be free: a hard link tells that at the very moment, where there are any."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(new, path)  # noqa: PTH105

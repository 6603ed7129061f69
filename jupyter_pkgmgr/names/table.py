"""Sorted text tables that are searched without being parsed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

__all__ = ["Table"]


class Table:
    """A file of ``key<TAB>value`` lines sorted by their bytes, below a header of ``# key: value`` lines.

    A look-up reads the file once and bisects its bytes; only :attr:`keys` splits it into lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _content(self) -> tuple[dict[str, str], bytes]:
        data = self.path.read_bytes()
        header = {}
        start = 0
        while data.startswith(b"# ", start):
            end = data.index(b"\n", start)
            key, _, value = data[start + 2 : end].decode().partition(": ")
            header[key] = value
            start = end + 1
        return header, data[start:]

    @property
    def header(self) -> dict[str, str]:
        """Where the table comes from, as it says itself."""
        return self._content[0]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order of the file."""
        return tuple(line.partition("\t")[0] for line in self._content[1].decode().splitlines())

    def get(self, key: str) -> str | None:
        """What stands behind ``key``: text with further tabs in it, or ``None`` if the key isn't there."""
        if "\t" in key or "\n" in key:
            return None
        data, wanted = self._content[1], key.encode() + b"\t"
        low, high = 0, len(data)
        while low < high:
            start = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = data.index(b"\n", start)
            line = data[start:end]
            if line.startswith(wanted):
                return line[len(wanted) :].decode()
            if line < wanted:
                low = end + 1
            else:
                high = start
        return None

    def lines_with(self, text: str) -> Iterator[tuple[str, str]]:
        """Key and value of every line that has this text in its value, or in its key."""
        data, wanted = self._content[1], text.encode()
        found = data.find(wanted)
        while found >= 0:
            start, end = data.rfind(b"\n", 0, found) + 1, data.index(b"\n", found)
            key, _, value = data[start:end].decode().partition("\t")
            yield key, value
            found = data.find(wanted, end)

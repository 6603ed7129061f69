"""The user's package indexes: what pip's and uv's configuration say, and where each value was read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """Indexes in force. URLs may hold credentials: they go to engines, never to a face."""

    index_url: str
    """The main index's simple API."""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cert: str = ""
    """Path to a CA bundle, or empty."""
    client_cert: str = ""
    proxy: str = ""
    timeout: float = 15.0
    """Seconds to wait for an answer."""
    pre: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    offline: bool = False
    source: str = "default"
    """Where the main index was read: a file's path, ``environment variable NAME`` or ``default``."""
    sources: tuple[tuple[str, str], ...] = ()
    """(setting, where it was read) for each of the others that was set."""

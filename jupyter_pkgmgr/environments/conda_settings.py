"""Conda's settings in force for one environment, and where each value was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CondaSettings", "Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value in force: ``source`` is a file's path, ``environment variable NAME`` or ``default``."""

    name: str
    value: object
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSettings:
    """What ``conda config --show`` would say, as far as it matters for installing.

    Channels are given as base URLs (``https://host/conda-forge``), in priority order, with
    ``defaults``, multichannels, custom channels and the alias resolved. URLs may hold credentials:
    they go to engines, never to a face.
    """

    channels: tuple[str, ...]
    channel_names: tuple[str, ...]
    """The same channels as the user wrote them."""
    channel_priority: str
    """``strict``, ``flexible`` or ``disabled``."""
    pinned_packages: tuple[str, ...]
    """MatchSpecs from ``pinned_packages`` and ``conda-meta/pinned``."""
    allowlist_channels: tuple[str, ...]
    denylist_channels: tuple[str, ...]
    pkgs_dirs: tuple[Path, ...]
    envs_dirs: tuple[Path, ...]
    subdir: str
    """The platform, ``linux-64``."""
    offline: bool
    ssl_verify: bool | str
    """``True``, ``False``, a path to a CA bundle, or ``<truststore>``."""
    client_cert: str
    client_cert_key: str
    proxy_servers: tuple[tuple[str, str], ...]
    use_only_tar_bz2: bool
    repodata_fns: tuple[str, ...]
    remote_read_timeout: float
    solver: str
    settings: tuple[Setting, ...]
    """Every setting found anywhere, with its source, whether we know its meaning or not."""

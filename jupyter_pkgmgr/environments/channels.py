"""Channel names to URLs, as conda resolves them; and which channels an environment's packages came from.

Source: conda's documentation of channels (``channel_alias``, ``default_channels``, ``custom_channels``,
``custom_multichannels``, ``file://`` and token URLs).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .history import read_history

__all__ = ["DEFAULT_ALIAS", "ChannelRules", "channel_name", "installed_channels", "without_subdir"]

DEFAULT_ALIAS = "https://conda.anaconda.org"
"""conda's documented ``channel_alias``."""
_ANACONDA = "https://repo.anaconda.com"
_DEFAULT_CHANNELS = ("main", "r")
"""What ``defaults`` stands for, under ``{_ANACONDA}/pkgs``; Windows adds ``msys2``."""
_SUBDIR = re.compile(
    r"noarch|(?:linux|osx|win|freebsd|zos|emscripten|wasi)-(?:32|64|aarch64|arm64|armv6l|armv7l|ppc64|ppc64le|riscv64|s390x|z|wasm32)"
)
_TOKEN = re.compile(r"/t/[^/]+(?=/|$)")
_NOWHERE = frozenset({"nodefaults", "<unknown>", "None", ""})
"""Names that stand for no channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """The settings that turn a channel's name into URLs."""

    alias: str = DEFAULT_ALIAS
    default_channels: tuple[str, ...] | None = None
    """``None``: conda's own."""
    custom_channels: Mapping[str, str] = field(default_factory=lambda: {"pkgs/pro": _ANACONDA})
    """Base URL of a name; conda's own one is gone as soon as another is configured."""
    custom_multichannels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    local_folders: tuple[Path, ...] = ()
    """conda-build's output folders: the channel ``local``."""
    windows: bool = False

    def urls(self, name: str) -> tuple[str, ...]:
        """The base URLs of one channel as the user wrote it, in order; credentials stay in them."""
        name = _without_platforms(name.strip())
        if name in _NOWHERE:
            return ()
        if "://" in name:
            return (without_subdir(name),)
        if re.match(r"\.{1,2}[\\/]|[\\/~]|[A-Za-z]:[\\/]|\.{1,2}$", name):
            return (without_subdir(Path(os.path.abspath(Path(name).expanduser())).as_uri()),)  # noqa: PTH100
        return self._by_name(without_subdir(name))

    def _by_name(self, name: str) -> tuple[str, ...]:
        if name == "local":
            return tuple(folder.as_uri() for folder in self.local_folders)
        if name in self.custom_multichannels:
            return tuple(self._simple(member) for member in self.custom_multichannels[name])
        return self._defaults() if name == "defaults" else (self._named(name),)

    def _defaults(self) -> tuple[str, ...]:
        if self.default_channels is not None:
            return tuple(self._simple(channel) for channel in self.default_channels)
        names = (*_DEFAULT_CHANNELS, "msys2") if self.windows else _DEFAULT_CHANNELS
        return tuple(f"{_ANACONDA}/pkgs/{name}" for name in names)

    def _simple(self, channel: str) -> str:
        """A member of a multichannel: a URL, or a name under the alias."""
        return channel.rstrip("/") if "://" in channel else _join(self.alias, channel)

    def _named(self, name: str) -> str:
        """A name: under the base of the longest leading part that is known, or under the alias."""
        bases = self._bases()
        part = name
        while part:
            if base := bases.get(part):
                return _join(base if "://" in base else self.alias, name)
            part = part.rpartition("/")[0]
        return _join(self.alias, name)

    def _bases(self) -> dict[str, str]:
        """Base URL of every name conda knows: members of multichannels by their own names, then custom channels."""
        groups = {"defaults": self._defaults(), **self.custom_multichannels}
        members = (self._simple(member) for group in groups.values() for member in group)
        return dict(self._base_and_name(url) for url in members) | dict(self.custom_channels)

    def _base_and_name(self, url: str) -> tuple[str, str]:
        """Name and base of a member: relative to the alias where it lies there, else to its host."""
        if url.startswith(f"{self.alias.rstrip('/')}/"):
            return url.removeprefix(self.alias.rstrip("/")).strip("/"), self.alias
        parts = urlsplit(url)
        return parts.path.strip("/"), f"{parts.scheme}://{parts.netloc}"


def _join(base: str, name: str) -> str:
    """A channel's URL; conda puts a token of the base right before the name."""
    token = _TOKEN.search(base)
    base, before = (_TOKEN.sub("", base), token[0]) if token else (base, "")
    return f"{base.rstrip('/')}{before}/{name.strip('/')}"


def _without_platforms(name: str) -> str:
    """Platforms as in mamba's ``channel[linux-64,noarch]``."""
    return re.sub(r"\[[\w,\s-]*\]$", "", name)


def without_subdir(channel: str) -> str:
    """``https://host/conda-forge/linux-64`` is the channel ``https://host/conda-forge``."""
    head, slash, last = channel.rstrip("/").rpartition("/")
    return head if slash and _SUBDIR.fullmatch(last) else channel.rstrip("/")


def installed_channels(prefix: Path) -> tuple[str, ...]:
    """The channels the packages of an environment came from, the most used first.

    From ``conda-meta/history``, which is one file; where it is empty (rattler's installs), from the
    records. Members of conda's ``defaults`` are told as ``defaults``.
    """
    counts = Counter(channel_name(channel) for channel in read_history(prefix / "conda-meta" / "history").channels)
    if not counts:
        counts = Counter(channel_name(channel) for channel in _record_channels(prefix))
    for nowhere in (*_NOWHERE, "pypi", "@"):
        counts.pop(nowhere, None)
    return tuple(channel for channel, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def channel_name(channel: str) -> str:
    """A channel as one names it where nothing is configured: by its name on anaconda.org, or its URL."""
    channel = without_subdir(channel)
    if channel.startswith(f"{_ANACONDA}/pkgs/") or re.fullmatch(r"(?:pkgs/)?(?:main|r|msys2|free)", channel):
        return "defaults"
    parts = urlsplit(channel)
    if f"{parts.scheme}://{parts.netloc}" == DEFAULT_ALIAS and not parts.path.startswith("/t/"):
        return parts.path.strip("/")
    return channel


def _record_channels(prefix: Path) -> Iterable[str]:
    import msgspec  # noqa: PLC0415  40 ms, needed only where nothing is configured and the history is empty

    class Record(msgspec.Struct):
        channel: str = ""

    decoder = msgspec.json.Decoder(Record)
    for path in (prefix / "conda-meta").glob("*.json"):
        try:
            yield decoder.decode(path.read_bytes()).channel
        except (OSError, msgspec.DecodeError):
            continue  # a broken record is the inventory's to report; the others say enough here

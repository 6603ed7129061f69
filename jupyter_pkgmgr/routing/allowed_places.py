"""Which channels and indexes an administrator allows, whatever they are called in anybody's settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jupyter_pkgmgr.environments import CondaSettings, IndexSettings
from jupyter_pkgmgr.environments.channels import ChannelRules
from jupyter_pkgmgr.model import AdminPolicy, Ecosystem, is_within

__all__ = ["index_places", "is_allowed", "only_allowed_channels", "only_allowed_indexes"]

_VCS = ("git+", "hg+", "svn+", "bzr+")


def is_allowed(url: str, policy: AdminPolicy, ecosystem: Ecosystem) -> bool:
    """Whether packages of an ecosystem may be taken from a URL."""
    allowed = _channels(policy) if ecosystem is Ecosystem.CONDA else policy.allowed_indexes
    if allowed is None:
        return True
    for scheme in _VCS:
        url = url.removeprefix(scheme)
    return any(is_within(url, location) for location in allowed)


def _channels(policy: AdminPolicy) -> tuple[str, ...] | None:
    """URLs of the allowed channels; a name stands for conda's own place, whatever a user's settings make of it."""
    if policy.allowed_channels is None:
        return None
    rules = ChannelRules()
    return tuple(url for channel in policy.allowed_channels for url in rules.urls(channel))


def index_places(settings: IndexSettings) -> Iterator[str]:
    """The URLs of everything that PyPI packages would be looked for in."""
    if not settings.no_index:
        yield from (settings.index_url, *settings.extra_index_urls)
    for place in settings.find_links:
        yield _place(place)


def _place(place: str) -> str:
    return place if "://" in place else Path(place).absolute().as_uri()


def only_allowed_channels(settings: CondaSettings, policy: AdminPolicy) -> CondaSettings:
    """The settings without the channels that nothing may be taken from: there is no use in showing what they have."""
    pairs = [
        (name, url)
        for name, url in zip(_as_many(settings.channel_names, settings.channels), settings.channels, strict=False)
        if is_allowed(url, policy, Ecosystem.CONDA)
    ]
    if len(pairs) == len(settings.channels):
        return settings
    return replace(
        settings, channels=tuple(url for _, url in pairs), channel_names=tuple(dict.fromkeys(name for name, _ in pairs))
    )


def _as_many(names: tuple[str, ...], urls: tuple[str, ...]) -> tuple[str, ...]:
    """A name for each URL: one name can stand for several, and then the URLs serve as names."""
    return names if len(names) == len(urls) else urls


def only_allowed_indexes(settings: IndexSettings, policy: AdminPolicy) -> IndexSettings:
    """The settings without the indexes that nothing may be taken from."""
    if all(is_allowed(url, policy, Ecosystem.PYPI) for url in index_places(settings)):
        return settings
    main, *others = [
        *(url for url in (settings.index_url, *settings.extra_index_urls) if is_allowed(url, policy, Ecosystem.PYPI)),
        "",
    ]
    return replace(
        settings,
        index_url=main or settings.index_url,
        extra_index_urls=tuple(filter(None, others)),
        no_index=settings.no_index or not main,
        find_links=tuple(item for item in settings.find_links if is_allowed(_place(item), policy, Ecosystem.PYPI)),
    )

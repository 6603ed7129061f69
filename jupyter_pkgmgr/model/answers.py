"""What the service answers to those who only want to know."""

from __future__ import annotations

from dataclasses import dataclass

from .package import Ecosystem, Package

__all__ = ["Details", "Hint", "Reasons", "SearchAnswer", "SearchHit", "SettingsInForce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One package that a search found."""

    name: str
    version: str
    ecosystem: Ecosystem
    origin: str
    summary: str = ""
    installed: str = ""
    """The version that is installed, if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """What a search found, best match first, and what has to be said about it."""

    query: str
    hits: tuple[SearchHit, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Everything about one package."""

    name: str
    installed: tuple[Package, ...] = ()
    source: str = ""
    """Where it would be taken from."""
    versions: tuple[str, ...] = ()
    """Available ones there, newest first."""
    summary: str = ""
    license: str = ""
    imports: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    files: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Who needs a package: chains of names, each from something nobody needs down to the package."""

    package: Package
    chains: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsInForce:
    """Settings as (name, value and source) lines; secrets redacted."""

    summary: tuple[tuple[str, str], ...]
    everything: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What to type so that a missing import works."""

    package: str
    command: str
    text: str

"""What an administrator allows, whoever asks and however it is said. The rules only; routing enforces them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from .errors import UsageError
from .locations import is_location
from .package import Ecosystem

__all__ = ["AdminPolicy", "PackageRule", "ServerEnvironment"]

_RULE = re.compile(r"(?:(?P<ecosystem>conda|pypi)::)?(?P<pattern>[A-Za-z0-9._*?-]+)\s*(?P<version>[=<>!~].*)?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class ServerEnvironment(StrEnum):
    """What may be done to the environment that the Jupyter server runs in."""

    PROTECT = "protect"
    """The running Jupyter packages and what they need stay as they are; anything else may come, change and go."""
    READ_ONLY = "read-only"
    FREE = "free"
    """No more than elsewhere is protected there: what the kernel needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRule:
    """One line of a list of packages: a pattern of names, of one ecosystem or of both, with or without versions."""

    text: str
    pattern: str
    ecosystem: Ecosystem | None = None
    version: str = ""
    """PEP 440 constraint."""

    @classmethod
    def parse(cls, text: str) -> PackageRule:
        """Read ``numpy``, ``tensor*``, ``conda::openssl`` or ``numpy<2``.

        Raises
        ------
        UsageError
            If it is none of these.
        """
        match = _RULE.fullmatch(text.strip())
        try:
            version = str(SpecifierSet(match["version"] or "")) if match else ""
        except InvalidSpecifier:
            match = None
        if match is None:
            raise UsageError(
                f"{text!r} is no rule for packages",
                reference="bad-policy",
                hint="write numpy, tensor*, conda::openssl, pypi::torch or 'numpy<2'",
            )
        ecosystem = Ecosystem(match["ecosystem"]) if match["ecosystem"] else None
        return cls(text=text.strip(), pattern=_normal(match["pattern"]), ecosystem=ecosystem, version=version)

    def is_about(self, names: Iterable[tuple[Ecosystem | None, str]]) -> bool:
        """Whether one of a package's names is meant, each in its ecosystem; ``None``: rules of no ecosystem count."""
        return any(
            self.ecosystem in (None, ecosystem) and fnmatchcase(_normal(name), self.pattern)
            for ecosystem, name in names
        )

    def selects(self, version: str) -> bool | None:
        """Whether a version is meant; ``None`` where that can't be told because it has a form that PEP 440 lacks."""
        if not self.version:
            return True
        try:
            return SpecifierSet(self.version).contains(Version(version), prereleases=True)
        except InvalidVersion:
            return None


def _normal(name: str) -> str:
    """The name by PEP 503; wildcards stay."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminPolicy:
    """What an administrator allows. ``None`` in a list of what is allowed means: no limit."""

    read_only: bool = False
    """Nothing may be changed in any environment."""
    allow_packages: tuple[str, ...] | None = None
    """Rules (:class:`PackageRule`): nothing else may be installed, dependencies included."""
    deny_packages: tuple[str, ...] = ()
    """Rules: none of these may be installed, not as a dependency either. Removing them is always allowed."""
    allowed_channels: tuple[str, ...] | None = None
    """conda channels: URLs, with all that lies below them, or names at conda's own places."""
    allowed_indexes: tuple[str, ...] | None = None
    """Package indexes, ``find-links`` places and direct URLs: URLs, with all that lies below them."""
    no_source_builds: bool = False
    """Only wheels: building runs a package's code before anybody has looked at it."""
    no_direct: bool = False
    """No paths, URLs and VCS references: names of packages only."""
    server_environment: ServerEnvironment = ServerEnvironment.PROTECT

    def __post_init__(self) -> None:
        """Refuse what can't be understood at once, and not when somebody installs something."""
        for rule in (*(self.allow_packages or ()), *self.deny_packages):
            PackageRule.parse(rule)
        for url in (*(self.allowed_indexes or ()), *(self.allowed_channels or ())):
            if not is_location(url) and ("://" in url or url in (self.allowed_indexes or ()) or not _is_name(url)):
                raise UsageError(
                    f"{url!r} is no location that can be allowed",
                    reference="bad-policy",
                    note="it would have to be compared with what users name, and could mean two things",
                    hint="write https://host/path or file:///path, without query, '.' and '..'",
                )

    @property
    def allowed(self) -> tuple[PackageRule, ...] | None:
        """The rules of what may be installed; ``None`` where everything may."""
        return None if self.allow_packages is None else tuple(map(PackageRule.parse, self.allow_packages))

    @property
    def denied(self) -> tuple[PackageRule, ...]:
        """The rules of what may not be installed."""
        return tuple(map(PackageRule.parse, self.deny_packages))

    def in_words(self) -> tuple[tuple[str, str], ...]:
        """What differs from an administrator who limits nothing, as (name, value) lines."""
        default = AdminPolicy()
        return tuple(
            (field.name, _in_words(getattr(self, field.name)))
            for field in fields(self)
            if getattr(self, field.name) != getattr(default, field.name)
        )


def _is_name(channel: str) -> bool:
    return all(_NAME.fullmatch(part) for part in channel.split("/"))


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "yes" if value is True else str(value)

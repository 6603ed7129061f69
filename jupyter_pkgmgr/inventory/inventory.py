"""What is installed in one environment: packages, whose files are whose, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.model import Ecosystem, Environment, Package

from ._contents import Contents

__all__ = ["Distribution", "Inventory", "PackageState", "Problem"]


class PackageState(StrEnum):
    """What sets a package apart from one that simply is there."""

    USER_SITE = "user-site"
    """It lies in the user's own folder, which every environment of this Python minor shares."""
    OUTSIDE = "outside"
    """It lies in another environment's folder (``--system-site-packages``)."""
    SHADOWED = "shadowed"
    """An earlier folder on ``sys.path`` has a distribution of the same name."""
    DUPLICATE = "duplicate"
    """The same folder holds another distribution of the same name, which was installed later."""
    CLOBBERED = "pip-clobbered"
    """A conda package whose Python distribution was replaced by pip or uv, without conda knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong that is no reason to stop."""

    reference: str
    """Kebab-case name of the situation."""
    message: str
    packages: tuple[str, ...] = ()
    path: Path | None = None
    hint: str | None = None
    """The command that mends it, or what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A Python distribution as Python finds it, whichever ecosystem brought it."""

    name: str
    """Canonical (PEP 503)."""
    version: str
    location: str
    requires: tuple[str, ...]
    owner: Package

    @property
    def path(self) -> Path:
        """Its ``.dist-info`` or ``.egg-info``."""
        return Path(self.location)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that is installed in one environment. Made by :func:`read_inventory`.

    Without slots, because what is expensive (files, import names) is worked out when first asked for.
    """

    environment: Environment
    packages: tuple[Package, ...]
    """Sorted by name. Shadowed and duplicate ones are among them: :meth:`states` tells them apart."""
    problems: tuple[Problem, ...]
    fingerprint: str
    distributions: Mapping[str, Distribution] = field(repr=False, compare=False, metadata={"private": True})
    """What Python finds, by canonical name."""
    marks: Mapping[Path, frozenset[PackageState]] = field(repr=False, compare=False, metadata={"private": True})
    """States by package location; most packages have none."""

    def states(self, package: Package) -> frozenset[PackageState]:
        """What sets this package apart; empty for one that simply is there."""
        return self.marks.get(package.location, frozenset()) if package.location else frozenset()

    def conda(self, name: str) -> Package | None:
        """The conda package of this name."""
        return self._conda.get(name.lower())

    def pypi(self, name: str) -> Package | None:
        """The PyPI package of this name that Python finds; ``None`` if there is none or conda provides it."""
        found = self.distributions.get(canonicalize_name(name))
        return found.owner if found and found.owner.ecosystem is Ecosystem.PYPI else None

    def distribution(self, name: str) -> tuple[Package, str] | None:
        """Who brought the Python distribution of this name, conda or PyPI package, and its version."""
        found = self.distributions.get(canonicalize_name(name))
        return (found.owner, found.version) if found else None

    def find(self, *names: str) -> tuple[Package, ...]:
        """Every package of these names, in both ecosystems and in every state."""
        wanted = set(map(canonicalize_name, names))
        return tuple(package for package in self.packages if canonicalize_name(package.name) in wanted)

    def conda_owned_distributions(self) -> dict[str, Package]:
        """The conda package behind each Python distribution that conda owns, by canonical name."""
        return {
            name: package
            for package in self.packages
            if package.ecosystem is Ecosystem.CONDA
            for name, _ in package.provides
        }

    def files(self, package: Package) -> tuple[Path, ...]:
        """Every file the package recorded, absolute; none where it recorded none."""
        return tuple(map(Path, self._contents.files(package)))

    def owner(self, path: Path) -> Package | None:
        """Whose file this is."""
        return self._contents.owner(path)

    def imports(self, package: Package) -> tuple[str, ...]:
        """The top-level names that can be imported from the package, sorted."""
        return self._contents.imports(package)

    def packages_for_import(self, module: str) -> tuple[Package, ...]:
        """The packages that have this module; for ``google.cloud.storage`` those that have most of the path."""
        return self._contents.packages_for_import(module)

    def dependents(self, package: Package) -> tuple[Package, ...]:
        """The packages that need this one, in their own ecosystem's terms; sorted by name."""
        from ._dependencies import dependents  # noqa: PLC0415  parsing requirements isn't needed to list

        return dependents(self, package)

    def requirements(self, package: Package) -> tuple[Package, ...]:
        """The installed packages that this one needs, in its own ecosystem's terms."""
        from ._dependencies import requirements  # noqa: PLC0415  parsing requirements isn't needed to list

        return requirements(self, package)

    def closure(self, roots: Iterable[Package]) -> dict[tuple[Ecosystem, str], Package]:
        """Some installed packages and all that they need, the extras of their requirements included; by key."""
        from ._dependencies import closure  # noqa: PLC0415  parsing requirements isn't needed to list

        return closure(self, roots)

    def broken_dependencies(self, about: AbstractSet[str] | None = None) -> tuple[Problem, ...]:
        """Requirements that what is installed doesn't meet, as ``pip check`` sees them, and missing conda depends.

        ``about`` limits it to what the distributions of these canonical names need, and to who needs them.
        """
        if about is None:
            return self._broken
        from ._dependencies import broken_dependencies  # noqa: PLC0415  parsing requirements isn't needed to list

        return broken_dependencies(self, about)

    @cached_property
    def _conda(self) -> Mapping[str, Package]:
        return MappingProxyType(
            {package.name.lower(): package for package in self.packages if package.ecosystem is Ecosystem.CONDA}
        )

    @cached_property
    def _contents(self) -> Contents:
        clobbered = [package for package in self.packages if PackageState.CLOBBERED in self.states(package)]
        return Contents(self.environment, self.packages, clobbered=clobbered)

    @cached_property
    def _broken(self) -> tuple[Problem, ...]:
        from ._dependencies import broken_dependencies  # noqa: PLC0415

        return broken_dependencies(self)

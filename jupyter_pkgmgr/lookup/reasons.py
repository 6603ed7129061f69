"""Why something is there, and what to install where something isn't."""

from __future__ import annotations

from jupyter_pkgmgr import names
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Package
from jupyter_pkgmgr.model.errors import PackageNotFoundError

from .documents import Hint, Reasons

__all__ = ["find_installed", "missing_import", "why"]


def find_installed(inventory: Inventory, name: str) -> tuple[Package, ...]:
    """The installed packages of a name, in both ecosystems; else what provides the distribution of that name."""
    owner = inventory.distribution(name)
    return inventory.find(name) or ((owner[0],) if owner else ())


def why(inventory: Inventory, name: str) -> Reasons:
    """Who needs a package.

    Raises
    ------
    PackageNotFoundError
        If it isn't installed.
    """
    found = find_installed(inventory, name)
    if not found:
        raise PackageNotFoundError(
            f"{name} is not installed", reference="not-installed", hint="%pkg list shows what is"
        )
    return Reasons(package=found[0], chains=tuple(_chains(inventory, found[0])))


def _chains(inventory: Inventory, package: Package, *, limit: int = 10) -> list[tuple[str, ...]]:
    """Shortest chains from packages that nobody needs, or that were requested, down to this one."""
    chains: list[tuple[str, ...]] = []
    seen = {package.key}
    level: list[tuple[Package, tuple[str, ...]]] = [(package, (package.name,))]
    while level and len(chains) < limit:
        following: list[tuple[Package, tuple[str, ...]]] = []
        for item, chain in level:
            parents = [parent for parent in inventory.dependents(item) if parent.key not in seen]
            if len(chain) > 1 and (item.requested or not parents):
                chains.append(chain)
            for parent in parents:
                seen.add(parent.key)
                following.append((parent, (parent.name, *chain)))
        level = following
    return chains[:limit]


def missing_import(inventory: Inventory, module: str) -> Hint | None:
    """What to install so that ``import module`` works; ``None`` where nobody knows or it is there already."""
    known = names.for_import(module)
    if known is None or inventory.packages_for_import(module):
        return None
    package = known.conda[0] if inventory.environment.is_conda and known.conda else known.pypi[0]
    if find_installed(inventory, package):
        return None
    command = f"%pkg install {package}"
    why = f"{module} isn't installed" if module == package else f"{module} comes with {package}"
    return Hint(package=package, command=command, text=f"{why}: {command}")

"""The environment as it will be after removals and the conda step, for a PyPI resolver to look at.

A resolver can only plan against what it sees installed. In a plan of several steps it must not see what goes, and
must see the packages that the conda step will bring, so it is shown a shadow: a throw-away virtual environment of the
same interpreter whose site-packages holds only metadata — links to the ``.dist-info`` and ``.egg-info`` that stay, and
minimal ones (name and version; conda looks after their dependencies) for what conda will bring.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jupyter_pkgmgr import names
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Action, Change, Ecosystem, Environment, EnvironmentKind, Package, PythonInfo

__all__ = ["distributions_after", "distributions_of", "shadow"]


def distributions_after(inventory: Inventory, changes: Sequence[Change]) -> dict[str, str]:
    """Versions of the conda-owned Python distributions after some conda changes, by canonical name.

    A package that is new has no files to look into yet: it is taken to provide the distributions that
    the name table knows for it, at its own version.
    """
    owned = inventory.conda_owned_distributions()
    versions: dict[str, str] = {}
    for name in owned:
        found = inventory.distribution(name)
        if found is not None:
            versions[name] = found[1]
    for change in changes:
        provided = dict(change.before.provides) if change.before else {}
        for name in provided:
            versions.pop(name, None)
        if change.after is not None and change.before is not None and provided:
            versions |= _moved(provided, change.before.version, change.after.version)
        elif change.after is not None and _is_pep440(change.after.version):
            versions |= dict.fromkeys(distributions_of(change.after), change.after.version)
    return versions


def _moved(provided: Mapping[str, str], before: str, after: str) -> dict[str, str]:
    """Distributions of a package that changes: those that have its version move with it, the others are left alone.

    conda's ``pyqt`` 5.15 brings ``pyqt5-sip`` 12.13, and nobody knows what the next one brings.
    """
    return {name: after if version == before else version for name, version in provided.items()}


def _is_pep440(version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def distributions_of(package: Package) -> tuple[str, ...]:
    """Canonical names of the Python distributions that a conda package from a channel is expected to bring."""
    known = names.pypi_names(package.name)
    if known is None:  # conda's names may begin with "_", a distribution's may not
        known = () if package.name.startswith("_") else (package.name,)
    return tuple(canonicalize_name(name) for name in known)


@contextmanager
def shadow(environment: Environment, inventory: Inventory, changes: Sequence[Change]) -> Iterator[Environment]:
    """Make the shadow of an environment after some changes; it is gone when the block ends."""
    python = environment.python
    if python is None:
        raise ValueError("an environment without Python has no shadow")
    with tempfile.TemporaryDirectory(prefix="jupyter-pkgmgr-shadow-") as folder:
        prefix = Path(folder)
        executable, site_packages = _skeleton(prefix, python)
        conda = distributions_after(inventory, changes)
        gone = {change.package.key for change in changes if change.action is Action.REMOVE}
        for found in inventory.distributions.values():  # not those that others hide from Python
            if (
                found.owner.ecosystem is Ecosystem.PYPI
                and found.owner.key not in gone
                and found.path.suffix in (".dist-info", ".egg-info")
                and found.name not in conda  # PyPI's copy makes way for conda's
            ):
                _mirror(found.path, site_packages / found.path.name)
        for name, version in conda.items():
            _write_dist_info(site_packages, name, version)
        yield replace(
            environment,
            prefix=prefix,
            kind=EnvironmentKind.VENV,
            policies=(),
            python=replace(
                python,
                executable=executable,
                prefix=prefix,
                purelib=site_packages,
                platlib=site_packages,
                scripts=executable.parent,
                search_path=(site_packages,),
            ),
        )


def _mirror(source: Path, target: Path) -> None:
    """Show one distribution's metadata. A link to a ``.dist-info`` uv passes over: its folder has to be one."""
    if source.suffix != ".dist-info":
        target.symlink_to(source)
        return
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).symlink_to(path)


def _skeleton(prefix: Path, python: PythonInfo) -> tuple[Path, Path]:
    windows = python.executable.suffix == ".exe"
    scripts = prefix / ("Scripts" if windows else "bin")
    site_packages = (
        prefix / "Lib" / "site-packages" if windows else prefix / "lib" / f"python{python.minor}" / "site-packages"
    )
    scripts.mkdir(parents=True)
    site_packages.mkdir(parents=True)
    executable = scripts / python.executable.name
    executable.symlink_to(python.executable)
    home = python.base_prefix if windows else python.base_prefix / "bin"  # a venv's own folder has no standard library
    (prefix / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {python.version}\n",
        encoding="utf-8",
    )
    return executable, site_packages


def _write_dist_info(site_packages: Path, name: str, version: str) -> None:
    folder = site_packages / f"{name.replace('-', '_')}-{version}.dist-info"
    if folder.exists():
        return
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (folder / "INSTALLER").write_text("conda\n", encoding="utf-8")
    (folder / "RECORD").write_text("", encoding="utf-8")

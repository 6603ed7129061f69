"""The engine ``mamba``: the executable, 2.0 or newer (mamba 1 was a part of conda)."""

from __future__ import annotations

import re
from typing import ClassVar

from packaging.utils import canonicalize_name

from jupyter_pkgmgr.engines.conda_errors import Failure, mamba_error
from jupyter_pkgmgr.engines.conda_family import CondaFamilyEngine, merged, quoted, root_variable
from jupyter_pkgmgr.engines.conda_output import spec_name
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.model import Change, Environment, Notice, Package, Verb
from jupyter_pkgmgr.model.errors import PkgError

__all__ = ["MambaEngine"]

_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.(?:dist|egg)-info")


class MambaEngine(CondaFamilyEngine):
    """Plan and apply through ``mamba``."""

    name: ClassVar[str] = "mamba"

    def _command(self, request: EngineRequest, info: EngineInfo) -> list[str]:  # noqa: ARG002
        options, specs = request.options, request.specs
        verb = "update" if _only_upgrades(request) else request.verb.value
        arguments = [verb]
        if verb != "remove":
            for channel in options.channels:
                arguments += ["-c", channel]
            arguments += ["--override-channels"] if options.override_channels else []
            arguments += ["--no-deps"] if options.no_deps else []
        arguments += ["--offline"] if options.offline else []
        arguments += ["--force-reinstall"] if options.force_reinstall and verb == "install" else []
        # no "--": that its parser ends options there is recorded nowhere, and no spec begins with "-"
        return [*arguments, *specs] if specs else [*arguments, "--all"]

    def _variables(self, environment: Environment, pins: tuple[str, ...]) -> dict[str, str]:
        pinned = merged(self._environ, "MAMBA_PINNED_PACKAGES", quoted(pins), separator=", ")
        return root_variable(environment, self._environ) | pinned

    def _error(self, failure: Failure) -> PkgError:
        return mamba_error(failure)

    def _warnings(
        self, environment: Environment, request: EngineRequest, found: tuple[Change, ...]
    ) -> tuple[tuple[Change, ...], tuple[Notice, ...]]:
        """Leave out what it reports but never does: the update of a package whose files pip replaced."""
        notices = []
        shadowed = tuple(change.before.name for change in found if change.before and _shadowed(environment, change))
        if shadowed:
            notices.append(
                Notice(
                    reference="pip-shadowed",
                    message=f"{self.name} can't change {', '.join(shadowed)}: pip replaced the files",
                    hint=f"%pkg install pypi::{shadowed[0]} changes what pip installed",
                    packages=shadowed,
                )
            )
        if request.verb is Verb.INSTALL and not _only_upgrades(request):
            upgraded = map(spec_name, request.specs) if request.options.upgrade else request.updates
            kept = tuple(name for name in upgraded if name in _names(request.installed))
            if kept:
                notices.append(
                    Notice(
                        reference="upgrade-apart",
                        message=f"{self.name} upgrades and adds in separate steps: {', '.join(kept)} may stay as it is",
                        hint=f"%pkg update {' '.join(kept)}",
                        packages=kept,
                    )
                )
        real = tuple(change for change in found if not (change.before and change.before.name in shadowed))
        return real, tuple(notices)


def _names(packages: tuple[Package, ...]) -> set[str]:
    return {package.name.lower() for package in packages}


def _only_upgrades(request: EngineRequest) -> bool:
    """``-U`` for what is installed: ``mamba install`` leaves that alone, ``mamba update`` takes nothing else."""
    names = [spec_name(spec) for spec in request.specs]
    return (
        request.verb is Verb.INSTALL
        and request.options.upgrade
        and bool(names)
        and set(names) <= _names(request.installed)
    )


def _shadowed(environment: Environment, change: Change) -> bool:
    """Whether pip put another version where the package's own Python distributions were."""
    package = change.before
    if package is None or not package.provides or environment.python is None:
        return False
    there = {
        (canonicalize_name(match["name"]), match["version"])
        for folder in environment.python.site_packages
        for path in folder.glob("*-info")
        if (match := _INFO.fullmatch(path.name))
    }
    return any(pair not in there and pair[0] in {name for name, _ in there} for pair in package.provides)

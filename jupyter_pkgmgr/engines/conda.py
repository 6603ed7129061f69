"""The engine ``conda``: the executable, 23.9 or newer, with whatever solver the user configured."""

from __future__ import annotations

import re
from typing import ClassVar

from jupyter_pkgmgr.engines.conda_errors import Failure, conda_error
from jupyter_pkgmgr.engines.conda_executables import is_at_least
from jupyter_pkgmgr.engines.conda_family import CondaFamilyEngine, merged
from jupyter_pkgmgr.engines.conda_output import Actions, Answer, Log, Record, spec_name
from jupyter_pkgmgr.engines.protocol import EngineInfo, EngineRequest
from jupyter_pkgmgr.model import Environment, Verb
from jupyter_pkgmgr.model.errors import PkgError, UsageError

__all__ = ["CondaEngine"]

_PACKAGE_URL = re.compile(
    r"(?P<channel>[a-z]+://.+)/(?P<file>(?P<name>[^/]+)-(?P<version>[^/-]+)-(?P<build>[^/-]+)\.(?:conda|tar\.bz2))"
)
_KNOWS_FROZEN = "25.5"
_KEEPS_INDEX = "26.7"


class CondaEngine(CondaFamilyEngine):
    """Plan and apply through ``conda``."""

    name: ClassVar[str] = "conda"

    def _specs(self, request: EngineRequest) -> tuple[str, ...]:
        """Without bare names that are installed: ``conda install NAME`` would bring the newest, which is ``-U``."""
        options = request.options
        if request.verb is not Verb.INSTALL or options.upgrade or options.force_reinstall:
            return request.specs
        there = {package.name.lower() for package in request.installed}
        there -= {name.lower() for name in request.updates}
        return tuple(spec for spec in request.specs if spec.lower() not in there)

    def _explicit(self, specs: tuple[str, ...]) -> Answer | None:
        """URLs of packages: conda links just these, solves nothing, and prints nothing under ``--json``."""
        matches = [_PACKAGE_URL.fullmatch(spec) for spec in specs]
        if not any(matches):
            return None
        if not all(matches):
            raise UsageError(
                "conda takes URLs of packages or names, not both at once", hint="ask for them one after the other"
            )
        records = [
            Record(
                name=match["name"],
                version=match["version"],
                build_string=match["build"],
                channel=match["channel"],
                fn=match["file"],
                url=match[0],
            )
            for match in matches
            if match
        ]
        warning = Log(level="warning", message="packages from URLs are installed as they are, without dependencies")
        return Answer(success=True, actions=Actions(link=records, fetch=records), log_history=[warning])

    def _command(self, request: EngineRequest, info: EngineInfo) -> list[str]:
        options, specs = request.options, self._specs(request)
        bare = all(spec == spec_name(spec) for spec in specs)
        verb = "install" if request.verb is Verb.UPDATE and not bare else request.verb.value  # update takes names only
        arguments = [verb]
        for channel in options.channels:
            arguments += ["-c", channel]
        arguments += ["--override-channels"] if options.override_channels else []
        arguments += ["--offline"] if options.offline else []
        arguments += ["--no-deps"] if options.no_deps and verb != "remove" else []
        arguments += ["--force-reinstall"] if options.force_reinstall and verb == "install" else []
        arguments += (
            ["--override-frozen"] if options.override_frozen and is_at_least(info.version, _KNOWS_FROZEN) else []
        )
        return [*arguments, "--", *specs] if specs else [*arguments, "--all"]

    def _variables(self, environment: Environment, pins: tuple[str, ...]) -> dict[str, str]:  # noqa: ARG002
        return merged(self._environ, "CONDA_PINNED_PACKAGES", "&".join(pins), separator="&")

    def _error(self, failure: Failure) -> PkgError:
        return conda_error(failure)

    def _forgets_index(self, info_version: str) -> bool:
        return not is_at_least(info_version, _KEEPS_INDEX)

"""What the engines conda, mamba and micromamba are not to be asked, and answers of theirs that are not to be taken."""

from __future__ import annotations

import re

from jupyter_pkgmgr.engines.conda_errors import not_installed
from jupyter_pkgmgr.engines.conda_output import Answer, spec_name
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.engines.rattler_settings import is_set
from jupyter_pkgmgr.model import Change, Environment, PolicyKind, Verb, redact
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    InvalidSpecError,
    PolicyError,
    UnreachableError,
    UsageError,
)

__all__ = ["apart", "check_answer", "check_held", "check_offline", "check_request", "check_shadow_tells"]

_SEES_PYPI = frozenset({"pip_interop_enabled", "prefix_data_interoperability"})
_EXACT_PIN = re.compile(r"(?P<name>[\w.-]+?)\s*=*\s*(?P<version>\d[\w.]*?)(?:\.\*)?")


# --- before the run ---------------------------------------------------------------------------------------


def check_request(environment: Environment, request: EngineRequest) -> None:
    """Refuse what makes no sense, mustn't be done, or would be misread."""
    for text in (*request.specs, *request.options.channels):
        if text.startswith("-") or not text.strip():
            raise InvalidSpecError(f"{text!r} can't be given to conda: it would be read as an option")
    if not request.specs and request.verb is not Verb.UPDATE:
        raise UsageError(f"nothing to {request.verb}", hint=f"%pkg {request.verb} NAME")
    frozen = environment.policy(PolicyKind.FROZEN)
    if frozen and not request.options.override_frozen:  # the mamba family and conda before 25.5 don't look
        raise PolicyError(
            "the environment is frozen",
            reference="frozen",
            note=frozen.message or "conda-meta/frozen marks it (CEP 22)",
            hint="install into another environment, or, at your own risk, use --override-frozen",
        )
    if request.verb is not Verb.INSTALL:
        there = {package.name.lower() for package in request.installed}
        absent = [name for name in map(spec_name, request.specs) if name and name not in there]
        if absent:  # conda fails, the mamba family calls it success
            raise not_installed(absent)


def check_shadow_tells(tool: str, environment: Environment, request: EngineRequest) -> None:
    """Refuse where the tool reads more of the environment than a shadow has."""
    if environment.policy(PolicyKind.BASE):
        raise apart(tool, request, f"{environment.prefix} is a base environment, which {tool} treats unlike others")
    for setting in request.conda.settings if request.conda else ():
        if setting.name in _SEES_PYPI and is_set(setting.value):
            raise apart(tool, request, f"{setting.name} is set, so that it looks at what pip installed as well")


def apart(tool: str, request: EngineRequest, why: str) -> UsageError:
    """The error where a removal and the rest of the request can't be one plan."""
    others = "update" if request.verb is Verb.UPDATE else "install"
    return UsageError(
        f"{tool} can't remove and {others} in one plan here",
        reference="engine-one-verb",
        context=(why,),
        note="no command of its own does both, so the second is planned on what the first will leave",
        hint=f"%pkg remove {' '.join(request.removals)}, then the rest; or --engine rattler for all of it",
    )


# --- after a dry run --------------------------------------------------------------------------------------


def check_answer(tool: str, request: EngineRequest, found: tuple[Change, ...]) -> None:
    """Refuse an answer that breaks a promise; classic conda overrides pins, an emptied index answers "all there"."""
    check_held(tool, request, found)
    for pin in request.pins:
        match = _EXACT_PIN.fullmatch(pin)
        for change in found:
            after = change.after
            if match and after and after.name == match["name"] and not _within(after.version, match["version"]):
                raise _held(tool, request, f"{after.name} would become {after.version}, the pin is {pin}")
    lost = [change.before for change in found if change.after is None and change.before and change.before.requested]
    if lost and request.verb is not Verb.REMOVE:  # micromamba makes room without asking, even where there are pins
        goes = ", ".join(f"{package.name} {package.version}" for package in lost)
        raise _held(tool, request, f"{goes} would be removed to make room")
    if request.verb is Verb.INSTALL:
        there = {package.name.lower() for package in request.installed}
        there |= {change.after.name.lower() for change in found if change.after}
        absent = [name for name in map(spec_name, request.specs) if name and name not in there]
        if absent:
            raise UnreachableError(
                f"{tool} says that everything is installed, but {', '.join(absent)} isn't",
                reference="index-cache",
                note="its cached index of the channel may be empty; a refused request (403) leaves it so",
                hint=f"{tool} clean --index-cache",
            )


def check_held(tool: str, request: EngineRequest, found: tuple[Change, ...]) -> None:
    """Refuse an answer that touches what must stay as it is."""
    held = {package.key: package for package in request.held}
    for change in found:
        if change.before and change.before.key in held:
            broken = held[change.before.key]
            goal = change.after.version if change.after else "nothing"
            if change.after is None or (change.after.version, change.after.build) != (broken.version, broken.build):
                raise _held(tool, request, f"{broken.name} {broken.version} would become {goal}")


def _within(version: str, pinned: str) -> bool:
    return version == pinned or version.startswith(f"{pinned}.")


def _held(tool: str, request: EngineRequest, what: str) -> ConflictError:
    return ConflictError(
        f"{tool} found no solution that keeps what must stay",
        context=(what,),
        note=f"asked for: {redact(', '.join(request.specs[:5])) or 'everything'}",
        hint="ask for other versions",
    )


def check_offline(tool: str, answer: Answer) -> None:
    """The mamba family downloads in spite of ``--offline``, so such a plan is refused."""
    fetch = answer.actions.fetch if answer.actions else []
    needed = [record.name for record in fetch if record.url and not record.url.startswith("file:")]
    if needed:
        raise UnreachableError(
            f"{', '.join(needed)} would have to be downloaded, and this is offline",
            reference="offline",
            hint=f"try again without --offline; {tool} has cached what it fetched before",
        )

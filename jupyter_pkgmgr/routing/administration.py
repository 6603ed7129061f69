"""Holds requests and plans to what the administrator allows.

Twice: a request is refused before anything is fetched, where that can be seen; and the finished plan is looked at
again with everything that comes along. Settings are judged as they are in force, wherever they were said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from jupyter_pkgmgr import names
from jupyter_pkgmgr.environments import CondaSettings, with_channels
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import (
    AdminPolicy,
    Change,
    Ecosystem,
    Environment,
    Notice,
    OriginKind,
    Package,
    PackageRule,
    PolicyKind,
    ServerEnvironment,
    Spec,
    SpecKind,
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import InvalidSpecError, PolicyError

from .allowed_places import index_places, is_allowed
from .context import Context, held_by_server
from .effects import find_wanting
from .guards import FEW, server_needs, touches_server

__all__ = [
    "check_indexes",
    "check_request",
    "check_undo",
    "check_what_comes",
    "under_policy",
    "who_forbids_builds",
]

_DIRECT = {OriginKind.PATH, OriginKind.EDITABLE, OriginKind.URL, OriginKind.VCS}
_BUILT = (".whl", ".conda", ".tar.bz2")
"""Files that are installed without running a build."""
_ELSEWHERE = ("UV_OVERRIDE", "UV_TORCH_BACKEND")
"""Variables that have uv take packages from places that no setting of an index names."""
_ASK = "ask the administrator of this server if you need it"

_Name = tuple[Ecosystem | None, str]
"""A name in an ecosystem; without one, it is a name of the same thing somewhere else."""


def under_policy(context: Context) -> Context:
    """The context with what the policy decides whatever the user says."""
    if not context.policy.no_source_builds:
        return context
    options = replace(context.request.options, no_build=True)
    return replace(
        context,
        request=replace(context.request, options=options),
        index_settings=replace(context.index_settings, no_binary=()),  # or pip's setting would ask for builds
    )


@contextmanager
def who_forbids_builds(policy: AdminPolicy) -> Iterator[None]:
    """Say that it is the administrator without whom there would be a plan; nobody has typed ``--no-build``."""
    try:
        yield
    except PolicyError as error:
        if error.reference != "builds-disabled" or not policy.no_source_builds:
            raise
        raise _build_denied(error.message.partition(", and ")[0]) from error


# --- before anything is fetched ------------------------------------------------------------------------------------


def check_request(context: Context) -> None:
    """Refuse what can be seen to be forbidden.

    Raises
    ------
    PolicyError
        With who decided that, and what to do instead.
    """
    if (message := _read_only(context.policy, context.environment)) is not None:
        raise _refusal("read-only-policy", message, note="the administrator of this server allows no changes")
    for spec in (*context.request.specs, *context.request.updates):
        _check_spec(context, spec)
    _check_engine(context)
    if context.request.verb is not Verb.REMOVE:
        _check_channels(context)
        _check_constraints(context)
        options = context.request.options
        said = options.index_url or options.extra_index_urls or options.find_links
        if said or not context.environment.is_conda:
            check_indexes(context)


def _read_only(policy: AdminPolicy, environment: Environment) -> str | None:
    if policy.read_only:
        return f"{environment.name} can't be changed: this server only shows what is installed"
    if policy.server_environment is ServerEnvironment.READ_ONLY and environment.policy(PolicyKind.SERVER):
        return f"{environment.name} can't be changed: the Jupyter server itself runs in it"
    return None


def _refusal(reference: str, message: str, *, note: str, hint: str = _ASK) -> PolicyError:
    return PolicyError(message, reference=reference, note=note, hint=hint)


def _build_denied(message: str) -> PolicyError:
    return _refusal(
        "build-denied",
        message,
        note="the administrator of this server allows no builds: they run code of the package",
        hint="name a wheel, or a package that has one",
    )


def _check_spec(context: Context, spec: Spec) -> None:
    policy = context.policy
    if context.request.verb is Verb.REMOVE:
        return
    if spec.kind is not SpecKind.NAME:
        _check_direct(policy, spec)
    if spec.name:
        _check_name(context, spec)


def _check_direct(policy: AdminPolicy, spec: Spec) -> None:
    text = redact(spec.text)
    if policy.no_direct:
        raise _refusal(
            "direct-denied",
            f"{text} may not be installed here: it is no name of a package",
            note="the administrator of this server allows no paths, URLs and VCS references",
            hint="name a package that a channel or an index has",
        )
    is_built = spec.location.partition("#")[0].endswith(_BUILT) and not spec.editable
    if policy.no_source_builds and not is_built:
        raise _build_denied(f"{text} would have to be built from source")
    ecosystem = spec.ecosystem or Ecosystem.PYPI
    limit = policy.allowed_channels if ecosystem is Ecosystem.CONDA else policy.allowed_indexes
    if spec.kind is not SpecKind.PATH and limit is not None and not is_allowed(spec.location, policy, ecosystem):
        raise _outside(text, policy, ecosystem)


def _check_engine(context: Context) -> None:
    """Pip fetches and builds what dependencies point at by URL while it plans: then it's too late to refuse."""
    policy = context.policy
    limits = [
        name
        for name, is_set in (
            ("no_source_builds", policy.no_source_builds),
            ("no_direct", policy.no_direct),
            ("allowed_indexes", policy.allowed_indexes is not None),
        )
        if is_set
    ]
    if not limits or context.request.verb is Verb.REMOVE:
        return
    note = f"the administrator of this server set {', '.join(limits)}"
    if context.request.options.engine == "pip":
        raise _refusal(
            "engine-denied",
            "pip can't be held to what is allowed here",
            note=f"{note}, which pip doesn't keep for dependencies",
            hint="leave --engine pip out: uv can be held to it",
        )
    if variable := next((name for name in _ELSEWHERE if os.environ.get(name)), None):
        message = f"{variable} is set, which takes packages from elsewhere"
        raise _refusal("setting-denied", message, note=note, hint=f"unset {variable}")


def _check_channels(context: Context) -> None:
    settings, policy = context.conda_settings, context.policy
    if settings is None or policy.allowed_channels is None:
        return
    named = [spec.channel for spec in (*context.request.specs, *context.request.updates) if spec.channel]
    for url in (*settings.channels, *(url for name in named for url in _channel_urls(settings, name))):
        if not is_allowed(url, policy, Ecosystem.CONDA):
            raise _outside(redact(url), policy, Ecosystem.CONDA)


def _channel_urls(settings: CondaSettings, name: str) -> tuple[str, ...]:
    return with_channels(replace(settings, channels=(), channel_names=()), (name,)).channels


def check_indexes(context: Context) -> None:
    """Refuse indexes in force that aren't allowed.

    Raises
    ------
    PolicyError
        Naming the index, where it was set, and what is allowed.
    """
    settings, policy = context.index_settings, context.policy
    if policy.allowed_indexes is None or context.request.verb is Verb.REMOVE:
        return
    for url in index_places(settings):
        if not is_allowed(url, policy, Ecosystem.PYPI):
            raise _outside(redact(url), policy, Ecosystem.PYPI)


def _outside(what: str, policy: AdminPolicy, ecosystem: Ecosystem) -> PolicyError:
    conda = ecosystem is Ecosystem.CONDA
    allowed = (policy.allowed_channels if conda else policy.allowed_indexes) or ()
    kind = "channel" if conda else "index"
    shown = ", ".join(map(redact, allowed)) or f"no {kind} at all"
    return _refusal(
        f"{kind}-denied",
        f"nothing may be taken from {what}",
        note=f"the administrator of this server allows only {shown}",
        hint=_instead(allowed, conda=conda),
    )


def _instead(allowed: Sequence[str], *, conda: bool) -> str:
    if not allowed:
        return _ASK
    return f"-c {redact(allowed[0])} --override-channels" if conda else f"--index-url {redact(allowed[0])}"


def _check_constraints(context: Context) -> None:
    """Constraint files may hold URLs and options as well: where those are limited, only plain lines may stand there."""
    policy = context.policy
    if not (policy.no_direct or policy.no_source_builds or policy.allowed_indexes is not None):
        return
    for file in (*context.request.options.constraints, *map(Path, context.index_settings.constraints)):
        if "://" in str(file):
            raise _strange_constraint(str(file), "it lies elsewhere")
        for line in _lines(file):
            if not _is_plain(line):
                raise _strange_constraint(str(file), f"{redact(line)!r}")


def _lines(file: Path) -> Iterator[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _strange_constraint(str(file), str(error)) from error
    for line in text.replace("\\\n", " ").splitlines():
        bare = line.partition(" #")[0].strip()
        if bare and not bare.startswith("#"):
            yield bare


def _is_plain(line: str) -> bool:
    try:
        return Requirement(line.partition(" --hash")[0]).url is None and "${" not in line
    except InvalidRequirement:
        return False


def _strange_constraint(file: str, what: str) -> PolicyError:
    return _refusal(
        "constraint-denied",
        f"the constraint file {file} holds more than names and versions",
        note=f"{what}; the administrator of this server limits where packages come from",
        hint="leave the file out, or keep lines like 'numpy<2' in it",
    )


# --- packages ------------------------------------------------------------------------------------------------------


def _check_name(context: Context, spec: Spec) -> None:
    ecosystem = spec.ecosystem or context.request.options.ecosystem
    if ecosystem is None and not context.environment.is_conda:
        ecosystem = Ecosystem.PYPI
    known = _names_of(spec.name, ecosystem)
    # where it isn't decided yet, a rule for one ecosystem forbids nothing, and may allow
    perhaps = known if ecosystem else [*known, *((other, spec.name) for other in Ecosystem)]
    why = _denied(context.policy, known, _pinned(spec)) or _not_allowed(context.policy, perhaps, _pinned(spec))
    if why:
        raise _refusal("package-denied", f"{spec.text} may not be installed here", note=why)


def _names_of(name: str, ecosystem: Ecosystem | None) -> list[_Name]:
    """A package's own name, and those that the same thing has in the other ecosystem."""
    there: tuple[str, ...] = ()
    if ecosystem is not Ecosystem.PYPI:
        there += names.pypi_names(name) or ()
    if ecosystem is not Ecosystem.CONDA:
        there += names.conda_names(name)
    return [(ecosystem, name), *((None, other) for other in there)]


def _pinned(spec: Spec) -> str | None:
    """The only version that a spec admits; ``None`` where only the plan will tell."""
    try:
        parts = list(SpecifierSet(spec.pep440()))
    except InvalidSpecError:
        return None
    exact = len(parts) == 1 and parts[0].operator == "==" and not parts[0].version.endswith(".*")
    return parts[0].version if exact else None


def _denied(policy: AdminPolicy, known: Sequence[_Name], version: str | None) -> str:
    """Who forbids a package; empty if nobody does. A version that can't be compared isn't given the benefit."""
    for rule in policy.denied:
        if rule.is_about(known) and _selects(rule, version, otherwise=True):
            return f"the administrator of this server denies {rule.text}"
    return ""


def _not_allowed(policy: AdminPolicy, known: Sequence[_Name], version: str | None) -> str:
    rules = policy.allowed
    if rules is None:
        return ""
    about = [rule for rule in rules if rule.is_about(known)]
    if any(version is None or _selects(rule, version, otherwise=False) for rule in about):
        return ""
    shown = [rule.text for rule in about or rules]
    more = f" and {len(shown) - FEW} more" if len(shown) > FEW else ""
    return f"the administrator of this server allows only {', '.join(shown[:FEW]) or 'nothing'}{more}"


def _selects(rule: PackageRule, version: str | None, *, otherwise: bool) -> bool:
    if version is None:  # not known yet: only a rule without versions is certain
        return not rule.version
    selected = rule.selects(version)
    return otherwise if selected is None else selected


# --- the finished plan ---------------------------------------------------------------------------------------------


def check_what_comes(context: Context, changes: Sequence[Change]) -> list[Notice]:
    """Blockers for what may not come: packages, and where they come from; dependencies count like the rest."""
    blockers = []
    for change in changes:
        if change.after is not None:
            if why := _package_denied(context.policy, change.after):
                blockers.append(_package_blocker(context, change.after, why, changes))
            blockers += _place_blockers(context, change.after)
    return blockers


def check_undo(policy: AdminPolicy, inventory: Inventory, changes: Sequence[Change]) -> list[Notice]:
    """Blockers for taking something back: nothing is fetched then, but a denied package mustn't come back either."""
    environment = inventory.environment
    blockers = []
    if (message := _read_only(policy, environment)) is not None:
        note = "the administrator of this server allows no changes"
        blockers.append(Notice(reference="read-only-policy", message=message, note=note, hint=_ASK))
    back = [change.after for change in changes if change.after is not None]
    blockers += [_denied_notice(package, why) for package in back if (why := _package_denied(policy, package))]
    held = held_by_server(policy, inventory)
    servers = [change.package for change in changes if touches_server(change, held)]
    return [*blockers, *([server_needs(servers)] if servers else [])]


def _package_denied(policy: AdminPolicy, package: Package) -> str:
    known = _names_of(package.name, package.ecosystem)
    version = package.version or None
    return _denied(policy, known, version) or _not_allowed(policy, known, version)


def _package_blocker(context: Context, package: Package, why: str, changes: Sequence[Change]) -> Notice:
    wanted_by = find_wanting(context, package, changes)
    return _denied_notice(package, why, wanted_by)


def _denied_notice(package: Package, why: str, wanted_by: Sequence[str] = ()) -> Notice:
    who = f", which {', '.join(wanted_by[:FEW])} {'needs' if len(wanted_by) == 1 else 'need'}," if wanted_by else ""
    return Notice(
        reference="package-denied",
        message=f"{package.name} {package.version}{who} may not be installed here",
        note=why,
        hint=_ASK,
        packages=(package.name, *wanted_by),
    )


def _place_blockers(context: Context, package: Package) -> Iterator[Notice]:
    policy, origin = context.policy, package.origin
    if origin.kind in _DIRECT and policy.no_direct:
        yield _place_notice(package, "is no package of a channel or an index", "no paths, URLs and VCS references")
    elif origin.kind in _DIRECT and policy.no_source_builds and not _is_built(package):
        yield _place_notice(package, "would have to be built from source", "no builds: they run code of the package")
    if package.ecosystem is Ecosystem.CONDA:
        url = package.url or origin.location
        if policy.allowed_channels is not None and not is_allowed(url, policy, Ecosystem.CONDA):
            yield _outside_notice(package, url, policy.allowed_channels)
        return
    # what has no location comes from the indexes that the engine was given, which were looked at before
    is_elsewhere = origin.location and origin.kind in (OriginKind.URL, OriginKind.VCS, OriginKind.INDEX)
    if policy.allowed_indexes is not None and is_elsewhere and not is_allowed(origin.location, policy, Ecosystem.PYPI):
        yield _outside_notice(package, origin.location, policy.allowed_indexes)


def _is_built(package: Package) -> bool:
    return package.origin.kind is not OriginKind.EDITABLE and package.url.partition("#")[0].endswith(_BUILT)


def _place_notice(package: Package, what: str, allowed: str) -> Notice:
    return Notice(
        reference="direct-denied",
        message=f"{package.name} {package.version} {what}",
        note=f"the administrator of this server allows {allowed}",
        hint=_ASK,
        packages=(package.name,),
    )


def _outside_notice(package: Package, url: str, allowed: Sequence[str]) -> Notice:
    kind = "channel" if package.ecosystem is Ecosystem.CONDA else "index"
    return Notice(
        reference=f"{kind}-denied",
        message=f"{package.name} {package.version} would come from {redact(url) or 'an unknown place'}",
        note=f"the administrator of this server allows only {', '.join(map(redact, allowed)) or 'nothing'}",
        hint=_ASK,
        packages=(package.name,),
    )

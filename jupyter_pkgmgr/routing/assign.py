"""Which ecosystem each spec goes to, and why (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from jupyter_pkgmgr import names
from jupyter_pkgmgr.environments import without_subdir
from jupyter_pkgmgr.inventory import record_checksums
from jupyter_pkgmgr.model import Ecosystem, Notice, Package, Spec, SpecKind, Verb, strip_credentials
from jupyter_pkgmgr.model.errors import InvalidSpecError, PackageNotFoundError, UsageError

from .context import Context

__all__ = [
    "Assigned",
    "Assignment",
    "assign",
    "available_in_channels",
    "conda_candidates",
    "find_named",
    "holds_here",
    "in_channels",
    "installed_as",
]

_NAMED = 3
"""How many names a line takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One spec, the ecosystem it goes to, its name there, and the reason."""

    spec: Spec
    ecosystem: Ecosystem
    name: str
    reason: str
    verb: Verb = Verb.INSTALL
    negotiable: bool = False
    """Whether PyPI may take it where conda turns out to have no solution: nobody asked for conda by name."""

    @property
    def text(self) -> str:
        """The spec in its engine's grammar."""
        if self.ecosystem is Ecosystem.CONDA:
            return self.spec.match_spec(self.name)
        return self.spec.requirement(self.name)

    @property
    def key(self) -> tuple[Ecosystem, str]:
        """What identifies its package, as :attr:`Package.key` does."""
        return Package(name=self.name, version="", ecosystem=self.ecosystem).key


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The outcome for a whole request."""

    assignments: tuple[Assignment, ...]
    satisfied: tuple[Package, ...] = ()
    warnings: tuple[Notice, ...] = ()

    def of(self, ecosystem: Ecosystem) -> tuple[Assignment, ...]:
        """The assignments to one ecosystem."""
        return tuple(item for item in self.assignments if item.ecosystem is ecosystem)


def assign(context: Context) -> Assigned:
    """Decide for every spec of the request.

    Raises
    ------
    InvalidSpecError
        If a spec can't be taken in this environment.
    PackageNotFoundError
        If something to remove or update isn't installed.
    UsageError
        If a package is named for more than one kind of change.
    """
    request = context.request
    updates = request.specs if request.verb is Verb.UPDATE else request.updates
    there = (*_assign_installed(context, Verb.REMOVE, request.going), *_assign_installed(context, Verb.UPDATE, updates))
    coming = _assign_installs(context) if request.verb is Verb.INSTALL else Assigned(assignments=())
    _check_once(there, coming)
    return replace(coming, assignments=(*there, *coming.assignments))


def _check_once(there: Sequence[Assignment], coming: Assigned) -> None:
    """Refuse a request that wants two things of one package."""
    wanted = [(item.key, item.name, item.verb) for item in (*there, *coming.assignments)]
    wanted += [(package.key, package.name, Verb.INSTALL) for package in coming.satisfied]
    verbs: dict[tuple[Ecosystem, str], Verb] = {}
    for key, name, verb in wanted:
        first = verbs.setdefault(key, verb)
        if first is not verb:
            raise UsageError(
                f"{name} can't be named for both {first} and {verb} in one plan",
                reference="named-twice",
                hint=f"leave {name} out of one of them",
            )


def _assign_installed(context: Context, verb: Verb, specs: Sequence[Spec]) -> list[Assignment]:
    """Removals and updates go to whoever owns the package now."""
    assignments = []
    for spec in specs:
        if spec.kind is not SpecKind.NAME:
            raise InvalidSpecError(f"{verb} needs the name of a package, not {spec.text!r}")
        there = installed_as(context, spec.name)
        wanted = spec.ecosystem or context.request.options.ecosystem
        owners = [package for package in there if wanted in (None, package.ecosystem)]
        if wanted and not owners and (exactly := _exactly(context, wanted, spec.name)):
            owners = [exactly]
        if not owners:
            raise _not_installed_from(wanted, there[0]) if wanted and there else _not_installed(context, spec)
        assignments += [
            Assignment(spec=spec, ecosystem=owner.ecosystem, name=owner.name, reason="requested", verb=verb)
            for owner in owners
        ]
    return assignments


def _exactly(context: Context, ecosystem: Ecosystem, name: str) -> Package | None:
    """The installed package of this very name in this ecosystem, whatever the name means in the other."""
    inventory = context.inventory
    return inventory.conda(name) if ecosystem is Ecosystem.CONDA else inventory.pypi(name)


def holds_here(context: Context, spec: Spec) -> bool:
    """Whether a spec is meant for this environment, as its marker says."""
    return not spec.marker or Marker(spec.marker).evaluate({**context.markers, "extra": ""})


def find_named(context: Context, spec: Spec) -> tuple[Package, ...]:
    """Every installed package that a spec means, in both ecosystems where it doesn't say which."""
    if spec.ecosystem is Ecosystem.CONDA:
        name = spec.name if names.known_conda(spec.name) or spec.channel else names.conda_name(spec.name) or spec.name
        twins = (context.inventory.conda(spec.name), context.inventory.conda(name))
        return tuple(dict.fromkeys(item for item in twins if item is not None))
    return _present(context, spec)


def _owned(package: Package) -> str:
    return f"installed from {package.source}"


def _not_installed_from(wanted: Ecosystem, package: Package) -> PackageNotFoundError:
    return PackageNotFoundError(
        f"{package.name} is not {_only(wanted)}'s: it is {_owned(package)}",
        reference="not-installed",
        hint=f"say {package.name} alone, without where it is from",
    )


def _not_installed(context: Context, spec: Spec) -> PackageNotFoundError:
    near = [package.name for package in context.inventory.packages if _alike(package.name, spec.name)]
    return PackageNotFoundError(
        f"{spec.name} is not installed",
        reference="not-installed",
        context=(f"installed with a similar name: {', '.join(near[:3])}",) if near else (),
        hint="%pkg list shows what is",
    )


def _alike(one: str, other: str) -> bool:
    one, other = canonicalize_name(one), canonicalize_name(other)
    return one in other or other in one


def installed_as(context: Context, name: str) -> tuple[Package, ...]:
    """The installed packages that a typed name means: by its conda name, its PyPI name, or the one mapped to it.

    A conda package of the same name that is something else (conda's ``graphviz`` are the C tools, PyPI's is
    a binding) is meant only where the environment has no distribution of that name.
    """
    owner = context.inventory.distribution(name)
    pypi = context.inventory.pypi(name)
    if owner is not None and owner[0].ecosystem is Ecosystem.CONDA:
        return (owner[0],) if pypi is None else (pypi, owner[0])
    if pypi is not None:
        twin = context.inventory.conda(name)
        return (pypi, twin) if twin and names.same_thing(twin.name, pypi.name) else (pypi,)
    conda = context.inventory.conda(name.lower())
    return (conda,) if conda else ()


def _assign_installs(context: Context) -> Assigned:
    done: list[Assignment] = []
    satisfied: list[Package] = []
    warnings: list[Notice] = []
    open_specs: list[Spec] = []
    for spec in context.request.specs:
        if not holds_here(context, spec):
            message = f"{spec.name} is left out: {spec.marker} doesn't hold in this environment"
            warnings.append(Notice(reference="marker-false", message=message, packages=(spec.name,)))
        elif present := _satisfied(context, spec):
            satisfied.append(present)
        elif forced := _forced(context, spec):
            done.append(forced)
        elif owners := _present(context, spec):
            done.append(_keep_owner(spec, owners))
        else:
            open_specs.append(spec)
    if open_specs:
        done += _by_channel(context, open_specs, warnings)
    return Assigned(assignments=tuple(done), satisfied=tuple(satisfied), warnings=tuple(warnings))


def _satisfied(context: Context, spec: Spec) -> Package | None:
    """The installed package that already is what the spec asks for, where that's certain without an engine."""
    options = context.request.options
    if spec.build and spec.kind is SpecKind.NAME and not (options.upgrade or options.force_reinstall):
        return _same_build(context, spec)
    if (
        spec.kind is not SpecKind.NAME
        or spec.extras
        or spec.channel
        or options.upgrade
        or options.force_reinstall
        or options.constraints
    ):
        return None
    wanted = spec.ecosystem or options.ecosystem
    if wanted is Ecosystem.CONDA:
        owned = context.inventory.conda(spec.name)
        owners: tuple[Package, ...] = (owned,) if owned else ()
    else:
        owners = tuple(item for item in _present(context, spec) if wanted in (None, item.ecosystem))
    if not owners:
        return None
    try:
        specifier = SpecifierSet(spec.pep440())
    except InvalidSpecError:
        return None  # conda's own grammar: its solver answers
    version = owners[0].version
    if owners[0].ecosystem is Ecosystem.CONDA and (found := context.inventory.distribution(spec.name)):
        version = found[1]
    holds = specifier.contains(version, prereleases=True) and not _lacks_something(context, owners[0])
    return owners[0] if holds else None


def _same_build(context: Context, spec: Spec) -> Package | None:
    """The installed conda package if it is the very build that a spec names; patterns are left to the solver."""
    package = context.inventory.conda(spec.name)
    if package is None or (package.version, package.build) != (spec.version.lstrip("="), spec.build):
        return None
    place = strip_credentials(package.url).rpartition("/")[0]
    if spec.channel and without_subdir(place) != strip_credentials(spec.channel) and package.source != spec.channel:
        return None
    kind, _, expected = spec.checksum.partition("=")
    known = record_checksums(package.location) if expected and package.location else {}
    return package if known.get(kind, "") == expected else None


def _lacks_something(context: Context, package: Package) -> bool:
    """Whether a PyPI package's own needs aren't met: then an install has something to do after all."""
    if package.ecosystem is not Ecosystem.PYPI:
        return False
    name = canonicalize_name(package.name)
    return any(problem.packages[0] == name for problem in context.inventory.broken_dependencies({name}))


def _present(context: Context, spec: Spec) -> tuple[Package, ...]:
    """What is there of what a spec for an install means: conda's namesake of another thing doesn't count."""
    owners = installed_as(context, spec.name)
    if context.environment.python is not None and has_namesake(spec.name):
        return tuple(owner for owner in owners if owner.key != (Ecosystem.CONDA, spec.name.lower()))
    return owners


def _forced(context: Context, spec: Spec) -> Assignment | None:
    """Specs whose ecosystem is said by the user, by their form, or by the environment."""
    options = context.request.options
    ecosystem = spec.ecosystem or options.ecosystem
    in_conda = context.environment.is_conda
    if not in_conda:
        if ecosystem is Ecosystem.CONDA:
            kind = context.environment.kind
            raise InvalidSpecError(
                f"{spec.text!r} is a conda package, and this environment is a {kind}",
                reference="not-a-conda-environment",
                hint=f"%pkg install {spec.name or spec.text} takes it from PyPI",
            )
        return Assignment(spec=spec, ecosystem=Ecosystem.PYPI, name=spec.name, reason="requested")
    if ecosystem is None:
        return None
    said = options.ecosystem is not None or spec.text.startswith(f"{ecosystem.value}::")
    reason = f"requested from {ecosystem.value}" if said else f"requested; only {_only(ecosystem)} takes this form"
    name = spec.name
    if ecosystem is Ecosystem.CONDA and not spec.channel and not names.known_conda(name):
        name = names.conda_name(spec.name) or spec.name
    return Assignment(spec=spec, ecosystem=ecosystem, name=name, reason=reason)


def _only(ecosystem: Ecosystem) -> str:
    return "conda" if ecosystem is Ecosystem.CONDA else "PyPI"


def _keep_owner(spec: Spec, owners: tuple[Package, ...]) -> Assignment:
    owner = owners[0]
    name = owner.name if owner.ecosystem is Ecosystem.CONDA else spec.name
    return Assignment(spec=spec, ecosystem=owner.ecosystem, name=name, reason=f"requested; {_owned(owner)}")


def _by_channel(context: Context, specs: Sequence[Spec], warnings: list[Notice]) -> list[Assignment]:
    """Names nobody owns yet: conda where a configured channel can satisfy them, PyPI otherwise."""
    python = context.environment.python is not None
    candidates = {spec: conda_candidates(spec.name) if python else (spec.name.lower(),) for spec in specs}
    wanted = [spec.match_spec(name) for spec, names_there in candidates.items() for name in names_there]
    available = available_in_channels(context, wanted)
    assignments = []
    for spec, names_there in candidates.items():
        name = next((name for name in names_there if name in available), None)
        if name is not None:
            reason = f"requested; {available[name].source} has it"
            assignments.append(
                Assignment(spec=spec, ecosystem=Ecosystem.CONDA, name=name, reason=reason, negotiable=_has_pypi(name))
            )
            continue
        reason = _why_not_conda(context, spec, names_there)
        assignments.append(Assignment(spec=spec, ecosystem=Ecosystem.PYPI, name=spec.name, reason=reason))
    for spec in specs:
        if python and has_namesake(spec.name):
            message = f"{spec.name} is the Python package of that name; conda's {spec.name} is something else"
            hint = f"for that, write conda::{spec.name.lower()}"
            warnings.append(Notice(reference="same-name", message=message, hint=hint, packages=(spec.name,)))
    return assignments


def conda_candidates(name: str) -> tuple[str, ...]:
    """The conda names that a typed name can stand for, best first."""
    mapped = names.conda_names(name) if names.known_pypi(name) else ()
    return mapped or tuple(dict.fromkeys((name.lower(), canonicalize_name(name))))


def has_namesake(name: str) -> bool:
    """Whether conda has a package of this name that is another thing than PyPI's project of this name.

    conda's ``graphviz`` are the programs, PyPI's is the binding that conda calls ``python-graphviz``. In a
    notebook the name means PyPI's; ``conda::graphviz`` means the other.
    """
    mapped = names.conda_names(name) if names.known_pypi(name) else ()
    return bool(mapped) and name.lower() not in mapped and names.known_conda(name)


def _has_pypi(conda_name: str) -> bool:
    return names.pypi_names(conda_name) != ()


def available_in_channels(context: Context, specs: Iterable[str]) -> dict[str, Package]:
    """The newest available package of each name that one of the specs selects."""
    wanted = tuple(specs)
    if context.conda_settings is None or not wanted:
        return {}
    context.tell(f"asking {context.channels} for {', '.join(wanted[:_NAMED])}{' …' if wanted[_NAMED:] else ''}")
    found: dict[str, Package] = {}
    for package in context.query_channels(context.conda_settings, wanted, reading=context.reading):
        found.setdefault(package.name, package)
    return found


def in_channels(context: Context, spec: Spec) -> bool:
    """Whether a configured channel can satisfy a spec that names a package."""
    if context.conda_settings is None:
        return False
    return bool(available_in_channels(context, [spec.match_spec(name) for name in conda_candidates(spec.name)]))


def _why_not_conda(context: Context, spec: Spec, candidates: Sequence[str]) -> str:
    if spec.version and (available := available_in_channels(context, candidates)):
        best = next(iter(available.values()))
        return f"requested; {best.source} has no {spec.name} {spec.version} (newest: {best.version})"
    return "requested; no configured channel has it"

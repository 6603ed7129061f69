"""``PackageService``: the one facade that every face uses.

It gathers what a request needs (environment, inventory, settings, catalogs, engines), asks the router for a plan
and hands plans to be applied. Its methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self

from packaging.utils import canonicalize_name

from jupyter_pkgmgr import names
from jupyter_pkgmgr.catalog import CondaCatalog, PackageMetadata, PyPICatalog, VersionList
from jupyter_pkgmgr.engines import default_engines
from jupyter_pkgmgr.engines.conda_executables import available_executables
from jupyter_pkgmgr.engines.protocol import Engine
from jupyter_pkgmgr.engines.rattler import RattlerEngine, unhonoured
from jupyter_pkgmgr.environments import (
    CondaSettings,
    IndexSettings,
    check_channels,
    read_conda_settings,
    read_index_settings,
    with_channels,
)
from jupyter_pkgmgr.inventory import Inventory, Problem, fingerprint, read_inventory
from jupyter_pkgmgr.model import (
    Cancellation,
    Ecosystem,
    Environment,
    EventSink,
    Options,
    Outcome,
    Package,
    Plan,
    Request,
    SpecKind,
    Verb,
    ignore_events,
    redact,
)
from jupyter_pkgmgr.model.errors import CatalogError, PackageNotFoundError, PkgError, VersionNotFoundError
from jupyter_pkgmgr.routing import Context, EngineChoice, check_policies, choose_engine, conda_candidates, make_plan
from jupyter_pkgmgr.transactions import (
    Entry,
    Owner,
    Result,
    UndoPlan,
    apply_plan,
    apply_undo,
    examine,
    hold,
    in_force,
    is_unfinished,
    plan_undo,
    read_entries,
    recover,
)

__all__ = [
    "Details",
    "Entry",
    "Hint",
    "PackageService",
    "Reasons",
    "Result",
    "SearchAnswer",
    "SearchHit",
    "SettingsInForce",
    "UndoPlan",
    "in_force",
]


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


class PackageService:
    """Packages of environments: read, plan, change. Use it as a context manager: it may hold a worker process.

    Parameters
    ----------
    face
        How the user talks to us (``%pkg``, ``cli``, …); for the history, and for those who wait for our lock.
    """

    def __init__(self, engines: Mapping[str, Engine] | None = None, *, face: str = "") -> None:
        self._engines = dict(engines or default_engines())
        self._face = face
        self._job = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes."""
        self._reader.close()

    def on_behalf(self, *, face: str, job: str = "") -> PackageService:
        """The same service, engines included, for work that the history is to ascribe to this face and this job."""
        other = copy.copy(self)
        other._face, other._job = face, job  # noqa: SLF001  an object of this very class
        return other

    def _owner(self, command: str = "") -> Owner:
        return Owner.here(face=self._face, command=command, job=self._job)

    # --- change ----------------------------------------------------------------------------------------------------

    def plan(
        self,
        environment: Environment,
        request: Request,
        *,
        events: EventSink = ignore_events,
        cancel: Cancellation | None = None,
    ) -> Plan:
        """Work out what a request would do. Changes nothing.

        Raises
        ------
        PkgError
            If there is no plan.
        """
        cancel = cancel or Cancellation()
        owner = self._owner(request.command)
        recovered = recover(environment, owner, events=events, cancel=cancel)
        plan = self._plan_beside_others(environment, request, events=events, cancel=cancel)
        if plan is None:
            with hold(environment, owner, events=events, cancel=cancel):
                plan = self._make_plan(environment, request, read_inventory(environment), events=events, cancel=cancel)
        return replace(plan, warnings=(recovered.notice, *plan.warnings)) if recovered else plan

    def _plan_beside_others(
        self, environment: Environment, request: Request, *, events: EventSink, cancel: Cancellation
    ) -> Plan | None:
        """The plan; ``None`` where it tells nothing as it was made in the middle of somebody else's change."""
        inventory = read_inventory(environment)
        try:
            plan = self._make_plan(environment, request, inventory, events=events, cancel=cancel)
        except PkgError:
            if is_unfinished(environment) or fingerprint(environment) != inventory.fingerprint:
                return None
            raise
        # Any other plan is looked at again before it is applied; what is there already might still go away.
        return None if plan.is_empty and is_unfinished(environment) else plan

    def _make_plan(
        self,
        environment: Environment,
        request: Request,
        inventory: Inventory,
        *,
        events: EventSink,
        cancel: Cancellation,
    ) -> Plan:
        indexes = _with_options(read_index_settings(environment), request.options)
        conda = _conda_settings(environment, request.options)
        context = Context(
            request=request,
            environment=environment,
            inventory=inventory,
            conda_settings=conda,
            index_settings=indexes,
            choose_engine=functools.partial(self._choose, environment),
            query_channels=self._reader.query,
            index_metadata=functools.partial(_requires, indexes),
            events=events,
            cancel=cancel,
        )
        try:
            return make_plan(context)
        except (PackageNotFoundError, VersionNotFoundError) as error:
            raise (_with_alternatives(error, context) if request.verb is Verb.INSTALL else error) from error

    def apply(
        self,
        plan: Plan,
        *,
        events: EventSink = ignore_events,
        cancel: Cancellation | None = None,
        replanned: Callable[[Plan], None] | None = None,
    ) -> Outcome:
        """Do what a plan says, and verify it.

        Parameters
        ----------
        replanned
            Where given, a plan that is outdated by the time that the environment is ours is made again, and this
            is told the new one. What it raises keeps that from being applied.

        Raises
        ------
        PlanOutdatedError
            If the environment changed since the plan was made, and it isn't to be made again.
        PkgError
            For whatever else goes wrong.
        """
        cancel = cancel or Cancellation()

        def replan(old: Plan) -> Plan:
            inventory = read_inventory(old.environment)
            new = self._make_plan(old.environment, old.request, inventory, events=events, cancel=cancel)
            if replanned is not None:
                replanned(new)
            return new

        return apply_plan(
            plan,
            self._engines,
            read_inventory(plan.environment),
            owner=self._owner(plan.request.command),
            events=events,
            cancel=cancel,
            replan=replan if replanned is not None else None,
        )

    def plan_undo(
        self,
        environment: Environment,
        request: Request,
        which: str = "1",
        *,
        events: EventSink = ignore_events,
        cancel: Cancellation | None = None,
    ) -> UndoPlan:
        """What taking back the last N transactions, or the one with this id, would do. Changes nothing.

        Raises
        ------
        PkgError
            If there is nothing to undo, or something else has changed the same files since.
        """
        owner = self._owner(request.command)
        recovered = recover(environment, owner, events=events, cancel=cancel or Cancellation())
        undo = plan_undo(environment, request, which)
        ecosystems = {change.package.ecosystem for change in undo.plan.changes}
        blockers, warnings = check_policies(environment, request.options, ecosystems=ecosystems)
        said = (*((recovered.notice,) if recovered else ()), *warnings, *undo.plan.warnings)
        return replace(undo, plan=replace(undo.plan, warnings=said, blockers=tuple(blockers)))

    def undo(self, undo: UndoPlan, *, events: EventSink = ignore_events, cancel: Cancellation | None = None) -> Outcome:
        """Take transactions back: put the files in their place again. No engine runs, no network is needed.

        Raises
        ------
        PlanOutdatedError
            If the environment changed since the plan was made; then make it again.
        PkgError
            For whatever else goes wrong.
        """
        owner = self._owner(undo.plan.request.command)
        return apply_undo(undo, owner=owner, events=events, cancel=cancel or Cancellation())

    def recover(
        self, environment: Environment, *, events: EventSink = ignore_events, cancel: Cancellation | None = None
    ) -> None:
        """Take back what was interrupted, if anything was; waits for what is still under way.

        Raises
        ------
        PkgError
            If it can't be taken back.
        """
        recover(environment, self._owner(), events=events, cancel=cancel or Cancellation())

    # --- read ------------------------------------------------------------------------------------------------------

    def inventory(self, environment: Environment) -> Inventory:
        """What is installed."""
        return self._inventory(environment)

    def history(self, environment: Environment) -> tuple[Entry, ...]:
        """What was done to the environment through us, newest first."""
        self._recover(environment)
        return read_entries(environment)

    def doctor(
        self, environment: Environment, *, files: bool = False, cancel: Cancellation | None = None
    ) -> tuple[Problem, ...]:
        """What is wrong in the environment, each with what mends it; ``files`` has every file's hash checked."""
        return examine(environment, self._owner("doctor"), files=files, cancel=cancel)

    def search(self, environment: Environment, query: str, *, limit: int = 20) -> SearchAnswer:
        """Look for packages in the channels (in a conda environment) and in the indexes, side by side."""
        inventory = self._inventory(environment)
        searches = [self._search_pypi] if environment.python else []
        if environment.is_conda:
            searches.insert(0, self._search_conda)
        with ThreadPoolExecutor(max_workers=2) as pool:
            answers = list(pool.map(lambda search: search(environment, query, limit), searches))
        found = [replace(hit, installed=_version_here(inventory, hit)) for hits, _ in answers for hit in hits]
        notes = tuple(note for _, notes in answers for note in notes)
        exact = canonicalize_name(query)
        found.sort(key=lambda hit: (canonicalize_name(hit.name) != exact, not hit.name.startswith(query)))
        return SearchAnswer(query=query, hits=tuple(found[:limit]), notes=notes)

    def _search_conda(self, environment: Environment, query: str, limit: int) -> tuple[list[SearchHit], list[str]]:
        return _searched(CondaCatalog(read_conda_settings(environment), self._reader), query, limit)

    def _search_pypi(self, environment: Environment, query: str, limit: int) -> tuple[list[SearchHit], list[str]]:
        with PyPICatalog(read_index_settings(environment)) as catalog:
            return _searched(catalog, query, limit)

    def show(self, environment: Environment, name: str) -> Details:
        """Everything about one package, installed or not.

        Raises
        ------
        PackageNotFoundError
            If it is neither installed nor available.
        """
        inventory = self._inventory(environment)
        installed = _find(inventory, name)
        catalog, available_name = self._catalog_for(environment, name, installed)
        notes: list[str] = []
        versions: VersionList | None = None
        metadata: PackageMetadata | None = None
        if catalog is not None:
            try:
                versions = catalog.versions(available_name)
                metadata = catalog.metadata(available_name, versions.newest.version if versions.newest else "")
            except PackageNotFoundError:
                if not installed:
                    raise
            except CatalogError as error:
                notes.append(error.message)
            finally:
                if isinstance(catalog, PyPICatalog):
                    catalog.close()
        return _details(inventory, name, installed, versions, metadata, notes)

    def _catalog_for(
        self, environment: Environment, name: str, installed: Sequence[Package]
    ) -> tuple[CondaCatalog | PyPICatalog | None, str]:
        """The catalog that knows the package, and its name there: its owner's, or where it would come from."""
        owner = installed[0].ecosystem if installed else None
        if environment.is_conda and owner is not Ecosystem.PYPI:
            catalog = CondaCatalog(read_conda_settings(environment), self._reader)
            candidates = (installed[0].name,) if installed else conda_candidates(name)
            there = next((item for item in candidates if catalog.exists(item)), None)
            if there is not None:
                return catalog, there
            if owner is Ecosystem.CONDA:
                return None, name
        if environment.python is None:
            return None, name
        return PyPICatalog(read_index_settings(environment)), name

    def why(self, environment: Environment, name: str) -> Reasons:
        """Who needs a package.

        Raises
        ------
        PackageNotFoundError
            If it isn't installed.
        """
        inventory = self._inventory(environment)
        found = _find(inventory, name)
        if not found:
            raise PackageNotFoundError(
                f"{name} is not installed", reference="not-installed", hint="%pkg list shows what is"
            )
        return Reasons(package=found[0], chains=tuple(_chains(inventory, found[0])))

    def settings(self, environment: Environment) -> SettingsInForce:
        """Which channels, indexes and engines would be used, and where that was said."""
        summary: list[tuple[str, str]] = []
        everything: list[tuple[str, str]] = []
        if environment.is_conda:
            conda = read_conda_settings(environment)
            summary.append(("channels", f"{', '.join(conda.channel_names)} ({conda.channel_priority} priority)"))
            everything += [
                (item.name, f"{_in_words(item.value)} ({item.source})")
                for item in conda.settings
                if item.name != "channels"
            ]
        if environment.python:
            indexes = read_index_settings(environment)
            summary.append(("index", f"{redact(indexes.index_url)} ({indexes.source})"))
            sources = dict(indexes.sources)
            summary += [
                (label, f"{_in_words(values)} ({sources.get(name, 'default')})")
                for label, name, values in (
                    ("more indexes", "extra_index_urls", indexes.extra_index_urls),
                    ("links", "find_links", indexes.find_links),
                )
                if values
            ]
            everything += [(name, source) for name, source in indexes.sources]
        return SettingsInForce(summary=tuple(summary), everything=(*summary, *everything))

    def missing_import(self, environment: Environment, module: str) -> Hint | None:
        """What to install so that ``import module`` works; ``None`` where nobody knows or it is there already."""
        inventory = self._inventory(environment)
        known = names.for_import(module)
        if known is None or inventory.packages_for_import(module):
            return None
        package = known.conda[0] if environment.is_conda and known.conda else known.pypi[0]
        if _find(inventory, package):
            return None
        command = f"%pkg install {package}"
        return Hint(package=package, command=command, text=f"{module} comes with {package}: {command}")

    def _inventory(self, environment: Environment) -> Inventory:
        self._recover(environment)
        return read_inventory(environment)

    def _recover(self, environment: Environment) -> None:
        """Take back what was interrupted before anything is read.

        Where that can't be done, reading goes on: this user may be allowed to do nothing else, and has to see what
        there is. Whoever wants to change the environment is told.
        """
        with contextlib.suppress(PkgError):
            owner = self._owner()
            recover(environment, owner, events=ignore_events, cancel=Cancellation(), wait=False)

    # --- engines ---------------------------------------------------------------------------------------------------

    @property
    def _reader(self) -> RattlerEngine:
        engine = self._engines["rattler"]
        assert isinstance(engine, RattlerEngine)  # noqa: S101  default_engines() says so
        return engine

    def _choose(self, environment: Environment, context: Context, ecosystem: Ecosystem) -> EngineChoice:
        return choose_engine(
            context,
            ecosystem,
            engines=self._engines,
            unhonoured=unhonoured,
            executables=functools.partial(available_executables, environment),
        )


def _in_words(value: object) -> str:
    """A setting's value as one reads it: lists and maps without brackets; secrets redacted."""
    if isinstance(value, Mapping):
        return redact(", ".join(f"{key}: {item}" for key, item in value.items())) or "none"
    if isinstance(value, list | tuple):
        return redact(", ".join(map(str, value))) or "none"
    return redact(str(value))


def _conda_settings(environment: Environment, options: Options) -> CondaSettings | None:
    if not environment.is_conda:
        return None
    settings = read_conda_settings(environment)
    if options.channels or options.override_channels:
        settings = with_channels(settings, options.channels, override=options.override_channels)
    else:
        check_channels(settings)
    return replace(settings, offline=True) if options.offline else settings


def _with_options(settings: IndexSettings, options: Options) -> IndexSettings:
    return replace(
        settings,
        index_url=options.index_url or settings.index_url,
        extra_index_urls=(*settings.extra_index_urls, *options.extra_index_urls),
        find_links=(*settings.find_links, *options.find_links),
        no_index=settings.no_index or options.no_index,
        offline=settings.offline or options.offline,
    )


def _requires(settings: IndexSettings, versions: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    with PyPICatalog(settings) as catalog:
        found = catalog.metadata_many(versions.items())
    return {item.name: item.depends for item in found.values() if isinstance(item, PackageMetadata)}


def _details(
    inventory: Inventory,
    name: str,
    installed: tuple[Package, ...],
    versions: VersionList | None,
    metadata: PackageMetadata | None,
    notes: Sequence[str],
) -> Details:
    here = installed[0] if installed else None
    newest = versions.newest if versions else None
    stale = versions.freshness.note if versions else ""
    return Details(
        name=here.name if here else versions.name if versions else name,
        installed=installed,
        source=redact(newest.origins[0]) if newest and newest.origins else "",
        versions=tuple(item.version for item in versions.versions if not item.yanked) if versions else (),
        summary=(metadata.summary if metadata else "") or (here.summary if here else ""),
        license=(here.license if here else "") or (metadata.license if metadata else ""),
        imports=tuple(sorted({item for package in installed for item in inventory.imports(package)})),
        depends=here.depends if here else metadata.depends if metadata else (),
        needed_by=tuple(sorted({item.name for package in installed for item in inventory.dependents(package)})),
        files=sum(len(inventory.files(package)) for package in installed),
        notes=(*notes, *(versions.notes if versions else ()), *((stale,) if stale else ())),
    )


def _with_alternatives(error: CatalogError, context: Context) -> CatalogError:
    """Say what there is instead: near names, and the versions that exist. A resolver doesn't tell."""
    with PyPICatalog(context.index_settings) as catalog:
        for spec in context.request.specs:
            if spec.kind is not SpecKind.NAME or Ecosystem.CONDA in (spec.ecosystem, context.request.options.ecosystem):
                continue
            specifier = spec.pep440()
            try:
                catalog.select(spec.name, specifier, environment=context.environment, pre=context.request.options.pre)
            except PackageNotFoundError as better:
                if context.environment.is_conda:
                    better.message = f"neither a channel nor an index has a package {spec.name!r}"
                return better
            except VersionNotFoundError as better:
                return better
            except CatalogError:
                return error
    return error


def _searched(catalog: CondaCatalog | PyPICatalog, query: str, limit: int) -> tuple[list[SearchHit], list[str]]:
    """Hits and notes; a catalog that can't be reached is a note, so that the other one still answers."""
    try:
        result = catalog.search(query, limit=limit)
        versions = catalog.versions_many(package.name for package in result.packages)
    except CatalogError as error:
        return [], [error.message]
    notes = [note for note in (result.note, result.freshness.note) if note]
    return [_hit(package, versions.get(package.name)) for package in result.packages], notes


def _hit(package: Package, versions: VersionList | PkgError | None) -> SearchHit:
    newest = versions.newest if isinstance(versions, VersionList) else None
    return SearchHit(
        name=package.name,
        version=newest.version if newest else package.version,
        ecosystem=package.ecosystem,
        origin=redact(newest.origins[0]) if newest and newest.origins else package.ecosystem.value,
        summary=package.summary,
    )


def _version_here(inventory: Inventory, hit: SearchHit) -> str:
    found = inventory.conda(hit.name) if hit.ecosystem is Ecosystem.CONDA else inventory.pypi(hit.name)
    return found.version if found else ""


def _find(inventory: Inventory, name: str) -> tuple[Package, ...]:
    owner = inventory.distribution(name)
    return inventory.find(name) or ((owner[0],) if owner else ())


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

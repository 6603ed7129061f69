"""``PackageService``: the one facade that every face uses.

It gathers what a request needs (environment, inventory, settings, catalogs, engines), asks the router for a plan
and hands plans to be applied. Its methods may be called from any thread.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Self, TypeVar

from jupyter_pkgmgr import lookup
from jupyter_pkgmgr.catalog import PackageMetadata, PyPICatalog, VersionList
from jupyter_pkgmgr.engines import default_engines
from jupyter_pkgmgr.engines.conda_executables import available_executables
from jupyter_pkgmgr.engines.protocol import Engine, EngineInfo
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
from jupyter_pkgmgr.lookup import Sources
from jupyter_pkgmgr.model import (
    AdminPolicy,
    Cancellation,
    Ecosystem,
    Environment,
    EventSink,
    Notice,
    Options,
    Outcome,
    Package,
    Plan,
    Request,
    SpecKind,
    Verb,
    ignore_events,
)
from jupyter_pkgmgr.model.errors import (
    CatalogError,
    DependencyNotFoundError,
    EngineNotFoundError,
    PackageNotFoundError,
    PkgError,
    PolicyError,
    VersionNotFoundError,
)
from jupyter_pkgmgr.routing import (
    Context,
    EngineChoice,
    check_indexes,
    check_policies,
    check_undo,
    choose_engine,
    in_channels,
    make_plan,
)
from jupyter_pkgmgr.transactions import (
    Entry,
    Owner,
    Result,
    UndoPlan,
    apply_plan,
    apply_undo,
    asked_for,
    attempt_recovery,
    being_changed,
    came_along,
    examine,
    hold,
    in_force,
    is_unfinished,
    make_verdict,
    overlaps,
    plan_undo,
    read_entries,
    read_limits,
    record_verdict,
    recover,
)

__all__ = [
    "Entry",
    "PackageService",
    "Result",
    "UndoPlan",
    "in_force",
]


class PackageService:
    """Packages of environments: read, plan, change. Use it as a context manager: it may hold a worker process.

    Parameters
    ----------
    face
        How the user talks to us (``%pkg``, ``cli``, …); for the history, and for those who wait for our lock.
    policy
        What the administrator allows; it binds every verb, whoever asks.
    """

    def __init__(
        self, engines: Mapping[str, Engine] | None = None, *, face: str = "", policy: AdminPolicy | None = None
    ) -> None:
        self.policy = policy or AdminPolicy()
        self._engines = dict(engines or default_engines())
        self._face = face
        self._sources = Sources(self._reader, self.policy)
        self._user = ""
        self._job = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes, and give back connections."""
        self._sources.close()
        self._reader.close()

    def on_behalf(self, *, user: str = "", face: str, job: str = "") -> PackageService:
        """The same service, engines included, for work that the history is to ascribe to this user, face and job.

        Without a ``user`` it is the one that this process runs as.
        """
        other = copy.copy(self)
        other._user, other._face, other._job = user, face, job  # noqa: SLF001  an object of this very class
        return other

    def tools(self) -> tuple[EngineInfo, ...]:
        """The tools that engines found beside this program and on the machine, whatever environment is asked about."""
        found = []
        for engine in self._engines.values():
            with contextlib.suppress(EngineNotFoundError):
                found.append(engine.info())
        return tuple(found)

    def _owner(self, command: str = "") -> Owner:
        return Owner.here(user=self._user, face=self._face, command=command, job=self._job)

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
            query_channels=self._reader.best,
            index_metadata=functools.partial(_requires, indexes),
            index_versions=functools.partial(_versions, indexes),
            policy=self.policy,
            events=events,
            cancel=cancel,
        )
        try:
            plan = make_plan(context)
        except (PackageNotFoundError, VersionNotFoundError) as error:
            named = request.verb in (Verb.INSTALL, Verb.SYNC)
            raise (_with_alternatives(error, context) if named else error) from error
        return replace(plan, warnings=(*plan.warnings, *overlaps(plan, inventory)))

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
        blockers += check_undo(self.policy, read_inventory(environment), undo.plan.changes)
        return replace(undo, plan=replace(undo.plan, warnings=said, blockers=tuple(blockers)))

    def undo(
        self,
        undo: UndoPlan,
        *,
        events: EventSink = ignore_events,
        cancel: Cancellation | None = None,
        replanned: Callable[[UndoPlan], None] | None = None,
    ) -> Outcome:
        """Take transactions back: put the files in their place again. No engine runs, no network is needed.

        Parameters
        ----------
        replanned
            As for :meth:`apply`; the new plan takes the very same transactions back.

        Raises
        ------
        PlanOutdatedError
            If the environment changed since the plan was made, and it isn't to be made again; or if somebody else
            has taken one of the transactions back.
        PkgError
            For whatever else goes wrong.
        """
        owner = self._owner(undo.plan.request.command)
        return apply_undo(undo, owner=owner, events=events, cancel=cancel or Cancellation(), replanned=replanned)

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
        """What is installed; as requested counts what somebody asked for, not what we asked conda for in their name."""
        return self.read(environment)[0]

    def read(self, environment: Environment) -> tuple[Inventory, Notice | None]:
        """What is installed, and why that may be half of a change."""
        inventory, notice = self._read(environment)
        along = came_along(environment)
        packages = tuple(_as_asked(package, along) for package in inventory.packages)
        return (inventory if packages == inventory.packages else replace(inventory, packages=packages)), notice

    def unfinished(self, environment: Environment) -> Notice | None:
        """Why what is read now may be half of a change: one is under way, or could not be taken back."""
        return self._recover(environment)

    def history(self, environment: Environment) -> tuple[Entry, ...]:
        """What was done to the environment through us, newest first."""
        self._recover(environment)
        return read_entries(environment)

    def record_verdict(
        self, environment: Environment, transaction: str, *, level: str, modules: Sequence[str] = ()
    ) -> None:
        """Keep the restart verdict on a transaction, which only a kernel can give, with the history.

        Raises
        ------
        UsageError
            If that is no verdict, or this environment has no such transaction.
        """
        record_verdict(environment, transaction, make_verdict(level, modules))

    def doctor(
        self, environment: Environment, *, files: bool = False, cancel: Cancellation | None = None
    ) -> tuple[Problem, ...]:
        """What is wrong in the environment, each with what mends it; ``files`` has every file's hash checked."""
        return examine(environment, self._owner("doctor"), files=files, cancel=cancel)

    def search(self, environment: Environment, query: str, *, limit: int = 20) -> lookup.SearchAnswer:
        """Look for packages in the channels (in a conda environment) and in the indexes, side by side."""
        return _told(self._read(environment), lambda found: lookup.search(self._sources, found, query, limit=limit))

    def show(self, environment: Environment, name: str) -> lookup.Details:
        """Everything about one package, installed or not.

        Raises
        ------
        PackageNotFoundError
            If it is neither installed nor available.
        """
        return _told(self.read(environment), lambda found: lookup.show(self._sources, found, name))

    def versions(
        self, environment: Environment, name: str, *, ecosystem: Ecosystem | None = None
    ) -> lookup.PackageVersions:
        """Every version of a package, from where it would come or from the ecosystem that is named; newest first.

        Raises
        ------
        PackageNotFoundError
            If there is no such package.
        """
        return _told(
            self._read(environment),
            lambda found: lookup.list_versions(self._sources, found, name, ecosystem=ecosystem),
        )

    def outdated(self, environment: Environment, *, cancel: Cancellation | None = None) -> lookup.Outdated:
        """The installed packages of which a newer version fits this Python and this machine.

        What can't be looked up is told in the notes.
        """
        cancel = cancel or Cancellation()
        return _told(self._read(environment), lambda found: lookup.find_outdated(self._sources, found, cancel=cancel))

    def names(self, environment: Environment) -> lookup.Names:
        """Every name of a package that can be completed."""
        return lookup.all_names(self._sources, environment)

    def why(self, environment: Environment, name: str) -> lookup.Reasons:
        """Who needs a package.

        Raises
        ------
        PackageNotFoundError
            If it isn't installed.
        """
        return _told(self.read(environment), lambda found: lookup.why(found, name))

    def settings(self, environment: Environment) -> lookup.SettingsInForce:
        """Which channels, indexes and engines would be used, and where that was said."""
        found = lookup.settings_in_force(environment, self.policy)
        return replace(found, everything=(*found.everything, *read_limits().in_words()))

    def export(self, environment: Environment, options: lookup.ExportOptions) -> lookup.Export:
        """A file that brings the environment about again elsewhere.

        Raises
        ------
        UsageError
            If the environment can't be described in the form that was asked for.
        """
        inventory, asked = self.inventory(environment), asked_for(environment)
        packages = tuple(_as_recorded(package, asked) for package in inventory.packages)
        return lookup.export(replace(inventory, packages=packages), options)

    def missing_import(self, environment: Environment, module: str) -> lookup.Hint | None:
        """What to install so that ``import module`` works; ``None`` where nobody knows or it is there already."""
        return lookup.missing_import(self._read(environment)[0], module)

    def _read(self, environment: Environment) -> tuple[Inventory, Notice | None]:
        notice = self._recover(environment)
        inventory = read_inventory(environment)
        return inventory, notice or being_changed(environment)

    def _recover(self, environment: Environment) -> Notice | None:
        """Take back what was interrupted before anything is read; says why what is read may be half of a change.

        Nobody is waited for, neither a change that is under way nor an engine that outlived its ``%pkg``: only changes
        wait. Where something can't be taken back, reading goes on as well: this user may be allowed to do nothing else,
        and has to see what there is.
        """
        _, notice = attempt_recovery(environment, self._owner())
        return notice

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


_Answer = TypeVar(
    "_Answer", lookup.Details, lookup.Outdated, lookup.PackageVersions, lookup.Reasons, lookup.SearchAnswer
)


def _told(read: tuple[Inventory, Notice | None], ask: Callable[[Inventory], _Answer]) -> _Answer:
    """An answer about what is installed, or the error instead of one, with what is to be said of what was read."""
    inventory, notice = read
    if notice is None:
        return ask(inventory)
    try:
        answer: _Answer = ask(inventory)
    except PkgError as error:
        error.note = "; ".join(filter(None, (notice.message, error.note)))
        raise
    return replace(answer, notes=(notice.message, *answer.notes))


def _as_asked(package: Package, along: Container[tuple[tuple[Ecosystem, str], str]]) -> Package:
    """The package, of which nobody says that it was requested if it came along with another."""
    return (
        replace(package, requested=False) if package.requested and (package.key, package.version) in along else package
    )


def _as_recorded(package: Package, asked: Container[tuple[tuple[Ecosystem, str], str]]) -> Package:
    """The package, of which nobody knows whether it was requested where uv says so: uv says it of dependencies, too."""
    told = package.ecosystem is Ecosystem.CONDA or package.installer != "uv" or (package.key, package.version) in asked
    return package if told or not package.requested else replace(package, requested=None)


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


def _versions(settings: IndexSettings, names: Sequence[str]) -> dict[str, VersionList]:
    with PyPICatalog(settings) as catalog:
        found = catalog.versions_many(names)
    return {name: item for name, item in found.items() if isinstance(item, VersionList)}


def _with_alternatives(error: CatalogError, context: Context) -> CatalogError:
    """Say what there is instead: near names, and the versions that exist. A resolver doesn't tell."""
    if isinstance(error, DependencyNotFoundError):
        return error  # what was typed is there
    context.tell(f"asking {context.index} what there is instead")
    try:
        check_indexes(context)
    except PolicyError:
        return error  # the indexes in force may not be asked
    with PyPICatalog(context.index_settings) as catalog:
        for spec in context.request.specs:
            if spec.kind is not SpecKind.NAME or Ecosystem.CONDA in (spec.ecosystem, context.request.options.ecosystem):
                continue
            if in_channels(context, spec):
                continue  # whatever is missing, it isn't this
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

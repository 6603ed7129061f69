"""The embedded conda engine: conda environments without any conda installed.

The work is done by py-rattler in a worker process (:mod:`.rattler_worker`); this side translates requests, plans
and events, and writes conda's history, which rattler leaves empty. Differences from conda that remain:
link scripts aren't run, and modules of ``noarch: python`` packages aren't compiled when they are linked.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, ClassVar

from packaging.version import Version

from jupyter_pkgmgr.environments.conda_settings import CondaSettings
from jupyter_pkgmgr.environments.history import read_history
from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Change,
    Ecosystem,
    EnginePlan,
    Environment,
    Event,
    EventKind,
    EventSink,
    Notice,
    Options,
    Origin,
    OriginKind,
    Package,
    Phase,
    Verb,
    redact,
)
from jupyter_pkgmgr.model.errors import EngineNotFoundError, UsageError

from .conda_history import append_revision, current_dists
from .protocol import EngineInfo, EngineRequest
from .rattler_process import Workers
from .rattler_settings import (
    ChannelSetup,
    adds_pip,
    canonical_channel,
    channel_setup,
    eager_packages,
    localise,
    unhonoured,
    value_of,
)

__all__ = ["RattlerEngine", "unhonoured"]

_OLDEST, _TOO_NEW = Version("0.28"), Version("0.29")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """What an apply needs beyond the changes."""

    setup: ChannelSetup
    settings: CondaSettings
    install: Mapping[str, Any]
    """The parameters of the worker's ``install``."""
    command: str
    update_specs: tuple[str, ...]
    remove_specs: tuple[str, ...]
    neutered_specs: tuple[str, ...]


class RattlerEngine:
    """Plans and applies conda changes, and reads conda channels for the catalog."""

    name: ClassVar[str] = "rattler"
    ecosystem: ClassVar[Ecosystem] = Ecosystem.CONDA

    def __init__(self) -> None:
        self._workers = Workers()

    def close(self) -> None:
        """End the idle worker processes; the engine can still be used afterwards."""
        self._workers.close()

    def info(self) -> EngineInfo:
        """The installed py-rattler."""
        try:
            version = metadata.version("py-rattler")
        except metadata.PackageNotFoundError:
            msg = "py-rattler, the embedded conda engine, is not installed beside jupyter_pkgmgr"
            raise EngineNotFoundError(msg, hint="pip install 'py-rattler>=0.28,<0.29'") from None
        known = _OLDEST <= Version(version) < _TOO_NEW
        problem = "" if known else f"py-rattler {version} has another API than {_OLDEST}"
        return EngineInfo(name=self.name, executable=sys.executable, version=version, problem=problem)

    def plan(
        self, environment: Environment, request: EngineRequest, *, events: EventSink, cancel: Cancellation
    ) -> EnginePlan:
        """Work out the changes by conda's rules (:mod:`.rattler_worker_plan`)."""
        settings = _settings(request.conda)
        events(Event(kind=EventKind.PHASE, phase=Phase.SOLVE))
        question = _question(environment, request, settings)
        setup = channel_setup(settings, request.options, specs=request.specs)
        answer = self._workers.ask(
            "plan",
            {"channels": setup.document, "reading": request.reading, "question": question},
            environment=setup.environment,
            on_event=lambda event: _forward(event, events),
            cancel=cancel,
        )
        name_of = _channel_names(settings)
        known = {package.name.lower(): package for package in request.installed if package.ecosystem is Ecosystem.CONDA}
        changes = tuple(_change(item, name_of, known) for item in answer["changes"])
        return EnginePlan(
            engine=self.name,
            engine_version=self.info().version,
            ecosystem=self.ecosystem,
            changes=changes,
            warnings=tuple(_script_notice(name) for name in answer["scripts"]),
            payload=_payload(environment, request, setup, settings, question, answer),
        )

    def apply(self, environment: Environment, plan: EnginePlan, *, events: EventSink, cancel: Cancellation) -> None:
        """Link and unlink what the plan says, then write the revision into conda's history."""
        payload = plan.payload
        if not isinstance(payload, _Payload):
            msg = "this plan was not made by the embedded conda engine"
            raise UsageError(msg)
        if not plan.changes:
            return
        result = self._workers.ask(
            "install",
            payload.install,
            environment=payload.setup.environment,
            on_event=lambda event: _forward(event, events),
            cancel=cancel,
        )
        for package, path in result["overwritten"]:
            message = f"{path} of {package} was overwritten: another package has a file of that name"
            events(Event(kind=EventKind.MESSAGE, level="warning", package=package, message=message))
        told = {name for notice in plan.warnings for name in notice.packages}
        for name in result["scripts"]:
            if name not in told:
                message = _script_notice(name).message
                events(Event(kind=EventKind.MESSAGE, level="warning", package=name, message=message))
        append_revision(
            environment.conda_meta / "history",
            dists=current_dists(environment.prefix, _channel_names(payload.settings)),
            command=payload.command,
            update_specs=payload.update_specs,
            remove_specs=payload.remove_specs,
            neutered_specs=payload.neutered_specs,
        )

    def names(self, settings: CondaSettings, *, reading: str = "") -> tuple[str, ...]:
        """Every package name in the configured channels, sorted."""
        setup = channel_setup(settings, Options())
        params = {"channels": setup.document, "reading": reading}
        return tuple(self._workers.ask("names", params, environment=setup.environment))

    def newest(
        self,
        environment: Environment,
        settings: CondaSettings,
        installed: Mapping[str, str],
        *,
        cancel: Cancellation | None = None,
    ) -> dict[str, str]:
        """From {name: installed version} to {name: newest version that fits}; the installed one where none is newer.

        It fits if it can go beside the environment's Python minor, onto this machine and past the user's pins. A name
        that no channel has, or of which nothing fits, is left out. Found in the worker: channels have thousands of
        builds of some names.
        """
        setup = channel_setup(settings, Options())
        params = {
            "channels": setup.document,
            "reading": "",
            "prefix": str(environment.prefix),
            "installed": dict(installed),
            "pins": list(settings.pinned_packages),
        }
        return dict(self._workers.ask("newest", params, environment=setup.environment, cancel=cancel))

    def query(self, settings: CondaSettings, specs: Sequence[str], *, reading: str = "") -> tuple[Package, ...]:
        """Every available package that one of the MatchSpecs selects; newest version first.

        Parameters
        ----------
        reading
            As in :class:`~.protocol.EngineRequest`.
        """
        return self._packages("query", settings, specs, reading)

    def best(self, settings: CondaSettings, specs: Sequence[str], *, reading: str = "") -> tuple[Package, ...]:
        """Of each MatchSpec the first that :meth:`query` has for it: there can be thousands of the others."""
        return self._packages("best", settings, specs, reading)

    def _packages(
        self, method: str, settings: CondaSettings, specs: Sequence[str], reading: str
    ) -> tuple[Package, ...]:
        setup = channel_setup(settings, Options(), specs=specs)
        wanted = [localise(settings, spec) for spec in specs]
        params = {"channels": setup.document, "reading": reading, "specs": wanted}
        records = self._workers.ask(method, params, environment=setup.environment)
        name_of = _channel_names(settings)
        return tuple(_package(record, name_of) for record in records)


def _settings(settings: CondaSettings | None) -> CondaSettings:
    if settings is None:
        msg = "the embedded conda engine needs conda's settings"
        raise UsageError(msg)
    return settings


def _question(environment: Environment, request: EngineRequest, settings: CondaSettings) -> dict[str, Any]:
    history = read_history(environment.conda_meta / "history").requested_specs()
    recorded = {package.name.lower(): package.name.lower() for package in request.installed if package.requested}
    ignore_pins = value_of(settings, "ignore_pinned") in (True, "true", "True", "yes", "on", "1")
    configured = () if ignore_pins else settings.pinned_packages
    return {
        "prefix": str(environment.prefix),
        "verb": request.verb.value,
        "specs": [localise(settings, spec) for spec in request.specs],
        "updates": [name.lower() for name in request.updates],
        "removals": [name.lower() for name in request.removals],
        "history": {name: localise(settings, spec) for name, spec in {**recorded, **history}.items()},
        "history_known": bool(history or recorded),
        "held": [package.name.lower() for package in request.held if package.ecosystem is Ecosystem.CONDA],
        "pins": list(dict.fromkeys((*configured, *request.pins))),
        "eager": list(eager_packages(settings)),
        "upgrade": request.options.upgrade,
        "no_deps": request.options.no_deps,
        "force_reinstall": request.options.force_reinstall,
        "add_pip": adds_pip(settings),
    }


def _payload(
    environment: Environment,
    request: EngineRequest,
    setup: ChannelSetup,
    settings: CondaSettings,
    question: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> _Payload:
    changes = answer["changes"]
    removes = request.verb is Verb.REMOVE
    # as typed, for conda knows the names of channels; a URL without the credentials that it may hold
    recorded = tuple(localise(settings, spec) if "://" in spec else spec for spec in request.specs)
    words = ["jupyter", "pkg", request.verb.value, *request.specs]
    words += [";", "remove", *request.removals] if request.removals else []
    return _Payload(
        setup=setup,
        settings=settings,
        install={
            "channels": setup.document,
            "prefix": str(environment.prefix),
            "link": [item["after"] for item in changes if item["after"]],
            "unlink": [item["before"]["name"] for item in changes if item["before"] and not item["after"]],
            "reinstall": answer["reinstall"],
            "requested": [] if removes else question["specs"],
            "before": answer["before"],
            "after": answer["after"],
        },
        command=" ".join(words),
        update_specs=() if removes else recorded,
        remove_specs=recorded if removes else request.removals,
        neutered_specs=tuple(answer["neutered"]),
    )


def _script_notice(name: str) -> Notice:
    return Notice(
        reference="link-script",
        message=f"{name} has a script that conda would run and the embedded engine doesn't",
        hint=f"if {name} doesn't work without it: %pkg install --engine conda {name}",
        packages=(name,),
    )


def _channel_names(settings: CondaSettings) -> Callable[[str], str]:
    """Conda's names of channels by URL; it remembers them, for many records."""
    return functools.cache(lambda url: canonical_channel(settings, url))


def _change(item: Mapping[str, Any], name_of: Callable[[str], str], known: Mapping[str, Package]) -> Change:
    before, after = item["before"], item["after"]
    return Change(
        action=Action(item["action"]),
        before=(known.get(before["name"]) or _package(before, name_of)) if before else None,
        after=_package(after, name_of, requested=item["requested"]) if after else None,
        requested=item["requested"],
        reason=item["reason"],
    )


def _package(record: Mapping[str, Any], name_of: Callable[[str], str], *, requested: bool | None = None) -> Package:
    """A record of repodata as a package, without credentials."""
    channel = str(record.get("channel") or "").rstrip("/")
    location = name_of(channel) if "://" in channel else channel
    kind = OriginKind.CHANNEL if location else OriginKind.URL
    return Package(
        name=record["name"],
        version=record["version"],
        ecosystem=Ecosystem.CONDA,
        build=record["build"],
        origin=Origin(kind=kind, location=redact(location or str(record.get("url") or ""))),
        requested=requested,
        installer="conda",
        depends=tuple(record.get("depends") or ()),
        license=str(record.get("license") or ""),
        size=record.get("size"),
        url=redact(str(record.get("url") or "")),
    )


def _forward(event: Mapping[str, Any], events: EventSink) -> None:
    """The worker's event as the model's."""
    phase = event.get("phase")
    events(
        Event(
            kind=EventKind(event["kind"]),
            phase=Phase(phase) if phase else None,
            state=event.get("state", ""),
            package=event.get("package", ""),
            done=event.get("done"),
            total=event.get("total"),
            level=event.get("level", ""),
            message=event.get("message", ""),
        )
    )

"""The one place that calls py-rattler: repodata, solving, installing. Runs in the worker process only.

py-rattler's API moves between minor versions, so everything of it that the worker needs has a function
here, in terms of plain values and of rattler's records. Written for 0.28.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rattler
from rattler.exceptions import SolverError

from jupyter_pkgmgr.model.errors import EnvironmentProblem, InvalidSpecError

from .rattler_worker_memory import FileMemory

__all__ = [
    "Channels",
    "Record",
    "SolveInput",
    "Source",
    "Unsolvable",
    "best",
    "document",
    "find",
    "install",
    "link_script",
    "matches",
    "names",
    "newest",
    "read_prefix",
    "records_from_json",
    "solve",
    "spec_name",
    "version",
]

Record = rattler.RepoDataRecord | rattler.PrefixRecord

_PRIORITIES = {
    "strict": rattler.ChannelPriority.Strict,
    "flexible": rattler.ChannelPriority.Flexible,
    "disabled": rattler.ChannelPriority.Disabled,
}
_OVERRIDES = {
    "CONDA_OVERRIDE_CUDA": "cuda",
    "CONDA_OVERRIDE_OSX": "osx",
    "CONDA_OVERRIDE_GLIBC": "libc",
    "CONDA_OVERRIDE_ARCHSPEC": "archspec",
}

_PATIENCE = 10
"""How many times longer than a pause a whole answer of repodata may take."""
_OF_THE_PREFIX = {"extracted_package_dir", "files", "link", "package_tarball_full_path", "paths_data"}


class Unsolvable(Exception):  # noqa: N818  it is an answer of the solver, not a defect
    """The solver found no solution; the text is its whole report."""


def version() -> str:
    """The version of py-rattler that is loaded."""
    return str(rattler.__version__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where packages come from, as the driver describes it in every request."""

    urls: tuple[str, ...]
    """Base URLs without credentials, in priority order."""
    priority: str
    subdir: str
    cache_dir: str
    pkgs_dir: str
    offline: bool
    read_timeout: float
    """Seconds without a byte after which a server counts as gone."""
    toml: str
    """rattler's own configuration: mirrors (which carry conda's tokens), proxies, TLS."""
    logins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """User and password by host."""
    zst: bool = True
    shards: bool = True
    overrides: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Channels:
        """The description as it came over the pipe."""
        return cls(**{**document, "urls": tuple(document["urls"])})


@contextmanager
def _configuration(channels: Channels) -> Iterator[rattler.Config]:
    """Read rattler's configuration; it takes logins from a file only, which is gone as soon as they are read."""
    if not channels.logins:
        yield rattler.Config.from_toml(channels.toml)
        return
    logins = {
        host: {"BasicHTTP": {"username": user, "password": password}}
        for host, (user, password) in channels.logins.items()
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # readable by us alone
        json.dump(logins, file)
        file.flush()
        yield rattler.Config.from_toml(f"authentication-override-file = {json.dumps(file.name)}\n{channels.toml}")


class Source:
    """Repodata of channels, kept in memory as long as the worker lives and read anew for every plan or question."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        # rattler's time-out is for a whole request, so a slow but living server needs room
        patience = max(int(channels.read_timeout * _PATIENCE), 1)
        with _configuration(channels) as config:
            self.client = rattler.Client.from_config(config)
            self._repodata_client = rattler.Client.from_config(config, max_retries=1, timeout=patience)
        self._gateway: rattler.Gateway | None = None
        self._shards = channels.shards

    @property
    def gateway(self) -> rattler.Gateway:
        """Rattler's reader of repodata."""
        if self._gateway is None:
            settings = rattler.SourceConfig(
                zstd_enabled=self.channels.zst,
                sharded_enabled=self._shards,
                cache_action="force-cache-only" if self.channels.offline else "cache-or-fetch",
            )
            cache = Path(self.channels.cache_dir)
            self._gateway = rattler.Gateway(cache_dir=cache, default_config=settings, client=self._repodata_client)
        return self._gateway

    @property
    def sources(self) -> list[rattler.Channel]:
        """The channels in priority order."""
        return [rattler.Channel(url) for url in self.channels.urls]

    @property
    def subdirs(self) -> list[rattler.Subdir]:
        """The platform's subdirectory and ``noarch``."""
        return [rattler.Subdir(self.channels.subdir), rattler.Subdir("noarch")]

    def refresh(self) -> None:
        """Forget what is in memory: a channel may have changed. The disk cache answers if it hasn't."""
        for channel in self.sources:
            self.gateway.clear_repodata_cache(channel)

    def without_shards(self) -> bool:
        """Stop asking for sharded repodata; ``False`` if that was so already.

        Some hosts answer 401, 403 or a page of text for files that aren't there; only the plain
        ``repodata.json`` tells whether the channel itself can be read.
        """
        if not self._shards:
            return False
        self._shards, self._gateway = False, None
        return True

    def virtual_packages(self) -> list[rattler.GenericVirtualPackage]:
        """What the machine offers (``__glibc``, ``__cuda``, …), with conda's override variables."""
        overrides = rattler.VirtualPackageOverrides()
        for variable, attribute in _OVERRIDES.items():
            if variable in self.channels.overrides:
                setattr(overrides, attribute, rattler.Override.string(self.channels.overrides[variable]))
        return [package.into_generic() for package in rattler.VirtualPackage.detect(overrides)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveInput:
    """One question to the solver."""

    specs: Sequence[str]
    """What must be there; the first ones are decided first, so the named packages come first."""
    constraints: Sequence[str] = ()
    """What must hold for a package if it is there."""
    locked: Sequence[Record] = ()
    """Preferred to any other build of the same name."""
    pinned: Sequence[Record] = ()
    """The only build of that name."""


def parse(text: str) -> rattler.MatchSpec:
    """Read a MatchSpec as leniently as conda does (``x 1.0``).

    Raises
    ------
    InvalidSpecError
        If it isn't one.
    """
    try:
        return rattler.MatchSpec(text)
    except Exception as error:  # rattler's exceptions have no common base
        msg = f"{text!r} is no conda spec"
        raise InvalidSpecError(msg, note=str(error), hint="write it as name, name=1.2 or 'name>=1,<2'") from error


def spec_name(text: str) -> str:
    """The package a MatchSpec is about; empty for a URL."""
    return str(parse(text).name.normalized or "")


def matches(text: str, record: Record) -> bool:
    """Whether an installed record is what the spec asks for, the channel included."""
    if "://" in text.split("::", maxsplit=1)[0] and "::" not in text:
        return str(record.url) == text
    spec = parse(text)
    if not spec.matches(record):
        return False
    channel = spec.channel
    return channel is None or str(channel.base_url).rstrip("/") == str(record.channel or "").rstrip("/")


async def solve(source: Source, question: SolveInput, *, add_pip: bool = False) -> list[Record]:
    """Ask the solver.

    Raises
    ------
    Unsolvable
        With the solver's report.
    """
    specs, constraints = list(question.specs), list(question.constraints)
    if source.channels.priority == "strict":
        specs, constraints = _by_name(specs, constraints)
    try:
        return list(
            await rattler.solve(
                source.sources,
                [parse(spec) for spec in specs],
                gateway=source.gateway,
                platforms=source.subdirs,
                locked_packages=list(question.locked),
                pinned_packages=list(question.pinned),
                virtual_packages=source.virtual_packages(),
                channel_priority=_PRIORITIES[source.channels.priority],
                constraints=[parse(spec) for spec in constraints],
                add_pip_as_python_dependency=add_pip,
            )
        )
    except SolverError as error:
        raise Unsolvable(str(error)) from error


def _by_name(specs: Iterable[str], constraints: Iterable[str]) -> tuple[list[str], list[str]]:
    """Ask for names, and make the rest of the specs constraints.

    rattler looks for the channel that has a package only among what the spec selects, so a version that only a
    lower channel has would be taken from there, which strict priority forbids.
    """
    whole = [spec for spec in specs if "://" in spec]
    plain = [spec for spec in specs if "://" not in spec]
    return [*whole, *dict.fromkeys(map(spec_name, plain))], [*constraints, *plain]


async def find(source: Source, specs: Iterable[str]) -> list[list[Record]]:
    """What the channels have for each spec, best version first."""
    unique = [{str(record.url): record for record in records} for records in await _selected(source, specs)]
    return [sorted(records.values(), reverse=True) for records in unique]


async def best(source: Source, specs: Iterable[str]) -> list[Record]:
    """The best version of what the channels have for each spec; nothing for a spec that selects nothing."""
    return [max(records) for records in await _selected(source, specs) if records]


async def _selected(source: Source, specs: Iterable[str]) -> list[list[Record]]:
    parsed = [parse(spec) for spec in specs]
    found = await _builds(source, parsed)
    return [[record for record in found.get(spec.name.normalized, ()) if spec.matches(record)] for spec in parsed]


async def _builds(source: Source, specs: Sequence[rattler.MatchSpec]) -> dict[str, list[Record]]:
    """Everything that the channels have of the names in some specs, by name."""
    found: dict[str, list[Record]] = {}
    for group in await _query(source, specs):
        for record in group:
            found.setdefault(record.name.normalized, []).append(record)
    return found


async def _query(source: Source, specs: Sequence[rattler.MatchSpec]) -> list[list[Record]]:
    if not specs:
        return []
    return list(await source.gateway.query(source.sources, source.subdirs, specs, recursive=False))


async def names(source: Source) -> list[str]:
    """Every package name in the channels."""
    found = await source.gateway.names(source.sources, source.subdirs)
    return sorted({str(name.normalized) for name in found})


async def newest(source: Source, prefix: Path, wanted: Mapping[str, str], pins: Sequence[str]) -> dict[str, str]:
    """From {name: installed version} to {name: newest version that can go into the prefix}; never an older one.

    What can move along with it isn't looked at: whether all fits together is a question for the solver. Only what
    can't move counts: Python, its ABI marker, the machine's virtual packages, and what the user pinned.
    """
    by_name = await _builds(source, [parse(name) for name in wanted])
    fit = _Fit(source, prefix, pins)
    found = {name: best for name, records in by_name.items() if (best := fit.best(records)) is not None}
    return {
        name: str(best.version) if best.version > rattler.Version(wanted[name]) else wanted[name]
        for name, best in found.items()
    }


class _Fit:
    """Tells whether a record can go beside what doesn't move in a prefix."""

    def __init__(self, source: Source, prefix: Path, pins: Sequence[str]) -> None:
        self._channels = {url.rstrip("/"): place for place, url in enumerate(source.channels.urls)}
        self._by_channel = source.channels.priority != "disabled"
        self._fixed = _named_records(prefix, ("python", "python_abi"))
        self._virtual = {package.name.normalized: package for package in source.virtual_packages()}
        self._pins: dict[str, list[rattler.MatchSpec]] = {}
        for pin in map(parse, pins):
            self._pins.setdefault(str(pin.name.normalized or ""), []).append(pin)
        python = self._fixed.get("python")
        self._minor = ".".join(str(python.version).split(".")[:2]) if python else ""
        if python:
            self._pins.setdefault("python", []).append(parse(f"python {self._minor}.*"))
        self._known: dict[str, bool] = {}

    def best(self, records: Iterable[Record]) -> Record | None:
        """The newest that fits of some records of one name; of the best channel that has one."""
        best: tuple[Any, Record] | None = None
        for record in records:
            rank = (-self._place(record), not record.track_features, record.version, record.build_number)
            if (best is None or rank > best[0]) and self._fits(record):
                best = (rank, record)
        return best[1] if best else None

    def _place(self, record: Record) -> int:
        return self._channels.get(str(record.channel or "").rstrip("/"), 0) if self._by_channel else 0

    def _fits(self, record: Record) -> bool:
        pins = self._pins.get(record.name.normalized, [])
        return (
            all(pin.matches(record) for pin in pins)
            and all(self._admits(spec) for spec in record.depends)
            and all(self._admits(spec) for spec in record.constrains if not spec.startswith("__"))
        )

    def _admits(self, spec: str) -> bool:
        if spec not in self._known:
            try:
                self._known[spec] = self._judge(spec)
            except Exception:  # noqa: BLE001  rattler's have no common base; what can't be read can't be met
                self._known[spec] = False
        return self._known[spec]

    def _judge(self, spec: str) -> bool:
        name, _, rest = spec.partition(" ")
        if name.startswith("__"):
            package = self._virtual.get(name)
            return package is not None and _admits(rest, package.version)
        if name not in self._fixed:
            return True
        there = self._fixed[name]
        # Python's patch release may move: what wants a later one of this minor fits
        return parse(spec).matches(there) or (name == "python" and _admits(rest, rattler.Version(f"{self._minor}.999")))


def _admits(constraint: str, version: rattler.Version) -> bool:
    """Whether the version part of a dependency, which may be empty, selects a version."""
    return bool(rattler.VersionSpec(constraint.split(" ", maxsplit=1)[0] or "*").matches(version))


def _named_records(prefix: Path, wanted: Iterable[str]) -> dict[str, rattler.PrefixRecord]:
    """The records of a few packages: reading all of them takes long where there are thousands."""
    found = {}
    for name in wanted:
        for path in (prefix / "conda-meta").glob(f"{name}-[0-9]*.json"):
            record = rattler.PrefixRecord.from_path(path)
            if record.name.normalized == name:
                found[name] = record
    return found


def read_prefix(prefix: Path) -> dict[str, rattler.PrefixRecord]:
    """The records in ``conda-meta``, by name.

    Raises
    ------
    EnvironmentProblem
        If a record can't be read: what isn't known can't be kept.
    """
    found = _records.of(sorted((prefix / "conda-meta").glob("*.json")))
    return {record.name.normalized: record for record in found.values()}


def _read_record(path: Path) -> rattler.PrefixRecord:
    try:
        return rattler.PrefixRecord.from_path(path)
    except Exception as error:  # rattler's exceptions have no common base
        msg = f"the conda record {path.name} can't be read"
        raise EnvironmentProblem(
            msg,
            reference="broken-record",
            context=(str(path),),
            note=str(error),
            hint="%pkg doctor shows what is broken",
        ) from error


_records = FileMemory(_read_record)


def link_script(record: Mapping[str, Any] | Record, step: str, *, below: Path) -> bool:
    """Whether a package has a script that conda would run: ``post-link`` or ``pre-unlink``.

    Parameters
    ----------
    record
        The package.
    step
        When it would be run.
    below
        Where its files are: the prefix, or the package's folder in the cache.
    """
    name = record["name"] if isinstance(record, Mapping) else record.name.normalized
    return any((below / path).exists() for path in (f"bin/.{name}-{step}.sh", f"Scripts/.{name}-{step}.bat"))


def records_from_json(documents: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Make records from the JSON that ``to_json`` gave; rattler reads records from files only."""
    records: list[Record] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        for document in documents:
            path.write_text(json.dumps(document), encoding="utf-8")
            records.append(rattler.PrefixRecord.from_path(path))
    return records


def document(record: Record) -> dict[str, Any]:
    """A record as JSON: what the channel says about it, without the files in the prefix."""
    content: dict[str, Any] = json.loads(record.to_json())
    return {key: value for key, value in content.items() if key not in _OF_THE_PREFIX}


async def install(
    source: Source,
    prefix: Path,
    *,
    records: Sequence[Record],
    installed: Sequence[rattler.PrefixRecord],
    reinstall: Iterable[str],
    requested: Iterable[str],
    reporter: rattler.InstallerReporter,
) -> None:
    """Make the prefix hold exactly these records. Link scripts aren't run."""
    await rattler.install(
        records=list(records),
        target_prefix=prefix,
        installed_packages=list(installed),
        reinstall_packages=set(reinstall),
        platform=rattler.Subdir(source.channels.subdir),
        execute_link_scripts=False,
        show_progress=False,
        client=source.client,
        # 0.28.0 takes the inner objects only
        requested_specs=[parse(spec)._match_spec for spec in requested],  # noqa: SLF001
        reporter=reporter,
        package_cache=rattler.PackageCache(Path(source.channels.pkgs_dir)),
    )

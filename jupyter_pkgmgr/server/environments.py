"""Which environments this server knows: those of its kernels, of the kernelspecs, conda's, and its own.

Nothing is searched for but what Jupyter and conda have written down. Interpreters are started in a few threads,
answers are kept for seconds, and whatever is broken becomes a note beside the rest.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from jupyter_pkgmgr.environments import (
    KernelFacts,
    find_root,
    from_interpreter,
    from_kernel,
    from_kernelspec,
    from_prefix,
    is_conda_prefix,
    read_conda_settings,
    same_folder,
)
from jupyter_pkgmgr.model import Environment
from jupyter_pkgmgr.model.errors import EnvironmentProblem, PkgError

from .jupyter import RunningKernel
from .kernels import KernelRegistry, KnownKernel

__all__ = ["EnvironmentFinder", "Findings", "Found", "KernelFinding"]

PROBES = 8
"""Interpreters that are asked at the same time."""
PATIENCE = 10.0
"""Seconds that a list waits for interpreters; who answers later is in the next list."""
FRESH = 5.0
"""Seconds for which an answer counts: policies and links change under us."""
FRESH_FAILURE = 60.0
"""A broken interpreter isn't started again and again."""
LIMIT = 500
"""Environments in one list: a shared conda installation can have thousands."""


class Jupyter(Protocol):
    """What is asked of Jupyter: :class:`.jupyter.JupyterFacts`."""

    def running(self) -> tuple[RunningKernel, ...]:
        """The kernels that run."""
        ...

    def kernelspecs(self) -> dict[str, Mapping[str, Any]]:
        """Each kernelspec's content by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One environment, and whose it is."""

    environment: Environment
    kernels: tuple[str, ...] = ()
    kernelspecs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Every environment, the server's own first, and a sentence for each place that led nowhere."""

    environments: tuple[Found, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFinding:
    """One kernel's environment."""

    environment: Environment | None = None
    mismatch: str | None = None
    """Where kernel, kernelspec and process don't say the same."""
    problem: PkgError | None = None
    """Why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Somewhere an environment may be, and who says so."""

    label: str
    key: tuple[str, ...]
    look: Callable[[], Environment] = field(compare=False)
    kernels: tuple[str, ...] = ()
    kernelspecs: tuple[str, ...] = ()


class EnvironmentFinder:
    """Finds environments and remembers them for seconds. Thread-safe."""

    def __init__(self, jupyter: Jupyter, kernels: KernelRegistry, *, server: Path | None = None) -> None:
        self._jupyter = jupyter
        self._kernels = kernels
        self._server = server or Path(sys.prefix)
        self._pool = ThreadPoolExecutor(PROBES, thread_name_prefix="pkgmgr-probe")
        self._lock = threading.Lock()
        self._looking: dict[tuple[str, ...], Future[Environment]] = {}
        self._until: dict[tuple[str, ...], float] = {}

    def close(self) -> None:
        """End the threads; an interpreter that is being asked is waited for."""
        self._pool.shutdown(cancel_futures=True)

    # --- all of them -----------------------------------------------------------------------------------------------

    def find(self) -> Findings:
        """Every environment that somebody has written down."""
        notes: list[str] = []
        places = list(self._places(notes))
        looking = [(place, self._look(place)) for place in places[:LIMIT]]
        if len(places) > LIMIT:
            notes.append(f"{len(places)} environments are known, {LIMIT} of them are shown")
        wait([future for _, future in looking], timeout=PATIENCE)
        found: dict[str, Found] = {}
        for place, future in looking:
            if not future.done():
                notes.append(f"{place.label}: still waiting for its interpreter to answer")
            elif (error := future.exception()) is None:
                _merge(found, place, future.result())
            elif not (place.kernels and isinstance(error, EnvironmentProblem) and _elsewhere(error)):
                notes.append(f"{place.label}: {_in_words(error)}")
        return Findings(environments=tuple(found.values()), notes=tuple(dict.fromkeys(notes)))

    def _places(self, notes: list[str]) -> Iterator[_Place]:
        yield self._own()
        for kernel in self._jupyter.running():
            yield from (place for _, place in self._kernel_places(kernel)[:1])
        for name, spec in self._jupyter.kernelspecs().items():
            yield self._kernelspec_place(f"kernelspec {name}", spec, cwd=None, kernelspecs=(name,))
        yield from self._conda_places(notes)

    def _own(self) -> _Place:
        return self._folder_place("the server's own environment", self._server)

    def _folder_place(self, label: str, prefix: Path) -> _Place:
        return _Place(label=label, key=("prefix", str(prefix)), look=lambda: from_prefix(prefix, server=self._server))

    def _conda_places(self, notes: list[str]) -> Iterator[_Place]:
        """The root of conda, the folders for named environments, and its own list of all it ever made."""
        try:
            prefixes = list(_conda_prefixes())
        except PkgError as error:  # a broken .condarc
            notes.append(_in_words(error))
            prefixes = []
        for prefix in dict.fromkeys([*prefixes, *_listed_by_conda()]):
            if is_conda_prefix(prefix):
                yield self._folder_place(str(prefix), prefix)

    # --- one kernel's ----------------------------------------------------------------------------------------------

    def of_kernels(self, kernels: Sequence[RunningKernel]) -> tuple[KernelFinding, ...]:
        """The environments of several kernels, looked for at the same time."""
        for kernel in kernels:
            for _, place in self._kernel_places(kernel):
                self._look(place)
        return tuple(self.of_kernel(kernel) for kernel in kernels)

    def of_kernel(self, kernel: RunningKernel) -> KernelFinding:
        """The environment of a kernel: what it told counts, then its kernelspec, then its process; all are compared."""
        answers: list[tuple[str, Environment]] = []
        problem: PkgError | None = None
        for witness, place in self._kernel_places(kernel):
            try:
                answers.append((witness, self._look(place).result(PATIENCE)))
            except Exception as error:  # noqa: BLE001  one broken interpreter must not hide all other kernels
                failure = _failure(place, error)
                problem = problem or failure
                if witness == _KERNEL:  # a kernel elsewhere, or another user's: the rest would be about our machine
                    return KernelFinding(problem=failure)
        if not answers:
            return KernelFinding(problem=problem or _nothing_known(kernel))
        return KernelFinding(environment=answers[0][1], mismatch=_mismatch(answers))

    def _kernel_places(self, kernel: RunningKernel) -> list[tuple[str, _Place]]:
        """Where a kernel's environment may be, most trustworthy first."""
        known = self._kernels.get(kernel.id) or KnownKernel(id=kernel.id)
        if known.is_remote:
            return []
        places = []
        if known.facts is not None:
            facts = known.facts
            told = _Place(
                label=f"kernel {kernel.id}",
                key=("facts", kernel.id, json.dumps(facts, sort_keys=True, default=str)),
                look=lambda: from_kernel(KernelFacts.from_json(facts), server=self._server),
                kernels=(kernel.id,),
            )
            places.append((_KERNEL, told))
        if kernel.local and kernel.kernelspec:
            named = self._kernelspec_place(f"kernel {kernel.id}", kernel.kernelspec, cwd=kernel.cwd)
            places.append((_KERNELSPEC, replace(named, kernels=(kernel.id,))))
        if kernel.local and (executable := _interpreter_of(kernel.pid)):
            runs = _Place(
                label=f"kernel {kernel.id}",
                key=("interpreter", str(executable)),
                look=lambda: from_interpreter(executable, server=self._server),
                kernels=(kernel.id,),
            )
            places.append((_PROCESS, runs))
        return places

    def _kernelspec_place(
        self, label: str, spec: Mapping[str, Any], *, cwd: Path | None, kernelspecs: tuple[str, ...] = ()
    ) -> _Place:
        return _Place(
            label=label,
            key=("kernelspec", json.dumps(spec, sort_keys=True, default=str), str(cwd)),
            look=lambda: from_kernelspec(spec, server=self._server, cwd=cwd),
            kernelspecs=kernelspecs,
        )

    @property
    def remembered(self) -> int:
        """How many answers are kept."""
        return len(self._looking)

    # --- looking ---------------------------------------------------------------------------------------------------

    def _look(self, place: _Place) -> Future[Environment]:
        """Look in a place, unless somebody does already or did a moment ago."""
        now = time.monotonic()
        with self._lock:
            future = self._looking.get(place.key)
            if future is not None and (not future.done() or now < self._until[place.key]):
                return future
            self._forget(now)
            self._until[place.key] = now + FRESH
            future = self._looking[place.key] = self._pool.submit(place.look)
        future.add_done_callback(lambda done: self._looked(place.key, done))
        return future

    def _looked(self, key: tuple[str, ...], future: Future[Environment]) -> None:
        fresh = FRESH if future.cancelled() or future.exception() is None else FRESH_FAILURE
        with self._lock:
            if self._looking.get(key) is future:
                self._until[key] = time.monotonic() + fresh

    def _forget(self, now: float) -> None:
        """Drop what is outdated, so that the memory doesn't grow with every kernel that ever ran."""
        for key in [key for key, until in self._until.items() if until < now and self._looking[key].done()]:
            del self._looking[key], self._until[key]


_KERNEL, _KERNELSPEC, _PROCESS = "the kernel", "its kernelspec", "its process"


def _merge(found: dict[str, Found], place: _Place, environment: Environment) -> None:
    """One folder is one environment, whichever way it was found."""
    key = str(environment.prefix.resolve())
    known = found.get(key) or Found(environment=environment)
    found[key] = replace(
        known,
        kernels=tuple(dict.fromkeys((*known.kernels, *place.kernels))),
        kernelspecs=tuple(dict.fromkeys((*known.kernelspecs, *place.kernelspecs))),
    )


def _mismatch(answers: list[tuple[str, Environment]]) -> str | None:
    (first, environment), *others = answers
    for witness, other in others:
        if not same_folder(environment.prefix, other.prefix):
            return f"{first} runs in {environment.prefix}, but {witness} names {other.prefix}"
    return None


def _elsewhere(error: EnvironmentProblem) -> bool:
    """Whether this isn't a defect but a fact: the kernel itself shows it."""
    return error.reference in ("remote-kernel", "other-user")


def _in_words(error: BaseException) -> str:
    if not isinstance(error, PkgError):
        return f"{type(error).__name__}: {error}"
    return f"{error.message} ({error.note})" if error.note else error.message


def _late(place: _Place) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{place.label}: its interpreter doesn't answer", reference="slow-interpreter", hint="try again in a moment"
    )


def _failure(place: _Place, error: Exception) -> PkgError:
    if isinstance(error, PkgError):
        return error
    if isinstance(error, TimeoutError):
        return _late(place)
    return EnvironmentProblem(f"{place.label}: {_in_words(error)}", reference="unknown-environment")


def _nothing_known(kernel: RunningKernel) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"nobody tells which environment kernel {kernel.id} runs in",
        reference="unknown-environment",
        note="it runs elsewhere" if not kernel.local else None,
        hint="%load_ext jupyter_pkgmgr in the kernel: then %pkg works from there",
    )


def _conda_prefixes() -> Iterator[Path]:
    """The root of conda and every folder in its ``envs_dirs``."""
    root = find_root(None, environ=os.environ)
    if root is not None:
        yield root
    for folder in read_conda_settings(None).envs_dirs:
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if path.is_dir())


def _listed_by_conda() -> list[Path]:
    """``~/.conda/environments.txt``: conda and mamba add a line for each environment they make."""
    try:
        text = (Path.home() / ".conda" / "environments.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [Path(line) for line in map(str.strip, text.splitlines()) if Path(line).is_absolute()]


def _interpreter_of(pid: int | None) -> Path | None:
    """The Python that a kernel's process was started with, where Linux tells: ``/env/bin/python -m ipykernel…``.

    A launcher (``conda run``) has the kernel as its child; its own interpreter is somebody else's.
    """
    if pid is None:
        return None
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return None
    is_kernel = argv[1:3] in (["-m", "ipykernel_launcher"], ["-m", "ipykernel"])
    executable = Path(argv[0])
    return executable if is_kernel and executable.is_absolute() and re.match("python|pypy", executable.name) else None

"""Attachment: every Python kernel of this server gets ``%pkg``, tells where it lives, and hears of changes.

Jupyter's kernel-action events say when a kernel starts, is restarted (by a user, or because it died) and ends. Each
kernel is asked one silent question on its shell channel, which waits behind a running cell; nobody is interrupted,
and while it waits it costs a socket. What came of it stands in the :class:`~.kernels.KernelRegistry`.

Everything here runs on the server's event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_events import EventLogger
from jupyter_events.schema_registry import SchemaRegistryException
from jupyter_server import DEFAULT_EVENTS_SCHEMA_PATH

from jupyter_pkgmgr.kernel.attach import source

from .attach_channel import KernelGoneError, NoAnswerError, ask
from .kernels import Attachment, KernelRegistry, KnownKernel
from .tokens import Tokens

__all__ = ["AttachSettings", "Attacher"]

KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"
MINIMUM = (3, 8)
SETTLE = 10.0
"""Seconds in which what a kernel told is taken in, if it takes long."""
WAITING = 10
"""So many changes wait one by one for a kernel that is busy; more become one."""
LEVELS = ("none", "recommended", "required")
"""Of verdicts, weakest first."""
FILES = 20_000
"""So many changed files are told to a kernel at once."""
_MATTERS = re.compile(r"\.(py|pyc|pyd|dll|dylib)$|\.so(\.[\d.]+)?$|[/\\](lab|nb)extensions[/\\]")
"""Files by which a kernel judges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachSettings:
    """Which kernels are attached, and what they are told beside the connection."""

    enabled: bool = True
    except_kernelspecs: tuple[str, ...] = ()
    """Patterns of kernelspec names that are left alone."""
    limits: dict[str, Any] | None = None
    """What binds a kernel that does the work itself: ``{"policy", "server"}``, see ``stdio.py``."""


@dataclass(frozen=True, slots=True)
class _News:
    """A change that a kernel has to judge, and who wants to hear what it says."""

    change: Mapping[str, Any]
    heard: Callable[[str, Mapping[str, Any]], None]


class Attacher:
    """Attaches kernels, and tells them what others changed.

    Parameters
    ----------
    manager
        The server's kernel manager.
    events
        The server's event logger.
    connection
        From a kernel's id and its token, what it is told to reach this server; ``None`` where it can't.
    """

    def __init__(
        self,
        *,
        manager: Any,
        events: EventLogger,
        registry: KernelRegistry,
        tokens: Tokens,
        connection: Callable[[str, str], dict[str, Any] | None],
        settings: AttachSettings = AttachSettings(),
        log: logging.Logger | logging.LoggerAdapter[Any] | None = None,
    ) -> None:
        self._manager = manager
        self._events = events
        self._registry = registry
        self._tokens = tokens
        self._connection = connection
        self._settings = settings
        self._log = log or logging.getLogger(__name__)
        self._attaching: dict[str, asyncio.Task[None]] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, list[_News]] = {}
        """What a kernel hasn't been told yet because it hasn't answered the last time."""
        self._watched: set[str] = set()

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen for kernels, and attach those that run already."""
        try:
            self._events.register_event_schema(DEFAULT_EVENTS_SCHEMA_PATH / "kernel_actions" / "v1.yaml")
        except SchemaRegistryException:  # the first kernel manager, or another extension, did it
            self._log.debug("kernel actions are registered already")
        self._events.add_listener(schema_id=KERNEL_ACTIONS, listener=self._on_action)
        for kernel in self._manager.list_kernel_ids():
            self._begin(kernel)

    async def stop(self) -> None:
        """Listen no longer, wait for nobody, and let no token be worth anything."""
        self._events.remove_listener(schema_id=KERNEL_ACTIONS, listener=self._on_action)
        tasks = [*self._attaching.values(), *self._telling.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tokens.clear()

    async def _on_action(self, logger: EventLogger, schema_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002  its signature
        kernel, action = data.get("kernel_id"), data.get("action")
        if not kernel or data.get("status") != "success":
            return
        if action in ("start", "restart"):
            self._begin(kernel)
        elif action == "shutdown":
            self._end(kernel)

    def _begin(self, kernel: str) -> None:
        """A process of this kernel has started: whatever was known of another one is void."""
        self._tokens.revoke(kernel)
        self._cancel(kernel)
        try:
            manager = self._manager.get_kernel(kernel)
        except KeyError:  # of somebody else's manager, or it ended at once
            return
        state, why = self._refusal(manager)
        name = str(getattr(manager, "kernel_name", ""))
        self._registry.begin(kernel, name=name, attached=state, why=why)
        if state is Attachment.PENDING:
            self._attaching[kernel] = self._spawn(kernel, self._attach(kernel, manager))

    def _end(self, kernel: str) -> None:
        self._tokens.revoke(kernel)
        self._cancel(kernel)
        self._attaching.pop(kernel, None)
        self._watched.discard(kernel)
        self._registry.forget(kernel)

    def _cancel(self, kernel: str) -> None:
        self._news.pop(kernel, None)
        for task in (self._attaching.get(kernel), self._telling.pop(kernel, None)):
            if task is not None:
                task.cancel()

    def _spawn(self, kernel: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"jupyter_pkgmgr {kernel}")
        task.add_done_callback(self._look)
        return task

    def _look(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("%s failed", task.get_name(), exc_info=error)

    # --- attaching -------------------------------------------------------------------------------------------------

    async def settled(self, kernel: str) -> None:
        """Wait until what a kernel told is taken in, but not long: its first command may be here before."""
        task = self._attaching.get(kernel)
        if task is not None and not task.done():
            await asyncio.wait({task}, timeout=SETTLE)

    def is_ending(self, kernel: str) -> bool:
        """Whether Jupyter ends this process of a kernel; it interrupts it first, which no user has asked for."""
        try:
            return bool(getattr(self._manager.get_kernel(kernel), "shutting_down", False))
        except KeyError:
            return True

    async def _attach(self, kernel: str, manager: Any) -> None:
        if kernel not in self._watched:
            self._watched.add(kernel)
            manager.add_restart_callback(lambda: self._end(kernel), "dead")
        token = self._tokens.make(kernel)
        state, facts = Attachment.FAILED, None
        try:
            answer = await ask(manager, _expression(self._connection(kernel, token), self._settings.limits))
            state, why, facts = await _take(answer)
        except NoAnswerError as error:
            state, why, facts = _unable(str(error))
        except KernelGoneError as error:
            why = str(error)
        if state is Attachment.ATTACHED and facts is not None:
            self._tokens.bind(kernel, facts["prefix"])
        else:
            self._tokens.revoke(kernel)
            self._log.info("kernel %s has no %%pkg of this server: %s", kernel, why)
        self._registry.note(kernel, attached=state, why=why, facts=facts)

    def _refusal(self, manager: Any) -> tuple[Attachment, str]:
        """Whether a kernel is left alone, and why; else that it has to answer first."""
        name = str(getattr(manager, "kernel_name", ""))
        if not self._settings.enabled:
            return Attachment.OFF, "attaching kernels is turned off in this server's configuration"
        if any(fnmatchcase(name, pattern) for pattern in self._settings.except_kernelspecs):
            return Attachment.OFF, f"attaching is turned off for the kernelspec {name}"
        if not getattr(manager, "owns_kernel", True):
            return Attachment.UNSUPPORTED, "another program started it"
        if not isinstance(getattr(manager, "provisioner", None), LocalProvisioner):
            return Attachment.REMOTE, f"it doesn't run on this machine; {_THERE}"
        language = manager.kernel_spec.language
        if language.lower() != "python":
            return Attachment.UNSUPPORTED, f"its language is {language or 'not known'}, and %pkg needs Python"
        return Attachment.PENDING, "it has not answered yet; a kernel does so when the running cell has ended"

    # --- telling ---------------------------------------------------------------------------------------------------

    def tell(
        self,
        prefix: str | os.PathLike[str],
        change: Mapping[str, Any],
        *,
        heard: Callable[[str, Mapping[str, Any]], None],
        by: str | None = None,
    ) -> None:
        """Have every attached kernel of an environment judge a change, but the one that made it.

        Parameters
        ----------
        change
            ``changed_files``, ``changed_packages`` (``name``, ``action``, ``distributions``, ``before``, ``after``)
            and ``job``.
        heard
            Called with a kernel's id and its verdict when it has answered: at once, or when its cell has ended.
        by
            The kernel that asked for the change, which knows.
        """
        news = _News(_what_matters(change), heard)
        for kernel in self._sharing(prefix):
            if kernel == by:
                continue
            waiting = self._news.setdefault(kernel, [])
            waiting.append(news)
            if len(waiting) > WAITING:
                self._news[kernel] = [_as_one(waiting)]
            task = self._telling.get(kernel)
            if task is None or task.done():
                self._telling[kernel] = self._spawn(kernel, self._tell(kernel))

    def _sharing(self, prefix: str | os.PathLike[str]) -> list[str]:
        folder = os.path.realpath(prefix)
        return [kernel.id for kernel in self._registry.all() if _lives_in(kernel, folder)]

    async def _tell(self, kernel: str) -> None:
        """Tell one kernel all there is, one question at a time: a busy one isn't asked again before it answered."""
        while news := self._news.pop(kernel, None):
            document = json.dumps(_merged([item.change for item in news]))
            try:
                question = f"__import__('sys').modules['jupyter_pkgmgr.kernel'].changed({document!r})"
                verdict = await ask(self._manager.get_kernel(kernel), question)
            except (NoAnswerError, KernelGoneError, KeyError) as error:  # KeyError: it has ended
                self._log.debug("kernel %s gave no verdict: %s", kernel, error)
                return
            if isinstance(verdict, dict) and verdict.get("level") in LEVELS:
                self._take_verdict(kernel, verdict)
                for item in news:
                    item.heard(kernel, _plain(verdict))

    def _take_verdict(self, kernel: str, verdict: Mapping[str, Any]) -> None:
        """Remember a verdict, unless the kernel still needs a restart for something weightier that stands."""
        known = self._registry.get(kernel)
        due = LEVELS.index(known.verdict["level"]) if known is not None and known.verdict else 0
        if verdict.get("withdrawn") or LEVELS.index(verdict["level"]) >= due:
            self._registry.note(kernel, verdict=_plain(verdict))


_THERE = "%load_ext jupyter_pkgmgr in it makes %pkg work where jupyter_pkgmgr is installed there"


def _expression(connection: dict[str, Any] | None, limits: dict[str, Any] | None) -> str:
    """What the kernel evaluates; one that is too old to read our files says so instead."""
    old = f"__import__('sys').version_info < {MINIMUM!r}"
    return f"'old' if {old} else {source(sys.executable, connection, limits)}"


async def _take(answer: Any) -> tuple[Attachment, str, Mapping[str, Any] | None]:
    """What a kernel told, checked: its words are untrusted."""
    if answer == "'old'":
        return Attachment.UNSUPPORTED, f"its Python is older than {MINIMUM[0]}.{MINIMUM[1]}", None
    if answer == "None":
        return Attachment.REMOTE, f"it doesn't see the files of this server; {_THERE}", None
    if not isinstance(answer, dict) or not isinstance(answer.get("facts"), dict):
        return Attachment.UNSUPPORTED, "it answered with something else than it was asked for", None
    if answer.get("away"):
        return Attachment.REMOTE, f"{str(answer['away'])[:200]}; %pkg works in the kernel itself", None
    why = await asyncio.to_thread(_not_here, answer["facts"])
    return (Attachment.REMOTE, why, None) if why else (Attachment.ATTACHED, "", _facts(answer))


def _facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The facts, with what was told beside them."""
    return {**answer["facts"], "modules": answer.get("modules", []), "versions": answer.get("versions", {})}


def _not_here(facts: Mapping[str, Any]) -> str:
    """Why the environment that a kernel told of isn't on this machine, or isn't ours; empty if it is."""
    from jupyter_pkgmgr.environments import KernelFacts, from_kernel  # noqa: PLC0415  with the first kernel
    from jupyter_pkgmgr.model.errors import PkgError  # noqa: PLC0415

    try:
        from_kernel(KernelFacts.from_json(facts))
    except PkgError as error:
        return f"{error.message}: {error.note}" if error.note else error.message
    return ""


def _unable(reason: str) -> tuple[Attachment, str, None]:
    if reason.startswith(("ModuleNotFoundError", "AttributeError: 'NoneType'", "SyntaxError")):
        return Attachment.UNSUPPORTED, f"it isn't an IPython kernel that can hold %pkg ({reason})", None
    return Attachment.FAILED, f"attaching failed in it ({reason})", None


def _lives_in(kernel: KnownKernel, folder: str) -> bool:
    if kernel.attached is not Attachment.ATTACHED or kernel.facts is None:
        return False
    return os.path.realpath(str(kernel.facts.get("prefix"))) == folder


def _what_matters(change: Mapping[str, Any]) -> Mapping[str, Any]:
    """A change without the files that no kernel judges by."""
    files: Collection[Any] = change.get("changed_files", ())
    return {**change, "changed_files": [path for path in map(str, files) if _MATTERS.search(path)][:FILES]}


def _merged(news: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Several changes as one."""
    if len(news) == 1:
        return dict(news[0])
    return {
        "changed_files": sorted({path for change in news for path in change["changed_files"]})[:FILES],
        "changed_packages": [package for change in news for package in change.get("changed_packages", ())],
        "job": news[-1].get("job"),
    }


def _as_one(news: list[_News]) -> _News:
    """Several changes as one, whose verdict is heard by all who wait for one of them."""
    hearers = [item.heard for item in news]

    def heard(kernel: str, verdict: Mapping[str, Any]) -> None:
        for hear in hearers:
            hear(kernel, verdict)

    return _News(_merged([item.change for item in news]), heard)


def _plain(verdict: Mapping[str, Any]) -> dict[str, Any]:
    modules = verdict.get("modules")
    return {
        "level": verdict["level"],
        "modules": [str(name) for name in modules] if isinstance(modules, list) else [],
        "text": str(verdict.get("text") or ""),
    }

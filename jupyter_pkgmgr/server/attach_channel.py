"""One silent question to a kernel, over a channel of its own that is closed with the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from jupyter_client.session import Session
from jupyter_core.utils import ensure_async

__all__ = ["KernelGoneError", "NoAnswerError", "ask"]

PATIENCE = 24 * 3600.0
"""Seconds that a cell may run before we give up: the question waits behind it and costs nothing meanwhile."""
LOOK = 30.0
"""Seconds between two looks whether the kernel still lives."""


class NoAnswerError(Exception):
    """The kernel couldn't evaluate what it was asked; the message says why, in one clause."""


class KernelGoneError(Exception):
    """The kernel ended before it answered."""


async def ask(manager: Any, expression: str) -> Any:
    """What an expression is in the kernel: its ``application/json`` form, or its ``text/plain``.

    The request is silent and runs no code but the expression, so that an error in it isn't shown to anybody. It
    waits behind whatever the kernel is doing.

    Parameters
    ----------
    manager
        The kernel's ``ServerKernelManager``.

    Raises
    ------
    NoAnswerError
        If evaluating it failed, or the kernel understood nothing.
    KernelGoneError
        If the kernel ended, or is at one cell for longer than a day.
    """
    session = Session(
        config=manager.session.config, key=manager.session.key, signature_scheme=manager.session.signature_scheme
    )
    stream = manager.connect_shell()
    try:
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"answer": expression},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = session.msg("execute_request", content=content)
        stream.on_recv(lambda frames: _receive(session, message["header"]["msg_id"], reply, frames))
        session.send(stream, message)
        return _value(await _wait(manager, reply))
    finally:
        stream.close(linger=0)


def _receive(session: Session, number: str, reply: asyncio.Future[dict[str, Any]], frames: Sequence[bytes]) -> None:
    if reply.done():
        return
    try:
        _, parts = session.feed_identities(list(frames))
        message = session.deserialize(parts)
    except Exception as error:  # noqa: BLE001  a badly signed or broken message, which whoever waits has to hear of
        reply.set_exception(NoAnswerError(f"its reply can't be read ({error})"))
        return
    if message["msg_type"] == "execute_reply" and message["parent_header"].get("msg_id") == number:
        reply.set_result(message["content"])


async def _wait(manager: Any, reply: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await asyncio.wait({reply}, timeout=LOOK)
        if reply.done():
            return reply.result()
        if not await ensure_async(manager.is_alive()):
            raise KernelGoneError("it ended before it answered")
    raise KernelGoneError("it has been at one cell for longer than a day")


def _value(content: dict[str, Any]) -> Any:
    if content.get("status") != "ok":
        raise NoAnswerError(_failure(content))
    answer = (content.get("user_expressions") or {}).get("answer")
    if not isinstance(answer, dict):
        raise NoAnswerError("it evaluates no expressions")
    if answer.get("status") != "ok":
        raise NoAnswerError(_failure(answer))
    data = answer.get("data") or {}
    return data.get("application/json", data.get("text/plain"))


def _failure(content: dict[str, Any]) -> str:
    """The exception in a line of bounded length; a kernel's words are untrusted."""
    text = " ".join(f"{content.get('ename', 'error')}: {content.get('evalue', '')}".split())
    return "".join(char for char in text if char.isprintable())[:200]

"""Whether the kernel of an environment still starts: tried out, where a plan touches what it is made of.

That a package is there at the version its dependents want doesn't mean that it works: a wheel may be broken, or
built for another library. For most packages the user finds out, and an undo helps; where it is the kernel that doesn't
start any more, there is nobody left to type ``%pkg undo``.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_pkgmgr import process
from jupyter_pkgmgr.inventory import Inventory
from jupyter_pkgmgr.model import Cancellation, Environment, Plan, redact
from jupyter_pkgmgr.model.errors import CancelledError, EngineError, VerificationError

from .touched import replaced

__all__ = ["check_kernel_stack", "stack_at_risk"]

_ROOTS = {"ipykernel": "ipykernel.kernelapp", "ipython": "IPython"}
"""What a kernel starts with, by the distribution that brings it; the first that is installed is tried."""
_TIMEOUT = 120.0
"""Seconds: a cold network folder takes many."""


def stack_at_risk(plan: Plan, before: Inventory, cancel: Cancellation) -> bool:
    """Whether the plan touches what the environment's kernel is made of, and that can be imported now."""
    touched = {package.key for change in plan.changes for package in replaced(change, before)}
    root = _root(before) if touched else None
    if root is None or touched.isdisjoint(before.closure(before.find(root, "python"))):
        return False
    return not _failure(before.environment, root, cancel)


def check_kernel_stack(plan: Plan, after: Inventory, cancel: Cancellation) -> None:
    """Import what a kernel starts with, if it is still there, by the environment's own interpreter.

    Raises
    ------
    VerificationError
        If that fails.
    CancelledError
        If it was cancelled.
    """
    root = _root(after)
    if root is None:
        return
    if failure := _failure(after.environment, root, cancel):
        stack = after.closure(after.find(root, "python"))
        packages = [change.package for change in plan.changes if change.package.key in stack]
        raise VerificationError(
            f"the kernel could not start any more: {failure}",
            reference="kernel-stack",
            context=tuple(f"{root} needs {package.name} {package.version}" for package in packages),
            hint=f"%pkg show {packages[0].name} lists other versions" if packages else None,
        )


def _root(inventory: Inventory) -> str | None:
    if inventory.environment.python is None:
        return None
    return next((name for name in _ROOTS if inventory.distribution(name) is not None), None)


def _failure(environment: Environment, root: str, cancel: Cancellation) -> str:
    """Why the root can't be imported, as Python says it last; empty if it can.

    Isolated from the user's folder and variables, and without writing bytecode: it is the environment that is tried.
    """
    assert environment.python is not None  # noqa: S101  _root() looked
    argv = [str(environment.python.executable), "-I", "-B", "-c", f"import {_ROOTS[root]}"]
    try:
        done = process.run(argv, cwd=Path(environment.prefix.anchor), cancel=cancel, timeout=_TIMEOUT)
    except CancelledError:
        raise
    except EngineError as error:
        return error.message
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return redact(lines[-1]) if lines else f"Python ended with {done.returncode}"

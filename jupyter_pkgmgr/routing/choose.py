"""Which engine carries out an ecosystem's part of a plan, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jupyter_pkgmgr.engines.protocol import Engine, EngineInfo
from jupyter_pkgmgr.environments import CondaSettings, Setting
from jupyter_pkgmgr.model import Ecosystem
from jupyter_pkgmgr.model.errors import EngineNotFoundError, UsageError

from .context import Context, EngineChoice

__all__ = ["choose_engine"]


def choose_engine(
    context: Context,
    ecosystem: Ecosystem,
    *,
    engines: Mapping[str, Engine],
    unhonoured: Callable[[CondaSettings], Sequence[Setting]],
    executables: Callable[[], Sequence[EngineInfo]],
) -> EngineChoice:
    """Choose as DESIGN §3 says: what was forced, else the default, else what can honour the user's settings.

    Parameters
    ----------
    unhonoured
        The settings in force that the embedded engine can't honour.
    executables
        conda, mamba and micromamba that were found, best first; asked only where one of them is needed.

    Raises
    ------
    UsageError
        If an engine was named that there isn't.
    EngineNotFoundError
        If settings need an executable and there is none.
    """
    forced = context.request.options.engine
    if forced is not None and forced not in engines:
        known = ", ".join(sorted(engines))
        raise UsageError(f"there is no engine {forced!r}", reference="unknown-engine", hint=f"one of: {known}")
    if forced is not None and engines[forced].ecosystem is ecosystem:
        return EngineChoice(engine=engines[forced], reason="as you said")
    if ecosystem is Ecosystem.PYPI:
        return EngineChoice(engine=engines["uv"], reason="")
    settings = unhonoured(context.conda_settings) if context.conda_settings else ()
    if not settings:
        return EngineChoice(engine=engines["rattler"], reason="")
    names = ", ".join(dict.fromkeys(setting.name for setting in settings))
    usable = [info for info in executables() if not info.problem and info.name in engines]
    if not usable:
        raise EngineNotFoundError(
            f"the built-in conda engine can't honour {names}, and no conda, mamba or micromamba was found",
            context=tuple(f"{setting.name} is set in {setting.source}" for setting in settings),
            hint="--engine rattler goes on without these settings",
        )
    best = usable[0]
    return EngineChoice(engine=engines[best.name], reason=f"{names} is set, which only {best.name} honours")

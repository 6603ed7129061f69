"""One file per engine behind one protocol."""

from .protocol import Engine, EngineInfo, EngineRequest

__all__ = ["Engine", "EngineInfo", "EngineRequest", "default_engines"]


def default_engines() -> dict[str, Engine]:
    """One object of every engine, by name."""
    # Imported here: the protocol is needed by the layers above without the engines behind it.
    from .conda import CondaEngine  # noqa: PLC0415
    from .mamba import MambaEngine  # noqa: PLC0415
    from .micromamba import MicromambaEngine  # noqa: PLC0415
    from .pip import PipEngine  # noqa: PLC0415
    from .rattler import RattlerEngine  # noqa: PLC0415
    from .uv import UvEngine  # noqa: PLC0415

    engines: tuple[Engine, ...] = (
        UvEngine(),
        PipEngine(),
        RattlerEngine(),
        CondaEngine(),
        MambaEngine(),
        MicromambaEngine(),
    )
    return {engine.name: engine for engine in engines}

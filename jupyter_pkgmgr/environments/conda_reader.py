"""conda's settings in force for one environment: files and variables read, merged, defaults added."""

from __future__ import annotations

import os
import platform
import struct
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from jupyter_pkgmgr.model.environment import Environment
from jupyter_pkgmgr.model.errors import EnvironmentProblem, PolicyError

from .channels import DEFAULT_ALIAS, ChannelRules, installed_channels
from .conda_settings import CondaSettings, Setting
from .condarc import merge_sources, read_sources
from .identify import MAMBA_FAMILY
from .roots import default_envs_dirs, find_root

__all__ = ["check_channels", "native_subdir", "read_conda_settings", "with_channels"]

_PRIORITIES = {"true": "flexible", "false": "disabled"}
"""What ``channel_priority`` was before conda 4.6."""
_FORGE_TOOLS = (*MAMBA_FAMILY, "pixi", "rattler")


def read_conda_settings(environment: Environment | None, *, environ: Mapping[str, str] = os.environ) -> CondaSettings:
    """What ``conda config --show`` would say for an environment, with the source of each value.

    Where no channel is configured anywhere, the channels are those the environment's own packages came
    from; an empty environment gets ``conda-forge`` if a tool of the mamba family or pixi made it, else ``defaults``.

    Parameters
    ----------
    environment
        The target: its own ``.condarc`` counts, and its ``conda-meta/pinned``. ``None``: no environment in particular.
    environ
        Environment variables.

    Raises
    ------
    EnvironmentProblem
        If a configuration file is broken; the message names file and line.
    """
    prefix = environment.prefix if environment is not None else None
    mamba = environment is not None and environment.owner in MAMBA_FAMILY
    root = find_root(prefix, environ=environ)
    found = merge_sources(read_sources(root=root, prefix=prefix, environ=environ, mamba=mamba), environ=environ)
    if _text(found, "root_prefix"):
        root = _path(_text(found, "root_prefix"), environ)
    if not _texts(found, "channels"):
        found["channels"] = _default_channels(environment)
    if folders := _build_folders(found, root, environ):
        found["conda_build_folders"] = Setting(name="conda_build_folders", value=folders, source="default")
    pinned = _pinned(prefix)
    if pinned is not None:
        found["conda-meta/pinned"] = pinned
    return _settings(found, root, environ)


def _settings(found: Mapping[str, Setting], root: Path | None, environ: Mapping[str, str]) -> CondaSettings:
    names = tuple(name for name in _texts(found, "channels") if name != "nodefaults")
    if _value(found, "use_local", default=False):
        names = ("local", *names)
    rules = _rules(found)
    return CondaSettings(
        channels=_resolve(names, rules),
        channel_names=names,
        channel_priority=_priority(found),
        pinned_packages=(*_texts(found, "pinned_packages"), *_texts(found, "conda-meta/pinned")),
        allowlist_channels=_resolve(_texts(found, "allowlist_channels"), rules),
        denylist_channels=_resolve(_texts(found, "denylist_channels"), rules),
        pkgs_dirs=_pkgs_dirs(found, root, environ),
        envs_dirs=_envs_dirs(found, root, environ),
        subdir=_text(found, "subdir") or native_subdir(),
        offline=_value(found, "offline", default=False) is True,
        ssl_verify=_ssl_verify(found, environ),
        client_cert=_expanded(_text(found, "client_ssl_cert"), environ),
        client_cert_key=_expanded(_text(found, "client_ssl_cert_key"), environ),
        proxy_servers=tuple(sorted(_map(found, "proxy_servers").items())),
        use_only_tar_bz2=_value(found, "use_only_tar_bz2", default=False) is True,
        repodata_fns=_texts(found, "repodata_fns") or ("current_repodata.json", "repodata.json"),
        remote_read_timeout=_number(found, "remote_read_timeout_secs", default=60.0),
        solver=_text(found, "solver") or "libmamba",
        settings=tuple(sorted(found.values(), key=lambda setting: setting.name)),
    )


def with_channels(settings: CondaSettings, channels: Iterable[str], *, override: bool = False) -> CondaSettings:
    """The settings of one request: ``-c CHANNEL`` goes before the configured ones, or (``override``) replaces them.

    Raises
    ------
    PolicyError
        If a channel is not allowed, or the configuration forbids overriding.
    """
    typed = tuple(dict.fromkeys(channels))
    asked = tuple(name for name in typed if name != "nodefaults")
    found = {setting.name: setting for setting in settings.settings}
    if override and not _value(found, "override_channels_enabled", default=True):
        raise PolicyError(
            "channels can't be overridden",
            reference="override-channels-disabled",
            note=f"override_channels_enabled is false in {found['override_channels_enabled'].source}",
            hint="leave --override-channels out",
        )
    if override and not asked:
        raise PolicyError(
            "--override-channels leaves no channel", reference="no-channel", hint="name one with -c CHANNEL"
        )
    kept: tuple[str, ...] = () if override else settings.channel_names
    if "nodefaults" in typed:
        kept = tuple(name for name in kept if name != "defaults")
    names = tuple(dict.fromkeys((*asked, *kept)))
    changed = replace(settings, channel_names=names, channels=_resolve(names, _rules(found)))
    check_channels(changed)
    return changed


def check_channels(settings: CondaSettings) -> None:
    """Refuse channels that ``allowlist_channels`` and ``denylist_channels`` don't permit.

    Raises
    ------
    PolicyError
        Naming the channel and the list.
    """
    for url in settings.channels:
        if url in settings.denylist_channels:
            raise _not_allowed(settings, url, "denylist_channels")
        if settings.allowlist_channels and url not in settings.allowlist_channels:
            raise _not_allowed(settings, url, "allowlist_channels")


def _not_allowed(settings: CondaSettings, url: str, name: str) -> PolicyError:
    source = next((setting.source for setting in settings.settings if setting.name == name), "the configuration")
    verb = "denied by" if name == "denylist_channels" else "not in"
    return PolicyError(
        f"the channel {url} is {verb} {name}",
        reference="channel-not-allowed",
        note=f"{name} is set in {source}",
        hint="use another channel with -c CHANNEL --override-channels, or ask who manages this configuration",
    )


def _default_channels(environment: Environment | None) -> Setting:
    if environment is not None and environment.is_conda:
        if used := installed_channels(environment.prefix):
            source = "default: no channel is configured, the environment's packages came from these"
            return Setting(name="channels", value=list(used), source=source)
        if environment.owner in _FORGE_TOOLS:
            source = f"default: no channel is configured, {environment.owner} made this environment"
            return Setting(name="channels", value=["conda-forge"], source=source)
    return Setting(name="channels", value=["defaults"], source="default")


def _rules(found: Mapping[str, Setting]) -> ChannelRules:
    defaults = found.get("default_channels")
    groups = found["custom_multichannels"].value if "custom_multichannels" in found else {}
    multichannels = groups if isinstance(groups, dict) else {}
    return ChannelRules(
        alias=_text(found, "channel_alias") or DEFAULT_ALIAS,
        default_channels=_texts(found, "default_channels") if defaults is not None else None,
        **({"custom_channels": _map(found, "custom_channels")} if "custom_channels" in found else {}),
        custom_multichannels={
            name: tuple(str(url) for url in urls) for name, urls in multichannels.items() if isinstance(urls, list)
        },
        local_folders=tuple(Path(folder) for folder in _texts(found, "conda_build_folders")),
        windows=(_text(found, "subdir") or native_subdir()).startswith("win-"),
    )


def _resolve(names: Iterable[str], rules: ChannelRules) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for name in names for url in rules.urls(name)))


def _build_folders(found: Mapping[str, Setting], root: Path | None, environ: Mapping[str, str]) -> list[str]:
    """Where conda-build leaves packages: those of its documented folders that exist."""
    candidates = [_text(found, "croot"), _text(found, "bld_path"), _map(found, "conda_build").get("root-dir", "")]
    candidates += [str(root / "conda-bld")] if root is not None else []
    candidates.append("~/conda-bld")
    folders = [_path(text, environ) for text in candidates if text]
    return [str(folder) for folder in dict.fromkeys(folders) if folder.is_dir()]


def _pinned(prefix: Path | None) -> Setting | None:
    """``conda-meta/pinned``: a MatchSpec a line, ``#`` begins a comment."""
    if prefix is None:
        return None
    path = prefix / "conda-meta" / "pinned"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(
            f"{path} can't be read", reference="broken-pinned", note=str(error), hint=f"correct {path}"
        ) from error
    specs = [line.split("#", 1)[0].strip() for line in text.splitlines()]
    return Setting(name="conda-meta/pinned", value=[spec for spec in specs if spec], source=str(path))


def _priority(found: Mapping[str, Setting]) -> str:
    text = str(_value(found, "channel_priority", default="flexible")).lower()
    priority = _PRIORITIES.get(text, text)
    if priority not in ("strict", "flexible", "disabled"):
        raise EnvironmentProblem(
            f"channel_priority is {text!r}, which is none of strict, flexible and disabled",
            reference="broken-condarc",
            hint=f"correct {found['channel_priority'].source}",
        )
    return priority


def _ssl_verify(found: Mapping[str, Setting], environ: Mapping[str, str]) -> bool | str:
    value = _value(found, "ssl_verify", default=True)
    if isinstance(value, bool):
        return value
    text = str(value)
    if text in ("truststore", "<truststore>", "<system>"):
        return "<truststore>"
    if text == "<false>":
        return False
    return _expanded(text, environ)


def _pkgs_dirs(found: Mapping[str, Setting], root: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    if configured := _texts(found, "pkgs_dirs"):
        return tuple(dict.fromkeys(_path(text, environ) for text in configured))
    own = _home(environ) / ".conda" / "pkgs"
    return (own,) if root is None else (root / "pkgs", own)


def _envs_dirs(found: Mapping[str, Setting], root: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    configured = [_path(text, environ) for text in _texts(found, "envs_dirs")]
    return tuple(dict.fromkeys((*configured, *default_envs_dirs(root, home=_home(environ)))))


def native_subdir() -> str:
    """Platform of this machine in conda's words, ``linux-64``."""
    if sys.platform == "win32":
        return {"win-amd64": "win-64", "win-arm64": "win-arm64"}.get(sysconfig.get_platform(), "win-32")
    system = {"linux": "linux", "darwin": "osx"}.get(sys.platform, sys.platform.rstrip("0123456789"))
    machine = os.uname().machine.lower() if hasattr(os, "uname") else platform.machine().lower()
    spelled = ("armv6l", "armv7l", "aarch64", "arm64", "ppc64", "ppc64le", "riscv64", "s390x")
    return f"{system}-{machine if machine in spelled else 8 * struct.calcsize('P')}"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    return str(_home(environ) / text[2:]) if text.startswith("~/") else text


def _path(text: str, environ: Mapping[str, str]) -> Path:
    return Path(os.path.abspath(_expanded(text, environ)))  # noqa: PTH100  conda doesn't follow links here either


def _value(found: Mapping[str, Setting], name: str, *, default: object) -> object:
    return found[name].value if name in found and found[name].value is not None else default


def _text(found: Mapping[str, Setting], name: str) -> str:
    value = _value(found, name, default="")
    return "" if isinstance(value, list | dict) else str(value)


def _texts(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    value = _value(found, name, default=[])
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _map(found: Mapping[str, Setting], name: str) -> dict[str, str]:
    value = _value(found, name, default={})
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _number(found: Mapping[str, Setting], name: str, *, default: float) -> float:
    value = _value(found, name, default=default)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

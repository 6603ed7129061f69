"""conda's configuration files and variables: which are read, and how their values are merged.

Sources: conda's documentation of ``.condarc`` (search precedence, ``#!top``, ``#!bottom``, ``#!final``,
``CONDA_*`` variables) and mamba's of ``.mambarc`` and ``MAMBA_*``. Where conda ignores a file that is
broken, we say so: an install from the wrong channels is worse than none.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .conda_settings import Setting

__all__ = ["Source", "Value", "merge_sources", "read_sources"]

_SYSTEM = ("C:/ProgramData/conda",) if sys.platform == "win32" else ("/etc/conda", "/var/lib/conda")
_NAMES = (".condarc", "condarc", "condarc.d")
_SUFFIXES = (".yml", ".yaml")

_SEQUENCES = {
    "aggressive_update_packages": ",",
    "allowlist_channels": ",",
    "channels": ",",
    "create_default_packages": ",",
    "default_channels": ",",
    "denylist_channels": ",",
    "disallowed_packages": "&",
    "envs_dirs": os.pathsep,
    "experimental": ",",
    "export_platforms": ",",
    "list_fields": ",",
    "migrated_channel_aliases": ",",
    "pinned_packages": "&",
    "pkgs_dirs": ",",
    "preview": ",",
    "repodata_fns": ",",
    "shortcuts_only": ",",
    "subdirs": ",",
    "track_features": ",",
}
"""Settings that are lists, with what separates items in a variable."""
_MAPS = frozenset(
    {
        "conda_build",
        "custom_channels",
        "custom_multichannels",
        "exclude_newer_package",
        "migrated_custom_channels",
        "override_virtual_packages",
        "proxy_servers",
    }
)
_PRIMITIVES = frozenset(
    {
        "add_anaconda_token",
        "add_pip_as_python_dependency",
        "allow_conda_downgrades",
        "allow_cycles",
        "allow_non_channel_urls",
        "allow_softlinks",
        "always_copy",
        "always_softlink",
        "always_yes",
        "auto_update_conda",
        "channel_alias",
        "channel_priority",
        "client_ssl_cert",
        "client_ssl_cert_key",
        "clobber",
        "croot",
        "bld_path",
        "default_python",
        "default_threads",
        "deps_modifier",
        "download_only",
        "dry_run",
        "enable_private_envs",
        "exclude_newer",
        "execute_threads",
        "extra_safety_checks",
        "fetch_threads",
        "force",
        "force_32bit",
        "force_reinstall",
        "force_remove",
        "ignore_pinned",
        "local_repodata_ttl",
        "no_lock",
        "no_plugins",
        "non_admin_enabled",
        "offline",
        "override_channels_enabled",
        "path_conflict",
        "prefix_data_interoperability",
        "protect_frozen_envs",
        "remote_backoff_factor",
        "remote_connect_timeout_secs",
        "remote_max_retries",
        "remote_read_timeout_secs",
        "repodata_threads",
        "restore_free_channel",
        "repodata_use_shards",
        "repodata_use_zst",
        "rollback_enabled",
        "root_prefix",
        "safety_checks",
        "sat_solver",
        "separate_format_cache",
        "shortcuts",
        "signing_metadata_url_base",
        "solver",
        "solver_ignore_timestamps",
        "ssl_verify",
        "subdir",
        "unsatisfiable_hints",
        "update_modifier",
        "use_index_cache",
        "use_local",
        "use_only_tar_bz2",
        "verify_threads",
    }
)
"""Settings of one value that can also be given as ``CONDA_NAME``; variables of other names are no settings."""
_ALIASES = {
    "add_binstar_token": "add_anaconda_token",
    "channel": "channels",
    "client_cert": "client_ssl_cert",
    "client_cert_key": "client_ssl_cert_key",
    "conda-build": "conda_build",
    "cooldown": "exclude_newer",
    "cooldown_exclude": "exclude_newer_package",
    "copy": "always_copy",
    "disallow": "disallowed_packages",
    "envs_path": "envs_dirs",
    "experimental_solver": "solver",
    "extra_platforms": "export_platforms",
    "pip_interop_enabled": "prefix_data_interoperability",
    "root_dir": "root_prefix",
    "self_update": "auto_update_conda",
    "softlink": "always_softlink",
    "verify_ssl": "ssl_verify",
    "virtual_packages": "override_virtual_packages",
    "whitelist_channels": "allowlist_channels",
    "yes": "always_yes",
}
_EXPANDED = frozenset(
    {
        "allowlist_channels",
        "channel_alias",
        "channels",
        "client_ssl_cert",
        "client_ssl_cert_key",
        "custom_channels",
        "custom_multichannels",
        "default_channels",
        "denylist_channels",
        "envs_dirs",
        "migrated_custom_channels",
        "pkgs_dirs",
        "proxy_servers",
        "shortcuts_only",
        "ssl_verify",
    }
)
"""Settings in which conda expands ``$NAME``, ``${NAME}`` and ``%NAME%``."""
_MAMBA_VARIABLES = frozenset({"MAMBA_ROOT_PREFIX", "MAMBA_EXE", "MAMBA_TARGET_PREFIX", "MAMBARC"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One setting in one source: plain data, and the flags that stood in comments beside it."""

    data: object
    final: bool = False
    flags: Mapping[object, str] = field(default_factory=dict)
    """Flag (``top``, ``bottom``, ``final``) of an item, by its index or key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file, or all variables: the settings in it under their proper names."""

    origin: str
    """A file's path; empty for variables, each of which has an origin of its own."""
    values: Mapping[str, Value]
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin_of(self, name: str) -> str:
        """Where this setting was read."""
        return self.origins.get(name, self.origin)


def read_sources(
    *, root: Path | None, prefix: Path | None, environ: Mapping[str, str], mamba: bool = False
) -> tuple[Source, ...]:
    """Everything that configures conda for one prefix, lowest precedence first.

    Parameters
    ----------
    root
        The root prefix: conda takes its own for ``CONDA_ROOT``.
    prefix
        The target environment, which stands where conda has ``CONDA_PREFIX``.
    mamba
        Whether mamba's own files and variables count, too.

    Raises
    ------
    EnvironmentProblem
        If a file can't be read or isn't what it should be; the message names file and line.
    """
    files = [
        path for place in _places(root=root, prefix=prefix, environ=environ, mamba=mamba) for path in _files(place)
    ]
    sources = [_read_file(path) for path in dict.fromkeys(files)]
    sources.append(_variables(environ, "CONDA_"))
    if mamba:
        sources.append(_variables(environ, "MAMBA_"))
    return tuple(source for source in sources if source.values)


def _places(*, root: Path | None, prefix: Path | None, environ: Mapping[str, str], mamba: bool) -> Iterator[Path]:
    """Places of conda's search path; ``condarc.d`` is a folder, everything else a file."""
    home = Path(environ.get("HOME") or Path.home())
    folders = [Path(folder) for folder in _SYSTEM]
    conda_root = environ.get("CONDA_ROOT") or root
    folders += [Path(conda_root)] if conda_root else []
    if environ.get("XDG_CONFIG_HOME"):
        folders.append(Path(environ["XDG_CONFIG_HOME"]) / "conda")
    folders += [home / ".config" / "conda", home / ".conda"]
    for folder in folders:
        yield from (folder / name for name in _NAMES)
    yield home / ".condarc"
    if prefix is not None:
        yield from (prefix / name for name in _NAMES)
    if environ.get("CONDARC"):
        yield _under_home(environ["CONDARC"], home)
    if mamba:
        yield from (folder / ".mambarc" for folder in (root, home, prefix) if folder is not None)
        if environ.get("MAMBARC"):
            yield _under_home(environ["MAMBARC"], home)


def _under_home(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith("~/") else Path(text)


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    elif place.is_file():
        yield place


def _read_file(path: Path) -> Source:
    from ruamel.yaml import YAML  # noqa: PLC0415  35 ms, needed only where a file exists
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
        content = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _broken(path, str(error.problem or error.context), line=line) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise _broken(path, str(error).splitlines()[0]) from error
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from error
    if content is None:
        return Source(origin=str(path), values={})
    if not isinstance(content, Mapping):
        raise _broken(path, "it must be a mapping of settings", line=1)
    comments = getattr(content, "ca").items  # noqa: B009  ruamel's comments, an attribute mypy doesn't know of
    values: dict[str, Value] = {}
    for key, data in content.items():
        name = _ALIASES.get(str(key), str(key))
        if name in values and str(key) != name:
            continue  # the proper name wins over its alias
        if data is not None:  # ``channels:`` with nothing behind it says nothing
            _check_shape(path, name, data, line=_line(content, key))
            values[name] = Value(data=_plain(data), final=_flag(comments.get(key)) == "final", flags=_flags(data))
    return Source(origin=str(path), values=values)


def _line(content: Any, key: object) -> int:
    """Line of a key, which ruamel keeps beside the data."""
    return int(content.lc.key(key)[0]) + 1


def _check_shape(path: Path, name: str, data: object, *, line: int) -> None:
    if name in _SEQUENCES and not isinstance(data, list):
        raise _broken(path, f"{name} must be a list", line=line)
    if name in _MAPS and not isinstance(data, Mapping):
        raise _broken(path, f"{name} must be a mapping", line=line)
    if name in _PRIMITIVES and isinstance(data, list | Mapping):
        raise _broken(path, f"{name} must be a single value", line=line)


def _broken(path: Path, why: str, *, line: int | None = None) -> EnvironmentProblem:
    place = f"{path}, line {line}" if line else str(path)
    return EnvironmentProblem(
        f"{place} can't be understood", reference="broken-condarc", note=why, hint=f"correct {path}"
    )


def _plain(data: object) -> object:
    """Turn ruamel's round-trip objects into plain ones."""
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    if isinstance(data, str):
        return str(data)
    if isinstance(data, bool) or data is None:
        return data
    if isinstance(data, int):
        return int(data)
    return float(data) if isinstance(data, float) else str(data)


def _flags(data: object) -> dict[object, str]:
    comments = getattr(data, "ca", None)
    if comments is None:
        return {}
    return {key: flag for key, tokens in comments.items.items() if (flag := _flag(tokens))}


def _flag(tokens: Sequence[object] | None) -> str:
    """The flag in the comment behind an item: ``#!top``, ``#!bottom``, ``#!final`` (``!important`` is its old name)."""
    for token in tokens or ():
        text = getattr(token, "value", "")
        first = str(text).splitlines()[0].strip(" #!").lower() if "!" in str(text) else ""
        if first in ("top", "bottom", "final", "important"):
            return "final" if first == "important" else first
    return ""


def _variables(environ: Mapping[str, str], start: str) -> Source:
    """``CONDA_NAME`` and ``MAMBA_NAME``, as far as NAME is a setting."""
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith(start) or variable in _MAMBA_VARIABLES:
            continue
        short = variable.removeprefix(start).lower()
        name = _ALIASES.get(short, short)
        if name in _SEQUENCES:
            items = [item.strip() for item in text.split(_SEQUENCES[name]) if item.strip()]
            values[name] = Value(data=items)
        elif name in _PRIMITIVES:
            plain, _, important = text.partition("!important")
            values[name] = Value(data=plain.strip(), final=important == "" and "!important" in text)
        else:
            continue
        origins[name] = f"environment variable {variable}"
    return Source(origin="", values=values, origins=origins)


def merge_sources(sources: Iterable[Source], *, environ: Mapping[str, str] = os.environ) -> dict[str, Setting]:
    """The value in force of every setting found, by name; each with the sources it came from.

    conda's rules: sources up to the first one that is ``#!final`` count. Single values: the last wins.
    Lists: the last source's items come first, ``#!top`` before and ``#!bottom`` after all others. Maps: the
    last source wins key by key.
    """
    collected: dict[str, list[tuple[str, Value]]] = {}
    for source in sources:
        for name, value in source.values.items():
            collected.setdefault(name, []).append((source.origin_of(name), value))
    merged: dict[str, Setting] = {}
    for name, found in collected.items():
        first_final = next((index for index, (_, value) in enumerate(found) if value.final), len(found) - 1)
        relevant = found[: first_final + 1]
        data, origin = _merge(name, relevant)
        merged[name] = Setting(name=name, value=_expand(data, environ) if name in _EXPANDED else data, source=origin)
    return merged


def _merge(name: str, found: Sequence[tuple[str, Value]]) -> tuple[object, str]:
    origins = ", ".join(dict.fromkeys(origin for origin, _ in reversed(found)))
    if all(isinstance(value.data, list) for _, value in found):
        return _merge_lists([value for _, value in found]), origins
    if all(isinstance(value.data, Mapping) for _, value in found):
        return _merge_maps([value for _, value in found]), origins
    origin, last = found[-1]
    return (last.data if name in _SEQUENCES or name in _MAPS else _typed(last.data)), origin


def _merge_lists(values: Sequence[Value]) -> list[object]:
    def marked(value: Value, flag: str) -> list[object]:
        return [item for index, item in enumerate(_items(value)) if value.flags.get(index) == flag]

    top = [item for value in values for item in marked(value, "top")]
    bottom = [item for value in reversed(values) for item in marked(value, "bottom")]
    middle = [item for value in reversed(values) for item in _items(value)]
    ordered = _unique([*top, *middle])
    return list(reversed(_unique([*reversed(bottom), *reversed(ordered)])))


def _items(value: Value) -> list[object]:
    return value.data if isinstance(value.data, list) else []


def _unique(items: Iterable[object]) -> list[object]:
    found: list[object] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _merge_maps(values: Sequence[Value]) -> dict[str, object]:
    merged: dict[str, object] = {}
    final: set[str] = set()
    for value in values:
        assert isinstance(value.data, dict)  # noqa: S101  the caller looked
        for key, item in value.data.items():
            if key in final:
                continue
            merged[key] = item
            if value.flags.get(key) == "final":
                final.add(key)
    return merged


def _typed(data: object) -> object:
    """YAML 1.1's words for true and false, and numbers in variables, as conda reads them."""
    if not isinstance(data, str):
        return data
    word = data.strip().lower()
    if word in ("true", "yes", "on", "y"):
        return True
    if word in ("false", "no", "off", "n"):
        return False
    if word in ("none", "null", "~"):
        return None
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    return float(word) if re.fullmatch(r"-?\d+\.\d+", word) else data


_VARIABLE = re.compile(r"\$(?P<plain>\w+)|\$\{(?P<braced>[^}]*)\}|%(?P<percent>\w+)%")


def _expand(data: object, environ: Mapping[str, str]) -> object:
    if isinstance(data, str):
        return _VARIABLE.sub(lambda match: environ.get(match[match.lastgroup or 0], match[0]), data)
    if isinstance(data, list):
        return [_expand(item, environ) for item in data]
    if isinstance(data, dict):
        return {key: _expand(item, environ) for key, item in data.items()}
    return data

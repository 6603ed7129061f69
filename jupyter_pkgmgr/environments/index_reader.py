"""The user's package indexes: pip's and uv's configuration, read and merged.

Sources: pip's documentation of its configuration (files, precedence, ``PIP_*``) and uv's settings reference.
Where uv is configured, that wins; pip's settings fill the rest, because users have theirs in ``pip.conf``, which
uv itself doesn't read. Main and extra indexes go together: an index of one tool is never mixed with one of the
other, since a private index beside a public one invites dependency confusion.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from jupyter_pkgmgr.model.environment import Environment
from jupyter_pkgmgr.model.errors import EnvironmentProblem

from .index_settings import IndexSettings

__all__ = ["default_index", "read_index_settings"]

_PIP_FILE = "pip.ini" if sys.platform == "win32" else "pip.conf"
_PIP_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
_PIP_SECTIONS = ("global", "install")
"""In the order in which they override; PIP_* variables come last."""


@dataclass(slots=True)
class _Found:
    """Settings as read, by IndexSettings' field names, each with where it stood."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: object, source: str) -> None:
        self.values[name] = value
        self.sources[name] = source

    def take(self, other: _Found, names: Sequence[str]) -> None:
        """Take these settings of another one, where it has them."""
        for name in names:
            if name in other.values:
                self.put(name, other.values[name], other.sources[name])


def read_index_settings(environment: Environment | None, *, environ: Mapping[str, str] = os.environ) -> IndexSettings:
    """The indexes in force for an environment, with the source of each setting.

    Raises
    ------
    EnvironmentProblem
        If a configuration file is broken; the message names it.
    """
    pip = _read_pip(environment.prefix if environment is not None else None, environ)
    uv = _read_uv(environ)
    merged = _Found()
    names = [name for name in IndexSettings.__dataclass_fields__ if name not in ("source", "sources")]
    indexes = ("index_url", "extra_index_urls")
    merged.take(pip, [name for name in names if name not in indexes])
    merged.take(uv, [name for name in names if name not in indexes])
    merged.take(uv if any(name in uv.values for name in indexes) else pip, indexes)
    source = merged.sources.pop("index_url", "default")
    if "index_url" not in merged.values:
        merged.values["index_url"] = default_index()
    return IndexSettings(**merged.values, source=source, sources=tuple(sorted(merged.sources.items())))


@functools.cache
def default_index() -> str:
    """The main index where nothing is configured: pypi_simple's constant.

    Read from its source text, because importing that package takes longer (it brings an HTTP client) than
    everything else here together; imported, should the text ever look different.
    """
    import importlib.util  # noqa: PLC0415  needed only where nothing is configured

    spec = importlib.util.find_spec("pypi_simple")
    if spec is not None and spec.origin is not None:
        text = Path(spec.origin).read_text(encoding="utf-8")
        if match := re.search(r'^PYPI_SIMPLE_ENDPOINT(?:: str)? = "([^"]+)"$', text, re.MULTILINE):
            return match[1]
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415

    return PYPI_SIMPLE_ENDPOINT


# --- pip ---------------------------------------------------------------------------------------------------------


def _read_pip(prefix: Path | None, environ: Mapping[str, str]) -> _Found:
    raw: dict[str, tuple[str, str]] = {}
    for path in _pip_files(prefix, environ):
        raw.update(_read_pip_file(path))
    for variable, text in environ.items():
        if variable.startswith("PIP_") and variable != "PIP_CONFIG_FILE" and text:
            key = variable.removeprefix("PIP_").lower().replace("_", "-")
            raw[_PIP_ALIASES.get(key, key)] = (text, f"environment variable {variable}")
    found = _Found()
    for key, (text, source) in raw.items():
        if key in _PIP_SETTINGS:
            name, convert = _PIP_SETTINGS[key]
            try:
                found.put(name, convert(text), source)
            except ValueError as error:
                raise _broken(source, f"{key} can't be {text!r}") from error
    return found


def _pip_files(prefix: Path | None, environ: Mapping[str, str]) -> Iterator[Path]:
    """Configuration files of pip, lowest precedence first."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return  # pip's way to say: read no file at all
    home = Path(environ.get("HOME") or Path.home())
    yield from _pip_global(environ)
    if not (named and Path(named).exists()):  # naming a file switches the user's own off
        yield home / ("pip" if sys.platform == "win32" else ".pip") / _PIP_FILE
        yield _pip_user(home, environ)
    if prefix is not None:
        yield prefix / _PIP_FILE
    if named:
        yield Path(named)


def _pip_global(environ: Mapping[str, str]) -> Iterator[Path]:
    if sys.platform == "win32":
        yield Path(environ.get("PROGRAMDATA", r"C:\ProgramData")) / "pip" / _PIP_FILE
    elif sys.platform == "darwin":
        yield Path("/Library/Application Support/pip") / _PIP_FILE
    else:
        folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        yield from (Path(folder) / "pip" / _PIP_FILE for folder in folders.split(os.pathsep) if folder)
        yield Path("/etc") / _PIP_FILE


def _pip_user(home: Path, environ: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "pip" / _PIP_FILE
    if sys.platform == "darwin" and (home / "Library/Application Support/pip").is_dir():
        return home / "Library/Application Support/pip" / _PIP_FILE
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / _PIP_FILE


def _read_pip_file(path: Path) -> dict[str, tuple[str, str]]:
    import configparser  # noqa: PLC0415  10 ms, needed only where a file exists

    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(str(path), str(error)) from error
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as error:
        raise _broken(str(path), error.message.replace("\n", " ")) from error
    raw: dict[str, tuple[str, str]] = {}
    for section in _PIP_SECTIONS:
        if parser.has_section(section):
            for key, value in parser.items(section):
                name = key.lower().removeprefix("--").replace("_", "-")
                raw[_PIP_ALIASES.get(name, name)] = (value, str(path))
    return raw


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _comma_words(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"[,\s]+", text.strip(" ,\n"))) if text.strip(" ,\n") else ()


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "t", "yes", "y", "on"):
        return True
    if word in ("0", "false", "f", "no", "n", "off", ""):
        return False
    raise ValueError(text)


def _home_path(text: str) -> str:
    return str(Path(text.strip()).expanduser())


_PIP_SETTINGS: dict[str, tuple[str, Any]] = {
    "cert": ("cert", _home_path),
    "client-cert": ("client_cert", _home_path),
    "constraint": ("constraints", _words),
    "extra-index-url": ("extra_index_urls", _words),
    "find-links": ("find_links", _words),
    "index-url": ("index_url", str.strip),
    "no-binary": ("no_binary", _comma_words),
    "no-index": ("no_index", _truth),
    "only-binary": ("only_binary", _comma_words),
    "pre": ("pre", _truth),
    "proxy": ("proxy", str.strip),
    "timeout": ("timeout", float),
    "trusted-host": ("trusted_hosts", _words),
}
"""pip's options that matter here: our field, and how its text is read."""


# --- uv ----------------------------------------------------------------------------------------------------------


def _read_uv(environ: Mapping[str, str]) -> _Found:
    found = _Found()
    indexes: list[tuple[str, str, bool, str]] = []  # name, URL, whether it is the default, source
    for path in _uv_files(environ):
        content = _read_toml(path)
        section = content.get("pip")
        for table in (content, section if isinstance(section, dict) else {}):
            _take_uv_table(table, str(path), found)
        indexes = [*_uv_index_tables(content, path), *indexes]
    for variable, (name, convert) in _UV_VARIABLES.items():
        if text := environ.get(variable):
            try:
                found.put(name, convert(text), f"environment variable {variable}")
            except ValueError as error:
                raise _broken(f"environment variable {variable}", f"it can't be {text!r}") from error
    if text := environ.get("UV_INDEX"):
        named = [_named_index(word) for word in text.split()]
        indexes = [*((name, url, False, "environment variable UV_INDEX") for name, url in named), *indexes]
    if text := environ.get("UV_DEFAULT_INDEX"):
        name, url = _named_index(text.strip())
        indexes.insert(0, (name, url, True, "environment variable UV_DEFAULT_INDEX"))
    _take_indexes(indexes, found, environ)
    return found


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Configuration files of uv outside of projects, lowest precedence first."""
    if environ.get("UV_NO_CONFIG") and _truth_or_true(environ["UV_NO_CONFIG"]):
        return
    if named := environ.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        yield Path(environ.get("PROGRAMDATA", r"C:\ProgramData")) / "uv" / "uv.toml"
        yield Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "uv" / "uv.toml"
        return
    folders = [folder for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep) if folder]
    candidates = [*(Path(folder) / "uv" / "uv.toml" for folder in folders), Path("/etc/uv/uv.toml")]
    yield from [path for path in candidates if path.is_file()][:1]  # uv takes the first that exists
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv" / "uv.toml"


def _truth_or_true(text: str) -> bool:
    try:
        return _truth(text)
    except ValueError:
        return True


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(str(path), str(error)) from error
    import tomllib  # noqa: PLC0415  needed only where a file exists

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(str(path), str(error)) from error


def _take_uv_table(table: Mapping[str, Any], source: str, found: _Found) -> None:
    for key, (name, kind) in _UV_KEYS.items():
        if key not in table:
            continue
        value = table[key]
        if kind is tuple and isinstance(value, list):
            value = tuple(str(item) for item in value)
        if not isinstance(value, kind):
            raise _broken(source, f"{key} must be a {'list' if kind is tuple else kind.__name__}")
        found.put(name, value, source)
    if "prerelease" in table:
        found.put("pre", table["prerelease"] == "allow", source)


def _uv_index_tables(content: Mapping[str, Any], path: Path) -> list[tuple[str, str, bool, str]]:
    tables = content.get("index", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) and "url" in table for table in tables):
        raise _broken(str(path), "each [[index]] must have a url")
    return [
        (str(table.get("name", "")), str(table["url"]), table.get("default") is True, str(path))
        for table in tables
        if not table.get("explicit")  # such an index serves only packages that name it
    ]


def _named_index(text: str) -> tuple[str, str]:
    match = re.match(r"([A-Za-z0-9_.-]+)=(.*)$", text)
    return (match[1], match[2]) if match and "://" in match[2] else ("", text)


def _take_indexes(indexes: Sequence[tuple[str, str, bool, str]], found: _Found, environ: Mapping[str, str]) -> None:
    """The ``index`` settings, which stand above the older ``index-url`` and ``extra-index-url``."""
    default = next((entry for entry in indexes if entry[2]), None)
    if default is not None:
        found.put("index_url", _with_login(default[0], default[1], environ), default[3])
    extra = [entry for entry in indexes if not entry[2]]
    if extra:
        urls = [_with_login(name, url, environ) for name, url, _, _ in extra]
        old = found.values.get("extra_index_urls", ())
        sources = [source for _, _, _, source in extra] + ([found.sources["extra_index_urls"]] if old else [])
        found.put("extra_index_urls", tuple(dict.fromkeys([*urls, *old])), ", ".join(dict.fromkeys(sources)))


def _with_login(name: str, url: str, environ: Mapping[str, str]) -> str:
    """The URL with ``UV_INDEX_NAME_USERNAME`` and ``…_PASSWORD`` in it, where they are set."""
    key = re.sub(r"[^A-Z0-9]", "_", name.upper())
    user = environ.get(f"UV_INDEX_{key}_USERNAME", "")
    password = environ.get(f"UV_INDEX_{key}_PASSWORD", "")
    parts = urlsplit(url)
    if not name or not (user or password) or "@" in parts.netloc:
        return url
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


_UV_KEYS: dict[str, tuple[str, type]] = {
    "extra-index-url": ("extra_index_urls", tuple),
    "find-links": ("find_links", tuple),
    "index-url": ("index_url", str),
    "no-index": ("no_index", bool),
    "no-binary": ("no_binary", tuple),
    "offline": ("offline", bool),
    "only-binary": ("only_binary", tuple),
    "allow-insecure-host": ("trusted_hosts", tuple),
}
"""Keys of uv.toml and of its ``[pip]`` table."""
_UV_VARIABLES: dict[str, tuple[str, Any]] = {
    "UV_CONSTRAINT": ("constraints", _words),
    "UV_EXTRA_INDEX_URL": ("extra_index_urls", _words),
    "UV_FIND_LINKS": ("find_links", lambda text: tuple(part for part in text.split(",") if part)),
    "UV_HTTP_TIMEOUT": ("timeout", float),
    "UV_INDEX_URL": ("index_url", str.strip),
    "UV_INSECURE_HOST": ("trusted_hosts", _words),
    "UV_NO_INDEX": ("no_index", _truth),
    "UV_OFFLINE": ("offline", _truth),
    "UV_PRERELEASE": ("pre", lambda text: text.strip() == "allow"),
    "SSL_CERT_FILE": ("cert", _home_path),
    "SSL_CLIENT_CERT": ("client_cert", _home_path),
}


def _broken(source: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{source} can't be understood", reference="broken-index-settings", note=why, hint=f"correct {source}"
    )

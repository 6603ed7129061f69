"""What conda's settings are in the embedded engine's terms, and which of them it can't honour."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import platformdirs

from jupyter_pkgmgr.environments.channels import DEFAULT_ALIAS
from jupyter_pkgmgr.environments.conda_reader import check_channels, with_channels
from jupyter_pkgmgr.environments.conda_settings import CondaSettings, Setting
from jupyter_pkgmgr.model import Options
from jupyter_pkgmgr.model.errors import UsageError

__all__ = [
    "ChannelSetup",
    "canonical_channel",
    "channel_setup",
    "is_set",
    "localise",
    "unhonoured",
    "without_credentials",
]

_TOKEN = re.compile(r"^(/t/[^/]+)(?=/|$)")
_FALSE = frozenset({"", "0", "false", "no", "none", "off"})


def is_set(value: object) -> bool:
    """Whether a setting's value says anything: not false, zero, empty, or the text of one of them."""
    return value.strip().lower() not in _FALSE if isinstance(value, str) else bool(value)


def _is_off(value: object) -> bool:
    return not is_set(value)


def _other_than(*values: str) -> Callable[[object], bool]:
    return lambda value: is_set(value) and str(value).lower() not in values


UNHONOURED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "always_copy": (is_set, "rattler links where the file system can"),
    "always_softlink": (is_set, "rattler never makes symbolic links of packages"),
    "channel_settings": (is_set, "credentials from conda's plugins are out of reach"),
    "client_ssl_cert": (is_set, "rattler has no client certificates"),
    "client_ssl_cert_key": (is_set, "rattler has no client certificates"),
    "deps_modifier": (_other_than("not_set"), "it changes what conda itself solves for"),
    "disallowed_packages": (is_set, "rattler can't leave packages out of the channels"),
    "download_only": (is_set, "rattler downloads and links in one go"),
    "exclude_newer": (is_set, "channels must tell times that conda reads differently"),
    "exclude_newer_package": (is_set, "channels must tell times that conda reads differently"),
    "extra_safety_checks": (is_set, "rattler doesn't check each file's sum when it links"),
    "override_virtual_packages": (is_set, "only the CONDA_OVERRIDE_ variables are known"),
    "path_conflict": (_other_than("clobber", "warn"), "rattler can't refuse files that two packages share"),
    "pip_interop_enabled": (is_set, "rattler doesn't see pip's packages when it solves"),
    "prefix_data_interoperability": (is_set, "rattler doesn't see pip's packages when it solves"),
    "restore_free_channel": (is_set, "the free channel isn't looked at"),
    "sat_solver": (_other_than("pycosat"), "it names a solver of conda's own"),
    "shortcuts_only": (is_set, "rattler makes all menu entries or none"),
    "solver": (_other_than("libmamba", "rattler"), "it names a solver of conda's own"),
    "track_features": (is_set, "features are a thing of conda's old solver"),
    "update_modifier": (_other_than("update_specs"), "it changes what conda itself solves for"),
    "use_index_cache": (is_set, "rattler decides by the server's answer whether its cache is fresh"),
    "use_only_tar_bz2": (is_set, "rattler takes .conda files where there are some"),
    "signing_metadata_url_base": (is_set, "rattler doesn't check conda's content trust"),
}
"""Settings that send a request to a real executable: when they matter, and why rattler can't.

What isn't here is honoured (channels, priority, pins, allow and deny lists, TLS, proxies, caches, offline, subdir,
aggressive_update_packages, add_pip_as_python_dependency, ignore_pinned, repodata_use_zst, repodata_use_shards),
makes no difference to the result (threads, time-outs, prompts, safety_checks: rattler always checks sums), or
concerns other commands (create_default_packages, envs_dirs, auto_activate, …).
"""


def unhonoured(settings: CondaSettings) -> tuple[Setting, ...]:
    """The settings in force that rattler can't honour; empty if it understands all of them."""
    found = [setting for setting in settings.settings if _matters(setting)]
    known = {setting.name for setting in found}
    if "use_only_tar_bz2" not in known and settings.use_only_tar_bz2:
        found.append(Setting(name="use_only_tar_bz2", value=True, source="settings"))
    if settings.client_cert and "client_ssl_cert" not in known:
        found.append(Setting(name="client_ssl_cert", value=settings.client_cert, source="settings"))
    if other := [name for name in settings.repodata_fns if name not in ("repodata.json", "current_repodata.json")]:
        found.append(_named(settings, "repodata_fns", other))
    if other := [scheme for scheme, _ in settings.proxy_servers if scheme not in ("http", "https", "all")]:
        found.append(_named(settings, "proxy_servers", other))
    return tuple(found)


def _matters(setting: Setting) -> bool:
    if setting.source.startswith("default") or setting.name not in UNHONOURED:
        return False
    return UNHONOURED[setting.name][0](setting.value)


def _named(settings: CondaSettings, name: str, value: object) -> Setting:
    source = next((setting.source for setting in settings.settings if setting.name == name), "settings")
    return Setting(name=name, value=value, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    """What a worker is told about channels, and the variables that it has to be started with."""

    document: Mapping[str, object]
    environment: tuple[tuple[str, str], ...]
    bases: tuple[str, ...]
    """Base URLs with their credentials, in priority order."""


def channel_setup(settings: CondaSettings, options: Options, *, specs: Sequence[str] = ()) -> ChannelSetup:
    """Describe the channels for the worker.

    Parameters
    ----------
    settings
        What is configured.
    options
        ``-c`` puts channels first, ``--override-channels`` leaves the configured ones out.
    specs
        MatchSpecs, whose channels are added last, as conda does.

    Raises
    ------
    PolicyError
        If a channel isn't allowed.
    UsageError
        If there is no channel at all.
    """
    if options.channels or options.override_channels:
        settings = with_channels(settings, options.channels, override=options.override_channels)
    check_channels(settings)
    named = [channel_url(settings, name) for spec in specs if (name := _channel_of(spec))]
    bases = list(dict.fromkeys(url.rstrip("/") for url in (*settings.channels, *named)))
    if not bases:
        msg = "no conda channel is configured"
        raise UsageError(msg, reference="no-channels", hint="name one: %pkg install -c conda-forge NAME")
    clean = list(dict.fromkeys(without_credentials(base) for base in bases))
    # a package's own URL is no channel, but its host may want credentials just the same
    files = [spec.rpartition("/")[0] for spec in specs if "://" in spec and not _channel_of(spec)]
    priority = settings.channel_priority if settings.channel_priority in ("strict", "disabled") else "flexible"
    document = {
        "urls": [f"{base}/" for base in clean],
        "priority": priority,
        "subdir": settings.subdir,
        "cache_dir": str(platformdirs.user_cache_path("jupyter_pkgmgr", appauthor=False) / "repodata"),
        "pkgs_dir": str(_package_cache(settings)),
        "offline": settings.offline or options.offline,
        "read_timeout": settings.remote_read_timeout,
        "logins": _logins([*bases, *files]),
        "toml": _toml(settings, [*bases, *files]),
        "zst": not _switched_off(settings, "repodata_use_zst"),
        "shards": not _switched_off(settings, "repodata_use_shards"),
        "overrides": {name: value for name, value in os.environ.items() if name.startswith("CONDA_OVERRIDE_")},
    }
    return ChannelSetup(document=document, environment=_tls_environment(settings), bases=tuple(bases))


def value_of(settings: CondaSettings, name: str) -> object:
    """A setting's value as it was found, ``None`` where nobody set it."""
    return next((setting.value for setting in settings.settings if setting.name == name), None)


def _switched_off(settings: CondaSettings, name: str) -> bool:
    value = value_of(settings, name)
    return value is not None and _is_off(value)


def adds_pip(settings: CondaSettings) -> bool:
    """Whether a new Python brings pip along: conda's ``add_pip_as_python_dependency``, on by default."""
    return not _switched_off(settings, "add_pip_as_python_dependency")


def eager_packages(settings: CondaSettings) -> tuple[str, ...]:
    """``aggressive_update_packages``, if the user set it.

    conda's own default (``ca-certificates certifi openssl``) is not taken over: mamba has none, and a request
    for one package shouldn't change others.
    """
    value = next(
        (
            item.value
            for item in settings.settings
            if item.name == "aggressive_update_packages" and not item.source.startswith("default")
        ),
        (),
    )
    items = re.split(r"[,&\s]+", value) if isinstance(value, str) else value
    return tuple(str(item) for item in items if str(item)) if isinstance(items, Iterable) else ()


def channel_url(settings: CondaSettings, name: str) -> str:
    """The base URL of a channel as a user writes it: a URL, a path, or a name.

    Raises
    ------
    PolicyError
        If it isn't allowed.
    """
    return _urls(settings, name)[0]


def _urls(settings: CondaSettings, name: str) -> tuple[str, ...]:
    found = with_channels(replace(settings, channels=(), channel_names=()), (name,)).channels
    if not found:
        msg = f"{name!r} is no channel"
        raise UsageError(msg, reference="no-channels")
    return found


def localise(settings: CondaSettings, spec: str) -> str:
    """A MatchSpec with its channel as a URL: rattler would look a name up at anaconda.org only.

    Credentials are left out, as everywhere: :func:`channel_setup` hands them over apart.
    """
    channel = _channel_of(spec)
    if not channel:
        return without_credentials(spec) if "://" in spec else spec
    return f"{without_credentials(channel_url(settings, channel))}::{spec.rpartition('::')[2]}"


def _channel_of(spec: str) -> str:
    channel, found, _ = spec.rpartition("::")
    if not found:
        return ""
    # ``conda-forge/linux-64::x`` names a subdirectory too; which one is the platform's business
    name, _, last = channel.rpartition("/")
    return (
        name if last == "noarch" or re.fullmatch(r"(linux|osx|win|emscripten|wasi|zos|freebsd)-\w+", last) else channel
    )


def without_credentials(url: str) -> str:
    """A URL without user, password and conda token, without its last slash."""
    parts = urlsplit(url.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path=_TOKEN.sub("", parts.path)))


def canonical_channel(settings: CondaSettings, url: str) -> str:
    """The name conda gives a channel in its history: a name below the alias, ``defaults``, or the URL.

    Source: ``conda.models.channel.Channel.canonical_name``.
    """
    base = without_credentials(url)
    anything = replace(settings, allowlist_channels=(), denylist_channels=())
    multi = value_of(settings, "custom_multichannels")
    for name in ("defaults", *(map(str, multi) if isinstance(multi, Mapping) else ())):
        if base in map(without_credentials, _urls(anything, name)):
            return str(name)
    custom = value_of(settings, "custom_channels")
    for name, location in custom.items() if isinstance(custom, Mapping) else ():
        root = f"{without_credentials(str(location))}/"
        if base.startswith(root) and base.removeprefix(root).split("/")[0] == name:
            return base.removeprefix(root)
    alias = f"{without_credentials(str(value_of(settings, 'channel_alias') or DEFAULT_ALIAS))}/"
    return base.removeprefix(alias) if base.startswith(alias) else base


def _package_cache(settings: CondaSettings) -> Path:
    """Where packages are kept: inside the first ``pkgs_dirs`` folder that can be written to.

    rattler's cache has conda's layout but its own marks of what is complete, so the two don't share folders: a
    hidden one of our own lies beside conda's packages, on the same file system (which hard links need),
    and conda overlooks it. Without any conda folder the user's cache directory serves.
    """
    for folder in settings.pkgs_dirs:
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder / ".rattler"
    chosen = any(item.name == "pkgs_dirs" and not item.source.startswith("default") for item in settings.settings)
    for folder in settings.pkgs_dirs if chosen else ():
        there = next((parent for parent in folder.parents if parent.exists()), None)
        if there is not None and os.access(there, os.W_OK | os.X_OK):
            return folder / ".rattler"
    return platformdirs.user_cache_path("jupyter_pkgmgr", appauthor=False) / "pkgs"


def _toml(settings: CondaSettings, bases: Iterable[str]) -> str:
    """Rattler's configuration file. Credentials stand in mirrors, so that no record ever holds them."""
    lines = []
    if settings.ssl_verify is False:
        lines.append("tls-no-verify = true")
    else:
        # "system" is what SSL_CERT_FILE names, or the system's store: see _tls_environment
        own = settings.ssl_verify is True and not _bundle(settings) and "SSL_CERT_FILE" not in os.environ
        lines.append(f'tls-root-certs = "{"webpki" if own else "system"}"')
    proxies = {("https" if scheme == "all" else scheme): url for scheme, url in settings.proxy_servers}
    if any(scheme == "all" for scheme, _ in settings.proxy_servers):
        proxies.setdefault("http", proxies["https"])
    if chosen := {scheme: url for scheme, url in proxies.items() if scheme in ("http", "https")}:
        lines += ["[proxy-config]", *(f"{scheme} = {json.dumps(url)}" for scheme, url in sorted(chosen.items()))]
    secret = {without_credentials(base): without_login for base in bases if (without_login := _token_url(base))}
    if secret:
        lines += ["[mirrors]", *(f"{json.dumps(clean)} = [{json.dumps(base)}]" for clean, base in secret.items())]
    return "\n".join(lines) + "\n"


def _token_url(base: str) -> str:
    """The URL with its conda token; empty if it has none."""
    parts = urlsplit(base.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if _TOKEN.match(parts.path) else ""


def _logins(bases: Iterable[str]) -> dict[str, list[str]]:
    """User and password by host. Of two channels on one host the first one's are used."""
    logins: dict[str, list[str]] = {}
    for base in bases:
        parts = urlsplit(base)
        if parts.username and parts.hostname:
            logins.setdefault(parts.hostname, [unquote(parts.username), unquote(parts.password or "")])
    return logins


def _tls_environment(settings: CondaSettings) -> tuple[tuple[str, str], ...]:
    bundle = _bundle(settings)
    return (("SSL_CERT_FILE", bundle),) if bundle else ()


def _bundle(settings: CondaSettings) -> str:
    """The file of certificates to trust: the one in ``ssl_verify``, or what requests (and so conda) obeys."""
    verify = settings.ssl_verify
    if isinstance(verify, str) and verify and not verify.startswith("<"):
        return verify
    if verify is not True:
        return ""
    return next((path for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if (path := os.environ.get(name))), "")

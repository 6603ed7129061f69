"""Which channels and indexes are used, and where that was said."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_pkgmgr.environments import read_conda_settings, read_index_settings
from jupyter_pkgmgr.model import AdminPolicy, Environment, redact

from .documents import SettingsInForce

__all__ = ["settings_in_force"]


def settings_in_force(environment: Environment, policy: AdminPolicy) -> SettingsInForce:
    """The settings of an environment's tools, each with its source, and what the administrator allows."""
    summary: list[tuple[str, str]] = []
    everything: list[tuple[str, str]] = []
    if environment.is_conda:
        conda = read_conda_settings(environment)
        summary.append(("channels", f"{', '.join(conda.channel_names)} ({conda.channel_priority} priority)"))
        everything += [
            (item.name, f"{_in_words(item.value)} ({item.source})")
            for item in conda.settings
            if item.name != "channels"
        ]
    if environment.python:
        indexes = read_index_settings(environment)
        summary.append(("index", f"{redact(indexes.index_url)} ({indexes.source})"))
        sources = dict(indexes.sources)
        summary += [
            (label, f"{_in_words(values)} ({sources.get(name, 'default')})")
            for label, name, values in (
                ("more indexes", "extra_index_urls", indexes.extra_index_urls),
                ("links", "find_links", indexes.find_links),
            )
            if values
        ]
        everything += [(name, source) for name, source in indexes.sources]
    everything += [(f"policy: {name}", f"{redact(value)} (the administrator)") for name, value in policy.in_words()]
    return SettingsInForce(summary=tuple(summary), everything=(*summary, *everything))


def _in_words(value: object) -> str:
    """A setting's value as one reads it: lists and maps without brackets; secrets redacted."""
    if isinstance(value, Mapping):
        return redact(", ".join(f"{key}: {item}" for key, item in value.items())) or "none"
    if isinstance(value, list | tuple):
        return redact(", ".join(map(str, value))) or "none"
    return redact(str(value))

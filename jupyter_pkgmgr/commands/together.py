"""Several commands as one request: what was collected is planned, applied and taken back as one."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_pkgmgr.model import Options, Request, Spec, Verb
from jupyter_pkgmgr.model.errors import UsageError

__all__ = ["together"]


def together(requests: Sequence[Request]) -> Request:
    """One request for all of these.

    Its options are those of the installs and updates, which have to agree; a removal has them or none.

    Raises
    ------
    UsageError
        If there is nothing to do, or these can't be one plan.
    """
    if not requests:
        raise UsageError("no change was named", reference="empty-request", hint="%pkg install pandas")
    if len(requests) == 1:
        return requests[0]
    specs = {verb: _specs(requests, verb) for verb in Verb}
    _check(requests, specs[Verb.INSTALL])
    verb = next(
        verb for verb in (Verb.INSTALL, Verb.UPDATE, Verb.REMOVE) if any(item.verb is verb for item in requests)
    )
    return Request(
        verb=verb,
        specs=specs[verb],
        updates=specs[Verb.UPDATE] if verb is Verb.INSTALL else (),
        removals=specs[Verb.REMOVE] if verb is not Verb.REMOVE else (),
        options=_options(requests),
        command="; ".join(item.command for item in requests),
    )


def _specs(requests: Sequence[Request], verb: Verb) -> tuple[Spec, ...]:
    return tuple(dict.fromkeys(spec for item in requests if item.verb is verb for spec in item.specs))


def _check(requests: Sequence[Request], installs: Sequence[Spec]) -> None:
    if any(item.verb is Verb.SYNC for item in requests):
        raise UsageError(
            "sync can't be one plan with other changes",
            reference="sync-alone",
            note="it removes whatever its files don't name",
            hint="put what else you want into the file",
        )
    if any(item.verb is Verb.UNDO for item in requests):
        raise UsageError(
            "undo can't be one plan with other changes",
            reference="undo-alone",
            note="it puts files in their place again, as they were before what it takes back",
            hint="%pkg undo first, then the rest",
        )
    if any(item.updates_all for item in requests) and (installs or _specs(requests, Verb.UPDATE)):
        raise UsageError(
            "an update of everything can't be one plan with installs and other updates",
            reference="update-all-alone",
            hint="name the packages to update, or %pkg update afterwards",
        )


def _options(requests: Sequence[Request]) -> Options:
    """The options that hold for the whole plan."""
    said = [item for item in requests if item.verb is not Verb.REMOVE or item.options != Options()]
    first, *rest = said or requests
    for other in rest:
        if other.options != first.options:
            raise UsageError(
                f"these can't be one plan, as their options differ: {first.command}; {other.command}",
                reference="options-differ",
                hint="say the same options with both, or do one after the other",
            )
    return first.options

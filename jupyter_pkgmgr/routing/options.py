"""Every option acts, is refused, or is told to be of no use here: none is taken and then silently left alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from jupyter_pkgmgr.model import Ecosystem, Notice, Options, Step
from jupyter_pkgmgr.model.errors import InvalidSpecError, UsageError

from .context import Context

__all__ = ["check_engine_is_used", "check_options", "unused_options"]

_FLAG = {Ecosystem.CONDA: "conda", Ecosystem.PYPI: "pip"}
_OF_CONDA = {"channels": "-c", "override_channels": "--override-channels"}
_OF_PYPI = {
    "index_url": "--index-url",
    "extra_index_urls": "--extra-index-url",
    "find_links": "--find-links",
    "no_index": "--no-index",
    "constraints": "--constraint",
    "pre": "--pre",
    "no_build": "--no-build",
}
"""What says something to one ecosystem alone: the option, by its name in :class:`Options`."""


def check_options(context: Context) -> None:
    """Refuse what can't be honoured whatever the plan will be.

    Raises
    ------
    UsageError
        For an engine that there isn't, even where there turns out to be nothing to do.
    InvalidSpecError
        For conda's packages where there are none, and for a spec that says another ecosystem than the option.
    """
    request, wanted = context.request, context.request.options.ecosystem
    if request.options.engine is not None:
        context.choose_engine(context, Ecosystem.PYPI)
    if wanted is Ecosystem.CONDA and not context.environment.is_conda:
        raise InvalidSpecError(
            f"--conda takes conda packages, and this environment is a {context.environment.kind}",
            reference="not-a-conda-environment",
            hint="without --conda, it is about PyPI's",
        )
    for spec in (*request.specs, *request.updates, *request.removals):
        if wanted is not None and spec.ecosystem not in (None, wanted):
            raise InvalidSpecError(f"{spec.text!r} can only be {spec.ecosystem}'s, and --{_FLAG[wanted]} was said")


def check_engine_is_used(context: Context, steps: Sequence[Step]) -> None:
    """Raise ``UsageError`` where the engine that was named has no part in the plan."""
    engine = context.request.options.engine
    if engine is None or not steps or engine in {step.plan.engine for step in steps}:
        return
    used = ", ".join(dict.fromkeys(step.plan.engine for step in steps))
    names = ", ".join(dict.fromkeys(change.package.name for step in steps for change in step.plan.changes))
    other, there = ("conda", "PyPI") if steps[0].plan.ecosystem is Ecosystem.PYPI else ("pip", "conda")
    raise UsageError(
        f"{engine} has no part in this: it would be {used}'s work",
        reference="engine-unused",
        context=(f"from {there}: {names}",),
        hint=f"leave --engine out, or say with --{other} where the packages belong",
    )


def unused_options(context: Context, ecosystems: Collection[Ecosystem]) -> Iterator[Notice]:
    """A warning for options that only the other ecosystem understands than the one that everything comes from."""
    options = context.request.options
    if not ecosystems:
        return
    if not context.environment.is_conda or options.ecosystem is Ecosystem.PYPI:
        yield from _unused(options, _OF_CONDA, "all of this is PyPI's, and no conda channel is asked")
    if Ecosystem.PYPI not in ecosystems:
        yield from _unused(options, _OF_PYPI, "all of this is conda's, and no package index is asked")


def _unused(options: Options, names: dict[str, str], why: str) -> Iterator[Notice]:
    if said := [flag for name, flag in names.items() if getattr(options, name)]:
        yield Notice(reference="option-unused", message=f"{' and '.join(said)} changed nothing: {why}")

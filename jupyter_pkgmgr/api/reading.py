"""What is read: settings, kernels, environments, packages, what could be installed, history."""

from __future__ import annotations

from jupyter_pkgmgr import __version__
from jupyter_pkgmgr.lookup import ExportOptions, Extent, FileFormat, Names
from jupyter_pkgmgr.model import Ecosystem, to_json

from .documents import (
    details_document,
    document,
    entry_document,
    environment_document,
    problem_document,
    row_document,
    versions_document,
)
from .errors import BadRequestError, NotFoundError
from .host import Kernel
from .parts import Call
from .request import ApiResponse
from .validate import number, text

__all__ = [
    "environment",
    "environments",
    "export",
    "history",
    "kernel",
    "kernels",
    "names",
    "openapi",
    "outdated",
    "package",
    "packages",
    "search",
    "settings",
    "versions",
]

MAX_HITS = 200
HITS = 20


def settings(call: Call) -> ApiResponse:
    """What this installation is, and what it allows."""
    parts = call.parts
    server = parts.environments.server
    limits = parts.jobs.limits
    shown = {
        "version": __version__,
        "server": {"environment": parts.environments.id_of(server) if server else None},
        "policy": to_json(parts.service.policy),
        "attach": False,
        "engines": [{"name": tool.name, "version": tool.version} for tool in parts.service.tools()],
        "limits": {
            "changing": limits.changing,
            "reading": limits.reading,
            "queued": limits.queued,
            "kept_jobs": limits.kept,
            "kept_plans": parts.plans.max_plans,
            "plan_seconds": parts.plans.max_age,
        },
        **parts.host.settings(),
    }
    return ApiResponse(body=document(**shown))


def openapi(call: Call) -> ApiResponse:
    """The OpenAPI file."""
    content = call.parts.host.openapi()
    if not content:
        raise NotFoundError("the OpenAPI file is only to be had from a Jupyter server")
    return ApiResponse(body=content, headers={"Content-Type": "application/yaml"})


# --- kernels -------------------------------------------------------------------------------------------------------


def kernels(call: Call) -> ApiResponse:
    """Every running kernel."""
    return ApiResponse(body=document(kernels=[kernel.to_json() for kernel in call.parts.host.kernels()]))


def find_kernel(call: Call) -> Kernel:
    """The kernel that the path names.

    Raises
    ------
    NotFoundError
        If none of this id runs.
    """
    found = call.parts.host.kernel(call.names["kernel"])
    if found is None:
        raise NotFoundError(
            "this kernel isn't running any more",
            reference="kernel-not-found",
            hint="start it again: Kernel, Restart in the notebook's menu",
        )
    return found


def kernel(call: Call) -> ApiResponse:
    """One running kernel."""
    return ApiResponse(body=document(**find_kernel(call).to_json()))


# --- environments --------------------------------------------------------------------------------------------------


def environments(call: Call) -> ApiResponse:
    """Every environment that can be named, the server's own first; to a kernel only its own."""
    parts = call.parts
    if call.caller.kernel is None:
        notes = parts.host.discover()
        own = parts.environments.id_of(parts.environments.server) if parts.environments.server else ""
        known = sorted(parts.environments.known(), key=lambda item: item.id != own)
    else:
        notes, known = (), [parts.find(call.caller.environment or "")]
    running = parts.host.kernels()
    shown = [
        environment_document(item, kernels=[kernel.id for kernel in running if kernel.environment == item.id])
        for item in known
    ]
    return ApiResponse(body=document(environments=shown, notes=list(notes)))


def environment(call: Call) -> ApiResponse:
    """One environment, with the settings that are in force in it."""
    known = call.known()
    running = [kernel.id for kernel in call.parts.host.kernels() if kernel.environment == known.id]
    facts = call.service().settings(known.environment).everything
    return ApiResponse(body=document(**environment_document(known, kernels=running, settings=facts)))


# --- what is installed ---------------------------------------------------------------------------------------------


def packages(call: Call) -> ApiResponse:
    """What is installed; nothing again where the caller has it already."""
    inventory, notice = call.service().read(call.environment())
    tag = "" if notice else inventory.fingerprint  # what may be half of a change isn't to be kept
    if _has(call, tag):
        return _unchanged(tag)
    shown = document(
        fingerprint=inventory.fingerprint,
        packages=[row_document(package, inventory) for package in inventory.packages],
        problems=[problem_document(problem) for problem in inventory.problems],
        notes=[notice.message] if notice else [],
    )
    return ApiResponse(body=shown, headers=_tagged(tag))


def package(call: Call) -> ApiResponse:
    """Everything about one package, installed or not."""
    service, environment = call.service(), call.environment()
    details = service.show(environment, call.names["name"])
    return ApiResponse(body=document(**details_document(details, service.inventory(environment))))


def export(call: Call) -> ApiResponse:
    """A file that brings the environment about again; what it is called there is its form."""
    form, extent = text(call.request.query, "format"), text(call.request.query, "extent")
    for name, value, known in (("format", form, FileFormat), ("extent", extent, Extent)):
        if value not in ("", *known):
            raise BadRequestError(f"{name} in the query is none of {', '.join(known)}: {value!r}")
    options = ExportOptions(
        format=FileFormat(form) if form else None, extent=Extent(extent) if extent else Extent.REQUESTED
    )
    made = call.service().export(call.environment(), options)
    return ApiResponse(body=document(**to_json(made)))


def history(call: Call) -> ApiResponse:
    """What was done to an environment, newest first."""
    entries = call.service().history(call.environment())
    verdicts = call.parts.verdicts
    return ApiResponse(
        body=document(entries=[entry_document(entry, verdicts.strongest(entry.id)) for entry in entries])
    )


# --- what could be installed ---------------------------------------------------------------------------------------


def outdated(call: Call) -> ApiResponse:
    """What there are newer versions of."""
    return ApiResponse(body=document(**to_json(call.service().outdated(call.environment()))))


def search(call: Call) -> ApiResponse:
    """Look for packages."""
    environment = call.environment()
    query = text(call.request.query, "q").strip()
    limit = number(call.request.query, "limit", HITS, low=1, high=MAX_HITS)
    if not query:
        raise BadRequestError("q in the query is missing: the words to look for")
    return ApiResponse(body=document(**to_json(call.service().search(environment, query, limit=limit))))


def names(call: Call) -> ApiResponse:
    """Every name that can be completed; nothing again where the caller has them already."""
    found: Names = call.service().names(call.environment())
    if _has(call, found.fingerprint):
        return _unchanged(found.fingerprint)
    return ApiResponse(body=document(**to_json(found)), headers=_tagged(found.fingerprint))


def versions(call: Call) -> ApiResponse:
    """The versions of one package."""
    environment = call.environment()
    wanted = text(call.request.query, "ecosystem")
    if wanted not in ("", *Ecosystem):
        raise BadRequestError(f"ecosystem in the query has to be conda or pypi, not {wanted!r}")
    ecosystem = Ecosystem(wanted) if wanted else None
    found = call.service().versions(environment, call.names["name"], ecosystem=ecosystem)
    return ApiResponse(body=document(**versions_document(found)))


# --- conditional answers -------------------------------------------------------------------------------------------


def _tagged(fingerprint: str) -> dict[str, str]:
    return {"ETag": f'"{fingerprint}"', "Cache-Control": "private, no-cache"} if fingerprint else {}


def _has(call: Call, fingerprint: str) -> bool:
    """Whether the caller has the answer of this fingerprint: RFC 9110, 13.1.2, with its weak comparison."""
    asked = call.request.header("If-None-Match")
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in asked.split(",")]
    return bool(asked and fingerprint) and (fingerprint in tags or "*" in tags)


def _unchanged(fingerprint: str) -> ApiResponse:
    return ApiResponse(status=304, headers=_tagged(fingerprint))

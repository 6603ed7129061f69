"""The words of the project as frozen dataclasses. No I/O, nothing of the other layers."""

from .environment import Environment, EnvironmentKind, Evidence, Policy, PolicyKind, PythonInfo
from .events import (
    Cancellation,
    Event,
    EventKind,
    EventSink,
    Phase,
    ignore_events,
    obey,
    obeyed,
    obeying,
    stoppable,
)
from .locations import is_within
from .outcome import Outcome
from .package import Ecosystem, Origin, OriginKind, Package, short_location
from .plan import FROM_SNAPSHOT, Action, Change, EnginePlan, Notice, Options, Plan, Request, Step, Verb
from .policy import AdminPolicy, PackageRule, ServerEnvironment
from .redact import redact, strip_credentials
from .serialize import SCHEMA, to_json
from .spec import Spec, SpecKind, parse_spec

__all__ = [
    "FROM_SNAPSHOT",
    "SCHEMA",
    "Action",
    "AdminPolicy",
    "Cancellation",
    "Change",
    "Ecosystem",
    "EnginePlan",
    "Environment",
    "EnvironmentKind",
    "Event",
    "EventKind",
    "EventSink",
    "Evidence",
    "Notice",
    "Options",
    "Origin",
    "OriginKind",
    "Outcome",
    "Package",
    "PackageRule",
    "Phase",
    "Plan",
    "Policy",
    "PolicyKind",
    "PythonInfo",
    "Request",
    "ServerEnvironment",
    "Spec",
    "SpecKind",
    "Step",
    "Verb",
    "ignore_events",
    "is_within",
    "obey",
    "obeyed",
    "obeying",
    "parse_spec",
    "redact",
    "short_location",
    "stoppable",
    "strip_credentials",
    "to_json",
]

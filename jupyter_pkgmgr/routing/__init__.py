"""From specs, environment, inventory and catalog to a plan: which engine for what, in which order, and why."""

from .administration import check_indexes, check_undo
from .allowed_places import only_allowed_channels, only_allowed_indexes
from .assign import conda_candidates, in_channels, installed_as
from .choose import choose_engine
from .context import ChannelQuery, Context, EngineChoice, IndexMetadata
from .guards import check_policies
from .planner import make_plan

__all__ = [
    "ChannelQuery",
    "Context",
    "EngineChoice",
    "IndexMetadata",
    "check_indexes",
    "check_policies",
    "check_undo",
    "choose_engine",
    "conda_candidates",
    "in_channels",
    "installed_as",
    "make_plan",
    "only_allowed_channels",
    "only_allowed_indexes",
]

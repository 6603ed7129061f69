"""What is installed, which tool owns each file, what is shadowed or clobbered."""

from ._files import altered_files, altered_paths, missing_files, reinstall_command
from ._read import fingerprint, read_inventory
from .history import History, Revision, read_history, spec_name
from .inventory import Distribution, Inventory, PackageState, Problem
from .requirements import needed

__all__ = [
    "Distribution",
    "History",
    "Inventory",
    "PackageState",
    "Problem",
    "Revision",
    "altered_files",
    "altered_paths",
    "fingerprint",
    "missing_files",
    "needed",
    "read_history",
    "read_inventory",
    "reinstall_command",
    "spec_name",
]

"""What is installed, which tool owns each file, what is shadowed or clobbered."""

from ._files import altered_files, altered_paths, missing_files, reinstall_command
from ._read import fingerprint, read_inventory
from .inventory import Distribution, Inventory, PackageState, Problem
from .requirements import needed

__all__ = [
    "Distribution",
    "Inventory",
    "PackageState",
    "Problem",
    "altered_files",
    "altered_paths",
    "fingerprint",
    "missing_files",
    "needed",
    "read_inventory",
    "reinstall_command",
]

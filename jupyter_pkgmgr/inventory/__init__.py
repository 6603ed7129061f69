"""What is installed, which tool owns each file, what is shadowed or clobbered."""

from ._contents import distribution_files
from ._distributions import name_of_folder
from ._files import altered_files, altered_paths, missing_files, reinstall_command
from ._read import fingerprint, read_inventory
from ._records import record_checksums, record_files
from .inventory import Distribution, Inventory, PackageState, Problem
from .requirements import needed
from .seeds import seeds

__all__ = [
    "Distribution",
    "Inventory",
    "PackageState",
    "Problem",
    "altered_files",
    "altered_paths",
    "distribution_files",
    "fingerprint",
    "missing_files",
    "name_of_folder",
    "needed",
    "read_inventory",
    "record_checksums",
    "record_files",
    "reinstall_command",
    "seeds",
]

"""Which environment: from an interpreter, a kernelspec or a living kernel; its policies; its tools' settings."""

from .channels import channel_name, without_subdir
from .conda_reader import check_channels, native_subdir, read_conda_settings, with_channels
from .conda_settings import CondaSettings, Setting
from .detect import find_python, from_interpreter, from_kernel, from_prefix, refreshed
from .facts import FACTS_SCHEMA, KernelFacts
from .history import History, Revision, read_history, spec_name
from .identify import is_conda_prefix, same_folder
from .index_reader import default_index, read_index_settings
from .index_settings import IndexSettings
from .kernelspec import KernelSpecFacts, from_kernelspec
from .policies import is_writable
from .roots import find_root

__all__ = [
    "FACTS_SCHEMA",
    "CondaSettings",
    "History",
    "IndexSettings",
    "KernelFacts",
    "KernelSpecFacts",
    "Revision",
    "Setting",
    "channel_name",
    "check_channels",
    "default_index",
    "find_python",
    "find_root",
    "from_interpreter",
    "from_kernel",
    "from_kernelspec",
    "from_prefix",
    "is_conda_prefix",
    "is_writable",
    "native_subdir",
    "read_conda_settings",
    "read_history",
    "read_index_settings",
    "refreshed",
    "same_folder",
    "spec_name",
    "with_channels",
    "without_subdir",
]

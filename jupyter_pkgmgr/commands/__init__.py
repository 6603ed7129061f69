"""What a user types: one grammar for ``%pkg`` lines and the command line."""

from .help import help_text
from .parse import Command, parse_arguments, parse_cell, parse_line, refuse_files
from .requirements import VARIABLE_WANTED, with_variables
from .together import together
from .writing import write_file

__all__ = [
    "VARIABLE_WANTED",
    "Command",
    "help_text",
    "parse_arguments",
    "parse_cell",
    "parse_line",
    "refuse_files",
    "together",
    "with_variables",
    "write_file",
]

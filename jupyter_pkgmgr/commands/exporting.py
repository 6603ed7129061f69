"""What is typed after ``export``: the names that conda, mamba, pip and uv have for the same things."""

from __future__ import annotations

import argparse
from pathlib import Path

from jupyter_pkgmgr.lookup import ExportOptions, Extent, FileFormat
from jupyter_pkgmgr.model.errors import UsageError

__all__ = ["FORMATS", "add_options", "destination", "options_of"]

FORMATS = {
    "environment.yml": FileFormat.CONDA,
    "environment-yaml": FileFormat.CONDA,
    "yaml": FileFormat.CONDA,
    "yml": FileFormat.CONDA,
    "requirements.txt": FileFormat.PIP,
    "requirements-txt": FileFormat.PIP,
    "requirements": FileFormat.PIP,
    "txt": FileFormat.PIP,
    "explicit.txt": FileFormat.EXPLICIT,
    "explicit": FileFormat.EXPLICIT,
}
"""What a form is called: by us first, then by ``conda export --format`` and by ``uv export --format``."""
_SHOWN = "environment.yml, requirements.txt or explicit"
_SUFFIXES = {".yml": FileFormat.CONDA, ".yaml": FileFormat.CONDA, ".txt": FileFormat.PIP, ".in": FileFormat.PIP}
_CHECKSUMS = ("sha256", "md5")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    add = parser.add_argument
    extent = parser.add_mutually_exclusive_group().add_argument
    extent("--all", action="store_true", dest="everything", help="all that is installed, exactly; conda's with builds")
    extent("--no-builds", "--no-build", action="store_true", help="the same without builds, for another platform")
    extent("--from-history", action="store_true", help="versions only where they were asked for")
    extent("--explicit", action="store_true", help="conda's list of URLs with checksums, which needs no solver")
    checksum = parser.add_mutually_exclusive_group().add_argument
    for name in _CHECKSUMS:
        checksum(f"--{name}", action="store_const", const=name, dest="checksum", help=f"with --explicit: {name} sums")
    add("--format", metavar="NAME", choices=FORMATS, help=f"{_SHOWN}; else the FILE's name tells")
    add("-o", "--output", "--output-file", "-f", "--file", metavar="FILE", help="the same as FILE alone")
    add("--force", "--overwrite", action="store_true", help="overwrite a FILE that is there already")


def options_of(arguments: argparse.Namespace, file: Path | None) -> ExportOptions:
    """What was said about the file.

    Raises
    ------
    UsageError
        If the options, or an option and the file's name, say different things.
    """
    form = FORMATS[arguments.format] if arguments.format else None
    explicit = arguments.explicit or (form or _form_of(file)) is FileFormat.EXPLICIT
    if arguments.checksum and not explicit:
        raise UsageError(
            f"--{arguments.checksum} is of use with --explicit only",
            hint=f"%pkg export --explicit --{arguments.checksum}",
        )
    if arguments.explicit and form not in (None, FileFormat.EXPLICIT):
        raise UsageError(f"--explicit and --format {arguments.format} are two forms", hint="%pkg export --explicit")
    form = FileFormat.EXPLICIT if explicit else form
    _check_name(file, form)
    extent = Extent.ALL if arguments.everything or arguments.no_builds else Extent.REQUESTED
    return ExportOptions(
        format=form or _form_of(file),
        extent=Extent.HISTORY if arguments.from_history else extent,
        builds=not arguments.no_builds,
        checksum=arguments.checksum or _CHECKSUMS[0],
    )


def _form_of(file: Path | None) -> FileFormat | None:
    """The form that a file's name stands for: conda itself calls explicit lists ``explicit.txt``."""
    if file is None:
        return None
    form = _SUFFIXES.get(file.suffix.lower())
    return FileFormat.EXPLICIT if form is FileFormat.PIP and "explicit" in file.name.lower() else form


def _check_name(file: Path | None, form: FileFormat | None) -> None:
    """Refuse names by which nobody, we included, would read the file as what it is."""
    if file is None:
        return
    named = _form_of(file)
    if named is None and form is not FileFormat.EXPLICIT:
        raise UsageError(
            f"{file.name} doesn't tell the form of the file",
            reference="unknown-format",
            hint="%pkg export environment.yml, or requirements.txt",
        )
    if form is not None and (named is FileFormat.CONDA) is not (form is FileFormat.CONDA):
        raise UsageError(
            f"{file.name} is no name for {form}: by its name it would be read as something else",
            reference="unknown-format",
            hint=f"%pkg export --format {form} {form}",
        )


def destination(arguments: argparse.Namespace, base: Path | None) -> Path | None:
    """The file to write; ``None`` for none.

    Raises
    ------
    UsageError
        If more than one is named, or none may be.
    """
    words = [word.removeprefix(">") for word in arguments.words if word != ">"]  # as after pip freeze
    named = [*words, *([arguments.output] if arguments.output else [])]
    if len(named) > 1:
        raise UsageError(f"export writes one file, and not {' and '.join(named)}", hint=f"%pkg export {named[0]}")
    if not named:
        if arguments.force:
            raise UsageError(
                "--force overwrites a file, and none was named", hint="%pkg export --force environment.yml"
            )
        return None
    if base is None:
        raise UsageError(f"{named[0]!r} names a file, which can't be done from here", reference="path-refused")
    return base / Path(named[0]).expanduser()

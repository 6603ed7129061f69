"""Help with a missing import: one line after the error that names the package, where that is certain.

It stays silent for the standard library, for what is or could be a local module, for parts of what is installed,
and for names that the service doesn't know. ``JUPYTER_PKGMGR_IMPORT_HELP=0`` turns it off.
"""

from __future__ import annotations

import difflib
import html
import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any, Callable, Iterator

from .display import MIME
from .errors import PkgError

__all__ = ["ImportHelp", "missing_module"]

VARIABLE = "JUPYTER_PKGMGR_IMPORT_HELP"
TIMEOUT = 1.5
"""Seconds that the help may take; it is dropped when it isn't there by then."""
STANDARD_LIBRARY = frozenset(
    """abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb
    binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections
    colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes
    curses dataclasses datetime dbm decimal difflib dis distutils doctest dummy_threading email encodings ensurepip
    enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath
    getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib
    inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal math
    mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode
    operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib
    posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re
    readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd
    smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
    stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile
    termios test textwrap this threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty
    turtle turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg
    winsound wsgiref xdrlib xml xmlrpc xxlimited xxsubtype zipapp zipfile zipimport zlib zoneinfo""".split()  # noqa: SIM905  as a list it would be 230 lines
)
"""Of every Python from 3.8 to 3.14, whichever this is: ``distutils`` and ``tomllib`` are in no index."""


class ImportHelp:
    """Watches the cells of one shell."""

    def __init__(self) -> None:
        self._last = ""

    def after_error(self, error: BaseException, ready: Callable[[], Any]) -> None:
        """Say which package the missing module is in, if the error is one and nothing speaks against it.

        Parameters
        ----------
        error
            What ended the cell.
        ready
            Gives the magic, which makes it and its service if need be.
        """
        if os.environ.get(VARIABLE) == "0":
            return
        name = missing_module(error)
        if name is None or name == self._last or not _worth_asking(name):
            return
        magic = ready()
        try:
            hint = magic.hint(name, TIMEOUT)
        except PkgError:  # no service: nothing to say here, %pkg itself will say why
            return
        if hint and hint.get("text") and not _is_installed(str(hint.get("package"))):
            self._last = name
            text = str(hint["text"])
            part = {"module": name, "package": hint.get("package"), "command": hint.get("command"), "text": text}
            data = {
                "text/plain": text,
                "text/html": f"<div>{html.escape(text)}</div>",
                MIME: magic.stamped("hint", part),
            }
            magic.shell.display_pub.publish(data=data, metadata={})


def missing_module(error: BaseException | None) -> str | None:
    """The module that wasn't found, where that is what the error is about.

    A :exc:`ModuleNotFoundError` itself, one that was raised again as another error ``from`` it, or one that an
    :exc:`ImportError` was raised for ("install x to use this"). One that was handled before something else
    failed is not.
    """
    for each in _chain(error):
        if isinstance(each, ModuleNotFoundError) and each.name:
            return str(each.name)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (error.__context__ if isinstance(error, ImportError) else None)


def _worth_asking(name: str) -> bool:
    top = name.partition(".")[0]
    return (
        all(part.isidentifier() for part in name.split("."))
        and not top.startswith("_")
        and top not in STANDARD_LIBRARY
        and top not in getattr(sys, "stdlib_module_names", ())
        and not _is_part_of_something(name)
        and not _is_installed(top)
        and not _is_local(top)
    )


def _is_part_of_something(name: str) -> bool:
    """Whether a module of this name exists, or a package that could have had it; a namespace has no owner."""
    parent = name
    while parent:
        if parent in sys.modules or _finds(parent):
            module = sys.modules.get(parent)
            spec = getattr(module, "__spec__", None) if module is not None else find_spec(parent)
            return parent == name or spec is None or spec.origin is not None
        parent = parent.rpartition(".")[0]
    return False


def _finds(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):  # what find_spec raises when a parent is broken
        return False


def _is_installed(name: str) -> bool:
    """Whether a distribution of this name is there, also an editable one whose module can't be found."""
    try:
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return False
    return True


def _is_local(name: str) -> bool:
    """Whether the user has a module of this or nearly this name beside the notebook or on an own path."""
    local = set()
    for folder in {os.getcwd(), *_own_paths()}:
        if os.path.isdir(folder):
            local |= _modules_in(folder)
    return bool(difflib.get_close_matches(name.lower(), [each.lower() for each in local], n=1, cutoff=0.8))


def _own_paths() -> list[str]:
    """Folders of ``sys.path`` outside every installation: what the user put there."""
    installed = tuple({os.path.realpath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix)})
    paths = [os.path.realpath(path or ".") for path in sys.path]
    return [path for path in paths if not path.startswith(installed) and "-packages" not in path]


def _modules_in(folder: str) -> set[str]:
    with os.scandir(folder) as entries:
        return {
            entry.name.partition(".")[0]
            for entry in entries
            if entry.name.endswith((".py", ".ipynb", ".so", ".pyd")) or _is_package(entry)
        }


def _is_package(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and entry.name.isidentifier() and _has_python(entry.path)


def _has_python(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(".py") for entry in entries)
    except OSError:  # not ours to read
        return False

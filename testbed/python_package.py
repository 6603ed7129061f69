"""A conda package ``python`` that is relocatable, made from an interpreter of this machine.

It holds the interpreter, its standard library and its libpython. Shared libraries of the operating system
(libssl, libffi, libsqlite3, …) are not packed: the package is good for this machine, which is what a test
or a demonstration needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from .channel import PLACEHOLDER, Channel, File, Link, PackageSource

__all__ = ["Interpreter", "NotRelocatableError", "describe", "python_channel"]

RECIPE = 2
"""Counted up when this module makes other packages from the same interpreter."""
_LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "idlelib",
    "idle_test",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
_LEFT_OUT_FILES = re.compile(r"EXTERNALLY-MANAGED|sitecustomize\.py|.*\.(a|o|pyc|exe)|(_test|xx).*\.so")
_QUESTION = """
import json, os, platform, sys, sysconfig
print(json.dumps({
    "executable": os.path.realpath(sys._base_executable if hasattr(sys, "_base_executable") else sys.executable),
    "version": platform.python_version(), "minor": "%d.%d" % sys.version_info[:2],
    "prefix": sys.base_prefix, "libdir": getattr(sys, "platlibdir", "lib"),
    "stdlib": sysconfig.get_path("stdlib"), "platstdlib": os.path.dirname(sysconfig.get_config_var("DESTSHARED") or ""),
    "include": sysconfig.get_config_var("INCLUDEPY") or "", "library_folder": sysconfig.get_config_var("LIBDIR") or "",
    "framework": sysconfig.get_config_var("PYTHONFRAMEWORK") or "", "implementation": platform.python_implementation(),
}))
"""


class NotRelocatableError(Exception):
    """An interpreter can't be made into a package; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """Where an interpreter keeps its parts. ``executable`` is the one below any virtual environment."""

    executable: Path
    version: str
    minor: str
    prefix: str
    libdir: str
    stdlib: Path
    platstdlib: Path
    include: Path
    library_folder: Path
    framework: str
    implementation: str

    @property
    def home(self) -> str:
        """The standard library's folder in a prefix: ``lib/python3.11``."""
        return f"{self.libdir}/python{self.minor}"


def describe(executable: Path | str = sys.executable) -> Interpreter:
    """Ask an interpreter about itself, in isolated mode."""
    answer = subprocess.run([str(executable), "-I", "-c", _QUESTION], capture_output=True, text=True, check=True)
    fields: dict[str, Any] = json.loads(answer.stdout)
    for name in ("executable", "stdlib", "platstdlib", "include", "library_folder"):
        fields[name] = Path(fields[name])
    return Interpreter(**fields)


def python_channel(cache: Path, executable: Path | str = sys.executable) -> Channel:
    """A channel that holds just ``python``, made from the interpreter; built once per ``cache`` folder.

    Parameters
    ----------
    cache
        Kept between runs; several processes may use it at once.
    executable
        A CPython, or one in a virtual environment, whose base is taken then.

    Raises
    ------
    NotRelocatableError
        If the interpreter isn't CPython, or is a macOS framework build, which finds its library by an
        absolute path.
    """
    interpreter = describe(executable)
    if interpreter.implementation != "CPython" or interpreter.framework or sys.platform == "win32":
        kind = "a framework build" if interpreter.framework else f"{interpreter.implementation} on {sys.platform}"
        msg = f"{interpreter.executable} is {kind}, which can't be moved to another prefix"
        raise NotRelocatableError(msg)
    digest = _short_digest(interpreter.executable, interpreter.executable.stat().st_mtime_ns, RECIPE)
    folder = cache / f"python-{interpreter.version}-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        channel = Channel(folder)
        if not list(channel):
            with TemporaryDirectory() as scratch:
                channel.add(_source(interpreter, Path(scratch))).index()
    return channel


def _short_digest(*parts: object) -> str:
    """A short name for what something was made from."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _source(interpreter: Interpreter, scratch: Path) -> PackageSource:
    minor, home = interpreter.minor, interpreter.home
    files: dict[str, str | bytes | File | Link] = {
        f"bin/python{minor}": File(_binary(interpreter, scratch), executable=True),
        "bin/python3": Link(f"python{minor}"),
        "bin/python": Link(f"python{minor}"),
        f"lib/python{minor}/site-packages/README.txt": "Packages are installed into this folder.\n",
    }
    for path, name in _files(interpreter.stdlib):
        files[f"{home}/{name}"] = _library_file(path, interpreter)
    files |= {f"{home}/{name}": File(path) for name, path in _compiled(interpreter, scratch)}
    files |= {f"{home}/{name}": data for name, data in _debian_files(interpreter).items()}
    if interpreter.platstdlib != interpreter.stdlib:
        for path, name in _files(interpreter.platstdlib / "lib-dynload"):
            files[f"{home}/lib-dynload/{name}"] = File(path)
    for path, name in _files(interpreter.include):
        files[f"include/python{minor}/{name}"] = File(path)
    for library in _libpython(interpreter):
        files[f"lib/{library.name}"] = File(library)
    return PackageSource(
        name="python",
        version=interpreter.version,
        build="0_cpython",
        files=files,
        summary="CPython of this machine, made relocatable; needs this machine's shared libraries",
        license="Python-2.0",
    )


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder that belong into the package, with their paths in it."""
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(names):
            path = Path(current, name)
            if not _LEFT_OUT_FILES.fullmatch(name) and path.is_file():
                yield path, path.relative_to(folder).as_posix()


def _compiled(interpreter: Interpreter, scratch: Path) -> Iterator[tuple[str, Path]]:
    """The standard library's bytecode, as conda's own package has it: else every new environment compiles it again.

    Python doesn't look whether it fits (``unchecked-hash``, PEP 552): times of files aren't kept on the way here.
    """
    folder = scratch / "lib"
    for path, name in _files(interpreter.stdlib):
        if name.endswith(".py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
    options = ["--invalidation-mode", "unchecked-hash", "-q", "-s", str(folder)]
    command = [str(interpreter.executable), "-I", "-m", "compileall", *options, str(folder)]
    subprocess.run(command, check=False, capture_output=True)  # lib2to3 has files that aren't to be compiled
    for path in folder.rglob("*.pyc"):
        yield path.relative_to(folder).as_posix(), path


def _library_file(path: Path, interpreter: Interpreter) -> File:
    if path.name.startswith("_sysconfigdata") or path.name == "Makefile":
        return File(_with_placeholder(path.read_text(encoding="utf-8"), interpreter.prefix).encode())
    return File(path, executable=os.access(path, os.X_OK))


def _with_placeholder(text: str, prefix: str) -> str:
    """The build's prefix where it means the interpreter's own folders.

    Under ``/usr`` most paths mean the operating system (``/usr/share/zoneinfo``): those stay.
    """
    if not prefix.startswith("/usr"):
        return text.replace(prefix, PLACEHOLDER)
    own = rf"(?<![\w/.-]){re.escape(prefix)}(?=['\"\s]|/bin['\"\s]|/lib/python\d|/include/python\d)"
    return re.sub(own, PLACEHOLDER, text)


def _debian_files(interpreter: Interpreter) -> dict[str, bytes]:
    """What makes Debian's Python look for packages where a conda environment has them.

    Debian's ``site`` (which is frozen into the binary) and ``sysconfig`` name ``dist-packages``. Other builds
    have no such string and get nothing.
    """
    found: dict[str, bytes] = {}
    if "dist-packages" in (interpreter.stdlib / "site.py").read_text(encoding="utf-8"):
        found["sitecustomize.py"] = _SITECUSTOMIZE.encode()
    for name in ("sysconfig.py", "sysconfig/__init__.py"):
        path = interpreter.stdlib / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if (scheme := "prefix_scheme = 'posix_local'") in text:
            found[name] = text.replace(scheme, "prefix_scheme = 'posix_prefix'").encode()
    return found


_SITECUSTOMIZE = """\
import os, site, sys

if sys.prefix == sys.base_prefix:
    folder = os.path.join(sys.prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    site.getsitepackages = lambda prefixes=None: [folder]
    site.addsitedir(folder)
"""


def _needed(interpreter: Interpreter) -> list[str]:
    """The libpython entries of the interpreter's dynamic section; a static build has none.

    python-build-standalone writes a path there, ``$ORIGIN/../lib/libpython…``; others write the name.
    """
    if sys.platform != "linux":
        return []
    needed = _patchelf("--print-needed", interpreter.executable).split()
    return [name for name in needed if Path(name).name.startswith("libpython")]


def _libpython(interpreter: Interpreter) -> list[Path]:
    places = [interpreter.library_folder, Path(interpreter.prefix, "lib")]
    names = [Path(needed).name for needed in _needed(interpreter)]
    return [next(place / name for place in places if (place / name).is_file()) for name in names]


def _binary(interpreter: Interpreter, scratch: Path) -> Path:
    """The interpreter, which finds its library beside itself wherever it is put."""
    needed = _needed(interpreter)
    if not needed:
        return interpreter.executable
    copy = scratch / f"python{interpreter.minor}"
    copy.write_bytes(interpreter.executable.read_bytes())
    copy.chmod(0o755)
    for name in needed:
        _patchelf("--replace-needed", name, Path(name).name, copy)
    _patchelf("--force-rpath", "--set-rpath", "$ORIGIN/../lib", copy)
    return copy


def _patchelf(*arguments: str | Path) -> str:
    command = [_beside("patchelf"), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _beside(name: str) -> str:
    """A tool installed with us, or on PATH."""
    own = Path(sys.executable).with_name(name)
    return str(own) if own.is_file() else name

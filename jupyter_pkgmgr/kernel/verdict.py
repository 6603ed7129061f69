"""The restart verdict: which of the files that were removed or replaced this kernel has loaded.

``none``
    nothing that was changed is in use; what is new can be imported at once
``recommended``
    a changed package is loaded, wholly or in part: the old one goes on working, but what is imported from it
    from now on comes from the new one
``required``
    what changed can't be exchanged while it runs: a loaded extension module or shared library, the kernel's own
    stack, Python itself
"""

from __future__ import annotations

import html
import os
import re
import sys
import sysconfig
from types import ModuleType
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple

from .display import MIME

__all__ = ["Verdict", "judge", "render", "together"]

LEVELS = ("none", "recommended", "required")
NAMED = 3
"""Up to so many modules are named."""
KERNEL_STACK = frozenset(
    [
        "comm",
        "debugpy",
        "ipykernel",
        "ipython",
        "jupyter-client",
        "jupyter-core",
        "matplotlib-inline",
        "nest-asyncio",
        "prompt-toolkit",
        "psutil",
        "python",
        "pyzmq",
        "tornado",
        "traitlets",
    ]
)
_BINARY = re.compile(r"\.(so|pyd|dll|dylib)(\.[\d.]+)?$")
_CODE = re.compile(r"\.(py|pyc|so|pyd)$")
_FRONT_END = re.compile(
    r"[/\\]share[/\\]jupyter[/\\](labextensions|nbextensions)[/\\]|^share/jupyter/(lab|nb)extensions/"
)
_PROCESS_MAP = "/proc/self/maps"


class Verdict(NamedTuple):
    """Whether to restart, and the loaded modules (top-level names) that are the reason."""

    level: str = "none"
    modules: Tuple[str, ...] = ()
    waiting: Tuple[str, ...] = ()
    """New ``.pth`` files whose code runs only when Python starts."""
    reload_page: bool = False
    """Whether something changed that the browser has loaded."""


def judge(
    changed_files: Iterable[str],
    changed_packages: Iterable[Mapping[str, Any]] = (),
    waiting: Iterable[str] = (),
    modules: Mapping[str, ModuleType] | None = None,
    *,
    taken_back: bool = False,
) -> Verdict:
    """Compare what changed with what is loaded.

    Parameters
    ----------
    changed_files
        Absolute paths of files that were removed or replaced.
    changed_packages
        ``name``, ``action`` and ``distributions`` of each package of the change.
    waiting
        Names of new ``.pth`` files whose code runs only when Python starts.
    modules
        What is loaded; by default ``sys.modules``.
    taken_back
        Whether the files are again what they were when everything but ``modules`` was loaded.
    """
    paths = _Paths()
    changed = {paths.normal(path) for path in changed_files}
    packages = list(changed_packages)
    # A change that only adds concerns nothing that is loaded: then there is no need to look at hundreds of modules.
    loaded = _Loaded((sys.modules if modules is None else modules) if changed else {}, paths)
    mapped = _mapped(changed, paths, others_only=taken_back)
    required: Set[str] = set()
    recommended: Set[str] = set()
    libraries: Set[str] = set()
    for path in changed:
        if path in mapped or (path in loaded and _BINARY.search(path)):
            owners = loaded.owners(path)
            required |= owners
            if not owners:  # as those in numpy.libs, beside numpy
                libraries.add(os.path.basename(path).partition(".")[0])
        elif path in loaded or _CODE.search(path):
            recommended |= loaded.owners(path)
    stack = _stack(packages)
    required |= stack & {_normalized(name) for name in recommended} if taken_back else stack
    if _standard_library({path for path in changed if path in loaded} if taken_back else changed, paths):
        required.add("python")
    required = required or libraries  # nobody knows a library by its name: only where there is no module to name
    late = tuple(sorted(waiting))
    front_end = any(_FRONT_END.search(path) for path in changed) or _brings_front_end(packages)
    level = "required" if required else "recommended" if recommended or late else "none"
    return Verdict(level, _sorted(required or recommended), late, front_end)


def together(earlier: Verdict, later: Verdict) -> Verdict:
    """What two changes, one after the other, ask of the kernel. The page is for each change to mention."""
    level = max(earlier.level, later.level, key=LEVELS.index)
    waiting = tuple(sorted({*earlier.waiting, *later.waiting}))
    return Verdict(level, _sorted({*earlier.modules, *later.modules}), waiting)


def _sorted(names: Iterable[str]) -> Tuple[str, ...]:
    """Private modules last: they say little."""
    return tuple(sorted(names, key=lambda name: (name.startswith("_"), name)))


class _Paths:
    """Paths that can be compared: real folders, but the file's own name, which may be a link into a cache."""

    def __init__(self) -> None:
        self._folders: Dict[str, str] = {}

    def normal(self, path: str) -> str:
        folder, name = os.path.split(path)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        return os.path.normcase(os.path.join(real, name))


class _Loaded:
    """Where the loaded modules came from: the top-level names for each file, and for each package's folder."""

    def __init__(self, modules: Mapping[str, ModuleType], paths: _Paths) -> None:
        self._files: Dict[str, Set[str]] = {}
        self._folders: Dict[str, Set[str]] = {}
        for name, module in list(modules.items()):
            top = name.partition(".")[0]
            for path in map(paths.normal, _files(module)):
                self._files.setdefault(path, set()).add(top)
                if os.path.basename(path).startswith("__init__."):
                    self._folders.setdefault(os.path.dirname(path), set()).add(top)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def owners(self, path: str) -> Set[str]:
        """The modules loaded from ``path``, else the loaded package it lies in, whose next import may need it.

        A namespace package has no folder of its own, so what lies beside its loaded parts isn't loaded.
        """
        if path in self._files:
            return self._files[path]
        folder, parent = os.path.dirname(path), os.path.dirname(os.path.dirname(path))
        while folder not in self._folders and folder != parent:
            folder, parent = parent, os.path.dirname(parent)
        return self._folders.get(folder, set())


def _files(module: ModuleType) -> List[str]:
    """The files a module came from. From its ``__dict__``: lazy modules import things when asked for attributes."""
    try:
        values = object.__getattribute__(module, "__dict__")
    except AttributeError:  # anything can be in sys.modules
        return []
    found = [values.get("__file__"), values.get("__cached__")]
    return [path for path in found if isinstance(path, str) and path]


def _mapped(changed: Set[str], paths: _Paths, *, others_only: bool) -> Set[str]:
    """Changed libraries that are mapped into this process, where the system tells.

    With ``others_only`` not those of which the very file is mapped that lies there now.
    """
    binaries = {path for path in changed if _BINARY.search(path)}
    if not binaries or not os.path.exists(_PROCESS_MAP):
        return set()
    with open(_PROCESS_MAP, encoding="utf-8", errors="surrogateescape") as file:
        lines = (line.rstrip("\n").split(None, 5) for line in file)
        mapped = {(parts[5], parts[4]) for parts in lines if len(parts) > 5}  # noqa: PLR2004  path and inode
    there = {(paths.normal(re.sub(r" \(deleted\)$", "", path)), inode) for path, inode in mapped}
    return {path for path, inode in there if path in binaries and not (others_only and inode == _inode(path))}


def _inode(path: str) -> str:
    try:
        return str(os.stat(path).st_ino)
    except OSError:  # it is gone
        return ""


def _stack(packages: Iterable[Mapping[str, Any]]) -> Set[str]:
    """Packages this kernel runs on, unless they are new."""
    names = set()
    for package in packages:
        if package.get("action") != "install":
            names |= {_normalized(name) for name in [str(package.get("name")), *package.get("distributions", ())]}
    return names & KERNEL_STACK


def _standard_library(changed: Set[str], paths: _Paths) -> bool:
    """Whether a module of Python itself changed."""
    library = paths.normal(os.path.join(sysconfig.get_path("stdlib"), ""))
    packages = (os.path.join(library, "site-packages"), os.path.join(library, "dist-packages"))
    return any(path.startswith(library) and not path.startswith(packages) for path in changed)


def _brings_front_end(packages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a package that was put in place has parts for the browser, by its ``RECORD``."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415  only after a change

    for package in packages:
        for name in package.get("distributions", ()):
            try:
                record = distribution(name).read_text("RECORD") or ""
            except PackageNotFoundError:  # removed
                continue
            if re.search(r"share/jupyter/(lab|nb)extensions/", record):
                return True
    return False


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def render(verdict: Verdict, earlier: Verdict = Verdict()) -> Dict[str, Any]:  # noqa: B008  it can't be changed
    """The verdict as a display: text, HTML, and for a front end that knows us.

    Parameters
    ----------
    verdict
        That of the change.
    earlier
        That of the changes before it. What they asked for is still true, until the kernel is restarted.
    """
    sentences = []
    due = sorted({*earlier.modules, *earlier.waiting} - {*verdict.modules, *verdict.waiting})
    are = "is" if len(verdict.modules) == 1 else "are"
    if verdict.level == "required":
        sentences.append(f"restart the kernel now: {_names(verdict.modules)} can't be exchanged while it runs")
    elif verdict.modules:
        sentences.append(f"restart the kernel to use what changed: {_names(verdict.modules)} {are} loaded")
    if verdict.waiting:
        sentences.append(f"restart the kernel to import all of it: {_names(verdict.waiting)} runs when Python starts")
    if due:
        sentences.append(f"the kernel still needs a restart for {_names(_sorted(due))}, changed before")
    elif verdict.level == "none":
        sentences.append("no restart needed")
    if verdict.reload_page:
        sentences.append("reload the page: parts of the change run in the browser")
    text = "\n".join(sentences)
    colour = {"none": "success", "recommended": "warn", "required": "error"}[
        together(earlier if due else Verdict(), verdict).level
    ]
    whole = together(earlier, verdict)
    part = {"schema": 1, "part": "verdict", "kernel": None, "job": None, "level": whole.level, "text": text}
    part.update(modules=list(whole.modules), reload_page=verdict.reload_page)
    style = f"border-left: 3px solid var(--jp-{colour}-color1, currentColor); padding-left: 8px"
    body = "<br>".join(html.escape(sentence) for sentence in sentences)
    return {"text/plain": text, "text/html": f'<div style="{style}">{body}</div>', MIME: part}


def _names(modules: Tuple[str, ...]) -> str:
    shown = ", ".join(modules[:NAMED])
    more = len(modules) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown

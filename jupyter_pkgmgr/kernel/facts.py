"""What a Python tells of itself: where it lives, whose it is, where packages go.

:func:`collect` runs inside a living kernel, and the same file, started as a script, is the probe with which
the service asks an interpreter that isn't running. One code for both, so that both give the same answer.
It is Python 3.8 and standard library, and imports little: a kernel attaches within milliseconds.

The keys, all of them always there, all values plain strings but where noted:

``schema``              number, :data:`SCHEMA`; a reader refuses one it doesn't know
``language``            ``python``
``executable``          ``sys.executable``
``prefix``              ``sys.prefix``
``base_prefix``         ``sys.base_prefix``: differs from ``prefix`` in a venv
``version``             ``3.11.7``
``implementation``      ``cpython``, ``pypy``, …
``purelib`` ``platlib`` ``scripts`` ``stdlib``
                        ``sysconfig``'s paths of the default scheme
``user_site``           the user's site directory where ``site`` has it enabled, else empty
``search_path``         list: ``site``'s directories that are on ``sys.path``, in its order
``markers``             object: the environment of PEP 508, as ``packaging`` computes it
``hostname``            name of the machine
``user`` ``uid``        who runs it; ``uid`` is empty where the system has none
``pid``                 the process
``prefix_id``           device-independent identity of the folder ``prefix`` (inode), empty if unknown
``executable_id``       the same of ``executable`` (inode, size, time of change)
"""

from __future__ import annotations

import os
import sys

SCHEMA = 1


def collect() -> dict:  # type: ignore[type-arg]  # subscripting dict is Python 3.9
    """Everything above, from this very process."""
    import site  # noqa: PLC0415  only when asked: attaching to a kernel imports this module
    import sysconfig  # noqa: PLC0415

    user_site = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    return {
        "schema": SCHEMA,
        "language": "python",
        "executable": sys.executable or "",
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "version": "{}.{}.{}".format(*sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "purelib": sysconfig.get_path("purelib"),
        "platlib": sysconfig.get_path("platlib"),
        "scripts": sysconfig.get_path("scripts"),
        "stdlib": sysconfig.get_path("stdlib"),
        "user_site": user_site,
        "search_path": _search_path([*site.getsitepackages(), user_site]),
        "markers": _markers(),
        "hostname": _hostname(),
        "user": os.environ.get("USER") or os.environ.get("LOGNAME") or os.environ.get("USERNAME") or "",
        "uid": str(os.getuid()) if hasattr(os, "getuid") else "",
        "pid": str(os.getpid()),
        "prefix_id": folder_id(sys.prefix),
        "executable_id": file_id(sys.executable or ""),
    }


def folder_id(path: str) -> str:
    """An identity that survives changes inside the folder, and that a folder elsewhere hardly shares."""
    try:
        return str(os.stat(path).st_ino)
    except OSError:
        return ""


def file_id(path: str) -> str:
    """An identity of a file's content, as far as ``stat`` tells it."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def _search_path(candidates: list) -> list:  # type: ignore[type-arg]
    """Those of ``site``'s directories that are on ``sys.path``, in the order of ``sys.path``.

    What ``PYTHONPATH``, the working directory and ``.pth`` files add is no ``site`` directory.
    """
    known = {_normal(path) for path in candidates if path}
    found = []
    for path in sys.path:
        if path and _normal(path) in known:
            known.discard(_normal(path))
            found.append(os.path.abspath(path))
    return found


def _normal(path: str) -> str:
    return os.path.normcase(os.path.abspath(path))


def _markers() -> dict:  # type: ignore[type-arg]
    """The marker environment of PEP 508 (``packaging.markers.default_environment``).

    On POSIX ``os.uname`` says what ``platform`` would, which on Python 3.8 starts a process to find out.
    """
    info = sys.implementation.version
    kind = "" if info.releaselevel == "final" else f"{info.releaselevel[0]}{info.serial}"
    name = {"cpython": "CPython", "pypy": "PyPy"}.get(sys.implementation.name)
    if hasattr(os, "uname"):
        uname = os.uname()
        system, release, version, machine = uname.sysname, uname.release, uname.version, uname.machine
    else:
        import platform  # noqa: PLC0415  slow, and only Windows needs it

        system, release, version, machine = (
            platform.system(),
            platform.release(),
            platform.version(),
            platform.machine(),
        )
    if name is None:
        import platform  # noqa: PLC0415

        name = platform.python_implementation()
    full = sys.version.split()[0]
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": f"{info.major}.{info.minor}.{info.micro}{kind}",
        "os_name": os.name,
        "platform_machine": machine,
        "platform_python_implementation": name,
        "platform_release": release,
        "platform_system": system,
        "platform_version": version,
        "python_full_version": f"{full}local" if full.endswith("+") else full,
        "python_version": "{}.{}".format(*sys.version_info[:2]),
        "sys_platform": sys.platform,
    }


def _hostname() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # noqa: PLC0415  slow, and only Windows needs it

    return socket.gethostname()


def main() -> None:
    """Print the facts as one line of JSON: the probe."""
    here = _normal(os.path.dirname(__file__))
    sys.path[:] = [path for path in sys.path if _normal(path or ".") != here]  # the folder of a script comes first
    import json  # noqa: PLC0415

    sys.stdout.write(json.dumps(collect()) + "\n")


if __name__ == "__main__":
    main()

"""Real environments: conda prefixes from a local channel, venvs made by uv, kernelspecs, interpreters."""

from __future__ import annotations

import atexit
import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

__all__ = [
    "available_interpreters",
    "conda_environment",
    "copy_venv",
    "kernel_venv",
    "kernelspec",
    "make_venv",
    "tool",
    "uv_install",
]

_REDIRECTS = re.compile(r"(CONDA|PIP|UV|VIRTUAL_ENV|PYTHON|MAMBA)(_.*|HOME|PATH|USERBASE|STARTUP)?$")
CREATED = "2025-01-01 00:00:00"


def tool(name: str) -> str:
    """A tool installed beside the running interpreter, or on PATH."""
    own = Path(sys.executable).with_name(name)
    found = str(own) if own.is_file() else shutil.which(name)
    if found is None:
        msg = f"{name} is neither beside {sys.executable} nor on PATH"
        raise FileNotFoundError(msg)
    return found


def conda_environment(
    prefix: Path, *, channels: Sequence[str], cache: Path, specs: Sequence[str] = ("python",)
) -> Path:
    """Create a conda environment, with what conda itself would write into ``conda-meta/history``.

    Parameters
    ----------
    prefix
        Where; must not exist or be empty.
    channels
        Channel URLs in priority order.
    cache
        Package and repodata cache; packages are hard-linked from here.
    specs
        MatchSpecs the user asked for.
    """
    order = {"channels": list(channels), "specs": list(specs), "prefix": str(prefix), "cache": str(cache)}
    packages = _ask_conda_worker(order)
    lines = [
        f"==> {CREATED} <==",
        f"# cmd: {shlex.join(['conda', 'create', '--prefix', str(prefix), *specs])}",
        "# conda version: 26.7.0",
        *(f"+{package}" for package in packages),
        f"# update specs: {list(specs)!r}",
    ]
    history = prefix / "conda-meta" / "history"
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return prefix


_ROOT = Path(__file__).parents[1]
_conda_workers: list[subprocess.Popen[str]] = []
_one_order = threading.Lock()


def _ask_conda_worker(order: Mapping[str, object]) -> list[str]:
    """Have it carried out by a process that stays: its start takes longer than to make an environment."""
    with _one_order:
        if not _conda_workers:
            _conda_workers.append(_start_conda_worker())
        process = _conda_workers[0]
        assert process.stdin is not None  # noqa: S101  both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(f"{json.dumps(order)}\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"error": "the process has ended"}')
    if "error" in answer:
        msg = f"{order['prefix']} can't be made:\n{answer['error']}"
        raise RuntimeError(msg)
    packages: list[str] = answer["packages"]
    return packages


def _start_conda_worker() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "testbed.conda_worker"]
    process = subprocess.Popen(
        command, cwd=_ROOT, env=_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def make_venv(path: Path, python: Path | str = sys.executable, *, pip: bool = False) -> Path:
    """Create a venv by uv and return its interpreter; ``pip`` is the one that came with the interpreter."""
    _run([tool("uv"), "venv", "--quiet", "--no-project", "--no-config", "--python", str(python), str(path)])
    executable = path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if pip:
        question = "import ensurepip; print(ensurepip.__path__[0]); print(ensurepip.version())"
        folder, version = _run([str(executable), "-I", "-c", question]).splitlines()
        uv_install(executable, next(Path(folder, "_bundled").glob(f"pip-{version}-*.whl")))
    return executable


def uv_install(
    python: Path,
    *requirements: str | Path,
    index_url: str = "",
    find_links: Path | None = None,
    cache: Path | None = None,
) -> None:
    """Install into an environment by uv: from an index, or from a folder of wheels or given files alone."""
    index = ["--index-url", index_url] if index_url else ["--no-index", "--offline"]
    if find_links:
        index += ["--find-links", str(find_links)]
    cached = ["--cache-dir", str(cache)] if cache else ["--no-cache"]
    command = [tool("uv"), "pip", "install", "--quiet", "--no-config", *cached, *index, "--python", str(python)]
    _run([*command, *(str(requirement) for requirement in requirements)])


def copy_venv(template: Path, target: Path) -> Path:
    """Copy a venv and return the copy's interpreter: nearly for nothing, and with its compiled modules.

    The files are hard links, as tools replace files as a whole; only what names the venv's folder is written anew,
    and what was recorded of that.
    """
    subprocess.run(["cp", "-al", template, target], check=True)
    recorded: dict[bytes, bytes] = {}
    for path in (path for path in (target / "bin").iterdir() if not path.is_symlink()):
        content = path.read_bytes()
        moved = content.replace(os.fsencode(template), os.fsencode(target))
        _replace(path, moved)
        recorded[_as_recorded(content)] = _as_recorded(moved)
    for path in target.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        lines = path.read_bytes().splitlines(keepends=True)
        _replace(path, b"".join(_with_fact(line, recorded) for line in lines))
    return target / "bin" / "python"


def _replace(path: Path, content: bytes) -> None:
    """Write a file anew, so that its hard links stay as they are."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def _as_recorded(content: bytes) -> bytes:
    """A file's hash and size, as ``RECORD`` has them (PyPA, "Recording installed projects")."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return b"sha256=%s,%d" % (digest, len(content))


def _with_fact(line: bytes, recorded: Mapping[bytes, bytes]) -> bytes:
    path, comma, fact = line.rstrip(b"\r\n").partition(b",")
    return path + comma + recorded.get(fact, fact) + b"\n"


def kernel_venv(path: Path, *requirements: str, python: Path | str = sys.executable, **source: Any) -> Path:
    """Make a venv with ipykernel that others are copied from, once for all processes; ``source`` as for uv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not Path(f"{path}.ready").exists():
            made = make_venv(path, python)
            uv_install(made, *(requirements or ("ipykernel",)), **source)
            _run([str(made), "-m", "ipykernel_launcher", "--version"])  # which compiles what a kernel loads
            Path(f"{path}.ready").touch()
    return path


def kernelspec(  # noqa: PLR0913  a kernelspec has that many parts
    folder: Path,
    name: str,
    executable: Path | str,
    *,
    display_name: str = "",
    argv: Sequence[str] = (),
    extra: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    metadata: Mapping[str, object] | None = None,
    language: str = "python",
) -> Path:
    """Write ``kernels/NAME/kernel.json`` under a Jupyter data folder; ``argv`` replaces the usual command."""
    usual = [str(executable), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": [*(argv or usual), *extra],
        "display_name": display_name or name,
        "language": language,
        "env": dict(env or {}),
        "metadata": {"debugger": False, **(metadata or {})},
    }
    target = folder / "kernels" / name / "kernel.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(spec, indent=2), encoding="utf-8")
    return target


@cache
def available_interpreters() -> dict[str, Path]:
    """The interpreters from 3.8 on that start here, one for each minor: pyenv's first, then PATH's."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found: dict[str, Path] = {}
    for minor in (f"3.{number}" for number in range(8, 16)):
        candidates = [str(path) for path in sorted(root.glob(f"versions/{minor}.*/bin/python{minor}"))]
        candidates += [path for path in (shutil.which(f"python{minor}"),) if path]
        for candidate in candidates:
            if (executable := _starts(candidate, minor)) is not None:
                found[minor] = executable
                break
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found.setdefault(own, Path(sys.executable))
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


def _starts(candidate: str, minor: str) -> Path | None:
    question = "import sys, venv, ssl; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    done = subprocess.run([candidate, "-I", "-c", question], capture_output=True, text=True, check=False)
    answer = done.stdout.splitlines()
    return Path(answer[1]) if done.returncode == 0 and answer[0] == minor else None


def _environ() -> dict[str, str]:
    """The process environment without the variables that would send a tool elsewhere."""
    env = {name: value for name, value in os.environ.items() if not _REDIRECTS.fullmatch(name)}
    if "UV_CACHE_DIR" in os.environ:
        env["UV_CACHE_DIR"] = os.environ["UV_CACHE_DIR"]
    return env


def _run(argv: Sequence[str]) -> str:
    """Run to the end."""
    done = subprocess.run(argv, env=_environ(), capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(msg)
    return done.stdout

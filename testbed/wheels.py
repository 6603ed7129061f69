"""Small real wheels and sdists, and conda packages made from wheels.

Formats: the wheel (PyPA "Binary distribution format"), ``RECORD`` and ``INSTALLER`` ("Recording installed
projects"), and for the conversion conda's ``noarch: python`` layout.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass, field
from email import message_from_string
from importlib.metadata import Distribution
from pathlib import Path
from typing import cast

from packaging.markers import default_environment
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from .channel import PLACEHOLDER, File, Link, PackageSource

__all__ = [
    "WheelSource",
    "closure",
    "conda_package",
    "make_sdist",
    "make_wheel",
    "repack",
    "wheel_requires",
    "write_wheel",
]

EPOCH = (2025, 1, 1, 0, 0, 0)
Content = str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """What a wheel is made of. Without ``files`` it holds one module that knows its version."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str = ""
    files: Mapping[str, Content] = field(default_factory=dict)
    """Paths under site-packages, or under ``NAME-VERSION.data/``."""
    entry_points: tuple[str, ...] = ()
    """``command = module:function``."""
    tag: str = "py3-none-any"
    summary: str = ""
    license: str = "BSD-3-Clause"

    @property
    def module(self) -> str:
        """The import name, where ``files`` says nothing else."""
        return canonicalize_name(self.name).replace("-", "_")

    @property
    def stem(self) -> str:
        """``name-version`` as file names have it."""
        return f"{self.module}-{self.version}"

    def contents(self) -> dict[str, bytes]:
        """The files under site-packages, without the dist-info."""
        files = self.files or {f"{self.module}/__init__.py": f'__version__ = "{self.version}"\n'}
        return {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}

    def metadata(self) -> bytes:
        """Core metadata, version 2.4."""
        lines = [
            "Metadata-Version: 2.4",
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Summary: {self.summary or 'made for tests'}",
            f"License-Expression: {self.license}",
            *([f"Requires-Python: {self.requires_python}"] if self.requires_python else []),
            *(f"Provides-Extra: {extra}" for extra in self.extras),
            *(f"Requires-Dist: {requirement}" for requirement in self.requires),
        ]
        return ("\n".join(lines) + "\n\nMade for tests.\n").encode()


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, Content] | None = None,
    tag: str = "py3-none-any",
    entry_points: Sequence[str] = (),
) -> Path:
    """Write a wheel into a folder and return its path; :class:`WheelSource` has more to say."""
    source = WheelSource(
        name=name,
        version=version,
        requires=tuple(requires),
        files=files or {},
        tag=tag,
        entry_points=tuple(entry_points),
    )
    return write_wheel(folder, source)


def write_wheel(folder: Path, source: WheelSource) -> Path:
    """Write a wheel into a folder; the same source always gives the same bytes."""
    info = f"{source.stem}.dist-info"
    tags = "".join(
        f"Tag: {python}-{abi}-{platform}\n"
        for python in source.tag.split("-")[0].split(".")
        for abi in source.tag.split("-")[1].split(".")
        for platform in source.tag.split("-")[2].split(".")
    )
    pure = "true" if source.tag.endswith("-none-any") else "false"
    files = {
        **source.contents(),
        f"{info}/METADATA": source.metadata(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: testbed\nRoot-Is-Purelib: {pure}\n{tags}".encode(),
    }
    if source.entry_points:
        files[f"{info}/entry_points.txt"] = ("[console_scripts]\n" + "\n".join(source.entry_points) + "\n").encode()
    return _write(folder / f"{source.stem}-{source.tag}.whl", files, info)


def _write(path: Path, files: Mapping[str, bytes], info: str) -> Path:
    record = f"{info}/RECORD"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, record: _record(files, record)}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o100755 if ".data/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 1)
    return path


def repack(distribution: str, folder: Path) -> Path:
    """Write an installed distribution as the wheel it came from, so that tests have real ones offline.

    Scripts made from entry points and compiled files are left out, as a wheel has none.
    """
    installed = Distribution.from_name(distribution)
    info = next(file.parent for file in installed.files or () if file.name == "METADATA").as_posix()
    wheel = message_from_string(installed.read_text("WHEEL") or "")
    tags = [value.split("-") for value in wheel.get_all("Tag", [])]
    tag = "-".join(".".join(sorted({parts[position] for parts in tags})) for position in range(3))
    stem = info.removesuffix(".dist-info")
    files: dict[str, bytes] = {}
    for file in installed.files or ():
        path = _in_wheel(file.as_posix(), stem)
        if path and path.removeprefix(f"{info}/") not in _WRITTEN_BY_INSTALLERS:
            files[path] = Path(str(file.locate())).read_bytes()
    return _write(folder / f"{stem}-{tag}.whl", files, info)


def closure(*distributions: str) -> list[str]:
    """Installed distributions and all they need here, as normalized names."""
    found: list[str] = []
    waiting = [canonicalize_name(name) for name in distributions]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        for text in Distribution.from_name(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return sorted(found)


_WRITTEN_BY_INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def _in_wheel(path: str, stem: str) -> str:
    """Where a wheel has a file that is installed at this path relative to site-packages; empty for nowhere."""
    if path.endswith(".pyc"):
        return ""
    if not path.startswith("../"):
        return path
    inside = re.sub(r"^(\.\./)+", "", path)
    return "" if inside.startswith("bin/") else f"{stem}.data/data/{inside}"


def make_sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    files: Mapping[str, Content] | None = None,
    breaks: bool = False,
) -> Path:
    """Write an sdist that builds without network: its build backend is in it (PEP 517, ``backend-path``).

    With ``breaks`` the build ends with an error.
    """
    source = WheelSource(name=name, version=version, requires=tuple(requires), files=files or {})
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    sources = {
        "PKG-INFO": source.metadata(),
        "pyproject.toml": project.encode(),
        "backend.py": _BACKEND.format(stem=source.stem, breaks=breaks).encode(),
        **source.contents(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source.stem}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, data in sources.items():
            member = tarfile.TarInfo(f"{source.stem}/{file}")
            member.size, member.mtime = len(data), 1_735_689_600
            archive.addfile(member, io.BytesIO(data))
    return path


_BACKEND = """\
import os, zipfile

STEM = "{stem}"

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if {breaks}:
        raise SystemExit("the build of " + STEM + " fails on purpose")
    info = STEM + ".dist-info/"
    with open("PKG-INFO") as file:
        metadata = file.read()
    files = {{info + "METADATA": metadata,
             info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: testbed\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}}
    for above, _, names in os.walk("."):
        for name in names:
            if name.endswith(".py") and above != ".":
                with open(os.path.join(above, name)) as file:
                    files[os.path.relpath(file.name).replace(os.sep, "/")] = file.read()
    files[info + "RECORD"] = "".join(name + ",,\\n" for name in [*files, info + "RECORD"])
    wheel = STEM + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel

build_editable = build_wheel
"""


def conda_package(
    wheel: Path,
    *,
    python: str,
    names: Mapping[str, str] | None = None,
    skip: Sequence[str] = (),
    extras: Sequence[str] = (),
    build_number: int = 0,
) -> PackageSource:
    """Turn a wheel into a conda package, as conda-forge's recipes do it.

    Parameters
    ----------
    wheel
        The wheel.
    python
        The interpreter's minor, ``3.11``: markers are evaluated for it, and a binary wheel is tied to it.
    names
        Conda names of PyPI projects where they differ.
    skip
        Normalized names of requirements to leave out.
    extras
        Extras whose requirements the package has, too, as conda knows no extras.
    build_number
        The build number.
    """
    _, version, _, tags = parse_wheel_filename(wheel.name)
    pure = any(tag.platform == "any" and tag.abi == "none" for tag in tags)
    unpacked = _Unpacked(wheel, python=python, pure=pure)
    metadata = unpacked.metadata
    project = canonicalize_name(metadata["name"])
    mapped = dict(names or {})
    nodot = python.replace(".", "")
    left_out = {canonicalize_name(name) for name in skip}
    wanted = [Requirement(text) for text in metadata.get("requires_dist", [])]
    requires = [requirement for requirement in wanted if canonicalize_name(requirement.name) not in left_out]
    return PackageSource(
        name=mapped.get(project, project),
        version=str(version),
        build_number=build_number,
        build=f"pyh_{build_number}" if pure else f"py{nodot}_{build_number}",
        depends=(
            _python_depends(metadata, python, pure=pure),
            *_depends(requires, python, mapped, extras),
        ),
        files=unpacked.files,
        noarch="python" if pure else None,
        entry_points=unpacked.entry_points if pure else (),
        summary=metadata.get("summary", ""),
        license=metadata.get("license_expression", "") or metadata.get("license", "").partition("\n")[0],
    )


def _python_depends(metadata: RawMetadata, python: str, *, pure: bool) -> str:
    if pure:
        return f"python {metadata.get('requires_python', '').replace(' ', '')}".strip()
    return f"python {python}.*"


def wheel_requires(wheel: Path) -> list[str]:
    """What a wheel's metadata requires."""
    with zipfile.ZipFile(wheel) as archive:
        path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return parse_email(archive.read(path))[0].get("requires_dist", [])


def _depends(
    requires: Sequence[Requirement], python: str, names: Mapping[str, str], extras: Sequence[str]
) -> list[str]:
    environment = cast("dict[str, str]", default_environment()) | {"python_version": python}
    if not environment["python_full_version"].startswith(f"{python}."):
        environment["python_full_version"] = f"{python}.0"
    found = set()
    for requirement in requires:
        marker = requirement.marker
        if marker and not any(marker.evaluate(environment | {"extra": extra}) for extra in ("", *extras)):
            continue
        project = canonicalize_name(requirement.name)
        found.add(f"{names.get(project, project)} {_conda_versions(requirement.specifier)}".strip())
    return sorted(found)


def _conda_versions(specifier: SpecifierSet) -> str:
    """The same range in conda's grammar, which knows ``==1.*`` as ``1.*`` and the other operators as they are."""

    def one(part: Specifier) -> str:
        if part.version.endswith(".*"):
            return part.version if part.operator == "==" else f"{part.operator}{part.version}"
        return f"{'==' if part.operator == '===' else part.operator}{part.version}"

    return ",".join(sorted(one(part) for part in specifier))


class _Unpacked:
    """A wheel's files where a conda package has them."""

    def __init__(self, wheel: Path, *, python: str, pure: bool) -> None:
        self.files: dict[str, str | bytes | File | Link] = {}
        self.python = python
        self.pure = pure
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            self.info = next(name for name in names if name.endswith(".dist-info/METADATA")).split("/")[0]
            self.metadata: RawMetadata = parse_email(archive.read(f"{self.info}/METADATA"))[0]
            for name in names:
                self._place(name, archive.read(name))
            points = f"{self.info}/entry_points.txt"
            self.entry_points = _entry_points(archive.read(points).decode()) if points in names else ()
        if not pure:
            for point in self.entry_points:
                self._script(point)
        self._finish()

    @property
    def site_packages(self) -> str:
        return "site-packages" if self.pure else f"lib/python{self.python}/site-packages"

    def _place(self, name: str, data: bytes) -> None:
        head, _, rest = name.partition("/")
        if not head.endswith(".data"):
            if name.removeprefix(f"{self.info}/") not in {"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER"}:
                self.files[f"{self.site_packages}/{name}"] = File(data)
            return
        scheme, _, path = rest.partition("/")
        if scheme in ("purelib", "platlib"):
            self.files[f"{self.site_packages}/{path}"] = File(data)
        elif scheme == "scripts":
            data = re.sub(rb"^#!pythonw?", f"#!{PLACEHOLDER}/bin/python".encode(), data, count=1)
            self.files[f"{'python-scripts' if self.pure else 'bin'}/{path}"] = File(data, executable=True)
        elif scheme == "headers":
            self.files[f"include/python{self.python}/{self.metadata['name']}/{path}"] = File(data)
        else:
            self.files[path] = File(data)

    def _script(self, point: str) -> None:
        command, module, function = re.split(r"\s*=\s*|\s*:\s*", point)
        text = (
            f"#!{PLACEHOLDER}/bin/python\nimport sys\nfrom {module} import {function.split('.')[0]}\n\n"
            f'if __name__ == "__main__":\n    sys.exit({function}())\n'
        )
        self.files[f"bin/{command}"] = File(text.encode(), executable=True)

    def _finish(self) -> None:
        """INSTALLER says conda, as conda-build has it, and RECORD lists what is under site-packages."""
        root = f"{self.site_packages}/"
        self.files[f"{root}{self.info}/INSTALLER"] = File(b"conda\n")
        inside = {
            path.removeprefix(root): entry.read()
            for path, entry in sorted(self.files.items())
            if path.startswith(root) and isinstance(entry, File)
        }
        record = f"{self.info}/RECORD"
        self.files[root + record] = File(_record(inside, record))


def _entry_points(text: str) -> tuple[str, ...]:
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # the documented way to keep upper case
    parser.read_string(text)
    if not parser.has_section("console_scripts"):
        return ()
    return tuple(f"{name} = {value.split('[')[0].strip()}" for name, value in parser.items("console_scripts"))


def _record(files: Mapping[str, bytes], record: str) -> bytes:
    """``RECORD``: path, sha256 in urlsafe base64 without padding, size; nothing for itself."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={digest}", len(data)))
    writer.writerow((record, "", ""))
    return out.getvalue().encode()

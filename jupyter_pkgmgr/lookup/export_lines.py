"""One installed package as a line of a file, as its tool reads it.

No credentials get into a line, and a line that couldn't be read again is none: names and versions are the packages'
own words.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_pkgmgr.environments import read_history
from jupyter_pkgmgr.inventory import Inventory, record_checksums
from jupyter_pkgmgr.model import Ecosystem, OriginKind, Package, parse_spec, strip_credentials
from jupyter_pkgmgr.model.errors import InvalidSpecError, UsageError

from .export import Extent, Listed

__all__ = ["Line", "Writer"]

_VERSION = re.compile(r"[A-Za-z0-9._*+!-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What stands in the file for one package."""

    text: str
    comment: str = ""


@dataclass(slots=True, kw_only=True)
class Writer:
    """Makes lines, and collects what has to be said about them."""

    inventory: Inventory
    extent: Extent
    builds: bool = True
    notes: list[str] = field(default_factory=list)

    def say(self, note: str) -> None:
        """Say something, once; a package's name in it mustn't begin a new line."""
        line = " ".join(note.split())
        if line not in self.notes:
            self.notes.append(line)

    # --- conda's ---------------------------------------------------------------------------------------------------

    def conda(self, listed: Iterable[Listed]) -> Iterator[Line]:
        """Packages of conda as MatchSpecs."""
        typed = self._typed() if self.extent is Extent.HISTORY else {}
        for item in listed:
            package = item.package
            text = typed.get(package.name.lower(), package.name) if self.extent is Extent.HISTORY else None
            text = text or self._match_spec(package)
            if self._can_be_read(text, package):
                yield Line(text=text, comment=item.why)

    def _match_spec(self, package: Package) -> str:
        build = f"={package.build}" if self.extent is Extent.ALL and self.builds and package.build else ""
        return f"{package.name}={package.version}{build}"

    def _typed(self) -> Mapping[str, str]:
        """What was typed for each package, without what only its place or its file could satisfy."""
        specs = read_history(self.inventory.environment.conda_meta / "history").requested_specs()
        return {name: spec for name, spec in specs.items() if not re.search(r"[\[\s/]", spec)}

    def explicit(self, listed: Iterable[Listed], checksum: str) -> Iterator[Line]:
        """Packages of conda by the URLs of their files, each after what it needs."""
        for package in self._in_order([item.package for item in listed]):
            url = strip_credentials(package.url)
            if not url or re.search(r"\s", url):
                raise UsageError(
                    f"nothing recorded where {package.name} {package.version} came from, so no URL of it can be listed",
                    reference="no-url",
                    hint="%pkg export --all names every package with its version",
                )
            self._about_place(package.name, package.url, url)
            found = record_checksums(package.location).get(checksum, "") if package.location else ""
            yield Line(text=f"{url}#{found}" if found else url)

    def _in_order(self, packages: Iterable[Package]) -> list[Package]:
        """Packages after what they need."""
        ordered: dict[tuple[Ecosystem, str], Package] = {}
        begun = set()

        def add(package: Package) -> None:
            if package.key in begun:
                return
            begun.add(package.key)
            for need in self.inventory.requirements(package):
                add(need)
            ordered[package.key] = package

        for package in packages:
            add(package)
        return list(ordered.values())

    # --- PyPI's ----------------------------------------------------------------------------------------------------

    def pypi(self, listed: Iterable[Listed]) -> Iterator[Line]:
        """PyPI's packages as ``pip freeze`` writes them."""
        for item in listed:
            text = self._requirement(item.package)
            if text.startswith("-e ") or self._can_be_read(text, item.package):
                yield Line(text=text, comment=item.why)

    def distributions(self, listed: Iterable[Listed]) -> Iterator[Line]:
        """Packages of conda as what PyPI has of the same: the Python distributions in them."""
        others = []
        for item in listed:
            package = item.package
            for name, version in package.provides:
                text = name if self.extent is Extent.HISTORY else f"{name}=={version}"
                if self._can_be_read(text, package):
                    yield Line(text=text, comment=item.why)
            if not package.provides and package.name != "python":
                others.append(package.name)
        if others:
            self.say(f"left out, as they are conda's and no Python packages: {', '.join(others)}")

    def _requirement(self, package: Package) -> str:
        kind, place = package.origin.kind, package.origin.location
        bare = _with_git_user(strip_credentials(place))
        if kind is OriginKind.EDITABLE:
            return self._editable(package)
        if kind is OriginKind.PATH:
            self.say(f"{package.name} was installed from a file or folder, which is there on this machine only")
            return f"{package.name} @ {Path(place).as_uri()}"
        if kind in (OriginKind.VCS, OriginKind.URL):
            self._about_place(package.name, place, bare)
            return f"{package.name} @ {bare}"
        if not package.version or self.extent is Extent.HISTORY:
            return package.name
        return f"{package.name}=={package.version}"

    def _editable(self, package: Package) -> str:
        """``-e FOLDER``; by name where nobody knows the folder, or a line can't hold it."""
        folder = package.origin.location
        if not folder or re.search(r"[\x00-\x1f\x7f]| #", folder):
            self.say(f"{package.name} is an editable project of which nothing tells the folder")
            return f"{package.name}=={package.version}"
        self.say(f"{package.name} is an editable project, whose folder is there on this machine only")
        return f"-e {folder}"

    # --- both ------------------------------------------------------------------------------------------------------

    def _about_place(self, name: str, place: str, bare: str) -> None:
        if bare != place and "***" in place:
            self.say(f"the credentials of the place that {name} came from are left out")
        if bare.startswith("file:"):
            self.say(f"{name} came from {bare}, which is there on this machine only")

    def _can_be_read(self, text: str, package: Package) -> bool:
        """Whether what was written means one spec again."""
        local = package.origin.kind is OriginKind.PATH
        with contextlib.suppress(InvalidSpecError):
            if _VERSION.fullmatch(package.version or "0") and not re.search(r"[\x00-\x1f\x7f]|\s#", text):
                parse_spec(text, base=Path("/") if local else None)
                return True
        self.say(f"left out, as no tool could read it: {package.name!r} {package.version!r}")
        return False


def _with_git_user(url: str) -> str:
    """Over ssh a VCS has a user of its own, by convention ``git``: PEP 610 lets it stay, and it is no secret."""
    return re.sub(r"^(git\+ssh://)(?=[^@/]*/)", r"\g<1>git@", url)

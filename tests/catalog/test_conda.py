"""What channels have, read from the repodata of the real local channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from jupyter_pkgmgr.catalog import ChannelReader, CondaCatalog, FileKind, PackageMetadata, VersionList
from jupyter_pkgmgr.environments.conda_settings import CondaSettings
from jupyter_pkgmgr.model import Ecosystem, Origin, OriginKind, Package
from jupyter_pkgmgr.model.errors import PackageNotFoundError, VersionNotFoundError
from testbed.channel import Channel, PackageSource, current_subdir


class FolderReader:
    """Reads ``repodata.json`` of channels on disk; of MatchSpecs it knows a name and a constraint."""

    def names(self, settings: CondaSettings, *, reading: str) -> tuple[str, ...]:
        assert reading
        return tuple(sorted({record["name"] for _, _, record in self._records(settings)}))

    def query(self, settings: CondaSettings, specs: Sequence[str], *, reading: str) -> tuple[Package, ...]:
        assert reading
        found = []
        for spec in specs:
            name, _, constraint = spec.partition(" ")
            allowed = SpecifierSet(constraint.strip(), prereleases=True)
            for channel, filename, record in self._records(settings):
                if record["name"] == name and record["version"] in allowed:
                    found.append((record, _package(channel, filename, record)))
        found.sort(key=lambda item: (Version(item[0]["version"]), item[0]["build_number"]), reverse=True)
        if not found:
            raise PackageNotFoundError(f"nothing matches {specs}")
        return tuple(package for _, package in found)

    def _records(self, settings: CondaSettings) -> list[tuple[str, str, dict[str, Any]]]:
        found = []
        for channel in settings.channels:
            for subdir in (settings.subdir, "noarch"):
                path = Path(channel.removeprefix("file://")) / subdir / "repodata.json"
                if path.exists():
                    repodata = json.loads(path.read_text(encoding="utf-8"))
                    packages = repodata["packages"] | repodata["packages.conda"]
                    found += [(channel, name, record) for name, record in packages.items()]
        return found


def _package(channel: str, filename: str, record: dict[str, Any]) -> Package:
    return Package(
        name=record["name"],
        version=record["version"],
        ecosystem=Ecosystem.CONDA,
        build=record["build"],
        origin=Origin(kind=OriginKind.CHANNEL, location=channel),
        depends=tuple(record["depends"]),
        license=record.get("license", ""),
        size=record.get("size"),
        url=f"{channel}/{record['subdir']}/{filename}",
    )


def settings_for(*channels: str, offline: bool = False) -> CondaSettings:
    return CondaSettings(
        channels=channels,
        channel_names=tuple(f"channel-{number}" for number in range(len(channels))),
        channel_priority="strict",
        pinned_packages=(),
        allowlist_channels=(),
        denylist_channels=(),
        pkgs_dirs=(),
        envs_dirs=(),
        subdir=current_subdir(),
        offline=offline,
        ssl_verify=True,
        client_cert="",
        client_cert_key="",
        proxy_servers=(),
        use_only_tar_bz2=False,
        repodata_fns=("repodata.json",),
        remote_read_timeout=60.0,
        solver="rattler",
        settings=(),
    )


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("channels")
    first, second = Channel(folder / "first"), Channel(folder / "second")
    tool = PackageSource(name="tool", version="1.0", depends=("python >=3.11,<3.12.0a0",), license="MIT")
    for version in ("1.9", "1.10", "2.0rc1"):
        first.add(replace(tool, version=version))
    first.add(replace(tool, version="1.10", build_number=1, depends=("python >=3.12,<3.13.0a0",)))
    for source in ("tool-box", "multitool", "scikit-learn", "scikit-lego"):
        first.add(PackageSource(name=source, version="1.0"))
    second.add(replace(tool, version="1.9"))
    second.add(tool)
    first.index()
    second.index()
    return first.url, second.url


@pytest.fixture
def catalog(channels: tuple[str, str]) -> CondaCatalog:
    reader: ChannelReader = FolderReader()
    return CondaCatalog(settings_for(*channels), reader)


def test_versions_are_grouped_newest_first_with_their_channels(
    catalog: CondaCatalog, channels: tuple[str, str]
) -> None:
    found = catalog.versions("Tool")
    assert [item.version for item in found.versions] == ["2.0rc1", "1.10", "1.9", "1.0"]
    assert {item.version: item.origins for item in found.versions} == {
        "2.0rc1": channels[:1],
        "1.10": channels[:1],
        "1.9": channels,
        "1.0": channels[1:],
    }
    assert found.newest is not None
    assert found.newest.version == "1.10"
    assert len(found.newest.files) == 2
    assert found.newest.requires_python == ">=3.12,<3.13.0a0 | >=3.11,<3.12.0a0"
    file = found.newest.files[0]
    assert file.kind is FileKind.CONDA
    assert file.filename.startswith("tool-1.10-")
    assert file.size


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tool", ["tool", "tool-box", "multitool"]),
        ("TOOL", ["tool", "tool-box", "multitool"]),
        ("tool*", ["tool", "tool-box"]),
        ("*tool", ["tool", "multitool"]),
        ("t?ol", ["tool"]),
        ("scikit", ["scikit-learn", "scikit-lego"]),
        ("box tool", ["tool-box"]),
        ("box", ["tool-box"]),
        ("nothing-like-it", []),
        ("", []),
        ("[", []),
    ],
)
def test_search(query: str, found: list[str], catalog: CondaCatalog) -> None:
    result = catalog.search(query)
    assert [package.name for package in result.packages] == found
    assert result.complete
    assert [package.name for package in catalog.search(query, limit=1).packages] == found[:1]


def test_select(catalog: CondaCatalog) -> None:
    assert catalog.select("tool <1.10").version == "1.9"
    assert catalog.exists("tool")
    assert not catalog.exists("no-such-tool")
    with pytest.raises(VersionNotFoundError) as caught:
        catalog.select("tool ==9")
    assert caught.value.context == ("available: 2.0rc1, 1.10, 1.9, 1.0",)
    with pytest.raises(PackageNotFoundError):
        catalog.select("no-such-tool >=1")


def test_metadata(catalog: CondaCatalog) -> None:
    found = catalog.metadata("tool", "1.9")
    assert (found.version, found.license, found.source) == ("1.9", "MIT", "channel")
    assert found.requires_python == ">=3.11,<3.12.0a0"
    assert found.depends[0] == "python >=3.11,<3.12.0a0"
    with pytest.raises(VersionNotFoundError):
        catalog.metadata("tool", "9")


def test_an_unknown_package_has_near_names_that_the_channels_have(catalog: CondaCatalog) -> None:
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("toool")
    assert caught.value.hint == "%pkg install tool"
    assert caught.value.note == "channels: channel-0, channel-1"
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("sklearn")
    assert caught.value.hint == "%pkg install scikit-learn"
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("pandsa")
    assert caught.value.context == (), "pandas isn't in these channels"


def test_many(catalog: CondaCatalog) -> None:
    found = catalog.versions_many(["tool", "nope-at-all"])
    assert isinstance(found["tool"], VersionList)
    assert isinstance(found["nope-at-all"], PackageNotFoundError)
    metadata = catalog.metadata_many(["tool-box", ("tool", "1.0"), ("tool", "9")])
    assert isinstance(metadata["tool-box"], PackageMetadata)
    assert isinstance(metadata["tool", "1.0"], PackageMetadata)
    assert isinstance(metadata["tool", "9"], VersionNotFoundError)


def test_offline_says_so(channels: tuple[str, str]) -> None:
    catalog = CondaCatalog(settings_for(*channels, offline=True), FolderReader())
    assert catalog.versions("tool").notes == ("offline: what the channels said when they were last read",)
    assert "offline" in catalog.search("tool").note
    with pytest.raises(PackageNotFoundError) as caught:
        catalog.versions("toool")
    assert "offline" in (caught.value.note or "")


def test_the_shared_channel_can_be_read(conda_channel: Channel) -> None:
    catalog = CondaCatalog(settings_for(conda_channel.url), FolderReader())
    names = [package.name for package in catalog.search("*", limit=1000).packages]
    assert "python" in names
    assert all(isinstance(found, VersionList) for found in catalog.versions_many(names).values())

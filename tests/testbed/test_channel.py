from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import zstandard

from testbed.channel import PLACEHOLDER, SUBDIR, Channel, File, Link, PackageSource
from testbed.environments import conda_environment
from testbed.index import Server

TOOL = PackageSource(
    name="tb-x",
    version="1.0",
    files={
        "bin/x": File(f"#!{PLACEHOLDER}/bin/sh\n".encode(), executable=True),
        "lib/x.so": b"\0" + PLACEHOLDER.encode() + b"/share\0",
        "lib/link": Link("x.so"),
        "share/x": "text\n",
    },
)


def info(package: Path, name: str) -> dict[str, object]:
    with zipfile.ZipFile(package) as outer:
        assert json.loads(outer.read("metadata.json")) == {"conda_pkg_format_version": 2}
        assert {member.compress_type for member in outer.infolist()} == {zipfile.ZIP_STORED}
        inner = next(member for member in outer.namelist() if member.startswith("info-"))
        data = zstandard.ZstdDecompressor().decompressobj().decompress(outer.read(inner))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(f"info/{name}")
        assert member is not None
        content = json.loads(member.read())
        assert isinstance(content, dict)
        return content


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        Channel(tmp_path / folder).add(TOOL).add(TOOL, format="tar.bz2").index()
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 2 + 2 * 3
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_repodata_describes_the_files(tmp_path: Path) -> None:
    Channel(tmp_path).add(TOOL).index()
    repodata = json.loads((tmp_path / SUBDIR / "repodata.json").read_text())
    package = tmp_path / SUBDIR / "tb-x-1.0-0.conda"
    record = repodata["packages.conda"][package.name]
    assert record["size"] == package.stat().st_size
    assert record["sha256"] == hashlib.sha256(package.read_bytes()).hexdigest()
    compressed = (tmp_path / SUBDIR / "repodata.json.zst").read_bytes()
    assert json.loads(zstandard.decompress(compressed)) == repodata


def test_paths_name_placeholders_and_links(tmp_path: Path) -> None:
    Channel(tmp_path).add(TOOL)
    paths = info(tmp_path / SUBDIR / "tb-x-1.0-0.conda", "paths.json")["paths"]
    assert isinstance(paths, list)
    entries = {entry["_path"]: entry for entry in paths}
    assert entries["bin/x"]["file_mode"] == "text"
    assert entries["lib/x.so"]["file_mode"] == "binary"
    assert entries["lib/link"]["path_type"] == "softlink"
    assert "prefix_placeholder" not in entries["share/x"]


def test_a_channel_is_continued_and_shrunk(tmp_path: Path) -> None:
    Channel(tmp_path).add(TOOL).index()
    again = Channel(tmp_path).add(PackageSource(name="tb-y", version="2", noarch="generic")).index()
    assert list(again) == [f"{SUBDIR}/tb-x-1.0-0.conda", "noarch/tb-y-2-0.conda"]
    again.remove("tb-x").index()
    assert list(Channel(tmp_path)) == ["noarch/tb-y-2-0.conda"]
    assert not (tmp_path / SUBDIR / "tb-x-1.0-0.conda").exists()


def test_included_packages_are_not_changed_through_their_links(tmp_path: Path) -> None:
    one = Channel(tmp_path / "one").add(TOOL).index()
    before = (tmp_path / "one" / SUBDIR / "tb-x-1.0-0.conda").read_bytes()
    changed = PackageSource(name="tb-x", version="1.0", files={"share/x": "other\n"})
    Channel(tmp_path / "two").include(one).add(changed).index()
    assert (tmp_path / "one" / SUBDIR / "tb-x-1.0-0.conda").read_bytes() == before


def test_packages_install_and_run(testbed: Path, channel_server: Server, tmp_path: Path) -> None:
    specs = ("python", "tb-tool", "tb-cli", "tb-old", "tb-data", "tb-beta", "tb-native", "six")
    prefix = conda_environment(
        tmp_path / "env", channels=[channel_server.url], cache=testbed / "cache-http", specs=specs
    )
    for command, answer in (("tb-tool", "tb-tool\n"), ("tb-cli", "1.0\n")):
        assert subprocess.check_output([prefix / "bin" / command], text=True) == answer
    assert (prefix / "lib/libtb.so").readlink() == Path("libtb.so.1")
    assert f"{prefix}/share\0".encode() in (prefix / "lib/libtb.so.1").read_bytes()
    assert (prefix / "share/tb-old.txt").is_file()
    code = "import six, tb_alpha, tb_native; print(tb_alpha.__version__, tb_native.__version__)"
    assert subprocess.check_output([prefix / "bin/python", "-c", code], text=True) == "1.1 1.1\n"
    history = (prefix / "conda-meta/history").read_text()
    assert "# update specs: ['python', 'tb-tool'," in history
    assert f"+{channel_server.url}/noarch::tb-alpha-1.1-pyh_0\n" in history

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments.channels import ChannelRules, installed_channels, without_subdir

MakeConda = Callable[..., Path]
ALIAS = "https://mirror.example/conda"

RULES = ChannelRules(
    alias=ALIAS,
    custom_channels={
        "ours": "https://intern.example/channels",
        "ours/deep": "https://deep.example",
        "plain": "folder",
        "share": "file:///mnt/share",
    },
    custom_multichannels={"both": ("conda-forge", "https://intern.example/channels/ours/"), "none": ()},
    local_folders=(Path("/home/me/conda-bld"),),
)


@pytest.mark.parametrize(
    ("name", "urls"),
    [
        ("conda-forge", [f"{ALIAS}/conda-forge"]),
        (" conda-forge/ ", [f"{ALIAS}/conda-forge"]),
        ("conda-forge/label/dev", [f"{ALIAS}/conda-forge/label/dev"]),
        ("conda-forge/linux-64", [f"{ALIAS}/conda-forge"]),
        ("conda-forge[linux-64, noarch]", [f"{ALIAS}/conda-forge"]),
        ("https://host.example/t/TOKEN/private/", ["https://host.example/t/TOKEN/private"]),
        ("https://me:secret@host.example/private/noarch", ["https://me:secret@host.example/private"]),
        ("file:///srv/channel", ["file:///srv/channel"]),
        ("/srv/channel", ["file:///srv/channel"]),
        ("ours", ["https://intern.example/channels/ours"]),
        ("ours/label/x", ["https://intern.example/channels/ours/label/x"]),
        ("ours/deep", ["https://deep.example/ours/deep"]),
        ("oursel", [f"{ALIAS}/oursel"]),
        ("plain", [f"{ALIAS}/plain"]),
        ("share", ["file:///mnt/share/share"]),
        ("both", [f"{ALIAS}/conda-forge", "https://intern.example/channels/ours"]),
        ("none", []),
        ("defaults", ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]),
        ("pkgs/main", ["https://repo.anaconda.com/pkgs/main"]),
        ("pkgs/pro", [f"{ALIAS}/pkgs/pro"]),  # conda's own custom channel is gone where others are configured
        ("channels/ours", ["https://intern.example/channels/ours"]),  # a member of a multichannel, by its own name
        ("local", ["file:///home/me/conda-bld"]),
        ("nodefaults", []),
        ("", []),
    ],
)
def test_names_become_urls(name: str, urls: list[str]) -> None:
    assert RULES.urls(name) == tuple(urls)


def test_a_relative_path_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("./my channel", "~/my channel"):
        assert RULES.urls(name) == ((tmp_path / "my channel").as_uri(),)


def test_defaults_can_be_replaced() -> None:
    assert ChannelRules(default_channels=("main", "https://x.example/c")).urls("defaults") == (
        "https://conda.anaconda.org/main",
        "https://x.example/c",
    )
    assert ChannelRules(default_channels=()).urls("defaults") == ()
    assert ChannelRules(custom_multichannels={"defaults": ("a",)}).urls("defaults") == ("https://conda.anaconda.org/a",)
    assert "https://repo.anaconda.com/pkgs/msys2" in ChannelRules(windows=True).urls("defaults")


def test_a_token_in_the_alias_goes_before_the_name() -> None:
    rules = ChannelRules(alias="https://m.example/conda/t/TOKEN")
    assert rules.urls("ours") == ("https://m.example/conda/t/TOKEN/ours",)
    assert ChannelRules(alias="https://m.example/t/TOKEN/conda").urls("ours") == rules.urls("ours")
    assert rules.urls("pkgs/pro") == ("https://repo.anaconda.com/pkgs/pro",)


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("a/noarch", "a"), ("https://h/a/osx-arm64/", "https://h/a"), ("noarch", "noarch"), ("a/linux-65", "a/linux-65")],
)
def test_without_subdir(channel: str, expected: str) -> None:
    assert without_subdir(channel) == expected


HISTORY = """==> 2026-01-01 00:00:00 <==
# cmd: /opt/conda/bin/conda create -n x
+bioconda/linux-64::samtools-1.20-0
+conda-forge/linux-64::python-3.12.1-0
+https://conda.anaconda.org/conda-forge/noarch::six-1.17.0-0
+https://intern.example/ours/noarch::ours-1-0
-conda-forge/noarch::six-1.17.0-0
+pypi/pypi::rich-15.0.0-pypi_0
"""


def test_channels_of_what_is_installed(make_conda: MakeConda) -> None:
    assert installed_channels(make_conda("a", history=HISTORY)) == (
        "conda-forge",
        "bioconda",
        "https://intern.example/ours",
    )
    defaults = "+defaults/linux-64::a-1-0\n+https://repo.anaconda.com/pkgs/r/noarch::b-1-0\n+pkgs/main/noarch::c-1-0\n"
    assert installed_channels(make_conda("b", history=defaults)) == ("defaults",)
    assert installed_channels(make_conda("c")) == ()


def test_channels_from_records_where_the_history_is_empty(make_conda: MakeConda) -> None:
    prefix = make_conda(
        records=[("a-1-0", "https://conda.anaconda.org/conda-forge/linux-64"), ("b-1-0", "conda-forge/noarch")]
    )
    (prefix / "conda-meta" / "broken-1-0.json").write_text("{")
    assert installed_channels(prefix) == ("conda-forge",)

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_pkgmgr.environments import (
    CondaSettings,
    check_channels,
    find_root,
    from_prefix,
    native_subdir,
    read_conda_settings,
    with_channels,
)
from jupyter_pkgmgr.model.errors import EnvironmentProblem, PolicyError

DATA = Path(__file__).parent / "data"
MakeConda = Callable[..., Path]


@pytest.fixture
def root(make_conda: MakeConda) -> Path:
    prefix = make_conda("root", records=[("conda-26.7.0-0", "conda-forge")])
    (prefix / "condabin").mkdir()
    return prefix


def configured(environ: dict[str, str], text: str) -> None:
    Path(environ["HOME"], ".condarc").write_text(text)


def read(prefix: Path | None, environ: dict[str, str]) -> CondaSettings:
    return read_conda_settings(from_prefix(prefix, environ=environ) if prefix else None, environ=environ)


def source(settings: CondaSettings, name: str) -> str:
    return next(setting.source for setting in settings.settings if setting.name == name)


@pytest.mark.skipif(native_subdir() != "linux-64", reason="recorded on linux-64")
@pytest.mark.parametrize("version", ["26.7", "25.11.1", "24.1.2"])
def test_the_same_as_real_conda_says(version: str, root: Path, environ: dict[str, str], tmp_path: Path) -> None:
    """Against ``conda config --show``, ``--show-sources`` and ``conda info`` as recorded."""
    text = (DATA / f"config-conda-{version}.json").read_text()
    for placeholder, value in {
        "{ROOT}": str(root),
        "{HOME}": environ["HOME"],
        "{PKGS}": str(tmp_path / "pkgs"),
        "{CHANNELS_DIR}": "/srv/channels",
        "{CHANNEL}": "http://127.0.0.1:1/conda-forge",
        "{CHANNEL_ALIAS}": "http://127.0.0.1:1",
    }.items():
        text = text.replace(placeholder, value)
    recorded: dict[str, Any] = json.loads(text)
    (root / ".condarc").write_text(json.dumps(recorded["sources"][f"{root}/.condarc"]))
    settings = read(root, environ | recorded["env"])
    show = recorded["show"]
    assert [f"{url}/{subdir}" for url in settings.channels for subdir in ("linux-64", "noarch")] == recorded[
        "info_channels"
    ]
    assert list(settings.channel_names) == show["channels"]
    assert list(map(str, settings.pkgs_dirs)) == show["pkgs_dirs"]
    assert list(map(str, settings.envs_dirs)) == show["envs_dirs"]
    assert (settings.client_cert or None, settings.client_cert_key or None) == (
        show["client_ssl_cert"],
        show["client_ssl_cert_key"],
    )
    assert settings.remote_read_timeout == show["remote_read_timeout_secs"]
    for name in ("channel_priority", "offline", "solver", "ssl_verify", "subdir"):
        assert getattr(settings, name) == show[name], name
    for name in ("allowlist_channels", "denylist_channels", "pinned_packages", "repodata_fns"):
        assert list(getattr(settings, name)) == show.get(name, []), name
    assert dict(settings.proxy_servers) == show["proxy_servers"]
    assert settings.use_only_tar_bz2 is bool(show["use_only_tar_bz2"])
    assert source(settings, "channels") == f"{root}/.condarc"
    assert (
        source(settings, "channel_alias") == f"environment variable CONDA_CHANNEL_ALIAS, {root}/.condarc".split(",")[0]
    )
    assert source(settings, "pkgs_dirs") == "environment variable CONDA_PKGS_DIRS"


RECORDED = json.loads((DATA / "conda-26.7-context.json").read_text())
"""Forty random configurations with what real conda 26.7 made of each (``conda.base.context``, credentials included)."""


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_random_configurations_as_real_conda_reads_them(
    number: int, root: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    text = json.dumps(RECORDED[number]).replace("{TMP}", str(tmp_path / "t")).replace("{ROOT}", str(root))
    case: dict[str, Any] = json.loads(text)
    prefix = Path(case["prefix"])
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    for path, content in case["files"].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)
    settings, says = read(prefix, environ | case["env"]), case["says"]
    assert list(settings.channels) == list(dict.fromkeys(says["urls"]))
    assert list(settings.channel_names) == says["channels"]
    assert list(map(str, settings.pkgs_dirs)) == says["pkgs_dirs"]
    assert list(map(str, settings.envs_dirs)) == says["envs_dirs"]
    assert settings.remote_read_timeout == says["remote_read_timeout_secs"]
    assert dict(settings.proxy_servers) == says["proxy_servers"]
    assert list(settings.pinned_packages) == says["pinned_packages"]
    assert (settings.channel_priority, settings.offline) == (says["channel_priority"], says["offline"])
    assert settings.ssl_verify == {"truststore": "<truststore>"}.get(says["ssl_verify"], says["ssl_verify"])


def test_the_targets_own_condarc_and_not_the_active_ones(
    root: Path, make_conda: MakeConda, environ: dict[str, str]
) -> None:
    one, active = make_conda("root/envs/one"), make_conda("root/envs/active")
    (root / ".condarc").write_text("channels: [of-root]")
    (one / ".condarc").write_text("channels: [of-one]\nchannel_priority: strict")
    (active / ".condarc").write_text("channels: [of-active]")
    settings = read(one, environ | {"CONDA_PREFIX": str(active)})
    assert settings.channel_names == ("of-one", "of-root")
    assert settings.channel_priority == "strict"
    assert source(settings, "channels") == f"{one}/.condarc, {root}/.condarc"


def test_pinned(root: Path, environ: dict[str, str]) -> None:
    configured(environ, "pinned_packages: ['numpy 1.26.*']")
    (root / "conda-meta" / "pinned").write_text("# ours\npython =3.11 # because\n\n  openssl>=3  \n")
    settings = read(root, environ)
    assert settings.pinned_packages == ("numpy 1.26.*", "python =3.11", "openssl>=3")
    assert source(settings, "conda-meta/pinned") == str(root / "conda-meta" / "pinned")
    (root / "conda-meta" / "pinned").write_bytes(b"\xff")
    with pytest.raises(EnvironmentProblem, match=r"pinned can't be read"):
        read(root, environ)


FORGE = "+https://conda.anaconda.org/conda-forge/noarch::six-1-0\n"


@pytest.mark.parametrize(
    ("history", "condarc", "channels", "why"),
    [
        (FORGE, "channels: [mine]", ("mine",), ".condarc"),
        (FORGE, "", ("conda-forge",), "packages came from"),
        ("+pkgs/main/linux-64::a-1-0\n", "", ("defaults",), "packages came from"),
        ("# cmd: /usr/bin/micromamba create\n", "", ("conda-forge",), "micromamba made this"),
        ("# cmd: /usr/bin/conda create\n", "", ("defaults",), "default"),
        ("", "channels: []", ("defaults",), "default"),
    ],
)
def test_channels_where_none_is_configured(
    make_conda: MakeConda, environ: dict[str, str], history: str, condarc: str, channels: tuple[str, ...], why: str
) -> None:
    configured(environ, condarc)
    settings = read(make_conda(history=history), environ)
    assert settings.channel_names == channels
    assert why in source(settings, "channels")


def test_no_environment_in_particular(environ: dict[str, str]) -> None:
    settings = read(None, environ)
    assert settings.channel_names == ("defaults",)
    assert settings.pkgs_dirs == (Path(environ["HOME"], ".conda", "pkgs"),)
    assert settings.envs_dirs == (Path(environ["HOME"], ".conda", "envs"),)


def test_folders_of_a_root(root: Path, environ: dict[str, str], tmp_path: Path) -> None:
    home = Path(environ["HOME"])
    settings = read(root, environ)
    assert settings.pkgs_dirs == (root / "pkgs", home / ".conda" / "pkgs")
    assert settings.envs_dirs == (root / "envs", home / ".conda" / "envs")
    configured(environ, f"pkgs_dirs: [~/p, $SCRATCH/p]\nenvs_dirs: [~/e]\nroot_prefix: {tmp_path}\n")
    settings = read(root, environ | {"SCRATCH": "/scratch"})
    assert settings.pkgs_dirs == (home / "p", Path("/scratch/p"))
    assert settings.envs_dirs[0] == home / "e"
    assert tmp_path / "envs" in settings.envs_dirs


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("channel_priority: true", "channel_priority", "flexible"),
        ("channel_priority: false", "channel_priority", "disabled"),
        ("ssl_verify: false", "ssl_verify", False),
        ("ssl_verify: truststore", "ssl_verify", "<truststore>"),
        ("ssl_verify: <system>", "ssl_verify", "<truststore>"),
        ("ssl_verify: $CERTS/ca.pem", "ssl_verify", "/certs/ca.pem"),
        ("client_cert: /c.pem", "client_cert", "/c.pem"),
        ("use_only_tar_bz2: true", "use_only_tar_bz2", True),
        ("repodata_fns: [repodata.json]", "repodata_fns", ("repodata.json",)),
        ("remote_read_timeout_secs: 7", "remote_read_timeout", 7.0),
        ("subdir: osx-arm64", "subdir", "osx-arm64"),
        ("proxy_servers: {https: 'http://p:1', http: 'http://p:2'}", "proxy_servers",
         (("http", "http://p:2"), ("https", "http://p:1"))),
        ("denylist_channels: [bad]", "denylist_channels", ("https://conda.anaconda.org/bad",)),
        ("whitelist_channels: [good]", "allowlist_channels", ("https://conda.anaconda.org/good",)),
        ("use_local: true\nchannels: [c]", "channel_names", ("local", "c")),
        ("channels: [nodefaults, c]", "channel_names", ("c",)),
    ],
)  # fmt: skip
def test_values(root: Path, environ: dict[str, str], text: str, field: str, value: object) -> None:
    configured(environ, text)
    assert getattr(read(root, environ | {"CERTS": "/certs"}), field) == value


def test_local_channel_is_conda_builds_folder(root: Path, environ: dict[str, str]) -> None:
    configured(environ, "channels: [local, conda-forge]")
    assert read(root, environ).channels == ("https://conda.anaconda.org/conda-forge",)
    (root / "conda-bld").mkdir()
    settings = read(root, environ)
    assert settings.channels == ((root / "conda-bld").as_uri(), "https://conda.anaconda.org/conda-forge")
    assert with_channels(settings, ["local"], override=True).channels == ((root / "conda-bld").as_uri(),)


def test_nonsense_priority(root: Path, environ: dict[str, str]) -> None:
    configured(environ, "channel_priority: sometimes")
    with pytest.raises(EnvironmentProblem, match="none of strict") as caught:
        read(root, environ)
    assert ".condarc" in (caught.value.hint or "")


def test_channels_of_a_request(root: Path, environ: dict[str, str]) -> None:
    configured(
        environ, "channels: [mine, defaults]\nchannel_alias: https://m.example\ncustom_channels: {x: 'https://x'}"
    )
    settings = read(root, environ)
    more = with_channels(settings, ["x", "mine"])
    assert more.channel_names == ("x", "mine", "defaults")
    assert more.channels[:2] == ("https://x/x", "https://m.example/mine")
    only = with_channels(settings, ["x"], override=True)
    assert (only.channel_names, only.channels) == (("x",), ("https://x/x",))
    assert with_channels(settings, ["nodefaults"]).channel_names == ("mine",)
    assert replace(more, channels=settings.channels, channel_names=settings.channel_names) == settings
    with pytest.raises(PolicyError, match="leaves no channel"):
        with_channels(settings, [], override=True)


def test_channels_that_are_not_allowed(root: Path, environ: dict[str, str]) -> None:
    configured(environ, "channels: [good]\nallowlist_channels: [good, fine]\noverride_channels_enabled: false")
    settings = read(root, environ)
    check_channels(settings)
    check_channels(with_channels(settings, ["fine"]))
    with pytest.raises(PolicyError, match="not in allowlist_channels") as caught:
        with_channels(settings, ["evil"])
    assert ".condarc" in (caught.value.note or "")
    with pytest.raises(PolicyError, match="can't be overridden"):
        with_channels(settings, ["fine"], override=True)
    configured(environ, "channels: [bad]\ndenylist_channels: [bad]")
    with pytest.raises(PolicyError, match="denied by denylist_channels"):
        check_channels(read(root, environ))


def test_where_the_root_is(root: Path, make_conda: MakeConda, environ: dict[str, str], tmp_path: Path) -> None:
    (root / "bin").mkdir()
    for tool in (root / "bin" / "conda", root / "condabin" / "conda"):
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "conda").symlink_to(root / "bin" / "conda")
    apart = make_conda("apart/env")
    told = make_conda("told/env", history=f"# cmd: {root}/bin/conda create\n")
    assert find_root(root, environ=environ) == root
    assert find_root(make_conda("root/envs/one"), environ=environ) == root
    assert find_root(told, environ=environ) == root
    assert find_root(apart, environ=environ) is None
    for variables in (
        {"CONDA_EXE": str(root / "bin" / "conda")},
        {"MAMBA_ROOT_PREFIX": str(root)},
        {"PATH": str(root / "condabin")},
        {"PATH": str(tmp_path / "links")},
    ):
        assert find_root(apart, environ=environ | variables) == root
    assert find_root(apart, environ=environ | {"CONDA_EXE": "/stale/bin/conda"}) is None


def test_a_micromamba_root_is_no_environment(make_conda: MakeConda, environ: dict[str, str], tmp_path: Path) -> None:
    inside, home = make_conda("mm/envs/one"), Path(environ["HOME"])
    assert find_root(inside, environ=environ) is None
    (tmp_path / "mm" / "pkgs").mkdir()
    assert find_root(inside, environ=environ) == tmp_path / "mm"
    own = make_conda(".conda/envs/own", root=home)
    (home / ".conda" / "pkgs").mkdir()
    assert find_root(own, environ=environ) is None
    (home / "micromamba" / "envs").mkdir(parents=True)
    assert find_root(own, environ=environ) == home / "micromamba"


def test_mambas_variables_and_files_count_in_its_environments(
    root: Path, make_conda: MakeConda, environ: dict[str, str]
) -> None:
    """As ``micromamba config list`` was recorded: the file's channels under the variable's alias."""
    (root / ".condarc").write_text("channel_alias: file:///srv\nchannels: [conda-forge]\ndefault_channels: []\n")
    mambas = make_conda("root/envs/m", history="# cmd: /usr/bin/micromamba create\n")
    condas = make_conda("root/envs/c", history="# cmd: /usr/bin/conda create\n")
    environ |= {"MAMBA_CHANNEL_ALIAS": "http://127.0.0.1:1", "MAMBA_ROOT_PREFIX": str(root)}
    assert read(mambas, environ).channels == ("http://127.0.0.1:1/conda-forge",)
    assert read(condas, environ).channels == ("file:///srv/conda-forge",)

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.environments.condarc import Source, Value, merge_sources, read_sources
from jupyter_pkgmgr.model.errors import EnvironmentProblem


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_whole_search_path_in_its_order(tmp_path: Path, environ: dict[str, str]) -> None:
    home, root, prefix, xdg = Path(environ["HOME"]), tmp_path / "root", tmp_path / "prefix", tmp_path / "xdg"
    files = [
        *(root / name for name in (".condarc", "condarc", "condarc.d/a.yml", "condarc.d/b.yaml")),
        *(xdg / "conda" / name for name in (".condarc", "condarc", "condarc.d/x.yml")),
        *(home / ".config" / "conda" / name for name in (".condarc", "condarc", "condarc.d/x.yml")),
        *(home / ".conda" / name for name in (".condarc", "condarc", "condarc.d/x.yml")),
        home / ".condarc",
        *(prefix / name for name in (".condarc", "condarc", "condarc.d/x.yml")),
        tmp_path / "named.yml",
    ]
    for number, path in enumerate(files):
        write(path, f"channels: [c{number}]\nsolver: s{number}\n")
    write(root / "condarc.d" / "ignored.txt", "channels: [never]")
    write(home / "condarc", "channels: [never]")
    environ |= {"XDG_CONFIG_HOME": str(xdg), "CONDARC": str(tmp_path / "named.yml"), "CONDA_CHANNELS": "v1, v2"}
    sources = read_sources(root=root, prefix=prefix, environ=environ)
    assert [source.origin for source in sources] == [*map(str, files), ""]
    merged = merge_sources(sources, environ=environ)
    assert merged["channels"].value == ["v1", "v2", *(f"c{number}" for number in reversed(range(len(files))))]
    assert merged["solver"].value == f"s{len(files) - 1}"
    assert merged["solver"].source == str(tmp_path / "named.yml")
    assert merged["channels"].source.startswith(f"environment variable CONDA_CHANNELS, {tmp_path / 'named.yml'}, ")


def test_conda_root_is_the_root_unless_it_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "one" / ".condarc", "channels: [one]")
    write(tmp_path / "other" / ".condarc", "channels: [other]")
    environ["CONDA_ROOT"] = str(tmp_path / "other")
    (source,) = read_sources(root=tmp_path / "one", prefix=None, environ=environ)
    assert source.origin == str(tmp_path / "other" / ".condarc")


def test_a_file_is_read_once_though_it_is_two_things(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / ".condarc", "channels: [one]")
    assert len(read_sources(root=tmp_path, prefix=tmp_path, environ=environ)) == 1


def test_mambas_own_count_for_mamba_only(tmp_path: Path, environ: dict[str, str]) -> None:
    write(Path(environ["HOME"]) / ".mambarc", "channels: [m]")
    environ |= {"MAMBA_CHANNEL_ALIAS": "https://m.example", "MAMBA_ROOT_PREFIX": str(tmp_path), "MAMBA_NO_BANNER": "1"}
    assert read_sources(root=None, prefix=None, environ=environ) == ()
    merged = merge_sources(read_sources(root=None, prefix=None, environ=environ, mamba=True), environ=environ)
    assert {name: setting.value for name, setting in merged.items()} == {
        "channels": ["m"],
        "channel_alias": "https://m.example",
    }


MERGES: dict[str, tuple[str, str, dict[str, object]]] = {
    "lists: the higher first": ("channels: [a, b]", "channels: [c, a]", {"channels": ["c", "a", "b"]}),
    "top, bottom": (
        "channels:\n  - a\n  - b  #!top\n  - z #!bottom\n",
        "channels:\n  - c  #!bottom\n  - d\n",
        {"channels": ["b", "d", "a", "c", "z"]},
    ),
    "final list": ("channels:  #!final\n  - a\n", "channels: [b]", {"channels": ["a"]}),
    "important is an old name": ("channels:  #!important\n  - a\n", "channels: [b]", {"channels": ["a"]}),
    "an ordinary comment": ("channels:  # final say!\n  - a  # top\n", "channels: [b]", {"channels": ["b", "a"]}),
    "final value": ("solver: classic  #!final", "solver: libmamba", {"solver": "classic"}),
    "last value wins": ("solver: classic", "solver: libmamba  #!final", {"solver": "libmamba"}),
    "maps key by key": (
        "proxy_servers:\n  http: a\n  https: b  #!final\n",
        "proxy_servers:\n  http: c\n  https: d\n  ftp: e\n",
        {"proxy_servers": {"http": "c", "https": "b", "ftp": "e"}},
    ),
    "nothing said": ("channels:\nsolver: classic", "channels: [a]", {"channels": ["a"], "solver": "classic"}),
    "said to be empty": ("default_channels: []", "", {"default_channels": []}),
    "aliases": ("verify_ssl: false\nchannel: [a]", "ssl_verify: true", {"ssl_verify": True, "channels": ["a"]}),
    "the proper name wins over its alias": ("yes: true\nalways_yes: false", "", {"always_yes": False}),
    "old booleans": ("offline: yes\nalways_copy: Off", "", {"offline": True, "always_copy": False}),
    "unknown settings are kept": ("future_setting: {a: [1, 2.5, null]}", "", {"future_setting": {"a": [1, 2.5, None]}}),
    "variables in values": (
        "channels: ['https://${USER_NAME}:$TOKEN@h.example/$MISSING', '%TOKEN%']\nsolver: $TOKEN",
        "",
        {"channels": ["https://me:s3@h.example/$MISSING", "s3"], "solver": "$TOKEN"},
    ),
    "an empty file": ("", "# only a comment\n", {}),
}


@pytest.mark.parametrize("case", MERGES)
def test_merging(case: str, environ: dict[str, str], tmp_path: Path) -> None:
    low, high, expected = MERGES[case]
    write(Path(environ["HOME"]) / ".condarc", low)
    environ |= {"CONDARC": str(write(tmp_path / "high.yml", high)), "USER_NAME": "me", "TOKEN": "s3"}
    merged = merge_sources(read_sources(root=None, prefix=None, environ=environ), environ=environ)
    assert {name: setting.value for name, setting in merged.items()} == expected


def test_final_in_the_lowest_wins_over_final_in_the_highest() -> None:
    sources = [
        Source(origin=name, values={"solver": Value(data=name, final=True)}) for name in ("lowest", "middle", "highest")
    ]
    assert merge_sources(sources, environ={})["solver"].value == "lowest"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("CONDA_CHANNELS", "a,b , c", "channels", ["a", "b", "c"]),
        ("CONDA_PINNED_PACKAGES", "numpy=1.26&python >=3,<4", "pinned_packages", ["numpy=1.26", "python >=3,<4"]),
        ("CONDA_ENVS_PATH", "/a:/b", "envs_dirs", ["/a", "/b"]),
        ("CONDA_OFFLINE", "true", "offline", True),
        ("CONDA_OFFLINE", "0", "offline", 0),
        ("CONDA_REMOTE_READ_TIMEOUT_SECS", "12.5", "remote_read_timeout_secs", 12.5),
        ("CONDA_VERIFY_SSL", "/ca.pem", "ssl_verify", "/ca.pem"),
        ("CONDA_SOLVER", "classic!important", "solver", "classic"),
    ],
)  # fmt: skip
def test_variables(variable: str, text: str, name: str, value: object) -> None:
    merged = merge_sources(
        read_sources(root=None, prefix=None, environ={"HOME": "/nowhere", variable: text}), environ={}
    )
    assert {key: (setting.value, setting.source) for key, setting in merged.items()} == {
        name: (value, f"environment variable {variable}")
    }


@pytest.mark.parametrize(
    "variable", ["CONDA_PREFIX", "CONDA_PREFIX_1", "CONDA_EXE", "CONDA_SHLVL", "CONDA_DEFAULT_ENV", "CONDA_UNHEARD_OF"]
)
def test_variables_that_are_no_settings(variable: str) -> None:
    assert read_sources(root=None, prefix=None, environ={"HOME": "/nowhere", variable: "x"}) == ()


@pytest.mark.parametrize(
    ("text", "place", "note"),
    [
        ("channels: [a\nsolver: b\n", "line", "expected"),
        ("ok: 1\na: b: c\n", "line 2", "mapping values"),
        ("\tchannels: [a]", "line 1", "found character"),
        ("a: 1\nsolver: x\nsolver: y\n", "line 3", "duplicate key"),
        ("a: 1\n\nchannels: conda-forge\n", "line 3", "channels must be a list"),
        ("proxy_servers: [a]", "line 1", "proxy_servers must be a mapping"),
        ("solver: [a]", "line 1", "solver must be a single value"),
        ("- a\n- b\n", "line 1", "must be a mapping of settings"),
        ("just text", "line 1", "must be a mapping of settings"),
        ("a: \x01", "", "special characters"),
    ],
)
def test_a_broken_file_is_named_with_its_line(environ: dict[str, str], text: str, place: str, note: str) -> None:
    path = write(Path(environ["HOME"]) / ".condarc", text)
    with pytest.raises(EnvironmentProblem) as caught:
        read_sources(root=None, prefix=None, environ=environ)
    error = caught.value
    assert error.reference == "broken-condarc"
    assert str(path) in error.message
    assert place in error.message
    assert note in (error.note or "")
    assert str(path) in (error.hint or "")


def test_a_file_in_no_encoding(environ: dict[str, str]) -> None:
    (Path(environ["HOME"]) / ".condarc").write_bytes(b"channels: [\xff]")
    with pytest.raises(EnvironmentProblem, match=r"\.condarc can't be understood"):
        read_sources(root=None, prefix=None, environ=environ)

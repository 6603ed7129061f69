"""One parser for what people type for pip and for conda, and both grammars out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.model import Ecosystem, SpecKind, parse_spec
from jupyter_pkgmgr.model.errors import InvalidSpecError

CONDA, PYPI = Ecosystem.CONDA, Ecosystem.PYPI

NAMES: dict[str, tuple[Ecosystem | None, str | None, str | None]] = {
    # typed: ecosystem, as a requirement, as a MatchSpec (None: that ecosystem can't take it)
    "pandas": (None, "pandas", "pandas"),
    "Pillow": (None, "Pillow", "pillow"),
    "ruamel.yaml": (None, "ruamel.yaml", "ruamel.yaml"),
    "scikit_learn": (None, "scikit_learn", "scikit_learn"),
    "x>=1": (None, "x>=1", "x >=1"),
    "x >= 1": (None, "x>=1", "x >=1"),
    "x>=1,<2": (None, "x<2,>=1", "x <2,>=1"),
    "x!=1.5": (None, "x!=1.5", "x !=1.5"),
    "x~=1.2": (None, "x~=1.2", "x ~=1.2"),
    "x===1.0": (None, "x===1.0", "x ==1.0"),
    "x==1.2.*": (None, "x==1.2.*", "x 1.2.*"),
    "numpy=1.26": (None, "numpy==1.26.*", "numpy =1.26"),
    "numpy 1.26.*": (None, "numpy==1.26.*", "numpy 1.26.*"),
    "numpy=1.26=py311_0": (CONDA, None, "numpy =1.26 py311_0"),
    "numpy==1.26=py311_0": (CONDA, None, "numpy ==1.26 py311_0"),
    "numpy 1.26.* py311*": (CONDA, None, "numpy 1.26.* py311*"),
    "numpy>=1|<0.5": (CONDA, None, "numpy >=1|<0.5"),
    "_libgcc_mutex": (None, "_libgcc_mutex", "_libgcc_mutex"),
    "conda-forge::numpy>=1": (CONDA, None, "conda-forge::numpy >=1"),
    "https://host/chan/linux-64::numpy": (CONDA, None, "https://host/chan/linux-64::numpy"),
    "conda::six": (CONDA, "six", "six"),
    "pypi::six==1.0": (PYPI, "six==1.0", "six ==1.0"),
    "foo[bar,baz]>=2": (PYPI, "foo[bar,baz]>=2", None),
}


@pytest.mark.parametrize("text", NAMES)
def test_names_in_both_grammars(text: str, tmp_path: Path) -> None:
    ecosystem, requirement, match_spec = NAMES[text]
    spec = parse_spec(text, base=tmp_path)
    assert (spec.kind, spec.ecosystem, spec.text) == (SpecKind.NAME, ecosystem, text)
    if requirement is not None:
        assert spec.requirement() == requirement
    if match_spec is None:
        with pytest.raises(InvalidSpecError):
            spec.match_spec()
    else:
        assert spec.match_spec() == match_spec


def test_marker_with_spaces_and_quotes(tmp_path: Path) -> None:
    spec = parse_spec("foo>=1 ; python_version < '3.9' and (sys_platform == 'a b' or extra == \"x\")", base=tmp_path)
    assert spec.requirement().startswith("foo>=1 ; python_version")
    assert "'a b'" in spec.marker.replace('"', "'")


def test_requirement_under_another_name(tmp_path: Path) -> None:
    spec = parse_spec("opencv>=4", base=tmp_path)
    assert spec.requirement("opencv-python") == "opencv-python>=4"
    assert spec.match_spec("libopencv") == "libopencv >=4"


LOCATIONS: dict[str, tuple[SpecKind, Ecosystem, str, str]] = {
    "git+https://host/p.git@main#egg=foo": (
        SpecKind.VCS,
        PYPI,
        "foo",
        "foo @ git+https://host/p.git@main#egg=foo",
    ),
    "foo @ git+ssh://git@host/p@v1#subdirectory=a": (
        SpecKind.VCS,
        PYPI,
        "foo",
        "foo @ git+ssh://git@host/p@v1#subdirectory=a",
    ),
    "foo[x] @ https://host/f.whl ; python_version > '3'": (
        SpecKind.URL,
        PYPI,
        "foo",
        'foo[x] @ https://host/f.whl ; python_version > "3"',
    ),
    "https://host/f-1.0.tar.gz?a=1&b=2#sha256=00": (
        SpecKind.URL,
        PYPI,
        "",
        "https://host/f-1.0.tar.gz?a=1&b=2#sha256=00",
    ),
    "file:///tmp/f-1.0-py3-none-any.whl": (SpecKind.URL, PYPI, "", "file:///tmp/f-1.0-py3-none-any.whl"),
}


@pytest.mark.parametrize("text", LOCATIONS)
def test_urls(text: str, tmp_path: Path) -> None:
    kind, ecosystem, name, requirement = LOCATIONS[text]
    spec = parse_spec(text, base=tmp_path)
    assert (spec.kind, spec.ecosystem, spec.name) == (kind, ecosystem, name)
    assert spec.requirement() == requirement


def test_conda_package_at_a_url(tmp_path: Path) -> None:
    spec = parse_spec("https://host/noarch/x-1-0.conda", base=tmp_path)
    assert (spec.kind, spec.ecosystem) == (SpecKind.URL, CONDA)
    assert spec.match_spec() == "https://host/noarch/x-1-0.conda"


@pytest.mark.parametrize("folder", ["plain", "with space", "ünï $x"])
def test_paths_start_from_the_notebook(tmp_path: Path, folder: str) -> None:
    project = tmp_path / folder
    project.mkdir()
    (project / "pyproject.toml").touch()
    spec = parse_spec(f"./{folder}[a, b]", base=tmp_path, editable=True)
    assert (spec.kind, spec.location, spec.extras, spec.editable) == (SpecKind.PATH, str(project), ("a", "b"), True)
    assert spec.requirement() == f"{project}[a,b]"


def test_wheel_named_without_a_folder(tmp_path: Path) -> None:
    wheel = tmp_path / "f-1.0-py3-none-any.whl"
    wheel.touch()
    assert parse_spec(wheel.name, base=tmp_path).location == str(wheel)


def test_conda_file_on_disk(tmp_path: Path) -> None:
    package = tmp_path / "x-1-0.conda"
    package.touch()
    spec = parse_spec("./x-1-0.conda", base=tmp_path)
    assert (spec.ecosystem, spec.match_spec()) == (CONDA, package.as_uri())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "-e",
        "--target=/x",
        "conda::--prefix=/x",
        "conda::",
        "conda-forge::-x",
        "foo; rm -rf /",
        "$(x)",
        "`x`",
        "a b c d",
        "naïve",
        "foo\nbar",
        "foo\0",
        "foo\x7f",
        "a|b",
        ">=1",
        "foo>=",
        "foo[bar",
        "conda::foo[bar]",
        "pypi::numpy=1.26=py311_0",
        "x'y",
        "x & y",
        "x > y > z",
    ],
)
def test_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec(text, base=tmp_path)
    assert "\n" not in caught.value.message


def test_missing_path_and_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec("./nope", base=tmp_path)
    assert (caught.value.reference, str(tmp_path) in (caught.value.hint or "")) == ("path-not-found", True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec("./empty", base=tmp_path)
    assert caught.value.reference == "not-a-project"


def test_only_folders_and_vcs_are_editable(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError):
        parse_spec("foo", base=tmp_path, editable=True)
    assert parse_spec("git+https://h/p#egg=p", base=tmp_path, editable=True).editable

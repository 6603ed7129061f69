from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import History, read_history, spec_name

CONDA = """\
==> 2026-11-22 14:08:20 <==
# cmd: /opt/conda/bin/conda create -y -n env python=3.11 pip six
# conda version: 26.7.2
+conda-forge/linux-64::python-3.11.7-h51a7a72_0_cpython
+conda-forge/noarch::pip-24.3.1-pyhd8ed1ab_0
+conda-forge/noarch::six-1.16.0-pyhd8ed1ab_0
# update specs: ['python=3.11', 'pip', 'six']
==> 2026-11-22 14:09:19 <==
# cmd: /opt/conda/bin/conda install -y -n env -c quirks numpy==2.4.6
# conda version: 26.7.2
+conda-forge/linux-64::numpy-2.4.6-py311ha12974a_0
# update specs: ['numpy==2.4.6']
==> 2026-11-22 14:09:42 <==
# cmd: /opt/conda/bin/conda remove -y -n env six
# conda version: 26.7.2
-conda-forge/noarch::six-1.16.0-pyhd8ed1ab_0
# remove specs: ['six']
==> 2026-11-22 14:10:00 <==
# cmd: /opt/conda/bin/conda update --all -y -n env
# conda version: 26.7.2
-conda-forge/noarch::pip-24.3.1-pyhd8ed1ab_0
+conda-forge/noarch::pip-26.3-pyhd8ed1ab_0
# neutered specs: ['numpy']
"""
MICROMAMBA = """\
==> 2026-11-22 14:03:00 <==
# cmd: /bin/micromamba create -y -n env -f env.yml
# conda version: 3.8.0
+http://127.0.0.1:1/conda-forge/linux-64::python-3.11.7-h51a7a72_0_cpython
+http://127.0.0.1:1/conda-forge/noarch::six-1.16.0-pyhd8ed1ab_0
# update specs: ["python[version=\\"=3.11.7\\",build=\\"*_0_cpython\\"]", "six"]
==> 2026-11-22 14:03:43 <==
# cmd: /bin/micromamba update -y --json -n env six
# conda version: 3.8.0
-http://127.0.0.1:1/conda-forge/noarch::six-1.16.0-pyhd8ed1ab_0
+http://127.0.0.1:1/conda-forge/noarch::six-1.17.0-pyhd8ed1ab_0
# update specs: ["six"]
# remove specs: ["six"]
==> 2026-11-22 14:03:44 <==
# cmd: /bin/micromamba remove -y -n env absent
# conda version: 3.8.0
# remove specs: ["absent"]
"""


def history(tmp_path: Path, text: str | bytes) -> History:
    path = tmp_path / "history"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_history(path)


def test_conda(tmp_path: Path) -> None:
    read = history(tmp_path, CONDA)
    assert [revision.number for revision in read.revisions] == [0, 1, 2, 3]
    assert read.revisions[1].command.endswith("numpy==2.4.6")
    assert read.revisions[1].version == "26.7.2"
    assert read.revisions[3].linked == ("conda-forge/noarch::pip-26.3-pyhd8ed1ab_0",)
    assert read.revisions[3].unlinked == ("conda-forge/noarch::pip-24.3.1-pyhd8ed1ab_0",)
    assert read.requested_specs() == {"python": "python=3.11", "pip": "pip", "numpy": "numpy"}
    assert read.requested_specs({"pip", "numpy"}) == {"pip": "pip", "numpy": "numpy"}
    assert not read.problem


def test_micromamba_names_an_update_in_both_lists(tmp_path: Path) -> None:
    read = history(tmp_path, MICROMAMBA)
    assert read.requested_specs() == {"python": 'python[version="=3.11.7",build="*_0_cpython"]', "six": "six"}
    assert read.state() == {
        "http://127.0.0.1:1/conda-forge/linux-64::python-3.11.7-h51a7a72_0_cpython",
        "http://127.0.0.1:1/conda-forge/noarch::six-1.17.0-pyhd8ed1ab_0",
    }


def test_states(tmp_path: Path) -> None:
    read = history(tmp_path, CONDA)
    assert len(read.state(0)) == 3
    assert len(read.state(1)) == 4
    assert read.state(-1) == read.state(3)
    assert not any("::six-" in dist for dist in read.state())
    with pytest.raises(IndexError):
        read.state(4)
    assert History().state() == frozenset()


def test_an_entry_without_signs_is_a_whole_state(tmp_path: Path) -> None:
    text = "==> 2013-01-01 00:00:00 <==\na-1-0\nb-1-0\n==> 2013-01-02 00:00:00 <==\n# cmd: conda remove b\n-b-1-0\n"
    assert history(tmp_path, text).state() == {"a-1-0"}
    assert history(tmp_path, text).state(0) == {"a-1-0", "b-1-0"}


@pytest.mark.parametrize(
    ("line", "requested"),
    [
        ("# update specs: ['six', 'numpy >=1,<2']", {"six": "six", "numpy": "numpy >=1,<2"}),
        ("# install specs: python>=3.5.1,jupyter >=1.0.0,<2.0,matplotlib", {
            "python": "python>=3.5.1", "jupyter": "jupyter >=1.0.0,<2.0", "matplotlib": "matplotlib"
        }),
        ("# create specs: ['conda-forge/noarch::tzdata==2025b=h78e105d_0']",
         {"tzdata": "conda-forge/noarch::tzdata==2025b=h78e105d_0"}),
        ("# update specs: [\"numpy[version='>=1']\"]", {"numpy": "numpy[version='>=1']"}),
        ("# update specs: ['mkl@', 'six']", {"six": "six"}),
        ("# update specs: []", {}),
        ("# update specs:", {}),
        ("# wondrous specs: ['six']", {}),
    ],
)  # fmt: skip
def test_notations(tmp_path: Path, line: str, requested: dict[str, str]) -> None:
    assert history(tmp_path, f"==> 2026-01-01 00:00:00 <==\n# cmd: conda x\n{line}\n").requested_specs() == requested


def test_a_revision_without_command_requests_nothing(tmp_path: Path) -> None:
    assert history(tmp_path, "==> 2026-01-01 00:00:00 <==\n# update specs: ['six']\n").requested_specs() == {}


@pytest.mark.parametrize("text", [b"", b"# cmd: conda x\n+a-1-0\n", b"\xff\xfe\x00garbage\n", b"==>\n<==\n"])
def test_garbage_is_an_empty_history(tmp_path: Path, text: bytes) -> None:
    assert history(tmp_path, text).revisions == ()


def test_an_unreadable_list_is_a_problem_and_the_rest_counts(tmp_path: Path) -> None:
    read = history(tmp_path, CONDA + "==> 2026-11-23 00:00:00 <==\n# cmd: conda x\n# update specs: ['six'\n")
    assert "unreadable list of specs" in read.problem
    assert set(read.requested_specs()) == {"python", "pip", "numpy"}


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    assert read_history(tmp_path / "history") == History()
    assert "can't be read" in read_history(tmp_path).problem


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("six", "six"),
        ("Six >=1", "six"),
        ("_libgcc_mutex=0.1", "_libgcc_mutex"),
        ("__glibc >=2.17", "__glibc"),
        ("conda-forge::ruamel.yaml", "ruamel.yaml"),
        ("https://host/conda-forge/noarch::tqdm==4.70.1=pyhd8ed1ab_0[md5=abc]", "tqdm"),
        ("numpy[channel='https://host::odd',version='>=1']", "numpy"),
        ("*[name=six,md5=abc]", "six"),
        ("*[md5=abc]", ""),
        ("", ""),
    ],
)
def test_spec_name(spec: str, name: str) -> None:
    assert spec_name(spec) == name

"""File names as indexes have them."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.catalog import FileKind
from jupyter_pkgmgr.catalog.simple import parse_filename

WHEEL, SDIST = FileKind.WHEEL, FileKind.SDIST


@pytest.mark.parametrize(
    ("filename", "project", "found"),
    [
        ("a_b-1.0-py3-none-any.whl", "a-b", (WHEEL, "1.0")),
        ("A.B-1.0-py3-none-any.whl", "a_b", (WHEEL, "1.0")),
        ("a-1.0-1-py3-none-any.whl", "a", (WHEEL, "1.0")),
        ("a-01.0.post_1-py3-none-any.whl", "a", (WHEEL, "1.0.post1")),
        ("torch-2.5.0+cu124-cp312-cp312-linux_x86_64.whl", "torch", (WHEEL, "2.5.0+cu124")),
        ("a-1!2.0-py3-none-any.whl", "a", (WHEEL, "1!2.0")),
        ("a-1.0.tar.gz", "a", (SDIST, "1.0")),
        ("a-b-1.0.tar.gz", "a-b", (SDIST, "1.0")),
        ("a-1.0.zip", "a", (SDIST, "1.0")),
        ("b-1.0-py3-none-any.whl", "a", None),
        ("b-1.0.tar.gz", "a", None),
        ("a-dev-py3-none-any.whl", "a", None),
        ("a-1.0-py3-none.whl", "a", None),
        ("a-1.0-2-3-py3-none-any.whl", "a", None),
        ("a-1.0-py2.7.egg", "a", None),
        ("a-1.0.win32.exe", "a", None),
        ("a-1.0.tar.gz.asc", "a", None),
        ("a-nonsense.tar.gz", "a", None),
        ("", "a", None),
    ],
)
def test_parse_filename(filename: str, project: str, found: tuple[FileKind, str] | None) -> None:
    assert parse_filename(filename, project) == found

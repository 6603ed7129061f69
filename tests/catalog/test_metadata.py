"""Core metadata of every age."""

from __future__ import annotations

import io
import zipfile

import pytest

from jupyter_pkgmgr.catalog import Freshness
from jupyter_pkgmgr.catalog.metadata import from_core_metadata, metadata_in_wheel
from jupyter_pkgmgr.model.errors import UnreachableError


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("License-Expression: MIT\nLicense: other", "license", "MIT"),
        ("License: BSD", "license", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "license", "MIT License"),
        (
            "License: first line\n        of the whole text\nClassifier: License :: Public Domain",
            "license",
            "Public Domain",
        ),
        ("Summary: UNKNOWN", "summary", ""),
        ("Summary: a\tb\x1b[31m  c", "summary", "a b [31m c"),
        ("Summary: größer", "summary", "größer"),
        ("Home-page: https://a", "home", "https://a"),
        ("Project-URL: Docs, https://d\nProject-URL: Homepage, https://h", "home", "https://h"),
        ("Project-URL: Docs, https://d", "urls", (("Docs", "https://d"),)),
        ("Project-URL: nonsense", "urls", (("nonsense", ""),)),
        ("Author-email: A <a@example.org>", "author", "A <a@example.org>"),
        (
            "Requires-Dist: six (>=1)\nRequires-Dist: not a requirement !",
            "depends",
            ("six (>=1)", "not a requirement !"),
        ),
        ("Provides-Extra: x\nProvides-Extra: y", "extras", ("x", "y")),
        ("Requires-Python: >=3.8,<4", "requires_python", ">=3.8,<4"),
        ("\nSummary: in the body", "summary", ""),
    ],
)
def test_fields(text: str, field: str, value: object) -> None:
    found = from_core_metadata(
        f"Metadata-Version: 2.1\nName: x\nVersion: 1\n{text}\n".encode(), source="s", freshness=Freshness()
    )
    assert (found.name, found.version) == ("x", "1")
    assert getattr(found, field) == value


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\x00", b"no colon here", b"Name: x" * 1000])
def test_no_text_breaks_it(text: bytes) -> None:
    assert from_core_metadata(text, source="s", freshness=Freshness()).depends == ()


def wheel(*files: str) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in files:
            archive.writestr(name, name)
    return content


@pytest.mark.parametrize(
    ("filename", "files", "found"),
    [
        ("a_b-1.0-py3-none-any.whl", ("a_b-1.0.dist-info/METADATA",), b"a_b-1.0.dist-info/METADATA"),
        ("A.B-1.0-py3-none-any.whl", ("a_b-1.0.dist-info/METADATA",), b"a_b-1.0.dist-info/METADATA"),
        ("a-1.0+local_1-py3-none-any.whl", ("a-1.0+local-1.dist-info/METADATA",), b"a-1.0+local-1.dist-info/METADATA"),
        (
            "a-1.0-py3-none-any.whl",
            ("vendored-2.dist-info/METADATA", "a-1.0.dist-info/METADATA"),
            b"a-1.0.dist-info/METADATA",
        ),
        ("a-1.0-py3-none-any.whl", ("x/a-1.0.dist-info/METADATA",), None),
        ("a-1.0-py3-none-any.whl", ("METADATA",), None),
    ],
)
def test_the_wheels_own_metadata_is_taken(filename: str, files: tuple[str, ...], found: bytes | None) -> None:
    if found is None:
        with pytest.raises(UnreachableError, match="holds no metadata"):
            metadata_in_wheel(wheel(*files), filename)
    else:
        assert metadata_in_wheel(wheel(*files), filename) == found

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import differs, read_blocks

PAGE = """\
# Page

```ipython
%pkg env
```

```text
environment  x
```

A word between.

```text
not what the first one shows
```

<!-- not run: there is no network -->
```sh
pip install x
```

- In a list:

  ```sh
  ls
  ```
"""


def test_blocks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    found = [(block.line, block.language, block.text, block.skipped, block.shows) for block in read_blocks(page)]
    assert found == [
        (3, "ipython", "%pkg env", "", "environment  x"),
        (13, "text", "not what the first one shows", "", None),
        (18, "sh", "pip install x", "there is no network", None),
        (24, "sh", "ls", "", None),
    ]


@pytest.mark.parametrize(
    ("expected", "actual", "other"),
    [
        ("a  b", "a b\n", False),
        ("done (0.4 s)", "done (12 ms)", False),
        ("by uv 0.13.9", "by uv 0.13.10", False),
        ("rich 15.0.0", "rich 15.0.1", True),
        ("a\nb", "a", True),
        ("a", "a\nb", True),
        ("a\n…", "a\nb\nc", False),
        ("a\n…\nd", "a\nb\nc", True),
        ("in …/x now", "in /tmp/1/x now", False),
        ("a.c", "abc", True),
        ("at 2026-11-22 19:46", "at 2027-01-02 01:02", False),
        ("one", "\x1b[31mone\x1b[0m", False),
    ],
)
def test_what_differs(expected: str, actual: str, *, other: bool) -> None:
    assert differs(expected, actual) is other

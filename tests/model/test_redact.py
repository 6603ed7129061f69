"""No credential leaves the process."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.model import redact


@pytest.mark.parametrize(
    "text",
    [
        "https://user:SECRET@host/simple/",
        "https://SECRET@host/simple/",
        "https://user:a@SECRET@host/simple/",
        "https://user:SECRET%40x@host:8080/simple/",
        "https://__token__:pypi-SECRET@host/",
        "git+https://SECRET@host/p.git@main",
        "error: fetching https://u:SECRET@host/a and https://u2:SECRET2@host/b failed",
        "https://host/t/SECRET-token/channel/linux-64",
        "https://host/simple?token=SECRET",
        "https://host/f.whl?X=1&signature=SECRET#sha256=0",
        "proxy http://me:SECRET@proxy:3128",
        "index 'https://u:SECRET@host/'",
    ],
)
def test_secrets_go(text: str) -> None:
    shown = redact(text)
    assert "SECRET" not in shown
    assert "***" in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host/simple/",
        "git+https://host/p.git@main",
        "name@example.org",
        "https://host/a@b",
        "see https://host/ and mail me@example.org",
        "foo==1.0",
        "",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text

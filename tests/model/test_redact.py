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
        "https://u:SEC'RET@host/ and 'https://u:it's-SECRET@host/'",
        "https://host/?private_token=SECRET",
        "https://host/?job_token=SECRET&x=1",
        "https://host/f?X-Amz-Signature=SECRET&X-Amz-Security-Token=SECRET&X-Amz-Credential=SECRET",
        "https://host/?auth=SECRET",
        "https://host/?a=1&key=SEC'RET",
        "https://host/?client_secret=SECRET;b=1",
        "https://host/#token=SECRET",
        "{'url': 'https://host/?password=SECRET', 'b': 1}",
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
        "https://host/f.whl#sha256=0123&egg=six",
        "https://host/?page=2",
        "['https://host/?page=2', 'me@host']",
        "see https://host/ and mail me@example.org",
        "foo==1.0",
        "",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text

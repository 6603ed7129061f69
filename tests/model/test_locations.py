"""Whether one URL lies below another, and that nobody can make it look so."""

from __future__ import annotations

import random
import string
from urllib.parse import quote

import pytest

from jupyter_pkgmgr.model import is_within

ALLOWED = "https://packages.example.org/team/simple"


@pytest.mark.parametrize(
    "url",
    [
        ALLOWED,
        f"{ALLOWED}/",
        f"{ALLOWED}/numpy/",
        "HTTPS://Packages.EXAMPLE.org/team/simple",
        "https://packages.example.org:443/team/simple/",
        "https://packages.example.org./team/simple/",
        "https://user:pass%40word@packages.example.org/team/simple",
        "https://token@packages.example.org/team/simple/",
        "https://packages.example.org/team/%73imple/",
        "https://packages.example.org/team/simple/x-1.0-py3-none-any.whl#sha256=abc",
    ],
)
def test_what_lies_within(url: str) -> None:
    assert is_within(url, ALLOWED)
    assert is_within(url, f"{ALLOWED}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "packages.example.org/team/simple",
        "http://packages.example.org/team/simple",
        "https://packages.example.org:8443/team/simple",
        "https://packages.example.org/team",
        "https://packages.example.org/team/simpler",
        "https://packages.example.org/team/simple-evil/",
        "https://packages.example.org/TEAM/simple",
        "https://packages.example.org.evil.org/team/simple",
        "https://evil.org/https://packages.example.org/team/simple",
        "https://evil.org/packages.example.org/team/simple",
        "https://packages.example.org@evil.org/team/simple",
        "https://packages.example.org:443@evil.org/team/simple",
        "https://evil.org\\@packages.example.org/team/simple",
        "https://packages.example.org\\.evil.org/team/simple",
        "https://packages.example.org#@evil.org/team/simple",
        "https://packages.example.org?@evil.org/team/simple",
        "https://packages.example.org/team/simple?index=https://evil.org",
        "https://packages.example.org/team/simple/../../evil",
        "https://packages.example.org/team/simple/..",
        "https://packages.example.org/team/simple/%2e%2e/evil",
        "https://packages.example.org/team/simple/.%2E/evil",
        "https://packages.example.org/team/simple/%252e%252e/evil",
        "https://packages.example.org/evil/../team/simple",
        "https://packages.example.org/team/./simple",
        "https://packages.example.org/team%2Fsimple",
        "https://packages.example.org/team/simple%2F..%2Fevil",
        "https://packages.example.org/team/simple/%5c..%5cevil",
        "https://packages.example.org//team/simple",
        "https://packages.example.org/team/simple//evil",
        "https://packages.example.org/team/simple/\t../evil",
        "https://packages.example.org/team/simple/%00",
        "https://packages.example.org/team/simple/%ff",
        "https://packages.example.org/team/simple/%",
        " https://packages.example.org/team/simple",
        "ht\ntps://packages.example.org/team/simple",
        "https:packages.example.org/team/simple",
        "https:///packages.example.org/team/simple",
        "https://packages.example.org:99999/team/simple",
        "https://packages.example.org:x/team/simple",
        "https://[packages.example.org/team/simple",
        "https://pаckages.example.org/team/simple",  # noqa: RUF001  the second letter is Cyrillic: that's the trick
        "git+https://packages.example.org/team/simple",
        "ftp://packages.example.org/team/simple",
        "file:///team/simple",
    ],
)
def test_what_does_not(url: str) -> None:
    assert not is_within(url, ALLOWED)


@pytest.mark.parametrize(
    ("url", "allowed", "within"),
    [
        ("file:///srv/wheels/a", "file:///srv/wheels", True),
        ("file://localhost/srv/wheels", "file:///srv/wheels", True),
        ("file://evil/srv/wheels", "file:///srv/wheels", False),
        ("file:///srv/wheels/../secret", "file:///srv/wheels", False),
        ("https://host/anything/at/all", "https://host", True),
        ("https://host/anything", "https://host/", True),
        ("https://host:8080/x", "https://host", False),
        ("http://host:80/x", "http://host", True),
        ("https://host/t/abc-123/team/linux-64", "https://host/t/*/team", True),
        ("https://host/t/abc-123/evil", "https://host/t/*/team", False),
        ("https://host/t/a/b/team", "https://host/t/*/team", False),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x", True),
        ("https://host/x", "host/x", False),
    ],
)
def test_other_places(url: str, allowed: str, within: bool) -> None:  # noqa: FBT001  a column of the table
    assert is_within(url, allowed) is within


def random_segment(rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_letters + string.digits + "-_.~") for _ in range(rng.randint(1, 8)))


def segments(rng: random.Random) -> list[str]:
    found = [random_segment(rng) for _ in range(rng.randint(0, 4))]
    return [segment for segment in found if segment.strip(".")]


@pytest.mark.parametrize("seed", range(200))
def test_properties(seed: int) -> None:
    """Whatever the URL: itself and what is below is within; a sibling, a parent, a longer name aren't."""
    rng = random.Random(seed)  # noqa: S311  no secret
    host = f"{random_segment(rng).strip('-_.~').lower() or 'h'}.example.org".replace("_", "-").replace("~", "-")
    scheme, port = rng.choice(("http", "https")), rng.choice(("", ":1234"))
    path = segments(rng)
    base = f"{scheme}://{host}{port}/{'/'.join(path)}"
    below = [*path, *segments(rng)]
    spelled = "/".join(rng.choice((segment, "".join(f"%{ord(char):02x}" for char in segment))) for segment in below)
    url = f"{scheme.upper()}://me:{quote('p@ss/w', safe='')}@{host.upper()}{port}/{spelled}"
    assert is_within(base, base)
    assert is_within(url, base)
    assert not is_within(f"{base.rstrip('/')}{rng.choice('xX0-')}/y", base) or not path
    assert not is_within(f"{scheme}://{host}.evil.org{port}/{spelled}", base)
    assert not is_within(f"{scheme}://{host}@evil.org{port}/{spelled}", base)
    assert not is_within(f"{scheme}://{host}:4321/{spelled}", base)
    for trick in ("..", "%2e%2e", "%2E.", ".", "%252e%252e", "a%2fb", "a%5cb", "", "%00", "a\\b"):
        assert not is_within(f"{scheme}://{host}{port}/{'/'.join([*below, trick, 'x'])}", base), trick
    if path:
        assert not is_within(f"{scheme}://{host}{port}/{'/'.join(path[:-1])}", base)
        assert not is_within(f"{scheme}://{host}{port}/{'/'.join([*path[:-1], path[-1].swapcase()])}", base) or (
            path[-1] == path[-1].swapcase()
        )

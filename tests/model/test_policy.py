"""The rules of an administrator: what they mean, and that a mistake in them is found at once."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.model import AdminPolicy, Ecosystem, PackageRule, ServerEnvironment
from jupyter_pkgmgr.model.errors import UsageError

CONDA, PYPI = Ecosystem.CONDA, Ecosystem.PYPI


@pytest.mark.parametrize(
    ("rule", "name", "ecosystem", "is_about"),
    [
        ("numpy", "numpy", PYPI, True),
        ("numpy", "numpy", CONDA, True),
        ("Foo_Bar", "foo.bar", PYPI, True),
        ("foo-*", "Foo_Bar", PYPI, True),
        ("foo-*", "foobar", PYPI, False),
        ("*", "anything", CONDA, True),
        ("nump?", "numpy", PYPI, True),
        ("num", "numpy", PYPI, False),
        ("conda::numpy", "numpy", PYPI, False),
        ("conda::numpy", "numpy", CONDA, True),
        ("pypi::numpy", "numpy", None, False),
        ("numpy", "numpy", None, True),
        ("numpy<2", "numpy", PYPI, True),
    ],
)
def test_names(rule: str, name: str, ecosystem: Ecosystem | None, *, is_about: bool) -> None:
    assert PackageRule.parse(rule).is_about([(ecosystem, name)]) is is_about


@pytest.mark.parametrize(
    ("rule", "version", "selects"),
    [
        ("numpy", "whatever", True),
        ("numpy<2", "1.26.4", True),
        ("numpy < 2", "2.0", False),
        ("numpy>=1.20,<2", "1.19", False),
        ("numpy==1.*", "1.5rc1", True),
        ("numpy!=1.5", "1.5", False),
        ("openssl<3", "1.1.1w", None),
    ],
)
def test_versions(rule: str, version: str, selects: bool | None) -> None:  # noqa: FBT001  a column of the table
    assert PackageRule.parse(rule).selects(version) is selects


@pytest.mark.parametrize(
    "rule", ["", "a b", "numpy=1.2", "https://x", "npm::left-pad", "numpy<", "x;y", "../x", "-r x", "x<2;y"]
)
def test_a_rule_that_is_none(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        AdminPolicy(deny_packages=(rule,))
    assert caught.value.reference == "bad-policy"


@pytest.mark.parametrize("url", ["example.org/simple", "https://x/a/../b", "https://x/?y", "ftp://x/", "nope", ""])
def test_an_index_that_cannot_be_compared(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        AdminPolicy(allowed_indexes=(url,))
    assert caught.value.reference == "bad-policy"


@pytest.mark.parametrize("channel", ["https://x/a/../b", "a//b", "", "/srv/channel", "../channel"])
def test_a_channel_that_cannot_be_compared(channel: str) -> None:
    with pytest.raises(UsageError):
        AdminPolicy(allowed_channels=(channel,))


def test_channels_by_name_and_by_url() -> None:
    AdminPolicy(allowed_channels=("conda-forge", "defaults", "me/label/dev", "https://x/y", "file:///srv/channel"))


def test_only_what_limits_is_told() -> None:
    assert AdminPolicy().in_words() == ()
    policy = AdminPolicy(
        read_only=True,
        allowed_channels=("conda-forge",),
        allowed_indexes=(),
        server_environment=ServerEnvironment.READ_ONLY,
    )
    assert policy.in_words() == (
        ("read_only", "yes"),
        ("allowed_channels", "conda-forge"),
        ("allowed_indexes", "none"),
        ("server_environment", "read-only"),
    )

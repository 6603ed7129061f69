from __future__ import annotations

import base64

import pytest

from jupyter_pkgmgr.server.tokens import Grant, Tokens


def test_a_token_opens_its_kernels_environment_and_nothing_else() -> None:
    tokens = Tokens()
    one, two = tokens.make("k1"), tokens.make("k2")
    assert one != two
    assert len(base64.urlsafe_b64decode(one + "==")) == 32
    assert tokens.check(one) == Grant(kernel="k1")
    tokens.bind("k1", "/env")
    assert tokens.check(one) == Grant(kernel="k1", prefix="/env")
    assert tokens.check(two) == Grant(kernel="k2")


@pytest.mark.parametrize("token", ["", "x", "\ud800", "k1", "0" * 100_000])
def test_what_is_no_token_opens_nothing(token: str) -> None:
    tokens = Tokens()
    tokens.make("k1")
    assert tokens.check(token) is None


def test_a_kernel_has_one_token_at_a_time() -> None:
    tokens = Tokens()
    first = tokens.make("k1")
    tokens.bind("k1", "/env")
    second = tokens.make("k1")
    assert tokens.check(first) is None
    assert tokens.check(second) == Grant(kernel="k1")  # bound anew: it may be another interpreter by now
    tokens.revoke("k1")
    tokens.bind("k1", "/env")
    assert tokens.check(second) is None
    third = tokens.make("k2")
    tokens.clear()
    assert tokens.check(third) is None


def test_nothing_of_a_token_is_kept() -> None:
    tokens = Tokens()
    token = tokens.make("k1")
    assert token not in repr(vars(tokens))
    assert token not in repr(tokens.check(token))

"""The exception tree."""

from __future__ import annotations

import re

import pytest

from jupyter_pkgmgr.model import errors
from jupyter_pkgmgr.model.errors import PkgError

KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_own_reference_and_stands_in_the_drawing(kind: type[PkgError]) -> None:
    assert issubclass(kind, PkgError)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.default_reference)
    assert [other for other in KINDS if other.default_reference == kind.default_reference] == [kind]
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__doc__
    assert str(kind("what happened")) == "what happened"
    assert kind("x").reference == kind.default_reference
    assert kind("x", reference="special").reference == "special"


def test_all_is_complete() -> None:
    defined = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, PkgError)}
    assert defined == set(errors.__all__)


def test_no_credentials_leave_in_json() -> None:
    url = "https://me:s3cret@host/simple"
    error = errors.PkgError(f"{url} is down", context=(url,), note=url, hint=url, detail=url)
    assert "s3cret" not in str(error.to_json())

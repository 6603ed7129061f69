"""Which of a package's requirements hold."""

from __future__ import annotations

import pytest
from packaging.markers import default_environment

from jupyter_pkgmgr.inventory import needed

MARKERS = {key: str(value) for key, value in default_environment().items()} | {"python_version": "3.11"}


@pytest.mark.parametrize(
    ("line", "plain", "with_extra"),
    [
        ("six", True, True),
        ("six; extra == 'more'", False, True),
        ('six>=1 ; python_version >= "3" and extra == "more"', False, True),
        ("six; (extra == 'more')", False, True),
        ("six; 'more' == extra", False, True),
        ("six; extra == 'more' or python_version >= '3'", True, True),
        ("six; python_version >= '3' or extra == 'more'", True, True),
        ("six; python_version < '3' or extra == 'more'", False, True),
        ("six; extra == ''", True, False),
        ("six; extra != 'more'", True, True),
        ("six[extra]", True, True),
        ("six @ https://host/six.whl ; extra=='more'", False, True),
        ("six; python_version < '3'", False, False),
        ("not a requirement", False, False),
    ],
)
def test_what_is_needed_with_and_without_an_extra(line: str, *, plain: bool, with_extra: bool) -> None:
    assert bool(list(needed([line], MARKERS))) is plain
    assert bool(list(needed([line], MARKERS, extras=["more"]))) is (with_extra or plain)

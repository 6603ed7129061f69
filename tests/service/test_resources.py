"""The service gives back what it opens."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.catalog import PyPICatalog
from jupyter_pkgmgr.model.errors import PackageNotFoundError

from .conftest import User


def test_every_catalog_is_closed(venv_user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[PyPICatalog] = []
    closed: list[PyPICatalog] = []
    init, close = PyPICatalog.__init__, PyPICatalog.close

    def opening(self: PyPICatalog, *arguments: object, **options: object) -> None:
        init(self, *arguments, **options)  # type: ignore[arg-type]  # as they came
        opened.append(self)

    def closing(self: PyPICatalog) -> None:
        close(self)
        closed.append(self)

    monkeypatch.setattr(PyPICatalog, "__init__", opening)
    monkeypatch.setattr(PyPICatalog, "close", closing)
    venv_user.type("show tb-pure")
    with pytest.raises(PackageNotFoundError):
        venv_user.type("show tb-nosuch")
    venv_user.type("search tb-pure")
    with pytest.raises(PackageNotFoundError):
        venv_user.type("install tb-nosuch")
    kept = {id(catalog) for catalog in opened} - {id(catalog) for catalog in closed}
    assert len(kept) == 1, "one catalog answers what is asked of the same indexes"
    venv_user.service.close()
    assert set(map(id, opened)) == set(map(id, closed))

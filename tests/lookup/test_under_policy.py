"""Places that nothing may be taken from aren't asked, and what they have isn't shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import AdminPolicy
from jupyter_pkgmgr.model.errors import PackageNotFoundError
from jupyter_pkgmgr.service import PackageService
from testbed.content import wheel
from testbed.index import Server, serve
from testbed.wheels import write_wheel
from tests.service.conftest import User


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An index with newer versions that the user's settings name beside the allowed one."""
    for name in ("tb-pure", "tb-evil"):
        write_wheel(tmp_path / "evil", wheel(name, "99.0"))
    with serve(tmp_path / "evil") as server:
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", server.index_url)
        yield server


def test_only_allowed_places_are_asked(venv_user: User, evil: Server, index_server: Server) -> None:
    venv_user.type("install tb-pure==1.0 --no-deps")
    asked = len(evil.requests)
    with PackageService(policy=AdminPolicy(allowed_indexes=(index_server.url,))) as service:
        environment = venv_user.environment
        assert [hit.name for hit in service.search(environment, "tb-evil").hits] == []
        assert service.outdated(environment).outdated["tb-pure"].newest == "2.0"
        assert service.versions(environment, "tb-pure").versions[0].version == "2.0"
        assert "tb-evil" not in service.names(environment).pypi
        assert "tb-pure" in service.names(environment).pypi
        with pytest.raises(PackageNotFoundError):
            service.show(environment, "tb-evil")
        with pytest.raises(PackageNotFoundError):
            service.versions(environment, "tb-evil")
    assert len(evil.requests) == asked


def test_nothing_allowed_is_nothing_found(conda_user: User) -> None:
    conda_user.type("install tb-alpha=1.0")
    with PackageService(policy=AdminPolicy(allowed_indexes=(), allowed_channels=())) as service:
        environment = conda_user.environment
        assert service.search(environment, "tb-beta").hits == ()
        assert service.outdated(environment).outdated == {}
        assert service.show(environment, "tb-alpha").installed[0].version == "1.0"
        with pytest.raises(PackageNotFoundError):
            service.show(environment, "tb-beta")

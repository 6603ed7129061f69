"""Users on whom an administrator's policy is tried, with a channel and an index on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_pkgmgr.model import AdminPolicy
from jupyter_pkgmgr.service import PackageService
from tests.service.conftest import User, conda_user, configured, service, venv_user

__all__ = ["conda_user", "configured", "service", "venv_user"]

Under = Callable[[User, AdminPolicy], User]


@pytest.fixture
def under(configured: Path) -> Iterator[Under]:
    """The same user, on a server whose administrator has a policy."""
    assert configured.is_dir()
    with ExitStack() as stack:

        def make(user: User, policy: AdminPolicy) -> User:
            return replace(user, service=stack.enter_context(PackageService(policy=policy)), shown={})

        yield make

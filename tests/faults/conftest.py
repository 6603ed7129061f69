"""One lab for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import open_lab
from .trials import Trials


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with open_lab(tmp_path_factory.mktemp("faults")) as lab:
        yield Trials(lab)

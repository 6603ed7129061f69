"""One lab for each worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import open_lab, stock
from .trials import Trials


@pytest.fixture(scope="session")
def trials(testbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with open_lab(tmp_path_factory.mktemp("faults"), stock(testbed / "faults", testbed / "python")) as lab:
        yield Trials(lab)

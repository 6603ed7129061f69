"""What these tests share: variables of a clean machine, and prefixes that look like conda's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from testbed.channel import Channel
from testbed.environments import conda_environment

MakeConda = Callable[..., Path]

HEAD = "==> 2026-01-01 00:00:00 <==\n"


@pytest.fixture
def environ(clean_settings: Path) -> dict[str, str]:
    """The variables of a clean machine: a home, nothing on PATH, nobody's configuration."""
    return {"HOME": str(clean_settings), "PATH": "", "XDG_CONFIG_DIRS": str(clean_settings / "etc")}


@pytest.fixture
def make_conda(tmp_path: Path) -> MakeConda:
    """Make a conda prefix without packages' files: its ``conda-meta`` with a history and records.

    The history's first revision gets its head here where the text begins with what it says.
    """

    def make(
        name: str = "env", *, history: str | None = "", records: Sequence[tuple[str, str]] = (), root: Path = tmp_path
    ) -> Path:
        prefix = root / name
        (prefix / "conda-meta").mkdir(parents=True)
        if history is not None:
            history = f"{HEAD}{history}" if history and not history.startswith(HEAD[:3]) else history
            (prefix / "conda-meta" / "history").write_text(history, encoding="utf-8")
        for dist, channel in records:
            record = {"name": dist.rsplit("-", 2)[0], "channel": channel, "files": []}
            (prefix / "conda-meta" / f"{dist}.json").write_text(json.dumps(record), encoding="utf-8")
        return prefix

    return make


@pytest.fixture(scope="session")
def shared_conda(testbed: Path, conda_channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conda environment with Python for tests that only look at it."""
    prefix = tmp_path_factory.mktemp("conda") / "root" / "envs" / "science"
    return conda_environment(prefix, channels=[conda_channel.url], cache=testbed / "cache")

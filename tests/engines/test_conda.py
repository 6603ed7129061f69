"""The same requests against real executables and a real channel, where PATH has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_pkgmgr.engines.conda_family import CondaFamilyEngine
from jupyter_pkgmgr.engines.protocol import EngineRequest
from jupyter_pkgmgr.environments.history import read_history
from jupyter_pkgmgr.model import (
    Action,
    Cancellation,
    Ecosystem,
    Environment,
    EnvironmentKind,
    Event,
    EventKind,
    Options,
    Package,
    Phase,
    Verb,
    ignore_events,
)
from jupyter_pkgmgr.model.errors import (
    ConflictError,
    EngineError,
    PackageNotFoundError,
    UnreachableError,
    VersionNotFoundError,
)
from testbed.channel import Channel, PackageSource
from testbed.index import serve_files
from tests.engines.conda_replay import ENGINES

TOOLS = [pytest.param(name, marks=pytest.mark.executable(name)) for name in ENGINES]
pytestmark = [pytest.mark.usefixtures("clean_settings"), pytest.mark.parametrize("tool", TOOLS)]


class Real:
    """A prefix without Python, a channel of small packages, and one real tool."""

    def __init__(self, root: Path, tool: str, url: str) -> None:
        self.prefix = root / "envs" / "demo"
        (self.prefix / "conda-meta").mkdir(parents=True)
        (self.prefix / "conda-meta" / "history").touch()
        self.url = url
        self.engine: CondaFamilyEngine = ENGINES[tool]()
        self.events: list[Event] = []

    @property
    def environment(self) -> Environment:
        return Environment(prefix=self.prefix, kind=EnvironmentKind.CONDA, owner="conda", name="demo")

    def installed(self) -> tuple[Package, ...]:
        records = [json.loads(path.read_bytes()) for path in self.prefix.glob("conda-meta/*.json")]
        requested = read_history(self.prefix / "conda-meta" / "history").requested_specs()
        return tuple(
            Package(
                name=record["name"],
                version=record["version"],
                build=record["build"],
                ecosystem=Ecosystem.CONDA,
                requested=record["name"] in requested,
            )
            for record in records
        )

    def versions(self) -> dict[str, str]:
        return {package.name: package.version for package in self.installed()}

    def do(self, verb: Verb, *specs: str, apply: bool = True, **more: object) -> dict[str, Action]:
        options = Options(channels=(self.url,), override_channels=True)
        request = EngineRequest(verb=verb, specs=specs, installed=self.installed(), options=options, **more)  # type: ignore[arg-type]
        plan = self.engine.plan(self.environment, request, events=ignore_events, cancel=Cancellation())
        if apply:
            self.engine.apply(self.environment, plan, events=self.events.append, cancel=Cancellation())
        return {change.package.name: change.action for change in plan.changes}


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    made = Channel(tmp_path_factory.mktemp("channel"))
    for version in ("1.0", "2.0"):
        made.add(PackageSource(name="alpha", version=version, noarch="generic", depends=(f"beta >={version}",)))
        made.add(
            PackageSource(name="beta", version=version, noarch="generic", files={"share/beta.txt": f"beta {version}\n"})
        )
    made.add(PackageSource(name="gamma", version="1.0", noarch="generic", depends=("beta <2",)))
    made.add(PackageSource(name="needy", version="1.0", noarch="generic", depends=("nobody-has-this",)))
    made.index()
    return made


@pytest.fixture
def real(tmp_path: Path, tool: str, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    monkeypatch.setenv("CONDA_REGISTER_ENVS", "false")
    with serve_files(channel.path) as server:
        yield Real(tmp_path, tool, server.url)


def test_a_life(real: Real) -> None:
    """Plan, install, upgrade, downgrade, remove; the prefix is what each plan said."""
    assert real.do(Verb.INSTALL, "alpha=1", "beta=1", apply=False) == {"alpha": Action.INSTALL, "beta": Action.INSTALL}
    assert real.versions() == {}
    real.do(Verb.INSTALL, "alpha=1", "beta=1")
    assert real.versions() == {"alpha": "1.0", "beta": "1.0"}
    assert (real.prefix / "share" / "beta.txt").read_text(encoding="utf-8") == "beta 1.0\n"
    assert real.do(Verb.INSTALL, "alpha=2", "beta=2") == {"alpha": Action.UPGRADE, "beta": Action.UPGRADE}
    assert real.versions() == {"alpha": "2.0", "beta": "2.0"}
    assert real.do(Verb.INSTALL, "alpha=1", "beta=1") == {"alpha": Action.DOWNGRADE, "beta": Action.DOWNGRADE}
    assert real.do(Verb.REMOVE, "beta") == {"alpha": Action.REMOVE, "beta": Action.REMOVE}
    assert real.versions() == {}
    assert not (real.prefix / "share" / "beta.txt").exists()


def test_events_tell_what_happens(real: Real) -> None:
    real.do(Verb.INSTALL, "alpha")
    phases = [event.phase for event in real.events if event.kind is EventKind.PHASE]
    assert (phases[0], phases[-1]) == (Phase.SOLVE, Phase.VERIFY)
    linked = {event.package for event in real.events if event.kind is EventKind.PACKAGE and event.phase is Phase.LINK}
    assert linked == {"alpha", "beta"}


def test_a_satisfied_name_is_left_alone(real: Real) -> None:
    real.do(Verb.INSTALL, "beta=1")
    assert real.do(Verb.INSTALL, "beta") == {}
    assert real.versions() == {"beta": "1.0"}


def test_what_is_held_stays(real: Real) -> None:
    real.do(Verb.INSTALL, "beta=1")
    with pytest.raises(ConflictError):
        real.do(Verb.INSTALL, "alpha=2", held=real.installed())
    real.do(Verb.INSTALL, "alpha", held=real.installed())
    assert real.versions() == {"alpha": "1.0", "beta": "1.0"}


def test_what_was_asked_for_makes_no_room(real: Real) -> None:
    """The mamba family would take it away without a word."""
    real.do(Verb.INSTALL, "gamma")
    with pytest.raises(ConflictError):
        real.do(Verb.INSTALL, "alpha=2")
    assert real.versions() == {"gamma": "1.0", "beta": "1.0"}


def test_a_pin_is_no_request(real: Real) -> None:
    """It limits the solver and doesn't end in the history as something the user asked for."""
    real.do(Verb.INSTALL, "alpha", pins=("beta 1.*",))
    assert real.versions()["beta"] == "1.0"
    history = (real.prefix / "conda-meta" / "history").read_text(encoding="utf-8")
    (line,) = (line for line in history.splitlines() if line.startswith("# update specs:"))
    assert "alpha" in line
    assert "beta" not in line


def test_what_cannot_be(real: Real) -> None:
    for specs, kind in (
        (("nobody-has-this",), PackageNotFoundError),
        (("alpha=9",), VersionNotFoundError),
        (("gamma", "alpha=2"), ConflictError),
    ):
        with pytest.raises(kind):
            real.do(Verb.INSTALL, *specs)
    with pytest.raises(EngineError):
        real.do(Verb.INSTALL, "needy")
    assert real.versions() == {}


# --- removals beside something else -----------------------------------------------------------------------------------


def files(*folders: Path) -> dict[Path, bytes]:
    """Everything in these folders but what tools cache: the channel's index, and mamba's lock files."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found if "pkgs" not in path.parts and ".cache" not in path.parts}


def test_a_removal_and_what_it_makes_room_for_are_one_plan(
    real: Real, clean_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither goes without the other; planning leaves nothing, neither in the prefix nor in the user's own places."""
    monkeypatch.setenv("CONDA_REGISTER_ENVS", "true")
    real.do(Verb.INSTALL, "gamma")
    before = files(real.prefix, clean_settings)
    planned = real.do(Verb.INSTALL, "alpha=2", removals=("gamma",), apply=False)
    assert planned == {"gamma": Action.REMOVE, "alpha": Action.INSTALL, "beta": Action.UPGRADE}
    assert files(real.prefix, clean_settings) == before
    assert real.do(Verb.INSTALL, "alpha=2", removals=("gamma",)) == planned
    assert real.versions() == {"alpha": "2.0", "beta": "2.0"}
    assert (real.prefix / "share" / "beta.txt").read_text(encoding="utf-8") == "beta 2.0\n"
    requested = read_history(real.prefix / "conda-meta" / "history").requested_specs()
    assert set(requested) == {"alpha"}


def test_settings_and_pins_of_the_prefix_hold_for_what_comes_after_a_removal(real: Real) -> None:
    real.do(Verb.INSTALL, "gamma")
    (real.prefix / ".condarc").write_text("pinned_packages: [beta <2]\n", encoding="utf-8")
    told = real.do(Verb.INSTALL, "alpha", removals=("gamma",), apply=False)
    (real.prefix / ".condarc").unlink()
    (real.prefix / "conda-meta" / "pinned").write_text("beta <2\n", encoding="utf-8")
    assert real.do(Verb.INSTALL, "alpha", removals=("gamma",), apply=False) == told
    assert told["beta"] is Action.REINSTALL, "it goes with gamma, and comes again as it was"
    (real.prefix / "conda-meta" / "pinned").unlink()
    assert real.do(Verb.INSTALL, "alpha", removals=("gamma",), apply=False)["beta"] is Action.UPGRADE


def test_an_update_beside_a_removal(real: Real) -> None:
    real.do(Verb.INSTALL, "gamma", "beta")
    assert real.do(Verb.UPDATE, "beta", removals=("gamma",)) == {"gamma": Action.REMOVE, "beta": Action.UPGRADE}
    assert real.versions() == {"beta": "2.0"}


def test_what_is_held_is_not_removed_for_anything(real: Real) -> None:
    real.do(Verb.INSTALL, "gamma")
    with pytest.raises(ConflictError):
        real.do(Verb.INSTALL, "alpha=2", removals=("gamma",), held=real.installed())
    assert real.versions() == {"gamma": "1.0", "beta": "1.0"}


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_channel_that_is_down(real: Real) -> None:
    real.url = "http://127.0.0.1:9/nothing"
    with pytest.raises(UnreachableError):
        real.do(Verb.INSTALL, "alpha")

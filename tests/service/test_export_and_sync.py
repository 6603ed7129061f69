"""A file that brings an environment about again, and an environment that becomes what a file says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from jupyter_pkgmgr.commands import parse_cell
from jupyter_pkgmgr.environments import from_interpreter, from_prefix
from jupyter_pkgmgr.model import Action, Plan
from jupyter_pkgmgr.model.errors import PkgError, UsageError
from testbed.channel import Channel
from testbed.content import wheel
from testbed.environments import conda_environment, make_venv, uv_install
from testbed.index import Server
from testbed.wheels import write_wheel

from .conftest import User


def exported(user: User, options: str = "") -> str:
    user.type(f"export {options}")
    return user.shown["result"].text


def entries(text: str) -> list[str]:
    """The packages that a file names, without comments."""
    body = text.partition("dependencies:")[2] or text
    lines = [line.partition("  #")[0].strip().removeprefix("- ") for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "@")) and line != "pip:"]


def actions(plan: Plan) -> dict[str, Action]:
    return {change.package.name: change.action for change in plan.changes}


def installed(user: User) -> set[tuple[str, str, str]]:
    packages = user.service.inventory(user.environment).packages
    return {(package.ecosystem.value, package.name, package.version) for package in packages}


def nothing_to_do(user: User, line: str) -> None:
    before = user.tree()
    report = user.type(line)
    assert report.outcome is None, user.screen
    assert re.search("already installed|nothing to do", user.screen), user.screen
    assert user.tree() == before


# --- conda ---------------------------------------------------------------------------------------------------------


def test_a_conda_environment_goes_out_and_comes_in_again(
    conda_user: User, channel_server: Server, conda_channel: Channel, testbed: Path, tmp_path: Path
) -> None:
    conda_user.type("install tb-native==1.0 tb-mixed tb-pure==1.1")
    text = exported(conda_user)
    python = conda_user.environment.python
    assert python is not None
    assert f"name: conda-env\nchannels:\n  - {channel_server.url}\n  - {conda_channel.url}\ndependencies:\n" in text
    assert "  - tb-alpha=2.0  # tb-mixed needs it\n" in text
    assert entries(text) == [
        f"python={python.version}",
        "tb-alpha=2.0",
        "tb-native=1.0",
        "pip",
        "tb-mixed==1.0",
        "tb-pure==1.1",
    ]
    conda_user.type("export environment.yml")
    note = f"note: the channel {conda_channel.url} is there on this machine only"
    assert conda_user.screen == f"wrote environment.yml: 5 packages\n{note}"
    assert (tmp_path / "environment.yml").read_text(encoding="utf-8") == f"{text}\n"
    nothing_to_do(conda_user, "install -r environment.yml")
    nothing_to_do(conda_user, "sync environment.yml")
    other = conda_environment(tmp_path / "other", channels=[conda_channel.url], cache=testbed / "cache")
    fresh = User(conda_user.service, from_prefix(other), tmp_path)
    fresh.type("sync environment.yml")
    assert installed(fresh) == installed(conda_user)
    for file, options in (("all.yml", "--all"), ("other.yaml", "--no-builds"), ("loose.yml", "--from-history")):
        conda_user.type(f"export {options} {file}")
        nothing_to_do(conda_user, f"sync {file}")


def test_an_explicit_list_goes_out_and_comes_in_again(
    conda_user: User, conda_channel: Channel, testbed: Path, tmp_path: Path
) -> None:
    conda_user.type("install tb-beta")
    conda_user.type("export explicit.txt")
    lines = (tmp_path / "explicit.txt").read_text(encoding="utf-8").splitlines()
    files = lines[lines.index("@EXPLICIT") + 1 :]
    assert [re.sub(r".*/([a-z-]+)-[^-]*-[^-]*\.conda#[0-9a-f]{64}", r"\1", line) for line in files][-2:] == [
        "tb-alpha",
        "tb-beta",
    ]
    nothing_to_do(conda_user, "install -r explicit.txt")
    conda_user.type("export --explicit --md5 md5.txt")
    nothing_to_do(conda_user, "sync md5.txt")
    other = conda_environment(tmp_path / "other", channels=[conda_channel.url], cache=testbed / "cache")
    fresh = User(conda_user.service, from_prefix(other), tmp_path)
    fresh.type("install six")
    fresh.type("sync md5.txt")
    assert installed(fresh) == installed(conda_user)
    wrong = (tmp_path / "md5.txt").read_text(encoding="utf-8")[:-3] + "00\n"
    (tmp_path / "explicit.txt").write_text(wrong, encoding="utf-8")
    with pytest.raises(PkgError) as caught:
        conda_user.type("sync explicit.txt")
    assert "tb-beta" in caught.value.message
    conda_user.type("install tb-pure")
    with pytest.raises(UsageError) as refused:
        conda_user.type("export --explicit")
    assert refused.value.message == "an explicit list can only hold conda's packages, and tb-pure came from PyPI"


@pytest.mark.executable("micromamba")
def test_micromamba_makes_the_same_of_an_explicit_list(
    conda_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conda_user.type("install tb-beta")
    conda_user.type("export explicit.txt")
    monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(tmp_path / "root"))
    prefix = tmp_path / "theirs"
    command = ["micromamba", "create", "--yes", "--quiet", f"--prefix={prefix}", f"--file={tmp_path / 'explicit.txt'}"]
    subprocess.run(command, check=True, timeout=300)
    assert installed(User(conda_user.service, from_prefix(prefix), tmp_path)) == installed(conda_user)


def test_sync_installs_changes_and_removes_in_one_plan(conda_user: User, tmp_path: Path) -> None:
    conda_user.type("install tb-alpha==1.0 tb-cli tb-pure tb-tool")
    before = conda_user.tree()
    (tmp_path / "environment.yml").write_text(
        "dependencies: [python, tb-alpha=1.1, six, pip, pip: [tb-mixed]]\n", encoding="utf-8"
    )
    shown = conda_user.type("plan sync environment.yml")
    assert shown.outcome is None
    assert conda_user.tree() == before
    report = conda_user.type("sync environment.yml")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-alpha": Action.UPGRADE,
        "tb-cli": Action.REMOVE,
        "tb-pure": Action.REMOVE,
        "tb-tool": Action.REMOVE,
        "six": Action.INSTALL,
        "tb-mixed": Action.INSTALL,
    }
    assert re.search(r"-  tb-pure +2\.0 +.*not named\n", conda_user.shown["plan"].text)
    assert conda_user.owner("tb-mixed") == "pypi"
    nothing_to_do(conda_user, "sync -r environment.yml")
    entry, _ = conda_user.service.history(conda_user.environment)
    assert entry.command == "%pkg sync environment.yml"
    conda_user.type("undo")
    assert conda_user.tree() == before


def test_what_a_named_package_needs_stays(conda_user: User, tmp_path: Path) -> None:
    """tb-alpha came with tb-beta: to conda it is an orphan without that, whoever else is named that needs it."""
    conda_user.type("install tb-beta tb-cli")

    def sync(dependencies: str) -> dict[str, Action]:
        (tmp_path / "environment.yml").write_text(f"dependencies: [{dependencies}]\n", encoding="utf-8")
        outcome = conda_user.type("sync environment.yml").outcome
        assert outcome is not None
        return actions(outcome.plan)

    assert sync("tb-alpha") == {"tb-beta": Action.REMOVE, "tb-cli": Action.REMOVE}
    assert sync("tb-beta") == {"tb-beta": Action.INSTALL}
    assert sync("pip: [tb-mixed]") == {"tb-mixed": Action.INSTALL, "tb-beta": Action.REMOVE}
    assert sync("six") == {"six": Action.INSTALL, "tb-mixed": Action.REMOVE, "tb-alpha": Action.REMOVE}


# --- virtual environments ------------------------------------------------------------------------------------------


def test_a_virtual_environment_goes_out_and_comes_in_again(
    venv_user: User, index_server: Server, tmp_path: Path
) -> None:
    venv_user.type("install tb-mixed tb-cli tb-pure==1.1")
    text = exported(venv_user)
    assert entries(text) == ["tb-cli==1.0", "tb-mixed==1.0", "tb-pure==1.1"]
    assert f"# --index-url {index_server.index_url}\n" in text
    venv_user.type("export requirements.txt")
    nothing_to_do(venv_user, "install -r requirements.txt")
    nothing_to_do(venv_user, "sync requirements.txt")
    venv_user.type("export --all all.txt")
    assert entries((tmp_path / "all.txt").read_text(encoding="utf-8")) == [
        "tb-alpha==2.1",
        "tb-cli==1.0",
        "tb-mixed==1.0",
        "tb-pure==1.1",
    ]
    nothing_to_do(venv_user, "sync all.txt")
    fresh = User(venv_user.service, from_interpreter(make_venv(tmp_path / "other")), tmp_path)
    fresh.type("install tb-native")
    fresh.type("sync all.txt")
    assert installed(fresh) == installed(venv_user)
    theirs = make_venv(tmp_path / "theirs")
    uv_install(theirs, "-r", tmp_path / "all.txt", index_url=index_server.index_url, cache=tmp_path / "cache")
    assert installed(User(venv_user.service, from_interpreter(theirs), tmp_path)) == installed(venv_user)
    assert entries(exported(venv_user, "--format yml")) == [
        f"python={venv_user.environment.python.minor if venv_user.environment.python else ''}",
        "pip",
        "tb-cli==1.0",
        "tb-mixed==1.0",
        "tb-pure==1.1",
    ]
    with pytest.raises(UsageError, match="explicit list is of conda packages"):
        venv_user.type("export --explicit")


def test_sync_of_a_virtual_environment(venv_user: User, tmp_path: Path) -> None:
    venv_user.type("install tb-alpha==1.0 tb-pure tb-cli")
    before = venv_user.tree()
    (tmp_path / "one.txt").write_text("tb-mixed\n", encoding="utf-8")
    (tmp_path / "two.txt").write_text("tb-pure<2\n", encoding="utf-8")
    report = venv_user.type("sync one.txt two.txt")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-mixed": Action.INSTALL,  # which needs tb-alpha, of any version
        "tb-pure": Action.DOWNGRADE,
        "tb-cli": Action.REMOVE,
    }
    venv_user.type("undo")
    assert venv_user.tree() == before


def test_what_goes_may_stand_in_the_way_of_what_comes(venv_user: User, tmp_path: Path) -> None:
    """tb-left needs tb-pure 1.0, tb-right 2.0: tb-pure can't move before tb-left is known to go."""
    venv_user.type("install tb-left tb-cli")
    (tmp_path / "requirements.txt").write_text("tb-right\n", encoding="utf-8")
    report = venv_user.type("sync requirements.txt")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {
        "tb-left": Action.REMOVE,
        "tb-cli": Action.REMOVE,
        "tb-right": Action.INSTALL,
        "tb-pure": Action.UPGRADE,
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "environment.txt names no package, and nothing is removed for that"),
        ("# nothing\n--pre\n", "names no package"),
        ("tb-pure; python_version < '3'\n", "nothing that was named is for this environment"),
        (None, "there is no file"),
    ],
)
def test_an_empty_file_never_empties_an_environment(
    content: str | None, says: str, venv_user: User, tmp_path: Path
) -> None:
    venv_user.type("install tb-pure")
    if content is not None:
        (tmp_path / "environment.txt").write_text(content, encoding="utf-8")
    before = venv_user.tree()
    with pytest.raises(UsageError) as caught:
        venv_user.type("sync environment.txt")
    assert says in caught.value.message
    assert venv_user.tree() == before


def test_what_isnt_a_files_to_remove_stays_and_is_told(venv_user: User, tmp_path: Path) -> None:
    for source in (wheel("ipykernel", "7.0", requires=("tb-pure",)), wheel("pip", "99.0")):
        write_wheel(tmp_path / "wheels", source)
    venv_user.type("install -f wheels ipykernel pip tb-cli")
    (tmp_path / "requirements.txt").write_text("tb-alpha\n", encoding="utf-8")
    report = venv_user.type("sync requirements.txt")
    assert report.outcome is not None
    assert actions(report.outcome.plan) == {"tb-alpha": Action.INSTALL, "tb-cli": Action.REMOVE}
    said = "not named, and not removed: ipykernel (the kernel runs on it), pip (it came with the environment)"
    assert said in venv_user.shown["plan"].text
    venv_user.type("export requirements.txt --force")
    nothing_to_do(venv_user, "sync requirements.txt")


def test_a_file_is_never_overwritten_unasked(venv_user: User, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("mine\n", encoding="utf-8")
    venv_user.type("install tb-pure")
    with pytest.raises(UsageError) as caught:
        venv_user.type("export requirements.txt")
    assert caught.value.reference == "file-exists"
    assert "--force" in (caught.value.hint or "")
    assert file.read_text(encoding="utf-8") == "mine\n"
    venv_user.type("export --force requirements.txt")
    text = file.read_text(encoding="utf-8")
    assert entries(text) == ["tb-pure==2.0"]
    venv_user.type("export requirements.txt")  # it says that already
    assert sorted(path.name for path in tmp_path.glob("*requirements*")) == ["requirements.txt"]
    for name, reference in (("nowhere/requirements.txt", "path-not-writable"), ("home.txt", "file-exists")):
        (tmp_path / "home.txt").mkdir(exist_ok=True)
        with pytest.raises(UsageError) as refused:
            venv_user.type(f"export {name}")
        assert refused.value.reference == reference


def test_uv_calls_everything_requested(venv_user: User, index_server: Server, tmp_path: Path) -> None:
    """What somebody named to us is known; of what uv brought by itself, what no other needs is taken."""
    venv_user.type("install tb-alpha==2.0")
    python = venv_user.environment.python
    assert python is not None
    uv_install(python.executable, "tb-extra[more]", index_url=index_server.index_url, cache=tmp_path / "cache")
    uv_install(python.executable, "tb-mixed", index_url=index_server.index_url, cache=tmp_path / "cache")
    text = exported(venv_user)
    assert entries(text) == ["tb-alpha==2.0", "tb-extra==1.0", "tb-mixed==1.0", "tb-pure==2.0"]
    assert "# note: nothing recorded which of PyPI's packages were asked for" in text
    venv_user.type("remove tb-extra tb-pure")
    uv_install(python.executable, "tb-left", index_url=index_server.index_url, cache=tmp_path / "cache")
    assert entries(exported(venv_user)) == ["tb-alpha==2.0", "tb-left==1.0", "tb-mixed==1.0"]


def test_a_cell_is_as_good_as_a_file(venv_user: User, tmp_path: Path) -> None:
    venv_user.type("install tb-cli")
    report = venv_user.run(parse_cell("sync", "tb-pure<2\n# more\ntb-alpha\n", base=tmp_path))
    assert report.outcome is not None
    assert [venv_user.version(name) for name in ("tb-pure", "tb-alpha", "tb-cli")] == ["1.1", "2.1", None]


def test_sync_stands_alone(venv_user: User, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("tb-alpha\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        venv_user.together("sync requirements.txt", "install tb-pure")
    assert caught.value.reference == "sync-alone"

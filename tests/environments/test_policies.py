from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_pkgmgr.environments import from_interpreter, from_prefix, is_writable
from jupyter_pkgmgr.model import PolicyKind
from testbed.environments import make_venv

MakeConda = Callable[..., Path]
NOBODY = 65534


@contextmanager
def powerless() -> Iterator[None]:
    """Root may write everywhere: become nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that nobody can look into, but not write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_writable_leaves_nothing_and_touches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text("old")
    before = (tmp_path.stat().st_mtime_ns, file.stat().st_mtime_ns)
    assert is_writable(tmp_path)
    assert is_writable(file)
    assert is_writable(tmp_path / "not" / "yet")
    assert (tmp_path.stat().st_mtime_ns, file.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [file]


def test_not_writable(readable: Path) -> None:
    file = readable / "history"
    file.write_text("x")
    for path in (readable, file):
        path.chmod(path.stat().st_mode & ~0o222)
    with powerless():
        assert not is_writable(readable)
        assert not is_writable(file)
        assert not is_writable(readable / "new")
    readable.chmod(0o755)


def test_a_conda_prefix_is_read_only_if_its_history_is(
    make_conda: MakeConda, readable: Path, environ: dict[str, str]
) -> None:
    prefix = make_conda(root=readable)
    with powerless():
        policy = from_prefix(prefix, environ=environ).policy(PolicyKind.READ_ONLY)
    assert (policy is not None) is (os.geteuid() == 0)
    assert from_prefix(prefix, environ=environ).policy(PolicyKind.READ_ONLY) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ""),
        ('{"message": "Managed by IT. Ask them."}', "Managed by IT. Ask them."),
        ("{}", ""),
        ("[]", ""),
        ("not JSON at all", "not JSON at all"),
    ],
)
def test_frozen(make_conda: MakeConda, environ: dict[str, str], content: str, message: str) -> None:
    prefix = make_conda()
    assert from_prefix(prefix, environ=environ).policy(PolicyKind.FROZEN) is None
    (prefix / "conda-meta" / "frozen").write_text(content)
    environment = from_prefix(prefix, environ=environ)
    policy = environment.policy(PolicyKind.FROZEN)
    assert policy is not None
    assert policy.message == message
    assert str(prefix / "conda-meta" / "frozen") in {item.source for item in environment.evidence}


MANAGED = "[externally-managed]\nError=Use apt\nError-de=Nimm apt\nError-de_AT=Nimm bitte apt\n  und nicht pip\n"


MANAGED_CASES: list[tuple[str, dict[str, str], str]] = [
    (MANAGED, {}, "Use apt"),
    (MANAGED, {"LANG": "C.UTF-8"}, "Use apt"),
    (MANAGED, {"LANG": "de_DE.UTF-8"}, "Nimm apt"),
    (MANAGED, {"LANG": "en_GB", "LC_MESSAGES": "de_AT@euro"}, "Nimm bitte apt\nund nicht pip"),
    (MANAGED, {"LC_ALL": "fr", "LANG": "de"}, "Use apt"),
    ("", {}, ""),
    ("[other]\nx=1\n", {}, ""),
    ("no ini", {}, ""),
    ("[externally-managed]\nError=100% managed\n", {}, "100% managed"),
]


def test_externally_managed_in_a_conda_environment_but_not_in_its_venv(
    conda_prefix: Path, tmp_path: Path, environ: dict[str, str]
) -> None:
    python = from_prefix(conda_prefix, environ=environ).python
    assert python is not None
    venv = make_venv(tmp_path / "venv", python.executable)
    for content, locale, message in MANAGED_CASES:
        (python.stdlib / "EXTERNALLY-MANAGED").write_text(content)
        policy = from_prefix(conda_prefix, environ=environ | locale).policy(PolicyKind.EXTERNALLY_MANAGED)
        assert policy is not None, content
        assert policy.message == message
        assert from_interpreter(venv, environ=environ).policy(PolicyKind.EXTERNALLY_MANAGED) is None


def test_base(make_conda: MakeConda, environ: dict[str, str]) -> None:
    def is_base(prefix: Path, **variables: str) -> bool:
        environment = from_prefix(prefix, environ=environ | variables)
        assert (environment.name == "base") is (environment.policy(PolicyKind.BASE) is not None)
        return environment.name == "base"

    root = make_conda("odd place/scoop", records=[("conda-26.7.0-0", "conda-forge")])
    inner = make_conda("odd place/scoop/envs/build", records=[("conda-26.7.0-0", "conda-forge")])
    (inner / "condabin").mkdir()
    assert is_base(root)
    assert not is_base(inner)  # conda installed in an environment doesn't make it a root
    (make_conda("apart/envs/build", records=[("conda-26.7.0-0", "x")]).parents[1] / "pkgs").mkdir()
    assert not is_base(inner.parents[2].parent / "apart" / "envs" / "build")
    plain = make_conda("plain", records=[("conda-build-26.1-0", "conda-forge")])
    assert not is_base(plain)
    assert is_base(plain, MAMBA_ROOT_PREFIX=str(plain))
    (plain / "envs").mkdir()
    (plain / "pkgs").mkdir()
    assert is_base(plain)
    assert is_base(make_conda("mamba", records=[("mamba-2.8.1-0", "conda-forge")]))


def test_the_servers_own(tmp_path: Path, environ: dict[str, str]) -> None:
    own = from_interpreter(Path(sys.executable), server=Path(sys.prefix), environ=environ)
    assert own.policy(PolicyKind.SERVER) is not None
    link = tmp_path / "link"
    link.symlink_to(sys.prefix)
    assert from_interpreter(Path(sys.executable), server=link, environ=environ).policy(PolicyKind.SERVER) is not None
    other = from_interpreter(make_venv(tmp_path / "venv"), server=Path(sys.prefix), environ=environ)
    assert other.policy(PolicyKind.SERVER) is None
    assert from_interpreter(Path(sys.executable), environ=environ).policy(PolicyKind.SERVER) is None

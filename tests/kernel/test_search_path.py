"""``.pth`` files that an installation brings: paths are added at once, code waits for the next start."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from jupyter_pkgmgr.kernel import search_path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(folder))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def test_only_what_is_new_is_read(site: Path, tmp_path: Path) -> None:
    for name in ("old", "new", "spaced ünï"):
        (tmp_path / name).mkdir()
    (site / "old.pth").write_text(f"{tmp_path}/old\nimport old_code\n")
    before = search_path.snapshot()
    (site / "new.pth").write_text(f"# a comment\n\n../new\n{tmp_path}/spaced ünï\n{tmp_path}/gone\n", encoding="utf-8")
    (site / "code.pth").write_text(f"import sys; sys.exit('must not run')\n{tmp_path}/new\n")
    (site / "no_pth.txt").write_text("import this_neither\n")
    known = list(sys.path)
    assert search_path.refresh(before) == ["code.pth"]
    assert sys.path == [*known, str(tmp_path / "new"), str(tmp_path / "spaced ünï")]
    assert search_path.refresh(search_path.snapshot()) == []


def test_a_changed_file_is_read_again(site: Path, tmp_path: Path) -> None:
    (site / "one.pth").write_text(str(tmp_path / "gone"))
    before = search_path.snapshot()
    (tmp_path / "there").mkdir()
    (site / "one.pth").write_text(str(tmp_path / "there") + "\n")
    search_path.refresh(before)
    assert sys.path[-1] == str(tmp_path / "there")


def test_bytes_that_are_no_text_do_not_stop_it(site: Path) -> None:
    before = search_path.snapshot()
    (site / "odd.pth").write_bytes(b"\xef\xbb\xbf\xff\xfe\x01\nimport x\n")
    assert search_path.refresh(before) == ["odd.pth"]


def test_site_packages_that_did_not_exist_at_start(site: Path, tmp_path: Path) -> None:
    sys.path.remove(str(site))
    site.rmdir()
    before = search_path.snapshot()
    assert before == {}
    assert search_path.refresh(before) == []
    assert str(site) not in sys.path
    site.mkdir()
    search_path.refresh(before)
    assert sys.path[-1] == str(tmp_path / "site-packages")

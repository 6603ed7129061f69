"""Answers on disk: whole or not at all, private, and not more than enough."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jupyter_pkgmgr.catalog.cache import CachedAnswer, HttpCache


def test_a_file_left_by_a_crash_is_no_answer(tmp_path: Path) -> None:
    cache = HttpCache(tmp_path)
    cache.store("key", url="http://x/", headers={"etag": '"1"', "set-cookie": "no"}, body=b"body\nof two lines")
    found = cache.load("key")
    assert found is not None
    assert found.body == b"body\nof two lines"
    assert found.headers == {"etag": '"1"'}
    assert cache.load("other") is None
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    whole = path.read_bytes()
    for broken in (
        b"",
        whole[:5],
        whole[:-1],
        b"{}\n",
        b"[]\nx",
        b"\xff\n",
        whole.replace(b'"format": 1', b'"format": 2'),
    ):
        path.write_bytes(broken)
        assert cache.load("key") is None
    if os.name == "posix":
        assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("control", "age", "fresh"),
    [
        ("max-age=600", 599, True),
        ("max-age=600", 600, False),
        ("MAX-AGE=600", 1, True),
        ("max-age=99999999999999", 1, True),
        ("max-age=365000000, immutable", 10_000_000, True),
        ("max-age=x", 0, False),
        ("s-maxage=600", 1, False),
        ("no-cache, max-age=600", 0, False),
        ("", 0, False),
    ],
)
def test_freshness(control: str, age: int, *, fresh: bool) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    answer = CachedAnswer(url="", headers={"cache-control": control}, body=b"", confirmed=now - timedelta(seconds=age))
    assert answer.is_fresh(now) is fresh


def test_the_oldest_answers_go_when_there_are_too_many(tmp_path: Path) -> None:
    cache = HttpCache(tmp_path)
    for number in range(10):
        cache.store(f"key {number}", url="", headers={}, body=bytes(1000))
        (newest,) = (path for path in tmp_path.glob("??/*") if path.stat().st_mtime > 1_000_000)
        os.utime(newest, (number, number))
    cache.trim(limit=20_000)
    assert all(cache.load(f"key {number}") for number in range(10)), "few enough"
    HttpCache(tmp_path).trim(limit=5_000)
    assert cache.load("key 0"), "an object that added nothing drops nothing"
    cache.trim(limit=5_000)
    kept = [number for number in range(10) if cache.load(f"key {number}")]
    assert kept == [8, 9]

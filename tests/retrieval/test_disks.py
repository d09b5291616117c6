"""Disks that cannot be written, or have no room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shortlist.errors import StorageFullError, StoreError
from shortlist.retrieval import BM25, Dense, Index
from shortlist.types import Document, Query

from .material import HashingEncoder


def fill(folder: Path, count: int) -> Path:
    with Index.create(folder, encoder=HashingEncoder()) as index:
        index.upsert([Document(f"shared word{i}", f"d{i}") for i in range(count)])
    return folder


def assert_whole(index: Index, count: int) -> None:
    assert index.count() == count
    assert len(BM25(index).retrieve(Query("shared"), depth=count + 5)) == count
    assert len(Dense(index, HashingEncoder()).retrieve(Query("shared"), depth=count + 5)) == count


def test_a_disk_that_is_read_only_is_searched_and_not_written(disk_of: Callable[[str], Path]) -> None:
    disk = disk_of("400m")
    folder = fill(disk / "index", 50)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with Index.open(folder, encoder=HashingEncoder(), read_only=True) as index:
        assert_whole(index, 50)
        with pytest.raises(StoreError, match="opened with read_only=True"):
            index.upsert([Document("x", "x")])
    with pytest.raises(StoreError, match=r"cannot write to .*; open with read_only=True to search only"):
        Index.open(folder, encoder=HashingEncoder())
    with pytest.raises(StoreError, match="cannot make the folder"):
        Index.create(disk / "another", encoder=HashingEncoder())


def test_optimising_without_room_is_refused_and_loses_nothing(disk_of: Callable[[str], Path]) -> None:
    disk = disk_of("400m")
    folder = fill(disk / "index", 3000)
    with Index.open(folder, encoder=HashingEncoder()) as index:
        (disk / "other").write_bytes(bytes(shutil.disk_usage(disk).free - (40 << 20)))
        with pytest.raises(StorageFullError, match="free some space and repeat the last call"):
            index.optimize()
        assert_whole(index, 3000)
    (disk / "other").unlink()
    with Index.open(folder, encoder=HashingEncoder()) as index:
        index.optimize()
        assert_whole(index, 3000)

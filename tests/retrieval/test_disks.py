"""Disks that cannot be written, or have no room."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shortlist import index_paths
from shortlist.cli.search import ready_index
from shortlist.errors import ReadOnlyIndexError, StorageFullError, StoreError
from shortlist.retrieval import BM25, Dense, Index
from shortlist.settings import Settings
from shortlist.types import Document, Query

from .material import HashingEncoder
from .processes import start


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
    with pytest.raises(ReadOnlyIndexError, match=r"cannot write to .*; it can only be opened read-only"):
        Index.open(folder, encoder=HashingEncoder())
    with pytest.raises(StoreError, match="cannot make the folder"):
        Index.create(disk / "another", encoder=HashingEncoder())


def test_a_folder_with_its_index_on_a_read_only_disk_is_searched_as_it_was_indexed(
    disk_of: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    docs, chosen = disk_of("400m"), Settings(engine="onnxruntime")
    (docs / "a.txt").write_text("text", encoding="utf-8")
    index_paths([docs], docs / ".shortlist", settings=chosen)
    subprocess.run(["mount", "-o", "remount,ro", str(docs)], check=True)
    assert ready_index(docs, chosen) == docs / ".shortlist"
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("note: cannot write to")
    assert said.endswith("it can only be opened read-only; searching what is committed so far")


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


def test_a_reader_without_room_says_how_much_it_needs(disk_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = fill(tmp_path / "index", 50)
    with start("read", folder, TMPDIR=str(disk_of("20m"))) as reader:
        said, _ = reader.communicate(timeout=60)
    assert re.search(r"StorageFullError .* needs (6[4-9]|[7-9]\d) MB, and (19|20) MB are left there; set TMPDIR", said)

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from forked import in_a_fork
from shortlist.errors import IndexLockedError, StoreError
from shortlist.retrieval import BM25, Index, Sharded
from shortlist.retrieval.locks import ProcessLock
from shortlist.types import Document, Query

from .processes import start


def documents(first: int, count: int) -> list[Document]:
    return [Document(f"shared word{i}", str(i)) for i in range(first, first + count)]


def copies(folder: Path) -> list[Path]:
    return list(folder.glob("shortlist-reader-*"))


def test_a_second_writer_is_refused_and_told_who_writes(index: Index) -> None:
    with start("own", index.path) as other:
        said, _ = other.communicate(timeout=60)
    assert said.startswith("IndexLockedError")
    assert f"open for writing by process {os.getpid()}" in said
    with pytest.raises(IndexLockedError, match=str(os.getpid())):
        Index.open(index.path)


def test_readers_see_what_was_committed_and_hinder_no_writer(index: Index, tmp_path: Path) -> None:
    copied = tmp_path / "copies"
    copied.mkdir()
    index.upsert(documents(0, 30))
    first, second = (start("read", index.path, TMPDIR=str(copied)) for _ in range(2))
    with first, second:
        for reader in (first, second):
            assert reader.stdout is not None
            assert reader.stdout.readline() == "found 30\n"
        assert len(copies(copied)) == 2
        index.upsert(documents(30, 20))
        index.delete(["0", "1"])
        for reader in (first, second):
            said, _ = reader.communicate("\n", timeout=60)
            assert said == "found 30\n"  # a reader sees the index as it was when it was opened
    assert copies(copied) == []
    with Index.open(index.path, read_only=True) as later:
        assert len(BM25(later).retrieve(Query("shared"), depth=99)) == 48


def test_a_writer_changes_no_file_when_it_closes_while_a_reader_copies_them(index: Index) -> None:
    index.upsert(documents(0, 3))
    copying, seal = ProcessLock(index.path / "shard.lock"), index.path / "shard.seal"
    with ThreadPoolExecutor(1) as threads:
        with copying.held("shared"):
            closing = threads.submit(index.close)
            assert not wait([closing], timeout=1).done
            assert not seal.exists()
        closing.result()
    assert seal.exists()


def test_the_copy_of_a_killed_reader_is_swept_by_the_next(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.upsert(documents(0, 3))
    with start("read", index.path, TMPDIR=str(tmp_path)) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        (left,) = copies(tmp_path)
        os.utime(left, (0, 0))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with Index.open(index.path, read_only=True) as beside:
            assert left.exists(), "a live reader's copy must stay"
            assert beside.count() == 3
        reader.kill()
    with Index.open(index.path, read_only=True):
        assert not left.exists()


def test_a_killed_writer_leaves_no_lock(index: Index) -> None:
    index.close()
    with start("own", index.path) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(IndexLockedError, match=f"process {other.pid}"):
            Index.open(index.path)
        other.kill()
    with Index.open(index.path) as again:
        again.upsert([])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads: that is the point
def test_an_index_that_was_open_before_a_fork_says_where_to_open_it(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    index.upsert(documents(0, 3))
    with Index.open(index.path, read_only=True) as reader:
        sharded = Sharded([reader])
        assert len(sharded.search_text("shared", depth=9).hits) == 3

        def search_and_close() -> bool:
            for one in (reader, sharded, index):
                with pytest.raises(StoreError, match=r"before this process was forked.*open it in each process"):
                    one.search_text("shared", depth=9)
            with pytest.raises(StoreError, match="open it in each process"):
                index.delete(["0"])
            reader.close()
            with Index.open(index.path, read_only=True) as own:
                return len(own.search_text("shared", depth=9).hits) == 3

        assert in_a_fork(search_and_close)
        assert len(copies(tmp_path)) == 1
        assert len(reader.search_text("shared", depth=9).hits) == 3
        sharded.close()

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shortlist.retrieval import BM25, Dense, Index
from shortlist.retrieval.documents import Change, DocumentStore
from shortlist.retrieval.edge import Shard
from shortlist.retrieval.recovery import entry_of
from shortlist.retrieval.rows import Row
from shortlist.types import Document, Query

from .material import HashingEncoder
from .processes import BATCH, start


def kill_while_writing(folder: Path, *, after: int, wait_s: float) -> int:
    """Kill -9 a writer some time after it committed so many batches; return the last number it acknowledged."""
    with start("write", folder) as process:
        assert process.stdout is not None
        acknowledged = -1
        for line in process.stdout:
            if line.startswith("committed"):
                acknowledged, after = int(line.split()[1]), after - 1
            if after == 0:
                break
        time.sleep(wait_s)
        process.kill()
        for line in process.stdout:
            acknowledged = int(line.split()[1])
    assert process.returncode not in (0, 1)
    return acknowledged


def assert_whole(index: Index, acknowledged: int) -> None:
    last, odd = divmod(index.count() - 10, BATCH)
    assert odd == 0, "part of a call was committed"
    assert last - 1 in (acknowledged, acknowledged + 1)
    everything = BM25(index).retrieve(Query("shared"), depth=index.count() + 5)
    assert len(everything) == index.count()
    assert {index.get(f"fixed-{i}").text for i in range(10)} == {f"fixed version{last - 1} shared"}
    assert len(BM25(index).retrieve(Query(f"version{last - 1}"), depth=50)) == 10
    assert len(BM25(index).retrieve(Query(f"version{last - 2}"), depth=50)) == 0
    assert len(Dense(index, HashingEncoder()).retrieve(Query("x"), depth=10_000)) == index.count()
    assert index.count({"absent": 1}) == 0


def test_a_killed_writer_leaves_whole_calls_and_the_next_one_resumes(tmp_path: Path) -> None:
    folder, chance = tmp_path / "index", random.Random(7)
    for after in (2, 4):
        acknowledged = kill_while_writing(folder, after=after, wait_s=chance.random() * 0.15)
        with Index.open(folder, encoder=HashingEncoder(), read_only=True) as reader:
            assert_whole(reader, acknowledged)
    with Index.open(folder, encoder=HashingEncoder()) as index:
        assert_whole(index, acknowledged)
    with Index.open(folder, encoder=HashingEncoder()) as index:
        assert index.recovery == ""


def test_points_that_were_never_committed_are_not_shown_and_are_removed(tmp_path: Path) -> None:
    folder, encoder = tmp_path / "index", HashingEncoder()
    with Index.create(folder, encoder=encoder) as index:
        index.upsert([Document("shared word", "a"), Document("shared", "b")])
    # what a kill between the engine's write and the commit leaves: points without a row, no seal
    shard = Shard.load(folder / "shard", dimension=encoder.dimension)
    shard.upsert(
        [entry_of(Row(7 + i, Document("shared word", f"{i}"), "", np.ones(64, np.float16))) for i in range(90)]
    )
    shard.close()
    (folder / "shard.seal").unlink()
    with Index.open(folder, encoder=encoder, read_only=True) as reader:
        assert BM25(reader).retrieve(Query("word"), depth=5).doc_ids == ("a",)
    with Index.open(folder, encoder=encoder) as index:
        assert "0 documents were taken from the store and 90 uncommitted points removed" in index.recovery
        assert set(Dense(index, encoder).retrieve(Query("x"), depth=5).doc_ids) == {"a", "b"}
        index.upsert([Document("shared word", "c")])
    store = DocumentStore.open(folder / "documents.sqlite", read_only=True)
    assert store.points().tolist() == [1, 2, 97]  # the ids of lost points are never used again
    store.close()


def test_searching_passes_over_points_that_are_not_committed_yet(index: Index) -> None:
    index.upsert([Document("shared", "a"), Document("shared", "b")])
    pending = [
        entry_of(Row(500 + i, Document("shared shared", f"{i}"), "", np.ones(64, np.float16))) for i in range(90)
    ]
    index._shard.upsert(pending)
    assert set(BM25(index).retrieve(Query("shared"), depth=2).doc_ids) == {"a", "b"}


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 110 MB."""
    return disk_of("110m")


def test_a_full_disk_is_an_error_and_what_was_committed_is_readable(small_disk: Path) -> None:
    with start("fill", small_disk / "index") as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    error, number, counted, *message = said.split()
    assert error == "StorageFullError"
    assert "free some space and repeat the last call" in " ".join(message)
    assert int(counted) == int(number) * 50 > 0
    with Index.open(small_disk / "index", encoder=HashingEncoder(), read_only=True) as index:
        assert index.count() == int(counted)
        assert len(BM25(index).retrieve(Query("shared"), depth=10_000)) == int(counted)


class InterruptedStore(DocumentStore):
    """A store whose user presses Ctrl-C just before or just after the commit."""

    is_before = False

    def apply(self, change: Change) -> list[int]:
        if self.is_before:
            raise KeyboardInterrupt
        super().apply(change)
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_before", [True, False])
def test_an_interrupt_around_the_commit_leaves_all_or_nothing(index: Index, is_before: bool) -> None:
    index.upsert([Document("old shared", "a"), Document("shared", "b")])
    index._opened.store.__class__ = InterruptedStore
    index._opened.store.__dict__["is_before"] = is_before
    with pytest.raises(KeyboardInterrupt):
        index.upsert([Document("new shared", "a")])
    index.close()
    with Index.open(index.path) as again:
        assert again.get("a").text == ("old shared" if is_before else "new shared")
        assert BM25(again).retrieve(Query(again.get("a").text), depth=5).doc_ids == ("a", "b")
        assert again.count() == 2
    with Index.open(index.path) as sealed:
        assert sealed.recovery == ""


def test_a_repair_that_is_interrupted_is_made_again(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.upsert([Document("shared", f"{i}") for i in range(30)])
    index.close()

    def interrupted(store: DocumentStore, points: list[int]) -> list[Row]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(DocumentStore, "rows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Index.rebuild(index.path)
    with Index.open(index.path) as again:
        assert "30 documents were taken from the store" in again.recovery
        assert len(BM25(again).retrieve(Query("shared"), depth=99)) == 30

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
import qdrant_edge as qdrant

from shortlist.errors import CorruptIndexError, IndexMismatchError, IndexNotFoundError, StorageFullError
from shortlist.retrieval import BM25, Dense, Index
from shortlist.retrieval.documents import Change, DocumentStore, Manifest
from shortlist.retrieval.edge import Shard
from shortlist.retrieval.rows import Row
from shortlist.types import Document, Query

from .material import HashingEncoder


@pytest.fixture
def folder(index: Index) -> Path:
    index.upsert([Document(f"shared word{i} " + "x" * 500, str(i)) for i in range(60)])
    index.close()
    return index.path


def largest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("pattern", ["shard/edge_config.json", "shard/segments/*/vector_storage-*/**/chunk_0.mmap"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_truncated_engine_file_is_named_and_rebuilding_mends_it(folder: Path, pattern: str, read_only: bool) -> None:
    damaged = largest(folder, pattern)
    with damaged.open("r+b") as file:
        file.truncate(damaged.stat().st_size // 2)
    with pytest.raises(CorruptIndexError, match=r"Index\.rebuild") as caught:
        Index.open(folder, encoder=HashingEncoder(), read_only=read_only)
    assert damaged.name in str(caught.value)
    assert Index.rebuild(folder) == 60
    with Index.open(folder, encoder=HashingEncoder(), read_only=read_only) as index:
        assert len(BM25(index).retrieve(Query("shared"), depth=99)) == 60


def test_unreadable_engine_files_of_equal_size_are_a_clear_error(folder: Path) -> None:
    damaged = folder / "shard" / "edge_config.json"
    damaged.write_bytes(b"\xff" * damaged.stat().st_size)
    with pytest.raises(CorruptIndexError, match=r"Index\.rebuild"):
        Index.open(folder)
    assert Index.rebuild(folder) == 60


def test_a_missing_shard_is_a_clear_error_when_it_was_sealed_and_made_again_when_not(folder: Path) -> None:
    shutil.rmtree(folder / "shard")
    with pytest.raises(CorruptIndexError, match="no search engine shard"):
        Index.open(folder)
    (folder / "shard.seal").unlink()
    with Index.open(folder) as index:
        assert "60 documents were taken from the store" in index.recovery
        assert len(BM25(index).retrieve(Query("shared"), depth=99)) == 60


def test_an_unreadable_shard_of_an_interrupted_writer_is_made_again(folder: Path) -> None:
    (folder / "shard.seal").unlink()
    (folder / "shard" / "edge_config.json").write_text("{")
    with Index.open(folder, encoder=HashingEncoder()) as index:
        assert "unreadable: 60 documents" in index.recovery
        assert len(BM25(index).retrieve(Query("shared"), depth=99)) == 60


def test_a_shard_whose_making_was_interrupted_is_made_again(folder: Path) -> None:
    shutil.rmtree(folder / "shard")
    (folder / "shard.seal").unlink()
    vectors = {"dense": qdrant.EdgeVectorParams(64, qdrant.Distance.Cosine)}
    # what is there before the fields are named by which documents are found
    qdrant.EdgeShard.create(str(folder / "shard"), qdrant.EdgeConfig(vectors=vectors, wal_enabled=False)).close()
    with Index.open(folder, encoder=HashingEncoder()) as index:
        assert "were unreadable: 60 documents" in index.recovery
        assert len(BM25(index).retrieve(Query("shared"), depth=99)) == 60


@pytest.mark.parametrize("read_only", [True, False])
def test_files_copied_while_they_were_written_are_made_again_where_vectors_are_missing(
    folder: Path, read_only: bool
) -> None:
    shard = Shard.load(folder / "shard", dimension=64)
    shard._shard.update(qdrant.UpdateOperation.delete_vectors([3, 4], ["dense"]))
    shard.close()
    (folder / "shard.seal").unlink()
    with Index.open(folder, encoder=HashingEncoder(), read_only=read_only) as index:
        assert "60 documents were taken from the store" in index.recovery
        assert len(Dense(index, HashingEncoder()).retrieve(Query("shared"), depth=99)) == 60
        assert len(BM25(index).retrieve(Query("shared"), depth=99)) == 60


def test_a_damaged_seal_is_named(folder: Path) -> None:
    (folder / "shard.seal").write_text("{}")
    with pytest.raises(CorruptIndexError, match=r"shard\.seal is damaged"):
        Index.open(folder)


def test_a_damaged_document_file_is_a_clear_error(folder: Path) -> None:
    file = folder / "documents.sqlite"
    content = file.read_bytes()
    file.write_bytes(b"no database at all" * 100)
    for read_only in (True, False):
        with pytest.raises(CorruptIndexError, match=r"documents\.sqlite is damaged"):
            Index.open(folder, read_only=read_only)
    file.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))

    def read_all() -> None:
        with Index.open(folder) as index:
            for i in range(60):
                index.get(str(i))

    with pytest.raises(CorruptIndexError, match=r"documents\.sqlite is damaged"):
        read_all()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", "99", "schema version 99 .* but this version of shortlist reads 3"),
        ("analyzer", "other", "reads words by 'other'"),
    ],
)
def test_an_index_of_another_version_is_refused(folder: Path, key: str, value: str, said: str) -> None:
    with sqlite3.connect(folder / "documents.sqlite") as connection:
        connection.execute("UPDATE manifest SET value = ? WHERE key = ?", (value, key))
    connection.close()
    with pytest.raises(IndexMismatchError, match=said):
        Index.open(folder)


def test_an_index_whose_making_was_interrupted_can_be_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    folder.mkdir()
    sqlite3.connect(folder / "documents.sqlite").close()
    (folder / "documents.sqlite").touch()
    with pytest.raises(IndexNotFoundError, match="interrupted"):
        Index.open(folder)
    with Index.create(folder) as index:
        assert index.count() == 0


def test_a_full_document_file_is_a_storage_error_and_changes_nothing(tmp_path: Path) -> None:
    store = DocumentStore.create(tmp_path / "d.sqlite", Manifest("", 0, "a", "t"))
    store.apply(Change([Row(1, Document("kept", "k"), "", None)]))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFullError, match="free some space"):
        store.apply(Change([Row(2, Document("x" * 100_000, "big"), "", None)], forget_ids=["k"]))
    assert (store.count(), store.revision()) == (1, 1)
    store.close()

"""The documents in a plain, rebuildable form: one SQLite file, the index's source of truth.

Whatever the search engine's own files hold is made from these rows, and can be made
again without encoding anything a second time: vectors are kept here in half precision.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.errors import CorruptIndexError, IndexLockedError, IndexNotFoundError, StorageFullError, StoreError
from shortlist.retrieval.rows import Row, decoded, document_of, encoded, row_of, values_of
from shortlist.types import Document

SCHEMA_VERSION = 3
IDENTITY = "identity"  # a note that no other index has, whatever is in it; a copy's is the same

_SCHEMA = """
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    point INTEGER PRIMARY KEY,
    doc_id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    title TEXT NOT NULL,
    metadata TEXT NOT NULL,
    place TEXT,
    tokenizer TEXT,
    tokens BLOB,
    vector BLOB
);
CREATE INDEX documents_by_source ON documents (source);
CREATE TABLE sources (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    recipe TEXT NOT NULL,
    parts INTEGER NOT NULL,
    gave_way_to TEXT NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = "point, doc_id, source, text, title, metadata, place, tokenizer, tokens, vector"
_PLACES = "?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?"
_AT_ONCE = 500  # SQLite before 3.32 takes at most 999 parameters in a statement


@dataclass(frozen=True, slots=True)
class Source:
    """A file (or another origin) that documents came from, as it was when it was indexed.

    `recipe` names how it was read; `parts` is 0 when it was read to its end, else how many
    parts of it were. `gave_way_to` are the sources that have ids which it brings too.
    `passages` is how many documents of the index came from it; it is counted when asked.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    recipe: str = ""
    parts: int = 0
    passages: int = 0
    gave_way_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index was made with. `encoder` is empty and `dimension` 0 when it holds no vectors."""

    encoder: str
    dimension: int
    analyzer: str
    created_by: str
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Change:
    """One commit: what leaves and what enters. A row replaces one of the same doc_id."""

    rows: Sequence[Row] = ()
    forget_ids: Sequence[str] = ()
    forget_source: str | None = None
    record: Source | None = None
    next_point: int | None = None


class DocumentStore:
    """Rows of documents and sources, with transactions. Any thread may call it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._lock = threading.RLock()

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> DocumentStore:
        """Make the file with its tables in one transaction. Raises StoreError when it has them already."""
        with _translated(path):
            store = cls(_connect(path, "mode=rwc"), path)
            with store._transaction() as cursor:
                for statement in _SCHEMA.split(";\n"):
                    cursor.execute(statement)
                pairs = {
                    "schema": manifest.schema,
                    "encoder": manifest.encoder,
                    "dimension": manifest.dimension,
                    "analyzer": manifest.analyzer,
                    "created_by": manifest.created_by,
                    "next_point": 1,
                    "revision": 0,
                    f"note {IDENTITY}": secrets.token_hex(8),
                }
                cursor.executemany("INSERT INTO manifest VALUES (?, ?)", [(k, str(v)) for k, v in pairs.items()])
        return store

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> DocumentStore:
        """Open the file; `read_only` sees it as it is now until it is closed, whatever others commit.

        Raises IndexNotFoundError when it is absent or was never finished, CorruptIndexError.
        """
        if not path.exists():
            raise IndexNotFoundError(f"there is no file {path}")
        with _translated(path):
            connection = _connect(path, _read_only_access(path) if read_only else "mode=rw")
            found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'manifest'").fetchone()
            if not found[0]:
                connection.close()
                raise IndexNotFoundError(f"{path} holds no index: making one was interrupted")
            if read_only:
                connection.execute("BEGIN")  # the next statement fixes the snapshot
                connection.execute("SELECT count(*) FROM manifest").fetchone()
            return cls(connection, path)

    def close(self) -> None:
        """Close the file; committed changes are in it."""
        with self._lock:
            self._connection.close()

    def manifest(self) -> Manifest:
        """Return what the index was made with."""
        pairs = {decoded(key): decoded(value) for key, value in self._select("SELECT key, value FROM manifest")}
        return Manifest(
            pairs["encoder"], int(pairs["dimension"]), pairs["analyzer"], pairs["created_by"], int(pairs["schema"])
        )

    def note(self, name: str) -> str:
        """Return what was noted under a name, or ''."""
        found = self._select("SELECT value FROM manifest WHERE key = ?", [f"note {name}"])
        return decoded(found[0][0]) if found else ""

    def write_note(self, name: str, text: str) -> None:
        """Note something in one commit, in the place of what was noted under the name."""
        with _translated(self._path), self._transaction() as cursor:
            cursor.execute("INSERT OR REPLACE INTO manifest VALUES (?, ?)", (f"note {name}", text))

    def revision(self) -> int:
        """Return how many commits were made."""
        return self._number("revision")

    def next_point(self) -> int:
        """Return the lowest point id that no committed row has ever had."""
        return self._number("next_point")

    def apply(self, change: Change) -> list[int]:
        """Commit a change and return the point ids that left. Raises StorageFullError; then nothing has changed."""
        gone = [*change.forget_ids, *(row.document.doc_id for row in change.rows)]
        with _translated(self._path), self._transaction() as cursor:
            points = _points(cursor, "doc_id", gone)
            if change.forget_source is not None:
                points |= _points(cursor, "source", [change.forget_source])
                cursor.execute("DELETE FROM sources WHERE path = CAST(? AS TEXT)", (encoded(change.forget_source),))
            cursor.executemany("DELETE FROM documents WHERE point = ?", [(point,) for point in points])
            cursor.executemany(f"INSERT INTO documents ({_COLUMNS}) VALUES ({_PLACES})", map(values_of, change.rows))
            if (record := change.record) is not None:
                values = (record.size, record.mtime_ns, record.sha256, record.recipe, record.parts)
                cursor.execute(
                    "INSERT OR REPLACE INTO sources VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?)",
                    (encoded(record.path), *values, json.dumps(record.gave_way_to)),
                )
            cursor.execute("UPDATE manifest SET value = CAST(value + 1 AS TEXT) WHERE key = 'revision'")
            if change.next_point is not None:
                cursor.execute("UPDATE manifest SET value = ? WHERE key = 'next_point'", (str(change.next_point),))
        return sorted(points)

    def rows(self, points: Sequence[int]) -> Iterator[Row]:
        """Return the rows of these points, in no order; points without a row are left out."""
        return map(row_of, self._values(points))

    def documents(self, points: Sequence[int], encoder: str) -> dict[int, Document]:
        """Return the documents of these points, with their vectors as `encoder` made them; others are left out."""
        return {values[0]: document_of(values, encoder=encoder) for values in self._values(points)}

    def rows_after(self, point: int, at_most: int) -> list[Row]:
        """Return the rows of the next points, ascending."""
        statement = f"SELECT {_COLUMNS} FROM documents WHERE point > ? ORDER BY point LIMIT ?"
        return [row_of(values) for values in self._select(statement, (point, at_most))]

    def find(self, doc_id: str, encoder: str) -> Document | None:
        """Return the document with this id, with its vector as `encoder` made it, or None."""
        found = self._select(f"SELECT {_COLUMNS} FROM documents WHERE doc_id = CAST(? AS TEXT)", [encoded(doc_id)])
        return document_of(found[0], encoder=encoder) if found else None

    def source_of(self, doc_id: str) -> str | None:
        """Return the source of the document with this id, or None."""
        found = self._select("SELECT source FROM documents WHERE doc_id = CAST(? AS TEXT)", [encoded(doc_id)])
        return decoded(found[0][0]) if found else None

    def points(self) -> npt.NDArray[np.int64]:
        """Return all point ids, ascending."""
        return np.array(self._select("SELECT point FROM documents ORDER BY point"), dtype=np.int64).reshape(-1)

    def count(self) -> int:
        """Return how many documents there are."""
        return int(self._select("SELECT count(*) FROM documents")[0][0])

    def vectors(self) -> int:
        """Return how many documents have a vector."""
        return int(self._select("SELECT count(vector) FROM documents")[0][0])

    def sources(self) -> dict[str, Source]:
        """Return the recorded sources by path, in order of path."""
        found = self._select(
            "SELECT path, size, mtime_ns, sha256, recipe, parts, gave_way_to,"
            " (SELECT count(*) FROM documents WHERE source = path) FROM sources ORDER BY path"
        )
        records = (
            Source(
                decoded(path), size, mtime, decoded(sha256), decoded(recipe), parts, passages, tuple(json.loads(way))
            )
            for path, size, mtime, sha256, recipe, parts, way, passages in found
        )
        return {record.path: record for record in records}

    def _values(self, points: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(points), _AT_ONCE):
            some = points[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from self._select(f"SELECT {_COLUMNS} FROM documents WHERE point IN ({marks})", some)

    def _number(self, key: str) -> int:
        return int(self._select("SELECT value FROM manifest WHERE key = ?", [key])[0][0])

    def _select(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with _translated(self._path), self._lock:
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have rolled it back already
                    cursor.execute("ROLLBACK")
                raise


def _points(cursor: sqlite3.Cursor, column: str, values: Iterable[str]) -> set[int]:
    statement = f"SELECT point FROM documents WHERE {column} = CAST(? AS TEXT)"
    return {point for value in values for (point,) in cursor.execute(statement, (encoded(value),))}


def _connect(path: Path, access: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{access}", uri=True, timeout=30.0, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = bytes  # decoded in rows.py: text may hold lone surrogates
    if access != "immutable=1":
        connection.execute("PRAGMA journal_mode = WAL") if access != "mode=ro" else None
        connection.execute("PRAGMA synchronous = FULL")  # a commit that was acknowledged survives a power cut
    return connection


def _read_only_access(path: Path) -> str:
    # WAL wants to write its shared-memory file; on a read-only disk without a pending
    # log the file cannot change, so it may be read as immutable
    log = path.with_name(f"{path.name}-wal")
    return "mode=ro" if log.exists() or os.access(path.parent, os.W_OK) else "immutable=1"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _our_error(error, path) from error


def _our_error(error: sqlite3.Error, path: Path) -> StoreError:
    said = str(error)
    if "full" in said:
        return StorageFullError(
            f"the disk is full while writing {path} ({said}); free some space and repeat the last call."
            " Everything committed before it is intact"
        )
    if "locked" in said or "busy" in said:
        return IndexLockedError(f"{path} is being written by another process ({said}); try again when it is done")
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
        return StoreError(f"cannot read or write {path}: {said}")
    return CorruptIndexError(
        f"{path} is damaged ({said}); restore the folder from a copy, or delete it and index the documents again"
    )

"""An index on disk: documents that can be found by their words and by their vectors.

One process writes; any number read beside it. The engine allows one process a folder,
so a reader opens a private copy of the engine's files and sees the index as it was then.

    documents.sqlite   the documents and their vectors, the source of truth
    shard/             the search engine's files, made from them
    shard.seal         their sizes, while no writer has them open
    writer.lock, writer.pid, shard.lock
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shortlist.errors import IndexLockedError, InputError, StoreError
from shortlist.protocols import Encoder
from shortlist.retrieval.documents import Change, DocumentStore, Manifest, Source
from shortlist.retrieval.edge import Shard, VectorSearch
from shortlist.retrieval.filters import Where, parse
from shortlist.retrieval.opening import Opened, create_index, open_reader, open_writer, rebuild_index
from shortlist.retrieval.prepare import Tokenize, prepared
from shortlist.retrieval.recovery import entry_of
from shortlist.retrieval.rows import Row
from shortlist.retrieval.store import Found, best_of
from shortlist.types import Document
from shortlist.types.document import check_id, check_ids

CODES_FROM = 50_000
"""Documents from which `optimize` makes 4-bit codes of the vectors: a million take a third of exact search's time."""

GRAPH_FROM = 2_000_000
"""Documents from which `optimize` builds an HNSW graph: at a million it is no faster than codes, and misses some."""

_FLUSH_AFTER = 5000  # changed points; what a crash leaves to be repaired from the store
_OPTIMIZED = "optimized"  # the note of how many points had been given and how many documents there were then
_LOCK_TIMEOUT_S = 60.0
_ATTEMPTS = 3


class _Hit(NamedTuple):
    order: int
    score: float


class Index:
    """Documents with BM25 and vector search. Make one with `create` or `open`; any thread may use it.

    Each writing call is one commit: after a crash at any moment the index holds all of it
    or nothing of it. A document with blank text is kept and counted but has no words and
    gets no vector, so no search finds it. In a process that was forked since, it raises StoreError: open it there.
    """

    def __init__(self, opened: Opened, *, encoder: Encoder | None, tokenize: Tokenize | None) -> None:
        self._opened, self._encoder, self._tokenize = opened, encoder, tokenize
        self._lock = threading.RLock()
        self._next_point, self._unflushed = opened.next_point, 0
        self._is_closed = False
        self._process = os.getpid()

    @classmethod
    def create(cls, path: str | Path, *, encoder: Encoder | None = None, tokenize: Tokenize | None = None) -> Index:
        """Make an empty index in a folder and open it for writing.

        Without an encoder it can be searched by words only. `tokenize` makes the token
        ids that come back with each document. Raises InputError when the folder already
        holds an index, IndexLockedError, StorageFullError.
        """
        return cls(create_index(Path(path).absolute(), encoder), encoder=encoder, tokenize=tokenize)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        encoder: Encoder | None = None,
        tokenize: Tokenize | None = None,
        read_only: bool = False,
    ) -> Index:
        """Open an index for writing, or with `read_only` a private copy that any number of processes may have.

        A writer first brings the engine's files in line with the committed documents if
        the last one was interrupted; `recovery` says what was done. Raises
        IndexNotFoundError, IndexMismatchError (another encoder or schema),
        IndexLockedError (another writer), CorruptIndexError.
        """
        opening = open_reader if read_only else open_writer
        return cls(opening(Path(path).absolute(), encoder), encoder=encoder, tokenize=tokenize)

    @classmethod
    def rebuild(cls, path: str | Path) -> int:
        """Make the search engine's files again from the documents, encoding nothing; return how many there are.

        Raises as `open` does, except for damage to those files.
        """
        return rebuild_index(Path(path))

    @property
    def path(self) -> Path:
        """The index's folder, absolute: the process may change its own."""
        return self._opened.path

    @property
    def name(self) -> str:
        """The index's folder, for messages."""
        return str(self.path)

    @property
    def manifest(self) -> Manifest:
        """What the index was made with."""
        return self._opened.manifest

    @property
    def recovery(self) -> str:
        """What opening had to repair, in words; empty when nothing."""
        return self._opened.recovery

    @property
    def is_read_only(self) -> bool:
        """Whether this is a reader's private copy."""
        return not self._opened.is_writer

    @property
    def vector_search(self) -> str:
        """How vectors are found, `exact`, `codes` or `HNSW`; see `optimize`."""
        return self._shard.vector_search.value

    @property
    def is_remote(self) -> bool:
        """Never: the engine is in this process."""
        return False

    def upsert(self, documents: Sequence[Document], *, source: str = "") -> None:
        """Add documents in one commit, replacing those of the same doc_id; of one id given twice the later wins.

        Raises InputError (nothing is written), StorageFullError (nothing is committed).
        """
        self._write(documents, source, Change())

    def replace_source(self, source: Source, documents: Sequence[Document]) -> None:
        """Swap all documents of a source for these, and record the source's state, in one commit."""
        self._write(documents, source.path, Change(forget_source=source.path, record=source))

    def extend_source(self, source: Source, documents: Sequence[Document]) -> None:
        """Add documents to those of a source, and record the source's state, in one commit."""
        self._write(documents, source.path, Change(record=source))

    def delete(self, doc_ids: Sequence[str]) -> None:
        """Remove documents in one commit; an id that is not there does not matter."""
        check_ids(doc_ids)
        self._write((), "", Change(forget_ids=tuple(doc_ids)))

    def delete_source(self, source: str) -> None:
        """Remove all documents of a source, and its record, in one commit."""
        self._write((), "", Change(forget_source=source))

    def get(self, doc_id: str) -> Document:
        """Return a document. Raises InputError when there is none of that id."""
        check_id(doc_id)
        if (found := self._store.find(doc_id, self.manifest.encoder)) is None:
            raise InputError(f"the index {self.path} has no document {doc_id!r}; `in` asks whether it has")
        return found

    def __contains__(self, doc_id: object) -> bool:
        return isinstance(doc_id, str) and self._store.find(doc_id, "") is not None

    def count(self, where: Where | None = None) -> int:
        """Return how many documents there are, or how many meet a filter (see `filters`)."""
        conditions = parse(where)
        return self._shard.count(conditions) if conditions else self._store.count()

    @property
    def revision(self) -> int:
        """How many commits the index has seen."""
        return self._store.revision()

    def row_batches(self, *, after: int = 0, at_once: int = 1000) -> Iterator[list[Row]]:
        """Give all stored rows in the order in which they came in, from behind a point on, so many at a time."""
        while rows := self._store.rows_after(after, at_once):
            yield rows
            after = rows[-1].point

    def rows(self) -> Iterator[Row]:
        """Give all stored rows, with their vectors as they were stored, in the order in which they came in."""
        return (row for rows in self.row_batches() for row in rows)

    def sources(self) -> dict[str, Source]:
        """Return the recorded sources by path."""
        return self._store.sources()

    def source_of(self, doc_id: str) -> str | None:
        """Return the source that a document came from ('' when it came from none), or None when there is none of it."""
        check_id(doc_id)
        return self._store.source_of(doc_id)

    def note(self, name: str) -> str:
        """Return what was noted under a name, or ''."""
        return self._store.note(name)

    def write_note(self, name: str, text: str) -> None:
        """Keep a text with the index under a name, for whoever writes to it next."""
        with self._writing():
            self._store.write_note(name, text)

    def search_text(self, text: str, *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents with BM25 scores, best first: those that share a word with the text."""
        conditions = parse(where)
        return self._search(lambda limit: self._shard.search_text(text, limit=limit, conditions=conditions), depth)

    def search_vector(self, vector: npt.NDArray[np.float32], *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents with their cosine to a vector `[dimension]`, best first."""
        wanted = self.manifest.dimension
        if not wanted or vector.shape != (wanted,):
            raise InputError(f"the index {self.path} holds vectors of {wanted or 'no'} numbers, not {vector.shape}")
        conditions = parse(where)
        return self._search(lambda limit: self._shard.search_vector(vector, limit=limit, conditions=conditions), depth)

    @property
    def unoptimized(self) -> int:
        """How many documents came and how many left since `optimize`, at most; a replaced one did both."""
        points, count = map(int, (self._store.note(_OPTIMIZED) or "1 0").split())
        came = self._store.next_point() - points
        return came + max(0, count + came - self._store.count())

    @property
    def needs_optimizing(self) -> bool:
        """Whether a tenth of it came or left since `optimize`: it is slow to open, and BM25 counts what left."""
        return self.unoptimized * 10 >= self.count() > 0

    def optimize(self, *, codes_from: int = CODES_FROM, graph_from: int = GRAPH_FROM) -> None:
        """Rewrite the engine's files so that they open at once and search fast; call it after much indexing.

        It blocks every thread of this process, about as long as writing the documents took: the engine lets none run
        (2.5 s for 12,000 documents), so that a server does it before it answers. With
        `codes_from` documents or more it also makes codes of 4 bits a number, which are compared first and the
        best of them again in full; with `graph_from` or more an HNSW graph over the codes, which takes minutes.
        Both are approximate. Unoptimized, 20,000 documents take 4 s to open instead of .3. Documents that
        left an optimized index count in BM25's statistics until it is optimized again.
        """
        with self._writing():
            count = self.count() if self.manifest.dimension else 0
            if count >= max(1, graph_from):
                self._shard.optimize(VectorSearch.HNSW)
            else:
                self._shard.optimize(VectorSearch.CODES if count >= max(1, codes_from) else VectorSearch.EXACT)
            self._store.write_note(_OPTIMIZED, f"{self._store.next_point()} {self._store.count()}")

    def flush(self) -> None:
        """Write the engine's files to disk. Commits are safe without it; a crash then costs a shorter repair."""
        with self._writing():
            self._shard.flush()
            self._unflushed = 0

    def close(self) -> None:
        """Close the index; a second call does nothing, nor does one in a process that was forked since."""
        if self._process != os.getpid():
            return
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._opened.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _store(self) -> DocumentStore:
        self._check_open()
        return self._opened.store

    @property
    def _shard(self) -> Shard:
        self._check_open()
        return self._opened.shard

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError(f"the index {self.path} was closed; open it again")
        if self._process != os.getpid():  # the engine would wait for ever for threads that a fork lacks
            raise StoreError(
                f"the index {self.path} was opened before this process was forked, and cannot be used here: open it in"
                " each process, not before (no preloading; multiprocessing with 'spawn')"
            )

    def _check_writable(self) -> None:
        if self.is_read_only:
            raise StoreError(f"the index {self.path} was opened with read_only=True; open it without to write")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._check_writable()
        with self._lock:
            self._check_open()
            try:
                self._opened.shard_lock.acquire("exclusive", timeout_s=_LOCK_TIMEOUT_S)
            except IndexLockedError as error:
                message = f"readers have been copying {self.path} for over a minute; try again"
                raise IndexLockedError(message) from error
            try:
                yield
            finally:
                self._opened.shard_lock.release()

    def _write(self, documents: Sequence[Document], source: str, change: Change) -> None:
        self._check_writable()
        # the slow part stands outside the locks: readers can open while documents are encoded
        fresh = prepared(documents, dimension=self.manifest.dimension, encoder=self._encoder, tokenize=self._tokenize)
        with self._writing():
            first = self._next_point
            self._next_point += len(fresh)  # point ids are never used again, not even those of a failed commit
            rows = [Row(first + i, document, source, vector) for i, (document, vector) in enumerate(fresh)]
            self._commit(replace(change, rows=rows, next_point=self._next_point))

    def _commit(self, change: Change) -> None:
        # shard first: a crash before the commit leaves points without a row, which no search shows
        # and the next writer removes; a crash after it leaves retired points, the same
        added = [row.point for row in change.rows]
        before = self._store.revision()
        try:
            if added:
                self._shard.upsert([entry_of(row) for row in change.rows])
            retired = self._store.apply(change)
            self._shard.delete(retired)
        except BaseException as error:
            self._opened.doubts.append(repr(error))
            if self._store.revision() == before:  # Ctrl-C may come after the commit
                self._shard.delete(added)
            raise
        self._unflushed += len(added) + len(retired)
        if self._unflushed >= _FLUSH_AFTER:
            self._shard.flush()
            self._unflushed = 0

    def _search(self, search: Callable[[int], list[tuple[int, float]]], depth: int) -> Found:
        """Search between two commits: a document replaced while it is looked up would be missed."""

        def ask(limit: int) -> list[_Hit]:
            return [_Hit(point, score) for point, score in search(limit)]

        for _ in range(_ATTEMPTS):
            before = self._store.revision()
            found = best_of(ask, self._looked_up, depth)
            if self._store.revision() == before:
                return Found(found)
        with self._lock:  # commits come too fast: keep them waiting
            return Found(best_of(ask, self._looked_up, depth))

    def _looked_up(self, hits: Sequence[_Hit]) -> list[Document | None]:
        """Return the documents of these points with their vectors; None where a point has no row."""
        found = self._store.documents([hit.order for hit in hits], self.manifest.encoder)
        return [found.get(hit.order) for hit in hits]

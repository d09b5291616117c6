"""An index on an engine elsewhere, searched and written like one in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from shortlist.errors import IndexMismatchError, IndexNotFoundError, InputError
from shortlist.protocols import Encoder
from shortlist.retrieval.documents import Manifest
from shortlist.retrieval.filters import Where, parse
from shortlist.retrieval.prepare import Tokenize, prepared
from shortlist.retrieval.remote.engine import Collection, Retrying, Server
from shortlist.retrieval.remote.points import Layout, Stored, key_of, point_of
from shortlist.retrieval.remote.terms import Analyzer
from shortlist.retrieval.store import Found, best_of
from shortlist.transport.failures import Result
from shortlist.types import Document
from shortlist.types.document import check_id, check_ids

_AT_ONCE = 256


class RemoteIndex:
    """Documents of one collection, with BM25 and vector search; any thread may use it.

    `name` may be an alias. What it stands for is looked up when the index is opened, before anything is written, when
    `look_again_s` seconds have passed, and when the collection is gone because another was pushed in its place: what
    follows is of that one, whose encoder must be the same.

    A writing call is not one commit: an engine takes batches of points, each whole, and a
    failure in between leaves the first ones written. The call can simply be made again.
    What failed and was answered at a later attempt is said in the trace.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        encoder: Encoder | None = None,
        tokenize: Tokenize | None = None,
        retrying: Retrying | None = None,
        look_again_s: float = 10.0,
    ) -> None:
        self._server, self._encoder, self._tokenize = server, encoder, tokenize
        self._retrying = retrying or Retrying()
        self._asked_for, self._look_again_s = name, look_again_s
        self._analyzer = Analyzer()
        self._real, self._collection = self._opened(self._behind())

    @property
    def name(self) -> str:
        """The engine's address and the collection, or the alias that it was asked for by."""
        return f"{self._server.name}/{self._asked_for}"

    @property
    def layout(self) -> Layout:
        """How the collection was made."""
        return self._collection.layout

    @property
    def manifest(self) -> Manifest:
        """What the documents were indexed with."""
        return self.layout.manifest

    @property
    def vector_search(self) -> str:
        """How the engine finds vectors: `exact`, or `HNSW`."""
        return "HNSW" if self.layout.has_graph else "exact"

    @property
    def is_remote(self) -> bool:
        """Always."""
        return True

    def upsert(self, documents: Sequence[Document]) -> None:
        """Add documents, replacing those of the same doc_id; of one id given twice the later wins.

        Raises InputError before anything is written, RemoteError when the engine fails.
        """
        manifest = self.manifest
        fresh = prepared(documents, dimension=manifest.dimension, encoder=self._encoder, tokenize=self._tokenize)
        # the time orders them behind all that was pushed and among several writers
        first, length = time.time_ns(), self.layout.average_length
        points = [
            point_of(document, vector, order=first + place, analyzer=self._analyzer, average_length=length)
            for place, (document, vector) in enumerate(fresh)
        ]
        for start in range(0, len(points), _AT_ONCE):
            batch = points[start : start + _AT_ONCE]
            self._call(lambda collection, batch=batch: collection.write(batch), writes=True)  # type: ignore[misc]

    def delete(self, doc_ids: Sequence[str]) -> None:
        """Remove documents; an id that is not there does not matter."""
        check_ids(doc_ids)
        if doc_ids:
            self._call(lambda collection: collection.remove([key_of(doc_id) for doc_id in doc_ids]), writes=True)

    def get(self, doc_id: str) -> Document:
        """Return a document. Raises InputError when there is none of that id."""
        check_id(doc_id)
        stored, _ = self._call(lambda collection: collection.fetch(key_of(doc_id)))
        if stored is None:
            raise InputError(f"{self.name} has no document {doc_id!r}")
        return stored.document(self.manifest.encoder)

    def count(self, where: Where | None = None) -> int:
        """Return how many documents there are, or how many meet a filter (see `filters`)."""
        conditions = parse(where)
        return self._call(lambda collection: collection.count(conditions))[0]

    def search_text(self, text: str, *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents with BM25 scores, best first: those that share a word with the text."""
        conditions, counts = parse(where), self._analyzer.counts(text)
        if not len(counts):
            return Found((), {"store": self.name})
        return self._found(
            lambda collection, limit: collection.search_terms(counts, limit=limit, conditions=conditions), depth
        )

    def search_vector(self, vector: npt.NDArray[np.float32], *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents with their cosine to a vector `[dimension]`, best first."""
        wanted = self.manifest.dimension
        if not wanted or vector.shape != (wanted,):
            raise InputError(f"{self.name} holds vectors of {wanted or 'no'} numbers, not {vector.shape}")
        conditions = parse(where)
        return self._found(
            lambda collection, limit: collection.search_vector(vector, limit=limit, conditions=conditions), depth
        )

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._server.close()

    def __enter__(self) -> RemoteIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _behind(self) -> str:
        self._looked_s = time.monotonic()
        return self._retrying(lambda: self._server.behind(self._asked_for))[0] or self._asked_for

    def _opened(self, real: str) -> tuple[str, Collection]:
        collection, _ = self._retrying(lambda: self._server.open(real))
        _check_encoder(collection, self._encoder, self.name)
        return real, collection

    def _follows(self) -> bool:
        """Open what the name stands for now if that is another collection, and say whether it is."""
        real = self._behind()
        is_another = real != self._real
        if is_another:
            self._real, self._collection = self._opened(real)
        return is_another

    def _call(self, call: Callable[[Collection], Result], *, writes: bool = False) -> tuple[Result, int]:
        """Return what the collection says, and how often it failed before."""
        if writes or time.monotonic() - self._looked_s >= self._look_again_s:
            self._follows()
        collection = self._collection
        try:
            return self._retrying(lambda: call(collection))
        except IndexNotFoundError:
            if not self._follows():
                raise
        return self._retrying(lambda: call(self._collection))

    def _found(self, search: Callable[[Collection, int], list[Stored]], depth: int) -> Found:
        failed = 0

        def ask(limit: int) -> list[Stored]:
            nonlocal failed
            found, failures = self._call(lambda collection: search(collection, limit))
            failed += failures
            return found

        encoder = self.manifest.encoder
        hits = best_of(ask, lambda best: [one.document(encoder) for one in best], depth)
        again = (f"{self.name} answered only after {failed} failed attempts",) if failed else ()
        return Found(hits, {"store": self.name}, again)


def _check_encoder(collection: Collection, encoder: Encoder | None, name: str) -> None:
    manifest = collection.layout.manifest
    if encoder is not None and (encoder.fingerprint, encoder.dimension) != (manifest.encoder, manifest.dimension):
        made_with = f"{manifest.encoder or 'none'!r} ({manifest.dimension} numbers)"
        raise IndexMismatchError(
            f"{name} was made with the encoder {made_with}, but {encoder.fingerprint!r}"
            f" ({encoder.dimension}) was given; use the first, or push another index"
        )

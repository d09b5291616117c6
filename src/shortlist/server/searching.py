"""The first stage behind the server: one index, searched and, if allowed, written to."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shortlist.build.models import load_encoder
from shortlist.build.search import FIRST_STAGES, retriever_of
from shortlist.errors import InputError, StorageFullError
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline.diverse import check_diversity
from shortlist.pipeline.fused import share
from shortlist.retrieval import Index, Where
from shortlist.retrieval.remote import Address, RemoteIndex, open_remote
from shortlist.server.turns import Turns
from shortlist.settings import Settings
from shortlist.types import Document, Query, Ranking

_LOG = logging.getLogger("shortlist.server")
MOST_WRITES = 16  # that wait, each with up to a whole body of documents
SEARCHES_AT_ONCE = 4  # an engine takes all cores for one
MOST_SEARCHES = 64  # that wait


class Desk:
    """An open index with its bi-encoder; any thread may use it.

    `is_writable`: documents may be added and removed. `settings`: their `depth`, `top_k`, `first_stage_weight` and
    `diversity` are those of a search that says nothing else. Writes come one after another, so that only they wait for
    one another; a few searches run at once, beside them.
    """

    def __init__(
        self, index: Index | RemoteIndex, encoder: BiEncoder, settings: Settings, *, is_writable: bool
    ) -> None:
        self._index, self._encoder, self.settings, self.is_writable = index, encoder, settings, is_writable
        self.writes = Turns("changes of the index", at_once=1, waiting=MOST_WRITES)
        self.searches = Turns("searches", at_once=SEARCHES_AT_ONCE, waiting=MOST_SEARCHES)
        self._uses, self._lock = Counter[Index | RemoteIndex](), threading.Lock()

    @classmethod
    def open(cls, path: Path, settings: Settings, *, is_writable: bool) -> Desk:
        """Open an index in a folder, or at the address of another engine.

        Raises as `open_index` does, and InputError for settings whose `first_stage_weight` or `diversity` is outside of
        0..1.

        A writable one that is not there yet is made, but only in a folder.
        """
        share(settings.first_stage_weight)  # refused now, not by every request
        check_diversity(settings.diversity)
        encoder = load_encoder(settings)
        how: dict[str, Any] = {"encoder": encoder, "tokenize": encoder.tokenize}
        if Address.is_one(str(path)):
            remote = open_remote(Address.parse(str(path)), environ=os.environ, **how)
            return cls(remote, encoder, settings, is_writable=is_writable)
        if is_writable and not (path / "documents.sqlite").is_file():
            return cls(Index.create(path, **how), encoder, settings, is_writable=True)
        return cls(Index.open(path, read_only=not is_writable, **how), encoder, settings, is_writable=is_writable)

    def optimize(self) -> None:
        """Optimize a folder that is written to, where much of it is new; before anybody asks, since all else waits."""
        if self.is_writable and isinstance(self._index, Index) and self._index.needs_optimizing:
            try:
                self._index.optimize()
            except StorageFullError as error:  # it is whole, and only slower
                _LOG.warning("the index is not optimized", extra={"facts": {"why": str(error)}})

    @property
    def encoder(self) -> BiEncoder:
        """What the index was made with; a reranker may use it too."""
        return self._encoder

    def retrieve(self, query: Query, *, depth: int, where: Where | None = None, first_stage: str = "hybrid") -> Ranking:
        """Return the first stage's candidates; raises InputError for a filter or a stage that is none."""
        if first_stage not in FIRST_STAGES:
            raise InputError(f"first_stage must be one of {', '.join(FIRST_STAGES)}; got {first_stage!r}")
        with self._using() as index:
            return retriever_of(first_stage, index, self._encoder, where).retrieve(query, depth=depth)

    def count(self) -> int:
        """Return how many documents there are."""
        with self._using() as index:
            return index.count()

    def add(self, documents: Sequence[Document]) -> None:
        """Add documents in one commit, replacing those of the same id."""
        self._index.upsert(documents)

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents in one commit."""
        self._index.delete(doc_ids)

    @property
    def is_copy(self) -> bool:
        """Whether this is a folder as it was when it was opened, whatever others write to it."""
        return not (self.is_writable or self._index.is_remote)

    def reopen(self) -> None:
        """Open a copy anew, as the folder is now; what runs ends with the old one, which stays when this fails."""
        with self._using() as old:
            if not (self.is_copy and isinstance(old, Index)):
                return
            fresh = Index.open(old.path, read_only=True, encoder=self._encoder, tokenize=self._encoder.tokenize)
            with self._lock:
                self._index = fresh

    @contextmanager
    def _using(self) -> Iterator[Index | RemoteIndex]:
        """Use the index; one that was exchanged meanwhile is closed by whoever used it last."""
        with self._lock:
            index = self._index
            self._uses[index] += 1
        try:
            yield index
        finally:
            with self._lock:
                self._uses[index] -= 1
                is_over = index is not self._index and not self._uses[index]
            if is_over:
                del self._uses[index]
                index.close()

    def close(self) -> None:
        """Close the index once what is being written and searched is, and end the bi-encoder's threads."""
        self.writes.close()
        self.searches.close()
        self._index.close()
        self._encoder.close()

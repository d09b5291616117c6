"""Several stores searched as one; what a shard that does not answer costs is said, not hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from shortlist.errors import IndexMismatchError, InputError
from shortlist.inference.forks import Streams
from shortlist.retrieval.documents import Manifest
from shortlist.retrieval.filters import Where
from shortlist.retrieval.store import Found, Searchable
from shortlist.transport.failures import attempted
from shortlist.types import Document


class Sharded:
    """Stores that each hold a part of the documents, asked at the same time.

    Their scores are compared as they are. Cosines allow that; BM25 does when every shard has a
    like share of everything, since each counts its own words: spread documents by a hash of their id.
    When fewer than `at_least` shards answer, the search fails; otherwise the trace says which were missing.
    Raises InputError without shards, IndexMismatchError when they were made with different models.
    """

    def __init__(self, shards: Sequence[Searchable], *, at_least: int = 1) -> None:
        if not 1 <= at_least <= len(shards):
            raise InputError(f"at_least must be from 1 to the number of shards, {len(shards)}; got {at_least}")
        first = shards[0].manifest
        for shard in shards:
            made = (shard.manifest.encoder, shard.manifest.dimension, shard.manifest.analyzer)
            if made != (first.encoder, first.dimension, first.analyzer):
                raise IndexMismatchError(
                    f"{shard.name} was made with the encoder {shard.manifest.encoder!r} and {shards[0].name} with"
                    f" {first.encoder!r}; their scores cannot be compared"
                )
        self._shards, self._at_least = tuple(shards), at_least
        self._pool = Streams(len(shards), "shortlist-shard")

    @property
    def name(self) -> str:
        """The shards' names."""
        return ", ".join(shard.name for shard in self._shards)

    @property
    def manifest(self) -> Manifest:
        """What the documents were indexed with."""
        return self._shards[0].manifest

    @property
    def vector_search(self) -> str:
        """How the shards find vectors; several ways are all named."""
        return ", ".join(sorted({shard.vector_search for shard in self._shards}))

    @property
    def is_remote(self) -> bool:
        """Whether any shard is."""
        return any(shard.is_remote for shard in self._shards)

    def search_text(self, text: str, *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents of all shards by BM25."""
        return self._search(lambda shard: shard.search_text(text, depth=depth, where=where), depth)

    def search_vector(self, vector: npt.NDArray[np.float32], *, depth: int, where: Where | None = None) -> Found:
        """Return at most `depth` documents of all shards by cosine."""
        return self._search(lambda shard: shard.search_vector(vector, depth=depth, where=where), depth)

    def close(self) -> None:
        """End the threads; the shards stay open."""
        self._pool.close()

    def _search(self, search: Callable[[Searchable], Found], depth: int) -> Found:
        outcomes = self._pool.map(lambda shard: attempted(lambda: search(shard)), self._shards)
        found = [outcome for outcome in outcomes if isinstance(outcome, Found)]
        missing = [outcome for outcome in outcomes if not isinstance(outcome, Found)]
        if len(found) < self._at_least:
            raise missing[0]
        said = f"{len(found)} of {len(outcomes)} shards were searched"
        degradations = [text for one in found for text in one.degradations]
        degradations += [f"{said}: {error}" for error in missing]
        return Found(_merged(found, depth), {"shards": said}, tuple(degradations))


def _merged(found: Sequence[Found], depth: int) -> tuple[tuple[Document, float], ...]:
    """Put the shards' hits in order of score; equal ones, and a document that two shards hold, as the first has it."""
    best: dict[str, tuple[Document, float]] = {}
    for document, score in sorted((hit for one in found for hit in one.hits), key=lambda hit: -hit[1]):
        best.setdefault(document.doc_id, (document, score))
    return tuple(best.values())[:depth]

"""A bi-encoder as a scorer: the cosine of query and document."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Role, Vectors
from shortlist.types import Document, Query, ScoreKind, Scores, Step, Truncation


class Cosine:
    """Scores by vectors alone; those stored at index time by the same encoder are taken as they are."""

    def __init__(self, encoder: BiEncoder) -> None:
        self._encoder = encoder
        self.fingerprint = f"cosine:{encoder.fingerprint}"

    @classmethod
    def load(cls, name: str, **options: Any) -> Cosine:
        """Load a bi-encoder; options and errors are those of `BiEncoder.load`."""
        return cls(BiEncoder.load(name, **options))

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one cosine a document, `[documents]` in input order, in -1..1."""
        began = time.perf_counter()
        vectors, fresh = self._vectors(documents)
        values = vectors @ self._encoder.encode([query.text], role=Role.QUERY)[0]  # [documents]
        cut = self._truncations(documents)
        notes = (f"{len(cut)} texts cut by the bi-encoder at {self._encoder.room} tokens",) if cut else ()
        step = Step(
            "cosine",
            (time.perf_counter() - began) * 1000,
            {"documents": len(documents), "encoded": fresh},
            {"model": self._encoder.fingerprint},
            notes,
            cut,
        )
        return Scores(values, ScoreKind.SIMILARITY, step)

    def _truncations(self, documents: Sequence[Document]) -> tuple[Truncation, ...]:
        room, counts = self._encoder.room, self._encoder.count_tokens(documents)
        return tuple(
            Truncation(d.doc_id, room, count) for d, count in zip(documents, counts, strict=True) if count > room
        )

    def _vectors(self, documents: Sequence[Document]) -> tuple[Vectors, int]:
        """Return vectors `[documents, dimension]`, and how many had to be made."""
        known = self._encoder.fingerprint
        stored = [d.vector.values if d.vector is not None and d.vector.encoder == known else None for d in documents]
        missing = [place for place, vector in enumerate(stored) if vector is None]
        vectors = np.zeros((len(documents), self._encoder.dimension), dtype=np.float32)
        for place, vector in enumerate(stored):
            if vector is not None:
                vectors[place] = vector
        vectors[missing] = self._encoder.encode([documents[p].full_text for p in missing], role=Role.DOCUMENT)
        return vectors, len(missing)

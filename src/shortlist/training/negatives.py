"""Negatives from a user's own index: rank windows of the first stage, less what is probably relevant too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shortlist.pipeline import with_vectors
from shortlist.protocols import Encoder, Retriever, Scorer
from shortlist.training.copies import COPY_COSINE
from shortlist.training.examples import Asked, folded
from shortlist.types import Document, Query, Ranking


@dataclass(frozen=True, slots=True)
class Window:
    """Ranks `first` to `last` of a retriever's list (from 1), of which `count` negatives are drawn."""

    retriever: Retriever
    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Filter:
    """What the current model says of a candidate for a negative.

    One that it scores above `share` of the way from the lowest candidate's score to the best
    positive's is taken for relevant and left out (a score of its own for each query, as in
    NV-Retriever's "TopK-PercPos", Moreira et al. 2024, https://arxiv.org/abs/2407.15831, but with
    logits, which have no zero). `hardest` more negatives are those that it scores highest of the rest.
    """

    scorer: Scorer
    share: float = 0.9
    hardest: int = 0


@dataclass(slots=True)
class Mined:
    """How mining went: candidates looked at, left out as false negatives, queries that found none."""

    candidates: int = 0
    duplicates: int = 0
    filtered: int = 0
    without: int = 0


class Miner:
    """Draws negatives of a query; the same seed draws the same ones, whatever the other queries are.

    The `encoder` says which candidates are near copies of a relevant passage; those with vectors of its own, as an
    index gives them, are not encoded again.
    """

    def __init__(
        self, windows: Sequence[Window], *, keep: Filter | None, encoder: Encoder | None, seed: int = 0
    ) -> None:
        self.windows, self._filter, self._encoder, self._seed = tuple(windows), keep, encoder, seed
        self.mined = Mined()

    def negatives(self, asked: Asked) -> list[str]:
        """Return texts that are near the query and most likely not relevant to it, at most as many as asked for."""
        rng = np.random.default_rng([self._seed, *asked.query.encode("utf-8", "replace")[:64]])
        pools = [self._pool(window, asked) for window in self.windows]
        allowed = self._allowed(asked, {text: document for pool in pools for text, document in pool.items()})
        drawn: list[str] = []
        for window, pool in zip(self.windows, pools, strict=True):
            left = [text for text in pool if text in allowed and text not in drawn]
            rng.shuffle(left)
            drawn += left[: window.count]
        if self._filter is not None:
            ranked = sorted((text for text in allowed if text not in drawn), key=lambda text: -allowed[text])
            drawn += ranked[: self._filter.hardest]
        self.mined.without += not drawn
        return drawn

    def _pool(self, window: Window, asked: Asked) -> dict[str, Document]:
        """Return the window's documents by their texts."""
        found = window.retriever.retrieve(Query(asked.query), depth=window.last)
        return {document.full_text: document for document in found.documents[window.first - 1 :]}

    def _allowed(self, asked: Asked, pool: Mapping[str, Document]) -> dict[str, float]:
        """Return the candidates that may be negatives, with the current model's scores (0 without one)."""
        self.mined.candidates += len(pool)
        judged = {folded(one.text) for one in asked.passages}
        relevant = [Document(one.text) for one in asked.relevant]
        candidates = [pool[text] for text in pool if text.strip() and folded(text) not in judged]
        found = self._unlike(candidates, relevant)
        fresh = [document.full_text for document in found]
        self.mined.duplicates += len(pool) - len(fresh)
        if self._filter is None or not fresh:
            return dict.fromkeys(fresh, 0.0)
        documents = _numbered([*relevant, *found])
        scores = self._filter.scorer.score(Query(asked.query), documents).values
        own, others = scores[: len(relevant)], scores[len(relevant) :]
        lowest = float(scores.min())
        limit = lowest + self._filter.share * (float(own.max()) - lowest) if len(own) else float("inf")
        kept = {text: float(score) for text, score in zip(fresh, others, strict=True) if score < limit}
        self.mined.filtered += len(fresh) - len(kept)
        return kept

    def _unlike(self, documents: Sequence[Document], relevant: Sequence[Document]) -> list[Document]:
        """Leave out what says a relevant passage in nearly the same words."""
        if self._encoder is None or not documents or not relevant:
            return list(documents)
        known = with_vectors(Ranking.in_order(Query("copies"), _numbered([*relevant, *documents])), self._encoder)
        vectors = np.stack([one.vector.values for one in known.documents if one.vector is not None])
        own, others = vectors[: len(relevant)], vectors[len(relevant) :]  # [relevant, dim], [documents, dim]
        nearness = (others @ own.T).max(1)
        return [document for document, near in zip(documents, nearness, strict=True) if near < COPY_COSINE]


def _numbered(documents: Sequence[Document]) -> list[Document]:
    """Give documents of two sources ids of their own."""
    return [replace(document, doc_id=str(place)) for place, document in enumerate(documents)]

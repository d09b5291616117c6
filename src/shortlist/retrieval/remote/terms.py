"""BM25 as sparse vectors: the words of a text by the embedded engine's own analyzer, and what each weighs.

    score(q, d) = sum over the words t of q of  idf(t) * tf (k1 + 1) / (tf + k1 (1 - b + b |d| / average))
    idf(t)      = ln(1 + (N - n + .5) / (n + .5))

Robertson and Zaragoza 2009 with Lucene's idf, which is what the embedded engine computes too. The
document's part is stored with it, the query's part comes with the query. So the average length is that
of the day when a document was written; pushing the index again brings it up to date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import qdrant_edge as qdrant

from shortlist.retrieval.edge import K1, B, readable

# the analyzer is only reached through BM25 weights: without length normalisation, tf (k + 1) / (tf + k) is tf but
# for tf / k, so that rounding gives the count
_LARGE = 1e9
_FALLBACK_LENGTH = 100.0  # of an index without words; any number would do


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A sparse vector: the ids of words `[terms]`, ascending, below 2**31, and a weight each."""

    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


class Analyzer:
    """Texts to the ids of their words and how often each occurs; lone surrogates match nothing."""

    def __init__(self) -> None:
        self._model = qdrant.Bm25(
            qdrant.Bm25Config(
                k=_LARGE,
                b=0.0,
                tokenizer=qdrant.TokenizerType.Code,
                language="english",  # its stop words and its stemmer
                lowercase=True,
                ascii_folding=True,
            )
        )

    def counts(self, text: str) -> Terms:
        """Return how often each word occurs."""
        found = self._model.embed_document(readable(text))
        ids, weights = np.asarray(found.indices, np.int64), np.asarray(found.values, np.float64)
        order = np.argsort(ids)
        return Terms(ids[order], np.rint(weights)[order].astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What BM25 knows of a collection: documents with words, words a document, documents a word (ids ascending)."""

    documents: int
    average_length: float
    ids: npt.NDArray[np.int64]
    frequencies: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[Terms]) -> Statistics:
        """Count the words of analysed texts; those without any are left out."""
        documents, total, frequencies = 0, 0.0, dict[int, int]()
        for terms in texts:
            if len(terms):
                documents += 1
                total += float(terms.weights.sum())
                for one in terms.ids.tolist():
                    frequencies[one] = frequencies.get(one, 0) + 1
        ids = np.array(sorted(frequencies), np.int64)
        counts = np.array([frequencies[one] for one in ids.tolist()], np.int64)
        return cls(documents, total / documents if documents else _FALLBACK_LENGTH, ids, counts)

    def idf(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the weight of each word in a query; a word that was never seen weighs most."""
        if not len(self.ids):
            return np.ones(len(ids), np.float32)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        known = np.where(self.ids[places] == ids, self.frequencies[places], 0)
        weights: npt.NDArray[np.float32] = np.log1p((self.documents - known + 0.5) / (known + 0.5)).astype(np.float32)
        return weights


def document_weights(counts: Terms, average_length: float) -> Terms:
    """Return a document's part of BM25."""
    length = float(counts.weights.sum())
    norm = K1 * (1 - B + B * length / average_length)
    return Terms(counts.ids, (counts.weights * (K1 + 1) / (counts.weights + norm)).astype(np.float32))

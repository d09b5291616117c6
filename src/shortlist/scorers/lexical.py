"""A scorer without a model: BM25 over the candidates themselves, for tests and as a reference."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms

_WORD = re.compile(r"\w+")


class Lexical:
    """BM25 (Robertson & Zaragoza 2009) whose document frequencies and mean length come from a given collection.

    Without a collection every word weighs the same, so that a score does not depend on
    which other candidates it is scored with.
    """

    def __init__(self, collection: Sequence[str] = (), *, k1: float = 0.9, b: float = 0.4) -> None:
        counts = [Counter(_words(text)) for text in collection]
        self._documents = len(counts)
        self._frequency = Counter(word for count in counts for word in count)
        self._mean_length = sum(sum(count.values()) for count in counts) / max(1, len(counts)) or 100.0
        self._k1, self._b = k1, b
        digest = hashlib.sha256("\0".join(collection).encode("utf-8", "replace")).hexdigest()[:12]
        self.fingerprint = f"lexical:{digest}:{k1}:{b}"

    @classmethod
    def load(cls, name: str = "lexical") -> Lexical:
        """Make one without a collection; there is nothing to load, and `name` is not used."""
        return cls()

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order; 0 where no word is shared."""
        began = monotonic_ms()
        words = _words(query.text)
        values = np.asarray([self._one(words, document.full_text) for document in documents], dtype=np.float32)
        step = Step("lexical", monotonic_ms() - began, {"documents": len(documents)})
        return Scores(values, ScoreKind.BM25, step)

    def _one(self, words: Sequence[str], text: str) -> float:
        found = Counter(_words(text))
        norm = self._k1 * (1 - self._b + self._b * sum(found.values()) / self._mean_length)
        return sum(self._weight(word) * found[word] / (found[word] + norm) for word in words if word in found)

    def _weight(self, word: str) -> float:
        if not self._documents:
            return 1.0
        frequency = self._frequency[word]
        return math.log(1 + (self._documents - frequency + 0.5) / (frequency + 0.5))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

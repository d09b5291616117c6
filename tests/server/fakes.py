"""A clock that is moved by hand, and scorers whose answers a test can foresee."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from shortlist.errors import ScoreError
from shortlist.testing.serving import word_overlap
from shortlist.types import Document, Query, ScoreKind, Scores, Step


class FakeClock:
    """Milliseconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms


class Overlap:
    """Scores by the share of the query's words in a document, as a logit; `calls` has what each call was asked.

    A call waits for `gate` while it is closed. Documents with "POISON" make a call fail.
    """

    def __init__(self, relevance: Callable[[str, str], float] = word_overlap) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False
        self._relevance = relevance

    fingerprint = "overlap"

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        assert self.gate.wait(10), "the test forgot to open the gate"
        self.calls.append([document.text for document in documents])
        if any("POISON" in document.text for document in documents):
            raise ScoreError("poisoned")
        values = np.asarray([self._relevance(query.text, d.text) for d in documents], dtype=np.float32)
        return Scores(values, ScoreKind.LOGIT, Step("overlap", 1.0, {"documents": len(documents)}, {"engine": "fake"}))

    def close(self) -> None:
        self.is_closed = True

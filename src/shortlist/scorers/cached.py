"""Scores that were computed before, kept by content."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from shortlist.errors import InputError
from shortlist.protocols import Scorer
from shortlist.types import Document, Query, ScoreKind, Scores, Step, Truncation


class Cached:
    """A scorer that asks another one only for pairs it has not seen.

    The key is the scorer's fingerprint with the texts of query and document, so a changed
    model, precision or text is never answered from old scores. Holds the `size` pairs used
    last, about 200 bytes each. Safe to call from several threads.
    """

    def __init__(self, scorer: Scorer, *, size: int = 100_000) -> None:
        if size < 1:
            raise InputError(f"a cache must hold at least one pair; got size={size}")
        self._scorer = scorer
        self._size = size
        self._known: OrderedDict[bytes, tuple[float, ScoreKind, Truncation | None]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The cached scorer's own: the scores are the same."""
        return self._scorer.fingerprint

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order."""
        began = time.perf_counter()
        keys = [self._key(query, document) for document in documents]
        with self._lock:
            known = {key: self._known[key] for key in keys if key in self._known}
        places = list({key: place for place, key in enumerate(keys) if key not in known}.values())
        fresh = self._scorer.score(query, [documents[place] for place in places]) if places else None
        if fresh is not None:
            truncated = {t.doc_id: t for t in fresh.step.truncations}
            for place, value in zip(places, fresh.values.tolist(), strict=True):
                known[keys[place]] = (value, fresh.kind, truncated.get(documents[place].doc_id))
        self._remember(keys, known)
        values = np.asarray([known[key][0] for key in keys], dtype=np.float32)
        kind = known[keys[0]][1] if keys else ScoreKind.UNKNOWN
        truncations = tuple(cut for key in keys if (cut := known[key][2]) is not None)
        return Scores(values, kind, self._step(began, fresh, len(documents), len(places), truncations))

    def _remember(self, keys: Sequence[bytes], known: dict[bytes, tuple[float, ScoreKind, Truncation | None]]) -> None:
        with self._lock:
            for key in keys:
                self._known[key] = known[key]
                self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)

    def _key(self, query: Query, document: Document) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for text in (self._scorer.fingerprint, query.text, document.full_text):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.digest()

    @staticmethod
    def _step(began: float, fresh: Scores | None, asked: int, scored: int, truncations: tuple[Truncation, ...]) -> Step:
        inner = fresh.step if fresh is not None else Step("cached")
        return Step(
            inner.stage,
            (time.perf_counter() - began) * 1000,
            {**inner.counts, "documents": asked, "cached": asked - scored},
            inner.facts,
            inner.degradations,
            truncations,
        )

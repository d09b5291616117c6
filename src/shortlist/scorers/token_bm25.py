"""BM25 over token ids, with document frequencies of a collection that came with the package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shortlist.errors import ModelNotFoundError
from shortlist.inference.tokens import Ids, Tokenizer
from shortlist.types import Document, Query, ScoreKind, Scores, Step, monotonic_ms
from shortlist.weights import find_packaged, packaged_models

Weights = npt.NDArray[np.float32]


class TokenBM25:
    """BM25 (Robertson & Zaragoza 2009) on word pieces, whole documents, whatever their length.

    `weights` fp32 `[vocabulary]` holds each token's inverse document frequency, and
    `mean_length` is in tokens. They are given, not counted over the candidates, so a
    document's score does not depend on which others it is scored with.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        weights: Weights,
        *,
        mean_length: float,
        k1: float = 0.9,
        b: float = 0.4,
        fingerprint: str,
    ) -> None:
        self.tokenizer = tokenizer
        self._weights = weights
        self._mean_length, self._k1, self._b = mean_length, k1, b
        self.fingerprint = f"token-bm25:{fingerprint}:{k1}:{b}"

    @classmethod
    def load(cls, name: str = "english-pieces") -> TokenBM25:
        """Load packaged frequencies by name; raises ModelNotFoundError that lists them."""
        packaged = find_packaged(name)
        if packaged is None or packaged.card["kind"] != "token-bm25":
            known = ", ".join(model.name for model in packaged_models() if model.card["kind"] == "token-bm25")
            raise ModelNotFoundError(f"there are no packaged document frequencies {name!r}; there are: {known}")
        packaged.verify()
        card = packaged.card
        weights = np.load(packaged.folder / "weights.npy", allow_pickle=False).astype(np.float32)
        tokenizer = Tokenizer.load(packaged.folder.parent / card["tokenizer"] / "tokenizer.json")
        digest = card["sha256"]["weights.npy"][:12]
        return cls(tokenizer, weights, mean_length=card["mean_length"], fingerprint=f"{name}@{digest}")

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        """Return one score a document, `[documents]` in input order, from 0, which is: no token is shared."""
        began = monotonic_ms()
        asked = self.tokenizer.encode([query.text])[0]
        values = self._values(asked, self.tokenizer.ids_of(documents))
        step = Step("words", monotonic_ms() - began, {"documents": len(documents)})
        return Scores(values, ScoreKind.BM25, step)

    def _values(self, asked: Ids, documents: Sequence[Ids]) -> Weights:
        if not documents or not len(asked):
            return np.zeros(len(documents), dtype=np.float32)
        tokens, times = np.unique(asked, return_counts=True)
        lengths = np.asarray([len(ids) for ids in documents])
        joined, owners = np.concatenate(documents), np.repeat(np.arange(len(documents)), lengths)
        column = np.minimum(np.searchsorted(tokens, joined), len(tokens) - 1)
        shared = tokens[column] == joined
        cells = owners[shared] * len(tokens) + column[shared]
        counts = np.bincount(cells, minlength=len(documents) * len(tokens)).reshape(len(documents), len(tokens))
        norm = self._k1 * (1 - self._b + self._b * lengths / self._mean_length)
        saturated = counts * (self._k1 + 1) / (counts + np.maximum(norm, 1e-9)[:, None])
        return (saturated @ (self._weights[tokens] * times)).astype(np.float32)

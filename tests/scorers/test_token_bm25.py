"""BM25 over word pieces, with document frequencies that came with the package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import ModelNotFoundError
from shortlist.scorers.token_bm25 import TokenBM25
from shortlist.types import Document, Query
from shortlist.weights import find_packaged


@given(
    query=st.text("abc ", min_size=1, max_size=12).filter(str.strip),
    texts=st.lists(st.text("abcd ", max_size=30), max_size=6),
)
def test_token_bm25_is_the_formula_over_word_pieces(query: str, texts: list[str]) -> None:
    scorer = TokenBM25.load()
    values = scorer.score(Query(query), [Document(text) for text in texts]).values
    packaged = find_packaged("english-pieces")
    assert packaged is not None
    idf, mean = np.load(packaged.folder / "weights.npy"), packaged.card["mean_length"]
    asked, *read = (ids.tolist() for ids in scorer.tokenizer.encode([query, *texts]))
    for value, ids in zip(values, read, strict=True):
        norm = 0.9 * (0.6 + 0.4 * len(ids) / mean)
        expected = sum(float(idf[t]) * ids.count(t) * 1.9 / (ids.count(t) + norm) for t in asked if t in ids)
        assert value == pytest.approx(expected, rel=1e-4)


def test_token_bm25_names_the_frequencies_there_are() -> None:
    with pytest.raises(ModelNotFoundError, match="english-pieces"):
        TokenBM25.load("martian-pieces")

"""Which words carried a score: the parts of a text, and what is lost without each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist import Reranker
from shortlist.errors import InputError
from shortlist.scorers.occlusion import explained, parts_of
from shortlist.types import Document, Query, ScoreKind, Scores, Step


@given(st.text(), st.integers(1, 40))
def test_parts_cover_every_word_once_in_order(text: str, most: int) -> None:
    parts = parts_of(text, most=most)
    assert len(parts) <= most
    assert "".join("".join(text[part.start : part.end].split()) for part in parts) == "".join(text.split())
    assert all(left.end <= right.start for left, right in pairwise(parts))


class Counting:
    """Scores by how many letters "a" there are in title and text, less those that are "z"."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        self.read += [document.full_text for document in documents]
        counts = [one.full_text.count("a") - one.full_text.count("z") for one in documents]
        return Scores(np.array(counts, np.float32), ScoreKind.LOGIT, Step("counting", 0.0, {"documents": len(counts)}))


def test_a_weight_is_what_the_score_loses_without_the_words() -> None:
    scorer = Counting()
    found = explained(scorer, Query("x"), Document("aa bb za z", "mine", "a title"))
    assert (found.score, found.score_kind, found.document.doc_id) == (2, ScoreKind.LOGIT, "mine")
    assert [(found.document.text[part.start : part.end], part.weight) for part in found.parts] == [
        ("aa", 2),
        ("bb", 0),
        ("za", 0),
        ("z", -1),
    ]
    assert scorer.read[:2] == ["a title\naa bb za z", "a title\n bb za z"]
    assert found.trace.steps[0].counts == {"documents": 5}


def test_a_text_without_words_has_a_score_and_no_parts() -> None:
    found = explained(Counting(), Query("x"), Document(" \n", "mine", "an aa"))
    assert (found.score, found.parts) == (3, ())


def test_a_reranker_explains_what_it_would_rank() -> None:
    reranker = Reranker("lexical", kind="lexical")
    found = reranker.explain("tall tower", {"text": "a tall tower", "title": "Height"})
    weights = {found.document.text[part.start : part.end]: part.weight for part in found.parts}
    assert weights["tall"] > weights["a"]
    assert found.score == reranker.rank("tall tower", [found.document])[0].score


def test_what_gives_no_score_of_a_document_alone_is_not_explained() -> None:
    with pytest.raises(InputError, match="a fallback chain cannot be explained; take one model"):
        Reranker("lexical", kind="lexical", fallback=["lexical:words"]).explain("x", "y")


def test_an_order_is_not_explained() -> None:
    class Silent:
        fingerprint = "silent"

        def generate(self, prompt: object) -> object:
            raise AssertionError("nothing is asked")

    with pytest.raises(InputError, match="llm-listwise:silent, which gets all candidates at once, cannot be explained"):
        Reranker(Silent(), kind="llm-listwise").explain("x", "y")  # type: ignore[arg-type]

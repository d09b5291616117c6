"""A ranking that repeats little: maximal marginal relevance over the scores that a ranking has."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError, ScoreError
from shortlist.gating.rules import Rules
from shortlist.inference.biencoder import BiEncoder
from shortlist.pipeline import Pipeline, diversified, with_vectors
from shortlist.pipeline.diverse import by_marginal_relevance
from shortlist.protocols import Role, Vectors
from shortlist.retrieval.fusion import min_max
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import Document, DocumentVector, Query, Ranking, ScoreKind, Truncation

# by angle: "a" and "b" are nearly the same, "c" is square to both, "d" is the same as "c"
ANGLES = {"a": 0.0, "b": 0.01, "c": math.pi / 2, "d": math.pi / 2}


def at(angle: float, *, encoder: str = "compass") -> DocumentVector:
    return DocumentVector(encoder, np.array([math.cos(angle), math.sin(angle)], np.float32))


def ranked(scores: Sequence[float], angles: Sequence[float] | None = None) -> Ranking:
    turned = list(ANGLES.values()) if angles is None else angles
    names = "abcdefghijkl"[: len(scores)]
    documents = [Document("text", name, vector=at(turned[place])) for place, name in enumerate(names)]
    return Ranking.from_scores(Query("x"), documents, scores, kind=ScoreKind.LOGIT, stage="model")


def reference(relevance: Sequence[float], vectors: Vectors, diversity: float) -> list[int]:
    """Carbonell and Goldstein's formula as it stands in the paper."""
    chosen: list[int] = []
    while len(chosen) < len(relevance):

        def worth(place: int) -> float:
            repeated = max((float(vectors[place] @ vectors[one]) for one in chosen), default=-1.0)
            return (1 - diversity) * relevance[place] - diversity * repeated

        chosen.append(max((place for place in range(len(relevance)) if place not in chosen), key=worth))
    return chosen


SCORES = st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=12)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])


@given(SCORES, SHARES, st.integers(0, 99))
def test_the_order_is_that_of_the_formula(scores: list[float], diversity: float, seed: int) -> None:
    vectors = np.eye(3, dtype=np.float32)[np.random.default_rng(seed).integers(0, 3, len(scores))]
    relevance = min_max(sorted(scores, reverse=True))
    assert by_marginal_relevance(relevance, vectors, diversity=diversity) == reference(relevance, vectors, diversity)


@given(SCORES, SHARES, st.integers(1, 12), st.lists(st.sampled_from(list(ANGLES.values())), min_size=12, max_size=12))
def test_it_gives_a_permutation_whose_first_ones_are_those_of_a_smaller_top_k(
    scores: list[float], diversity: float, top_k: int, angles: list[float]
) -> None:
    ranking = ranked(scores, angles)
    found = diversified(ranking, diversity)
    assert sorted(found.doc_ids) == sorted(ranking.doc_ids)
    assert found[0].doc_id == ranking[0].doc_id
    assert [item.rank for item in found] == list(range(1, len(scores) + 1))
    assert diversified(ranking, diversity, top_k=top_k).doc_ids == found.doc_ids[:top_k]
    assert {item.doc_id: item.score for item in found} == {item.doc_id: item.score for item in ranking}


def test_what_repeats_a_better_one_goes_behind_what_does_not_and_its_history_says_where_it_stood() -> None:
    found = diversified(ranked([9, 8, 7, 0]), 0.5, top_k=3)
    assert found.doc_ids == ("a", "c", "b")
    assert [item.score for item in found] == [9, 7, 8]
    assert [(s.stage, s.rank, s.score) for s in found[1].history] == [("model", 3, 7)]
    assert (found.stage, found.score_kind) == ("diversity", ScoreKind.LOGIT)
    assert found.trace.steps[-1].facts == {"diversity": "0.5"}
    assert found.trace.degradations == ()


def test_none_asked_for_changes_nothing() -> None:
    ranking = ranked([9, 8, 7, 0])
    assert diversified(ranking, 0) == ranking
    assert diversified(ranking, 0, top_k=2) == ranking.head(2)


def test_equal_scores_of_equal_documents_keep_their_order() -> None:
    assert diversified(ranked([1, 1, 1, 1], [0.5] * 4), 0.3).doc_ids == ("a", "b", "c", "d")


def test_what_was_not_scored_in_time_keeps_its_place_behind() -> None:
    first = ranked([9, 8, 7, 6])
    partial = first.partly_reordered([3, 2, 1], kind=ScoreKind.LOGIT, stage="late")
    found = diversified(partial, 0.5)
    assert found.doc_ids == ("a", "c", "b", "d")
    assert [item.is_scored for item in found] == [True, True, True, False]
    assert found.unscored == 1
    assert found[3].history == partial[3].history  # not one of a score that it has not


def test_an_order_without_scores_stands_and_the_trace_says_so() -> None:
    found = diversified(ranked([9, 8, 7]).as_unscored(), 0.5, top_k=2)
    assert found.doc_ids == ("a", "b")
    assert found.trace.degradations == ("diversity: not applied: no document was scored",)


@pytest.mark.parametrize("vector", [None, at(1.0, encoder="another")])
def test_an_order_whose_vectors_cannot_be_compared_stands_and_the_trace_says_so(vector: DocumentVector | None) -> None:
    documents = [Document("x", "a", vector=at(0.0)), Document("x", "b", vector=vector)]
    ranking = Ranking.from_scores(Query("x"), documents, [1, 2], kind=ScoreKind.LOGIT, stage="model")
    found = diversified(ranking, 0.5)
    assert (found.doc_ids, found.stage) == (("b", "a"), "model")
    assert found.trace.degradations == ("diversity: not applied: not every document has a vector of one encoder",)


def test_wrong_numbers_are_refused() -> None:
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match=r"diversity must be a number within 0\.\.1"):
            diversified(ranked([1]), wrong)
    with pytest.raises(InputError, match=r"diversity must be a number within 0\.\.1, got 3"):
        Pipeline(Fixed(), None, diversity=3)
    with pytest.raises(InputError, match="top_k"):
        diversified(ranked([1]), 0.5, top_k=0)


class Words:
    """An encoder of texts that are angles."""

    fingerprint, dimension = "compass", 2

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, texts: Sequence[str], *, role: Role) -> Vectors:
        self.read += texts
        angles = np.array([float(text) for text in texts], np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_documents_get_the_vectors_that_they_lack_and_the_trace_counts_them() -> None:
    documents = [Document("0", "a"), Document("0", "b", vector=at(0.0)), Document("1", "c", vector=at(1, encoder="x"))]
    encoder = Words()
    given_vectors = with_vectors(Ranking.in_order(Query("x"), documents), encoder)
    assert encoder.read == ["0", "1"]
    assert {document.vector.encoder for document in given_vectors.documents if document.vector} == {"compass"}
    step = given_vectors.trace.steps[-1]
    assert (step.stage, step.counts) == ("vectors", {"documents": 3, "encoded": 2})
    assert diversified(given_vectors, 0.9).doc_ids == ("a", "c", "b")
    assert len(with_vectors(Ranking.in_order(Query("x"), []), encoder)) == 0


def test_texts_that_the_encoder_does_not_read_to_their_end_are_told() -> None:
    documents = [Document("tall " * 300, "long"), Document("tall", "short")]
    with contextlib.closing(BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime")) as encoder:
        step = with_vectors(Ranking.in_order(Query("x"), documents), encoder).trace.steps[-1]
        assert with_vectors(Ranking.in_order(Query("x"), documents[1:]), encoder).trace.degradations == ()
    assert step.degradations == ("1 texts cut by the bi-encoder at 254 tokens",)
    assert step.truncations == (Truncation("long", 254, 300),)


def test_a_vector_that_is_none_is_refused() -> None:
    with pytest.raises(ScoreError, match="compass gave a vector that is not finite"):
        with_vectors(Ranking.in_order(Query("x"), [Document("nan", "a")]), Words())


TEXTS = ["tall tall tower", "tall tall tower!", "a tall ship", "nothing"]


class Fixed:
    """A retriever that finds the same documents for every query."""

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        documents = [Document(text, name, vector=at(a)) for text, (name, a) in zip(TEXTS, ANGLES.items(), strict=True)]
        return Ranking.in_order(query, documents[:depth], stage="fixed")


def test_a_search_fills_its_few_places_from_all_candidates() -> None:
    assert Pipeline(Fixed(), Pointwise(Lexical())).search("tall tower", top_k=2, depth=4).doc_ids == ("a", "b")
    pipeline = Pipeline(Fixed(), Pointwise(Lexical()), diversity=0.5)
    assert pipeline.search("tall tower", top_k=2, depth=4).doc_ids == ("a", "c")
    second = Pipeline(Fixed(), Pointwise(Lexical())).search("tall tower", top_k=2, depth=4)[1].score
    within = pipeline.search("tall tower", top_k=2, depth=4, min_score=second, min_score_kind="bm25")
    assert within.doc_ids == ("a", "b")  # no place is lost to one that is not as relevant as is asked for


def test_a_first_stage_that_stands_is_diversified_too() -> None:
    assert Pipeline(Fixed(), None, diversity=0.9).search("tall", top_k=2).doc_ids == ("a", "c")
    gated = Pipeline(Fixed(), Pointwise(Lexical()), gate=Rules(), diversity=0.9).search("tall", top_k=4)
    assert gated.doc_ids[:2] == ("a", "c")
    assert gated.trace.steps[0].facts["decision"] == "skip"

from __future__ import annotations

import copy
import pickle
import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from shortlist.errors import InputError, RemoteUnavailableError
from shortlist.protocols import Retriever
from shortlist.retrieval import BM25, Dense, Hybrid, Index, weighted_fusion
from shortlist.types import Document, Query, Ranking, ScoreKind, Trace

from .material import HashingEncoder

TEXTS = {
    "reactor": "the heat exchanger of a reactor",
    "wing": "lift and drag of a swept wing at high speed",
    "boundary": "boundary layer of a swept wing",
    "soup": "a recipe for onion soup",
}


@pytest.fixture(scope="module")
def filled(module_index: Index) -> Index:
    module_index.upsert([Document(text, doc_id, metadata={"kind": doc_id[0]}) for doc_id, text in TEXTS.items()])
    return module_index


def test_each_retriever_says_what_its_scores_are_and_what_it_did(filled: Index, encoder: HashingEncoder) -> None:
    arms: list[tuple[Retriever, ScoreKind, str]] = [
        (BM25(filled), ScoreKind.BM25, "bm25"),
        (Dense(filled, encoder), ScoreKind.SIMILARITY, "dense"),
        (Hybrid([BM25(filled), Dense(filled, encoder)]), ScoreKind.RECIPROCAL_RANK, "hybrid"),
        (Hybrid([BM25(filled)], fuse=partial(weighted_fusion, weights=[2.0])), ScoreKind.WEIGHTED_SUM, "hybrid"),
    ]
    for retriever, kind, stage in arms:
        assert isinstance(retriever, Retriever)
        ranking = retriever.retrieve(Query("swept wing boundary"), depth=2)
        assert (ranking.score_kind, ranking.stage, ranking.doc_ids) == (kind, stage, ("boundary", "wing"))
        assert ranking.trace.steps[-1].stage == stage
        assert ranking.trace.steps[-1].counts["documents"] == 2
        assert ranking.trace.latency_ms > 0
        assert all(step.counts.get("encode_us", 0) <= 1000 * step.latency_ms for step in ranking.trace.steps)
        assert [item.score for item in ranking] == sorted((item.score for item in ranking), reverse=True)
        assert pickle.loads(pickle.dumps(ranking)) == copy.deepcopy(ranking) == ranking


def test_hybrid_remembers_both_arms(filled: Index, encoder: HashingEncoder) -> None:
    ranking = Hybrid([BM25(filled), Dense(filled, encoder)]).retrieve(Query("onion soup"), depth=4)
    assert [standing.stage for standing in ranking[0].history] == ["bm25", "dense"]
    assert [standing.rank for standing in ranking[0].history] == [1, 1]
    assert [step.stage for step in ranking.trace.steps] == ["bm25", "dense", "hybrid"]
    assert len(ranking) == 4


class Waiting:
    """An arm that ends only when all arms have begun, and notes how long it took."""

    def __init__(self, arm: Retriever, barrier: threading.Barrier) -> None:
        self._arm, self._barrier = arm, barrier

    def retrieve(self, query: Query, *, depth: int) -> Ranking:
        start = time.perf_counter()
        self._barrier.wait(timeout=30)
        ranking = self._arm.retrieve(query, depth=depth)
        (step,) = ranking.trace.steps
        took = replace(step, latency_ms=(time.perf_counter() - start) * 1e3)
        return replace(ranking, trace=Trace((took,)))


def test_arms_asked_at_once_give_what_they_give_in_turn(filled: Index, encoder: HashingEncoder) -> None:
    arms: list[Retriever] = [BM25(filled), Dense(filled, encoder)]
    barrier = threading.Barrier(2)
    in_turn = Hybrid(arms).retrieve(Query("onion soup"), depth=4)
    start = time.perf_counter()
    at_once = Hybrid([Waiting(arm, barrier) for arm in arms], at_once=True).retrieve(Query("onion soup"), depth=4)
    passed_ms = (time.perf_counter() - start) * 1e3
    assert [(one.doc_id, one.score, one.history) for one in at_once] == [
        (one.doc_id, one.score, one.history) for one in in_turn
    ]
    assert [step.stage for step in at_once.trace.steps] == ["bm25", "dense", "hybrid"]
    assert at_once.trace.latency_ms <= passed_ms


def test_an_arm_that_fails_at_once_fails_as_in_turn(filled: Index, encoder: HashingEncoder) -> None:
    class Broken:
        def retrieve(self, query: Query, *, depth: int) -> Ranking:
            raise RemoteUnavailableError("it is gone")

    for at_once in (False, True):
        ranking = Hybrid([BM25(filled), Broken()], at_once=at_once).retrieve(Query("onion soup"), depth=4)
        assert ranking.trace.degradations == ("hybrid: one of 2 arms did not answer: it is gone",)
        weighted = Hybrid([Broken(), BM25(filled)], partial(weighted_fusion, weights=(0.25, 0.75)), at_once=at_once)
        assert weighted.retrieve(Query("onion soup"), depth=4)[0].score == 0.75
        with pytest.raises(RemoteUnavailableError):
            Hybrid([Broken(), Broken()], at_once=at_once).retrieve(Query("onion soup"), depth=4)


def test_dense_similarity_is_the_cosine(filled: Index, encoder: HashingEncoder) -> None:
    (best, *_) = Dense(filled, encoder).retrieve(Query(TEXTS["soup"]), depth=4)
    assert best.doc_id == "soup"
    assert best.score == pytest.approx(1.0, abs=1e-3)


def test_dense_gives_as_many_as_there_are(filled: Index, encoder: HashingEncoder) -> None:
    for depth in (1, 3, 4, 50):
        assert len(Dense(filled, encoder).retrieve(Query("zzz"), depth=depth)) == min(depth, 4)


def test_filters_hold_in_every_arm(filled: Index, encoder: HashingEncoder) -> None:
    where = {"kind": ["w", "s"]}
    hybrid = Hybrid([BM25(filled, where), Dense(filled, encoder, where)])
    assert set(hybrid.retrieve(Query("swept wing of soup"), depth=10).doc_ids) == {"wing", "soup"}


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "AND OR NOT",
        "*",
        "a:b",
        "(",
        "[",
        "\\",
        "😀",
        "\0",
        "\ud800 wing",
        "title:* OR 1=1 --",
        "the of",
        "' OR ''='",
    ],
)
def test_query_text_is_never_a_query_language(filled: Index, encoder: HashingEncoder, text: str) -> None:
    ranking = BM25(filled).retrieve(Query(text), depth=10)
    assert set(ranking.doc_ids) == ({"wing", "boundary"} if "wing" in text else set())
    assert len(Hybrid([BM25(filled), Dense(filled, encoder)]).retrieve(Query(text), depth=10)) == 4


def test_a_query_of_ten_thousand_words_works(filled: Index) -> None:
    query = Query(" ".join(f"word{i}" for i in range(10_000)) + " onion")
    assert BM25(filled).retrieve(query, depth=10).doc_ids == ("soup",)


def test_an_empty_index_gives_empty_rankings(index: Index, encoder: HashingEncoder) -> None:
    for retriever in (BM25(index), Dense(index, encoder), Hybrid([BM25(index), Dense(index, encoder)])):
        assert len(retriever.retrieve(Query("x"), depth=5)) == 0


@pytest.mark.parametrize("depth", [0, -1, True, 1.5, None])
def test_a_bad_depth_is_refused(filled: Index, depth: int) -> None:
    for retriever in (BM25(filled), Hybrid([BM25(filled)])):
        with pytest.raises(InputError, match="depth must be a whole number from 1"):
            retriever.retrieve(Query("wing"), depth=depth)


def test_a_hybrid_without_arms_is_refused() -> None:
    with pytest.raises(InputError, match="at least one arm"):
        Hybrid([]).retrieve(Query("x"), depth=1)


def test_threads_may_search_while_one_writes(filled: Index, encoder: HashingEncoder) -> None:
    hybrid, failures = Hybrid([BM25(filled), Dense(filled, encoder)]), []

    def search() -> None:
        try:
            for _ in range(40):
                assert "soup" in hybrid.retrieve(Query("onion soup"), depth=60).doc_ids
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(20):
        filled.upsert([Document(f"more about wings {i}", "changing"), Document(TEXTS["soup"], "soup")])
    for thread in threads:
        thread.join()
    assert failures == []
    assert filled.count() == 5
    filled.delete(["changing"])

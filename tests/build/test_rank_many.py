"""`rank_many`: what `rank` gives query by query, from batches that queries share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist import Document, Query, Ranking, Reranker, ScoreKind
from shortlist.build.many import ranked_in_steps
from shortlist.calibration.error import Interval
from shortlist.calibration.fitted import ScoreCalibration
from shortlist.calibration.maps import Platt
from shortlist.errors import InputError, ScoreError
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Group, Role
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.types import DocumentVector, Scores

TEXTS = ["It is of iron.", "The tower is 330 m tall.", "Cats sleep most of the day.", "The tower is 330 m tall."]
ENGINE: dict[str, Any] = {"engine": "onnxruntime", "precision": "fp32"}
QUERIES: list[str | Query] = ["how tall is the tower?", Query("who sleeps?", "q2"), "ราคาเท่าไร", "tower " * 600, "iron"]
DOCUMENTS: list[Sequence[Any]] = [
    TEXTS,
    [{"id": "a", "text": TEXTS[2], "page": 3}, Document(TEXTS[0], "b", title="Tower"), TEXTS[1]],
    ["ベルリン", "", " \n", TEXTS[1]],
    ["tower " * 900, *TEXTS],
    [],
]


@pytest.fixture(scope="module")
def packaged() -> Reranker:
    return Reranker.load(**ENGINE)


def told(ranking: Ranking) -> tuple[Any, ...]:
    """Return all of a ranking but its scores, which are rounded, and its latencies."""
    steps = [
        (step.stage, step.facts, step.degradations, step.truncations, {c for c in step.counts if not c.endswith("_us")})
        for step in ranking.trace.steps
    ]
    places = [(item.document, item.rank, item.is_scored) for item in ranking]
    return ranking.query, ranking.stage, ranking.score_kind, ranking.unscored, places, steps


def check_as_one_by_one(reranker: Reranker, queries: Sequence[Any], documents: Sequence[Any], **how: Any) -> None:
    together = reranker.rank_many(queries, documents, **how)
    alone = [reranker.rank(query, some, **how) for query, some in zip(queries, documents, strict=True)]
    assert list(map(told, together)) == list(map(told, alone))
    for one, other in zip(together, alone, strict=True):
        assert [item.score for item in one] == pytest.approx([item.score for item in other], abs=1e-3)


@pytest.mark.parametrize("how", [{}, {"top_k": 2}, {"min_score": 0.0, "min_score_kind": "weighted sum"}])
def test_every_query_has_the_ranking_and_the_trace_that_it_has_alone(packaged: Reranker, how: dict[str, Any]) -> None:
    check_as_one_by_one(packaged, QUERIES, DOCUMENTS, **how)


def test_queries_that_share_batches_have_the_same_scores_to_the_bit_where_that_is_asked_for() -> None:
    exact = Reranker.load(exact=True, **ENGINE)
    together = exact.rank_many(QUERIES[:2], DOCUMENTS[:2])
    alone = [exact.rank(query, some) for query, some in zip(QUERIES[:2], DOCUMENTS[:2], strict=True)]
    assert [[item.score for item in one] for one in together] == [[item.score for item in one] for one in alone]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text().filter(str.strip), st.lists(st.text(), max_size=5)), max_size=5))
def test_any_queries_and_texts_are_ranked_as_one_by_one(asked: list[tuple[str, list[str]]]) -> None:
    check_as_one_by_one(Reranker(kind="lexical"), [query for query, _ in asked], [texts for _, texts in asked])


def test_what_is_given_may_be_of_any_iterable_kind() -> None:
    ranked = Reranker(kind="lexical").rank_many(iter(["tower", "cats"]), (iter(TEXTS) for _ in range(2)))
    assert [one.doc_ids[0] for one in ranked] == ["1", "2"]


def test_exits_leave_unread_of_each_query_what_they_leave_alone() -> None:
    encoder = BiEncoder.load("all-minilm-l6-v2", **ENGINE)
    texts = [*TEXTS, *(f"Recipe {i}: bake the bread for {i} minutes with salt." for i in range(12))]
    vectors = encoder.encode(texts, role=Role.DOCUMENT)
    encoder.close()
    stored = [
        Document(text, str(place), vector=DocumentVector(encoder.fingerprint, vector))
        for place, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    exits = Reranker.load(exits="packaged", **ENGINE)
    asked, given = ["how tall is the tower?", "how long is bread baked?"], [stored, stored[3:]]
    assert all(
        any("left unread" in note for note in exits.rank(q, d, top_k=1).trace.degradations)
        for q, d in zip(asked, given, strict=True)
    )
    check_as_one_by_one(exits, asked, given, top_k=1)


def test_probabilities_are_those_of_one_query_alone(tmp_path: Path) -> None:
    scorer = Reranker.load(**ENGINE).fingerprint
    error = Interval(0.1, 0.05, 0.2)
    ScoreCalibration("platt", Platt(0.3, -1.0), scorer, "notes", 10, 4, error, error).save(tmp_path / "made.json")
    calibrated = Reranker.load(calibration=tmp_path / "made.json", **ENGINE)
    check_as_one_by_one(calibrated, QUERIES, DOCUMENTS, min_score=0.2)
    assert calibrated.rank_many(QUERIES, DOCUMENTS)[0].score_kind is ScoreKind.CALIBRATED_PROBABILITY


def test_scores_that_are_remembered_serve_many_queries() -> None:
    remembering = Reranker.load(score_cache="memory", **ENGINE)
    fresh, again = (remembering.rank_many(QUERIES[:2], DOCUMENTS[:2]) for _ in range(2))
    assert [one.trace.steps[-1].counts["cached"] for one in again] == [4, 3]
    assert [one.doc_ids for one in again] == [one.doc_ids for one in fresh]


def test_a_fallback_takes_over_for_each_query() -> None:
    chain = Reranker("http://127.0.0.1:9", kind="tei", retries=0, fallback=["lexical:x"])
    ranked = chain.rank_many(["tower", "cats"], [TEXTS, TEXTS])
    assert [one.doc_ids[0] for one in ranked] == ["1", "2"]
    assert all("127.0.0.1:9 failed" in one.trace.degradations[0] for one in ranked)


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        ("tower", [TEXTS], "queries must be a list of queries, not a single one; for one query there is rank"),
        (["a", "b"], [TEXTS], "2 queries came with 1 lists of documents"),
        (["a", " "], [TEXTS, TEXTS], "^query 1: the query is empty"),
        (["a", "b"], TEXTS[:2], "^query 0: documents must be a list of documents, not a single one"),
        (["a", "b"], [TEXTS, ["x", {"id": "d", "txt": "y"}]], r"^query 1: document 1: 'text' must be a string"),
    ],
)
def test_what_cannot_be_ranked_is_refused_by_its_query_s_place(queries: Any, documents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reranker(kind="lexical").rank_many(queries, documents)


def test_a_document_that_is_too_long_where_none_may_be_is_named_with_its_query() -> None:
    strict = Reranker.load("shortlist-minilm-l6", long_documents="error", **ENGINE)
    documents = [["short"]] * 67
    documents[65] = ["short", "long " * 900]
    with pytest.raises(InputError, match=r"^query 65: document '1' has 900"):
        strict.rank_many(["tower"] * 67, documents)


def test_a_budget_of_many_queries_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="rank_many has no option 'budget_ms'; it has: top_k, min_score"):
        Reranker(kind="lexical").rank_many(["a"], [TEXTS], budget_ms=5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^top_k must be a whole number from 1"):
        Reranker(kind="lexical").rank_many(["a"], [TEXTS], top_k=0)
    with pytest.raises(InputError, match=r"there is rank_many\(query, documents\)"):
        Reranker(kind="lexical").rerank_many(["a"], [TEXTS])  # type: ignore[list-item, arg-type]


class Together(Lexical):
    """Takes the documents of several queries at once, and remembers how many queries came together."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[int] = []

    def score_groups(self, groups: Sequence[Group]) -> list[Scores]:
        self.came.append(len(groups))
        return [self.score(query, documents) for query, documents in groups]

    def score(self, query: Query, documents: Sequence[Document]) -> Scores:
        scores = super().score(query, documents)
        return Scores(scores.values * (np.nan if query.text == "broken" else 1), scores.kind, scores.step)


def test_sixty_four_queries_are_read_together_and_a_failure_is_of_its_query() -> None:
    def ranked(queries: Sequence[str], scorer: Together) -> list[Ranking]:
        many = [Ranking.in_order(Query(query), [Document(text, text) for text in set(TEXTS)]) for query in queries]
        return list(ranked_in_steps(Pointwise(scorer), many, top_k=1, is_shared=True))

    scorer = Together()
    assert len(ranked(["tower"] * 130, scorer)) == 130
    assert scorer.came == [64, 64, 2]
    with pytest.raises(ScoreError, match=r"^query 70: .* gave nan for document"):
        ranked(["tower"] * 70 + ["broken", "tower"], Together())


def test_a_failure_behind_a_cache_is_not_read_twice_where_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def score(self: Lexical, query: Query, documents: Sequence[Document]) -> Scores:
        asked.append(query.text)
        raise ScoreError("it broke")

    monkeypatch.setattr(Lexical, "score", score)
    with pytest.raises(ScoreError, match=r"^query 0: it broke"):
        Reranker(kind="lexical", score_cache="memory").rank_many(["a", "b"], [TEXTS, TEXTS])
    assert asked == ["a"]


def test_lists_that_are_gone_with_the_next_one_are_ranked_too() -> None:
    rows = [("a", "how tall?"), ("a", "of iron"), ("b", "cats")]
    lists = ((text for _, text in group) for _, group in groupby(rows, key=lambda row: row[0]))
    ranked = Reranker("lexical", kind="lexical").rank_many(["tall", "cats"], lists)
    assert [[item.text for item in ranking] for ranking in ranked] == [["how tall?", "of iron"], ["cats"]]

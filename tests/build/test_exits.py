"""The packaged blend with exits: the same scores for less reading, with margins of its own or of the user's queries."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist import Document, Reranker
from shortlist.build.asking import packaged_floor, weights_of
from shortlist.build.exit_margins import fit_margins
from shortlist.build.exits import PACKAGED, load_exits, packaged_margins, read_margins
from shortlist.build.models import load_model
from shortlist.build.named import Named
from shortlist.errors import InputError, UnsupportedModelError
from shortlist.evaluation.request import Request
from shortlist.inference.biencoder import BiEncoder
from shortlist.protocols import Role
from shortlist.scorers.blend import Blend
from shortlist.scorers.cosine import Cosine
from shortlist.scorers.pruning import Margins
from shortlist.settings import Settings
from shortlist.types import Deadline, DocumentVector, Query, Ranking, Step

QUERY = Query("How many people live in Berlin?")
TEXTS = [
    "Berlin had a population of 3,520,031 in 2019.",
    "Berlin is well known for its museums.",
    "About 1.8 million people live in Hamburg.",
    "The number of people who live in Berlin grows.",
    *(f"Recipe {i}: bake the bread for {i} minutes with salt." for i in range(12)),
]
ENGINE: dict[str, Any] = {"engine": "onnxruntime", "precision": "fp32"}
SETTINGS = Settings(engine="onnxruntime", precision="fp32")


@pytest.fixture(scope="module")
def stored() -> Iterator[list[Document]]:
    """The texts with what an index keeps of them."""
    encoder = BiEncoder.load("all-minilm-l6-v2", engine="onnxruntime", precision="fp32")
    vectors, tokens = encoder.encode(TEXTS, role=Role.DOCUMENT), encoder.tokenize(TEXTS)
    yield [
        Document(text, str(place), tokens=ids, vector=DocumentVector(encoder.fingerprint, row))
        for place, (text, row, ids) in enumerate(zip(TEXTS, vectors, tokens, strict=True))
    ]
    encoder.close()


@pytest.fixture(scope="module")
def exits() -> Reranker:
    return Reranker.load(exits=PACKAGED, **ENGINE)


@pytest.fixture(scope="module")
def whole() -> Reranker:
    return Reranker.load(**ENGINE)


def step_of(ranking: Ranking) -> Step:
    return next(step for step in ranking.trace.steps if step.stage == "cheap first")


def test_a_blend_without_a_part_is_the_sum_of_the_others() -> None:
    blend = load_model("shortlist-l6", **ENGINE)
    assert isinstance(blend, Blend)
    documents = [Document(text) for text in TEXTS]
    cross_encoder, weight = blend.parts[0], blend.weights[0]
    added = blend.without(cross_encoder).score(QUERY, documents).values
    expected = blend.score(QUERY, documents).values - weight * cross_encoder.score(QUERY, documents).values
    assert np.abs(added - expected).max() < 1e-4
    assert cross_encoder not in blend.without(cross_encoder).parts


def test_a_query_that_is_asked_again_has_the_same_vector_and_others_their_own() -> None:
    cosine = Cosine.load("all-minilm-l6-v2", **ENGINE)
    documents = [Document(text) for text in TEXTS]
    queries = [QUERY, QUERY, Query("How is bread baked?"), QUERY]
    first, again, other, last = (cosine.score(query, documents).values for query in queries)
    assert np.array_equal(first, again)
    assert np.array_equal(first, last)
    assert not np.allclose(first, other)


def test_what_is_read_scores_as_without_exits_and_the_hopeless_are_left_unread(
    exits: Reranker, whole: Reranker, stored: list[Document]
) -> None:
    found, expected = exits.rank(QUERY, stored, top_k=3), whole.rank(QUERY, stored, top_k=3)
    assert found.doc_ids == expected.doc_ids
    assert found.score_kind is expected.score_kind
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-5)
    counts = step_of(found).counts
    assert counts["documents"] == 16
    assert 3 <= counts["read"] <= 6
    assert any("were left unread" in text for text in found.trace.degradations)
    assert exits.fingerprint == whole.fingerprint


def test_the_chance_that_something_answers_is_known_with_exits_as_without(
    exits: Reranker, whole: Reranker, stored: list[Document]
) -> None:
    chances = [packaged_floor().chance(one.rank(QUERY, stored, top_k=3)) for one in (exits, whole)]
    assert chances[0] == pytest.approx(chances[1], abs=1e-6)


def test_texts_are_encoded_once_and_the_hopeless_are_left_unread(exits: Reranker, whole: Reranker) -> None:
    found, expected = exits.rank(QUERY, TEXTS, top_k=3), whole.rank(QUERY, TEXTS, top_k=3)
    assert found.doc_ids == expected.doc_ids
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-5)
    assert 3 <= step_of(found).counts["read"] <= 6
    vectors, *others = found.trace.steps
    assert (vectors.stage, vectors.counts) == ("vectors", {"documents": 16, "encoded": 16})
    assert all(item.document.vector is None and item.document.tokens is None for item in found)
    assert [step.counts["encoded"] for step in others if "encoded" in step.counts] == [0, 0]


def test_texts_of_several_queries_are_encoded_together_and_only_those_without_a_vector(
    exits: Reranker, stored: list[Document]
) -> None:
    bare, baked = [replace(one, vector=None, tokens=None) for one in stored], Query("How long does the bread bake?")
    asked = ((QUERY, [bare[0], *stored[1:]]), (QUERY, bare[:3]), (baked, bare[::-1]))
    many = [Ranking.in_order(query, documents) for query, documents in asked]
    together, alone = exits.rerank_many(many, top_k=3), [exits.rerank(one, top_k=3) for one in many]
    assert [one.doc_ids for one in together] == [one.doc_ids for one in alone]
    assert [one.trace.steps[0].counts.get("encoded") for one in together] == [1, None, 16]
    for one, given in zip(together, many, strict=True):
        assert all(any(item.document is document for document in given.documents) for item in one)


def test_texts_are_all_read_where_encoding_them_first_might_be_in_vain(exits: Reranker, whole: Reranker) -> None:
    remembering = Reranker.load(exits=PACKAGED, score_cache="memory", **ENGINE)
    for found in (exits.rank(QUERY, TEXTS, top_k=3, budget_ms=60_000), remembering.rank(QUERY, TEXTS, top_k=3)):
        assert found.doc_ids == whole.rank(QUERY, TEXTS, top_k=3).doc_ids
        assert step_of(found).counts == {"documents": 16, "read": 16, "unread": 0}
        assert any("no stored vector" in text for text in found.trace.degradations)


def test_a_budget_and_a_faster_model_go_with_exits(whole: Reranker, stored: list[Document]) -> None:
    reranker = Reranker(exits=PACKAGED, faster=["shortlist-minilm-l6"], **ENGINE)
    ranking = reranker.rank(QUERY, stored[::-1], top_k=3, budget_ms=60_000)
    assert ranking.doc_ids == whole.rank(QUERY, stored[::-1], top_k=3).doc_ids
    assert step_of(ranking).counts["unread"] > 0
    assert ranking.trace.steps[-1].stage == "budget"
    assert not ranking.is_partial


def test_without_exits_too_a_budget_is_spent_on_the_most_promising_where_vectors_are_stored(
    whole: Reranker, stored: list[Document]
) -> None:
    in_time = whole.rank(QUERY, stored[::-1], budget_ms=60_000)
    assert in_time.doc_ids == whole.rank(QUERY, stored[::-1]).doc_ids
    assert step_of(in_time).counts == {"documents": 16, "read": 16, "unread": 0}
    assert not in_time.is_partial
    too_late = whole.rerank_within(Ranking.in_order(QUERY, stored[::-1]), deadline=Deadline.after(0.001))
    assert (too_late.unscored, too_late.doc_ids) == (16, tuple(str(place) for place in reversed(range(16))))


def test_where_the_first_stage_counts_for_the_order_a_budget_begins_with_its_first(stored: list[Document]) -> None:
    kept = Reranker.of(replace(SETTINGS, first_stage_weight=0.5))
    ranking = kept.rank(QUERY, stored[::-1], budget_ms=60_000)
    assert "cheap first" not in [step.stage for step in ranking.trace.steps]


@pytest.mark.parametrize("name", ["shortlist-minilm-l6", "all-minilm-l6-v2"])
def test_what_knows_nothing_before_it_reads_keeps_the_given_order_in_a_budget(
    name: str, stored: list[Document]
) -> None:
    ranking = Reranker.load(name, **ENGINE).rank(QUERY, stored, budget_ms=60_000)
    assert "cheap first" not in [step.stage for step in ranking.trace.steps]


def test_a_cache_stands_behind_the_exits(stored: list[Document]) -> None:
    reranker = Reranker.load(exits=PACKAGED, score_cache="memory", **ENGINE)
    first, again = (reranker.rank(QUERY, stored, top_k=3) for _ in range(2))
    assert again.doc_ids == first.doc_ids
    assert again.trace.steps[-1].counts["cached"] == step_of(again).counts["read"] < 16


def test_the_packaged_margins_are_of_the_packaged_weights_and_hold_for_every_usual_top_k() -> None:
    made = packaged_margins()
    scorer = load_model("shortlist-l6", **ENGINE)
    assert weights_of(made.model) == weights_of(scorer.fingerprint) != ()
    assert [*made.by_top_k] == [1, 3, 5, 10, 20]
    assert all(len(margins) == 1 and 0 < margins[0] < math.inf for margins in made.by_top_k.values())
    assert read_margins(PACKAGED) == made


def test_the_packaged_margins_are_of_no_other_model() -> None:
    with pytest.raises(InputError, match=r"of shortlist-l6, not of shortlist-minilm-l6.*shortlist exits"):
        load_exits("shortlist-minilm-l6", PACKAGED)


@pytest.mark.parametrize(("model", "kind"), [("shortlist-minilm-l6", None), ("any", "lexical")])
def test_a_model_that_knows_nothing_before_its_last_layer_has_no_exits(
    model: str, kind: str | None, tmp_path: Path
) -> None:
    Margins("any", 0.1, 40, {10: (1.0,)}).save(tmp_path / "exits.json")
    with pytest.raises(UnsupportedModelError, match="exit"):
        Reranker.load(model, kind=kind, exits=str(tmp_path / "exits.json"))


def test_exits_are_of_the_settings_own_model_only(whole: Reranker) -> None:
    settings = replace(SETTINGS, exits=PACKAGED, fallback=("shortlist-minilm-l6",))
    assert Named.of("shortlist-l6", settings).exits == PACKAGED
    assert Named.of("shortlist-minilm-l6", settings).exits == "none"
    assert Reranker.of(settings).rank(QUERY, TEXTS, top_k=3).doc_ids == whole.rank(QUERY, TEXTS, top_k=3).doc_ids


def test_margins_are_fitted_for_a_blend_from_queries_of_ones_own(stored: list[Document], tmp_path: Path) -> None:
    corpus, queries, file = (tmp_path / name for name in ("corpus.jsonl", "queries.jsonl", "exits.json"))
    corpus.write_text("".join(json.dumps({"_id": d.doc_id, "text": d.text}) + "\n" for d in stored))
    asked = [f"How many people live in {place}?" for place in ("Berlin", "Hamburg", "Rome", "Paris", "Oslo")]
    queries.write_text("".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(asked * 2)))
    request = Request(systems=("bm25@16",), corpus=str(corpus), queries=str(queries))
    made = fit_margins(request, "shortlist-l6", settings=SETTINGS, top_ks=(3, 1, 3), risk=0.2)
    assert [*made.by_top_k] == [1, 3]
    assert made.queries == 10
    made.save(file)
    with_own = Reranker.of(replace(SETTINGS, exits=str(file)))
    assert step_of(with_own.rank(QUERY, stored, top_k=1)).counts["documents"] == 16
    replace(made, model="another").save(file)
    with pytest.raises(InputError, match="are of another, not of"):
        Reranker.of(replace(SETTINGS, exits=str(file))).ready()

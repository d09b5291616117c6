"""A claim's verdict follows from the interval alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.claims.answers import FEW, NUMBERS, about_answers, about_context
from benchmarks.claims.retrieval import MEASURE, SHORTER, about_given, about_hybrid, about_listwise
from benchmarks.claims.rows import AGREES, DISAGREES, NOT_MEASURED, OPEN, Claimed, Row, as_table, measured, verdict
from benchmarks.provenance import weights_of
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.models import load_second_stage
from shortlist.errors import InputError
from shortlist.evaluation import Run, parse_measures, per_query
from shortlist.evaluation.answers.study import F1, FAITHFUL, IN_CONTEXT, AnswerStudy, Reply
from shortlist.evaluation.results import Evaluation, SystemResult
from shortlist.evaluation.systems import Answered
from shortlist.types import Document, Query, Ranking

NUMBER = st.floats(-100, 100)


@given(NUMBER, st.floats(0, 10), NUMBER, st.floats(0, 10))
def test_only_an_interval_within_the_claim_agrees(low: float, width: float, start: float, span: float) -> None:
    claimed = Claimed(start, start + span)
    found = verdict(claimed, low, low + width)
    ends = [start < low < start + span, start < low + width < start + span]
    assert (found == AGREES) == all(ends)
    if found == DISAGREES:
        assert not any(ends)
    for value in np.linspace(low, low + width, 5):
        if found == DISAGREES:
            assert not start < value < start + span


def test_no_gain_at_all_is_none() -> None:
    assert verdict(Claimed(0.0), 0.0, 0.3) == OPEN
    assert verdict(Claimed(0.0), 0.0, 0.0) == DISAGREES


def test_a_table_holds_every_row_and_the_open_ones() -> None:
    rows = [measured("it | helps", Claimed(0.0), 0.05, (-0.01, 0.11), unit="", how="here")]
    assert rows[0].verdict == OPEN
    assert "| it \\| helps |" in as_table(rows)


def system(name: str, quality: list[float], milliseconds: float) -> SystemResult:
    answers = {
        str(i): Answered(("a",), (), ("a",) * 50, (1.0, milliseconds + i), pairs=50) for i in range(len(quality))
    }
    values = {"nDCG@10": {str(i): value for i, value in enumerate(quality)}}
    return SystemResult(name, "", answers, values, {}, {}, "logit")


def rows_of(cross_ms: float) -> list[Row]:
    systems = (
        system("cross-encoder", [0.9, 0.8, 0.9, 0.7], cross_ms),
        system("bi-encoder", [0.5, 0.5, 0.6, 0.4], 10.0),
    )
    found = Evaluation({}, {"name": "x", "queries": 4}, {}, ("nDCG@10",), systems, {})
    return list(about_given(found, round_trips_ms=[50.0], hosted_ms=100.0))


def test_claims_about_a_slow_and_good_cross_encoder() -> None:
    found = [row.verdict for row in rows_of(1000.0)]
    assert found == [AGREES, AGREES, DISAGREES, NOT_MEASURED, DISAGREES]


def test_claims_about_a_fast_one() -> None:
    found = [row.verdict for row in rows_of(50.0)]
    assert found == [AGREES, DISAGREES, AGREES, NOT_MEASURED, AGREES]


def test_a_shrinking_gain_is_seen_and_what_needs_a_generator_is_not_measured() -> None:
    def reply(name: str, number: int, query: int) -> Reply:
        is_there = number == 30 or name == "reranked" or (name == "first stage" and query < 4)
        return Reply(name, number, str(query), "", {IN_CONTEXT: float(is_there)})

    systems = ("first stage", "reranked", "shuffled")
    replies = tuple(reply(name, n, q) for name in systems for n in NUMBERS for q in range(9))
    rows = list(about_context(AnswerStudy({}, {"name": "x", "queries": 9}, {}, "", "", systems, NUMBERS, replies, {})))
    assert [row.value for row in rows] == pytest.approx([5 / 9, 1.0])
    assert [row.verdict for row in rows] == [AGREES, AGREES]
    without = list(about_answers(None))
    assert [row.verdict for row in without] == [NOT_MEASURED, NOT_MEASURED]
    assert all(math.isnan(row.value) for row in without)


def test_answers_of_both_are_compared_where_both_answered() -> None:
    def reply(name: str, query: int) -> Reply:
        supported = {FAITHFUL: float(name == "reranked" or query > 1)} if query else {}
        return Reply(name, FEW, str(query), "", {F1: 0.5, **supported})

    systems = ("first stage", "reranked")
    replies = tuple(reply(name, q) for name in systems for q in range(9))
    about = {"name": "x", "queries": 9}
    faithful, f1 = about_answers(AnswerStudy({}, about, {}, "m", "j", systems, (FEW,), replies, {}))
    assert (faithful.value, f1.value) == pytest.approx((1 / 8, 0.0))
    assert "8 questions answered by both" in faithful.how
    assert f1.verdict == DISAGREES


def test_reranking_fewer_is_measured_from_the_scores_at_the_largest_depth() -> None:
    def ranked(doc_ids: str, scores: tuple[float, ...], spec: str) -> SystemResult:
        answers = {q: Answered(tuple(doc_ids), scores, tuple("abcd"), (1.0, 9.0), pairs=4) for q in ("1", "2")}
        run = Run(spec, {q: answer.doc_ids for q, answer in answers.items()})
        values = per_query(run, {q: {"d": 1} for q in answers}, parse_measures([MEASURE, SHORTER]))
        return SystemResult(spec, spec, answers, values, {}, {}, "logit")

    systems = (ranked("abcd", (4.0, 3.0, 2.0, 1.0), "hybrid@4"), ranked("dcba", (4.0, 3.0, 2.0, 1.0), "hybrid@4 > m"))
    qrels = {q: {"d": 1} for q in ("1", "2")}
    found = Evaluation({}, {"name": "x", "queries": 2}, {}, (MEASURE, SHORTER), systems, {}, (), qrels)
    rows = list(about_hybrid(found, (2, 4)))
    assert [row.verdict for row in rows] == [DISAGREES, DISAGREES, AGREES, AGREES]
    assert rows[3].claim == "reranking the first 4 of hybrid search makes the first 5 better"
    assert rows[3].value == pytest.approx(1 - 1 / math.log2(5))


def test_a_listwise_model_is_set_against_a_cross_encoder() -> None:
    systems = (system("cross-encoder", [0.9, 0.8, 0.9, 0.7], 10.0), system("listwise", [0.5, 0.4, 0.5, 0.4], 9000.0))
    found = Evaluation({}, {"name": "x", "queries": 4}, {}, ("nDCG@10",), systems, {})
    better, slower = about_listwise(found, "/a/folder/small.gguf[kind=llm-listwise]")
    assert (better.verdict, slower.verdict) == (DISAGREES, AGREES)
    assert "; small.gguf" in better.how
    assert [row.verdict for row in about_listwise(None, "")] == [NOT_MEASURED, NOT_MEASURED]


def test_a_random_large_model_is_made_once_and_scores(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    pytest.importorskip("onnx")
    from benchmarks.claims import large

    folder = large.named("random:tiny", tmp_path, like="shortlist-minilm-l6", shapes={"tiny": (2, 128)})
    made = (Path(folder) / "model.safetensors").stat().st_mtime_ns
    assert large.named("random:tiny", tmp_path, like="shortlist-minilm-l6", shapes={"tiny": (2, 128)}) == folder
    assert (Path(folder) / "model.safetensors").stat().st_mtime_ns == made
    ranking = load_second_stage(folder, engine="onnxruntime").rerank(Ranking.in_order(Query("q"), [Document("a", "a")]))
    assert ranking.doc_ids == ("a",)
    assert large.named("a/model", tmp_path, like="") == "a/model"
    with pytest.raises(InputError, match="shapes are bert-base, bert-large"):
        large.named("random:huge", tmp_path, like="shortlist-minilm-l6")


def test_a_blend_has_the_weights_of_its_parts() -> None:
    found = weights_of(["shortlist-l6", "nobody/knows"])
    assert set(found) == {"all-minilm-l6-v2", "shortlist-minilm-l6"}
    assert all(len(digest) == 12 for digest in found.values())

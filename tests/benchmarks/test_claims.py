"""A claim's verdict follows from the interval alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.claims.answers import NUMBERS, about_answers
from benchmarks.claims.retrieval import Models, about_given
from benchmarks.claims.rows import AGREES, DISAGREES, NOT_MEASURED, OPEN, Claimed, Row, as_table, measured, verdict
from benchmarks.provenance import weights_of
from hypothesis import given
from hypothesis import strategies as st

from shortlist.build.models import load_second_stage
from shortlist.errors import InputError
from shortlist.evaluation.answers.study import IN_CONTEXT, AnswerStudy, Reply
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
    return list(about_given(found, Models("c", "b", "d"), round_trips_ms=[50.0], hosted_ms=100.0))


def test_claims_about_a_slow_and_good_cross_encoder() -> None:
    found = [row.verdict for row in rows_of(1000.0)]
    assert found == [AGREES, AGREES, DISAGREES, NOT_MEASURED, DISAGREES, NOT_MEASURED]


def test_claims_about_a_fast_one() -> None:
    found = [row.verdict for row in rows_of(50.0)]
    assert found == [AGREES, DISAGREES, AGREES, NOT_MEASURED, AGREES, NOT_MEASURED]


def test_a_shrinking_gain_is_seen_and_what_needs_a_generator_is_not_measured() -> None:
    def reply(name: str, number: int, query: int) -> Reply:
        return Reply(name, number, str(query), "", {IN_CONTEXT: float(name == "reranked" or number == 30)})

    replies = tuple(reply(name, n, q) for name in ("first stage", "reranked") for n in NUMBERS for q in range(9))
    about = {"name": "x", "queries": 9}
    rows = list(about_answers(AnswerStudy({}, about, {}, "", "", ("first stage", "reranked"), NUMBERS, replies, {})))
    assert [row.verdict for row in rows] == [AGREES, NOT_MEASURED, NOT_MEASURED]
    assert rows[0].value == pytest.approx(1.0)
    assert math.isnan(rows[1].value)


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

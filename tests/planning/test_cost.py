"""Costs follow the batches, fits find what was put in, and paces learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from shortlist.errors import InputError
from shortlist.inference.models import find_model
from shortlist.inference.tokens import Tokenizer
from shortlist.planning.choice import first_in_time
from shortlist.planning.cost import CostModel, Work, work_of
from shortlist.planning.fitting import Measurement, error_on, fit, least_squares_from_zero, p95_of
from shortlist.planning.lengths import SAMPLE, pair_lengths, sampled_lengths
from shortlist.planning.pace import SHARE, SPIKE, Pace
from shortlist.types import Document, Query, TokenIds

LENGTHS = st.lists(st.integers(1, 600), max_size=60)
TERM = st.floats(0, 10)
COSTS = st.builds(
    CostModel, TERM, TERM, TERM, st.floats(0, 0.01), st.floats(1, 3), st.integers(1, 4), limit=st.integers(8, 600)
)
KNOWN = CostModel(fixed_ms=2.0, pair_ms=0.5, token_ms=0.1, square_ms=0.0004, p95_ratio=1.4, streams=2, limit=512)


def test_one_batch_is_one_stream_s_work() -> None:
    assert work_of([100, 80, 60], streams=1, token_budget=1000) == Work(3, 300, 3 * 100**2)
    assert work_of([40, 30], streams=2) == Work(2, 80, 2 * 40**2)  # too little to be worth a second stream


def test_batches_are_shared_out_over_the_streams() -> None:
    assert work_of([100, 80, 60], streams=2) == Work(2, 200, 2 * 100**2)
    assert work_of([100] * 12, streams=2, token_budget=500) == Work(6, 600, 6 * 100**2)
    assert work_of([100] * 12, streams=1, token_budget=500) == Work(12, 1200, 12 * 100**2)


def test_work_is_what_is_padded() -> None:
    assert work_of([97, 80], length_step=16) == Work(2, 224, 2 * 112**2)


def test_the_terms_add_up() -> None:
    cost = CostModel(fixed_ms=10, pair_ms=1, token_ms=0.1, square_ms=0.01, p95_ratio=2)
    assert cost.p50_ms([20, 10]) == pytest.approx(10 + 2 * 1 + 40 * 0.1 + 2 * 400 * 0.01)
    assert cost.p95_ms([20, 10]) == pytest.approx(2 * cost.p50_ms([20, 10]))
    assert cost.p50_ms([]) == cost.p95_ms([]) == 0


def test_a_second_reading_has_a_limit_of_its_own() -> None:
    cost = CostModel(token_ms=1, second_ms=0.5, limit=400, second_limit=100, jitter_ms=7)
    assert cost.p50_ms([80]) == 80 + 40
    assert cost.p50_ms([300]) == 300 + 50
    assert cost.p95_ms([500]) == 400 + 50 + 7


def test_what_is_over_the_limit_costs_nothing() -> None:
    assert KNOWN.p50_ms([5000]) == KNOWN.p50_ms([512]) > KNOWN.p50_ms([511])


@given(COSTS, st.integers(1, 80), st.integers(1, 600))
def test_more_pairs_or_longer_ones_never_cost_less(cost: CostModel, pairs: int, length: int) -> None:
    here = cost.p50_ms([length] * pairs)
    assert cost.p50_ms([length] * (pairs + 1)) >= here * (1 - 1e-9)
    # in bigger batches the streams can be evener, so only one stream is sure to be slower with longer pairs
    alone = CostModel(cost.fixed_ms, cost.pair_ms, cost.token_ms, cost.square_ms)
    assert alone.p50_ms([length + 1] * pairs) >= alone.p50_ms([length] * pairs)


def shapes() -> list[tuple[int, ...]]:
    return [(length,) * pairs for length in (30, 90, 180, 400) for pairs in (1, 3, 10, 40)]


def test_a_fit_finds_the_costs_that_made_the_latencies() -> None:
    rng = np.random.default_rng(0)
    made = [Measurement(s, KNOWN.p50_ms(s) * float(rng.lognormal(0, 0.1))) for s in shapes() for _ in range(20)]
    fitted = fit(made, shape=CostModel(streams=2, limit=512))
    for lengths in shapes():
        assert fitted.cost.p50_ms(lengths) == pytest.approx(KNOWN.p50_ms(lengths), rel=0.08)
    assert fitted.cost.p95_ms([90] * 10) == pytest.approx(np.exp(1.645 * 0.1) * KNOWN.p50_ms([90] * 10), rel=0.08)
    assert fitted.error.p50 < 0.06
    assert fitted.error.p95 < 0.06
    assert 0.9 <= fitted.error.covered <= 1
    assert (fitted.error.shapes, fitted.error.calls) == (5, 95)  # the first call of each shape is left out


def test_the_error_is_that_of_the_predictions() -> None:
    cost = CostModel(fixed_ms=10, p95_ratio=1.5)
    group = [Measurement((5,), 20.0) for _ in range(10)]
    error = error_on([group], cost)
    assert (error.p50, error.p95, error.covered) == (0.5, 0.25, 0.0)


def test_what_a_runtime_prepares_once_for_a_shape_is_no_part_of_its_cost() -> None:
    made = [Measurement(s, KNOWN.p50_ms(s) + 40 * (turn == 0)) for s in shapes() for turn in range(4)]
    fitted = fit(made, shape=CostModel(streams=2, limit=512))
    for lengths in shapes():
        assert fitted.cost.p95_ms(lengths) == pytest.approx(KNOWN.p50_ms(lengths), rel=0.01)


def test_disturbances_are_told_apart_from_slowness() -> None:
    rng = np.random.default_rng(0)
    medians = np.repeat([5.0, 50.0, 500.0], 400)
    ratio, jitter = p95_of(medians, medians + rng.exponential(4, 1200))
    assert ratio == pytest.approx(1, abs=0.02)
    assert jitter == pytest.approx(12, rel=0.25)  # -ln(.05) x 4
    ratio, jitter = p95_of(medians, medians * rng.lognormal(0, 0.1, 1200))
    assert ratio == pytest.approx(np.exp(0.1645), rel=0.05)
    assert jitter < 1


def test_too_few_shapes_are_no_cost_model() -> None:
    with pytest.raises(InputError, match="1 shapes were measured"):
        fit([Measurement((5,), 1.0)] * 50, shape=CostModel())


@given(st.integers(0, 2**32 - 1))
def test_least_squares_from_zero_is_what_scipy_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, targets = rng.normal(size=(12, 4)) + 0.5, rng.normal(size=12) + 1
    expected, norm = nnls(rows, targets)
    found = least_squares_from_zero(rows, targets)
    assert (found >= 0).all()
    assert np.linalg.norm(rows @ found - targets) == pytest.approx(norm, abs=1e-8)
    assert found == pytest.approx(expected, abs=1e-6)


def test_stored_tokens_are_counted_and_texts_are_estimated() -> None:
    stored = Document("x" * 4000, "s", tokens=TokenIds("t", np.zeros(7, np.int32)))
    assert pair_lengths(Query("1234"), [stored, Document("x" * 40, "e"), Document("", "n")]) == [11, 9, 4]
    assert pair_lengths(Query("\ud800"), [Document("\ud800" * 4)]) == [3 + 1 + 4]
    assert pair_lengths(Query("a"), [Document("word, " * 50_000)]) == [pytest.approx(100_000, rel=0.001)]


def test_estimated_tokens_are_near_the_counted_ones() -> None:
    tokenizer = Tokenizer.load(find_model("all-minilm-l6-v2").path / "tokenizer.json")
    texts = [path.read_text(encoding="utf-8")[:2000] for path in sorted(Path("docs").glob("*.md"))]
    counted = sum(len(ids) for ids in tokenizer.encode(texts))
    estimated = sum(length - 4 for length in pair_lengths(Query("a"), [Document(text) for text in texts]))
    assert estimated == pytest.approx(counted, rel=0.15)


def test_a_few_texts_tell_of_many_and_stored_tokens_are_still_counted() -> None:
    pages = [path.read_text(encoding="utf-8") for path in sorted(Path("docs").glob("*.md"))]
    texts = [page[at : at + 700] for page in pages for at in range(0, len(page), 700)]
    documents = [Document(text) for text in texts]
    assert len(documents) > 3 * SAMPLE
    whole, sampled = pair_lengths(Query("a"), documents), sampled_lengths(Query("a"), documents)
    assert sum(sampled) == pytest.approx(sum(whole), rel=0.05)
    assert sampled_lengths(Query("a"), documents[:SAMPLE]) == whole[:SAMPLE]
    stored = Document("x" * 4000, tokens=TokenIds("t", np.zeros(7, np.int32)))
    assert sampled_lengths(Query("a"), [stored, *documents])[0] == 3 + 1 + 7
    assert sampled_lengths(Query("a"), []) == []


def test_texts_are_read_until_it_is_late_and_at_least_one() -> None:
    documents = [Document("word " * 100), Document("!" * 100), Document("word " * 50)]
    assert sampled_lengths(Query("a"), documents, is_late=lambda: True) == [104, 24, 54]  # 5 characters a token
    assert sampled_lengths(Query("a"), documents) == [104, 104, 54]


@pytest.mark.parametrize("count", [257, 600, 5000])
def test_a_sample_of_many_pairs_costs_what_all_do(count: int) -> None:
    lengths = [int(length) for length in np.random.default_rng(0).integers(20, 400, count)]
    work = work_of(lengths, streams=2)
    _, pairs, tokens, squares, _ = CostModel(streams=2).terms(lengths)
    assert pairs == pytest.approx(work.pairs, rel=0.1)
    assert tokens == pytest.approx(work.tokens, rel=0.06)
    assert squares == pytest.approx(work.squares, rel=0.1)


@given(COSTS, LENGTHS, st.floats(-10, 5000), st.floats(0.1, 20))
def test_a_chunk_is_predicted_to_end_in_time(cost: CostModel, lengths: list[int], left_ms: float, load: float) -> None:
    pace = Pace(cost, load * 100, 100)
    count = pace.fitting(lengths, left_ms=left_ms)
    assert 0 <= count <= len(lengths)
    if count > 1:
        assert pace.predict_ms(lengths[:count]) <= left_ms * SHARE * (1 + 1e-9)
    if count == 1:
        assert pace.predict_ms(lengths[:1]) <= left_ms
    if count == 0 and lengths and left_ms > 0:
        assert pace.predict_ms(lengths[:1]) > left_ms


def test_a_chunk_can_be_bounded_but_not_below_a_round_trip() -> None:
    by_pair = Pace(CostModel(pair_ms=10))
    assert by_pair.fitting([5] * 100, left_ms=1e9, longest_ms=250) == 25
    far = Pace(CostModel(fixed_ms=300, pair_ms=1))
    assert far.fitting([5] * 100, left_ms=1e9, longest_ms=250) == 100


def test_a_pace_learns_that_the_machine_is_busy() -> None:
    pace = Pace(KNOWN)
    for _ in range(6):
        pace = pace.after([100] * 10, 3 * KNOWN.p50_ms([100] * 10))
    assert pace.load == pytest.approx(3)


def test_a_stall_in_a_short_chunk_is_not_taken_for_a_slow_machine() -> None:
    pace = Pace(KNOWN).after([100] * 20, KNOWN.p50_ms([100] * 20))
    for _ in range(5):  # the last chunks before a deadline, eight times as long as predicted
        pace = pace.after([10], KNOWN.p50_ms([10]) + 20)
    assert pace.load < 1.7
    stalled = Pace(KNOWN).after([10] * 9, 3000.0)
    assert stalled.load <= SPIKE * KNOWN.p95_ratio


def test_an_unknown_pace_begins_with_one_pair_and_learns_from_it() -> None:
    pace = Pace()
    assert pace.fitting([10] * 5, left_ms=100) == 1
    pace = pace.after([10], 20)
    assert pace.is_learned
    assert pace.load == 1
    assert pace.predict_ms([10] * 2) == 60  # 2 ms a token, and half as much again for the P95
    assert pace.fitting([10] * 50, left_ms=240) == 4


def test_a_model_that_is_passed_over_is_thought_faster_in_the_end() -> None:
    calibrated, learned = Pace(KNOWN, 500, 100), Pace().after([10], 50)
    for _ in range(80):
        calibrated, learned = calibrated.rested(), learned.rested()
    assert 0.9 <= calibrated.load <= 1
    assert learned.load < 0.05


def test_the_best_model_that_can_finish_is_taken_and_else_the_cheapest() -> None:
    large, small = Pace(CostModel(pair_ms=10)), Pace(CostModel(pair_ms=1))
    lengths = [5] * 20
    assert first_in_time([large, small], lengths, left_ms=200) == 0
    assert first_in_time([large, small], lengths, left_ms=199) == 1
    assert first_in_time([large, small], lengths, left_ms=2) == 1
    assert first_in_time([large, small], lengths, left_ms=0.5) is None
    assert first_in_time([Pace(), small], lengths, left_ms=20) == 0

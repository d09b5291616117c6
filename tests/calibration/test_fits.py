"""Fits find the probabilities that the labels came from, and say how far they are off."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from shortlist.calibration.error import calibration_error, expected_calibration_error
from shortlist.calibration.fitted import ScoreCalibration, fit_scores
from shortlist.calibration.logistic import fit_logistic, sigmoid
from shortlist.calibration.maps import FITS, Platt, fit_isotonic, fit_platt, fit_temperature, map_of
from shortlist.errors import InputError
from shortlist.pipeline import Budgeted, Cascade, Level
from shortlist.protocols import TimedReranker
from shortlist.scorers.calibrated import Calibrated
from shortlist.scorers.lexical import Lexical
from shortlist.scorers.pointwise import Pointwise
from shortlist.testing import check_reranker
from shortlist.types import Deadline, Document, Query, Ranking, ScoreKind

LEXICAL = Budgeted([Level(Lexical())])
RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 3, 1500)
LABELS = (RNG.random(1500) < sigmoid(0.8 * SCORES - 1)).astype(float)
GROUPS = np.arange(1500) % 100.0
ASKED = {f"q{g}": {f"d{i}": float(SCORES[i]) for i in range(int(g), 1500, 100)} for g in range(100)}
JUDGED = {q: {d: bool(LABELS[int(d[1:])]) for d in docs} for q, docs in ASKED.items()}


def test_logistic_regression_finds_the_least_loss() -> None:
    rows = RNG.normal(size=(300, 3))
    labels = (RNG.random(300) < sigmoid(rows @ np.array([1.0, -2.0, 0.0]) + 0.5)).astype(float)
    weights, bias = fit_logistic(rows, labels, ridge=0.01)

    def loss(at: np.ndarray) -> float:
        logits = rows @ at[:3] + at[3]
        return float(np.mean(np.logaddexp(0, logits) - labels * logits) + 0.01 * (at[:3] ** 2).sum())

    best = minimize(loss, np.zeros(4), tol=1e-10)
    assert np.append(weights, bias) == pytest.approx(best.x, abs=1e-3)


def test_perfectly_parted_labels_still_give_finite_weights() -> None:
    weights, bias = fit_logistic(np.array([[-1.0], [-0.5], [0.5], [1.0]]), np.array([0.0, 0, 1, 1]))
    assert np.isfinite([*weights, bias]).all()
    with pytest.raises(InputError, match="labels say the same"):
        fit_logistic(np.ones((3, 1)), np.ones(3))


def test_platt_and_temperature_find_the_curve() -> None:
    platt = fit_platt(SCORES, LABELS)
    assert (platt.slope, platt.offset) == pytest.approx((0.8, -1.0), abs=0.1)
    labels = (RNG.random(1500) < sigmoid(SCORES / 2.5)).astype(float)
    assert fit_temperature(SCORES, labels).temperature == pytest.approx(2.5, rel=0.1)


def test_scores_that_fall_with_relevance_cannot_be_calibrated() -> None:
    with pytest.raises(InputError, match="do not rise with relevance"):
        fit_platt(-SCORES, LABELS)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30))
def test_isotonic_is_the_best_rising_fit(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in pairs]), np.array([float(y) for _, y in pairs])
    fitted = fit_isotonic(scores, labels)
    assert all(a < b for a, b in zip(fitted.scores, fitted.scores[1:], strict=False))
    assert all(a < b for a, b in zip(fitted.chances, fitted.chances[1:], strict=False))
    # the min-max formula of isotonic regression, at every distinct score
    distinct = sorted(set(scores.tolist()))
    of = {s: labels[scores == s] for s in distinct}

    def mean(low: int, high: int) -> float:
        return float(np.concatenate([of[s] for s in distinct[low : high + 1]]).mean())

    last = len(distinct) - 1
    expected = [max(min(mean(a, b) for b in range(i, last + 1)) for a in range(i + 1)) for i in range(last + 1)]
    assert sorted(set(np.round(expected, 9).tolist())) == pytest.approx(sorted(fitted.chances))


def test_the_calibration_error_is_zero_for_a_word_that_is_kept() -> None:
    chances = np.repeat([0.2, 0.8], 50)
    labels = np.array(([1.0, 0.0, 0.0, 0.0, 0.0] * 10) + ([1.0, 1.0, 1.0, 1.0, 0.0] * 10))
    assert expected_calibration_error(chances, labels) == pytest.approx(0.0, abs=1e-9)
    assert expected_calibration_error(chances, 1 - labels) == pytest.approx(0.6)


def test_the_calibration_error_is_the_mean_gap() -> None:
    chances = np.array([0.1] * 10 + [0.9] * 10)
    labels = np.array([0.0] * 10 + [1.0] * 5 + [0.0] * 5)
    assert expected_calibration_error(chances, labels, bins=2) == pytest.approx((0.1 + 0.4) / 2)
    alike = np.full(100, 0.2)
    for labels in (np.array([1.0] * 20 + [0.0] * 80), np.array([0.0, 0.0, 1.0, 0.0, 0.0] * 20)):
        assert expected_calibration_error(alike, labels) == pytest.approx(0)
    perfect = calibration_error(np.array([0.0, 1.0] * 50), np.array([0.0, 1.0] * 50), np.arange(100.0))
    assert (perfect.value, perfect.low, perfect.high) == (0, 0, 0)


@pytest.mark.parametrize("method", FITS)
def test_a_calibration_comes_back_from_its_file(method: str, tmp_path: Path) -> None:
    made = fit_scores(ASKED, JUDGED, method=method, scorer="s", fitted_on="made-up labels")
    assert (made.pairs, made.relevant) == (1500, int(LABELS.sum()))
    assert made.error.low <= made.error.value <= made.error.high
    if method != "temperature":  # which has no offset, as these labels have
        assert made.error.value < made.uncalibrated.value / 2
    made.save(tmp_path / "c.json")
    again = ScoreCalibration.load(tmp_path / "c.json")
    assert again == made
    assert np.array_equal(again.score_map(SCORES), made.score_map(SCORES))
    rising = made.score_map(np.sort(SCORES))
    assert (np.diff(rising) >= 0).all()
    assert ((rising >= 0) & (rising <= 1)).all()


def test_what_cannot_be_fitted_or_read_says_why(tmp_path: Path) -> None:
    few = {"q": {"d": 1.0}}
    with pytest.raises(InputError, match="1 judged pairs, 1 of them relevant, are too few"):
        fit_scores(few, {"q": {"d": True}}, scorer="s", fitted_on="x")
    with pytest.raises(InputError, match="no calibration method 'beta'"):
        fit_scores(ASKED, JUDGED, method="beta", scorer="s", fitted_on="x")
    graded: Any = {query: {doc_id: 3 * yes for doc_id, yes in docs.items()} for query, docs in JUDGED.items()}
    with pytest.raises(InputError, match="3 is a grade"):
        fit_scores(ASKED, graded, scorer="s", fitted_on="x")
    one_query = {"q": {f"d{i}": float(i) for i in range(40)}}
    with pytest.raises(InputError, match="too few queries"):
        fit_scores(one_query, {"q": {f"d{i}": i > 20 for i in range(40)}}, scorer="s", fitted_on="x")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="is no score calibration"):
        ScoreCalibration.load(tmp_path / "x.json")
    with pytest.raises(InputError, match="are no parameters of platt"):
        map_of("platt", {"colour": 2})
    broken = {"q": {f"d{i}": math.nan if i in {3, 7} else float(i) for i in range(40)}}
    with pytest.raises(InputError, match="2 of 40 judged scores are no finite numbers"):
        fit_scores(broken, {"q": {f"d{i}": i > 20 for i in range(40)}}, scorer="s", fitted_on="x")


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("platt", [0.1, 0]),
        ("platt", {"slope": -1, "offset": 0}),
        ("platt", {"slope": 1, "offset": math.nan}),
        ("temperature", {"temperature": 0}),
        ("isotonic", {"scores": [], "chances": []}),
        ("isotonic", {"scores": [1, 2], "chances": [0]}),
        ("isotonic", {"scores": [2, 1], "chances": [0, 1]}),
        ("isotonic", {"scores": [1, 2], "chances": [0, 7]}),
        ("isotonic", {"scores": [1, 2], "chances": [0.5, 0.1]}),
        ("isotonic", {"scores": ["low", "high"], "chances": [0, 1]}),
    ],
)
def test_a_damaged_map_is_refused_when_it_is_read(method: str, parameters: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    MADE.save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"method": method, "score_map": parameters}))
    with pytest.raises(InputError, match=f"is no score calibration .* are no parameters of {method}"):
        ScoreCalibration.load(file)


MADE = fit_scores(ASKED, JUDGED, scorer="s", fitted_on="made-up labels")
DOCUMENTS = [Document(text, str(i)) for i, text in enumerate(["iron tower", "tall tall tower", "nothing", "tall"])]
CANDIDATES = Ranking.in_order(Query("how tall"), DOCUMENTS)


def test_calibrated_scores_keep_the_order_and_say_on_what_they_were_fitted() -> None:
    plain, ranking = (r.rerank(CANDIDATES) for r in (Pointwise(Lexical()), Calibrated(Pointwise(Lexical()), MADE)))
    assert ranking.doc_ids == plain.doc_ids
    assert ranking.score_kind is ScoreKind.CALIBRATED_PROBABILITY
    expected = MADE.score_map(np.array([item.score for item in plain]))
    assert [item.score for item in ranking] == pytest.approx(expected.tolist())
    facts = ranking.trace.steps[-1].facts
    assert (facts["method"], facts["fitted_on"]) == ("platt", "made-up labels")
    assert ranking[0].history == plain[0].history
    check_reranker(Calibrated(Pointwise(Lexical()), MADE))


def test_order_is_decided_before_probabilities_round() -> None:
    steep = ScoreCalibration("platt", Platt(100, 0), "s", "x", 1, 1, MADE.error, MADE.error)

    class Big:
        """Logits so large that their probabilities are all 1."""

        def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
            return candidates.reordered([10, 30, 20, 40], kind=ScoreKind.LOGIT, stage="big", top_k=top_k)

    ranking = Calibrated(Big(), steep).rerank(CANDIDATES)
    assert ranking.doc_ids == ("3", "1", "2", "0")
    assert {item.score for item in ranking} == {1.0}
    with pytest.raises(InputError, match="Big keeps no deadline"):
        Calibrated(Big(), steep).rerank_within(CANDIDATES, deadline=Deadline.after(5))


@pytest.mark.parametrize("reranker", [LEXICAL, Cascade([(LEXICAL, 4), (LEXICAL, 3)])])
def test_without_time_the_first_stage_s_scores_are_not_called_probabilities(reranker: TimedReranker) -> None:
    timed = Calibrated(reranker, MADE)
    late = Deadline.after(1, clock=iter([0.0, *[5.0] * 20]).__next__)
    assert timed.rerank_within(CANDIDATES, deadline=late).score_kind is ScoreKind.RECIPROCAL_RANK
    in_time = timed.rerank_within(CANDIDATES, deadline=Deadline.after(10_000))
    assert in_time.score_kind is ScoreKind.CALIBRATED_PROBABILITY


def test_a_threshold_needs_a_calibrated_or_a_named_kind() -> None:
    ranking = Pointwise(Lexical()).rerank(CANDIDATES)
    with pytest.raises(InputError, match="meant for a calibrated probability, but these scores are of kind 'bm25'"):
        ranking.at_least(0.5)
    with pytest.raises(InputError, match="no kind of score 'stars'"):
        ranking.at_least(0.5, kind="stars")
    kept = ranking.at_least(0.1, kind="bm25")
    assert [item.doc_id for item in kept] == ["1", "3"]
    assert dict(kept.trace.steps[-1].counts) == {"documents": 4, "kept": 2}
    chances = Calibrated(Pointwise(Lexical()), MADE).rerank(CANDIDATES)
    assert len(chances.at_least(0)) == 4
    assert len(chances.at_least(1.01)) == 0


def test_a_threshold_leaves_out_what_was_not_scored() -> None:
    partial = CANDIDATES.partly_reordered([5, 6], kind=ScoreKind.LOGIT, stage="s")
    kept = partial.at_least(-100, kind=ScoreKind.LOGIT, given=CANDIDATES.stage)
    assert kept.doc_ids == ("1", "0")
    assert kept.trace.degradations == ("threshold: 2 of 4 documents were not scored, and are left out",)


@pytest.mark.parametrize("kind", [None, ScoreKind.RECIPROCAL_RANK])
def test_a_threshold_is_not_put_to_an_order_that_no_model_made(kind: ScoreKind | None) -> None:
    unscored = CANDIDATES.partly_reordered((), kind=CANDIDATES.score_kind, stage=CANDIDATES.stage)
    kept = unscored.at_least(0.9, kind=kind, given=CANDIDATES.stage)
    assert kept.doc_ids == CANDIDATES.doc_ids
    note = f"threshold: min_score=0.9 was not applied: no document was scored, and the {CANDIDATES.stage} order stands"
    assert kept.trace.degradations == (note,)
    with pytest.raises(InputError, match="no kind of score 'stars'"):
        unscored.at_least(0.9, kind="stars", given=CANDIDATES.stage)

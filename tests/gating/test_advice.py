"""Advice is drawn from differences query by query, and the verdict is a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from shortlist.errors import InputError
from shortlist.evaluation.significance import bootstrap_interval, holm, randomisation_p
from shortlist.gating.advice import Measured, Statistics, advise, gains_by_passages, verdict

STATISTICS = Statistics(
    lambda differences: bootstrap_interval(np.array(differences), resamples=500),
    lambda differences: randomisation_p(np.array(differences), permutations=2000),
    holm,
)
RNG = np.random.default_rng(0)
QUERIES = [f"q{i}" for i in range(40)]
FIRST = dict(zip(QUERIES, RNG.uniform(0.2, 0.6, 40).tolist(), strict=True))


def gaining(by_depth: dict[int, float], *, name: str = "m", latency: bool = True) -> Measured:
    noise = dict(zip(QUERIES, RNG.normal(0, 0.02, 40).tolist(), strict=True))
    values = {depth: {q: FIRST[q] + gain + noise[q] for q in QUERIES} for depth, gain in by_depth.items()}
    return Measured(name, values, {depth: depth * 4.0 for depth in by_depth} if latency else {})


def test_the_smallest_depth_with_most_of_the_gain_is_enough() -> None:
    (one,) = advise(FIRST, [gaining({10: 0.05, 30: 0.095, 50: 0.1, 100: 0.1})], STATISTICS)
    assert one.helps
    assert one.enough is not None
    assert one.enough.at == 30
    assert [gain.at for gain in one.gains] == [10, 30, 50, 100]
    assert all(gain.low <= gain.mean <= gain.high for gain in one.gains)
    said = verdict([one], recall=0.81)
    assert said.startswith("Rerank with m at depth 30: ")
    assert "of the gain of depth 50 for 60% of the time (120 ms), +0.1" in said
    assert said.endswith("; the first stage finds 81% of what is relevant.")


def test_without_a_gain_or_with_a_loss_the_advice_is_not_to_rerank() -> None:
    assert verdict(advise(FIRST, [gaining({50: -0.1})], STATISTICS)) == "Do not rerank: it makes the order worse."
    chance = advise(FIRST, [gaining({50: 0.0}), gaining({50: -0.1}, name="n")], STATISTICS)
    why = "no gain that is not chance, and n makes the order worse"
    assert verdict(chance, passages=30) == f"Do not rerank: {why} at 30 passages."
    assert [one.model for one in chance] == ["m", "n"]


def test_a_gain_that_passes_alone_need_not_pass_beside_others() -> None:
    asked: list[Sequence[float]] = []

    def corrected(p_values: Sequence[float]) -> Sequence[float]:
        asked.append(p_values)
        return holm(p_values)

    statistics = Statistics(STATISTICS.interval, lambda differences: 0.03, corrected)
    models = [gaining({50: 0.1}, name=name) for name in "ab"]
    assert advise(FIRST, models[:1], statistics)[0].helps
    assert not any(one.helps for one in advise(FIRST, models, statistics))
    assert list(map(len, asked)) == [1, 2]


def test_of_models_that_help_the_quickest_with_most_of_the_gain_is_advised() -> None:
    dear = gaining({50: 0.2, 100: 0.2}, name="dear")
    cheap = Measured("cheap", gaining({10: 0.03, 30: 0.19, 100: 0.19}).by_depth, {10: 5.0, 30: 15.0, 100: 50.0})
    said = verdict(advise(FIRST, [dear, cheap], STATISTICS))
    assert said.startswith("Rerank with cheap at depth 30: 9"), said
    assert "of the gain of dear at depth" in said
    unknown = [Measured(one.model, one.by_depth, {}) for one in (dear, cheap)]
    assert verdict(advise(FIRST, unknown, STATISTICS)).startswith("Rerank with dear at depth 50: ")


def test_a_model_that_helps_only_beside_the_first_stage_is_not_advised_alone() -> None:
    mixed = gaining({50: 0.12}, name="m + 0.5 x first stage")
    advice = advise(FIRST, [gaining({50: -0.1}), replace(mixed, mixes="m")], STATISTICS)
    assert verdict(advice).startswith("Rerank with m + 0.5 x first stage at depth 50: its whole gain, +0.")
    assert verdict(advice).endswith("; m alone makes the order worse.")


def test_the_gain_is_told_by_the_number_of_passages() -> None:
    first = dict.fromkeys((3, 30), FIRST)
    gains = gains_by_passages(first, {3: gaining({1: 0.1}).by_depth[1], 30: FIRST}, STATISTICS)
    assert [(gain.at, round(gain.mean, 1)) for gain in gains] == [(3, 0.1), (30, 0.0)]
    with pytest.raises(InputError, match="same numbers of passages"):
        gains_by_passages(first, {3: FIRST}, STATISTICS)


def test_values_of_other_queries_are_refused() -> None:
    with pytest.raises(InputError, match="'q0' is missing"):
        advise(FIRST, [Measured("m", {10: {"other": 1.0}}, {})], STATISTICS)
    for nothing in ([], [Measured("m", {}, {})]):
        with pytest.raises(InputError, match="nothing to give advice on"):
            advise(FIRST, nothing, STATISTICS)

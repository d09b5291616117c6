"""The tests of significance against exact enumeration and known values."""

from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.evaluation.significance import (
    bootstrap_interval,
    caution,
    cohens_d,
    compare,
    corrected,
    holm,
    paired_t_p,
    randomisation_p,
)
from shortlist.evaluation.student import two_sided_p

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_randomisation_agrees_with_all_sign_flips() -> None:
    differences = np.array([0.3, -0.1, 0.25, 0.4, 0.05, 0.2, -0.15, 0.1])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=len(differences))]
    exact = float(np.mean(np.array(sums) >= differences.sum() - 1e-9))
    assert randomisation_p(differences, permutations=50_000) == pytest.approx(exact, abs=0.01)


def test_randomisation_is_two_sided_and_seeded() -> None:
    differences = np.array([0.3, -0.1, 0.25, 0.4])
    assert randomisation_p(differences, permutations=5000) == randomisation_p(-differences, permutations=5000)


def test_many_queries_take_little_memory() -> None:
    differences = np.random.default_rng(1).normal(0.01, 0.2, 50_000)
    tracemalloc.start()
    randomisation_p(differences, permutations=100)
    bootstrap_interval(differences, resamples=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6


def test_no_difference_has_p_1() -> None:
    nothing = np.zeros(5)
    assert randomisation_p(nothing, permutations=100) == 1.0
    assert paired_t_p(nothing) == 1.0


def test_paired_t_gives_the_textbook_value() -> None:
    # t = 2.0 / (1.5811 / sqrt(5)) = 2.8284 with 4 degrees of freedom
    assert paired_t_p(np.array([0.0, 1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.04742, abs=1e-4)


def test_holm_gives_the_textbook_values() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(p_values)) + 1e-12
    for (p, q), (r, s) in itertools.combinations(zip(p_values, adjusted, strict=True), 2):
        assert (p - r) * (q - s) >= 0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_interval_lies_within_the_differences(values: list[float]) -> None:
    low, high = bootstrap_interval(np.array(values), resamples=200)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_comparison_counts_each_query_once() -> None:
    values = {"ours": {"a": 0.5, "b": 0.5, "c": 0.1, "d": 0.9}, "theirs": {"d": 0.2, "c": 0.4, "b": 0.5, "a": 0.1}}
    one = compare("ours", "theirs", values, permutations=200)
    assert (one.wins, one.ties, one.losses) == (2, 1, 1)
    assert one.difference == pytest.approx(0.2)
    assert one.low <= one.difference <= one.high


def test_correction_is_over_the_whole_table() -> None:
    values = {"a": {"1": 0.9, "2": 0.8, "3": 0.9}, "b": {"1": 0.1, "2": 0.3, "3": 0.2}}
    one = compare("a", "b", values, permutations=500)
    assert [c.p_holm for c in corrected([one, one])] == pytest.approx([2 * one.p_randomisation] * 2)
    assert corrected([]) == []


@pytest.mark.parametrize("theirs", [{"a": 0.1}, {"a": 0.1, "c": 0.2}])
def test_other_queries_are_refused(theirs: dict[str, float]) -> None:
    with pytest.raises(InputError, match="same queries"):
        compare("ours", "theirs", {"ours": {"a": 0.5, "b": 0.5}, "theirs": theirs})


@given(st.floats(-60, 60), st.integers(1, 2000))
def test_student_agrees_with_scipy(t: float, freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-7)


def test_the_effect_is_in_standard_deviations() -> None:
    assert cohens_d(np.array([1.0, 3.0])) == pytest.approx(2 / math.sqrt(2))
    assert cohens_d(np.array([0.5, 0.5])) == 0.0


@pytest.mark.parametrize(("queries", "told"), [(1, "there is no test"), (5, "p is .062 at least"), (9, "p is .0039")])
def test_few_queries_are_said_to_be_few(queries: int, told: str) -> None:
    (note,) = caution(queries)
    assert told in note
    assert randomisation_p(np.ones(max(queries, 2))) >= 2 / 2 ** max(queries, 2) * 0.9
    assert caution(10) == []

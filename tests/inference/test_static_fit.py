"""Fitting a static table to whole texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.inference import static_fit
from shortlist.inference.static_fit import Bags, fitted

VOCABULARY, DIMENSION = 40, 6
CHANCE = np.random.default_rng(0)
TEXTS = [CHANCE.integers(0, 30, CHANCE.integers(1, 12)).astype(np.int32) for _ in range(300)]  # 30 to 39 are in none


def matrix() -> npt.NDArray[np.float64]:
    counts = np.zeros((len(TEXTS), VOCABULARY))
    for row, ids in enumerate(TEXTS):
        np.add.at(counts[row], ids, 1 / np.sqrt(len(ids)))
    return counts


def normal(*shape: int) -> npt.NDArray[np.float32]:
    return CHANCE.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("at_once", [1, 7, 10**6])
def test_products_are_those_of_the_matrix(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(static_fit, "_TOKENS_AT_ONCE", at_once)
    bags, table, vectors = Bags(TEXTS, VOCABULARY), normal(VOCABULARY, DIMENSION), normal(len(TEXTS), DIMENSION)
    np.testing.assert_allclose(bags.times(table), matrix() @ table, atol=1e-5)
    np.testing.assert_allclose(bags.transposed_times(vectors), matrix().T @ vectors, atol=1e-4)


def test_the_table_is_the_ridge_regressions() -> None:
    table, vectors, strength = normal(VOCABULARY, DIMENSION), normal(len(TEXTS), DIMENSION), 0.5
    counts = matrix()
    before = counts @ table
    share = (before * vectors).sum() / (before * before).sum()
    normal_matrix = counts.T @ counts + strength * np.eye(VOCABULARY)
    change = np.linalg.solve(normal_matrix, counts.T @ (vectors - share * before))
    found = fitted(table, Bags(TEXTS, VOCABULARY), vectors, strength=strength, steps=60)
    np.testing.assert_allclose(found, share * table + change, atol=1e-4)
    np.testing.assert_allclose(found[30:], np.float32(share) * table[30:], atol=1e-6)


def test_a_known_table_is_found_again() -> None:
    true, bags = normal(VOCABULARY, DIMENSION), Bags(TEXTS, VOCABULARY)
    start = true + 0.5 * normal(VOCABULARY, DIMENSION)
    found = fitted(start, bags, bags.times(true), strength=1e-3, steps=60)
    assert np.abs(found[:30] - true[:30]).max() < 0.05 < np.abs(start[:30] - true[:30]).max()

"""The figures of an exit before the first layer, from scores that were made up."""

from __future__ import annotations

import numpy as np
from benchmarks.quality.exits import OWN, WHOLE, WITH_PACKAGED, systems_of

from shortlist.types import Document, Query, Ranking

CANDIDATES = [
    Ranking.in_order(Query(f"query {q}", str(q)), [Document(f"{q} {d}", str(d)) for d in range(30)]) for q in range(9)
]


def test_each_query_is_counted_once_and_margins_that_hold_lose_nothing() -> None:
    """Reading moves a score by less than half of any packaged margin, and unlike documents stand 3 apart."""
    random = np.random.default_rng(0)
    cheap = {r.query.query_id: 3 * random.permutation(30).astype(np.float32) for r in CANDIDATES}
    scored = {
        key: np.stack([one, one + random.uniform(-0.5, 0.5, 30).astype(np.float32)]) for key, one in cheap.items()
    }
    found = {name: dict(rows) for name, rows in systems_of(CANDIDATES, scored, 5, 0.2)}
    assert {name: len(rows) for name, rows in found.items()} == dict.fromkeys(found, 9)
    assert {one.read for one in found[WHOLE].values()} == {30}
    assert {one.read for one in found[WITH_PACKAGED].values()} == {5}
    assert {key: one.top for key, one in found[OWN].items()} == {key: one.top for key, one in found[WHOLE].items()}
    assert {key: one.top for key, one in found[WITH_PACKAGED].items()} == {
        key: one.top for key, one in found[WHOLE].items()
    }


def test_a_margin_that_is_too_small_loses_what_reading_would_have_lifted() -> None:
    cheap = np.arange(30, 0, -1, dtype=np.float32)
    final = cheap.copy()
    final[29] = 99  # reading lifts the last of all to the top
    scored = {ranking.query.query_id: np.stack([cheap, final]) for ranking in CANDIDATES}
    found = {name: dict(rows) for name, rows in systems_of(CANDIDATES, scored, 1, 0.2)}
    assert {one.top for one in found[WHOLE].values()} == {("29",)}
    assert {one.top for one in found[WITH_PACKAGED].values()} == {("0",)}
    assert {(one.top, one.read) for one in found[OWN].values()} == {(("29",), 30)}

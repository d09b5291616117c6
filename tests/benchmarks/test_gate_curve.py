from __future__ import annotations

from benchmarks.quality.curve import gate_curve


def test_the_curve_goes_from_all_reranked_to_none() -> None:
    curve = gate_curve([0.9, 0.1, 0.5], skipped=[0.2, 0.6, 0.5], reranked=[0.8, 0.5, 0.5])
    assert [(p.threshold, round(p.skipped, 3), round(p.value, 3)) for p in curve] == [
        (0.0, 0.0, 0.6),
        (0.1, 0.0, 0.6),
        (0.5, 0.333, 0.633),
        (0.9, 0.667, 0.633),
        (float("inf"), 1.0, 0.433),
    ]

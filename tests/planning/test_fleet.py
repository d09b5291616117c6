from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.planning.fleet import Service, simulate, smallest, storage


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_one_replica_waits_as_queueing_theory_says(busy: float) -> None:
    """M/D/1: the mean wait is busy / (2 (1 - busy)) services; half of the queries of an M/D/1 wait less than that."""
    fleet = simulate(Service(100, 100), queries_per_s=busy * 10, replicas=1, queries=200_000)
    assert fleet.busy == pytest.approx(busy)
    assert fleet.p50_ms == pytest.approx(_md1_median(busy), rel=0.05)


def _md1_median(busy: float) -> float:
    """Median time in an M/D/1 queue with service 100, by Erlang's formula for the wait (Erlang 1909)."""
    from math import exp, factorial, floor

    def below(wait: float) -> float:
        steps = range(floor(wait) + 1)
        terms = [(-busy * (wait - k)) ** k / factorial(k) * exp(busy * (wait - k)) for k in steps]
        return (1 - busy) * sum(terms)

    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < 0.5 else (low, middle)
    return 100 * (1 + high)


def test_an_idle_fleet_takes_what_a_query_takes() -> None:
    fleet = simulate(Service(80, 120), queries_per_s=0.1, replicas=50, queries=50_000)
    assert [fleet.p50_ms, fleet.p95_ms] == pytest.approx([80, 120], rel=0.03)


@settings(max_examples=15)
@given(rate=st.floats(1, 200), p50=st.floats(5, 100), ratio=st.floats(1, 2), room=st.floats(1.5, 5))
def test_the_smallest_fleet_keeps_the_budget_and_one_less_does_not(
    rate: float, p50: float, ratio: float, room: float
) -> None:
    service = Service(p50, p50 * ratio)
    budget = service.p95_ms * room
    fleet = smallest(service, queries_per_s=rate, p95_ms=budget)
    assert fleet.p95_ms <= budget
    assert fleet.busy < 1
    more = smallest(service, queries_per_s=rate, p95_ms=budget, spare=2)
    assert more.replicas == fleet.replicas + 2


def test_more_replicas_than_needed_wait_less() -> None:
    service = Service(100, 150)
    waits = [simulate(service, queries_per_s=50, replicas=n).p95_ms for n in (6, 8, 12, 24)]
    assert waits == sorted(waits, reverse=True)


@pytest.mark.parametrize("replicas", [2_000, 60_000])
def test_a_large_fleet_waits_as_long_as_a_smaller_one_that_is_as_busy(replicas: int) -> None:
    service = Service(100, 150)
    one = 0.95 * 1000 / service.mean_ms  # queries a second for each replica
    large = simulate(service, queries_per_s=one * replicas, replicas=replicas)
    smaller = simulate(service, queries_per_s=one * 200, replicas=200, queries=200_000)
    assert large.busy == pytest.approx(0.95)
    assert large.p95_ms == pytest.approx(smaller.p95_ms, rel=0.1)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(InputError, match="no number of them keeps 100; take fewer candidates"):
        smallest(Service(90, 130), queries_per_s=1, p95_ms=100)
    with pytest.raises(InputError, match="takes 150 ms at P95 on an idle replica"):  # by chance a little more
        smallest(Service(100, 150), queries_per_s=10, p95_ms=150.05)
    with pytest.raises(InputError, match=r"2 replicas can do 20\.0 queries a second at most"):
        simulate(Service(100, 100), queries_per_s=25, replicas=2)
    with pytest.raises(InputError, match="0 < P50 <= P95"):
        Service(10, 9)


def test_storage_is_the_arithmetic_of_the_page() -> None:
    million = storage(1_000_000)
    assert (million.vectors, million.graph) == (1_536_000_000, 140_800_000)
    assert million.words == 720_000_000
    assert million.texts == 1_440_000_000
    assert (million.memory, million.nodes) == (2_396_800_000, 1)
    assert storage(1_000_000, precision="int8").vectors == million.vectors // 4
    billion = storage(1_000_000_000, precision="int8", replicas=2)
    assert billion.nodes == -(-billion.memory * 2 // int((64 << 30) * 0.7))
    with pytest.raises(InputError, match="fp32, fp16, int8"):
        storage(1, precision="int4")

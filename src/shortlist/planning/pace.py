"""How fast a model runs at this moment, and how much of the work fits into what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shortlist.planning.cost import CostModel

SHARE = 0.5  # of what is left that one chunk may take: a machine twice as slow as predicted still ends in time
MEMORY_MS = 200.0  # of predicted work, after which what was measured before it counts for 37 %
SPIKE = 10.0  # times its prediction that one chunk may count for
REST = 0.95  # what remains of a model's load for every query that passed it over
UNKNOWN_RATIO = 1.5  # P95 over P50 while it has not been measured


@dataclass(frozen=True, slots=True)
class Pace:
    """A cost model, and what it predicted and what was measured of late; their ratio is the machine's `load`.

    Without a cost model (None) the first chunk is one document, and what it takes becomes
    the model, which `is_learned` then. What was measured is forgotten by the work that was done since, not by the
    number of chunks: the last chunks before a deadline are tiny, and the scheduler's whims are most of what
    they take. One that `is_rested` is tried with a single pair too, which tells more than all that was measured before.
    """

    cost: CostModel | None = None
    measured_ms: float = 0.0
    predicted_ms: float = 0.0
    is_learned: bool = False
    is_rested: bool = False

    @property
    def load(self) -> float:
        """How many times slower than predicted the model runs; 1 before anything was measured."""
        return self.measured_ms / self.predicted_ms if self.predicted_ms > 0 else 1.0

    def predict_ms(self, lengths: Sequence[int]) -> float:
        """Predict the P95 of a call under the present load; 0 while nothing is known."""
        return self.cost.p95_ms(lengths) * self.load if self.cost is not None else 0.0

    def fitting(self, lengths: Sequence[int], *, left_ms: float, longest_ms: float = math.inf) -> int:
        """Return how many of the first pairs to score next, 0 when not even one ends in time.

        A chunk takes half of what is left, so chunks shrink towards the deadline: few calls
        at the start, and little to be late by at the end. `longest_ms` bounds a chunk besides, but
        never below twice what one pair takes: most of that may be a round trip.
        """
        if left_ms <= 0 or not lengths:
            return 0
        if self.cost is None or self.is_rested:
            return int(self.predict_ms(lengths[:1]) <= left_ms)
        allowed_ms = min(left_ms * SHARE, max(longest_ms, 2 * self.predict_ms(lengths[:1])))
        low, high = 0, 1  # the largest count that fits is at least `low`; most often it is far below all
        while high <= len(lengths) and self.predict_ms(lengths[:high]) <= allowed_ms:
            low, high = high, 2 * high
        high = min(high - 1, len(lengths))
        while low < high:
            middle = (low + high + 1) // 2
            if self.predict_ms(lengths[:middle]) <= allowed_ms:
                low = middle
            else:
                high = middle - 1
        return low or int(self.predict_ms(lengths[:1]) <= left_ms)

    def after(self, lengths: Sequence[int], latency_ms: float) -> Pace:
        """Learn from a chunk that was measured."""
        if self.cost is None:
            learned = CostModel(token_ms=latency_ms / max(1, sum(lengths)), p95_ratio=UNKNOWN_RATIO)
            return Pace(learned, latency_ms, learned.p50_ms(lengths), is_learned=True)
        expected, usual = self.cost.p50_ms(lengths), self.predict_ms(lengths)
        if self.is_rested:
            counted = min(latency_ms, SPIKE * max(usual, self.cost.p95_ms(lengths)))
            return Pace(self.cost, counted, expected, self.is_learned)
        kept, counted = math.exp(-expected / MEMORY_MS), min(latency_ms, SPIKE * usual)
        return Pace(self.cost, self.measured_ms * kept + counted, self.predicted_ms * kept + expected, self.is_learned)

    def rested(self, *, was_last: bool = False) -> Pace:
        """Forget a little of the load: a model that is passed over as too slow must be tried again some time.

        Load sinks to 1, what was calibrated. It sinks below that where the cost was only
        learned, or where the model `was_last` and so nothing ran at all: the machine may have been busy
        when it was calibrated, and only trying can tell.
        """
        if self.load <= 1 and not self.is_learned and not was_last:
            return self
        return replace(self, measured_ms=self.load * REST, predicted_ms=1.0, is_rested=True)

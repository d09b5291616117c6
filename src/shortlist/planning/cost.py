"""What scoring costs: latency predicted from token lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.inference.batches import plan_batches
from shortlist.inference.engine import TOKEN_BUDGET


@dataclass(frozen=True, slots=True)
class Work:
    """What one call asks of its busiest stream: pairs, tokens with padding, and the squares of their lengths."""

    pairs: int = 0
    tokens: int = 0
    squares: int = 0


def work_of(lengths: Sequence[int], *, streams: int = 1, token_budget: int = TOKEN_BUDGET) -> Work:
    """Plan the batches as the engine does, give each to the least busy stream, and return the busiest one's work."""
    loads = [Work()] * streams
    for batch in plan_batches(lengths, token_budget=token_budget):
        longest, rows = lengths[batch[0]], len(batch)
        least = min(range(streams), key=lambda stream: loads[stream].tokens)
        had = loads[least]
        loads[least] = Work(had.pairs + rows, had.tokens + rows * longest, had.squares + rows * longest**2)
    return max(loads, key=lambda load: load.tokens)


@dataclass(frozen=True, slots=True)
class CostModel:
    """Latency of one call in ms: `fixed + pair * pairs + token * tokens + square * sum of length^2`.

    The last term is attention's. Pairs, tokens and squares are those of the busiest of
    `streams`, in batches of `token_budget`. The sum is the median; `p95_ratio` times it is the 95th
    percentile. `limit` is how many tokens of a pair are read at most; None reads all.
    A hosted model has its round trip for `fixed_ms`.
    """

    fixed_ms: float = 0.0
    pair_ms: float = 0.0
    token_ms: float = 0.0
    square_ms: float = 0.0
    p95_ratio: float = 1.0
    streams: int = 1
    token_budget: int = TOKEN_BUDGET
    limit: int | None = None

    def p50_ms(self, lengths: Sequence[int]) -> float:
        """Predict the median latency of scoring pairs of these lengths in tokens; no pairs cost nothing."""
        if not lengths:
            return 0.0
        work = self.work(lengths)
        return self.fixed_ms + self.pair_ms * work.pairs + self.token_ms * work.tokens + self.square_ms * work.squares

    def p95_ms(self, lengths: Sequence[int]) -> float:
        """Predict the latency that 95 of 100 such calls do not exceed."""
        return self.p50_ms(lengths) * self.p95_ratio

    def work(self, lengths: Sequence[int]) -> Work:
        """Return the busiest stream's work, with what is over the limit left out."""
        read = lengths if self.limit is None else [min(length, self.limit) for length in lengths]
        return work_of(read, streams=self.streams, token_budget=self.token_budget)

"""What scoring costs: latency predicted from token lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.inference.batches import padded_length, plan_batches
from shortlist.inference.engine import TOKEN_BUDGET

MANY = 256  # pairs; the batches of more take longer to plan than a budget of some ms has room for


@dataclass(frozen=True, slots=True)
class Work:
    """What one call asks of its busiest stream: pairs, tokens with padding, and the squares of their lengths."""

    pairs: float = 0
    tokens: float = 0
    squares: float = 0


def work_of(
    lengths: Sequence[int], *, streams: int = 1, token_budget: int = TOKEN_BUDGET, length_step: int = 1
) -> Work:
    """Plan the batches as the engine does, give each to the least busy stream, and return the busiest one's work."""
    loads = [Work()] * streams
    for batch in plan_batches(lengths, token_budget=token_budget, length_step=length_step, streams=streams):
        longest, rows = padded_length(lengths[batch[0]], length_step), len(batch)
        least = min(range(streams), key=lambda stream: loads[stream].tokens)
        had = loads[least]
        loads[least] = Work(had.pairs + rows, had.tokens + rows * longest, had.squares + rows * longest**2)
    return max(loads, key=lambda load: load.tokens)


@dataclass(frozen=True, slots=True)
class CostModel:
    """Latency of one call in ms: `fixed + pair * pairs + token * tokens + square * sum of length^2 + second * tokens`.

    The squares are attention's. The last term is of a scorer that reads each pair a second time, up to
    `second_limit` tokens: one with a bi-encoder in it. Pairs, tokens and squares are those of the busiest of
    `streams`, in batches of `token_budget` padded to multiples of `length_step`. The sum is the median;
    `p95_ratio` times it, and `jitter_ms` more, is the 95th percentile. `limit` is how many tokens
    of a pair are read at most; None reads all. A hosted model has its round trip for `fixed_ms`. Of more than
    `MANY` pairs an even sample is planned, and stands for all.
    """

    fixed_ms: float = 0.0
    pair_ms: float = 0.0
    token_ms: float = 0.0
    square_ms: float = 0.0
    p95_ratio: float = 1.0
    streams: int = 1
    token_budget: int = TOKEN_BUDGET
    limit: int | None = None
    length_step: int = 1
    second_ms: float = 0.0
    second_limit: int | None = None
    jitter_ms: float = 0.0

    def p50_ms(self, lengths: Sequence[int]) -> float:
        """Predict the median latency of scoring pairs of these lengths in tokens; no pairs cost nothing."""
        if not lengths:
            return 0.0
        weights = (self.fixed_ms, self.pair_ms, self.token_ms, self.square_ms, self.second_ms)
        return sum(weight * amount for weight, amount in zip(weights, self.terms(lengths), strict=True) if weight)

    def p95_ms(self, lengths: Sequence[int]) -> float:
        """Predict the latency that 95 of 100 such calls do not exceed."""
        return self.p50_ms(lengths) * self.p95_ratio + self.jitter_ms if lengths else 0.0

    def terms(self, lengths: Sequence[int]) -> tuple[float, float, float, float, float]:
        """Return what each of the five costs is multiplied by, in the order of the fields."""
        work = self._work(lengths, self.limit)
        second = self._work(lengths, self.second_limit).tokens if self.second_limit is not None else 0
        return 1.0, work.pairs, work.tokens, work.squares, second

    def _work(self, lengths: Sequence[int], limit: int | None) -> Work:
        """Return the busiest stream's work, with what is over the limit left out."""
        sample = lengths[:: -(-len(lengths) // MANY) or 1]
        read = sample if limit is None else [min(length, limit) for length in sample]
        work = work_of(read, streams=self.streams, token_budget=self.token_budget, length_step=self.length_step)
        if len(sample) == len(lengths):
            return work
        times = len(lengths) / len(sample)
        return Work(work.pairs * times, work.tokens * times, work.squares * times)

"""Whether to rerank at all, and how deep, from values that were measured query by query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shortlist.errors import InputError

Values = Mapping[str, float]
"""query_id to value, such as nDCG@10."""
ENOUGH = 0.9  # of the gain
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Statistics:
    """How to judge differences: a 95 % interval of their mean, a paired test, a correction for several tests."""

    interval: Callable[[Sequence[float]], tuple[float, float]]
    p_value: Callable[[Sequence[float]], float]
    corrected: Callable[[Sequence[float]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's values at every depth that was tried, and what each depth takes where that is known, in ms.

    `mixes` names the model whose scores were added to the first stage's, where these values are of such a sum.
    """

    model: str
    by_depth: Mapping[int, Values]
    latency_ms: Mapping[int, float]
    mixes: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean gain over the first stage with its 95 % interval, at a depth or for a number of passages."""

    at: int
    mean: float
    low: float
    high: float
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ModelAdvice:
    """What a model gains by depth, and the p of its gain at the deepest, corrected over all models.

    The test is made at the deepest because that was settled before looking. `enough` is the
    smallest depth with 90 % of the highest gain; None when there is no gain anywhere.
    """

    model: str
    gains: tuple[Gain, ...]
    p: float
    enough: Gain | None
    mixes: str = ""

    @property
    def deepest(self) -> Gain:
        """The gain at the greatest depth."""
        return self.gains[-1]

    @property
    def helps(self) -> bool:
        """Whether the gain at the deepest is there, and not by chance."""
        return self.deepest.mean > 0 and self.p < SIGNIFICANT

    @property
    def hurts(self) -> bool:
        """Whether it makes the order worse at the deepest, and not by chance."""
        return self.deepest.mean < 0 and self.p < SIGNIFICANT


def advise(baseline: Values, measured: Sequence[Measured], statistics: Statistics) -> tuple[ModelAdvice, ...]:
    """Compare each model with the first stage, the greatest gain at its deepest first.

    Raises InputError without models or depths, or when a depth lacks values for the first stage's queries.
    """
    if not measured or not all(one.by_depth for one in measured):
        raise InputError("there is nothing to give advice on: every model needs values at one depth at least")
    tests = [_differences(baseline, one.by_depth[max(one.by_depth)], one.model) for one in measured]
    corrected = statistics.corrected([statistics.p_value(differences) for differences in tests])
    advice = []
    for one, p in zip(measured, corrected, strict=True):
        gains = tuple(
            _gain(at, baseline, one.by_depth[at], statistics, f"{one.model} at {at}", one.latency_ms.get(at))
            for at in sorted(one.by_depth)
        )
        advice.append(ModelAdvice(one.model, gains, p, _enough(gains), one.mixes))
    return tuple(sorted(advice, key=lambda one: -one.deepest.mean))


def gains_by_passages(
    first: Mapping[int, Values], reranked: Mapping[int, Values], statistics: Statistics
) -> tuple[Gain, ...]:
    """Return what reranking gains when the generator takes 3, 5, 10, 30 passages: values of both by that number."""
    if first.keys() != reranked.keys():
        raise InputError(f"values are needed for the same numbers of passages, got {[*first]} and {[*reranked]}")
    return tuple(_gain(at, first[at], reranked[at], statistics, f"{at} passages") for at in sorted(reranked))


def _gain(
    at: int, baseline: Values, values: Values, statistics: Statistics, name: str, latency_ms: float | None = None
) -> Gain:
    differences = _differences(baseline, values, name)
    low, high = statistics.interval(differences)
    return Gain(at, sum(differences) / len(differences), low, high, latency_ms)


def verdict(advice: Sequence[ModelAdvice], *, recall: float | None = None, passages: int | None = None) -> str:
    """Say in one sentence what to do.

    `recall` is the share of relevant documents among the candidates, which no reranking
    can exceed; `passages` how many the generator takes.
    """
    taking = f" at {passages} passages" if passages is not None else ""
    ceiling = f"; the first stage finds {recall:.0%} of what is relevant" if recall is not None else ""
    helping = [one for one in advice if one.helps]
    if not helping:
        return f"Do not rerank: {_why_not(advice)}{taking}{ceiling}."
    best, most = max(((one, gain) for one in helping for gain in one.gains), key=lambda found: found[1].mean)
    one, enough = _cheapest(helping, best, most)
    cost = ""
    if enough.latency_ms is not None and most.latency_ms:
        cost = f" for {enough.latency_ms / most.latency_ms:.0%} of the time ({enough.latency_ms:.0f} ms)"
    of = f"depth {most.at}" if one is best else f"{best.model} at depth {most.at}"
    share = "its whole gain" if enough is most else f"{enough.mean / most.mean:.0%} of the gain of {of}{cost}"
    gain = f"{enough.mean:+.3f} ({enough.low:+.3f} to {enough.high:+.3f})"
    return f"Rerank with {one.model} at depth {enough.at}{taking}: {share}, {gain}{_alone(one, advice)}{ceiling}."


def _why_not(advice: Sequence[ModelAdvice]) -> str:
    plain = [one for one in advice if not one.mixes]
    worse = [one.model for one in plain if one.hurts]
    if plain and len(worse) == len(plain):
        return "it makes the order worse"
    return "no gain that is not chance" + (f", and {', '.join(worse)} makes the order worse" if worse else "")


def _cheapest(helping: Sequence[ModelAdvice], best: ModelAdvice, most: Gain) -> tuple[ModelAdvice, Gain]:
    """Return the quickest model and depth with 90 % of the highest gain; a gain that may be none is not taken."""
    enough = [(one, gain) for one in helping for gain in one.gains if gain.mean >= ENOUGH * most.mean and gain.low > 0]
    if not enough or any(gain.latency_ms is None for _, gain in enough):  # nothing to tell models apart by
        return best, best.enough or most
    return min(enough, key=lambda found: found[1].latency_ms or 0.0)


def _alone(one: ModelAdvice, advice: Sequence[ModelAdvice]) -> str:
    """Say what a model does without the first stage's scores, where only the sum of both helps."""
    alone = next((other for other in advice if other.model == one.mixes), None)
    if alone is None or alone.helps:
        return ""
    return f"; {alone.model} alone {'makes the order worse' if alone.hurts else 'has no gain that is not chance'}"


def _enough(gains: Sequence[Gain]) -> Gain | None:
    most = max(gain.mean for gain in gains)
    return next((gain for gain in gains if gain.mean >= ENOUGH * most), None) if most > 0 else None


def _differences(baseline: Values, values: Values, name: str) -> list[float]:
    missing = [query_id for query_id in baseline if query_id not in values]
    if missing or not baseline or len(values) != len(baseline):
        raise InputError(
            f"{name} has values for {len(values)} queries, the first stage for {len(baseline)}"
            f"{f'; {missing[0]!r} is missing' if missing else ''}: they must be the same"
        )
    return [values[query_id] - baseline[query_id] for query_id in baseline]

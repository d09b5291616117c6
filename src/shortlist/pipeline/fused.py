"""A reranker's scores added to the first stage's, with a weight that is fitted to the user's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

from shortlist.errors import InputError
from shortlist.protocols import Reranker
from shortlist.retrieval.fusion import min_max
from shortlist.scorers.asked_of import timed
from shortlist.types import Deadline, Ranking, ScoredDocument, ScoreKind, Step

WEIGHTS = tuple(step / 20 for step in range(21))
FOLDS = 5
STAGE = "with first stage"


class WithFirstStage:
    """Reranks, then orders by `weight` x first stage + (1 - `weight`) x reranker, both from 0 to 1 over the candidates.

    A weak reranker can spoil a strong first stage; this keeps as much of the latter as
    proved right. Scores depend on the other candidates, as those of any normalised sum do.
    """

    def __init__(self, reranker: Reranker, *, weight: float) -> None:
        self._reranker = reranker
        self._weight = share(weight)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        reranked = self._reranker.rerank(candidates)
        return fused(reranked, weight=self._weight, first_stage=candidates.stage).head(top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline: what was scored is fused, the others follow. Raises InputError as `Cascade`'s."""
        reranked = timed(self._reranker).rerank_within(candidates, deadline=deadline)
        return fused(reranked, weight=self._weight, first_stage=candidates.stage).head(top_k)


def share(weight: float) -> float:
    """Return a weight of the first stage as it is; raises InputError for one outside of 0..1."""
    if not isinstance(weight, Real) or not 0 <= weight <= 1:
        raise InputError(f"the first stage's weight must be a number within 0..1, got {weight!r}")
    return weight


def fused(reranked: Ranking, *, weight: float, first_stage: str) -> Ranking:
    """Order a reranked ranking by its own scores and those it had at `first_stage`; ties keep the reranker's order.

    Each document's history says where it stood in both. Documents that the reranker did not come to
    stay behind the others. A ranking that nothing came to after `first_stage` stays as it is, and the trace says so.
    """
    scored = [item for item in reranked if item.is_scored]
    earlier = [_at(first_stage, item) for item in scored]
    known = [score for score in earlier if score is not None]
    if not known or len(known) < len(scored):
        note = "not added to the first stage's scores: not every document has both"
        return reranked.traced(Step(STAGE, 0.0, {"documents": len(reranked)}, {}, (note,)))
    before = min_max(known)
    after = min_max([item.score for item in scored])
    scores = [weight * b + (1 - weight) * a for b, a in zip(before, after, strict=True)]
    counts = {"documents": len(reranked), "scored": len(scored)}
    step = Step(STAGE, 0.0, counts, {"weight": f"{weight:g}"})
    kind, unscored = ScoreKind.WEIGHTED_SUM, reranked.unscored
    ranking = reranked.partly_reordered(scores, kind=kind, stage=STAGE, steps=(step,))
    return replace(ranking, unscored=unscored)


def _at(stage: str, item: ScoredDocument) -> float | None:
    return next((standing.score for standing in reversed(item.history) if standing.stage == stage), None)


@dataclass(frozen=True, slots=True)
class FittedWeight:
    """The first stage's best weight, with the mean value of every weight.

    `held_out` holds each query's value under the weight that the other folds chose: their mean is
    what to expect of new queries. Weight 0 is the reranker alone, 1 the first stage.
    """

    weight: float
    by_weight: Mapping[float, float]
    held_out: tuple[float, ...]


def fit_weight(reranked: Sequence[Ranking], value: Callable[[Ranking], float], *, first_stage: str) -> FittedWeight:
    """Choose the weight of the best mean `value` (nDCG@10, say) over queries, the nearest to .5 among equals.

    Raises InputError for fewer than two queries.
    """
    if len(reranked) < 2:
        raise InputError(f"a weight is fitted to two queries at least, got {len(reranked)}")
    values = {
        weight: [value(fused(ranking, weight=weight, first_stage=first_stage)) for ranking in reranked]
        for weight in WEIGHTS
    }
    kept = [place % FOLDS for place in range(len(reranked))]
    held_out = [0.0] * len(reranked)
    for fold in sorted(set(kept)):
        chosen = _best({w: [v for v, f in zip(values[w], kept, strict=True) if f != fold] for w in WEIGHTS})
        for place, f in enumerate(kept):
            held_out[place] = values[chosen][place] if f == fold else held_out[place]
    means = {weight: sum(of) / len(of) for weight, of in values.items()}
    return FittedWeight(_best(values), means, tuple(held_out))


def _best(values: Mapping[float, Sequence[float]]) -> float:
    return max(values, key=lambda weight: (sum(values[weight]), -abs(weight - 0.5)))

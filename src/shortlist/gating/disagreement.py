"""What can be said of reranking without judgements: what it changes, and from which depth on nothing more changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shortlist.errors import InputError

Orders = Mapping[str, Sequence[str]]
"""query_id to doc_ids, best first."""
SETTLED = 0.9  # of the first passages that the deepest reranking gives
UNTOUCHED = 0.95  # of the first passages stay: not worth any time


@dataclass(frozen=True, slots=True)
class Changes:
    """What a model changes among the first `passages`, as means over queries, all within 0..1.

    `kept` is the share that the first stage had there, too; `same_first` how often the very first one
    stays. `settled` holds for each depth the share of what the deepest gives. `agreement` is
    the share that it has in common with each other model. None of this says that a change is a gain.
    """

    model: str
    passages: int
    kept: float
    same_first: float
    settled: Mapping[int, float]
    agreement: Mapping[str, float]

    @property
    def enough(self) -> int:
        """The smallest depth from which on 90 % of the first passages are those of the deepest."""
        below = [depth for depth, share in self.settled.items() if share < SETTLED]
        return min(depth for depth in self.settled if depth > max(below, default=0))


def changes(first: Orders, reranked: Mapping[str, Mapping[int, Orders]], *, passages: int) -> tuple[Changes, ...]:
    """Compare each model's orders (by depth) with the first stage's, with its own deepest, and with other models'.

    Raises InputError without models, depths or queries, or when a depth lacks a query.
    """
    if not first or not reranked or not all(reranked.values()):
        raise InputError("there is nothing to compare: it takes queries, and a model's orders at one depth at least")
    for model, by_depth in reranked.items():
        for depth, orders in by_depth.items():
            if orders.keys() != first.keys():
                raise InputError(f"{model} at depth {depth} has {len(orders)} queries, the first stage {len(first)}")
    deepest = {model: by_depth[max(by_depth)] for model, by_depth in reranked.items()}
    return tuple(
        Changes(
            model,
            passages,
            _common(first, deepest[model], passages),
            _common(first, deepest[model], 1),
            {depth: _common(by_depth[depth], deepest[model], passages) for depth in sorted(by_depth)},
            {other: _common(deepest[model], deepest[other], passages) for other in reranked if other != model},
        )
        for model, by_depth in reranked.items()
    )


def weak_verdict(found: Sequence[Changes]) -> str:
    """Say in a sentence or two what may be concluded; never that a model is better."""
    most = min(found, key=lambda one: one.kept)
    if (deepest := max(most.settled)) <= most.passages:
        return (
            f"All {deepest} candidates are among the first {most.passages}, whatever their order, so there is nothing"
            " to tell without judgements; ask with a --depth above --passages."
        )
    if most.kept >= UNTOUCHED:
        what = f"Reranking hardly touches the first {most.passages}: at most {1 - most.kept:.0%} of them change"
        return f"{what}, so it can gain little here. There are no judgements, so this says nothing about quality."
    told = [
        f"{one.model} replaces {1 - one.kept:.0%} of the first {one.passages}"
        f" and needs depth {one.enough} of {max(one.settled)} for {SETTLED:.0%} of that"
        for one in found
    ]
    return (
        f"Without judgements nobody can say whether reranking helps; {'; '.join(told)}."
        " Judge the changed passages of some 50 queries, then ask again with --qrels."
    )


def _common(one: Orders, other: Orders, count: int) -> float:
    """Return the mean share of the first `count` that two orders of the same queries have in common."""
    shares = []
    for query_id, doc_ids in one.items():
        ours, theirs = set(doc_ids[:count]), set(other[query_id][:count])
        shares.append(len(ours & theirs) / len(ours) if ours else 1.0)
    return sum(shares) / len(shares)

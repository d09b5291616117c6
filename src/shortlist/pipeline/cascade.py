"""Cheap models on all candidates, dear ones on the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shortlist.errors import InputError
from shortlist.protocols import Reranker
from shortlist.scorers.asked_of import timed
from shortlist.types import Deadline, Ranking
from shortlist.types.ranking import check_top_k


class Cascade:
    """Rerankers one after another, each on the first `depth` of what the one before it left.

    What a stage does not get keeps its order behind what it gets; a stage without time, or one that failed behind a
    `Fallback`, leaves order and scores as they are. `stages` are pairs of a
    reranker and its depth, such as `shortlist plan` names: `small@100 > large@20`.
    """

    def __init__(self, stages: Sequence[tuple[Reranker, int]]) -> None:
        if not stages:
            raise InputError("a cascade needs at least one stage")
        for _, depth in stages:
            if check_top_k(depth, name="depth") is None:
                raise InputError("every stage of a cascade needs a depth")
        self._stages = tuple(stages)

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        ranking = replace(candidates.as_unscored(), unscored=0)
        for reranker, depth in self._stages:
            first = _first(ranking, depth)
            ranking = _then(ranking, first, reranker.rerank(first))
        return ranking.head(top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline; a stage without time leaves the order as it is.

        Raises InputError when one of the rerankers keeps no deadline.
        """
        ranking = replace(candidates.as_unscored(), unscored=0)
        for reranker, depth in self._stages:
            first = _first(ranking, depth)
            ranking = _then(ranking, first, timed(reranker).rerank_within(first, deadline=deadline))
        return ranking.head(top_k)


def _then(ranking: Ranking, first: Ranking, done: Ranking) -> Ranking:
    """Return a stage's ranking of the `first` ones before the rest of the ranking that it was given."""
    # without time, or where the stage failed, the order before stands, all of it, with its scores
    stands = [item.history for item in done] == [item.history for item in first]
    following = replace(ranking, trace=done.trace) if stands else done.before_rest_of(ranking)
    return replace(following, unscored=ranking.unscored + done.unscored)


def _first(ranking: Ranking, depth: int) -> Ranking:
    return replace(ranking.head(depth), unscored=0)

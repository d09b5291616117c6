"""Cheap models on all candidates, dear ones on the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        return self._through(candidates, lambda reranker, first: reranker.rerank(first)).head(top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline; a stage without time leaves the order as it is.

        `unscored` are the documents that a stage did not come to, unless a later one did. Raises InputError when one
        of the rerankers keeps no deadline.
        """
        return self._through(
            candidates, lambda reranker, first: timed(reranker).rerank_within(first, deadline=deadline)
        ).head(top_k)

    def _through(self, candidates: Ranking, stage: Callable[[Reranker, Ranking], Ranking]) -> Ranking:
        ranking = replace(candidates.as_unscored(), unscored=0)
        missed = [False] * len(candidates)  # by place: whether a stage had no time for the document, nor a later one
        for reranker, depth in self._stages:
            first = replace(ranking.head(depth), unscored=0)
            done = stage(reranker, first)
            came_to = len(first) - done.unscored
            if done.unscored == len(first) or done.as_unscored().items == first.as_unscored().items:
                # without time, or where the stage failed, the order before stands, all of it, with its scores
                ranking = replace(ranking, trace=done.trace)
            else:
                ranking = done.before_rest_of(ranking)
                missed[:came_to] = [False] * came_to
            missed[came_to : len(first)] = [True] * done.unscored
        return replace(ranking, unscored=sum(missed))

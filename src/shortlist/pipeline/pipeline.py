"""Retrieve candidates, rerank them, keep the first few, and write down what was done."""

from __future__ import annotations

from shortlist.errors import InputError
from shortlist.pipeline.deciding import decided
from shortlist.pipeline.diverse import check_diversity, diversified
from shortlist.pipeline.fallback import Fallback
from shortlist.protocols import Gate, Reranker, Retriever
from shortlist.types import Cancel, Clock, Deadline, Query, Ranking, ScoreKind, monotonic_ms
from shortlist.types.ranking import check_top_k


class Pipeline:
    """A retriever and a reranker; without a reranker the first stage's order stands.

    A `gate` decides query by query whether to rerank; when it fails, candidates are reranked. With `diversity`, the few
    that are kept repeat little of each other: see `diversified`. `clock` is for deadlines.
    """

    def __init__(
        self,
        retriever: Retriever,
        reranker: Reranker | None,
        *,
        gate: Gate | None = None,
        diversity: float = 0.0,
        clock: Clock = monotonic_ms,
    ) -> None:
        self._retriever = retriever
        self._reranker = None if reranker is None else Fallback([("reranking", reranker)])
        self._gate = gate
        self._diversity = check_diversity(diversity)
        self._clock = clock

    def search(
        self,
        query: str | Query,
        *,
        top_k: int = 5,
        depth: int = 100,
        budget_ms: float | None = None,
        cancel: Cancel | None = None,
        min_score: float | None = None,
        min_score_kind: ScoreKind | str | None = None,
    ) -> Ranking:
        """Fetch `depth` candidates and return the best `top_k` of them, with the trace of every step.

        When the reranker fails, the first stage's order is returned and the trace says so.
        With a `budget_ms`, from this call on, reranking has what retrieval left of it: see
        `Budgeted`. `cancel` ends it at the next chunk, with what there is by then. `min_score`
        leaves out what is scored below it, where anything was scored: see `Ranking.at_least` for the kind of score.
        Raises InputError for an empty query, when `top_k` is above `depth`, or for a
        budget that the reranker knows nothing of.
        """
        check_top_k(top_k)
        check_top_k(depth, name="depth")
        if top_k > depth:
            raise InputError(f"top_k={top_k} asks for more than depth={depth} candidates can give; raise depth")
        deadline = due(budget_ms, cancel=cancel, clock=self._clock)
        if deadline is not None and self._reranker is not None:
            self._reranker.check_timed()
        candidates = self._retriever.retrieve(Query.of(query), depth=depth)
        ranking = self._second_stage(candidates, top_k, deadline)
        if min_score is not None:
            given = None if self._reranker is None else candidates.stage
            ranking = ranking.at_least(min_score, kind=min_score_kind, given=given)
        return diversified(ranking, self._diversity, top_k=top_k)

    def _second_stage(self, candidates: Ranking, top_k: int, deadline: Deadline | None) -> Ranking:
        kept = None if self._diversity else top_k  # those that are alike may make room for any other
        if self._reranker is None:
            return candidates.head(kept)
        if self._gate is not None:
            is_worth_it, step = decided(self._gate, candidates, top_k=top_k)
            candidates = candidates.traced(step)
            if not is_worth_it:
                return candidates.head(kept)
        if deadline is None:
            return self._reranker.rerank(candidates, top_k=kept)
        return self._reranker.rerank_within(candidates, deadline=deadline, top_k=kept)


def due(budget_ms: float | None, *, cancel: Cancel | None = None, clock: Clock = monotonic_ms) -> Deadline | None:
    """Return the deadline that a caller's budget and cancel mean; None when there is neither."""
    if budget_ms is None and cancel is None:
        return None
    return Deadline.after(float("inf") if budget_ms is None else budget_ms, cancel=cancel, clock=clock)

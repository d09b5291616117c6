"""A reranker that shows what it was given and what it made of it."""

from __future__ import annotations

from collections.abc import Callable

from shortlist.protocols import Reranker
from shortlist.scorers.asked_of import timed
from shortlist.types import Deadline, Ranking, Step

Tell = Callable[[Ranking, Ranking], None]
"""Called with the candidates and with their new order, all of it."""


class Watched:
    """Reranks as the reranker does, and tells of every ranking that was not cut short by a deadline.

    What is told may be lost (a full disk under a log), which the trace says; a ranking is not.
    """

    def __init__(self, reranker: Reranker, tell: Tell) -> None:
        self._reranker = reranker
        self._tell = tell

    def rerank(self, candidates: Ranking, *, top_k: int | None = None) -> Ranking:
        """Return a permutation of the candidates, or its first `top_k`."""
        return self._told(candidates, self._reranker.rerank(candidates), top_k)

    def rerank_within(self, candidates: Ranking, *, deadline: Deadline, top_k: int | None = None) -> Ranking:
        """Do the same by a deadline. Raises InputError when the reranker keeps none."""
        return self._told(candidates, timed(self._reranker).rerank_within(candidates, deadline=deadline), top_k)

    def _told(self, candidates: Ranking, reranked: Ranking, top_k: int | None) -> Ranking:
        if not reranked.is_partial:
            try:
                self._tell(candidates, reranked)
            except Exception as error:
                note = f"what reranking changed was not told: {type(error).__name__}: {error}"
                reranked = reranked.traced(Step("watched", 0.0, {}, {}, (note,)))
        return reranked.head(top_k)

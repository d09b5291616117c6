"""What only some scorers and rerankers can do, asked of any."""

from __future__ import annotations

from shortlist.errors import InputError
from shortlist.protocols import Reranker, Scorer, TimedReranker


def timed(reranker: Reranker) -> TimedReranker:
    """Return a reranker that keeps deadlines as it is; raises InputError for one that keeps none."""
    if not isinstance(reranker, TimedReranker):
        raise InputError(f"{type(reranker).__name__} keeps no deadline; put its scorer into a Budgeted")
    return reranker


def close(scorer: Scorer) -> None:
    """End a scorer's threads; one that holds nothing has no `close`."""
    end = getattr(scorer, "close", None)
    if callable(end):
        end()

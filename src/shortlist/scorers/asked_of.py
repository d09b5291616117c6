"""What only some scorers and rerankers can do, asked of any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from shortlist.errors import InputError
from shortlist.protocols import Reranker, Scorer, TimedReranker
from shortlist.types import Document


def timed(reranker: Reranker) -> TimedReranker:
    """Return a reranker that keeps deadlines as it is; raises InputError for one that keeps none."""
    if not isinstance(reranker, TimedReranker):
        raise InputError(f"{type(reranker).__name__} keeps no deadline; put its scorer into a Budgeted")
    return reranker


@runtime_checkable
class _Wrapping(Protocol):
    @property
    def scorer(self) -> Scorer: ...


def innermost(scorer: Scorer) -> Scorer:
    """Return the scorer that computes: the one behind a cache, or behind the note of a licence."""
    while isinstance(scorer, _Wrapping):
        scorer = scorer.scorer
    return scorer


def is_at_hand(scorer: Scorer, documents: Sequence[Document]) -> bool:
    """Whether a scorer finds at the documents, stored, what is dear to compute; one that stores nothing has no need."""
    stored = getattr(innermost(scorer), "has_stored", None)
    return bool(stored(documents)) if callable(stored) else True


def with_stored(scorer: Scorer, documents: Sequence[Document]) -> Sequence[Document]:
    """Return the documents with what a scorer would look for at them, computed now where it is not there."""
    storing = getattr(innermost(scorer), "storing", None)
    return storing(documents) if callable(storing) else documents


def close(scorer: Scorer) -> None:
    """End a scorer's threads; one that holds nothing has no `close`."""
    end = getattr(innermost(scorer), "close", None)
    if callable(end):
        end()

"""The two-line start: `rank` with the packaged model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from shortlist.build.arguments import refuse_unknown
from shortlist.build.reranker import Reranker
from shortlist.types import Cancel, Document, Query, Ranking, ScoreKind

_DEFAULT = Reranker()


def rank(
    query: str | Query,
    documents: Iterable[str | Mapping[str, Any] | Document],
    *,
    top_k: int | None = None,
    budget_ms: float | None = None,
    cancel: Cancel | None = None,
    min_score: float | None = None,
    min_score_kind: ScoreKind | str | None = None,
    **unknown: NoReturn,
) -> Ranking:
    """Rank documents for a query with the packaged model, which is loaded at the first call and kept.

    The options are those of `Reranker.rank`.
    """
    refuse_unknown(unknown, rank)
    return _DEFAULT.rank(
        query,
        documents,
        top_k=top_k,
        budget_ms=budget_ms,
        cancel=cancel,
        min_score=min_score,
        min_score_kind=min_score_kind,
    )

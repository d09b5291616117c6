"""Several rankings of one query become one: the reference implementation of fusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from shortlist.errors import InputError
from shortlist.types import Document, Ranking, ScoredDocument, ScoreKind, Standing, Trace
from shortlist.types.ranking import check_top_k


def reciprocal_rank_fusion(
    rankings: Sequence[Ranking],
    *,
    k: int = 60,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
    stage: str = "hybrid",
) -> Ranking:
    """Score each document by the sum of `weight / (k + rank)` over the rankings that hold it.

    Cormack, Clarke and Buettcher, SIGIR 2009, where `k` is 60. Ranks count, scores do
    not, so arms of any score kind can be fused. `weights` default to 1 each. Ties keep
    the order of first appearance: all of the first ranking, then what the second adds.
    Every document's history says where it stood in each arm. Raises InputError for no
    rankings, different queries, a doc_id twice in one ranking, a negative `k`, or bad weights.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise InputError(f"k must be a whole number from 0, got {k!r}; 60 is usual")
    shares = _checked(rankings, weights)
    parts = [
        {item.doc_id: share / (k + item.rank) for item in ranking}
        for ranking, share in zip(rankings, shares, strict=True)
    ]
    return _fused(rankings, parts, ScoreKind.RECIPROCAL_RANK, stage, depth)


def weighted_fusion(
    rankings: Sequence[Ranking],
    *,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
    stage: str = "hybrid",
) -> Ranking:
    """Score each document by the weighted sum of its scores, min-max normalised within each ranking.

    A ranking's best document counts 1 and its last 0; a document that is missing from a
    ranking gets 0 there. Where all scores of a ranking are equal, each counts 1.
    `weights` default to 1 each. Order of ties, history and errors are as in
    `reciprocal_rank_fusion`.
    """
    shares = _checked(rankings, weights)
    parts = [
        {doc_id: share * score for doc_id, score in _normalised(ranking).items()}
        for ranking, share in zip(rankings, shares, strict=True)
    ]
    return _fused(rankings, parts, ScoreKind.WEIGHTED_SUM, stage, depth)


def _checked(rankings: Sequence[Ranking], weights: Sequence[float] | None) -> tuple[float, ...]:
    if not rankings:
        raise InputError("there is nothing to fuse; give at least one ranking")
    texts = {ranking.query.text for ranking in rankings}
    if len(texts) > 1:
        raise InputError(f"only rankings of one query can be fused, got {sorted(texts)[:3]!r:.200}")
    for ranking in rankings:
        _check_distinct(ranking)
    shares = tuple(1.0 for _ in rankings) if weights is None else tuple(float(weight) for weight in weights)
    if len(shares) != len(rankings):
        raise InputError(f"{len(shares)} weights were given for {len(rankings)} rankings; give one each")
    if not all(math.isfinite(share) and share >= 0 for share in shares) or not any(shares):
        raise InputError(f"weights must be finite, not negative and not all zero, got {shares}")
    return shares


def _check_distinct(ranking: Ranking) -> None:
    seen: set[str] = set()
    for doc_id in ranking.doc_ids:
        if doc_id in seen:
            raise InputError(f"ranking {ranking.stage!r} holds doc_id {doc_id!r} twice; fusion tells documents by id")
        seen.add(doc_id)


def min_max(scores: Sequence[float]) -> list[float]:
    """Bring scores to 0..1, the lowest to 0 and the highest to 1; where all are equal each is 1."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [1.0 if high == low else (score - low) / (high - low) for score in scores]


def _normalised(ranking: Ranking) -> dict[str, float]:
    return dict(zip(ranking.doc_ids, min_max([item.score for item in ranking]), strict=True))


def _fused(
    rankings: Sequence[Ranking], parts: Sequence[dict[str, float]], kind: ScoreKind, stage: str, depth: int | None
) -> Ranking:
    documents: dict[str, Document] = {}
    histories: dict[str, tuple[Standing, ...]] = {}
    for ranking in rankings:
        for item in ranking:
            documents.setdefault(item.doc_id, item.document)
            standing = Standing(ranking.stage, item.rank, item.score)
            histories[item.doc_id] = (*histories.get(item.doc_id, ()), *item.history, standing)
    # fsum: a document's score must not depend on the order of the arms
    scores = [math.fsum(part.get(doc_id, 0.0) for part in parts) for doc_id in documents]
    query, limit = rankings[0].query, check_top_k(depth, name="depth")
    ranked = Ranking.from_scores(query, [*documents.values()], scores, kind=kind, stage=stage, top_k=limit)
    items = tuple(ScoredDocument(item.document, item.score, item.rank, histories[item.doc_id]) for item in ranked)
    trace = Trace(tuple(step for ranking in rankings for step in ranking.trace.steps))
    return replace(ranked, items=items, trace=trace)
